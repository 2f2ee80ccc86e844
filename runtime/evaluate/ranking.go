package evaluate

import (
	"cmp"
	"fmt"
	"slices"
)

// AUROC returns the area under the receiver operating characteristic of a score: the
// share of the pairs of a positive and a negative row in which the positive one has the
// greater score, where equal scores count half. 0.5 is chance, 1 is perfect. It is exact.
//
// Errors: another number of scores than rows; a score is NaN; all rows are positive, or
// none is.
func AUROC(scores []float64, positive []bool) (float64, error) {
	order, err := ranked("AUROC", scores, positive, true)
	if err != nil {
		return 0, err
	}
	var halves, p, n uint64 // of pairs, as integers; the positives and negatives so far
	for _, g := range groups(order, scores) {
		yes := count(g, positive)
		no := uint64(len(g)) - yes
		// Of the pairs of this group's negatives, the positives above win all of theirs.
		halves += no * (2*p + yes)
		p, n = p+yes, n+no
	}
	return float64(halves) / 2 / (float64(p) * float64(n)), nil
}

// AveragePrecision returns the mean of the precision over the recall of a score: the sum,
// over the distinct scores from the greatest on, of what recall gains there times the
// precision of the rows down to there, without interpolation. The share of positive rows
// is chance, 1 is perfect.
//
// Errors: those of [AUROC], but all rows may be positive.
func AveragePrecision(scores []float64, positive []bool) (float64, error) {
	order, err := ranked("average precision", scores, positive, false)
	if err != nil {
		return 0, err
	}
	var rows, p uint64
	sum := 0.0
	for _, g := range groups(order, scores) {
		yes := count(g, positive)
		rows, p = rows+uint64(len(g)), p+yes
		sum += float64(yes) * float64(p) / float64(rows)
	}
	return sum / float64(p), nil
}

// ranked returns the rows from the greatest score to the least.
func ranked(what string, scores []float64, positive []bool, both bool) ([]int, error) {
	if len(scores) != len(positive) {
		return nil, fmt.Errorf("evaluate: %s: there must be a score for each of the %d rows, got %d", what, len(positive), len(scores))
	}
	order := make([]int, len(scores))
	for i, s := range scores {
		if s != s {
			return nil, fmt.Errorf("evaluate: %s: the score of row %d is NaN", what, i)
		}
		order[i] = i
	}
	switch yes := count(order, positive); {
	case yes == 0:
		return nil, fmt.Errorf("evaluate: %s: none of the %d rows is positive", what, len(positive))
	case both && yes == uint64(len(positive)):
		return nil, fmt.Errorf("evaluate: %s: all %d rows are positive", what, yes)
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	return order, nil
}

// groups cuts ranked rows where the score changes.
func groups(order []int, scores []float64) (out [][]int) {
	for lo := 0; lo < len(order); {
		hi := lo + 1
		for hi < len(order) && scores[order[hi]] == scores[order[lo]] {
			hi++
		}
		out = append(out, order[lo:hi])
		lo = hi
	}
	return out
}

func count(rows []int, positive []bool) (n uint64) {
	for _, i := range rows {
		if positive[i] {
			n++
		}
	}
	return n
}
