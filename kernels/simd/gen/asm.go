package main

import (
	"bytes"
	"fmt"
	"math"
	"strings"
)

// isa describes one instruction set to the templates.
type isa struct {
	name  string
	arch  string // GOARCH
	lanes int    // float32 per vector
	reg   string // register prefix of a whole vector
	temps int    // first register that may hold a constant; below are those of two interleaved bodies
	last  int    // last register that may hold a constant
}

var (
	avx2   = &isa{name: "avx2", arch: "amd64", lanes: 8, reg: "Y", temps: 12, last: 14} // Y15 is the tail mask
	avx512 = &isa{name: "avx512", arch: "amd64", lanes: 16, reg: "Z", temps: 12, last: 31}
	neon   = &isa{name: "neon", arch: "arm64", lanes: 4, reg: "V"}
)

func (i *isa) wide() bool { return i == avx512 }
func (i *isa) bytes() int { return i.lanes * 4 }

// asm collects the text of one file.
type asm struct {
	*isa
	body     bytes.Buffer
	stubs    []string
	switches string
	data     []string          // constant names in the order of first use
	consts   map[string]string // register of a constant in the kernel being written
	label    int
	second   bool // the second of two interleaved bodies: other registers, the next vector
}

func newAsm(i *isa) *asm { return &asm{isa: i} }

// p writes one line.
func (a *asm) p(format string, args ...any) { fmt.Fprintf(&a.body, "\t"+format+"\n", args...) }

func (a *asm) at(label string) { fmt.Fprintf(&a.body, "%s:\n", label) }

// fresh returns a label not used before in the file.
func (a *asm) fresh(stem string) string {
	a.label++
	return fmt.Sprintf("%s%d", stem, a.label)
}

// text opens a function; args is its Go parameter list, size the bytes of its frame of arguments.
func (a *asm) text(op, args string, size int) {
	name := fmt.Sprintf("f32%s_%s", op, a.name)
	a.stubs = append(a.stubs, fmt.Sprintf("func %s(%s)", name, args))
	fmt.Fprintf(&a.body, "\n// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $0-%d\n", name, args, name, size)
	a.consts = map[string]string{}
}

// stub writes the Go declarations of the kernels so far, and the switches that choose among them.
func (a *asm) stub(out *bytes.Buffer) {
	for _, s := range a.stubs {
		fmt.Fprintf(out, "\n//go:noescape\n%s\n", s)
	}
	out.WriteString(a.switches)
}

// ret closes a function.
func (a *asm) ret() {
	a.p("VZEROUPPER")
	a.p("RET")
}

// r names vector register n.
func (a *asm) r(n int) string {
	if a.second {
		n += a.temps / 2
	}
	return fmt.Sprintf("%s%d", a.reg, n)
}

// pair writes a body twice, line beside line, for two vectors: the chains of one fill the waits of the other.
func (a *asm) pair(body func()) {
	lines := func(second bool) []string {
		start := a.body.Len()
		a.second = second
		body()
		a.second = false
		text := a.body.String()[start:]
		a.body.Truncate(start)
		return strings.SplitAfter(text, "\n")
	}
	x, y := lines(false), lines(true)
	for i := range x {
		a.body.WriteString(x[i] + y[i])
	}
}

// values are the named constants: every lane of a vector holds the same 32 bits.
var values = map[string]uint32{
	"sign": 1 << 31, "abs": 1<<31 - 1, "bias": 127, "zero": 0,
	"number1": 1, "number2": 2, "number3": 3, "noWinner": noWinner,
	"one": f(1), "two": f(2), "log2e": f(0x1.715476p+0), "ln2Hi": f(0x1.62e43p-1), "ln2Lo": f(-0x1.05c61p-29), "magic": f(0x1.8p+23),
	"expLo": f(-104), "expHi": f(89), "tanhLo": f(-40),
	"c0": f(0.5), "c1": f(0.1666666716337204), "c2": f(0.041666463017463684), "c3": f(0.00833331048488617),
	"c4": f(0.0013933685841038823), "c5": f(0.00019891030387952924),

	"m0": 0xd2511f53, "m1": 0xcd9e8d57,
	"unit24": f(0x1p-24), "unit30": f(0x1p-30), "unit31": f(0x1p-31), "unit32": f(0x1p-32),
	"eighth": 1 << 29, "quarter": 1 << 30, "low30": 1<<30 - 1, "minusTwo": f(-2), "minusHalf": f(-0.5),
	"sin0": f(1.5707963705062866), "sin1": f(-0.6459634900093079), "sin2": f(0.07968022674322128), "sin3": f(-0.004602177068591118),
	"cos1": f(-1.2337005138397217), "cos2": f(0.25366926193237305), "cos3": f(-0.020860308781266212), "cos4": f(0.0009040605509653687),

	"four": f(4), "erfEdge": f(0.9375), "minNormal": f(0x1p-126), "two23": f(1 << 23), "twentyThree": f(23),
	"infinity": 0x7f800000, "exponent": 0x7f800000, "minusInfinity": 0xff800000, "nan": 0x7fc00000,
	"log1p0": f(1.0), "log1p1": f(-0.4999998211860657), "log1p2": f(0.33332559466362), "log1p3": f(-0.24987271428108215), "log1p4": f(0.19890746474266052), "log1p5": f(-0.16105686128139496), "log1p6": f(0.12418422102928162), "log1p7": f(-0.0824415385723114), "log1p8": f(0.04147804155945778), "log1p9": f(-0.013407440856099129), "log1p10": f(0.002030223375186324),
	"erf0": f(0.12837916612625122), "erf1": f(-0.37612631916999817), "erf2": f(0.1128367930650711), "erf3": f(-0.02685849741101265), "erf4": f(0.005198829807341099), "erf5": f(-0.0008118074620142579), "erf6": f(8.267458906630054e-05),
	"erfc0": f(-1.1285085678100586), "erfc1": f(-0.6357378363609314), "erfc2": f(-0.10523630678653717), "erfc3": f(0.022873681038618088), "erfc4": f(-0.0032099024392664433), "erfc5": f(0.00021337451471481472),

	"twoThirds": f(0x1.555556p-1), "mantissa": 1<<23 - 1, "ln2High": f(0x1.62e4p-1), "ln2Low": f(0x1.7f7d1cp-20),
	"log0": f(0.33333244919776917), "log1": f(-0.24999716877937317), "log2": f(0.2000904679298401), "log3": f(-0.1668444275856018),
	"log4": f(0.14025302231311798), "log5": f(-0.12127146869897842), "log6": f(0.13898387551307678), "log7": f(-0.13146142661571503),
}

// maskLanes are the tables of masks, with the lanes that each masks.
var maskLanes = map[string]int{"lanes": 8, "lanes16": 16}

func f(x float32) uint32 { return math.Float32bits(x) }

// load puts constants into registers while there are any; the rest stay in memory. Those that an instruction needs in a
// register come first.
func (a *asm) load(names ...string) {
	n := a.temps
	for _, name := range names {
		a.use(name)
		if n <= a.last && a.consts[name] == "" {
			a.consts[name] = a.r(n)
			a.p("VMOVUPS %s<>(SB), %s", name, a.r(n))
			n++
		}
	}
}

func (a *asm) use(name string) {
	for _, d := range a.data {
		if d == name {
			return
		}
	}
	a.data = append(a.data, name)
}

// c is a constant as the register-or-memory operand, which Go writes first.
func (a *asm) c(name string) string {
	if r, ok := a.consts[name]; ok {
		return r
	}
	return name + "<>(SB)"
}

// file assembles header, constants and functions.
func (a *asm) file() []byte {
	var out bytes.Buffer
	out.WriteString(warning(a.arch) + "#include \"textflag.h\"\n")
	for _, name := range a.data {
		if n := maskLanes[name]; n > 0 {
			fmt.Fprintf(&out, "\n// %s+%d-4n masks the first n of %d lanes.\n", name, 4*n, n)
			for i := range 2 * n {
				v := "0xffffffff"
				if i >= n {
					v = "0"
				}
				fmt.Fprintf(&out, "DATA %s<>+%d(SB)/4, $%s\n", name, 4*i, v)
			}
			fmt.Fprintf(&out, "GLOBL %s<>(SB), RODATA|NOPTR, $%d\n", name, 8*n)
			continue
		}
		out.WriteString("\n")
		value, ok := values[name]
		pattern := patterns[name]
		if !ok && pattern == nil {
			panic("no constant is named " + name)
		}
		for i := 0; i < a.lanes; i++ {
			if pattern != nil {
				value = pattern(a.isa, i)
			}
			fmt.Fprintf(&out, "DATA %s<>+%d(SB)/4, $0x%08x\n", name, 4*i, value)
		}
		fmt.Fprintf(&out, "GLOBL %s<>(SB), RODATA|NOPTR, $%d\n", name, a.bytes())
	}
	out.Write(a.body.Bytes())
	return []byte(strings.TrimRight(out.String(), "\n") + "\n")
}
