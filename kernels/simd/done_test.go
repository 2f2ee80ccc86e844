package simd

import (
	"math/rand/v2"
	"testing"
)

// TestGemmDone: of each row the columns are told of once, in ascending order and whole blocks but for the last, when they
// are final; what is then written over them stays.
func TestGemmDone(t *testing.T) {
	for _, set := range []isa{isaGo, isaAVX2, isaAVX512, isaNEON} {
		t.Run(set.String(), func(t *testing.T) {
			use(t, set.String(), set.String(), available(set))
			rng := rand.New(rand.NewPCG(11, uint64(set)))
			shapes := [][3]int{{1, 1, 0}, {1, 500, 3}, {2, 131, 7}, {3, 97, 5}, {64, 784, 100}, {7, 19, 600}, {150, 530, 530}, {30, 512, 90}}
			for range 20 {
				shapes = append(shapes, [3]int{1 + rng.IntN(70), 1 + rng.IntN(400), rng.IntN(90)})
			}
			for _, s := range shapes {
				m, n, k := s[0], s[1], s[2]
				ldc := n + rng.IntN(3)
				a, b, bias := normals(rng, m*k), normals(rng, k*n), normals(rng, n)
				want, got := make([]float32, m*ldc), make([]float32, m*ldc)
				e := Epilogue{Bias: bias, Relu: true}
				Gemm(m, n, k, a, k, 1, b, n, want, ldc, false, e)
				next := make([]int, m)
				e.Done = func(row, rows, from, to int) {
					for i := row; i < row+rows; i++ {
						if next[i] != from || to <= from || to < n && to%16 != 0 {
							t.Fatalf("%v: row %d: columns %d to %d are told of, %d were", s, i, from, to, next[i])
						}
						next[i] = to
						for j := from; j < to; j++ {
							if got[i*ldc+j] != want[i*ldc+j] {
								t.Fatalf("%v: element %d, %d is %v when told of, want %v", s, i, j, got[i*ldc+j], want[i*ldc+j])
							}
							got[i*ldc+j] = -1
						}
					}
				}
				Gemm(m, n, k, a, k, 1, b, n, got, ldc, false, e)
				for i := range m {
					if next[i] != n {
						t.Fatalf("%v: of row %d %d columns are told of", s, i, next[i])
					}
					for j := range ldc {
						if w := [2]float32{-1, 0}[min(j/n, 1)]; got[i*ldc+j] != w {
							t.Fatalf("%v: element %d, %d is %v in the end, want %v", s, i, j, got[i*ldc+j], w)
						}
					}
				}
			}
		})
	}
}
