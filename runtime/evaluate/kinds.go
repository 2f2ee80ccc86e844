package evaluate

import (
	"fmt"
	"math"
)

// classes prepares the metrics of classes, and returns the strata of the draws.
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
	g := &graded{n: n, y: y, predicted: predicted, s: s, p: p}
	list := append(g.decided(o.Top), g.ranked(out)...)
	list = append(list, g.calibrated(o.Bins)...)
	if flags != nil {
		list = append(list, named{"flagged", g.each(func(i int) float64 { return one(flags[i]) })},
			named{"accuracy of the others", shareOf(func(i int) bool { return !flags[i] }, func(i int) bool { return predicted[i] == y[i] }, "every row is flagged")})
	}
	return m, list, y, nil
}

// graded are rows of n classes that have a label.
type graded struct {
	n            int
	y, predicted []int
	s, p         []float64 // scores and probabilities, [rows n]
}

// each is the mean over the rows of a number that each has.
func (g *graded) each(f func(i int) float64) func(Draw) (float64, error) { return meanOf(len(g.y), f) }

// decided are the metrics of the classes that were predicted, and of the first so many if top is above 1.
func (g *graded) decided(top int) []named {
	reported := func(f func(r *Report) float64) func(Draw) (float64, error) {
		return func(d Draw) (float64, error) {
			c := newCounts(g.n)
			for i, k := range g.y {
				c.add(k, g.predicted[i], d.Counts[i])
			}
			return f(c.report()), nil
		}
	}
	list := []named{{"accuracy", g.each(func(i int) float64 { return one(g.predicted[i] == g.y[i]) })}}
	if top > 1 {
		list = append(list, named{fmt.Sprintf("top-%d accuracy", top), g.each(func(i int) float64 {
			x, _ := TopK(g.s[i*g.n:][:g.n], g.n, g.y[i:i+1], top)
			return x
		})})
	}
	return append(list,
		named{"balanced accuracy", reported(func(r *Report) float64 { return r.Balanced })},
		named{"macro precision", reported(func(r *Report) float64 { return r.Macro.Precision })},
		named{"macro F1", reported(func(r *Report) float64 { return r.Macro.F1 })})
}

// ranked are the metrics of the order that the probabilities of each class give the rows.
func (g *graded) ranked(out *Outputs) []named {
	from := 0
	if g.n == 2 { // the AUROC of both is one, and the average precision is that of the second
		from = 1
	}
	return rankings(g.n-from, len(g.y), func(i int) *ranking {
		c, positive, _ := column(g.p, g.n, from+i, g.y, func(y int) bool { return y == from+i }, counting{})
		return rank(c, positive, every(len(g.y)))
	}, func(i int) string { return fmt.Sprintf("class %s against the rest", out.name(from+i)) })
}

// calibrated are the metrics of the probabilities themselves.
func (g *graded) calibrated(n int) []named {
	conf := newConfidences(g.p, g.n, g.y, n)
	bins := make([]Bin, n)
	return []named{
		{"log loss", g.each(func(i int) float64 { return logLoss(g.p[i*g.n+g.y[i]]) })},
		{"Brier score", g.each(func(i int) float64 { return brier(g.p[i*g.n:][:g.n], g.y[i]) })},
		{"calibration error", func(d Draw) (float64, error) {
			clear(bins)
			rows := conf.fill(bins, g.y, func(i int) float64 { return d.Counts[i] })
			sum := 0.0
			for _, b := range bins {
				sum += math.Abs(b.Accuracy - b.Confidence) // both are sums
			}
			return sum / rows, nil
		}},
	}
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

// labels prepares the metrics of several labels a row.
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

// numbers prepares the metrics of numbers.
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

// anomalies prepares the metrics of a score, and returns the strata of the draws.
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
