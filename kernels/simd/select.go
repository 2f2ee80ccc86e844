package simd

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
)

// isa is an instruction set the package has kernels for; a larger one is preferred.
type isa uint8

const (
	isaGo isa = iota
	isaAVX2
	isaAVX512
	isaNEON
	numISA
	isaAMX = numISA // no set, only a row for products of bf16, which the best set then has beside its own
)

func (i isa) String() string { return [...]string{"go", "avx2", "avx512", "neon", "amx"}[i] }

// op is a row's operation: one dispatch column.
type op uint8

const (
	opGemm op = iota
	opRelu
	opExp
	opSigmoid
	opTanh
	opLog
	opErf
	opSoftplus
	opSqrt
	opFlush
	opAbs
	opAdd
	opSub
	opMul
	opDiv
	opMax
	opMin
	opReluGrad
	opSigmoidGrad
	opTanhGrad
	opAddScalar
	opMulScalar
	opAxpy
	opLeakyRelu
	opElu
	opSum
	opDot
	opSquaredError
	opSigmoidSoftplus
	opSquaresAround
	opNormalize
	opNormalizeSums
	opNormalizeGrad
	opNormSums
	opRescale
	opRescaleGrad
	opColumnDots
	opColSums
	opUniform
	opChoose
	opKeep
	opReplace
	opSample
	opNormal
	opAddNormal
	opAdam
	opSGD
	opRMSProp
	opTranspose
	opMaxPool
	opMaxPoolGrad
	opMaxPoolWinners
	opMaxPoolWinnersGrad
	opTaps
	opBF16Gemm // the operations on bf16 come last: see Variants
	opBF16Round
	opBF16Widen
	opBF16Pack
	numOps
)

func (o op) String() string {
	return [...]string{"gemm", "relu", "exp", "sigmoid", "tanh", "log", "erf", "softplus", "sqrt", "flush", "abs",
		"add", "sub", "mul", "div", "max", "min", "relugrad", "sigmoidgrad",
		"tanhgrad", "addscalar", "mulscalar", "axpy", "leakyrelu", "elu", "sum", "dot", "squarederror", "sigmoidsoftplus",
		"squaresaround", "normalize", "normalizesums", "normalizegrad", "normsums", "rescale", "rescalegrad", "columndots", "colsums",
		"uniform", "choose", "keep", "replace", "sample", "normal", "addnormal", "adam", "sgd", "rmsprop", "transpose", "maxpool", "maxpoolgrad",
		"maxpoolwinners", "maxpoolwinnersgrad", "taps",
		"bf16gemm", "bf16round", "bf16widen", "bf16pack"}[o]
}

// Variant is one row of the kernel table.
type Variant struct {
	Name      string // <dtype><op>_<MR>x<NR>_<isa> for GEMM, <dtype><op>_<isa> for the rest; a value of LAMINA_KERNEL
	Op        string // gemm, exp, adam, …
	ISA       string // go, avx2, avx512, neon or amx
	MR, NR    int    // a product's tile; 0 otherwise
	Available bool   // this build has it and this CPU runs it

	op  op
	isa isa
}

// Variants lists every row of the table, the generic ones first. To know whether AMX is available it asks the operating
// system for it, like the first product that is one for AMX.
func Variants() []Variant {
	var rows []Variant
	for i := isaGo; i < numISA; i++ {
		for _, t := range tiles(i) {
			rows = append(rows, Variant{Name: fmt.Sprintf("f32gemm_%dx%d_%v", t[0], t[1], i), MR: t[0], NR: t[1], op: opGemm, isa: i})
		}
		for o := opGemm + 1; o < opTaps; o++ {
			rows = append(rows, Variant{Name: fmt.Sprintf("f32%v_%v", o, i), op: o, isa: i})
		}
		for _, t := range tapsTiles(i) {
			rows = append(rows, Variant{Name: fmt.Sprintf("f32taps_%dx%d_%v", t[0], t[1], i), MR: t[0], NR: t[1], op: opTaps, isa: i})
		}
		for _, t := range bf16Tiles(i) {
			rows = append(rows, Variant{Name: fmt.Sprintf("bf16gemm_%dx%d_%v", t[0], t[1], i), MR: t[0], NR: t[1], op: opBF16Gemm, isa: i})
		}
		for o := opBF16Gemm + 1; o < numOps; o++ {
			rows = append(rows, Variant{Name: fmt.Sprintf("%v_%v", o, i), op: o, isa: i})
		}
	}
	for i := range rows {
		r := &rows[i]
		r.Op, r.ISA, r.Available = r.op.String(), r.isa.String(), available(r.isa)
	}
	return append(rows, Variant{Name: amxRow, Op: "bf16gemm", ISA: isaAMX.String(), MR: 32, NR: 32, Available: amxRefusal() == "", isa: isaAMX})
}

// selection is an immutable choice of a row per operation.
type selection struct {
	name   string
	isa    [numOps]isa
	mr, nr int  // the largest GEMM tile
	forced bool // no other tile may be larger in any direction
	rules  gemmRules
	blocks blockSizes

	tapsRows, tapsCols int // the largest tile of a product by taps
	tapsForced         bool
	taps               tapLimits

	bf16Rows, bf16Cols int // the largest tile of a bf16 product
	amx                amxUse
}

// selected is the choice in use; replaced as a whole, so that calls in flight finish with the one they began with.
var selected, envErr = start()

func start() (*atomic.Pointer[selection], error) {
	p := new(atomic.Pointer[selection])
	s, err := choose(os.Getenv("LAMINA_KERNEL"))
	p.Store(s)
	return p, err
}

// best is the widest set this build and CPU have.
func best() isa {
	b := isaGo
	for i := isaGo; i < numISA; i++ {
		if available(i) {
			b = i
		}
	}
	return b
}

func whole(i isa) *selection {
	s := &selection{name: i.String(), rules: rulesOf[features.Family], blocks: sizesFor(features)}
	for o := range s.isa {
		s.isa[o] = i
	}
	t := tiles(i)
	s.mr, s.nr = t[len(t)-1][0], t[len(t)-1][1]
	s.taps = tapLimits{steps: 4096, call: 256 << 10}
	t = tapsTiles(i)
	s.tapsRows, s.tapsCols = t[len(t)-1][0], t[len(t)-1][1]
	t = bf16Tiles(i)
	s.bf16Rows, s.bf16Cols = t[len(t)-1][0], t[len(t)-1][1]
	return s
}

// choose resolves a set or row name; the best set comes with any error.
func choose(name string) (*selection, error) {
	s := whole(best())
	s.amx = amxOn
	if name == "" {
		return s, nil
	}
	set, of, named := strings.Cut(name, "-")
	rules, known := rulesOf[of]
	for i := isaGo; i < numISA; i++ {
		if set != i.String() || named && !known {
			continue
		}
		if !available(i) {
			return s, fmt.Errorf("simd: kernel set %q is not available on this CPU or in this build; available: %s", set, strings.Join(Available(), ", "))
		}
		s = whole(i)
		if named {
			s.rules = rules
		}
		return s, nil
	}
	for _, r := range Variants() {
		if r.Name != name {
			continue
		}
		if r.isa == isaAMX {
			if why := amxRefusal(); why != "" {
				return s, fmt.Errorf("simd: kernel %q is not available: %s; available sets: %s", name, why, strings.Join(Available(), ", "))
			}
			s.amx = amxOnly
			return s, nil
		}
		if !r.Available {
			return s, fmt.Errorf("simd: kernel %q is not available on this CPU or in this build; available sets: %s", name, strings.Join(Available(), ", "))
		}
		s.isa[r.op] = r.isa
		switch r.op {
		case opGemm:
			s.mr, s.nr, s.forced = r.MR, r.NR, true
		case opTaps:
			s.tapsRows, s.tapsCols, s.tapsForced = r.MR, r.NR, true
		case opBF16Gemm:
			s.bf16Rows, s.bf16Cols = r.MR, r.NR
		}
		return s, nil
	}
	return s, fmt.Errorf("simd: no kernel or set is named %q; sets available: %s; a row looks like %s", name, strings.Join(Available(), ", "), Variants()[0].Name)
}

// Available lists the names of the kernel sets this build has and this CPU runs, the generic one first.
func Available() []string {
	var names []string
	for i := isaGo; i < numISA; i++ {
		if available(i) {
			names = append(names, i.String())
		}
	}
	return names
}

// Select makes a set (go, avx2, avx512, neon) or one row of Variants, for its operation, the choice for calls from now on;
// the empty name is the best set. A set may be followed by -amd or -intel: its products then follow the rules for that
// family's CPUs, which change how they are cut and no bit of a result. An unknown or unavailable name is an error and changes nothing.
// the empty name is the best set, with AMX beside it where there is AMX. A set's own name leaves AMX out. An unknown or unavailable name is an error and changes nothing.
func Select(name string) error {
	s, err := choose(name)
	if err == nil {
		selected.Store(s)
	}
	return err
}

// Active returns the short name of the set in use: go, avx2, avx512 or neon. Forcing one row does not change it.
func Active() string { return selected.Load().name }

// EnvError returns what was wrong with the value of LAMINA_KERNEL at start, or nil; the best set is then in use.
func EnvError() error { return envErr }
