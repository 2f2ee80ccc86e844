package main

import (
	"fmt"
	"strings"
)

// arm writes NEON. Go's assembler knows fused multiply-adds, loads, stores and
// integer vectors; the other vector instructions are given as words.
type arm struct{ *asm }

// words are the instructions that are given as words, without their registers.
var words = map[string]uint32{
	"FADD": 0x4E20D400, "FSUB": 0x4EA0D400, "FMUL": 0x6E20DC00, "FDIV": 0x6E20FC00,
	"FMAX": 0x4E20F400, "FMIN": 0x4EA0F400, "FMLS": 0x4EA0CC00, "FCMGT": 0x6EA0E400,
	"BIC": 0x4E601C00, "BSL": 0x6E601C00, "ORR": 0x4EA01C00, "AND": 0x4E201C00,
	"UMULL": 0x2EA0C000, "UMULL2": 0x6EA0C000, "CMHI": 0x6EA03400, "SCVTF": 0x4E21D800, "FABS": 0x4EA0F800, "FCMEQ0": 0x4EA0D800,
	"FSQRT": 0x6EA1F800, "FCMLT0": 0x4EA0E800, "FCMLE0": 0x6EA0D800, "CMLT0": 0x4EA0A800,
}

// op3 is d = n op m. BSL takes bits of n where d has ones, else of m.
func (a *arm) op3(ins string, m, n, d int) {
	a.p("WORD $0x%08x // %s V%d.S4, V%d.S4, V%d.S4", words[ins]|uint32(m)<<16|uint32(n)<<5|uint32(d), ins, m, n, d)
}

// op2 is d = op n.
func (a *arm) op2(ins string, n, d int) {
	a.p("WORD $0x%08x // %s V%d.S4, V%d.S4", words[ins]|uint32(n)<<5|uint32(d), ins, n, d)
}

// fmla is d = d + n·m, rounded once; fmls is d - n·m.
func (a *arm) fmla(m, n, d int) { a.p("VFMLA V%d.S4, V%d.S4, V%d.S4", m, n, d) }
func (a *arm) fmls(m, n, d int) { a.op3("FMLS", m, n, d) }

// shl and sshr shift each 32-bit lane, sshr with the sign.
func (a *arm) shl(by, n, d int) {
	a.p("WORD $0x%08x // SHL $%d, V%d.S4, V%d.S4", uint32(0x4F005400|(32+by)<<16|n<<5|d), by, n, d)
}

func (a *arm) sshr(by, n, d int) {
	a.p("WORD $0x%08x // SSHR $%d, V%d.S4, V%d.S4", uint32(0x4F000400|(64-by)<<16|n<<5|d), by, n, d)
}

func (a *arm) mov(n, d int)     { a.p("VMOV V%d.B16, V%d.B16", n, d) }
func (a *arm) zero(n int)       { a.p("VEOR V%d.B16, V%d.B16, V%d.B16", n, n, n) }
func (a *arm) addi(m, n, d int) { a.p("VADD V%d.S4, V%d.S4, V%d.S4", m, n, d) }
func (a *arm) subi(m, n, d int) { a.p("VSUB V%d.S4, V%d.S4, V%d.S4", m, n, d) }

// vecs lists registers first to first+n-1, at most four, for one load or store.
func vecs(first, n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("V%d.S4", first+i))
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// args loads 8-byte arguments, in order, into registers.
func (a *arm) args(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		a.p("MOVD %s+%d(FP), %s", pairs[i], 4*i, pairs[i+1])
	}
}

// constant puts a named constant into every lane of a register.
func (a *arm) constant(name string, d int) {
	a.use(name)
	a.p("MOVD $%s<>(SB), R8", name)
	a.p("VLD1 (R8), [V%d.S4]", d)
}

func (a *arm) ret() { a.p("RET") }
