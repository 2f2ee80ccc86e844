package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
)

// CurveOptions says how a label curve is measured. The zero value of a field is the default
// named beside it; Rows and Dir have none.
type CurveOptions struct {
	Rows dataset.Source // with the task's inputs and labels; a label of -1 is none
	// Test is rows to measure on. nil measures by cross-validation: each draw divides the
	// rows into folds of its own, and everything that is fitted or chosen is so within a fold.
	Test  dataset.Source
	Group string // column of groups, such as people, which are never on both sides; none
	Folds int    // of the cross-validation; 5, or as many rows as the rarest class has if these are fewer

	Counts []int  // numbers of labels, ascending; up to six from two of each class to all that there are
	Draws  int    // 10
	Drawn  string // how labels are drawn: "stratified" as frequent as they are, or "balanced"; stratified
	Metric string // "error", the share of the rows that are predicted wrongly, or "balanced error", the mean of that over the classes; error

	Arms     []Arm     // curves; those of DefaultArms
	Choosers []Chooser // for the default arms; none
	Unseen   bool      // the default arms do without pretraining on inputs of rows that are measured on

	Joined []Joined // predictions of other tools on the same draws; none

	Price    float64 // of a label; 0 says nothing of money
	Currency string  // what the price is in; none

	// Train returns the options of a training on so many labels; nil is Adam at 1e-3, up to 32
	// rows an update and 63·√labels updates, at least 200. Way, seed and weights to start
	// from are set for each training.
	Train func(labels int) train.Options
	// Pretrain returns those of a pretraining on so many rows; nil is Adam at 1e-3, 64 rows an
	// update and 2,000 updates, but at least 5 epochs and at most 100.
	Pretrain func(rows int) train.Options
	Seed     uint64
	Workers  int // goroutines; GOMAXPROCS. No result depends on it

	// Dir is the folder of the report: report.json, report.csv, report.html, draws and points.
	// A curve that was interrupted goes on from the points that are there.
	Dir string
	// Ship is the folder of a bundle of the best net, trained on all labels; "" ships nothing.
	Ship    string
	Runtime verify.Runtime // what proves it, such as ort.Runtime(); without one it is not verified
	Needs   func() error   // called before anything trains if there is something to ship, such as ort.Check; nil checks nothing

	Progress func(CurveProgress) // called after each point; nil is silent
}

// CurveProgress says how far a label curve has come.
type CurveProgress struct {
	Done, Of int           // points
	Point    string        // what was measured last
	Kept     bool          // it was there already
	Left     time.Duration // to the end, at the pace so far; 0 if that is not known yet
}

// String returns the progress in a line.
func (p CurveProgress) String() string {
	s := fmt.Sprintf("%d of %d  %s", p.Done, p.Of, p.Point)
	switch {
	case p.Kept:
		s += "  (kept)"
	case p.Left > 0:
		s += fmt.Sprintf("  %v left", p.Left.Round(time.Second))
	}
	return s
}

// The ways to draw and the metrics.
const (
	stratified    = "stratified"
	balanced      = "balanced"
	plainError    = "error"
	balancedError = "balanced error"
)

// OptionError is a mistake in an option of a label curve.
type OptionError struct {
	Option string // the field of [CurveOptions]
	Err    error
}

// Error says what is wrong with which option.
func (e *OptionError) Error() string {
	return "report: CurveOptions." + e.Option + ": " + e.Err.Error()
}

// Unwrap returns what is wrong.
func (e *OptionError) Unwrap() error { return e.Err }

func wrongOption(name, format string, a ...any) error {
	return &OptionError{name, fmt.Errorf(format, a...)}
}

// complete fills the defaults in.
func (o CurveOptions) complete() (CurveOptions, error) {
	if o.Draws == 0 {
		o.Draws = 10
	}
	if o.Drawn == "" {
		o.Drawn = stratified
	}
	if o.Metric == "" {
		o.Metric = plainError
	}
	if o.Train == nil {
		o.Train = defaultTrain
	}
	if o.Pretrain == nil {
		o.Pretrain = defaultPretrain
	}
	switch {
	case o.Rows == nil:
		return o, wrongOption("Rows", "there are none: which rows are to be learned from?")
	case o.Dir == "":
		return o, wrongOption("Dir", "it is empty: name the folder of the report")
	case o.Draws < 2 || o.Draws > 1000:
		return o, wrongOption("Draws", "the draws must be from 2 to 1000, and 10 or more to decide by, got %d", o.Draws)
	case o.Folds == 1 || o.Folds < 0:
		return o, wrongOption("Folds", "the folds must be two or more, got %d", o.Folds)
	case !(o.Price >= 0) || math.IsInf(o.Price, 0):
		return o, wrongOption("Price", "the price of a label must be zero or positive, and finite, got %v", o.Price)
	case o.Drawn != stratified && o.Drawn != balanced:
		return o, wrongOption("Drawn", "labels are drawn %q or %q, got %q", stratified, balanced, o.Drawn)
	case o.Metric != plainError && o.Metric != balancedError:
		return o, wrongOption("Metric", "the metric is %q or %q, got %q", plainError, balancedError, o.Metric)
	case !slices.IsSorted(o.Counts) || len(slices.Compact(slices.Clone(o.Counts))) != len(o.Counts) || len(o.Counts) > 0 && o.Counts[0] < 1:
		return o, wrongOption("Counts", "the numbers of labels must be positive and ascend, got %v", o.Counts)
	}
	return o, nil
}

// checkArms returns what is wrong with the arms.
func (o CurveOptions) checkArms(m Model) error {
	seen := map[string]bool{}
	for _, a := range o.Arms {
		switch {
		case a.Name == "" || strings.ContainsAny(a.Name, "\n\r"):
			return fmt.Errorf("report: an arm needs a name of one line, got %q", a.Name)
		case seen[a.Name]:
			return fmt.Errorf("report: two arms have the name %q", a.Name)
		case a.Way == nil:
			return fmt.Errorf("report: arm %q has no way to learn", a.Name)
		case a.Choose != nil && a.Choose.Choose == nil:
			return fmt.Errorf("report: the chooser of arm %q has no function", a.Name)
		case a.Seen && a.Pretrain == "":
			return fmt.Errorf("report: arm %q sees inputs of the test rows, but pretrains on nothing", a.Name)
		}
		if a.Pretrain != "" {
			if _, err := m.pretraining(a.Pretrain); err != nil {
				return fmt.Errorf("%w, which arm %q starts from", err, a.Name)
			}
		}
		seen[a.Name] = true
	}
	if !seen[scratch] {
		return fmt.Errorf("report: the arms lack the control %q, which the others are compared with", scratch)
	}
	for _, j := range o.Joined {
		if j.Name == "" || seen[j.Name] {
			return wrongOption("Joined", "joined predictions need a name that no curve has, got %q", j.Name)
		}
		seen[j.Name] = true
	}
	return nil
}

// defaultTrain is [CurveOptions.Train].
func defaultTrain(labels int) train.Options {
	batch := min(32, labels)
	updates := max(200, int(63*math.Sqrt(float64(labels))))
	perEpoch := (labels + batch - 1) / batch
	return train.Options{Optimizer: optim.Adam(1e-3), Batch: batch, Epochs: (updates + perEpoch - 1) / perEpoch}
}

// defaultPretrain is [CurveOptions.Pretrain].
func defaultPretrain(rows int) train.Options {
	perEpoch := max(1, rows/64)
	return train.Options{Optimizer: optim.Adam(1e-3), Batch: 64, Epochs: min(max(2000/perEpoch, 5), 100)}
}
