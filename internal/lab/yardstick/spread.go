package yardstick

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// rounded drops what is no number but noise of the last bits.
func rounded(x float64) float64 { return math.Round(x*1e6) / 1e6 }

func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(x))
	if n := len(s); n%2 == 0 {
		return rounded((s[n/2-1] + s[n/2]) / 2)
	}
	return s[len(s)/2]
}

func mean(x []float64) (m float64) {
	for _, v := range x {
		m += v / float64(len(x))
	}
	return m
}

// deviation is the standard deviation of a sample, 0 for one value.
func deviation(x []float64) float64 {
	if len(x) < 2 {
		return 0
	}
	m, sum := mean(x), 0.0
	for _, v := range x {
		sum += (v - m) * (v - m)
	}
	return rounded(math.Sqrt(sum / float64(len(x)-1)))
}

// spread returns the mean of values and half the width of its 95 % interval by Student's t.
func spread(values []float64) (middle, half float64) {
	if len(values) < 2 {
		return mean(values), 0
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(len(values) - 1)}.Quantile(0.975)
	return mean(values), t * deviation(values) / math.Sqrt(float64(len(values)))
}

// differences are those of two lists, value by value.
func differences(a, b []float64) (d []float64) {
	for i := range min(len(a), len(b)) {
		d = append(d, a[i]-b[i])
	}
	return d
}
