package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// tapsCase is a product by taps with operands that end where they may.
type tapsCase struct {
	Taps
	a, b, mask []float32
	c          guarded
	accumulate bool
	e          Epilogue
}

// randomTaps draws lengths, strides and taps: a convolution of any stride, its gradients, or what no convolution has.
func randomTaps(rng *rand.Rand, lines, m, n, k, taps int) *tapsCase {
	p := &tapsCase{Taps: Taps{Lines: lines, M: m, N: n, K: k}}
	line := 1 + rng.IntN(4)
	switch rng.IntN(4) {
	case 0: // the places of a window
		p.ColA, p.RowA = 1, 1+rng.IntN(2*k+2)
		p.LineA = rng.IntN(2) * (m*p.RowA + k)
	case 1: // the elements of a filter
		p.RowA, p.ColA = 1, m/line+1
		p.LineA = k*p.ColA + rng.IntN(5)
	case 2:
		p.RowA, p.ColA, p.LineA = rng.IntN(20), rng.IntN(20), rng.IntN(50)
	default: // several rows at one place
		p.RowA, p.ColA, p.LineA = 0, 1, k
	}
	far := 0
	for range taps {
		at := rng.IntN(3 * (m + k))
		far = max(far, at)
		p.At = append(p.At, at)
	}
	p.LDB = n + rng.IntN(4)
	if rng.IntN(3) == 0 { // a tap is a part of the filters' line, or taps share some
		p.TapB = 1 + rng.IntN(2*k*p.LDB+1)
	}
	p.LDC = n + rng.IntN(4)
	p.LineC = m*p.LDC + rng.IntN(4)
	if rng.IntN(4) == 0 && lines > 1 { // lines that lie between the rows of each other
		p.LineC, p.LDC = n+rng.IntN(4), lines*(n+4)
	}
	draw := normals
	if rng.IntN(3) == 0 {
		draw = testValues
	}
	k = max(k, 1)
	p.a = draw(rng, (lines-1)*p.LineA+(m-1)*p.RowA+far+(k-1)*p.ColA+1)
	p.b = draw(rng, (taps-1)*max(p.tapB(), p.LDB)+(k-1)*p.LDB+n)
	p.c = guard(rng, (lines-1)*p.LineC+(m-1)*p.LDC+n)
	p.each(func(at int) { p.c.mid[at] = float32(rng.NormFloat64()) })
	p.accumulate = rng.IntN(2) == 0
	p.e.Relu = rng.IntN(2) == 0
	if rng.IntN(2) == 0 {
		p.e.Bias = normals(rng, n)
	}
	p.beside(rng)
	return p
}

// fewColumns draws a product that amd64 computes turned: of pixels, or of rows that lie beside each other.
func fewColumns(rng *rand.Rand, set isa, pixels bool) *tapsCase {
	p := &tapsCase{Taps: Taps{Lines: 1 + rng.IntN(12), M: 70 + rng.IntN(90), N: 1 + rng.IntN(4)}}
	far := 0
	if pixels {
		p.RowA, p.ColA = 2+rng.IntN(20), 1
		p.LineA = (p.M + rng.IntN(p.M)) * p.RowA
		each := 1 + rng.IntN(3)
		p.K = each * p.RowA
		for len(p.At)*p.K < 64 {
			p.At = append(p.At, rng.IntN(40)*p.RowA)
		}
	} else {
		if set == isaAVX2 {
			p.M &^= 7
		}
		p.RowA, p.ColA = 1, rng.IntN(50)
		p.LineA, p.K = rng.IntN(60), 1+rng.IntN(60)
		for len(p.At)*p.K < 64 {
			p.At = append(p.At, rng.IntN(100))
		}
	}
	for _, at := range p.At {
		far = max(far, at)
	}
	p.LDB, p.LDC = p.N+rng.IntN(3), p.N+rng.IntN(3)
	if rng.IntN(4) == 0 { // parts of lines of filters, which are not computed turned
		p.TapB = (p.K + 1 + rng.IntN(3)) * p.LDB
	}
	p.LineC = p.M*p.LDC + rng.IntN(3)
	draw := normals
	if rng.IntN(3) == 0 {
		draw = testValues
	}
	p.a = draw(rng, (p.Lines-1)*p.LineA+(p.M-1)*p.RowA+far+(p.K-1)*p.ColA+1)
	p.b = draw(rng, (len(p.At)-1)*p.tapB()+(p.K-1)*p.LDB+p.N)
	p.c = guard(rng, (p.Lines-1)*p.LineC+(p.M-1)*p.LDC+p.N)
	p.each(func(at int) { p.c.mid[at] = float32(rng.NormFloat64()) })
	p.accumulate = rng.IntN(2) == 0
	p.e.Relu = rng.IntN(2) == 0
	if rng.IntN(2) == 0 {
		p.e.Bias = normals(rng, p.N)
	}
	p.beside(rng)
	return p
}

// beside draws what is added, or a mask, or both, or neither.
func (p *tapsCase) beside(rng *rand.Rand) {
	p.e.Plus, p.e.Mask = nil, nil
	given := rng.IntN(4)
	if given&1 != 0 {
		p.e.Plus, p.e.LDPlus = testValues(rng, len(p.c.mid)), p.LDC
	}
	if given&2 != 0 {
		p.e.Mask, p.e.LDMask = testValues(rng, len(p.c.mid)), p.LDC
	}
}

// each runs f for the place of every element of C; the others are canaries.
func (p *tapsCase) each(f func(at int)) {
	for l := range p.Lines {
		for i := range p.M {
			for j := range p.N {
				f(l*p.LineC + i*p.LDC + j)
			}
		}
	}
}

func (p *tapsCase) String() string {
	return fmt.Sprintf("%+v accumulate=%v bias=%v plus=%v relu=%v mask=%v", p.Taps, p.accumulate, p.e.Bias != nil, p.e.Plus != nil, p.e.Relu, p.e.Mask != nil)
}

// chains computes C by its definition, into a copy.
func (p *tapsCase) chains() []float32 {
	c := append([]float32(nil), p.c.mid...)
	for l := range p.Lines {
		for i := range p.M {
			for j := range p.N {
				at, acc := l*p.LineC+i*p.LDC+j, float32(0)
				if p.accumulate {
					acc = c[at]
				}
				for t := range p.At {
					for q := range p.K {
						acc = fma(p.a[l*p.LineA+i*p.RowA+p.At[t]+q*p.ColA], p.b[t*p.tapB()+q*p.LDB+j], acc)
					}
				}
				if p.e.Bias != nil {
					acc += p.e.Bias[j]
				}
				if p.e.Plus != nil {
					acc += p.e.Plus[at]
				}
				if p.e.Relu {
					acc = relu(acc)
				}
				if p.e.Mask != nil && p.e.Mask[at] <= 0 {
					acc = 0
				}
				c[at] = acc
			}
		}
	}
	return c
}

func (p *tapsCase) check(t *testing.T) {
	t.Helper()
	want := p.chains()
	if p.M%2 == 0 {
		GemmTapsAhead(&p.Taps, p.a, p.b, p.c.mid, p.accumulate, p.e, p.b, p.a[:len(p.a)/2])
	} else {
		GemmTaps(&p.Taps, p.a, p.b, p.c.mid, p.accumulate, p.e)
	}
	sameBits(t, p.String(), p.c.mid, want)
	p.c.check(t, p.String())
	if p.Unbroken() && p.e.Plus != nil && !p.accumulate { // what is added may be C
		e, over := p.e, append([]float32(nil), p.e.Plus...)
		result := append([]float32(nil), over...)
		p.each(func(at int) { result[at] = want[at] })
		e.Plus = over
		GemmTaps(&p.Taps, p.a, p.b, over, false, e)
		sameBits(t, "in place: "+p.String(), over, result)
	}
}

func checkTaps(t *testing.T, rng *rand.Rand) {
	t.Helper()
	randomTaps(rng, 1+rng.IntN(4), 1+rng.IntN(30), 1+rng.IntN(40), rng.IntN(12), 1+rng.IntN(4)).check(t)
}

// TestTapsSets runs larger shapes, where panels and tiles combine, those of networks, and blocks of lines, rows and steps.
func TestTapsSets(t *testing.T) {
	for _, set := range []isa{isaGo, isaAVX2, isaAVX512, isaNEON} {
		t.Run(set.String(), func(t *testing.T) {
			use(t, set.String(), set.String(), available(set))
			rng := rand.New(rand.NewPCG(41, uint64(set)))
			for range 60 {
				checkTaps(t, rng)
			}
			for range 12 {
				randomTaps(rng, 1+rng.IntN(9), 1+rng.IntN(60), 1+rng.IntN(100), rng.IntN(60), 1+rng.IntN(9)).check(t)
			}
			for range 40 { // lines that are computed together
				p := randomTaps(rng, 3, 3, 1+rng.IntN(40), rng.IntN(30), 1+rng.IntN(5))
				p.LDC = p.N + rng.IntN(3)
				p.LineC = 3 * p.LDC
				p.c = guard(rng, 2*p.LineC+2*p.LDC+p.N)
				p.each(func(at int) { p.c.mid[at] = float32(rng.NormFloat64()) })
				p.beside(rng)
				p.check(t)
			}
			for _, s := range tapsShapes() {
				p := &tapsCase{Taps: s.Taps, accumulate: s.accumulate}
				p.a, p.b = normals(rng, s.a), normals(rng, s.b)
				p.c = guard(rng, s.c)
				p.each(func(at int) { p.c.mid[at] = 1 })
				p.check(t)
			}
		})
	}
}

// TestTapsBlocks: wherever lines, rows and steps are cut, the bits are those of the chains.
func TestTapsBlocks(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512} {
		t.Run(set.String(), func(t *testing.T) {
			use(t, set.String(), set.String(), available(set))
			rng := rand.New(rand.NewPCG(42, uint64(set)))
			for _, limits := range []tapLimits{{1, 1}, {3, 40}, {7, 500}, {40, 3000}, {100, 1 << 20}} {
				s := whole(set)
				s.taps = limits
				selected.Store(s)
				for range 25 {
					randomTaps(rng, 1+rng.IntN(7), 1+rng.IntN(50), 1+rng.IntN(70), 1+rng.IntN(30), 1+rng.IntN(6)).check(t)
				}
			}
		})
	}
}

// TestTapsReference holds a product by taps to float64.
func TestTapsReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(43, 43))
	for range 30 {
		p := randomTaps(rng, 1+rng.IntN(4), 1+rng.IntN(30), 1+rng.IntN(40), 1+rng.IntN(30), 1+rng.IntN(4))
		p.a, p.b = normals(rng, len(p.a)), normals(rng, len(p.b))
		start := append([]float32(nil), p.c.mid...)
		GemmTaps(&p.Taps, p.a, p.b, p.c.mid, p.accumulate, Epilogue{})
		for l := range p.Lines {
			for i := range p.M {
				for j := range p.N {
					at, v, size := l*p.LineC+i*p.LDC+j, 0.0, 0.0
					if p.accumulate {
						v = float64(start[at])
						size = math.Abs(v)
					}
					for tap := range p.At {
						for q := range p.K {
							x := float64(p.a[l*p.LineA+i*p.RowA+p.At[tap]+q*p.ColA]) * float64(p.b[tap*p.tapB()+q*p.LDB+j])
							v += x
							size += math.Abs(x)
						}
					}
					if d := math.Abs(float64(p.c.mid[at]) - v); d > float64(p.K*len(p.At)+1)*0x1p-24*size {
						t.Fatalf("%v: line %d, row %d, column %d is %g, want %g", p, l, i, j, p.c.mid[at], v)
					}
				}
			}
		}
	}
}

// TestTapsRefuses: what does not fit panics before anything is written.
func TestTapsRefuses(t *testing.T) {
	good := Taps{Lines: 3, M: 4, N: 5, K: 6, LineA: 20, RowA: 2, ColA: 1, At: []int{0, 7}, LDB: 5, LineC: 20, LDC: 5}
	const a, b, c = 2*20 + 3*2 + 7 + 5 + 1, 12 * 5, 60
	for name, f := range map[string]func(p *Taps, a, b, c *int, e *Epilogue){
		"":                       func(*Taps, *int, *int, *int, *Epilogue) {},
		"A from":                 func(_ *Taps, a, _, _ *int, _ *Epilogue) { *a-- },
		"B of":                   func(_ *Taps, _, b, _ *int, _ *Epilogue) { *b-- },
		"B of lengths":           func(p *Taps, _, _, _ *int, _ *Epilogue) { p.TapB = 31 },
		"B of lengths and":       func(p *Taps, _, _, _ *int, _ *Epilogue) { p.TapB = -1 },
		"C of":                   func(_ *Taps, _, _, c *int, _ *Epilogue) { *c-- },
		"A from the":             func(p *Taps, _, _, _ *int, _ *Epilogue) { p.At = []int{0, 8} },
		"A from the last":        func(p *Taps, _, _, _ *int, _ *Epilogue) { p.RowA = -1 },
		"A from the last t":      func(p *Taps, _, _, _ *int, _ *Epilogue) { p.LineA = math.MaxInt },
		"C of lengths":           func(p *Taps, _, _, _ *int, _ *Epilogue) { p.LineC = -1 },
		"1 elements before A":    func(p *Taps, _, _, _ *int, _ *Epilogue) { p.At = []int{0, -1} },
		"without taps":           func(p *Taps, _, _, _ *int, _ *Epilogue) { p.At = nil },
		"2 taps of":              func(p *Taps, _, _, _ *int, _ *Epilogue) { p.K, p.ColA, p.LDB = math.MaxInt, 0, 0 },
		"4 apart and lines 20":   func(p *Taps, _, _, _ *int, _ *Epilogue) { p.LDC = 4 },
		"5 apart and lines 4":    func(p *Taps, _, _, _ *int, _ *Epilogue) { p.LineC = 4 },
		"bias has 4":             func(_ *Taps, _, _, _ *int, e *Epilogue) { e.Bias = make([]float32, 4) },
		"rows of the mask are 6": func(_ *Taps, _, _, _ *int, e *Epilogue) { e.Mask, e.LDMask = make([]float32, 100), 6 },
		"the mask of":            func(_ *Taps, _, _, _ *int, e *Epilogue) { e.Mask, e.LDMask = make([]float32, c-1), 5 },
		"rows of what is added":  func(_ *Taps, _, _, _ *int, e *Epilogue) { e.Plus, e.LDPlus = make([]float32, 100), 6 },
		"what is added of":       func(_ *Taps, _, _, _ *int, e *Epilogue) { e.Plus, e.LDPlus = make([]float32, c-1), 5 },
		"does not tell":          func(_ *Taps, _, _, _ *int, e *Epilogue) { e.Done = func(int, int, int, int) {} },
	} {
		p, la, lb, lc, e := good, a, b, c, Epilogue{}
		f(&p, &la, &lb, &lc, &e)
		out := make([]float32, lc)
		got := func() (got string) {
			defer func() {
				if r := recover(); r != nil {
					got = fmt.Sprint(r)
				}
			}()
			GemmTaps(&p, slices.Repeat([]float32{1}, la), slices.Repeat([]float32{1}, lb), out, false, e)
			return ""
		}()
		if !strings.Contains(got, name) || (got == "") != (name == "") {
			t.Errorf("%q: panics with %q", name, got)
		}
		if wrote := slices.Max(out) > 0; wrote != (name == "") {
			t.Errorf("%q: wrote: %v", name, wrote)
		}
	}
}

// TestTapsAllocate: a product by taps allocates nothing.
func TestTapsAllocate(t *testing.T) {
	p := randomTaps(rand.New(rand.NewPCG(47, 47)), 3, 20, 20, 9, 3)
	if n := testing.AllocsPerRun(10, func() { GemmTapsAhead(&p.Taps, p.a, p.b, p.c.mid, p.accumulate, p.e, p.a, p.b) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzTaps holds any product by taps, in the set in use, to the chains.
func FuzzTaps(f *testing.F) {
	f.Add(uint64(1), 3, 14, 16, 48, 3)
	f.Add(uint64(2), 1, 1, 1, 1, 1)
	f.Add(uint64(3), 4, 25, 33, 0, 2)
	f.Fuzz(func(t *testing.T, seed uint64, lines, m, n, k, taps int) {
		if min(lines, m, n, taps) < 1 || k < 0 || max(lines, taps, n, m, k) > 200 || lines*m*n*(k+1)*taps > 1<<18 {
			t.Skip()
		}
		randomTaps(rand.New(rand.NewPCG(seed, 2)), lines, m, n, k, taps).check(t)
	})
}
