//go:build amd64 && !noasm

package simd

import (
	"bytes"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTileEncodings decodes every instruction of AMX in the kernels, and those in the table of README.md, and compares it
// with what is written beside and with what the GNU assembler makes of it.
func TestTileEncodings(t *testing.T) {
	written := map[string][]byte{}
	for _, code := range parseProgram(t, "amx_amd64.s").code {
		for _, in := range code {
			if in.bytes != nil {
				written[in.text] = in.bytes
			}
		}
	}
	if len(written) < 20 {
		t.Fatalf("%d different instructions in the kernels", len(written))
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(readme)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.HasPrefix(cells[2], " `c4 ") {
			continue
		}
		rows++
		unquoted := func(s string) string { return strings.Trim(strings.TrimSpace(s), "`") }
		b, err := hex.DecodeString(strings.ReplaceAll(unquoted(cells[2]), " ", ""))
		if err != nil {
			t.Errorf("%q: %v", line, err)
		}
		written[unquoted(cells[1])] = b
	}
	if rows < 6 {
		t.Errorf("%d encodings in README.md", rows)
	}
	var texts, gnu []string
	for text := range written {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	for _, text := range texts {
		in, err := decodeTile(written[text])
		if err != nil || in.String() != text {
			t.Errorf("% x is said to be %s, but is %v, %v", written[text], text, in, err)
		}
		gnu = append(gnu, in.gnu())
	}
	for text, got := range assembled(t, gnu) {
		if i := slices.Index(gnu, text); !bytes.Equal(got, written[texts[i]]) {
			t.Errorf("%s is % x, the assembler writes % x", text, written[texts[i]], got)
		}
	}
}

// TestTileDecoding holds the decoder to the GNU assembler for operands that the kernels do not use, and to encodings
// that are none.
func TestTileDecoding(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	var texts []string
	want := map[string]tileInstruction{}
	for range 300 {
		in := tileInstruction{name: []string{"LDTILECFG", "TILELOADD", "TILESTORED", "TDPBF16PS", "TILEZERO"}[rng.IntN(5)], t: rng.IntN(8), index: -1}
		switch in.name {
		case "LDTILECFG":
			in.t = -1
			fallthrough
		case "TILELOADD", "TILESTORED":
			in.memory, in.base, in.scale = true, rng.IntN(16), 1
			if in.index = rng.IntN(16); in.index == 4 { // SP is no index
				in.index = -1
			} else {
				in.scale = 1 << rng.IntN(4)
			}
			in.disp = []int{0, 64, -128, 128, 1 << 20}[rng.IntN(5)]
		case "TDPBF16PS":
			in.a, in.b = rng.IntN(8), rng.IntN(8)
			if in.t == in.a || in.t == in.b || in.a == in.b {
				continue
			}
		}
		text := in.gnu()
		texts, want[text] = append(texts, text), in
	}
	for text, b := range assembled(t, texts) {
		if got, err := decodeTile(b); err != nil || got != want[text] {
			t.Errorf("% x, %s, is decoded as %+v, %v", b, text, got, err)
		}
	}
	for _, b := range []string{"", "c4", "c4e278", "c4e27849", "c4e2784902ff", "c4e2f84902", "c4e27c4902", "c5e2784902", "c4e1784902", "c4e27b4b07", "c4e27b4b05",
		"c4e27b4b0430ff", "c4624a5cc4", "c4e20a5cc4", "c4c24a5cc4", "c4e2704902", "c4e27b49c1", "c4e2784912", "c4e2794902", "c4e2785cc4"} {
		code, err := hex.DecodeString(b)
		if err != nil {
			t.Fatal(err)
		}
		if in, err := decodeTile(code); err == nil {
			t.Errorf("%s is decoded as %v", b, in)
		}
	}
}

// assembled returns the bytes that the GNU assembler makes of each instruction. Without one that knows AMX the test ends
// here, with what it has found.
func assembled(t *testing.T, texts []string) map[string][]byte {
	t.Helper()
	as, err := exec.LookPath("as")
	if err != nil {
		t.Skip("there is no GNU assembler here to compare with")
	}
	dir := t.TempDir()
	source, object := filepath.Join(dir, "x.s"), filepath.Join(dir, "x.o")
	compile := func(text string) error {
		if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
			return err
		}
		out, err := exec.Command(as, "--64", "-o", object, source).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%v: %s", err, out)
		}
		return nil
	}
	if err := compile("tilerelease\n"); err != nil {
		t.Skipf("the assembler here does not know AMX: %v", err)
	}
	var s strings.Builder
	for i, text := range texts { // a section each, because lengths differ
		fmt.Fprintf(&s, ".section .i%d, \"ax\"\n%s\n", i, text)
	}
	if err := compile(s.String()); err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(object)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string][]byte{}
	for i, text := range texts {
		if out[text], err = f.Section(fmt.Sprintf(".i%d", i)).Data(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestTileFaults: what a CPU refuses, and what is wrong in a kernel, is an error of the emulator.
func TestTileFaults(t *testing.T) {
	const (
		configure = "c4e2784907"   // LDTILECFG (DI)
		release   = "c4e27849c0"   // TILERELEASE
		zero      = "c4e27b49c0"   // TILEZERO T0
		load      = "c4e27b4b041e" // TILELOADD (SI)(BX*1), T0
		store     = "c4e27a4b041e" // TILESTORED T0, (SI)(BX*1)
		dot       = "c4e24a5cc4"   // TDPBF16PS T6, T4, T0
	)
	shape := func(change ...byte) []byte { // T0 of 3 rows of 5, T4 of 3 rows of 32, T6 of 16 rows of 5; then single bytes are changed
		b := [64]byte{0: 1, 16: 20, 48: 3, 24: 64, 52: 3, 28: 20, 54: 16}
		for i := 0; i < len(change); i += 2 {
			b[change[i]] = change[i+1]
		}
		return b[:]
	}
	for _, c := range []struct {
		name, code string
		config     []byte
		memory     int
		want       string
	}{
		{"nothing wrong", configure + zero + load + dot + store + release, shape(), 2*64 + 20, ""},
		{"no configuration", zero, shape(), 0, "#UD: no tiles"},
		{"after the release", configure + release + zero, shape(), 0, "#UD: no tiles"},
		{"no release", configure + zero, shape(), 0, "without TILERELEASE"},
		{"a tile without rows", configure + zero + release, shape(16, 0, 48, 0), 0, "#UD: tile 0"},
		{"no factor", configure + dot + release, shape(24, 0, 52, 0), 0, "#UD: tile 4"},
		{"another palette", configure, shape(0, 2), 0, "#GP: palette"},
		{"palette 0 releases", configure, shape(0, 0), 0, ""},
		{"17 rows", configure, shape(48, 17), 0, "#GP: tile 0"},
		{"65 bytes a row", configure, shape(16, 65), 0, "#GP: tile 0"},
		{"rows without columns", configure, shape(16, 0), 0, "#GP: tile 0"},
		{"a reserved byte", configure, shape(2, 1), 0, "#GP: byte 2"},
		{"a ninth tile", configure, shape(32, 4), 0, "#GP: byte 32"},
		{"rows of the product", configure + dot, shape(48, 4), 0, "#UD: 3x64"},
		{"columns of the product", configure + dot, shape(16, 16), 0, "#UD: 3x64"},
		{"its depth", configure + dot, shape(54, 15), 0, "#UD: 3x64"},
		{"one byte too few to load", configure + load, shape(), 2*64 + 19, "outside every operand"},
		{"one byte too few to store", configure + store, shape(), 2*64 + 19, "outside every operand"},
		{"a tile twice", configure + "c4e24a5cc6", shape(), 0, "#UD: a tile twice"},
		{"no instruction", "90", shape(), 0, "no three-byte VEX"},
	} {
		text := "TEXT ·f(SB), NOSPLIT, $0-0\n"
		for code := c.code; code != ""; {
			n := 10
			if strings.HasPrefix(code, load) || strings.HasPrefix(code, store) {
				n = 12
			}
			n = min(n, len(code))
			b, err := hex.DecodeString(code[:n])
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range b {
				text += fmt.Sprintf("%sBYTE $0x%02x", map[bool]string{true: "; "}[i > 0], v)
			}
			text += "\n"
			code = code[n:]
		}
		file := filepath.Join(t.TempDir(), "f.s")
		if err := os.WriteFile(file, []byte(text+"RET\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		m := newMachine(parseProgram(t, file))
		m.gpr["DI"], m.gpr["BX"] = m.place("config", c.config), 64
		m.gpr["SI"] = m.place("memory", make([]byte, c.memory))
		err := m.run("f")
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestTileFMA: the emulator's arithmetic is that of the definition, which has been derived in another way, for chains of
// any numbers and where results are tiny.
func TestTileFMA(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	one := uint16(u32(1) >> 16)
	for trial := range 200000 {
		a, b := brains(rng, 2, 1+trial%2), brains(rng, 2, 1+trial%2)
		if trial%3 == 0 {
			b[1] = one
		}
		c := [][]float32{testValues(rng, 1), tiny(rng, 1)}[rng.IntN(2)]
		x := func(v uint16) float32 { return f32(uint32(v) << 16) }
		chain := func(i int) float32 { return tileFMA(0, 0, tileFMA(x(a[i]), x(b[i]), 0)) } // with the zeros of the block
		want := tileFMA(1, tileFMA(1, chain(0), chain(1)), c[0])
		got := append([]float32(nil), c...)
		GemmBF16(1, 1, 2, a, 2, 1, b, 1, 1, got, 1, true, Epilogue{}, make([]float32, BF16Scratch(1, 1, 2)))
		sameBits(t, fmt.Sprintf("%#04x + %g", [2][]uint16{a, b}, c[0]), got, []float32{want})
	}
	for _, c := range []struct{ x, y, z, want float32 }{ // worked out by hand
		{0x1p-63, 0x1p-63, 0, 0x1p-126},                                        // the least normal number
		{0x1p-64, 0x1p-63, 0, 0},                                               // half of it
		{-0x1p-64, 0x1p-63, 0, f32(1 << 31)},                                   // with its sign
		{0x1.fffffep-64, 0x1p-63, 0, 0},                                        // 24 bits, which no rounding changes
		{0x1.fffffep-64, 0x1.000002p-63, 0, 0x1p-126},                          // 2^-126 (1 - 2^-47): rounded to 24 bits it is 2^-126
		{0x1p-127, 0x1p127, 3, 3},                                              // a subnormal factor
		{1, 0x1p-127, -0x1p-127, 0},                                            // subnormal terms
		{1, 1, -1, 0},                                                          // cancelled
		{0x1p127, 2, 0, f32(0x7f800000)},                                       // too large
		{0x1p100, 0, 0, 0},                                                     // a large factor of 0
		{1, 0x1.000002p0, 0x1p-24, 0x1.000004p0},                               // a tie, to even
		{1, 1, 0x1p-24, 1},                                                     // a tie, to even
		{1.5, 0x1p-24, 1, 0x1.000002p0},                                        // above a tie
		{0x1.01p0, 0x1.01p-24, 0x1p0, 0x1.000002p0},                            // above a tie
		{0x1p-126, 1, f32(0x807fffff), 0x1p-126},                               // a subnormal chain
		{f32(0x7f800000), 0, 1, f32(0x7fc00000)},                               // infinity times 0
		{f32(0x7f800000), 0x1p-127, 1, f32(0x7fc00000)},                        // or times what counts as 0
		{f32(0x7f800000), 1, f32(0xff800000), f32(0x7fc00000)},                 // infinities that differ
		{f32(1 << 31), 1, 0, 0}, {f32(1 << 31), 1, f32(1 << 31), f32(1 << 31)}, // the sign of 0
	} {
		sameBits(t, fmt.Sprintf("%g·%g + %g", c.x, c.y, c.z), []float32{tileFMA(c.x, c.y, c.z)}, []float32{c.want})
	}
}
