package page

import (
	"math"
	"strings"
	"testing"
)

func TestNumber(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0", 1: "1", -1: "−1", 0.5: "0.5", 1234: "1234", 12345: "12\u2009345", 1234567: "1\u2009234\u2009567", 12345678: "1.235·10⁷",
		0.016: "0.016", 0.00012345: "0.0001234", 0.00001: "10⁻⁵", 1.5e-300: "1.5·10⁻³⁰⁰", 99.996: "100", 3.14159: "3.142", -25.86: "−25.86", 123456.7: "123\u2009457",
		math.Inf(1): "∞", math.Inf(-1): "−∞", 5e-324: "4.941·10⁻³²⁴", math.MaxFloat64: "1.798·10³⁰⁸", 9999999.6: "10⁷",
	} {
		if got := Number(x); got != want {
			t.Errorf("Number(%v) is %q, want %q", x, got, want)
		}
	}
	if got := Number(nan); got != "not a number" {
		t.Errorf("NaN is %q", got)
	}
	for _, c := range []struct {
		x        float64
		decimals int
		want     string
	}{{1.005, 2, "1.00"}, {-0.001, 2, "0.00"}, {12345.6, 1, "12\u2009345.6"}, {2, -3, "2"}, {nan, 2, "not a number"}, {1e300, 2, "10³⁰⁰"}, {0.5, 99, "0.50000000000000000000"}} {
		if got := Fixed(c.x, c.decimals); got != c.want {
			t.Errorf("Fixed(%v, %d) is %q, want %q", c.x, c.decimals, got, c.want)
		}
	}
}

func TestTicks(t *testing.T) {
	labels := func(s scale) string {
		var out []string
		for _, t := range s.ticks {
			out = append(out, t.Label)
		}
		return strings.Join(out, " ")
	}
	for name, c := range map[string]struct {
		a         Axis
		low, high float64
		room      bool
		want      string
	}{
		"from 1 on":      {Axis{}, 1, 20, false, "5 10 15 20"},
		"shares":         {Axis{Zero: true}, 0.2, 0.93, true, "0.0 0.2 0.4 0.6 0.8 1.0"},
		"negative":       {Axis{}, -3, 2, true, "−3 −2 −1 0 1 2"},
		"one value":      {Axis{}, 7, 7, true, "6.0 6.5 7.0 7.5 8.0"},
		"tiny":           {Axis{}, 1e-7, 3e-7, true, "10⁻⁷ 1.5·10⁻⁷ 2·10⁻⁷ 2.5·10⁻⁷ 3·10⁻⁷"},
		"labels":         {Axis{Log: true}, 100, 3000, false, "100 200 500 1000 2000"},
		"many decades":   {Axis{Log: true}, 1e-8, 1e8, true, "10⁻⁸ 10⁻⁵ 0.01 10 10\u2009000 10⁷"},
		"within a power": {Axis{Log: true}, 2, 9, true, "2 3 4 5 7"},
		"one, log":       {Axis{Log: true}, 50, 50, false, "30 40 50 70 100"},
		"next floats":    {Axis{}, 1, math.Nextafter(1, 2), true, "1 1"},
	} {
		s := c.a.scale(span{c.low, c.high, true}, c.room)
		if got := labels(s); got != c.want {
			t.Errorf("%s: ticks %q, want %q", name, got, c.want)
		}
	}
}

// FuzzTicks checks scales of any range: ticks that are finite, in order, within the axis,
// few, and told apart by their labels.
func FuzzTicks(f *testing.F) {
	for _, c := range [][2]float64{{0, 1}, {1, 1}, {-1e308, 1e308}, {5e-324, 1e-323}, {1e15, 1e15 + 1}, {0.1, 0.30000000000000004}, {-math.MaxFloat64, math.MaxFloat64}, {1e-300, 1e300}} {
		for _, log := range []bool{false, true} {
			f.Add(c[0], c[1], log, true)
			f.Add(c[0], c[1], log, false)
		}
	}
	f.Fuzz(func(t *testing.T, low, high float64, log, room bool) {
		a := Axis{Log: log, Zero: room && !log}
		if !a.fits(low) || !a.fits(high) {
			return
		}
		if low > high {
			low, high = high, low
		}
		s := a.scale(span{low, high, true}, room)
		if n := len(s.ticks); n < 1 || n > 3*mostTicks {
			t.Fatalf("%d ticks from %v to %v", n, low, high)
		}
		last, seen := math.Inf(-1), map[string]bool{}
		for _, k := range s.marks(false) {
			if k.At-k.At != 0 || k.At <= last && high > low || k.Label == "" || k.Place == "" {
				t.Fatalf("tick %+v after %v, from %v to %v", k, last, low, high)
			}
			if seen[k.Label] && (high-low)/2 > 1e-9*(math.Abs(low)/2+math.Abs(high)/2) {
				t.Fatalf("two ticks from %v to %v are %q", low, high, k.Label)
			}
			if at := s.at(k.At); at < 0 || at > 1 {
				t.Fatalf("tick %v is at %v", k.At, at)
			}
			last, seen[k.Label] = k.At, true
		}
		for _, x := range []float64{low, high, low/2 + high/2} {
			if at := s.at(x); !(at >= 0 && at <= 1) {
				t.Fatalf("%v is at %v of %v to %v", x, at, low, high)
			}
		}
	})
}

// FuzzNumber checks that every number has a short text without a hyphen.
func FuzzNumber(f *testing.F) {
	for _, x := range []float64{0, 1, -1, 0.1, 1e7, 9999999.5, 1e-4, 5e-324, math.MaxFloat64} {
		f.Add(x, 2)
	}
	f.Fuzz(func(t *testing.T, x float64, decimals int) {
		for _, s := range []string{Number(x), Fixed(x, decimals)} {
			if s == "" || len(s) > 64 || strings.ContainsAny(s, "-<>&") || strings.Contains(s, "NaN") || strings.Contains(s, "Inf") {
				t.Fatalf("%v is %q", x, s)
			}
		}
	})
}
