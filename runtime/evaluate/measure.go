package evaluate

import (
	"context"
	"errors"
	"fmt"
	"math"
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

func (out *Outputs) classes(o MeasureOptions) (*Measured, []named, []int, error) {
	const what = "classes"
	scores, n := out.Scores, out.Width
	if n == 1 { // the second of two
		n = 2
		if out.Scale == Logits {
			scores = beside(scores)
		} else {
			scores = TwoClasses(scores)
		}
	}
	if err := checkScores(what, scores, n, len(out.Truth)); err != nil {
		return nil, nil, nil, err
	}
	for i, y := range out.Truth {
		if y < None || y >= n {
			return nil, nil, nil, fmt.Errorf("evaluate: the label of row %d is %d, but the output has the %d classes 0 to %d; %d is none", i, y, n, n-1, None)
		}
	}
	if err := out.flagged(); err != nil {
		return nil, nil, nil, err
	}
	rows := out.known()
	if len(rows) < n {
		return nil, nil, nil, fmt.Errorf("evaluate: there are %d rows with a label, fewer than the %d classes: give more rows", len(rows), n)
	}
	y, s, flags := pick(out.Truth, 1, rows), pick(scores, n, rows), pick(out.Flags, 1, rows)
	of := make([]int, n)
	for _, k := range y {
		of[k]++
	}
	if err := out.present(o, of); err != nil {
		return nil, nil, nil, err
	}
	p := s
	if out.Scale == Logits {
		var err error
		if p, err = Softmax(s, n); err != nil {
			return nil, nil, nil, err
		}
	} else if _, err := probabilities("the output", scores, n, out.Truth, nil); err != nil {
		return nil, nil, nil, err
	}
	if o.Top < 0 || o.Top > n {
		return nil, nil, nil, fmt.Errorf("evaluate: the k of a top-k accuracy must be from 1 to %d, the number of classes, got %d", n, o.Top)
	}
	if o.Bins < 1 || o.Bins > maxBins {
		return nil, nil, nil, fmt.Errorf("evaluate: the bins must be from 1 to %d, got %d", maxBins, o.Bins)
	}
	predicted, err := Predict(s, n)
	if err != nil {
		return nil, nil, nil, err
	}
	report, err := PerClass(predicted, y, n)
	if err != nil {
		return nil, nil, nil, err
	}
	m := &Measured{Scale: out.Scale, Rows: len(rows), Without: len(out.Truth) - len(rows), Names: out.names(n), Each: report.Classes}
	if n <= mostTable {
		table := NewConfusion(n, nil)
		for i, k := range y {
			table.Counts[k][predicted[i]]++
		}
		m.Table = table.Counts
	}
	each := func(f func(i int) float64) func(Draw) (float64, error) { return meanOf(len(y), f) }
	reported := func(f func(r *Report) float64) func(Draw) (float64, error) {
		return func(d Draw) (float64, error) {
			c := newCounts(n)
			for i, k := range y {
				c.add(k, predicted[i], d.Counts[i])
			}
			return f(c.report()), nil
		}
	}
	list := []named{{"accuracy", each(func(i int) float64 { return one(predicted[i] == y[i]) })}}
	if o.Top > 1 {
		list = append(list, named{fmt.Sprintf("top-%d accuracy", o.Top), each(func(i int) float64 {
			x, _ := TopK(s[i*n:][:n], n, y[i:i+1], o.Top)
			return x
		})})
	}
	list = append(list,
		named{"balanced accuracy", reported(func(r *Report) float64 { return r.Balanced })},
		named{"macro precision", reported(func(r *Report) float64 { return r.Macro.Precision })},
		named{"macro F1", reported(func(r *Report) float64 { return r.Macro.F1 })})
	from := 0
	if n == 2 { // the AUROC of both is one, and the average precision is that of the second
		from = 1
	}
	list = append(list, rankings(n-from, len(y), func(i int) *ranking {
		c, positive, _ := column(p, n, from+i, y, func(y int) bool { return y == from+i }, counting{})
		return rank(c, positive, every(len(y)))
	}, func(i int) string { return fmt.Sprintf("class %s against the rest", out.name(from+i)) })...)
	conf := newConfidences(p, n, y, o.Bins)
	bins := make([]Bin, o.Bins)
	list = append(list,
		named{"log loss", each(func(i int) float64 { return logLoss(p[i*n+y[i]]) })},
		named{"Brier score", each(func(i int) float64 { return brier(p[i*n:][:n], y[i]) })},
		named{"calibration error", func(d Draw) (float64, error) {
			clear(bins)
			rows := conf.fill(bins, y, func(i int) float64 { return d.Counts[i] })
			sum := 0.0
			for _, b := range bins {
				sum += math.Abs(b.Accuracy - b.Confidence) // both are sums
			}
			return sum / rows, nil
		}})
	if flags != nil {
		list = append(list, named{"flagged", each(func(i int) float64 { return one(flags[i]) })},
			named{"accuracy of the others", shareOf(func(i int) bool { return !flags[i] }, func(i int) bool { return predicted[i] == y[i] }, "every row is flagged")})
	}
	return m, list, y, nil
}

// beside returns rows of two logits, of which the first is 0.
func beside(z []float64) []float64 {
	two := make([]float64, 0, 2*len(z))
	for _, x := range z {
		two = append(two, 0, x)
	}
	return two
}

// present refuses classes or labels without rows, of which it takes the numbers.
func (out *Outputs) present(o MeasureOptions, rows []int) error {
	if o.Absent {
		return nil
	}
	what := "class"
	if out.Kind == Labels {
		what = "label"
	}
	for k, n := range rows {
		if n == 0 {
			return lacking("evaluate: %s %s has no rows, so its recall and AUROC are not defined: give rows of it, or allow it to be absent (Absent, --absent)", what, out.name(k))
		}
	}
	return nil
}

// meanOf is the mean of a number of each row.
func meanOf(rows int, f func(i int) float64) func(Draw) (float64, error) {
	x := make([]float64, rows)
	for i := range x {
		x[i] = f(i)
	}
	return func(d Draw) (float64, error) {
		sum := 0.0
		for i, v := range x {
			sum += d.Counts[i] * v
		}
		return sum / float64(len(x)), nil
	}
}

// shareOf is the share of rows that are something among those that are of a kind.
func shareOf(of, is func(i int) bool, none string) func(Draw) (float64, error) {
	return func(d Draw) (float64, error) {
		all, some := 0.0, 0.0
		for i, n := range d.Counts {
			if n > 0 && of(i) {
				all += n
				some += n * one(is(i))
			}
		}
		if all == 0 {
			return 0, lacking("evaluate: %s", none)
		}
		return some / all, nil
	}
}

// rankings are the means of AUROC and of average precision over n rankings of that many rows.
func rankings(n, rows int, of func(i int) *ranking, which func(i int) string) []named {
	if n*rows > mostRanked {
		none := func(Draw) (float64, error) {
			return 0, lacking("evaluate: %d rows are not ranked for each of %d: together these may be %d", rows, n, mostRanked)
		}
		return []named{{"AUROC", none}, {"average precision", none}}
	}
	ranks := make([]*ranking, n)
	for i := range ranks {
		ranks[i] = of(i)
	}
	mean := func(f func(r *ranking, d Draw) (float64, error)) func(Draw) (float64, error) {
		return func(d Draw) (float64, error) {
			sum := 0.0
			for i, r := range ranks {
				x, err := f(r, d)
				if err != nil {
					return 0, fmt.Errorf("%s: %w", which(i), err)
				}
				sum += x
			}
			return sum / float64(len(ranks)), nil
		}
	}
	return []named{
		{"AUROC", mean(func(r *ranking, d Draw) (float64, error) { return r.auroc("AUROC", d.Counts) })},
		{"average precision", mean(func(r *ranking, d Draw) (float64, error) {
			return r.precision("average precision", func(i int) float64 { return d.Counts[i] })
		})},
	}
}

func (out *Outputs) labels(o MeasureOptions) (*Measured, []named, error) {
	const what = "labels"
	n := out.Width
	if _, err := several(what, len(out.Scores), out.Truth, n, nil); err != nil {
		return nil, nil, err
	}
	all := len(out.Truth) / n
	var rows []int // of which something is known
	for i := range all {
		for _, y := range out.Truth[i*n:][:n] {
			if y != None {
				rows = append(rows, i)
				break
			}
		}
	}
	if len(rows) == 0 {
		return nil, nil, lacking("evaluate: no row has a label")
	}
	y, s := pick(out.Truth, n, rows), pick(out.Scores, n, rows)
	of := make([]int, n)
	for i, k := range y {
		of[i%n] += max(k, 0)
	}
	if err := out.present(o, of); err != nil {
		return nil, nil, err
	}
	p, limit := s, 0.5
	if out.Scale == Logits {
		limit, p = 0, make([]float64, len(s))
		for i, z := range s {
			p[i] = 1 / (1 + math.Exp(-z))
		}
	} else if err := checkUnit(out.Scores, n); err != nil {
		return nil, nil, err
	}
	said, err := Threshold(s, limit)
	if err != nil {
		return nil, nil, err
	}
	report, err := MultiLabel(said, y, n)
	if err != nil {
		return nil, nil, err
	}
	m := &Measured{Scale: out.Scale, Rows: len(rows), Without: all - len(rows), Names: out.names(n), Each: report.Labels}
	reported := func(f func(r *MultiReport) float64) func(Draw) (float64, error) {
		return func(d Draw) (float64, error) {
			r, err := MultiLabel(said, y, n, Weighted(d.Counts))
			if err != nil {
				return 0, err
			}
			return f(r), nil
		}
	}
	list := []named{
		{"exact match", reported(func(r *MultiReport) float64 { return r.Exact })},
		{"Hamming loss", reported(func(r *MultiReport) float64 { return r.Hamming })},
		{"micro F1", reported(func(r *MultiReport) float64 { return r.Micro.F1 })},
		{"macro F1", reported(func(r *MultiReport) float64 { return r.Macro.F1 })},
	}
	list = append(list, rankings(n, len(rows), func(k int) *ranking {
		var known []int
		c, positive := make([]float64, len(rows)), make([]bool, len(rows))
		for i := range rows {
			if c[i], positive[i] = s[i*n+k], y[i*n+k] == 1; y[i*n+k] != None {
				known = append(known, i)
			}
		}
		return rank(c, positive, known)
	}, func(k int) string { return "label " + out.name(k) })...)
	losses := make([]float64, len(y))
	for i, of := range y {
		if losses[i] = logLoss(p[i]); of == 0 {
			losses[i] = logLoss(1 - p[i])
		}
	}
	return m, append(list, named{"log loss", func(d Draw) (float64, error) {
		mean := 0.0
		for k := range n {
			sum, weight := 0.0, 0.0
			for i, w := range d.Counts {
				if y[i*n+k] != None {
					sum, weight = sum+w*losses[i*n+k], weight+w
				}
			}
			if weight == 0 {
				return 0, lacking("evaluate: label %s is not known of any row", out.name(k))
			}
			mean += sum / weight / float64(n)
		}
		return mean, nil
	}}), nil
}

// checkUnit refuses what are no probabilities.
func checkUnit(p []float64, width int) error {
	for i, x := range p {
		if !(x >= 0 && x <= 1) {
			return fmt.Errorf("evaluate: a probability of row %d is %v%s; it must be from 0 to 1", i/width, x, at(i, width))
		}
	}
	return nil
}

func (out *Outputs) numbers() (*Measured, []named, error) {
	n := out.Width
	if _, err := numbers("numbers", out.Scores, out.Target, n, nil); err != nil {
		return nil, nil, err
	}
	all := len(out.Target) / n
	var rows []int
	for i := range all {
		for _, y := range out.Target[i*n:][:n] {
			if y == y {
				rows = append(rows, i)
				break
			}
		}
	}
	x, y := pick(out.Scores, n, rows), pick(out.Target, n, rows)
	each, err := Deviations(x, y, n)
	if err != nil {
		return nil, nil, err
	}
	m := &Measured{Rows: len(rows), Without: all - len(rows), Names: out.names(n), Numbers: each}
	of := func(f func([]float64, []float64, int, ...Option) (float64, error)) func(Draw) (float64, error) {
		return func(d Draw) (float64, error) { return f(x, y, n, Weighted(d.Counts)) }
	}
	return m, []named{{"MAE", of(MAE)}, {"RMSE", of(RMSE)}, {"R2", of(R2)}}, nil
}

func (out *Outputs) anomalies() (*Measured, []named, []int, error) {
	if out.Width != 1 {
		return nil, nil, nil, fmt.Errorf("evaluate: a score of anomalies is one number for each row, got %d", out.Width)
	}
	if _, err := several("anomalies", len(out.Scores), out.Truth, 1, nil); err != nil {
		return nil, nil, nil, err
	}
	if err := out.flagged(); err != nil {
		return nil, nil, nil, err
	}
	rows := out.known()
	y, s, flags := pick(out.Truth, 1, rows), pick(out.Scores, 1, rows), pick(out.Flags, 1, rows)
	positive, yes := make([]bool, len(y)), 0
	for i, k := range y {
		positive[i] = k == 1
		yes += k
	}
	if yes == 0 || yes == len(y) {
		return nil, nil, nil, lacking("evaluate: %d of the %d rows with a label are anomalies; there must be rows of both kinds", yes, len(y))
	}
	m := &Measured{Rows: len(rows), Without: len(out.Truth) - len(rows), Names: out.names(1)}
	list := rankings(1, len(y), func(int) *ranking { return rank(s, positive, every(len(y))) }, func(int) string { return "anomalies" })
	if flags != nil {
		is, flag, clean := func(i int) bool { return positive[i] }, func(i int) bool { return flags[i] }, func(i int) bool { return !positive[i] }
		list = append(list, named{"precision of the flag", shareOf(flag, is, "no row is flagged")},
			named{"recall of the flag", shareOf(is, flag, "no row is an anomaly")},
			named{"false alarms", shareOf(clean, flag, "every row is an anomaly")})
	}
	return m, list, y, nil
}
