package evaluate

import (
	"context"
	"errors"
	"fmt"
)

// Kind is what a function's output is, and so what is measured of it.
type Kind string

// The kinds of outputs.
const (
	Classes   Kind = "classes"   // a number for each class; the truth is a class for each row
	Labels    Kind = "labels"    // a number for each label; the truth is 0 or 1 for each, of which several may be 1
	Numbers   Kind = "numbers"   // numbers; the truth is what they should be
	Anomalies Kind = "anomalies" // a score; the truth is whether a row is an anomaly, 0 or 1
)

// Scale is what the numbers of classes and labels are.
type Scale string

// The scales.
const (
	Probabilities Scale = "probabilities" // from 0 to 1; those of classes add up to 1
	Logits        Scale = "logits"        // before Softmax, or before Sigmoid for labels
)

// Outputs are what a function made of rows, and what is known of these.
type Outputs struct {
	Kind   Kind
	Scale  Scale     // of classes and labels
	Scores []float64 // row by row: [rows Width]
	Width  int       // 1 for two classes by the number of the second
	Truth  []int     // a class for each row, or 0 and 1; [None] for none
	Target []float64 // of Numbers, row by row; NaN for none
	Flags  []bool    // of each row, nil for none: of Anomalies that it is one, of Classes that its prediction is not to be used
	Names  []string  // of the classes, labels or numbers; nil for positions
}

// MeasureOptions say what is measured. The zero value of a field is the default named beside it.
type MeasureOptions struct {
	Top    int  // k of a top-k accuracy; none
	Bins   int  // of the calibration error; 15
	Absent bool // classes and labels without rows leave out what needs them, instead of being an error

	Draws int     // of the bootstrap; 1000
	Level float64 // of the intervals; 0.95
	Seed  uint64
}

// Measurement is a metric with its interval.
type Measurement struct {
	Name string `json:"name"`
	Interval
	Why string `json:"why,omitempty"` // it is not defined; the interval is zero then
}

// Measured is what is known of a function after rows with known truth.
type Measured struct {
	Kind    Kind          `json:"kind"`
	Scale   Scale         `json:"scale,omitempty"`
	Rows    int           `json:"rows"`              // with a truth
	Without int           `json:"without"`           // rows without
	Names   []string      `json:"names"`             // of the classes, labels or numbers
	Level   float64       `json:"level"`             // of the intervals
	Draws   int           `json:"draws"`             // of the bootstrap
	Strata  bool          `json:"strata"`            // it drew from each class
	Metrics []Measurement `json:"metrics"`           // in a fixed order
	Each    []ClassScore  `json:"each,omitempty"`    // by class or label
	Table   [][]int       `json:"table,omitempty"`   // rows by true class, then by predicted; of at most 256 classes
	Numbers []Deviation   `json:"numbers,omitempty"` // by output
}

// Confusion returns the table of classes, nil for other kinds.
func (m *Measured) Confusion() *Confusion {
	if m.Table == nil {
		return nil
	}
	return &Confusion{Classes: m.Names, Counts: m.Table}
}

// named is a metric of drawn rows.
type named struct {
	name string
	of   func(d Draw) (float64, error)
}

// Measure computes the metrics of a kind of output with percentile intervals of a bootstrap (see [Bootstrap]), all by the same
// draws. For classes and anomalies it draws from each class as many rows as it has. Rows without a truth are left out. Metrics
// are those of the functions of this package:
//
//	Classes    accuracy, top-k, balanced accuracy, macro precision and F1, macro AUROC and average precision one against the
//	           rest (of two classes those of the second), log loss, Brier score, calibration error; the share of flagged
//	           rows and the accuracy of the others
//	Labels     exact match, Hamming loss, micro and macro F1, macro AUROC and average precision, log loss
//	Numbers    MAE, RMSE, R2
//	Anomalies  AUROC, average precision; of flags precision, recall and the share of false alarms
//
// Errors: scores and truth of different lengths; a score that is not finite; a label that is not a class; fewer rows with a
// label than classes; a class or label without rows, unless Absent is set; probabilities that are none; options out of range; that
// of the context.
func Measure(ctx context.Context, out Outputs, o MeasureOptions) (*Measured, error) {
	if o.Bins == 0 {
		o.Bins = 15
	}
	for i, x := range out.Scores {
		if out.Width > 0 && !number(x) {
			return nil, fmt.Errorf("evaluate: the output of row %d is %v%s; it must be finite", i/out.Width, x, at(i, out.Width))
		}
	}
	var m *Measured
	var metrics []named
	var strata []int
	var err error
	switch out.Kind {
	case Classes:
		m, metrics, strata, err = out.classes(o)
	case Labels:
		m, metrics, err = out.labels(o)
	case Numbers:
		m, metrics, err = out.numbers()
	case Anomalies:
		m, metrics, strata, err = out.anomalies()
	default:
		err = fmt.Errorf("evaluate: the kind of an output is %s, %s, %s or %s, got %q", Classes, Labels, Numbers, Anomalies, out.Kind)
	}
	if err != nil {
		return nil, err
	}
	fs := make([]func(Draw) (float64, error), len(metrics))
	for i, x := range metrics {
		fs[i] = x.of
	}
	b := BootstrapOptions{Draws: o.Draws, Level: o.Level, Seed: o.Seed, Strata: strata}
	intervals, errs, err := bootstrap(ctx, m.Rows, fs, b)
	if err != nil {
		return nil, err
	}
	for i, x := range metrics {
		r := Measurement{Name: x.name, Interval: intervals[i]}
		if errs[i] != nil {
			if !errors.Is(errs[i], ErrUndefined) {
				return nil, fmt.Errorf("%s: %w", x.name, errs[i])
			}
			r.Why = errs[i].Error()
		}
		m.Metrics = append(m.Metrics, r)
	}
	_ = b.check(m.Rows) // for its defaults
	m.Kind, m.Level, m.Draws, m.Strata = out.Kind, b.Level, b.Draws, strata != nil
	return m, nil
}

const (
	mostTable  = 256     // classes of a table
	mostRanked = 1 << 24 // rows that are ranked, times the classes or labels that they are ranked for
)

// name returns the name of a class, label or number.
func (out *Outputs) name(i int) string {
	if i < len(out.Names) {
		return fmt.Sprintf("%d (%q)", i, out.Names[i])
	}
	return fmt.Sprint(i)
}

// names are those of n classes, positions if they are not known.
func (out *Outputs) names(n int) []string {
	if len(out.Names) == n {
		return out.Names
	}
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(i)
	}
	return list
}

// known returns the rows that have a truth.
func (out *Outputs) known() (rows []int) {
	for i, y := range out.Truth {
		if y != None {
			rows = append(rows, i)
		}
	}
	return rows
}

// pick returns the rows of a list.
func pick[T any](x []T, width int, rows []int) []T {
	if x == nil {
		return nil
	}
	picked := make([]T, 0, width*len(rows))
	for _, i := range rows {
		picked = append(picked, x[i*width:][:width]...)
	}
	return picked
}

// flagged checks the flags.
func (out *Outputs) flagged() error {
	if out.Flags != nil && len(out.Flags) != len(out.Truth) {
		return fmt.Errorf("evaluate: there must be a flag for each of the %d labels, got %d", len(out.Truth), len(out.Flags))
	}
	return nil
}
