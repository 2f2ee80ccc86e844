package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestGemmSets runs larger shapes, where panels and tiles combine, in every set.
func TestGemmSets(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512} {
		t.Run(set.String(), func(t *testing.T) {
			use(t, set.String(), set.String(), available(set))
			rng := rand.New(rand.NewPCG(6, uint64(set)))
			for range 30 {
				checkGemmShape(t, rng, rng.IntN(68), rng.IntN(200), rng.IntN(150))
			}
		})
	}
}

func checkGemm(t *testing.T, rng *rand.Rand) {
	t.Helper()
	checkGemmShape(t, rng, rng.IntN(24), rng.IntN(68), rng.IntN(24))
}

func checkGemmShape(t *testing.T, rng *rand.Rand, m, n, k int) {
	t.Helper()
	rsa, csa := k+rng.IntN(3), 1
	switch rng.IntN(3) {
	case 1:
		rsa, csa = 1, m+rng.IntN(3)
	case 2:
		rsa, csa = 2*k+1, 2
	}
	checkGemmStrides(t, rng, m, n, k, rsa, csa, n+rng.IntN(4), n+rng.IntN(4))
}

func checkGemmStrides(t *testing.T, rng *rand.Rand, m, n, k, rsa, csa, ldb, ldc int) {
	t.Helper()
	fill := normals
	if rng.IntN(4) == 0 {
		fill = testValues
	}
	size := func(rows, cols, rs, cs int) int {
		if rows == 0 || cols == 0 {
			return 0
		}
		return (rows-1)*rs + (cols-1)*cs + 1
	}
	a := fill(rng, size(m, k, rsa, csa))
	b := fill(rng, size(k, n, ldb, 1))
	c := guard(rng, size(m, n, ldc, 1))
	for i := range m { // gaps between rows stay canaries
		copy(c.mid[i*ldc:][:n], fill(rng, n))
		if n == 0 {
			break
		}
	}
	want := append([]float32(nil), c.mid...)
	e := Epilogue{Relu: rng.IntN(2) == 0}
	if rng.IntN(2) == 0 {
		e.Bias = normals(rng, n)
	}
	beside := rng.IntN(4)
	if beside&1 != 0 {
		e.LDPlus = n + rng.IntN(4)
		e.Plus = testValues(rng, size(m, n, e.LDPlus, 1))
	}
	if beside&2 != 0 {
		e.LDMask = n + rng.IntN(4)
		e.Mask = testValues(rng, size(m, n, e.LDMask, 1))
	}
	accumulate := rng.IntN(2) == 0
	what := fmt.Sprintf("m=%d n=%d k=%d rsa=%d csa=%d ldb=%d ldc=%d accumulate=%v bias=%v plus=%v relu=%v mask=%v", m, n, k, rsa, csa, ldb, ldc, accumulate, e.Bias != nil, e.Plus != nil, e.Relu, e.Mask != nil)
	Gemm(m, n, k, a, rsa, csa, b, ldb, c.mid, ldc, accumulate, e)
	if m > 0 && n > 0 {
		gemmGo(m, n, k, a, rsa, csa, b, ldb, want, ldc, accumulate, e)
	}
	sameBits(t, what, c.mid, want)
	c.check(t, what)
}

// TestGemmBlocks runs shapes that are cut into blocks of rows and steps, packed when their strides are powers of two.
func TestGemmBlocks(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512} {
		t.Run(set.String(), func(t *testing.T) {
			use(t, set.String(), set.String(), available(set))
			rng := rand.New(rand.NewPCG(13, uint64(set)))
			for trial := range 16 {
				m, n, k := 1+rng.IntN(60), 1+rng.IntN(60), selected.Load().blocks.k+rng.IntN(2*selected.Load().blocks.k)
				if trial%4 == 0 {
					m, n, k = selected.Load().blocks.a/150+rng.IntN(50), 1+rng.IntN(20), 150
				}
				rsa, csa := k, 1
				if trial%2 == 0 {
					rsa, csa = 1, m+trial%3
				}
				checkGemmStrides(t, rng, m, n, k, rsa, csa, n, n)
				k = aliasK + rng.IntN(2*packK)
				m = packRows + rng.IntN(300)
				n = min(packWork/(m*k)+1+rng.IntN(30), selected.Load().blocks.alias)
				switch trial % 3 {
				case 0:
					checkGemmStrides(t, rng, m, n, k, k, 1, selected.Load().blocks.alias, n)
				case 1:
					checkGemmStrides(t, rng, m, n, k, 1, 2*selected.Load().blocks.alias, n, n)
				case 2:
					checkGemmStrides(t, rng, m, n, k, 3*k, 3, selected.Load().blocks.alias, n)
				}
			}
		})
	}
}

// FuzzGemm holds any shape and strides, in the set in use, to the generic kernel.
func FuzzGemm(f *testing.F) {
	f.Add(uint64(1), 5, 30, 7, 0, 1, 2, 3)
	f.Add(uint64(2), 40, 21, 600, 1, 0, 0, 0)
	f.Add(uint64(3), 30, 100, 200, 2, 3, 412, 1)
	f.Fuzz(func(t *testing.T, seed uint64, m, n, k, layout, padA, padB, padC int) {
		for _, v := range []int{m, n, k, layout, padA, padB, padC} {
			if v < 0 || v > 1000 {
				t.Skip()
			}
		}
		if m*n*k > 1<<20 {
			t.Skip()
		}
		rsa, csa := k+padA, 1
		switch layout % 3 {
		case 1:
			rsa, csa = 1, m+padA
		case 2:
			rsa, csa = 2*k+padA, 2
		}
		checkGemmStrides(t, rand.New(rand.NewPCG(seed, 1)), m, n, k, rsa, csa, n+padB, n+padC)
	})
}

// TestGemmReference holds the product to float64: k roundings of at most half a unit of the running magnitude.
func TestGemmReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 40 {
		m, n, k := 1+rng.IntN(20), 1+rng.IntN(68), rng.IntN(300)
		a, b, c := normals(rng, m*k), normals(rng, k*n), normals(rng, m*n)
		start := append([]float32(nil), c...)
		bias := normals(rng, n)
		Gemm(m, n, k, a, 1, m, b, n, c, n, true, Epilogue{Bias: bias, Relu: true})
		for i := range m {
			for j := range n {
				v := float64(start[i*n+j])
				size := math.Abs(v)
				for p := range k {
					x := float64(a[i+p*m]) * float64(b[p*n+j])
					v += x
					size += math.Abs(x)
				}
				v = max(0, v+float64(bias[j]))
				size += math.Abs(float64(bias[j]))
				if d := math.Abs(float64(c[i*n+j]) - v); d > float64(k+2)*0x1p-24*size {
					t.Fatalf("m=%d n=%d k=%d: [%d %d] is %g, want %g", m, n, k, i, j, c[i*n+j], v)
				}
			}
		}
	}
}

// TestGemmMask: the mask makes a product what ReluGrad makes of its result, NaN and zeros included.
func TestGemmMask(t *testing.T) {
	for _, set := range Available() {
		t.Run(set, func(t *testing.T) {
			use(t, set, set, true)
			rng := rand.New(rand.NewPCG(12, 12))
			const m, n, k, ld = 13, 27, 9, 30
			a, b, y := testValues(rng, m*k), normals(rng, k*n), testValues(rng, m*ld)
			got, want := make([]float32, m*n), make([]float32, m*n)
			Gemm(m, n, k, a, k, 1, b, n, got, n, false, Epilogue{Mask: y, LDMask: ld})
			Gemm(m, n, k, a, k, 1, b, n, want, n, false, Epilogue{})
			for i := range m {
				ReluGrad(want[i*n:][:n], want[i*n:][:n], y[i*ld:][:n])
			}
			sameBits(t, "masked", got, want)
		})
	}
}

// TestGemmIndependence: a row's bits do not depend on the rows and columns beside it, nor on where its chain is interrupted.
func TestGemmIndependence(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	const m, n, k = 23, 61, 131
	a, b := normals(rng, m*k), normals(rng, k*n)
	c := make([]float32, m*n)
	Gemm(m, n, k, a, k, 1, b, n, c, n, false, Epilogue{})
	row := make([]float32, n)
	for i := range m {
		Gemm(1, n, k, a[i*k:], k, 1, b, n, row, n, false, Epilogue{})
		sameBits(t, "one row", row, c[i*n:][:n])
	}
	d := make([]float32, m*n)
	for p := 0; p < k; p += 50 {
		Gemm(m, n, min(50, k-p), a[p:], k, 1, b[p*n:], n, d, n, p > 0, Epilogue{})
	}
	sameBits(t, "three stretches of k", d, c)
	at, bt, ct := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
	Transpose(m, k, a, k, at, m)
	Transpose(k, n, b, n, bt, k)
	Gemm(n, m, k, bt, k, 1, at, m, ct, m, false, Epilogue{})
	Transpose(n, m, ct, m, d, n)
	sameBits(t, "transposed product", d, c)
}

// TestGemmLastRow: products that are packed, whose last block is a single row, and
// those of a forced row of many columns, stay within their buffers: the whole has
// the bits of its parts.
func TestGemmLastRow(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 21))
	const n, k = 512, 256
	for _, set := range []isa{isaAVX2, isaAVX512} {
		for _, tile := range append([][2]int{{0, 0}}, tiles(set)...) {
			name, heights := set.String(), []int{1081, 1201}
			if tile[0] > 1 {
				continue
			}
			if tile[0] == 1 {
				name, heights = fmt.Sprintf("f32gemm_1x%d_%v", tile[1], set), []int{64}
			}
			t.Run(name, func(t *testing.T) {
				use(t, name, set.String(), available(set))
				for _, m := range heights {
					a, b := normals(rng, m*k), normals(rng, k*n)
					whole, parts := make([]float32, m*n), make([]float32, m*n)
					Gemm(m, n, k, a, k, 1, b, n, whole, n, false, Epilogue{})
					for i := 0; i < m; i += 16 {
						Gemm(min(16, m-i), n, k, a[i*k:], k, 1, b, n, parts[i*n:], n, false, Epilogue{})
					}
					if !slices.Equal(whole, parts) {
						t.Errorf("%d rows: the whole differs from its parts", m)
					}
				}
			})
		}
	}
}
