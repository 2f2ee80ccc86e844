//go:build amd64 && !noasm

package simd

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestTapsNarrow: products of few columns have the bits of the chains, whole and cut into blocks of lines.
func TestTapsNarrow(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512} {
		t.Run(set.String(), func(t *testing.T) {
			use(t, set.String(), set.String(), available(set))
			rng := rand.New(rand.NewPCG(48, uint64(set)))
			blocks := 0
			for trial := range 120 {
				p := fewColumns(rng, set, trial%2 == 0)
				if p.RowA > 1 && p.Lines*p.LineA > len(packBuffers{}.a) {
					blocks++
				}
				want := p.chains()
				turned := tapsNarrow(selected.Load(), &p.Taps, p.a, p.b, p.c.mid, p.accumulate, p.e)
				if turned != (p.TapB == 0) {
					t.Fatalf("%v: computed turned: %v", p, turned)
				}
				if !turned {
					GemmTaps(&p.Taps, p.a, p.b, p.c.mid, p.accumulate, p.e)
				}
				sameBits(t, p.String(), p.c.mid, want)
				p.c.check(t, p.String())
			}
			if blocks == 0 {
				t.Error("no product was cut")
			}
		})
	}
}

// emulateNarrow runs the text of the kernels of few columns, for every number of vectors.
func emulateNarrow(t *testing.T, p *program, set isa, ran map[string]bool) {
	t.Helper()
	rng := rand.New(rand.NewPCG(49, uint64(set)))
	lanes := 8
	if set == isaAVX512 {
		lanes = 16
	}
	for cols := 1; cols <= narrowCols; cols++ {
		fn := fmt.Sprintf("f32narrow%d_%v", cols, set)
		ran[fn] = true
		for vecs := 1; vecs <= narrowVectors(set, cols); vecs++ {
			rows := vecs * lanes
			if set == isaAVX512 {
				rows -= rng.IntN(lanes)
			}
			c := randomTaps(rng, 1, rows, cols, 1+rng.IntN(9), 1+rng.IntN(3))
			c.RowA, c.LineA, c.ColA, c.TapB = 1, 0, 1+rng.IntN(5), 0
			c.At = []int{rng.IntN(9), rng.IntN(9)}[:min(2, len(c.At))]
			far := 0
			for _, at := range c.At {
				far = max(far, at)
			}
			c.a = testValues(rng, rows+far+(c.K-1)*c.ColA)
			c.b = testValues(rng, (len(c.At)*c.K-1)*c.LDB+cols)
			c.e = Epilogue{}
			m := newMachine(p)
			turned := make([]float32, vecs*lanes*cols)
			for i := range rows {
				for j := range cols {
					turned[j*vecs*lanes+i] = c.c.mid[i*c.LDC+j]
				}
			}
			out := floatBytes(turned)
			var at, args []byte
			for _, v := range c.At {
				at = binary.LittleEndian.AppendUint64(at, uint64(v))
			}
			var flags uint64
			if c.accumulate {
				flags = gemmAccumulate
			}
			for _, v := range []uint64{m.place("a", floatBytes(c.a)), m.place("at", at), uint64(len(c.At)), uint64(c.K), uint64(4 * c.ColA), m.place("b", floatBytes(c.b)), uint64(4 * c.LDB),
				m.place("c", out), uint64(4 * vecs * lanes), uint64(vecs), 1<<(rows-(vecs-1)*lanes) - 1, flags} {
				args = binary.LittleEndian.AppendUint64(args, v)
			}
			if err := m.run(fn, m.place("args", args)); err != nil {
				t.Fatalf("%s, %d vectors: %v: %v", fn, vecs, c, err)
			}
			want, got := c.chains(), bytesFloats(out)
			for i := range rows {
				for j := range cols {
					sameBits(t, fmt.Sprintf("%s of %d vectors, row %d: %v", fn, vecs, i, c), []float32{got[j*vecs*lanes+i]}, []float32{want[i*c.LDC+j]})
				}
			}
		}
	}
}
