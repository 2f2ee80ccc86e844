//go:build amd64 && !noasm

package simd

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// bf16 executes an instruction that only kernels of bf16 use, or one of arithmetic while FTZ and DAZ are set.
func (m *machine) bf16(in instruction) bool {
	name, suffix, _ := strings.Cut(in.name, ".")
	a := in.args
	put := func(dst operand, lanes int, f func(i int) uint32) {
		var out [16]uint32
		for i := range lanes {
			out[i] = f(i)
		}
		m.vec[dst.reg], m.dirty = out, true
	}
	switch {
	case name == "STMXCSR":
		binary.LittleEndian.PutUint32(m.at(m.addr(a[0]), 4), map[bool]uint32{false: 0x1f80, true: flushMXCSR}[m.flush])
	case name == "LDMXCSR":
		switch binary.LittleEndian.Uint32(m.at(m.addr(a[0]), 4)) {
		case 0x1f80:
			m.flush = false
		case flushMXCSR:
			m.flush = true
		default:
			panic("an unknown value of MXCSR")
		}
	case name == "CMOVQGT":
		if !m.less && !m.zero {
			m.write(a[1], m.read(a[0]))
		}
	case name == "VFMADD231PS" && m.flush:
		put(a[2], a[2].lanes, func(i int) uint32 {
			return u32(flushedFMA(f32(m.lane(a[1], i, false)), f32(m.lane(a[0], i, suffix == "BCST")), f32(m.vec[a[2].reg][i])))
		})
	case name == "VADDPS" && m.flush:
		put(a[2], a[2].lanes, func(i int) uint32 {
			return u32(flushedFMA(1, f32(m.lane(a[1], i, false)), f32(m.lane(a[0], i, false))))
		})
	case m.flush && strings.HasSuffix(name, "PS") && !strings.HasPrefix(name, "VMOV") && name != "VXORPS" && name != "VBROADCASTSS":
		panic("arithmetic that should not flush")
	case name == "VPMOVZXWD":
		mask := ^uint64(0)
		if len(a) == 3 {
			mask = m.k[a[1].reg]
		}
		if a[0].kind == 'v' {
			put(a[1], a[1].lanes, func(i int) uint32 { return m.vec[a[0].reg][i/2] >> (16 * (i % 2)) & 0xffff })
			return true
		}
		put(a[len(a)-1], a[len(a)-1].lanes, func(i int) uint32 {
			if mask>>i&1 == 0 {
				return 0
			}
			return uint32(binary.LittleEndian.Uint16(m.at(m.addr(a[0])+2*uint64(i), 2)))
		})
	case name == "VPMOVDW":
		put(a[1], a[1].lanes, func(i int) uint32 {
			return m.vec[a[0].reg][2*i]&0xffff | m.vec[a[0].reg][2*i+1]<<16
		})
	case name == "VPACKUSDW": // within each 128 bits: words of a1, then of a0
		word := func(v uint32) uint32 { return uint32(min(max(int32(v), 0), 0xffff)) }
		put(a[2], a[2].lanes, func(i int) uint32 {
			src := &m.vec[a[1-i%4/2].reg]
			at := i&^3 + i%2*2
			return word(src[at]) | word(src[at+1])<<16
		})
	case name == "VPSHUFB": // bytes of a1 by those of a0
		put(a[2], 4, func(i int) (v uint32) {
			for b := range 4 {
				if at := m.vec[a[0].reg][i] >> (8 * b) & 0xff; at < 0x80 {
					v |= m.vec[a[1].reg][at&15/4] >> (8 * (at & 3)) & 0xff << (8 * b)
				}
			}
			return v
		})
	case name == "VPERMQ":
		put(a[2], 8, func(i int) uint32 { return m.vec[a[1].reg][int(a[0].imm>>(i/2*2)&3)*2+i%2] })
	case name == "VINSERTF32X4":
		put(a[3], 16, func(i int) uint32 {
			if i/4 == int(a[0].imm) {
				return m.lane(a[1], i%4, false)
			}
			return m.vec[a[2].reg][i]
		})
	case name == "VCMPPS" && a[0].imm == 3:
		m.dirty = true
		m.compare(a[3], a[2].lanes, func(i int) bool {
			x, y := f32(m.lane(a[2], i, false)), f32(m.lane(a[1], i, false))
			return x != x || y != y
		})
	default:
		return false
	}
	return true
}

// flushedFMA is fusedFlush, faster where nothing is tiny.
func flushedFMA(x, y, z float32) float32 {
	x, y, z = zeroed(x), zeroed(y), zeroed(z)
	if math.Abs(float64(x)*float64(y)+float64(z)) < 0x1p-125 {
		return fusedFlush(x, y, z)
	}
	return fma(x, y, z)
}

// TestEmulatedBF16 runs the text of every kernel of bf16, both sets, against the portable ones.
func TestEmulatedBF16(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512} {
		p := parseProgram(t, fmt.Sprintf("bf16_%v_amd64.s", set))
		ran := map[string]bool{}
		fn := func(stem string) string {
			name := fmt.Sprintf("bf16%s_%v", stem, set)
			ran[name] = true
			return name
		}
		rng := rand.New(rand.NewPCG(32, uint64(set)))
		for _, tile := range bf16Tiles(set) {
			for trial := range bf16Kinds {
				mr, nr := tile[0], tile[1]
				emulateBF16Tile(t, p, fn(fmt.Sprintf("gemm_%dx%d", mr, nr)), rng, set, trial, mr, nr)
				if set == isaAVX512 {
					emulateBF16Tile(t, p, fn(fmt.Sprintf("gemm_%dx%d", mr, nr-8)), rng, set, trial, mr, nr-8)
				}
			}
		}
		lanes := bf16Lanes(set)
		for trial := range 20 {
			st := bf16Steps{n: 1 + rng.IntN(40)}
			st.packed = st.n + rng.IntN(4)
			strips, live := 2+rng.IntN(3), 1+rng.IntN(lanes)
			cols := (strips-1)*lanes + live
			ld := cols + rng.IntN(3)
			src := bf16Values(rng, 3, (st.n-1)*ld+cols)
			want := make([]float32, strips*st.packed*lanes)
			for s := range strips {
				packBF16Go(want[s*st.packed*lanes:], lanes, st, min(lanes, cols-s*lanes), src[s*lanes:], ld, 1)
			}
			got := emulatedBF16(t, p, fn("rows"), floatBytes(make([]float32, len(want))), 4*st.packed*lanes, wordBytes(src), 2*ld, st.n, st.packed-st.n, strips, map[isa]int{isaAVX2: live, isaAVX512: 1<<live - 1}[set])
			sameBits(t, "rows", bytesFloats(got), want)

			groups, live := 1+rng.IntN(5), 1+rng.IntN(lanes)
			if trial%2 == 0 {
				live = lanes
			}
			rest := rng.IntN(8)
			st = bf16Steps{n: 8*groups + rest, packed: (8*groups + rest + 7) &^ 7}
			ld = st.n + rng.IntN(3)
			src = bf16Values(rng, 3, (live-1)*ld+st.n)
			want = make([]float32, st.packed*lanes)
			packBF16Go(want, lanes, st, live, src, 1, ld)
			got = emulatedBF16(t, p, fn("cols"), floatBytes(make([]float32, len(want))), wordBytes(src), 2*ld, groups, live, rest)
			for i, v := range bytesFloats(got) { // dead rows are anything
				if i%lanes < live {
					sameBits(t, "cols", []float32{v}, want[i:i+1])
				}
			}

			st.n = 8 * groups
			src = bf16Values(rng, 3, (lanes-1)*ld+st.n)
			turned := make([]uint16, (4*groups-1)*32+2*lanes)
			for q := range st.n {
				for r := range lanes {
					turned[q/2*32+2*r+q%2] = src[r*ld+q]
				}
			}
			got = emulatedBF16(t, p, fn("turn"), make([]byte, 2*len(turned)), wordBytes(src), 2*ld, groups)
			sameWords(t, "turn", got, turned)

			want = make([]float32, st.n*lanes)
			for q := range st.n {
				for r := range lanes {
					want[q*lanes+r] = f32(uint32(turned[q/2*32+2*r+q%2]) << 16)
				}
			}
			got = emulatedBF16(t, p, fn("pairs"), floatBytes(make([]float32, len(want))), wordBytes(turned), st.n/2)
			sameBits(t, "pairs", bytesFloats(got), want)

			x := testValues(rng, 16*groups)
			words := make([]uint16, len(x))
			toBF16Go(words, x)
			sameWords(t, "round", emulatedBF16(t, p, fn("round"), make([]byte, 2*len(x)), floatBytes(x), len(x)), words)
			wide := make([]float32, len(x))
			fromBF16Go(wide, words)
			sameBits(t, "widen", bytesFloats(emulatedBF16(t, p, fn("widen"), make([]byte, 4*len(x)), wordBytes(words), len(x))), wide)

			pairs, live := 1+rng.IntN(16), BF16TileColumns
			if set == isaAVX512 {
				live = 1 + rng.IntN(BF16TileColumns)
			}
			ld = live + rng.IntN(3)
			x = testValues(rng, (2*pairs-1)*ld+live)
			tiles := make([]uint16, 2*pairs*BF16TileColumns)
			packBF16TilesGo(tiles, 2*pairs, x, ld, 1, 0, 2*pairs, 0, live)
			sameWords(t, "tilerows", emulatedBF16(t, p, fn("tilerows"), make([]byte, 2*len(tiles)), floatBytes(x), 4*ld, pairs, 1<<live-1), tiles)
		}
		for width := 8; set == isaAVX2 && width <= 24; width++ {
			rows, ldd, lds := 1+rng.IntN(4), width+rng.IntN(3), width+rng.IntN(3)
			src, want := normals(rng, (rows-1)*lds+width), normals(rng, (rows-1)*ldd+width)
			got := emulatedBF16(t, p, fn("edge"), floatBytes(want), 4*ldd, floatBytes(src), 4*lds, rows, width)
			copyRows(want, ldd, src, lds, rows, width)
			sameBits(t, "edge", bytesFloats(got), want)
		}
		for name := range p.code {
			if !ran[name] {
				t.Errorf("%s was not run", name)
			}
		}
	}
}

// emulateBF16Tile runs one tile over packed operands.
func emulateBF16Tile(t *testing.T, p *program, fn string, rng *rand.Rand, set isa, trial, mr, nr int) {
	t.Helper()
	lanes, kind := bf16Lanes(set), trial%bf16Kinds
	count := 1
	if lanes%mr == 0 {
		count = 1 + rng.IntN(2*lanes/mr)
	}
	m, n, k := mr*count, nr, 1+rng.IntN(70)
	if set == isaAVX512 {
		n -= rng.IntN(8)
	}
	st := bf16Steps{n: k, blocks: k / 32}
	if rest := k % 32; rest > 0 {
		st.tail = min(16, (rest+1)/2+1)
	}
	st.packed = 32*st.blocks + 2*st.tail
	strip := st.packed * lanes
	a, b := bf16Values(rng, kind, m*k), bf16Values(rng, kind, k*n)
	ldc := n + rng.IntN(3)
	c := bf16Starts(rng, kind, (m-1)*ldc+n)
	left, right := make([]float32, (m+lanes-1)/lanes*strip), make([]float32, (n+lanes-1)/lanes*strip)
	for i := 0; i < m; i += lanes {
		packBF16Go(left[i/lanes*strip:], lanes, st, min(lanes, m-i), a[i*k:], 1, k)
	}
	for j := 0; j < n; j += lanes {
		packBF16Go(right[j/lanes*strip:], lanes, st, min(lanes, n-j), b[j:], n, 1)
	}
	mc := newMachine(p)
	at := func(x []float32) uint64 { return mc.place("", floatBytes(x)) }
	accumulate := rng.IntN(2)
	var words []byte
	pa, pb, pc := at(left), at(right), at(c)
	out := len(mc.mem) - 1
	for _, v := range []uint64{pa, uint64(4 * strip), pb, uint64(4 * strip), pc, uint64(4 * ldc), uint64(st.blocks), uint64(st.tail), uint64(count),
		uint64(accumulate), 1<<(n-(nr-1)&^15) - 1, uint64(flushMXCSR) << 32} {
		words = binary.LittleEndian.AppendUint64(words, v)
	}
	if err := mc.run(fn, mc.place("args", words)); err != nil {
		t.Fatal(err)
	}
	gemmBF16Go(m, n, k, a, k, 1, bf16Right{b: b, rs: n, cs: 1}, c, ldc, accumulate == 1)
	sameBits(t, fmt.Sprintf("%s kind=%d m=%d n=%d k=%d accumulate=%d", fn, kind, m, n, k, accumulate), bytesFloats(mc.mem[out].data), c)
}

// emulatedBF16 runs a kernel whose first argument is dst, and returns what that holds afterwards.
func emulatedBF16(t *testing.T, p *program, fn string, dst []byte, args ...any) []byte {
	t.Helper()
	m := newMachine(p)
	words := []uint64{m.place("dst", dst)}
	for _, a := range args {
		switch a := a.(type) {
		case int:
			words = append(words, uint64(a))
		case []byte:
			words = append(words, m.place("src", a))
		}
	}
	if err := m.run(fn, words...); err != nil {
		t.Fatal(err)
	}
	return dst
}

func wordBytes(x []uint16) []byte {
	b := make([]byte, 0, 2*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

func sameWords(t *testing.T, what string, got []byte, want []uint16) {
	t.Helper()
	if w := wordBytes(want); !slices.Equal(got, w) {
		t.Fatalf("%s: got\n%x, want\n%x", what, got, w)
	}
}
