package evaluate

import (
	"cmp"
	"fmt"
	"slices"
)

// AUROC returns the area under the receiver operating characteristic of a score: the
// share of the pairs of a positive and a negative row in which the positive one has the
// greater score, where equal scores count half. 0.5 is chance, 1 is perfect. Without
// weights it is exact.
//
// Errors: another number of scores than rows; a score is NaN; all rows are positive, or
// none is; those of [Weighted].
func AUROC(scores []float64, positive []bool, o ...Option) (float64, error) {
	const what = "AUROC"
	r, c, err := newRanking(what, scores, positive, true, o)
	if err != nil {
		return 0, err
	}
	if !c.weighted {
		return r.exact(), nil
	}
	return r.auroc(what, c.w)
}

// AveragePrecision returns the mean of the precision over the recall of a score: the sum,
// over the distinct scores from the greatest on, of what recall gains there times the
// precision of the rows down to there, without interpolation. It is the area under the
// curve of precision and recall. The share of positive rows is chance, 1 is perfect.
//
// Errors: those of [AUROC], but all rows may be positive.
func AveragePrecision(scores []float64, positive []bool, o ...Option) (float64, error) {
	const what = "average precision"
	r, c, err := newRanking(what, scores, positive, false, o)
	if err != nil {
		return 0, err
	}
	return r.precision(what, c.of)
}

// AUROCs returns the AUROC of each class against the rest, by its scores: row by row,
// [rows classes]. Rows whose label is [None] are left out. Take probabilities: a logit says
// how likely its class is only beside those of the same row, so [Softmax] gives another,
// mostly greater area.
//
// Errors: the scores are not a row for each label; a score is NaN; a label is not a class;
// a class has no rows, or all of them; those of [Weighted].
func AUROCs(scores []float64, classes int, labels []int, o ...Option) ([]float64, error) {
	return oneVersusRest("AUROC", scores, classes, labels, o, AUROC)
}

// AveragePrecisions is AUROCs with [AveragePrecision].
func AveragePrecisions(scores []float64, classes int, labels []int, o ...Option) ([]float64, error) {
	return oneVersusRest("average precision", scores, classes, labels, o, AveragePrecision)
}

// MacroAUROC returns the mean of [AUROCs] (roc_auc_score with multi_class="ovr" and
// average="macro" in scikit-learn; of two classes both have the same).
//
// Errors: those of AUROCs.
func MacroAUROC(scores []float64, classes int, labels []int, o ...Option) (float64, error) {
	return macro(AUROCs(scores, classes, labels, o...))
}

// MacroAveragePrecision returns the mean of [AveragePrecisions].
//
// Errors: those of AUROCs.
func MacroAveragePrecision(scores []float64, classes int, labels []int, o ...Option) (float64, error) {
	return macro(AveragePrecisions(scores, classes, labels, o...))
}

// macro returns the mean over classes.
func macro(x []float64, err error) (float64, error) {
	if err != nil {
		return 0, err
	}
	return total(x) / float64(len(x)), nil
}

func oneVersusRest(what string, scores []float64, classes int, labels []int, o []Option, metric func([]float64, []bool, ...Option) (float64, error)) ([]float64, error) {
	c, err := scored(what, scores, classes, labels, o)
	if err != nil {
		return nil, err
	}
	if classes < 2 {
		return nil, fmt.Errorf("evaluate: %s: there must be scores for two classes or more, got %d", what, classes)
	}
	out := make([]float64, classes)
	for k := range out {
		s, positive, own := column(scores, classes, k, labels, func(y int) bool { return y == k }, c)
		if out[k], err = metric(s, positive, own...); err != nil {
			return nil, ofClass(k, err)
		}
	}
	return out, nil
}

// ofClass says of which class a metric against the rest is not defined.
func ofClass(k int, err error) error { return fmt.Errorf("class %d against the rest: %w", k, err) }

// column returns one column of scores, of the rows that have a label.
func column(scores []float64, width, k int, labels []int, is func(label int) bool, c counting) (s []float64, positive []bool, o []Option) {
	var w []float64
	for i, y := range labels {
		if y == None {
			continue
		}
		s, positive, w = append(s, scores[i*width+k]), append(positive, is(y)), append(w, c.of(i))
	}
	if c.weighted {
		o = append(o, Weighted(w))
	}
	return s, positive, o
}

// ranking is rows from the greatest score to the least.
type ranking struct {
	order    []int
	ends     []int // of the groups of equal scores in order
	positive []bool
}

func newRanking(what string, scores []float64, positive []bool, both bool, o []Option) (*ranking, counting, error) {
	if len(scores) != len(positive) {
		return nil, counting{}, fmt.Errorf("evaluate: %s: there must be a score for each of the %d rows, got %d", what, len(positive), len(scores))
	}
	if err := checkScores(what, scores, 1, len(positive)); err != nil {
		return nil, counting{}, err
	}
	yes := 0
	for _, p := range positive {
		if p {
			yes++
		}
	}
	switch {
	case yes == 0:
		return nil, counting{}, lacking("evaluate: %s: none of the %d rows is positive", what, len(positive))
	case both && yes == len(positive):
		return nil, counting{}, lacking("evaluate: %s: all %d rows are positive", what, yes)
	}
	c, err := newCounting(what, len(positive), o)
	if err != nil {
		return nil, c, err
	}
	return rank(scores, positive, every(len(scores))), c, nil
}

// every lists rows from 0 on.
func every(n int) []int {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	return rows
}

// rank orders some rows by scores that are numbers; the list of rows becomes its own.
func rank(scores []float64, positive []bool, rows []int) *ranking {
	r := &ranking{order: rows, positive: positive}
	slices.SortFunc(r.order, func(a, b int) int { return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(a, b)) })
	for i := range r.order {
		if i+1 == len(r.order) || scores[r.order[i]] != scores[r.order[i+1]] {
			r.ends = append(r.ends, i+1)
		}
	}
	return r
}

// exact is the AUROC of rows without weights.
func (r *ranking) exact() float64 {
	var halves, p, n uint64 // of pairs, as integers; the positives and negatives so far
	lo := 0
	for _, hi := range r.ends {
		var yes, no uint64
		for _, i := range r.order[lo:hi] {
			if r.positive[i] {
				yes++
			} else {
				no++
			}
		}
		// Of the pairs of this group's negatives, the positives above win all of theirs.
		halves += no * (2*p + yes)
		p, n, lo = p+yes, n+no, hi
	}
	return float64(halves) / 2 / (float64(p) * float64(n))
}

// auroc is the AUROC of weighted rows.
func (r *ranking) auroc(what string, w []float64) (float64, error) {
	pairs, p, n := 0.0, 0.0, 0.0
	lo := 0
	for _, hi := range r.ends {
		yes, no := 0.0, 0.0
		for _, i := range r.order[lo:hi] {
			if r.positive[i] {
				yes += w[i]
			} else {
				no += w[i]
			}
		}
		pairs += no * (p + yes/2)
		p, n, lo = p+yes, n+no, hi
	}
	switch {
	case p == 0:
		return 0, lacking("evaluate: %s: no row that is positive has a weight above 0", what)
	case n == 0:
		return 0, lacking("evaluate: %s: no row that is negative has a weight above 0", what)
	}
	return pairs / (p * n), nil
}

// precision is the average precision.
func (r *ranking) precision(what string, w func(i int) float64) (float64, error) {
	rows, p, sum := 0.0, 0.0, 0.0
	lo := 0
	for _, hi := range r.ends {
		yes := 0.0
		for _, i := range r.order[lo:hi] {
			rows += w(i)
			if r.positive[i] {
				yes += w(i)
			}
		}
		if p += yes; yes > 0 {
			sum += yes * p / rows
		}
		lo = hi
	}
	if p == 0 {
		return 0, lacking("evaluate: %s: no row that is positive has a weight above 0", what)
	}
	return sum / p, nil
}
