package ir

import (
	"errors"
	"fmt"
)

// Op says what a node computes. An op is a comparable struct; its exported
// fields are its attributes, named by the struct tag `attr:"name"`, of kind
// int, int64, float64, bool, string, Axes, Dim, Dims or DType. One tag set prints,
// parses, exports and imports.
//
// Infer returns the types of the results, or the rule that the operands break
// followed by what came, without the op's name: "x's last axis is 30 but w's
// first axis is 784 (x is f32[N 30], w is f32[784 100])".
type Op interface {
	Name() string
	Infer(in []Type) ([]Type, error)
}

// MaxResults bounds the results of an op.
const MaxResults = 256

// InferOp is Infer of an op, whose results must be from one to MaxResults.
func InferOp(op Op, in []Type) ([]Type, error) {
	out, err := op.Infer(in)
	switch {
	case err != nil:
		return nil, err
	case len(out) == 0:
		return nil, errors.New("the op has no result")
	case len(out) > MaxResults:
		return nil, fmt.Errorf("the op has %d results, at most %d are possible", len(out), MaxResults)
	}
	return out, nil
}

// NoResults returns what stands for the results of an op after a mistake, however
// many these are: MaxResults values of an invalid type.
func NoResults() []*Value {
	out := make([]*Value, MaxResults)
	for i := range out {
		out[i] = &Value{}
	}
	return out
}

// The facets of an op. Each is found by a type assertion; the test of package
// ops says which an op must have.
type (
	// Evaluator is an op with a reference meaning. Float operands and results
	// are F64 whatever the value's dtype, I64 and Bool are exact. The operands
	// must not be changed.
	Evaluator interface {
		Eval(env *Env, in []*Tensor) ([]*Tensor, error)
	}
	// Decomposer is an op that means other ops.
	Decomposer interface {
		Decompose(b *Builder, in []*Value) []*Value
	}
	// Differentiable is an op with a vector-Jacobian product, as graph: given the
	// gradients of the outputs (nil for an output without one) it returns the
	// gradients of the inputs, nil for one that has none.
	Differentiable interface {
		VJP(b *Builder, n *Node, dout []*Value) []*Value
	}
	// NotDifferentiable is an op whose gradient is absent on purpose.
	NotDifferentiable interface{ WhyNoGradient() string }
	// Exportable is an op with an ONNX counterpart whose attributes are those of
	// the struct tags.
	Exportable interface{ ONNX() ONNX }
	// InPlacer is an op whose output 0 may take the memory of that input, -1 for
	// none.
	InPlacer interface{ InPlace() int }
	// RowMixer is an op that says whether a row of its results depends on other rows
	// of its operands, none of which has more than one axis that is the batch. The
	// results have rows if any operand has.
	RowMixer interface{ MixesRows(in []Type) bool }
	// RowSummer is an op that may be a sum or a mean over the rows of what each row of
	// the operands gives by itself. It is asked when the results have no rows.
	RowSummer interface{ SumsRows(in []Type) bool }
	// Linear is an op that may be linear, but for a constant, in the operands that
	// vary, all of them together, the others being constants.
	Linear interface{ Linear(vary []bool) bool }
	// PartMaker is an op without rows in its result, which is for an update that is
	// run in parts the sum of what it is for each, as Env places them. If ByParts is
	// true a part makes elements that no other one does, and 0 for all others.
	PartMaker interface{ ByParts() bool }
	// Coster states the arithmetic of a node, rows being the batch.
	Coster interface {
		Cost(in, out []Type, at Binding) (flops, bytes int64)
	}
)

// ONNX is an op's counterpart in the default domain. An empty Type means there
// is none and Why says so.
type ONNX struct {
	Type  string
	Since int
	Why   string
}

// Env is what an evaluation may depend on besides its operands.
type Env struct {
	Binding    Binding
	UpdateRows int     // rows of the whole update, of which these are a part
	FirstRow   int     // position of row 0 in the whole update
	Capacity   Binding // the most that a length may be, by which draws are numbered; zero for Binding
	Seed       uint64  // of the run
	Update     uint64  // number of the update, from 0

	// Types are those of the operands as values, set by EvalOp. A slice of an
	// operand is the part of its axis 0 that begins at First.
	Types []Type
	First int
}

// Bind returns the lengths of s in this environment.
func (e *Env) Bind(s Shape) []int { return s.At(e.Binding) }

// ByParts reports whether the parts of an update make the result of op together, each
// some of its elements.
func ByParts(op Op) bool {
	p, ok := op.(PartMaker)
	return ok && p.ByParts()
}
