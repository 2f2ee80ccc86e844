package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler/random"
)

func TestSelect(t *testing.T) {
	if err := EnvError(); err != nil {
		t.Error(err)
	}
	if _, err := choose("mmx"); err == nil {
		t.Error("a start with LAMINA_KERNEL=mmx has no error")
	}
	old := selected.Load()
	defer selected.Store(old)
	for _, name := range []string{"sse2", "f32gemm_9x9_avx2", "AVX2"} {
		err := Select(name)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) || !strings.Contains(err.Error(), "go") {
			t.Errorf("Select(%q) = %v, want an error that names it and what there is", name, err)
		}
		if selected.Load() != old {
			t.Errorf("Select(%q) changed the choice", name)
		}
	}
	for _, name := range Available() {
		if err := Select(name); err != nil || Active() != name {
			t.Errorf("Select(%q) = %v, active %s", name, err, Active())
		}
	}
	if err := Select(""); err != nil || Active() != best().String() {
		t.Errorf("the empty name gives %s, %v", Active(), err)
	}
	seen := map[string]bool{}
	for _, v := range Variants() {
		if seen[v.Name] {
			t.Errorf("%s is twice in the table", v.Name)
		}
		seen[v.Name] = true
		if err := Select(v.Name); (err == nil) != v.Available {
			t.Errorf("Select(%s) = %v, available %v", v.Name, err, v.Available)
		}
	}
	if f := CPU(); f.Cores < 1 || f.Arch == "" || f.AVX512 && !f.AVX2 {
		t.Errorf("CPU() = %+v", f)
	}
	if p := PeakFMA(time.Millisecond); p <= 0 {
		t.Errorf("PeakFMA = %v", p)
	}
}

// unitsOff is the distance of got from want in units of the last place of want.
func unitsOff(got float32, want float64) float64 {
	w := float32(want)
	if w-w != 0 {
		if got == w || got != got && w != w {
			return 0
		}
		return math.Inf(1)
	}
	if got != got {
		return math.Inf(1)
	}
	a := float32(math.Abs(float64(w)))
	return math.Abs(float64(got)-want) / float64(math.Float32frombits(math.Float32bits(a)+1)-a)
}

func TestAccuracy(t *testing.T) {
	for _, c := range []struct {
		name  string
		f     func(dst, src []float32)
		exact func(float64) float64
		bound float64
	}{
		{"exp", Exp, math.Exp, 1},
		{"sigmoid", Sigmoid, func(x float64) float64 {
			if x < 0 {
				return math.Exp(x) / (1 + math.Exp(x))
			}
			return 1 / (1 + math.Exp(-x))
		}, 2.5},
		{"tanh", Tanh, math.Tanh, 2.5},
		{"log", Log, math.Log, 2},
		{"erf", Erf, math.Erf, 1.5},
		{"softplus", Softplus, func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }, 2.5},
		{"sqrt", Sqrt, math.Sqrt, 0.5},
		{"abs", Abs, math.Abs, 0},
		{"elu", func(dst, src []float32) { Elu(dst, src, 1) }, func(x float64) float64 {
			if x > 0 {
				return x
			}
			return math.Expm1(x)
		}, 1},
	} {
		const stride = 4099 // over every exponent and both signs, NaN included
		x := make([]float32, 0, 1<<32/stride+1)
		for b := uint64(0); b < 1<<32; b += stride {
			x = append(x, math.Float32frombits(uint32(b)))
		}
		for i := range 1 << 19 { // and densely where the functions bend
			x = append(x, float32(i-1<<18)*(110.0/(1<<18)), float32(i-1<<18)*(1.0/(1<<18)))
		}
		y := make([]float32, len(x))
		c.f(y, x)
		worst, at := 0.0, float32(0)
		for i, v := range x {
			if d := unitsOff(y[i], c.exact(float64(v))); d > worst {
				worst, at = d, v
			}
		}
		if worst > c.bound {
			t.Errorf("%s is %.3f ULP off at %g, want at most %g", c.name, worst, at, c.bound)
		}
		t.Logf("%s: at most %.3f ULP, at %g", c.name, worst, at)
	}
}

func checkTranspose(t *testing.T, rng *rand.Rand) {
	t.Helper()
	r, c := rng.IntN(68), rng.IntN(68)
	if rng.IntN(8) == 0 { // more than one band of rows
		r += turnHeight
	}
	lds, ldd := c+rng.IntN(3), r+rng.IntN(3)
	src := normals(rng, r*lds)
	dst := guard(rng, c*ldd)
	want := append([]float32(nil), dst.mid...)
	for i := range r {
		for j := range c {
			want[j*ldd+i] = src[i*lds+j]
		}
	}
	what := fmt.Sprintf("transpose of %d by %d", r, c)
	Transpose(r, c, src, lds, dst.mid, ldd)
	sameBits(t, what, dst.mid, want)
	dst.check(t, what)
}

func TestAddRowAndSums(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 10))
	x, row := normals(rng, 7*19), normals(rng, 19)
	dst := make([]float32, len(x))
	AddRow(dst, x, row)
	var sum, squares float64
	for i, v := range x {
		if dst[i] != v+row[i%19] {
			t.Fatalf("AddRow: element %d is %v, want %v", i, dst[i], v+row[i%19])
		}
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	for _, c := range []struct{ got, want float64 }{
		{float64(Sum(x)), sum}, {SumSquaresFloat64(x), squares}, {float64(Dot(x, x)), squares},
	} {
		if math.Abs(c.got-c.want) > 1e-4 {
			t.Errorf("a sum is %v, want %v", c.got, c.want)
		}
	}
	y := []float32{0.5, 1, 2}
	Log(y, y)
	if y[0] != -math.Ln2 && y[0] != float32(-math.Ln2) || y[1] != 0 {
		t.Errorf("Log gives %v", y)
	}
}

// TestOptimizers holds the updates to their papers' formulas in float64.
func TestOptimizers(t *testing.T) {
	near := func(what string, got float32, want float64) {
		t.Helper()
		if math.Abs(float64(got)-want) > 1e-6*(1+math.Abs(want)) {
			t.Errorf("%s = %v, want %v", what, got, want)
		}
	}
	one := func(v float32) []float32 { return []float32{v} }
	w, m, v := one(2), one(.1), one(.04)
	Adam(w, one(3), m, v, AdamParams{LR: .1, Beta1: .9, Beta2: .99, Eps: 1e-3, Decay: .5, Decoupled: true, Step: 2, Scale: .5})
	me, ve := .9*.1+.1*1.5, .99*.04+.01*1.5*1.5
	near("m", m[0], me)
	near("v", v[0], ve)
	near("AdamW's w", w[0], 2*(1-.1*.5)-.1*(me/(1-.81))/(math.Sqrt(ve/(1-.99*.99))+1e-3))
	w, m, v = one(2), one(0), one(0)
	Adam(w, one(3), m, v, AdamParams{LR: .1, Beta1: .9, Beta2: .99, Eps: 0, Decay: .5, Step: 1})
	near("Adam's m", m[0], .1*4)
	near("Adam's w", w[0], 2-.1)
	w, m = one(2), one(1)
	SGD(w, one(3), m, SGDParams{LR: .1, Momentum: .9, Decay: .5})
	near("velocity", m[0], 4.9)
	near("w", w[0], 2-.49)
	w, m = one(2), one(1)
	SGD(w, one(3), m, SGDParams{LR: .1, Momentum: .9, Nesterov: true})
	near("Nesterov's w", w[0], 2-.1*(.9*3.9+3))
	w = one(2)
	SGD(w, one(3), nil, SGDParams{LR: .1})
	near("plain w", w[0], 1.7)
	w, v = one(2), one(1)
	RMSProp(w, one(3), v, RMSPropParams{LR: .1, Rho: .9, Eps: .01})
	near("RMSProp's w", w[0], 2-.1*3/(math.Sqrt(.9+.1*9)+.01))
}

func TestRelu(t *testing.T) {
	nan := float32(math.NaN())
	x := []float32{-1, 0, 2, nan, float32(math.Inf(-1)), float32(math.Inf(1))}
	y := make([]float32, len(x))
	Relu(y, x)
	sameBits(t, "relu", y, []float32{0, 0, 2, nan, 0, x[5]})
	ReluGrad(y, []float32{1, 2, 3, 4, 5, 6}, y)
	sameBits(t, "its gradient", y, []float32{0, 0, 3, 4, 0, 6})
}

func TestShortSlicesPanic(t *testing.T) {
	s := make([]float32, 4)
	for name, f := range map[string]func(){
		"A":       func() { Gemm(2, 2, 3, s, 3, 1, make([]float32, 6), 2, s, 2, false, Epilogue{}) },
		"B":       func() { Gemm(2, 2, 2, s, 2, 1, s[:3], 2, s, 2, false, Epilogue{}) },
		"C":       func() { Gemm(2, 2, 2, s, 2, 1, s, 2, s[:3], 2, false, Epilogue{}) },
		"stride":  func() { Gemm(2, 2, 2, s, -1, 1, s, 2, s, 2, false, Epilogue{}) },
		"huge":    func() { Gemm(3, 1, 1, s, math.MaxInt/2+1, 1, s, 2, s, 1, false, Epilogue{}) },
		"bias":    func() { Gemm(2, 2, 2, s, 2, 1, s, 2, s, 2, false, Epilogue{Bias: s[:1]}) },
		"mask":    func() { Gemm(2, 2, 2, s, 2, 1, s, 2, s, 2, false, Epilogue{Mask: s[:3], LDMask: 2}) },
		"plus":    func() { Gemm(2, 2, 2, s, 2, 1, s, 2, s, 2, false, Epilogue{Plus: s[:3], LDPlus: 2}) },
		"unary":   func() { Exp(s, s[:3]) },
		"binary":  func() { Add(s, s, s[:3]) },
		"row":     func() { AddRow(s, s, s[:3]) },
		"kept":    func() { Keep(s, s[:3], random.Key{}, 0, 0.5) },
		"bits":    func() { Sample(s, s[:3], random.Key{}, 0) },
		"pepper":  func() { SaltAndPepper(s, s[:3], random.Key{}, random.Key{}, 0, 0.5, 0, 1) },
		"error":   func() { SquaredError(s[:3], s, s, 1) },
		"target":  func() { SquaredError(s, s, s[:3], 1) },
		"means":   func() { SquaredErrorMeans(s, s, s, s, 2, 1) },
		"lanes":   func() { SquaredErrorLanes(s, 1, 2, s, 2, s, 2, s, 2, 1) },
		"fold":    func() { FoldLanes(s[:1], s) },
		"energy":  func() { SigmoidSoftplus(s[:3], s) },
		"scale":   func() { Normalize(s, s, s[:3], nil, 0, 1) },
		"offset":  func() { Normalize(s, s, s, s[:3], 0, 1) },
		"sums":    func() { NormalizeSums(s[:3], s, s, s, 0, 1) },
		"plain":   func() { NormSums(1, s, s[:3], s, 4, s, 4, s, 2) },
		"rows":    func() { NormSums(2, s[:2], nil, s, 2, s[:3], 2, s, 2) },
		"stats":   func() { NormSums(2, s[:2], nil, s, 2, s, 2, s[:3], 2) },
		"along":   func() { NormalizeGrad(s, s, s[:3], s, 0, 1, 0, 0) },
		"channel": func() { Rescale(s, s, s, s[:3], s) },
		"grad":    func() { RescaleGrad(s, s, s, s, s, s, s[:3]) },
		"column":  func() { ColumnDots(2, 3, nil, s, 3, s, s, s) },
		"and dy":  func() { ColumnDots(2, 2, s[:3], s, 2, s, s, s) },
		"dots":    func() { LineDot(s, s[:3]) },
		"columns": func() { ColumnSums(2, 3, s, 3, s, false) },
		"masked":  func() { ColumnSumsReluGrad(2, 2, s[:3], s, 2, s, false) },
		"masks":   func() { ColumnSumsReluGrad(2, 2, s, s[:3], 2, s, false) },
		"sums of": func() { ColumnSumsReluGrad(2, 2, s, s, 2, s[:1], false) },
		"adam":    func() { Adam(s, s, s[:3], s, AdamParams{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestNoAllocation(t *testing.T) {
	for _, set := range Available() {
		t.Run(set, func(t *testing.T) {
			use(t, set, set, true)
			k, n := 3*aliasK, selected.Load().blocks.alias // packed
			big, out := make([]float32, k*n), make([]float32, packRows*n)
			if n := testing.AllocsPerRun(20, func() {
				Gemm(packRows, n, k, big, k, 1, big, n, out, n, false, Epilogue{})
				var a, b, c, d [80]float32 // on the stack: nothing may make them escape
				Gemm(5, 9, 7, a[:], 7, 1, b[:], 9, c[:], 9, true, Epilogue{Bias: d[:], Relu: true, Mask: d[:], LDMask: 9})
				Gemm(5, 9, 7, a[:], 7, 1, b[:], 9, c[:], 9, true, Epilogue{Plus: d[:], LDPlus: 9, Mask: d[:], LDMask: 9})
				Transpose(8, 9, a[:], 9, b[:], 8)
				Relu(a[:], b[:])
				Exp(a[:], b[:])
				ReluGrad(a[:], b[:], c[:])
				AddRow(a[:], b[:], c[:10])
				Axpy(a[:], 2, b[:])
				d[0] = Sum(a[:]) + Dot(a[:], b[:]) + float32(SquaredError(c[:], a[:], b[:], 2)+SigmoidSoftplus(c[:], a[:]))
				SquaredErrorMeans(d[:2], c[:], a[:], b[:], 40, 2)
				SquaredErrorLanes(d[:64], 4, 20, c[:], 20, a[:], 20, b[:], 20, 2)
				FoldLanes(c[:4], d[:64])
				d[1] = float32(SumSquaresAround(a[:], 1))
				Normalize(a[:], b[:], c[:], d[:], 1, 2)
				NormalizeSums(a[:], b[:], c[:], d[:], 1, 2)
				NormalizeGrad(a[:], b[:], c[:], d[:], 1, 2, 3, 4)
				NormSums(4, a[:20], b[:20], c[:], 20, d[:], 20, c[:], 2)
				Rescale(a[:], b[:], c[:], d[:], d[:])
				RescaleGrad(a[:], b[:], c[:], d[:], d[:], d[:], d[:])
				ColumnDots(8, 9, nil, a[:], 9, b[:], c[:], d[:])
				k := random.New(1)
				Choose(a[:], k, 3, 0.5, 0, 1)
				SaltAndPepper(a[:], b[:], k, k, 3, 0.5, 0, 1)
				AddNormal(a[:], b[:], k, 3, 0.5)
				ColumnSums(8, 9, a[:], 9, b[:], false)
				ColumnSumsReluGrad(8, 9, a[:], c[:], 9, b[:], false)
				Adam(a[:], b[:], c[:], d[:], AdamParams{Beta1: .9, Beta2: .999, Step: 1})
				SGD(a[:], b[:], c[:], SGDParams{})
				RMSProp(a[:], b[:], c[:], RMSPropParams{})
			}); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
