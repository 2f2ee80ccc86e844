package spec_test

import (
	"math"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/spec"
)

func fill(i spec.Init, seed uint64, shape ...int) []float32 {
	n := 1
	for _, d := range shape {
		n *= d
	}
	dst := make([]float32, n)
	i.Fill(random.New(seed), shape, dst)
	return dst
}

func TestInitStatistics(t *testing.T) {
	for _, c := range []struct {
		init  spec.Init
		shape []int
		std   float64
		limit float64 // 0 for none
	}{
		{spec.Glorot(), []int{300, 100}, math.Sqrt(2.0 / 400), math.Sqrt(6.0 / 400)},
		{spec.GlorotNormal(), []int{300, 100}, math.Sqrt(2.0 / 400), 0},
		{spec.He(), []int{300, 100}, math.Sqrt(2.0 / 300), 0},
		{spec.LeCun(), []int{300, 100}, math.Sqrt(1.0 / 300), 0},
		{spec.He(), []int{64, 16, 5, 5}, math.Sqrt(2.0 / (16 * 25)), 0},
		{spec.LeCun(), []int{20000}, math.Sqrt(1.0 / 20000), 0},
	} {
		x := fill(c.init, 7, c.shape...)
		n := float64(len(x))
		var sum, squares float64
		for _, v := range x {
			sum += float64(v)
			squares += float64(v) * float64(v)
			if c.limit > 0 && math.Abs(float64(v)) > c.limit*(1+1e-6) {
				t.Fatalf("%s: %v is beyond %v", c.init.Name(), v, c.limit)
			}
		}
		// Five standard errors of each estimate.
		if mean := sum / n; math.Abs(mean) > 5*c.std/math.Sqrt(n) {
			t.Errorf("%s %v: mean %v", c.init.Name(), c.shape, mean)
		}
		if std := math.Sqrt(squares / n); math.Abs(std/c.std-1) > 5/math.Sqrt(2*n) {
			t.Errorf("%s %v: standard deviation %v, want %v", c.init.Name(), c.shape, std, c.std)
		}
		if !slices.Equal(x, fill(c.init, 7, c.shape...)) {
			t.Errorf("%s: two fills with one key differ", c.init.Name())
		}
		if slices.Equal(x, fill(c.init, 8, c.shape...)) {
			t.Errorf("%s: fills with two keys are equal", c.init.Name())
		}
	}
}

func TestOrthogonal(t *testing.T) {
	for _, shape := range [][]int{{40, 12}, {12, 40}, {20, 20}, {8, 3, 2, 2}, {5}, {1, 1}} {
		x := fill(spec.Orthogonal(), 3, shape...)
		rows := shape[0]
		cols := len(x) / rows
		at := func(i, j int) float64 { return float64(x[i*cols+j]) }
		n, m := cols, rows // columns are orthonormal
		get := func(i, k int) float64 { return at(k, i) }
		if rows < cols {
			n, m = rows, cols
			get = at
		}
		for i := range n {
			for j := range n {
				var dot, want float64
				for k := range m {
					dot += get(i, k) * get(j, k)
				}
				if i == j {
					want = 1
				}
				if math.Abs(dot-want) > 1e-5 {
					t.Fatalf("%v: vectors %d and %d have product %v", shape, i, j, dot)
				}
			}
		}
	}
	// The sign of an element is a fair coin only with the sign correction.
	plus := 0
	for seed := range uint64(400) {
		if fill(spec.Orthogonal(), seed, 3, 3)[0] > 0 {
			plus++
		}
	}
	if plus < 150 || plus > 250 {
		t.Errorf("the first element is positive %d times of 400", plus)
	}
}

func TestConstant(t *testing.T) {
	if x := fill(spec.Constant(0.25), 1, 2, 2); !slices.Equal(x, []float32{0.25, 0.25, 0.25, 0.25}) {
		t.Errorf("Constant(0.25) filled %v", x)
	}
	if x := fill(spec.Zeros(), 1, 3); !slices.Equal(x, []float32{0, 0, 0}) {
		t.Errorf("Zeros filled %v", x)
	}
	if a, b := spec.Constant(0.25).Name(), spec.Zeros().Name(); a != "Constant(0.25)" || b != "Zeros" {
		t.Errorf("names are %s and %s", a, b)
	}
}
