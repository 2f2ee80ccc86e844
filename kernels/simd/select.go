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
)

func (i isa) String() string { return [...]string{"go", "avx2", "avx512", "neon"}[i] }

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
		"uniform", "choose", "keep", "replace", "sample", "normal", "addnormal", "adam", "sgd", "rmsprop", "transpose",
		"bf16gemm", "bf16round", "bf16widen", "bf16pack"}[o]
}

// Variant is one row of the kernel table.
type Variant struct {
	Name      string // <dtype><op>_<MR>x<NR>_<isa> for GEMM, <dtype><op>_<isa> for the rest; a value of LAMINA_KERNEL
	Op        string // gemm, exp, adam, …
	ISA       string // go, avx2, avx512 or neon
	MR, NR    int    // a GEMM row's tile; 0 otherwise
	Available bool   // this build has it and this CPU runs it

	op  op
	isa isa
}

// Variants lists every row of the table, the generic ones first.
func Variants() []Variant {
	var rows []Variant
	for i := isaGo; i < numISA; i++ {
		for _, t := range tiles(i) {
			rows = append(rows, Variant{Name: fmt.Sprintf("f32gemm_%dx%d_%v", t[0], t[1], i), MR: t[0], NR: t[1], op: opGemm, isa: i})
		}
		for o := opGemm + 1; o < opBF16Gemm; o++ {
			rows = append(rows, Variant{Name: fmt.Sprintf("f32%v_%v", o, i), op: o, isa: i})
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
	return rows
}

// selection is an immutable choice of a row per operation.
type selection struct {
	name   string
	isa    [numOps]isa
	mr, nr int  // the largest GEMM tile
	forced bool // no other tile may be larger in any direction

	bf16Rows, bf16Cols int // the largest tile of a bf16 product
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
	s := &selection{name: i.String()}
	for o := range s.isa {
		s.isa[o] = i
	}
	t := tiles(i)
	s.mr, s.nr = t[len(t)-1][0], t[len(t)-1][1]
	t = bf16Tiles(i)
	s.bf16Rows, s.bf16Cols = t[len(t)-1][0], t[len(t)-1][1]
	return s
}

// choose resolves a set or row name; the best set comes with any error.
func choose(name string) (*selection, error) {
	s := whole(best())
	if name == "" {
		return s, nil
	}
	for i := isaGo; i < numISA; i++ {
		if name == i.String() {
			if !available(i) {
				return s, fmt.Errorf("simd: kernel set %q is not available on this CPU or in this build; available: %s", name, strings.Join(Available(), ", "))
			}
			return whole(i), nil
		}
	}
	for _, r := range Variants() {
		if r.Name != name {
			continue
		}
		if !r.Available {
			return s, fmt.Errorf("simd: kernel %q is not available on this CPU or in this build; available sets: %s", name, strings.Join(Available(), ", "))
		}
		s.isa[r.op] = r.isa
		switch r.op {
		case opGemm:
			s.mr, s.nr, s.forced = r.MR, r.NR, true
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
// the empty name is the best set. An unknown or unavailable name is an error and changes nothing.
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
