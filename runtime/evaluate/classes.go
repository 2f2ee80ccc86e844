package evaluate

import (
	"fmt"
)

// Predict returns the class with the greatest score of each row, the first one if several are equal. The scores are row by
// row: [rows classes].
//
// Errors: the scores are not whole rows; a score is NaN.
func Predict(scores []float64, classes int) ([]int, error) {
	if classes < 1 || len(scores)%classes != 0 {
		return nil, fmt.Errorf("evaluate: predictions: there must be whole rows of %d scores, got %d scores", classes, len(scores))
	}
	out := make([]int, len(scores)/classes)
	if err := checkScores("predictions", scores, classes, len(out)); err != nil {
		return nil, err
	}
	for i := range out {
		row := scores[i*classes:][:classes]
		for k, x := range row {
			if x > row[out[i]] {
				out[i] = k
			}
		}
	}
	return out, nil
}

// Accuracy returns the share of the rows whose class was predicted.
//
// Errors: another number of predictions than labels; a label or a prediction is negative, but for [None]; no row has a label;
// those of [Weighted].
func Accuracy(predicted, labels []int, o ...Option) (float64, error) {
	const what = "accuracy"
	c, err := predictions(what, predicted, labels, 0, o)
	if err != nil {
		return 0, err
	}
	return c.mean(what, labels, func(i int) float64 { return one(predicted[i] == labels[i]) })
}

// TopK returns the share of the rows whose class is among the k classes with the greatest scores, which are row by row:
// [rows classes]. Of equal scores the first classes come first, as in [Predict].
//
// Errors: the scores are not a row for each label; a score is NaN; a label is not a class; k is not from 1 to the classes; no
// row has a label; those of [Weighted].
func TopK(scores []float64, classes int, labels []int, k int, o ...Option) (float64, error) {
	what := fmt.Sprintf("top-%d accuracy", k)
	c, err := scored(what, scores, classes, labels, o)
	if err != nil {
		return 0, err
	}
	if k < 1 || k > classes {
		return 0, fmt.Errorf("evaluate: %s: k must be from 1 to %d, the number of classes", what, classes)
	}
	return c.mean(what, labels, func(i int) float64 {
		row, y := scores[i*classes:][:classes], labels[i]
		before := 0
		for j, x := range row {
			if x > row[y] || x == row[y] && j < y {
				before++
			}
		}
		return one(before < k)
	})
}

// one is 1 for true.
func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// predictions checks what a metric of predicted classes takes.
func predictions(what string, predicted, labels []int, classes int, o []Option) (counting, error) {
	if len(predicted) != len(labels) {
		return counting{}, fmt.Errorf("evaluate: %s: there must be a prediction for each of the %d labels, got %d", what, len(labels), len(predicted))
	}
	for i, k := range predicted {
		if k < 0 || classes > 0 && k >= classes {
			return counting{}, fmt.Errorf("evaluate: %s: the prediction of row %d is %d; it must be from 0 to %d", what, i, k, top(classes))
		}
	}
	if err := checkLabels(what, labels, classes); err != nil {
		return counting{}, err
	}
	return newCounting(what, len(labels), o)
}

// scored checks what a metric of scores for classes takes.
func scored(what string, scores []float64, classes int, labels []int, o []Option) (counting, error) {
	if err := checkScores(what, scores, classes, len(labels)); err != nil {
		return counting{}, err
	}
	if err := checkLabels(what, labels, classes); err != nil {
		return counting{}, err
	}
	return newCounting(what, len(labels), o)
}

// ClassScore says how well a class is found, or a mean over classes.
type ClassScore struct {
	Precision float64 `json:"precision"` // share of the rows predicted as the class that belong to it, 0 if there are none
	Recall    float64 `json:"recall"`    // share of its rows that were predicted as it, 0 if it has none
	F1        float64 `json:"f1"`        // harmonic mean of the two, 0 if both are
	Support   float64 `json:"support"`   // its rows, or their weights
}

// Report has the scores of all classes and their means.
type Report struct {
	Classes  []ClassScore `json:"classes"`
	Macro    ClassScore   `json:"macro"`    // mean over the classes that occur as a label or a prediction
	Micro    ClassScore   `json:"micro"`    // of all counts together
	Weighted ClassScore   `json:"weighted"` // mean over the classes, weighted by their rows

	Accuracy float64 `json:"accuracy"`
	Balanced float64 `json:"balanced_accuracy"` // mean of the recall over the classes that have rows
}

// PerClass reports precision, recall and F1 of predicted classes.
//
// Errors: those of [Accuracy]; a label or a prediction is not below classes.
func PerClass(predicted, labels []int, classes int, o ...Option) (*Report, error) {
	const what = "scores of classes"
	if classes < 1 {
		return nil, fmt.Errorf("evaluate: %s: there must be a class or more, got %d", what, classes)
	}
	c, err := predictions(what, predicted, labels, classes, o)
	if err != nil {
		return nil, err
	}
	n := newCounts(classes)
	for i, y := range labels {
		if y != None {
			n.add(y, predicted[i], c.of(i))
		}
	}
	if n.rows() == 0 {
		return nil, lacking("evaluate: %s: no row has a label", what)
	}
	return n.report(), nil
}

// BalancedAccuracy returns the mean of the recall over the classes that have rows.
//
// Errors: those of [Accuracy].
func BalancedAccuracy(predicted, labels []int, o ...Option) (float64, error) {
	const what = "balanced accuracy"
	c, err := predictions(what, predicted, labels, 0, o)
	if err != nil {
		return 0, err
	}
	classes := 0
	for i, y := range labels {
		classes = max(classes, y+1, predicted[i]+1)
	}
	if classes > maxClasses {
		return 0, fmt.Errorf("evaluate: %s: there must be at most %d classes, got %d", what, maxClasses, classes)
	}
	n := newCounts(classes)
	for i, y := range labels {
		if y != None {
			n.add(y, predicted[i], c.of(i))
		}
	}
	if n.rows() == 0 {
		return 0, lacking("evaluate: %s: no row has a label", what)
	}
	return n.report().Balanced, nil
}

// Report returns the scores of the classes of a table.
func (c *Confusion) Report() *Report {
	n := newCounts(len(c.Counts))
	for y, row := range c.Counts {
		for k, rows := range row {
			n.add(y, k, float64(rows))
		}
	}
	return n.report()
}

// counts are rows by class, or their weights.
type counts struct {
	right, predicted, labelled []float64
}

func newCounts(classes int) *counts {
	return &counts{make([]float64, classes), make([]float64, classes), make([]float64, classes)}
}

func (c *counts) add(label, predicted int, w float64) {
	c.labelled[label] += w
	c.predicted[predicted] += w
	if label == predicted {
		c.right[label] += w
	}
}

func (c *counts) rows() float64 { return total(c.labelled) }

func total(x []float64) (sum float64) {
	for _, v := range x {
		sum += v
	}
	return sum
}

func (c *counts) report() *Report {
	r := &Report{Classes: make([]ClassScore, len(c.right))}
	occur, have := 0.0, 0.0
	for k := range r.Classes {
		s := classScore(c.right[k], c.predicted[k], c.labelled[k])
		r.Classes[k] = s
		if s.Support > 0 {
			r.Balanced += s.Recall
			have++
		}
		if s.Support > 0 || c.predicted[k] > 0 {
			r.Macro.add(s, 1)
			occur++
		}
		r.Weighted.add(s, s.Support)
	}
	rows := c.rows()
	r.Balanced = ratio(r.Balanced, have)
	r.Macro = r.Macro.over(occur, rows)
	r.Weighted = r.Weighted.over(rows, rows)
	r.Micro = classScore(total(c.right), total(c.predicted), rows)
	r.Accuracy = r.Micro.Recall
	return r
}

// classScore returns the scores of counts.
func classScore(right, predicted, labelled float64) ClassScore {
	return ClassScore{ratio(right, predicted), ratio(right, labelled), ratio(2*right, predicted+labelled), labelled}
}

// add adds scores times w.
func (s *ClassScore) add(t ClassScore, w float64) {
	s.Precision, s.Recall, s.F1 = s.Precision+w*t.Precision, s.Recall+w*t.Recall, s.F1+w*t.F1
}

// over divides a sum.
func (s ClassScore) over(n, support float64) ClassScore {
	return ClassScore{ratio(s.Precision, n), ratio(s.Recall, n), ratio(s.F1, n), support}
}

// ratio is a/b, 0 for nothing of nothing.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
