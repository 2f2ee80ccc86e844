package simd

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/lamina-ml/lamina/compiler/random"
)

// edge returns a copy of x that ends, or begins, at a page that faults when touched.
func edge(t *testing.T, x []float32, atEnd bool) []float32 {
	t.Helper()
	if len(x) == 0 {
		return nil
	}
	page := syscall.Getpagesize()
	body := (4*len(x) + page - 1) / page * page
	mem, err := syscall.Mmap(-1, 0, body+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(mem) })
	for _, p := range [][]byte{mem[:page], mem[page+body:]} {
		if err := syscall.Mprotect(p, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	at := page
	if atEnd {
		at += body - 4*len(x)
	}
	s := unsafe.Slice((*float32)(unsafe.Pointer(&mem[at])), len(x))
	copy(s, x)
	return s
}

// edge32 is edge of numbers of elements.
func edge32(t *testing.T, x []int32, atEnd bool) []int32 {
	t.Helper()
	f := edge(t, unsafe.Slice((*float32)(unsafe.Pointer(&x[0])), len(x)), atEnd)
	return unsafe.Slice((*int32)(unsafe.Pointer(&f[0])), len(f))
}

// edge8 is edge for so many bytes.
func edge8(t *testing.T, n int, atEnd bool) []uint8 {
	t.Helper()
	f := edge(t, make([]float32, (n+3)/4), atEnd)
	b := unsafe.Slice((*uint8)(unsafe.Pointer(&f[0])), 4*len(f))
	if atEnd {
		return b[len(b)-n:]
	}
	return b[:n:n]
}

// TestGuardPages: nothing outside the operands is touched, before or after them.
func TestGuardPages(t *testing.T) {
	for _, name := range []string{"go", "avx2", "avx512", "avx512-intel", "avx512-amd", "neon"} {
		t.Run(name, func(t *testing.T) {
			set, _, _ := strings.Cut(name, "-")
			use(t, name, set, slices.Contains(Available(), set))
			rng := rand.New(rand.NewPCG(11, 11))
			for trial := range 120 {
				end := trial%2 == 0
				m, n, k := 1+rng.IntN(20), 1+rng.IntN(68), 1+rng.IntN(20)
				if trial < 4 { // blocks, and packed operands
					m, k = 24+m, selected.Load().blocks.k+k
					if trial < 2 {
						m, n = packRows, selected.Load().blocks.alias
					}
				} else if trial < 12 { // the last four columns turned, of a row-major A and of a turned one
					m, n, k = 64+m, n&^15+tailColumns, 4*k
				}
				a, b, c := normals(rng, m*k), normals(rng, k*n), normals(rng, m*n)
				e := Epilogue{Bias: edge(t, normals(rng, n), end)}
				e.Plus, e.LDPlus = edge(t, normals(rng, m*n), end), n
				e.Mask, e.LDMask = edge(t, normals(rng, m*n), end), n
				got := edge(t, c, end)
				rsa, csa := k, 1
				if trial%3 == 0 {
					rsa, csa = 1, m
				}
				Gemm(m, n, k, edge(t, a, end), rsa, csa, edge(t, b, end), n, got, n, true, e)
				gemmGo(m, n, k, a, rsa, csa, b, n, c, n, true, e)
				sameBits(t, "gemm", got, c)
				Transpose(m, n, got, n, edge(t, c, end), m)
			}
			for trial := range 120 {
				end := trial%2 == 0
				p := randomTaps(rng, 1+rng.IntN(4), 1+rng.IntN(20), 1+rng.IntN(40), 1+rng.IntN(20), 1+rng.IntN(4))
				if trial%6 == 0 {
					p = fewColumns(rng, selected.Load().isa[opTaps], trial%12 == 0)
				}
				want := p.chains()
				got := edge(t, p.c.mid, end)
				p.e.Bias, p.e.Plus, p.e.Mask = edge(t, p.e.Bias, end), edge(t, p.e.Plus, end), edge(t, p.e.Mask, end)
				a, b := edge(t, p.a, end), edge(t, p.b, end)
				GemmTapsAhead(&p.Taps, a, b, got, p.accumulate, p.e, a, b)
				sameBits(t, p.String(), got, want)
			}
			for trial := range 60 {
				end := trial%2 == 0
				w := randomWindows(rng)
				x, dy := normals(rng, w.pixels*w.n), normals(rng, w.places*w.n)
				w.at = edge32(t, w.at, end)
				w.MaxPool(edge(t, dy, end), edge(t, x, end))
				w.MaxPoolGrad(edge(t, x, end), edge(t, x, end), edge(t, dy, end), trial%3 == 0)
				won := edge8(t, len(dy), end)
				w.MaxPoolWinners(edge(t, dy, end), won, edge(t, x, end), trial%3 == 0)
				w.MaxPoolWinnersGrad(edge(t, x, end), won, edge(t, dy, end))
			}
			defer func(old uint64) { fetchAhead = old }(fetchAhead)
			for n := 1; n < 140; n++ {
				end := n%2 == 0
				fetchAhead = uint64(n%3) * 1024 // what is fetched ahead of a page that faults is no access
				at := func() []float32 { return edge(t, normals(rng, n), end) }
				x, y, z, w := at(), at(), at(), at()
				for o := opRelu; o <= opAbs; o++ {
					map1(o, x, y)
				}
				for o := opAdd; o <= opTanhGrad; o++ {
					map2(o, x, y, z)
				}
				for o := opAddScalar; o <= opElu; o++ {
					mapScalar(o, x, y, 2)
				}
				if s := Sum(y) + Dot(y, z); s != s {
					t.Error(fmt.Sprint("a sum of finite numbers is ", s))
				}
				if s := SquaredError(x, y, z, 2) + SquaredError(nil, y, z, 2); s != s {
					t.Error("an error of finite numbers is NaN")
				}
				SquaredErrorMeans(edge(t, normals(rng, 1), end), x, y, z, n, 2)
				SquaredErrorLanes(edge(t, normals(rng, 16), end), 1, n, x, n, y, n, z, n, 2)
				if s := SigmoidSoftplus(x, y); s != s {
					t.Error("a softplus of finite numbers is NaN")
				}
				if s, a := NormalizeSums(x, y, z, w, 1, 2); s+a+SumSquaresAround(y, 1) != s+a+SumSquaresAround(y, 1) {
					t.Error("a sum of finite numbers is NaN")
				}
				if s, a := NormalizeSums(nil, y, z, w, 1, 2); s+a != s+a {
					t.Error("a sum of finite numbers is NaN")
				}
				NormSums(1, x, w, y, n, z, n, edge(t, normals(rng, 2), end), 2)
				NormSums(1, x, nil, y, n, z, n, edge(t, normals(rng, 2), end), 2)
				Normalize(x, y, z, w, 1, 2)
				Normalize(x, y, z, nil, 1, 2)
				NormalizeGrad(x, y, z, w, 1, 2, 3, 4)
				Rescale(x, y, z, w, at())
				RescaleGrad(x, y, z, w, at(), at(), at())
				ColumnDots(1, n, nil, y, n, z, x, w)
				ColumnDots(1, n, at(), y, n, z, x, w)
				k := random.New(uint64(n))
				Uniform(x, k, 3)
				Choose(x, k, 4, 0.5, 0, 1)
				Keep(x, y, k, 3, 0.5)
				SaltAndPepper(x, y, k, k.Derive(1), 4, 0.5, 0, 1)
				Sample(x, y, k, 3)
				Normal(x, k, 4)
				AddNormal(x, y, k, 4, 2)
				ColumnSums(1, n, y, n, x, true)
				ColumnSumsReluGrad(1, n, y, z, n, x, true)
				Adam(x, y, z, w, AdamParams{Beta1: .9, Beta2: .999, Eps: 1, Step: 1})
				SGD(x, y, z, SGDParams{Momentum: .9})
				SGD(x, y, nil, SGDParams{})
				RMSProp(x, y, w, RMSPropParams{Eps: 1})
			}
		})
	}
}
