//go:build amd64 && !noasm

package simd

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestEmulatedGemm runs the text of every tile, both sets, against the generic kernel.
func TestEmulatedGemm(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512} {
		p := parseProgram(t, fmt.Sprintf("gemm_%v_amd64.s", set))
		pack := fmt.Sprintf("f32pack16_%v", set)
		src := normals(rand.New(rand.NewPCG(1, 1)), 3*21+16)
		want := make([]float32, 3*18+16)
		for i := range 4 {
			copy(want[18*i:][:16], src[21*i:])
		}
		got := make([]float32, len(want))
		sameBits(t, pack, emulatedStrided(t, p, pack, got, 4*18, src, 4*21, 4), want)
		if len(p.code) != len(tiles(set))+1 {
			t.Errorf("%v: %d tiles in the table, %d kernels in the file", set, len(tiles(set)), len(p.code))
		}
		rng := rand.New(rand.NewPCG(4, uint64(set)))
		for _, tile := range tiles(set) {
			for trial := range 8 {
				mr, nr := tile[0], tile[1]
				fn := fmt.Sprintf("f32gemm_%dx%d_%v", mr, nr, set)
				count := 1 + trial%3
				n := nr
				if trial > 2 {
					n -= rng.IntN(columnsLess(set, nr))
				}
				m, k := mr*count, []int{0, 1, 2, 7, 12}[rng.IntN(5)]
				rsa, csa := k+1, 1
				if trial%2 == 1 {
					rsa, csa = 1, m+2
				}
				a := testValues(rng, max(0, (m-1)*rsa+(k-1)*csa+1))
				ldb, ldc := n+rng.IntN(3), n+rng.IntN(3)
				b := testValues(rng, max(0, (k-1)*ldb+n))
				c := testValues(rng, (m-1)*ldc+n)
				if trial%4 > 1 {
					a, b, c = normals(rng, len(a)), normals(rng, len(b)), normals(rng, len(c))
				}
				e := Epilogue{Relu: trial&1 != 0}
				if trial&2 != 0 {
					e.Bias = normals(rng, n)
				}
				if rng.IntN(2) == 0 {
					e.LDMask = n + rng.IntN(3)
					e.Mask = testValues(rng, (m-1)*e.LDMask+n)
				}
				mc := newMachine(p)
				at := func(x []float32) (uint64, int) { return mc.place("", floatBytes(x)), len(mc.mem) - 1 }
				pa, _ := at(a)
				pb, _ := at(b)
				pc, ic := at(c)
				var bias, mask, flags uint64
				if e.Bias != nil {
					bias, _ = at(e.Bias)
				}
				if e.Mask != nil {
					mask, _ = at(e.Mask)
				}
				accumulate := trial&4 != 0
				if accumulate {
					flags = 1
				}
				if e.Relu {
					flags |= 2
				}
				_, tile, live := panel(set, n, nr)
				if tile != nr {
					t.Fatalf("%v: %d columns do not use a tile of %d", set, n, nr)
				}
				far := uint64(trial % 2) // anywhere
				var args []byte
				for _, v := range []uint64{pa, uint64(4 * rsa), uint64(4 * csa), pb, uint64(4 * ldb), pc, uint64(4 * ldc), bias, uint64(k), uint64(count), live, flags, mask, uint64(4 * e.LDMask), 0, 0, 0, far, 64} {
					args = binary.LittleEndian.AppendUint64(args, v)
				}
				if err := mc.run(fn, mc.place("args", args)); err != nil {
					t.Fatal(err)
				}
				gemmGo(m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e)
				sameBits(t, fmt.Sprintf("%s m=%d n=%d k=%d", fn, m, n, k), bytesFloats(mc.mem[ic].data), c)
			}
		}
	}
}

// columnsLess is how many widths, nr and below, use a tile of nr columns.
func columnsLess(set isa, nr int) int {
	n := 1
	for n < nr {
		if _, tile, _ := panel(set, nr-n, nr); tile != nr {
			break
		}
		n++
	}
	return n
}

// emulatedStrided runs a kernel with the arguments dst, its stride, src, its stride, rows, and returns dst.
func emulatedStrided(t *testing.T, p *program, fn string, dst []float32, ldd int, src []float32, lds, rows int) []float32 {
	t.Helper()
	m := newMachine(p)
	out := floatBytes(dst)
	if err := m.run(fn, m.place("dst", out), uint64(ldd), m.place("src", floatBytes(src)), uint64(lds), uint64(rows)); err != nil {
		t.Fatal(err)
	}
	return bytesFloats(out)
}
