package evaluate

import "fmt"

// MultiReport has the scores of labels of which a row may have several.
type MultiReport struct {
	Labels   []ClassScore `json:"labels"`
	Macro    ClassScore   `json:"macro"`    // mean over the labels
	Micro    ClassScore   `json:"micro"`    // of all counts together
	Weighted ClassScore   `json:"weighted"` // mean over the labels, weighted by their rows

	Exact   float64 `json:"exact"`   // share of the rows of which every label was predicted; rows that lack one are left out
	Hamming float64 `json:"hamming"` // share of the labels that were predicted wrongly
}

// Threshold predicts 1 where a score is at least limit, and 0 elsewhere: 0.5 for probabilities, 0 for logits.
//
// Errors: a score is NaN.
func Threshold(scores []float64, limit float64) ([]int, error) {
	if err := checkScores("threshold", scores, 1, len(scores)); err != nil {
		return nil, err
	}
	out := make([]int, len(scores))
	for i, x := range scores {
		out[i] = int(one(x >= limit))
	}
	return out, nil
}

// MultiLabel reports on labels of which a row may have several. Predictions and truth are 0 or 1, row by row: [rows labels];
// the truth may be [None] where it is not known, which is left out.
//
// Errors: these are not whole rows, or not as many; another number than 0, 1 or None; nothing is known; those of [Weighted].
func MultiLabel(predicted, truth []int, labels int, o ...Option) (*MultiReport, error) {
	const what = "labels"
	c, err := several(what, len(predicted), truth, labels, o)
	if err != nil {
		return nil, err
	}
	for i, x := range predicted {
		if x != 0 && x != 1 {
			return nil, fmt.Errorf("evaluate: %s: the prediction of row %d is %d%s; it must be 0 or 1", what, i/labels, x, at(i, labels))
		}
	}
	right, said, have := make([]float64, labels), make([]float64, labels), make([]float64, labels)
	wrong, known, exact, whole := 0.0, 0.0, 0.0, 0.0
	for i := range len(truth) / labels {
		w, all, same := c.of(i), true, true
		for k, y := range truth[i*labels:][:labels] {
			if y == None {
				all = false
				continue
			}
			x := predicted[i*labels+k]
			right[k] += w * float64(x*y)
			said[k] += w * float64(x)
			have[k] += w * float64(y)
			known += w
			if x != y {
				wrong += w
				same = false
			}
		}
		if all {
			whole += w
			exact += w * one(same)
		}
	}
	if known == 0 {
		return nil, lacking("evaluate: %s: no label is known", what)
	}
	r := &MultiReport{Exact: ratio(exact, whole), Hamming: wrong / known, Micro: classScore(total(right), total(said), total(have))}
	for k := range labels {
		s := classScore(right[k], said[k], have[k])
		r.Labels = append(r.Labels, s)
		r.Macro.add(s, 1)
		r.Weighted.add(s, s.Support)
	}
	r.Macro, r.Weighted = r.Macro.over(float64(labels), total(have)), r.Weighted.over(total(have), total(have))
	return r, nil
}

// several checks what a metric of several labels takes.
func several(what string, predictions int, truth []int, labels int, o []Option) (counting, error) {
	if labels < 1 || len(truth)%labels != 0 {
		return counting{}, fmt.Errorf("evaluate: %s: there must be whole rows of %d labels, got %d", what, labels, len(truth))
	}
	if predictions != len(truth) {
		return counting{}, fmt.Errorf("evaluate: %s: there must be a prediction for each of the %d labels, got %d", what, len(truth), predictions)
	}
	for i, y := range truth {
		if y != 0 && y != 1 && y != None {
			return counting{}, fmt.Errorf("evaluate: %s: the truth of row %d is %d%s; it must be 0, 1, or %d for none", what, i/labels, y, at(i, labels), None)
		}
	}
	return newCounting(what, len(truth)/labels, o)
}

// LabelAUROCs returns the [AUROC] of each label by its scores, row by row: [rows labels]. Truth is as in [MultiLabel]. Their
// mean is that of scikit-learn with average="macro".
//
// Errors: those of MultiLabel and of AUROC.
func LabelAUROCs(scores []float64, truth []int, labels int, o ...Option) ([]float64, error) {
	return ofLabels("AUROC", scores, truth, labels, o, AUROC)
}

// LabelAveragePrecisions is LabelAUROCs with [AveragePrecision].
func LabelAveragePrecisions(scores []float64, truth []int, labels int, o ...Option) ([]float64, error) {
	return ofLabels("average precision", scores, truth, labels, o, AveragePrecision)
}

// LabelLogLosses returns the log loss of each label by its probability of being 1: see [LogLoss].
//
// Errors: those of [MultiLabel]; a probability is not from 0 to 1.
func LabelLogLosses(p []float64, truth []int, labels int, o ...Option) ([]float64, error) {
	return ofLabels("log loss", p, truth, labels, o, func(p []float64, positive []bool, o ...Option) (float64, error) {
		y := make([]int, len(positive))
		for i, is := range positive {
			y[i] = int(one(is))
		}
		return LogLoss(TwoClasses(p), 2, y, o...)
	})
}

func ofLabels(what string, scores []float64, truth []int, labels int, o []Option, metric func([]float64, []bool, ...Option) (float64, error)) ([]float64, error) {
	c, err := several(what, len(scores), truth, labels, o)
	if err != nil {
		return nil, err
	}
	if err := checkScores(what, scores, labels, len(truth)/labels); err != nil {
		return nil, err
	}
	out, own := make([]float64, labels), make([]int, len(truth)/labels)
	for k := range out {
		for i := range own {
			own[i] = truth[i*labels+k]
		}
		s, positive, w := column(scores, labels, k, own, func(y int) bool { return y == 1 }, c)
		if out[k], err = metric(s, positive, w...); err != nil {
			return nil, fmt.Errorf("label %d: %w", k, err)
		}
	}
	return out, nil
}
