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
		ran := map[string]bool{pack: true}
		rng := rand.New(rand.NewPCG(4, uint64(set)))
		list := tiles(set)
		if set == isaAVX512 {
			list = append(list, [2]int{tailRows, tailColumns})
		}
		for _, tile := range list {
			for trial := range 8 {
				mr, nr := tile[0], tile[1]
				tail := mr == tailRows
				count := 1 + trial%3
				n := nr
				if trial > 2 && !tail {
					n -= rng.IntN(columnsLess(set, nr))
				}
				m, k := mr*count, []int{0, 1, 2, 7, 12}[rng.IntN(5)]
				if tail {
					k = 4 * (1 + rng.IntN(3))
					k -= trial % 2 * rng.IntN(4) // turned, any
				}
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
				beside := rng.IntN(4)
				if beside&1 != 0 {
					e.LDPlus = n + rng.IntN(3)
					e.Plus = testValues(rng, (m-1)*e.LDPlus+n)
				}
				if beside&2 != 0 {
					e.LDMask = n + rng.IntN(3)
					e.Mask = testValues(rng, (m-1)*e.LDMask+n)
				}
				mc := newMachine(p)
				at := func(x []float32) (uint64, int) { return mc.place("", floatBytes(x)), len(mc.mem) - 1 }
				pa, _ := at(a)
				pb, _ := at(b)
				pc, ic := at(c)
				var bias, plus, mask, flags uint64
				if e.Bias != nil {
					bias, _ = at(e.Bias)
				}
				if e.Plus != nil {
					plus, _ = at(e.Plus)
					flags |= gemmPlus
				}
				if e.Mask != nil {
					mask, _ = at(e.Mask)
					flags |= gemmMask
				}
				accumulate := trial&4 != 0
				if accumulate {
					flags |= gemmAccumulate
				}
				if e.Relu {
					flags |= gemmRelu
				}
				q := panel(set, nr%16 == 8, n, nr)
				if q.nr != nr && !tail {
					t.Fatalf("%v: %d columns do not use a tile of %d", set, n, nr)
				}
				fn, vecs := kernelOf(set, mr, nr, q.live)
				if tail {
					fn = []string{"f32gemm_tail_avx512", "f32gemm_tail_turned_avx512"}[trial%2]
				}
				ran[fn] = true
				if trial%2 == 1 {
					flags |= gemmFetchC
				}
				far := uint64(trial % 2) // anywhere
				var args []byte
				for _, v := range []uint64{pa, uint64(4 * rsa), uint64(4 * csa), pb, uint64(4 * ldb), pc, uint64(4 * ldc), bias, uint64(k), uint64(mr), vecs, uint64(count), q.live, uint64(q.last),
					flags, mask, uint64(4 * e.LDMask), uint64(4 * mr * rsa), uint64(4 * mr * ldc), uint64(4 * mr * e.LDMask), far, 64, far, 64 * far, 12,
					plus, uint64(4 * e.LDPlus), uint64(4 * mr * e.LDPlus)} {
					args = binary.LittleEndian.AppendUint64(args, v)
				}
				where := mc.place("args", args)
				if err := mc.run(fn, where); err != nil {
					t.Fatalf("%d rows, %d columns: %v", mr, n, err)
				}
				// The garbage collector reads these pointers: they must not leave their matrices.
				for _, ptr := range []struct {
					name       string
					at         uint64
					from, step uint64
				}{{"a", 0, pa, uint64(4 * mr * rsa)}, {"c", 40, pc, uint64(4 * mr * ldc)}, {"mask", 120, mask, uint64(4 * mr * e.LDMask)}, {"plus", 200, plus, uint64(4 * mr * e.LDPlus)}} {
					if got, want := binary.LittleEndian.Uint64(mc.at(where+ptr.at, 8)), ptr.from+uint64(count-1)*ptr.step; got != want {
						t.Fatalf("%s leaves %s at %#x behind %d tiles, not at the last one, %#x", fn, ptr.name, got, count, want)
					}
				}
				gemmGo(m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e)
				sameBits(t, fmt.Sprintf("%s of %d rows m=%d n=%d k=%d", fn, mr, m, n, k), bytesFloats(mc.mem[ic].data), c)
			}
		}
		for name := range p.code {
			if !ran[name] {
				t.Errorf("%s was not run", name)
			}
		}
	}
}

// kernelOf is the function that computes tiles of mr rows and nr columns, and gemmArgs.vecs for it.
func kernelOf(set isa, mr, nr int, live uint64) (fn string, vecs uint64) {
	name := fmt.Sprint(nr)
	switch {
	case set == isaAVX512 && mr == 1:
		name, vecs = "row", uint64(nr+15)/16
	case set == isaAVX512:
	case nr > 16:
		name, vecs = fmt.Sprintf("rows%d", mr), uint64(nr/8)
	case nr == 4 && live != 4:
		name = "few"
	}
	return fmt.Sprintf("f32gemm_%s_%v", name, set), vecs
}

// columnsLess is how many widths, nr and below, use a tile of nr columns.
func columnsLess(set isa, nr int) int {
	n := 1
	for n < nr {
		if panel(set, nr%16 == 8, nr-n, nr).nr != nr {
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
