//go:build amd64 && !noasm

package simd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func floatBytes(x []float32) []byte {
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, u32(v))
	}
	return b
}

func bytesFloats(b []byte) []float32 {
	x := make([]float32, len(b)/4)
	for i := range x {
		x[i] = f32(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return x
}

// emulated runs a kernel on copies of slices that end where their regions end, then the tail arguments, a struct being
// given as its bytes. It returns the slices as they are after; a nil one is a nil pointer.
func emulated(t *testing.T, p *program, fn string, slices [][]float32, tail ...any) [][]float32 {
	t.Helper()
	m := newMachine(p)
	var args []uint64
	after := make([][]byte, len(slices))
	for i, s := range slices {
		if s == nil {
			args = append(args, 0)
			continue
		}
		after[i] = floatBytes(s)
		args = append(args, m.place(fn, after[i]))
	}
	for _, a := range tail {
		switch a := a.(type) {
		case int:
			args = append(args, uint64(a))
		case float32:
			args = append(args, uint64(u32(a)))
		case []byte:
			args = append(args, m.place("struct", a))
		}
	}
	if err := m.run(fn, args...); err != nil {
		t.Fatal(err)
	}
	out := make([][]float32, len(slices))
	for i := range slices {
		if after[i] != nil {
			out[i] = bytesFloats(after[i])
		}
	}
	return out
}

// TestEmulatedVector runs the text of every vector kernel, both sets, against the generic kernels.
func TestEmulatedVector(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512} {
		p := parseProgram(t, fmt.Sprintf("vector_%v_amd64.s", set))
		ran := map[string]bool{"f32peak_" + set.String(): true}
		fn := func(o op) string {
			name := fmt.Sprintf("f32%v_%v", o, set)
			ran[name] = true
			return name
		}
		rng := rand.New(rand.NewPCG(3, uint64(set)))
		for _, n := range []int{1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 40, 50, 70} {
			x, y, z := testValues(rng, n), testValues(rng, n), testValues(rng, n)
			for o := opRelu; o <= opAbs; o++ {
				want := make([]float32, n)
				unaryGo(o, want, x)
				sameBits(t, fn(o), emulated(t, p, fn(o), [][]float32{z, x}, n)[0], want)
			}
			for o := opAdd; o <= opTanhGrad; o++ {
				want := make([]float32, n)
				binaryGo(o, want, x, y)
				sameBits(t, fn(o), emulated(t, p, fn(o), [][]float32{z, x, y}, n)[0], want)
			}
			for o := opAddScalar; o <= opElu; o++ {
				want := append([]float32(nil), z...)
				scalarGo(o, want, x, -1.7)
				sameBits(t, fn(o), emulated(t, p, fn(o), [][]float32{z, x}, n, float32(-1.7))[0], want)
			}
			if n >= 16 {
				whole := n &^ 15
				for o := opSum; o <= opDot; o++ {
					var want [16]float32
					copy(want[:], z)
					lanes := append([]float32(nil), want[:]...)
					reduceGo(o, &want, x[:whole], y[:whole])
					sameBits(t, fn(o), emulated(t, p, fn(o), [][]float32{lanes, x[:whole], y[:whole]}, whole)[0], want[:])
				}
			}
			if n >= 16 {
				whole, want := n&^15, make([]float32, n&^15)
				var lanes [16]float32
				sigmoidSoftplusGo(&lanes, want, x[:whole])
				got := emulated(t, p, fn(opSigmoidSoftplus), [][]float32{make([]float32, 16), z[:whole], x[:whole]}, whole)
				sameBits(t, fn(opSigmoidSoftplus), got[0], lanes[:])
				sameBits(t, fn(opSigmoidSoftplus), got[1], want)
			}
			shift, factor, ab := float32(-0.3), float32(1.7), [2]float32{-0.2, 0.6}
			two := func(x, y float32) int { return int(u32(x)) | int(u32(y))<<32 }
			want := make([]float32, n)
			normalizeBy(isaGo, want, x, y, z, shift, factor)
			sameBits(t, fn(opNormalize), emulated(t, p, fn(opNormalize), [][]float32{z, x, y, z}, n, two(shift, factor))[0], want)
			normalizeBy(isaGo, want, x, y, nil, shift, factor)
			sameBits(t, fn(opNormalize), emulated(t, p, fn(opNormalize), [][]float32{z, x, y, nil}, n, two(shift, factor))[0], want)
			normalizeGradBy(isaGo, want, z, x, y, shift, factor, ab[0], ab[1])
			sameBits(t, fn(opNormalizeGrad), emulated(t, p, fn(opNormalizeGrad), [][]float32{x, z, x, y}, n, two(shift, factor), two(ab[0], ab[1]))[0], want)
			v, w, u := testValues(rng, n), testValues(rng, n), testValues(rng, n)
			rescaleBy(isaGo, want, x, y, z, v)
			sameBits(t, fn(opRescale), emulated(t, p, fn(opRescale), [][]float32{u, x, y, z, v}, n)[0], want)
			rescaleGradBy(isaGo, want, u, x, y, z, v, w)
			sameBits(t, fn(opRescaleGrad), emulated(t, p, fn(opRescaleGrad), [][]float32{u, u, x, y, z, v, w}, n)[0], want)
			for _, dy := range [][]float32{nil, testValues(rng, 3*(n+2))} {
				tall := testValues(rng, 3*(n+2))
				sum, along := append([]float32(nil), v...), append([]float32(nil), w...)
				columnDotsBy(isaGo, 3, dy, tall, n+2, y, sum, along)
				got := emulated(t, p, fn(opColumnDots), [][]float32{v, w, y, dy, tall}, 4*(n+2), 3, n)
				sameBits(t, fn(opColumnDots), got[0], sum)
				sameBits(t, fn(opColumnDots), got[1], along)
			}
			if whole := n &^ 15; whole > 0 {
				var l [2][16]float32
				squaresAroundBy(isaGo, &l[0], x[:whole], shift)
				sameBits(t, fn(opSquaresAround), emulated(t, p, fn(opSquaresAround), [][]float32{make([]float32, 16), x[:whole]}, whole, shift)[0], l[0][:])
				l = [2][16]float32{}
				normalizeSumsBy(isaGo, &l, want[:whole], z[:whole], x[:whole], y[:whole], shift, factor)
				got := emulated(t, p, fn(opNormalizeSums), [][]float32{make([]float32, 32), make([]float32, whole), z[:whole], x[:whole], y[:whole]}, whole, two(shift, factor))
				sameBits(t, fn(opNormalizeSums), got[0][:16], l[0][:])
				sameBits(t, fn(opNormalizeSums), got[0][16:], l[1][:])
				sameBits(t, fn(opNormalizeSums), got[1], want[:whole])
				got = emulated(t, p, fn(opNormalizeSums), [][]float32{make([]float32, 32), nil, z[:whole], x[:whole], y[:whole]}, whole, two(shift, factor))
				sameBits(t, fn(opNormalizeSums), got[0][:16], l[0][:])
				sameBits(t, fn(opNormalizeSums), got[0][16:], l[1][:])
			}
			emulatePools(t, p, set, ran)
			emulateSquaredError(t, p, fn(opSquaredError), n)
			emulateLines(t, p, set, n, ran)
			rows := 1 + n%5
			ldx := n + 3
			big := testValues(rng, (rows-1)*ldx+n)
			stats := testValues(rand.New(rand.NewPCG(4, uint64(n))), 2*rows)
			for _, plain := range [][]float32{y, nil} {
				wantScaled, wantPlain := append([]float32(nil), z...), append([]float32(nil), plain...)
				normSumsBy(isaGo, rows, wantScaled, wantPlain, big, ldx, big, ldx, stats, 2)
				got := emulated(t, p, fn(opNormSums), [][]float32{z, plain, big, big, stats}, 4*ldx, 4*ldx, 8, rows, n)
				sameBits(t, fn(opNormSums), got[0], wantScaled)
				if plain != nil {
					sameBits(t, fn(opNormSums), got[1], wantPlain)
				}
			}
			want = append([]float32(nil), z...)
			colSumsGo(rows, big, ldx, want)
			sameBits(t, fn(opColSums), emulated(t, p, fn(opColSums), [][]float32{z, big}, 4*ldx, rows, n)[0], want)
			emulateSumsGrad(t, p, set, n, ran)

			for size, name := range map[int]string{8: "f32transpose", 4: "f32transpose4"} { // the strides are any
				blocks, strips, fn := 1+n%3, 1+n%2, fmt.Sprintf("%s_%v", name, set)
				ran[fn] = true
				rows, cols := blocks*size, strips*size
				lds, ldd := cols+n%5, rows+1
				src, dst := testValues(rng, (rows-1)*lds+cols), testValues(rng, (cols-1)*ldd+rows)
				want := slices.Clone(dst)
				transposeGo(rows, cols, src, lds, want, ldd)
				sameBits(t, fn, emulated(t, p, fn, [][]float32{dst, src}, 4*ldd, 4*lds, blocks, strips)[0], want)
			}

			units := drawUnit * (1 + n%3)
			u, v2, v3 := probabilities(rng, units), testValues(rng, units), testValues(rng, units)
			rc := drawConsts(rng, units)
			for o := opUniform; o <= opAddNormal; o++ {
				want := make([]float32, units)
				src := u
				if o != opSample {
					src = v2
				}
				randomGo(o, want, src, v3, &rc)
				sameBits(t, fn(o), emulated(t, p, fn(o), [][]float32{u, src, v3}, units, constBytes(&rc))[0], want)
			}

			emulateOptimizers(t, p, fn, n, normals(rng, n), normals(rng, n), normals(rng, n), squares(rng, n))
			emulateOptimizers(t, p, fn, n, testValues(rng, n), testValues(rng, n), testValues(rng, n), testValues(rng, n))
			emulateOptimizers(t, p, fn, n, tiny(rng, n), tiny(rng, n), tiny(rng, n), magnitudes(tiny(rng, n)))
		}
		for name := range p.code {
			if !ran[name] {
				t.Errorf("%s was not run", name)
			}
		}
	}
}

// emulateOptimizers runs the updates of weights w by gradients g, with moments m and v.
func emulateOptimizers(t *testing.T, p *program, fn func(op) string, n int, w, g, m, v []float32) {
	t.Helper()
	check := func(o op, got [][]float32, want ...[]float32) {
		t.Helper()
		for i := range want {
			sameBits(t, fn(o), got[i], want[i])
		}
		for _, s := range got[2:] {
			noSubnormals(t, fn(o), s)
		}
	}
	w2, m2, v2 := slices.Clone(w), slices.Clone(m), slices.Clone(v)
	c := AdamParams{LR: 1e-2, Beta1: .9, Beta2: .999, Eps: 1e-8, Decay: .1, Decoupled: n%2 == 0, Step: 3, Scale: .5}.consts()
	ahead := func(floats ...float32) []byte {
		return binary.LittleEndian.AppendUint64(floatBytes(floats), uint64(n%2)*2048)
	}
	got := emulated(t, p, fn(opAdam), [][]float32{w, g, m, v}, n, ahead(c.scale, c.decay, c.beta1, c.grow1, c.beta2, c.grow2, c.rootFix, c.eps, c.keep, c.negStep))
	adamGo(w2, g, m2, v2, &c)
	check(opAdam, got, w2, g, m2, v2)
	for mode := range 3 {
		w2, vel := slices.Clone(w), m
		if mode == 0 {
			vel = nil
		}
		vel2 := slices.Clone(vel)
		s := sgdConsts{.5, .1, .9, -.01, uint64(mode / 2)}
		k := binary.LittleEndian.AppendUint64(floatBytes([]float32{s.scale, s.decay, s.momentum, s.negLR}), s.nesterov)
		got := emulated(t, p, fn(opSGD), [][]float32{w, g, vel}, n, k)
		sgdGo(w2, g, vel2, &s)
		check(opSGD, got, w2, g, vel2)
	}
	r := rmsConsts{.5, .1, .9, .1, 1e-6, -.01}
	w2, v2 = slices.Clone(w), slices.Clone(v)
	got = emulated(t, p, fn(opRMSProp), [][]float32{w, g, v}, n, floatBytes([]float32{r.scale, r.decay, r.rho, r.grow, r.eps, r.negLR}))
	rmsPropGo(w2, g, v2, &r)
	check(opRMSProp, got, w2, g, v2)
}

// emulateSquaredError runs rows of n columns, with sums or lanes or both, with the differences written or not.
func emulateSquaredError(t *testing.T, p *program, fn string, n int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	rows := 1 + n%3
	ldd, ldy, ldt := n+1, n, n+5
	sums, lanes, dst := normals(rng, rows), squares(rng, 16*rows), testValues(rng, (rows-1)*ldd+n)
	y, target := testValues(rng, (rows-1)*ldy+n), testValues(rng, (rows-1)*ldt+n)
	for mode := range 6 {
		s, l, d := sums, lanes, dst
		switch mode % 3 {
		case 0:
			s = nil
		case 1:
			l = nil
		}
		if mode > 2 {
			d = nil
		}
		wantS, wantL, wantD := slices.Clone(s), slices.Clone(l), slices.Clone(d)
		squaredErrorGo(wantS, wantL, wantD, y, target, ldd, ldy, ldt, rows, n, 0.3)
		if mode%3 == 2 {
			wantL = lanes // what is folded is not stored
		}
		got := emulated(t, p, fn, [][]float32{s, l, d, y, target}, 4*ldd, 4*ldy, 4*ldt, rows, n, float32(0.3))
		sameBits(t, fn, got[0], wantS)
		sameBits(t, fn, got[1], wantL)
		sameBits(t, fn, got[2], wantD)
	}
}

// emulateSumsGrad runs the sums of masked columns.
func emulateSumsGrad(t *testing.T, p *program, set isa, n int, ran map[string]bool) {
	rng := rand.New(rand.NewPCG(8, uint64(n)))
	fn, rows, ld := fmt.Sprintf("f32colsumsgrad_%v", set), 1+n%4, n+2
	ran[fn] = true
	dst, dy, y := testValues(rng, n), testValues(rng, (rows-1)*ld+n), testValues(rng, (rows-1)*ld+n)
	want := slices.Clone(dst)
	colSumsGradBy(isaGo, rows, dy, y, ld, want)
	sameBits(t, fn, emulated(t, p, fn, [][]float32{dst, dy, y}, 4*ld, rows, n)[0], want)
}

// emulateLines runs the passes over several lines against those over one.
func emulateLines(t *testing.T, p *program, set isa, n int, ran map[string]bool) {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, uint64(n)))
	lines := lineCount(set)
	fn := func(stem string) string {
		name := fmt.Sprintf("f32%s_%v", stem, set)
		ran[name] = true
		return name
	}
	x, dy, stats, ab := testValues(rng, lines*n), testValues(rng, lines*n), testValues(rng, 2*lines), testValues(rng, 2*lines)
	line := func(v []float32, l, by int) []float32 { return v[l*by:][:n] }
	for _, lds := range []int{0, n} {
		scale, bias := testValues(rng, n+(lines-1)*lds), testValues(rng, n+(lines-1)*lds)
		want := make([]float32, lines*n)
		for _, bias := range [][]float32{bias, nil} {
			for l := range lines {
				var b []float32
				if bias != nil {
					b = line(bias, l, lds)
				}
				normalizeBy(isaGo, line(want, l, n), line(x, l, n), line(scale, l, lds), b, stats[2*l], stats[2*l+1])
			}
			got := emulated(t, p, fn("normalizelines"), [][]float32{dy, x, scale, bias, stats}, 4*n, 4*lds, n)
			sameBits(t, "normalizelines", got[0], want)
		}
		for l := range lines {
			normalizeGradBy(isaGo, line(want, l, n), line(dy, l, n), line(x, l, n), line(scale, l, lds), stats[2*l], stats[2*l+1], ab[2*l], ab[2*l+1])
		}
		got := emulated(t, p, fn("gradlines"), [][]float32{x, dy, x, scale, stats, ab}, 4*n, 4*lds, n)
		sameBits(t, "gradlines", got[0], want)
		whole := n &^ 15
		if whole == 0 {
			continue
		}
		var sums, squares, both []float32
		for l := range lines {
			var a, b [16]float32
			var c [2][16]float32
			reduceGo(opSum, &a, line(x, l, n)[:whole], nil)
			squaresAroundBy(isaGo, &b, line(x, l, n)[:whole], stats[2*l])
			normalizeSumsBy(isaGo, &c, nil, line(dy, l, n)[:whole], line(x, l, n), line(scale, l, lds), stats[2*l], stats[2*l+1])
			sums, squares, both = append(sums, a[:]...), append(squares, b[:]...), append(append(both, c[0][:]...), c[1][:]...)
		}
		zeros := func(k int) []float32 { return make([]float32, 16*k*lines) }
		sameBits(t, "sumlines", emulated(t, p, fn("sumlines"), [][]float32{zeros(1), x}, 4*n, whole)[0], sums)
		sameBits(t, "squareslines", emulated(t, p, fn("squareslines"), [][]float32{zeros(1), x, stats}, 4*n, whole)[0], squares)
		sameBits(t, "sumslines", emulated(t, p, fn("sumslines"), [][]float32{zeros(2), dy, x, scale, stats}, 4*n, 4*lds, whole)[0], both)
	}
}

// emulatePools runs the kernels of windows.
func emulatePools(t *testing.T, p *program, set isa, ran map[string]bool) {
	t.Helper()
	rng := rand.New(rand.NewPCG(46, uint64(set)))
	for trial := range 16 {
		w := randomWindows(rng)
		x, y, dx := testValues(rng, w.pixels*w.n), testValues(rng, w.places*w.n), testValues(rng, w.pixels*w.n)
		won := make([]byte, len(y))
		relu := trial % 2
		run := func(name string, dx []float32) (after [][]float32) {
			fn := fmt.Sprintf("f32%s_%v", name, set)
			ran[fn] = true
			m := newMachine(p)
			var at, args []byte
			for _, v := range w.at {
				at = binary.LittleEndian.AppendUint32(at, uint32(v))
			}
			var out [][]byte
			for _, s := range [][]float32{x, y, dx} {
				out = append(out, floatBytes(s))
				args = binary.LittleEndian.AppendUint64(args, m.place(name, out[len(out)-1]))
			}
			for _, v := range []uint64{m.place("at", at), uint64(w.taps), uint64(w.places), uint64(w.n), uint64(relu), m.place("won", won)} {
				args = binary.LittleEndian.AppendUint64(args, v)
			}
			if err := m.run(fn, m.place("args", args)); err != nil {
				t.Fatalf("%d places of %d pixels of %d channels: %v", w.places, w.taps, w.n, err)
			}
			for _, b := range out {
				after = append(after, bytesFloats(b))
			}
			return after
		}
		want := append([]float32(nil), y...)
		maxPoolGo(w, want, x)
		sameBits(t, "maxpool", run("maxpool", nil)[1], want)
		name := "maxpoolgrad"
		if w.once {
			name = "maxpoolset"
		}
		want = append([]float32(nil), dx...)
		maxPoolGradGo(w, want, x, y, relu == 1)
		sameBits(t, name, run(name, dx)[2], want)

		wantY, wantWon := append([]float32(nil), y...), make([]byte, len(y))
		maxPoolWinnersGo(w, wantY, wantWon, x, relu == 1)
		sameBits(t, "maxpoolwinners", run("maxpoolwinners", nil)[1], wantY)
		if !bytes.Equal(won, wantWon) {
			t.Fatalf("maxpoolwinners: %v, want %v", won, wantWon)
		}
		name = strings.Replace(name, "maxpool", "maxpoolwinners", 1)
		sameBits(t, name, run(name, dx)[2], want)
	}
}
