package simd

import (
	"math"
	"slices"
	"testing"
)

// TestTakeLines: every bit stays, a NaN's too, and nothing outside the rows is touched,
// between the first and the last element of pages whose neighbours fault.
func TestTakeLines(t *testing.T) {
	for _, c := range []struct{ m, n, ld int }{{0, 5, 5}, {1, 1, 1}, {1, 16, 0}, {1, 17, 17}, {3, 16, 16}, {4, 15, 40}, {5, 33, 50}, {2, 1000, 1024}} {
		for _, end := range []bool{false, true} {
			x := make([]float32, max(0, (c.m-1)*c.ld+c.n))
			for i := range x {
				x[i] = math.Float32frombits(0x7f800001 + uint32(i)*0x01000193) // signalling NaNs among them
			}
			got := edge(t, x, end)
			TakeLines(c.m, c.n, got, c.ld)
			same := func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }
			if !slices.EqualFunc(got, x, same) {
				t.Errorf("%+v: elements changed", c)
			}
		}
	}
	for _, c := range []struct{ m, n, ld, len int }{{1, 5, 5, 4}, {2, 5, 4, 100}, {3, 5, 10, 24}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v: no panic", c)
				}
			}()
			TakeLines(c.m, c.n, make([]float32, c.len), c.ld)
		}()
	}
}
