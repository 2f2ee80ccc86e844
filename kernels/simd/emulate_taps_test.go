//go:build amd64 && !noasm

package simd

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestEmulatedTaps runs the text of every tile of products by taps, both sets, over several lines of several tiles, against
// the chains.
func TestEmulatedTaps(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512} {
		p := parseProgram(t, fmt.Sprintf("taps_%v_amd64.s", set))
		ran := map[string]bool{}
		rng := rand.New(rand.NewPCG(44, uint64(set)))
		stacked := [2]int{9, whole(set).lanes()}
		for i, tile := range append(tapsTiles(set), stacked) {
			three := i == len(tapsTiles(set)) // lines of three rows at once
			s := whole(set)
			s.tapsCols = tile[1]
			for trial := range 6 {
				rows, tiles, n := tile[0], 1+trial%3, tile[1]
				for try := rng.IntN(n) + 1; trial > 2; try = rng.IntN(n) + 1 {
					if s.tapPanel(try, s.tapsCols).nr == tile[1] {
						n = try
						break
					}
				}
				c := randomTaps(rng, 1+rng.IntN(3), rows*tiles, n, 1+rng.IntN(7), 1+rng.IntN(3))
				if three {
					tiles, n = 1, tile[1]-trial%2*(1+rng.IntN(7))*(s.lanes()/16)
					c = randomTaps(rng, 3, 3, n, 1+rng.IntN(7), 1+rng.IntN(3))
					c.LDC, c.LineC = n+1, 3*(n+1)
					c.c = guard(rng, 9*(n+1))
					c.beside(rng)
				}
				if trial == 5 { // the chains are their start
					c.K = 0
				}
				m := newMachine(p)
				place := func(x []float32) (uint64, []byte) {
					if x == nil {
						return 0, nil
					}
					b := floatBytes(x)
					return m.place("", b), b
				}
				pa, _ := place(c.a)
				pb, _ := place(c.b)
				pc, out := place(c.c.mid)
				bias, _ := place(c.e.Bias)
				plus, _ := place(c.e.Plus)
				mask, _ := place(c.e.Mask)
				var at, args []byte
				for _, v := range c.At {
					at = binary.LittleEndian.AppendUint64(at, uint64(v))
				}
				taps := len(c.At)
				if c.K == 0 {
					taps = 0
				}
				var flags uint64
				if plus != 0 {
					flags |= gemmPlus
				}
				if mask != 0 {
					flags |= gemmMask
				}
				if c.accumulate {
					flags |= gemmAccumulate
				}
				if c.e.Relu {
					flags |= gemmRelu
				}
				q := s.tapPanel(n, s.tapsCols)
				stepC, nextC := 4*rows*c.LDC, 4*c.LineC-4*rows*(tiles-1)*c.LDC
				beside := func(ptr uint64) (step, next uint64) {
					if ptr == 0 {
						return 0, 0
					}
					return uint64(stepC), uint64(nextC)
				}
				stepPlus, nextPlus := beside(plus)
				stepMask, nextMask := beside(mask)
				stepA, nextA := 4*rows*c.RowA, 4*c.LineA-4*rows*(tiles-1)*c.RowA
				ahead, from := [2]int{3 * (trial % 2), trial * (trial % 2)}, uint64(1<<40) // pieces of what is fetched
				lines := c.Lines
				if three {
					lines, nextA = 1, 4*c.LineA
				}
				for _, v := range []uint64{pa, uint64(4 * c.RowA), uint64(4 * c.ColA), pb, uint64(4 * c.LDB), pc, uint64(4 * c.LDC), bias, uint64(c.K), uint64(rows), 0, uint64(tiles),
					q.live, uint64(q.last), flags, mask, uint64(4 * c.LDC), uint64(stepA), uint64(stepC), stepMask, 0, 0, 0, 0, 0, plus, uint64(4 * c.LDC), stepPlus,
					m.place("at", at), uint64(taps), uint64(lines), uint64(tiles), uint64(nextA), uint64(nextC), nextPlus, nextMask,
					1 << 40, uint64(ahead[0]), 2, 1 << 50, uint64(ahead[1]), uint64(4 * (c.tapB() - c.K*c.LDB))} {
					args = binary.LittleEndian.AppendUint64(args, v)
				}
				fn := fmt.Sprintf("f32taps_%d_%v", tile[1], set)
				if set == isaAVX2 && tile[1] == 4 && q.live != 4 {
					fn = "f32taps_few_avx2"
				}
				if three {
					fn = fmt.Sprintf("f32taps_stacked_%v", set)
				}
				ran[fn] = true
				where := m.place("args", args)
				if err := m.run(fn, where); err != nil {
					t.Fatalf("%s, %d rows: %v: %v", fn, rows, c, err)
				}
				sameBits(t, fmt.Sprintf("%s of %d rows: %v", fn, rows, c), bytesFloats(out), c.chains())
				for range lines * tiles * taps {
					for range min(2, ahead[0]) {
						from += 256
						if ahead[0]--; ahead[0] == 0 {
							ahead, from = [2]int{ahead[1]}, 1<<50
							break
						}
					}
				}
				for i, want := range []uint64{from, uint64(ahead[0])} {
					if got := binary.LittleEndian.Uint64(m.at(where+288+8*uint64(i), 8)); got != want {
						t.Fatalf("%s fetches ahead: %d is %#x, want %#x: %v", fn, i, got, want, c)
					}
				}
				// The garbage collector reads these pointers: they must not leave their matrices.
				last := func(line, down int) uint64 { return uint64(4 * ((lines-1)*line + (tiles-1)*rows*down)) }
				for _, ptr := range []struct {
					name     string
					at, want uint64
				}{{"a", 0, pa + last(c.LineA, c.RowA)}, {"c", 40, pc + last(c.LineC, c.LDC)}, {"plus", 200, plus + min(plus, 1)*last(c.LineC, c.LDC)}, {"mask", 120, mask + min(mask, 1)*last(c.LineC, c.LDC)}} {
					if got := binary.LittleEndian.Uint64(m.at(where+ptr.at, 8)); got != ptr.want {
						t.Fatalf("%s leaves %s at %#x, not at the last tile, %#x", fn, ptr.name, got, ptr.want)
					}
				}
			}
		}
		emulateNarrow(t, p, set, ran)
		for name := range p.code {
			if !ran[name] {
				t.Errorf("%s was not run", name)
			}
		}
	}
}
