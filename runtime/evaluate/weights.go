package evaluate

import (
	"errors"
	"fmt"
	"math"
)

// ErrUndefined is wrapped by the errors of metrics that these rows do not define, such as the AUROC of rows that are all
// positive.
var ErrUndefined = errors.New("the rows do not define the metric")

// undefined is an error that is ErrUndefined and says only why.
type undefined struct{ why string }

func (e *undefined) Error() string   { return e.why }
func (*undefined) Is(err error) bool { return err == ErrUndefined }

// lacking returns an error that wraps [ErrUndefined].
func lacking(format string, a ...any) error { return &undefined{fmt.Sprintf(format, a...)} }

// Option changes how a metric counts rows.
type Option func(*counting)

// Weighted gives each row a weight, as sample_weight in scikit-learn does: a row of weight 2 counts as two, one of weight 0
// not at all. Errors (of the metric): another number of weights than rows; one is negative or not finite; none is above 0.
func Weighted(w []float64) Option {
	return func(c *counting) { c.w, c.weighted = w, true }
}

// counting says how much each row counts.
type counting struct {
	w        []float64
	weighted bool
}

// newCounting checks the options of a metric over that many rows.
func newCounting(what string, rows int, options []Option) (counting, error) {
	var c counting
	for _, o := range options {
		o(&c)
	}
	if rows == 0 {
		return c, lacking("evaluate: %s: there are no rows", what)
	}
	if !c.weighted {
		return c, nil
	}
	if len(c.w) != rows {
		return c, fmt.Errorf("evaluate: %s: there must be a weight for each of the %d rows, got %d", what, rows, len(c.w))
	}
	some := false
	for i, w := range c.w {
		if !(w >= 0) || math.IsInf(w, 0) {
			return c, fmt.Errorf("evaluate: %s: the weight of row %d is %v; it must be finite and at least 0", what, i, w)
		}
		some = some || w > 0
	}
	if !some {
		return c, lacking("evaluate: %s: no row has a weight above 0", what)
	}
	return c, nil
}

// of returns how much row i counts.
func (c counting) of(i int) float64 {
	if !c.weighted {
		return 1
	}
	return c.w[i]
}

// None is the label of a row that has none. Metrics leave such rows out.
const None = -1

// checkLabels returns an error unless each label is a class or [None]. classes is 0 if any number is one.
func checkLabels(what string, labels []int, classes int) error {
	for i, y := range labels {
		if y < None || classes > 0 && y >= classes {
			return fmt.Errorf("evaluate: %s: the label of row %d is %d; it must be from 0 to %d, or %d for none", what, i, y, top(classes), None)
		}
	}
	return nil
}

func top(classes int) int {
	if classes == 0 {
		return maxClasses - 1
	}
	return classes - 1
}

// checkScores returns an error unless there is a row of that many numbers for each label, and none is NaN.
func checkScores(what string, scores []float64, width, rows int) error {
	if width < 1 {
		return fmt.Errorf("evaluate: %s: a row must have a number or more, got %d", what, width)
	}
	if len(scores) != width*rows {
		return fmt.Errorf("evaluate: %s: %d rows of %d numbers are needed, got %d numbers", what, rows, width, len(scores))
	}
	for i, x := range scores {
		if x != x {
			return fmt.Errorf("evaluate: %s: the score of row %d is NaN%s", what, i/width, at(i, width))
		}
	}
	return nil
}

// at says which of a row's numbers is meant, if there are several.
func at(i, width int) string {
	if width == 1 {
		return ""
	}
	return fmt.Sprintf(" at %d", i%width)
}

// mean returns the weighted mean of a value for each row, over the rows that have a label.
func (c counting) mean(what string, labels []int, value func(i int) float64) (float64, error) {
	sum, weight := 0.0, 0.0
	for i, y := range labels {
		if w := c.of(i); y != None && w > 0 {
			sum, weight = sum+w*value(i), weight+w
		}
	}
	if weight == 0 {
		return 0, lacking("evaluate: %s: no row has a label", what)
	}
	return sum / weight, nil
}
