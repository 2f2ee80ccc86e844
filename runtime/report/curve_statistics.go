package report

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Estimate is a mean over draws with an interval that has the mean of all draws in 95 % of
// the cases.
type Estimate struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Has reports whether the interval has x in it.
func (e Estimate) Has(x float64) bool { return e.Low <= x && x <= e.High }

// estimate is the mean with the interval of Student's t. Rows that are measured on several
// times make the values depend on each other: overlap is the share of the variance that is
// added for that, test rows by training rows of a cross-validation (Nadeau and Bengio 2003;
// Bouckaert and Frank 2004, for folds that are repeated), and 0 without one.
func estimate(values []float64, overlap float64) Estimate {
	n := float64(len(values))
	if n < 2 {
		return Estimate{Mean: stat.Mean(values, nil), Low: math.Inf(-1), High: math.Inf(1)}
	}
	mean, variance := stat.MeanVariance(values, nil)
	half := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(0.975) * math.Sqrt((1/n+overlap)*variance)
	return Estimate{Mean: mean, Low: mean - half, High: mean + half}
}

// metric is the number by which predictions are judged.
func metric(name string, confusion [][]int) float64 {
	rows, right, recall, classes := 0, 0, 0.0, 0
	for k, of := range confusion {
		n := 0
		for _, c := range of {
			n += c
		}
		rows, right = rows+n, right+of[k]
		if n > 0 {
			recall += float64(of[k]) / float64(n)
			classes++
		}
	}
	switch {
	case rows == 0:
		return math.NaN()
	case name == balancedError:
		return 1 - recall/float64(classes)
	}
	return float64(rows-right) / float64(rows)
}

// Labels is a number of labels that was read off a curve.
type Labels struct {
	Number float64 `json:"number"` // interpolated in the logarithm of the number
	// Reached is "yes"; "fewer" than Number, the least that was measured; or "no", not with
	// Number, the most that was.
	Reached string `json:"reached"`
}

// String returns the number in words.
func (l Labels) String() string {
	switch n := grouped(int(math.Round(l.Number))); l.Reached {
	case "fewer":
		return "at most " + n
	case "no":
		return "not reached with " + n
	default:
		return n
	}
}

// short is the number for a table.
func (l Labels) short() string {
	return map[string]string{"fewer": "≤ ", "no": "> "}[l.Reached] + grouped(int(math.Round(l.Number)))
}

// crossing returns where a curve first falls to a value or below.
func crossing(counts []int, curve []float64, to float64) Labels {
	if curve[0] <= to {
		return Labels{float64(counts[0]), "fewer"}
	}
	for i := 1; i < len(counts); i++ {
		if curve[i] > to {
			continue
		}
		a, b := math.Log(float64(counts[i-1])), math.Log(float64(counts[i]))
		return Labels{math.Exp(a + (b-a)*(curve[i-1]-to)/(curve[i-1]-curve[i])), "yes"}
	}
	return Labels{float64(counts[len(counts)-1]), "no"}
}

// breakEven returns the number of labels from which on a curve has no advantage: where the
// last difference that is positive is followed by one that is not.
func breakEven(counts []int, advantage []float64) Labels {
	last := -1
	for i, d := range advantage {
		if d > 0 {
			last = i
		}
	}
	switch {
	case last < 0:
		return Labels{float64(counts[0]), "fewer"}
	case last == len(counts)-1:
		return Labels{float64(counts[last]), "no"}
	}
	a, b := math.Log(float64(counts[last])), math.Log(float64(counts[last+1]))
	return Labels{math.Exp(a + (b-a)*advantage[last]/(advantage[last]-advantage[last+1])), "yes"}
}

// grouped is a number with a comma between thousands.
func grouped(n int) string {
	s := fmt.Sprint(n)
	var parts []string
	for len(s) > 3 {
		parts = append(parts, s[len(s)-3:])
		s = s[:len(s)-3]
	}
	parts = append(parts, s)
	slices.Reverse(parts)
	out := parts[0]
	for _, p := range parts[1:] {
		out += "," + p
	}
	return out
}
