package verify

import (
	"fmt"
	"strings"
)

// The values of Report.Status.
const (
	Holds   = "holds"
	Differs = "differs"
)

// RuntimeInfo names a runtime that took part.
type RuntimeInfo struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// SetReport is what one set of rows showed, over all runtimes and batch sizes.
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
}

// Report is the result of Verify. Rows, Batches, WorstAbs, WorstRow, WorstElement
// and Tolerance speak of the sets the caller gave; Sets has the others too.
type Report struct {
	Status       string        `json:"status"`
	Trained      *RuntimeInfo  `json:"trained,omitempty"` // the execution that the runtimes are held against
	Runtimes     []RuntimeInfo `json:"runtimes"`          // those that ran the file
	Rows         int           `json:"rows"`
	Batches      []int         `json:"batches"`
	WorstAbs     float64       `json:"worst_abs"`
	WorstRow     int           `json:"worst_row"`
	WorstElement int           `json:"worst_element"`
	Tolerance    float64       `json:"tolerance"`
	Relative     float64       `json:"tolerance_of_largest"` // Tolerance over the largest output
	Sets         []SetReport   `json:"sets"`
	Layer        string        `json:"layer,omitempty"`
	Position     string        `json:"position,omitempty"`
	Reason       string        `json:"reason,omitempty"`

	// Missing says why each of the runtimes that could not be had is absent. It
	// is not written, for it may tell of this machine.
	Missing []error `json:"-"`
}

// MismatchError says that a file computes something else than was trained, and
// where that begins.
type MismatchError struct{ Report *Report }

// Error names the layer, its position and the worst element.
func (e *MismatchError) Error() string {
	var b strings.Builder
	b.WriteString("the exported file differs from what was trained")
	if e.Report.Layer != "" {
		fmt.Fprintf(&b, ": first at layer %q", e.Report.Layer)
		if e.Report.Position != "" {
			b.WriteString(" (" + e.Report.Position + ")")
		}
	}
	if e.Report.Reason != "" {
		b.WriteString(": " + e.Report.Reason)
	}
	return b.String()
}

// Err returns a *MismatchError if the file differs, else nil.
func (r *Report) Err() error {
	if r.Status == Holds {
		return nil
	}
	return &MismatchError{r}
}
