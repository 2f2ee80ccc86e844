package verify

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// The values of Report.Status.
const (
	Holds        = "holds"
	Differs      = "differs"
	Undetermined = "undetermined" // too little of the outputs could be compared
)

// RuntimeInfo names a runtime that took part.
type RuntimeInfo struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// SetReport is the result for one set of rows, over all runtimes and batch sizes.
type SetReport struct {
	Name         string  `json:"name"`
	Rows         int     `json:"rows"`
	Batches      []int   `json:"batches"`
	WorstAbs     float64 `json:"worst_abs"`
	WorstRow     int     `json:"worst_row"`
	WorstElement int     `json:"worst_element"`
	WorstOutput  string  `json:"worst_output"`
	Tolerance    float64 `json:"tolerance"`     // greatest of an element
	Largest      float64 `json:"largest"`       // greatest magnitude of an output
	Undetermined int     `json:"undetermined"`  // elements that rounding alone decides
	NotFinite    bool    `json:"has_nonfinite"` // NaN and infinities were compared place by place

	// Determined is the share of each output's elements that was compared, by
	// [Determined]; only of sets the caller gave.
	Determined map[string]float64 `json:"determined,omitempty"`

	// Lengths are the free lengths by name, such as those of sequences.
	Lengths map[string]int `json:"lengths,omitempty"`
}

// Report is the result of Verify. Rows, Batches, WorstAbs, WorstRow, WorstElement and
// Tolerance are about the sets the caller gave; Sets has the others too.
type Report struct {
	Status       string        `json:"status"`
	Trained      *RuntimeInfo  `json:"trained,omitempty"` // the execution that the runtimes are compared with
	Runtimes     []RuntimeInfo `json:"runtimes"`          // those that ran the file
	Rows         int           `json:"rows"`
	Batches      []int         `json:"batches"`
	WorstAbs     float64       `json:"worst_abs"`
	WorstRow     int           `json:"worst_row"`
	WorstElement int           `json:"worst_element"`
	Tolerance    float64       `json:"tolerance"`
	Relative     float64       `json:"tolerance_of_largest"` // Tolerance over the largest output
	Determined   float64       `json:"determined"`           // least share of an output's elements that was compared, over the caller's rows
	Sets         []SetReport   `json:"sets"`
	Layer        string        `json:"layer,omitempty"`
	Position     string        `json:"position,omitempty"`
	Reason       string        `json:"reason,omitempty"`

	// Missing says why each unavailable runtime is absent. It is not written to a
	// file, because it may reveal something about this machine.
	Missing []error `json:"-"`
}

// MismatchError says that a file computes something other than what was trained, and
// where the difference begins.
type MismatchError struct{ Report *Report }

// Error names the layer, its position and the worst element.
func (e *MismatchError) Error() string {
	return "the exported file differs from what was trained" + e.Report.where() + e.Report.reason()
}

// UndeterminedError says that too little of a file's results can be compared to tell
// whether it computes what was trained.
type UndeterminedError struct{ Report *Report }

// Error names the output, the share of it that is determined, and the first layer where
// that is too little.
func (e *UndeterminedError) Error() string {
	return "whether the exported file computes what was trained cannot be said" + e.Report.where() + e.Report.reason()
}

func (r *Report) where() string {
	if r.Layer == "" {
		return ""
	}
	s := fmt.Sprintf(": first at layer %q", r.Layer)
	if r.Position != "" {
		s += " (" + r.Position + ")"
	}
	return s
}

func (r *Report) reason() string {
	if r.Reason == "" {
		return ""
	}
	return ": " + r.Reason
}

// Err returns a *MismatchError if the file differs, an *UndeterminedError if too
// little of it could be compared, else nil.
func (r *Report) Err() error {
	switch r.Status {
	case Holds:
		return nil
	case Undetermined:
		return &UndeterminedError{r}
	}
	return &MismatchError{r}
}

// String returns the report as lines of text: the status with its reason, the
// runtimes, and the result of each set of rows.
func (r *Report) String() string {
	var b strings.Builder
	b.WriteString(r.Status + r.where() + r.reason() + "\n")
	var names []string
	for _, rt := range r.Runtimes {
		names = append(names, rt.Name+" "+rt.Version)
	}
	if r.Trained != nil {
		fmt.Fprintf(&b, "%s %s against ", r.Trained.Name, r.Trained.Version)
	}
	fmt.Fprintf(&b, "%s, %d rows in batches of %s\n", strings.Join(names, " and "), r.Rows, strings.Trim(fmt.Sprint(r.Batches), "[]"))
	fmt.Fprintf(&b, "worst difference %.2g, tolerance %.2g, %.2g of the largest output; %s of each output determined\n",
		r.WorstAbs, r.Tolerance, r.Relative, Percent(r.Determined))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "set\trows\tworst\ttolerance\tlargest\tundetermined\t")
	for _, s := range r.Sets {
		fmt.Fprintf(w, "%s\t%d\t%.2g\t%.2g\t%.2g\t%d\t\n", s.title(), s.Rows, s.WorstAbs, s.Tolerance, s.Largest, s.Undetermined)
	}
	w.Flush()
	for _, err := range r.Missing {
		fmt.Fprintf(&b, "did not speak: %v\n", err)
	}
	return b.String()
}

// title is the name with the free lengths: zeros, T = 12.
func (s *SetReport) title() string {
	out := s.Name
	for _, name := range slices.Sorted(maps.Keys(s.Lengths)) {
		out += fmt.Sprintf(", %s = %d", name, s.Lengths[name])
	}
	return out
}

// Percent writes a share from 0 to 1 as a percentage that is 100 only if the
// share is 1.
func Percent(share float64) string {
	return strconv.FormatFloat(math.Floor(share*1000)/10, 'g', -1, 64) + " %"
}
