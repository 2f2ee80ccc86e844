//go:build amd64 && !noasm

package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

// TestAMXArgs holds the structs to the offsets the generator uses.
func TestAMXArgs(t *testing.T) {
	for typ, want := range map[reflect.Type]string{
		reflect.TypeFor[amxArgs](): "config 0 a 64 lda 72 stepA 80 downA 88 nextA 96 tail 104 b 112 nextB 120 k 128 c 136 ldc 144 blocks 152 bias 160 " +
			"mask 168 ldMask 176 flags 184 rows 192 live 200 current 216",
		reflect.TypeFor[amxPackArgs](): "dst 0 src 8 ld 16 count 24 words 32 tiles 40 stepSrc 48 stepDst 56",
	} {
		var got []string
		for i := range typ.NumField() {
			got = append(got, fmt.Sprint(typ.Field(i).Name, " ", typ.Field(i).Offset))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%v is\n%s, want\n%s", typ, s, want)
		}
	}
}

// memory is the slice as a region of the emulator, at its own address.
func memory[T uint16 | float32](name string, x []T) region {
	if len(x) == 0 {
		return region{name: name}
	}
	p := unsafe.Pointer(&x[0])
	return region{uint64(uintptr(p)), unsafe.Slice((*byte)(p), len(x)*int(unsafe.Sizeof(x[0]))), name}
}

// emulateAMX lets the emulator run the kernels, which may touch these regions only.
func emulateAMX(t *testing.T, p *program, regions ...region) {
	t.Helper()
	names := map[amxKernel]string{amxGemm16x16: "gemm_16x16", amxGemm16x32: "gemm_16x32", amxGemm32x16: "gemm_32x16", amxGemm32x32: "gemm_32x32",
		amxRows: "rows", amxPairs: "pairs", amxTurn: "turn"}
	amxEmulator = func(kernel amxKernel, args unsafe.Pointer, size uintptr) {
		m := newMachine(p)
		m.mem = append(m.mem, regions...)
		m.mem = append(m.mem, region{uint64(uintptr(args)), unsafe.Slice((*byte)(args), size), "args"})
		if err := m.run("bf16"+names[kernel]+"_amx", uint64(uintptr(args))); err != nil {
			t.Fatal(err)
		}
		emulatedCalls[kernel]++
	}
	t.Cleanup(func() { amxEmulator = nil })
}

var emulatedCalls [amxTurn + 1]int

// brains are bf16 numbers: ordinary ones, or special ones and arbitrary bits among them, or so small that sums and
// products come near the least normal number.
func brains(rng *rand.Rand, n, kind int) []uint16 {
	x := make([]uint16, n)
	for i := range x {
		v := float32(rng.NormFloat64())
		switch kind {
		case 1:
			v = testValues(rng, 1)[0]
		case 2:
			v = float32(math.Ldexp(float64(v), -62-rng.IntN(4)))
			if rng.IntN(20) == 0 {
				v = tiny(rng, 1)[0]
			}
		}
		x[i] = uint16(u32(v) >> 16)
	}
	return x
}

// amxCase is a product with everything around it.
type amxCase struct {
	m, n, k            int
	rsa, csa, rsb, csb int
	a, b, tiles        []uint16
	c                  guarded
	ldc                int
	accumulate         bool
	e                  Epilogue
}

func (x *amxCase) String() string {
	return fmt.Sprintf("m=%d n=%d k=%d rsa=%d csa=%d rsb=%d csb=%d ldc=%d accumulate=%v bias=%v relu=%v mask=%v", x.m, x.n, x.k, x.rsa, x.csa, x.rsb, x.csb,
		x.ldc, x.accumulate, x.e.Bias != nil, x.e.Relu, x.e.Mask != nil)
}

// newAMXCase is a product with random strides and epilogue, or a plain one: A and B row-major, and all of the epilogue.
func newAMXCase(rng *rand.Rand, m, n, k int, plain bool) *amxCase {
	strides := func(rows, cols int) (rs, cs, size int) {
		rs, cs = cols+rng.IntN(3), 1
		layout := rng.IntN(8)
		if plain {
			layout = 7
		}
		switch layout {
		case 0, 1, 2:
			rs, cs = 1, rows+rng.IntN(3)
		case 3:
			rs, cs = 2*cols+1, 2
		case 4:
			rs = (cols + amxAlias/2 - 1) / (amxAlias / 2) * (amxAlias / 2)
		}
		return rs, cs, (rows-1)*rs + (cols-1)*cs + 1
	}
	x := &amxCase{m: m, n: n, k: k, ldc: n + rng.IntN(4), accumulate: rng.IntN(2) == 0}
	kind := rng.IntN(3)
	fill := []func(*rand.Rand, int) []float32{normals, testValues, tiny}[kind]
	var size int
	x.rsa, x.csa, size = strides(m, k)
	x.a = brains(rng, size, kind)
	x.rsb, x.csb, size = strides(k, n)
	x.b = brains(rng, size, kind)
	x.tiles = make([]uint16, over(n, 16)*over(k, 32)*512)
	for p := range k {
		for j := range n {
			x.tiles[(j/16*over(k, 32)+p/32)*512+p%32/2*32+j%16*2+p%2] = x.b[p*x.rsb+j*x.csb]
		}
	}
	x.c = guard(rng, (m-1)*x.ldc+n)
	for i := range m {
		copy(x.c.mid[i*x.ldc:][:n], fill(rng, n))
	}
	x.e.Relu = plain || rng.IntN(3) == 0
	if plain || rng.IntN(3) == 0 {
		x.e.Bias = fill(rng, n)
	}
	if plain || rng.IntN(3) == 0 {
		x.e.LDMask = n + rng.IntN(3)
		x.e.Mask = testValues(rng, (m-1)*x.e.LDMask+n)
	}
	return x
}

// want is C by the definition, in portable Go.
func (x *amxCase) want(t *testing.T) []float32 {
	t.Helper()
	old := selected.Load()
	defer selected.Store(old)
	if err := Select("go"); err != nil {
		t.Fatal(err)
	}
	c := append([]float32(nil), x.c.mid...)
	GemmBF16(x.m, x.n, x.k, x.a, x.rsa, x.csa, x.b, x.rsb, x.csb, c, x.ldc, x.accumulate, x.e, make([]float32, BF16Scratch(x.m, x.n, x.k)))
	return c
}

// check runs both entry points, with scratch that begins anywhere and holds NaN.
func (x *amxCase) check(t *testing.T, rng *rand.Rand, run func(packed bool, tmp []float32)) {
	t.Helper()
	want := x.want(t)
	before := append([]float32(nil), x.c.mid...)
	for _, packed := range []bool{false, true} {
		size := amxScratch(x.m, x.n, x.k)
		if packed {
			size = amxTilesScratch(x.m, x.n, x.k)
		}
		tmp := guard(rng, size).mid
		for i := range tmp {
			tmp[i] = float32(math.NaN())
		}
		copy(x.c.mid, before)
		run(packed, tmp)
		what := fmt.Sprintf("%v packed=%v", x, packed)
		sameBits(t, what, x.c.mid, want)
		x.c.check(t, what)
	}
}

func (x *amxCase) run(packed bool, tmp []float32) {
	if packed {
		gemmBF16TilesAMX(x.m, x.n, x.k, x.a, x.rsa, x.csa, x.tiles, x.c.mid, x.ldc, x.accumulate, x.e, tmp)
	} else {
		gemmBF16AMX(x.m, x.n, x.k, x.a, x.rsa, x.csa, x.b, x.rsb, x.csb, x.c.mid, x.ldc, x.accumulate, x.e, tmp)
	}
}

// amxCases runs f for ragged products and for some that are cut into blocks.
func amxCases(rng *rand.Rand, trials int, f func(x *amxCase)) {
	for range trials {
		f(newAMXCase(rng, 1+rng.IntN(70), 1+rng.IntN(70), 1+rng.IntN(100), false))
	}
	for _, s := range [][3]int{{32, 32, 32}, {16, 16, 64}, {48, 33, 96}, {64, 100, 64}, {1, 1, 1}, {5, 100, 31}, {107, 20, 40}, // whole tiles, and the least
		{20, 36, amxMostK*BF16Block + 40}, {300, 17, amxMostK*BF16Block - 5}, {3, amxMostB/amxMostK*16 + 40, amxMostK * BF16Block},
		{600, 3, 27 * BF16Block}} {
		f(newAMXCase(rng, s[0], s[1], s[2], true))
		f(newAMXCase(rng, s[0], s[1], s[2], false))
	}
	for range 3 {
		x := newAMXCase(rng, 40, 70, 1, false)
		x.k = 0
		f(x)
	}
}

// TestEmulatedAMX runs the text of the kernels under their driver against the definition.
func TestEmulatedAMX(t *testing.T) {
	p := parseProgram(t, "amx_amd64.s")
	rng := rand.New(rand.NewPCG(15, 15))
	emulatedCalls = [len(emulatedCalls)]int{}
	trials := 40
	if testing.Short() {
		trials = 10
	}
	amxCases(rng, trials, func(x *amxCase) {
		if t.Failed() {
			return
		}
		x.check(t, rng, func(packed bool, tmp []float32) {
			emulateAMX(t, p, memory("a", x.a), memory("b", x.b), memory("tiles", x.tiles), memory("c", x.c.mid), memory("bias", x.e.Bias), memory("mask", x.e.Mask), memory("tmp", tmp))
			defer func() { amxEmulator = nil }()
			x.run(packed, tmp)
		})
	})
	for kernel, calls := range emulatedCalls {
		if calls == 0 {
			t.Errorf("kernel %d was never called", kernel)
		}
	}
	if len(p.code) != len(emulatedCalls) {
		t.Errorf("%d kernels in the file, %d called", len(p.code), len(emulatedCalls))
	}
}

// TestAMXAllocatesNothing: neither the driver's arguments nor the operands leave the stack.
func TestAMXAllocatesNothing(t *testing.T) {
	amxEmulator = func(amxKernel, unsafe.Pointer, uintptr) {}
	defer func() { amxEmulator = nil }()
	if n := testing.AllocsPerRun(20, func() {
		var a, b, tiles [2048]uint16
		var c, bias [40 * 40]float32
		var tmp [8192]float32
		e := Epilogue{Bias: bias[:], Relu: true, Mask: bias[:], LDMask: 40}
		gemmBF16AMX(40, 40, 40, a[:], 40, 1, b[:], 1, 40, c[:], 40, true, e, tmp[:])
		gemmBF16TilesAMX(40, 20, 40, a[:], 1, 40, tiles[:], c[:], 40, false, e, tmp[:])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
