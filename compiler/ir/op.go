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

// InferOp is Infer of an op, whose results must be from one to MaxResults, and those
// of its first operand if it exists in training only.
func InferOp(op Op, in []Type) ([]Type, error) {
	out, err := op.Infer(in)
	switch {
	case err != nil:
		return nil, err
	case len(out) == 0:
		return nil, errors.New("the op has no result")
	case len(out) > MaxResults:
		return nil, fmt.Errorf("the op has %d results, at most %d are possible", len(out), MaxResults)
	case TrainingOnly(op) && (len(out) != 1 || len(in) == 0 || !out[0].Equal(in[0])):
		return nil, fmt.Errorf("the op exists in training only, so its one result must have the type of its first operand, which stands for it (operands %v, results %v)", in, out)
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

// The facets of an op. Each is found by a type assertion, so that what an op is
// stands beside it and an op of another module is an equal; the test of package ops
// says which an op must have. Others are [Splitter], [Bounder] and [Follower].
type (
	// Evaluator is an op with a reference meaning. Float operands and results
	// are F64 whatever the value's dtype, integers and Bool are exact in their own. The operands
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
	// InPlacer is an op whose first result may take the memory of that operand, if it
	// has its type; -1 for none. With elementwise set an element is made of the
	// operands' elements at its place alone, so that another operand of that type may
	// be the same value.
	InPlacer interface {
		InPlace(in []Type) (operand int, elementwise bool)
	}
	// Viewer is an op whose one result may be the elements of its one operand, in their
	// order, under another shape: then it costs nothing.
	Viewer interface{ View(in []Type) bool }
	// ShapeReader is an op that may look at its operands' shapes and never at their
	// elements: it need not wait for them, and has no gradient to them.
	ShapeReader interface{ ShapeOnly() bool }
	// GradientStopper is an op whose results autodiff takes for constants, on purpose.
	GradientStopper interface{ StopsGradient() bool }
	// Drawer is an op that draws random numbers, from a stream that no other op of a
	// graph should have; WithStream returns the op that draws from that one.
	Drawer interface{ WithStream(stream uint64) Op }
	// Passer is an op that may exist in training only: for inference it is its first
	// operand.
	Passer interface{ TrainingOnly() bool }
	// Inferrer is an op that means other ops for inference, where it is not there itself.
	// A result that is only for training, which nothing that ships reads, may be nil.
	Inferrer interface {
		Inference(b *Builder, in []*Value) []*Value
	}
	// Corrupter is a noise that changes the share Corrupts of the elements, 1 for all:
	// those where the draws of Bernoulli with that rate and the noise's stream give 0.
	Corrupter interface{ Corrupts() float64 }
	// Sizer is an op whose results depend on lengths that its operands need not have:
	// those of the shape Sizes, where N is the rows of the whole update.
	Sizer interface{ Sizes() Shape }
	// Totaler is an op that may be the sum, or the mean, of all elements of its operand,
	// a scalar: then rows are summed where they are made.
	Totaler interface {
		Total(in []Type) (mean, ok bool)
	}
	// Commuter is an op of two operands whose order may be free.
	Commuter interface{ Commutes() bool }
	// Turner is an op that may be the transpose of a matrix.
	Turner interface{ Turns() bool }
	// Multiplier is an op that multiplies its first two operands, matrices, either of
	// which it may take transposed; WithTransposed returns the one that does so.
	Multiplier interface {
		Transposed() (a, b bool)
		WithTransposed(a, b bool) Op
	}
	// Paneller is an op that may be a product whose right operand, a matrix of so many
	// columns, can be read from panels; InPanels returns the one that does so.
	Paneller interface {
		InPanels(columns int) (Op, bool)
	}
	// Narrower is a product of its first two operands that may read them in bf16 and add in
	// f32. Narrowed returns the op that does so and the lengths that decide whether it pays.
	Narrower interface {
		Narrowed(in []Type) Narrowing
	}
	// ColumnMaker is an op that may be able to make its one result, a matrix, some columns
	// at a time.
	ColumnMaker interface{ MakesColumns(in []Type) bool }
	// ColumnTaker is an op that may be able to take the columns of its first operand, a
	// matrix, in parts, each as soon as it is made, in ascending order.
	ColumnTaker interface{ TakesColumns(in []Type) bool }
	// Chained is an op each element of whose result may be one chain of additions that
	// starts from an element of that operand, -1 for none. With open set the chain is
	// over rows and starts from one more operand for each result, the last, if they are given.
	Chained interface {
		Chain(in []Type) (start int, open bool)
	}
	// RowMixer is an op that says whether a row of its results depends on other rows
	// of its operands, none of which has more than one axis that is the batch. The
	// results have rows if any operand has.
	RowMixer interface{ MixesRows(in []Type) bool }
	// RowSummer is an op that may be a sum or a mean over the rows of what each row of
	// the operands gives by itself. It is asked when the results have no rows.
	RowSummer interface{ SumsRows(in []Type) bool }
	// Joiner is an op whose results without rows are of all rows of an update together,
	// the same in each of its parts, wherever that is run: they meet in the middle of a
	// run. JoinsRows returns how few rows of the update the op takes.
	Joiner interface{ JoinsRows(in []Type) (least int) }
	// Merger is a Joiner of float64 results alone that says how those of some rows and
	// of the rows behind them become those of both: into x from y, element by element,
	// nx and ny being the rows of each.
	Merger interface {
		Merge(x, y [][]float64, nx, ny int, in []Type, at Binding)
	}
	// Linear is an op that may be linear, but for a constant, in the operands that
	// vary, all of them together, the others being constants.
	Linear interface{ Linear(vary []bool) bool }
	// Vanisher is an op that says whether its results are 0 where these operands are,
	// whatever the others hold. Linear says it of what is linear, and the meaning of what is
	// made element by element.
	Vanisher interface{ Vanishes(zero []bool) bool }
	// Filterer is an op that multiplies its first operand by weights, its second, and adds its
	// third, if it is given: a number for each channel of the result, which are axis 1.
	// MakesChannel returns which of them the element i of weights of this shape is for.
	Filterer interface {
		MakesChannel(weights []int, i int) int
	}
	// Bounded is an op that may be wrong for some lengths although Infer takes it: it is
	// asked once more with the greatest ones, and an error refuses them.
	Bounded interface {
		Within(in []Type, at Binding) error
	}
	// Marker is an op that asks the compiler for something that depends on the graph
	// it stands in and not on what its operands hold. The pass ReplacedBy puts that in
	// its place before any other pass looks at the graph, so a marker has no meaning of
	// its own: neither Eval nor Decompose.
	Marker interface{ ReplacedBy() (pass string) }
	// PartMaker is an op without rows in its result, which is for an update that is
	// run in parts the sum of what it is for each, as Env places them. If ByParts is
	// true a part makes elements that no other one does, and 0 for all others.
	PartMaker interface{ ByParts() bool }
	// Coster states the arithmetic of a node, rows being the batch.
	Coster interface {
		Cost(in, out []Type, at Binding) (flops, bytes int64)
	}
)

// Narrowing is a product with its operands in bf16: its op, the rows and columns of the
// product, and the terms of each of its sums. With a nil Op it stays as it is, and Why says
// the reason.
type Narrowing struct {
	Op                   Op
	Rows, Terms, Columns Dim
	Why                  string
}

// ONNX is an op's counterpart in the default domain. An empty Type means there
// is none and Why says so.
type ONNX struct {
	Type  string
	Since int // its version in opset 17, or the first if that is newer
	First int // the opset that brought it, 0 if that is not above 13
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

// IsView reports whether the result of op is its operand under another shape.
func IsView(op Op, in, out []Type) bool {
	v, ok := op.(Viewer)
	return ok && len(in) == 1 && len(out) == 1 && in[0].DType == out[0].DType && v.View(in)
}

// ShapeOnly reports whether op reads its operands' shapes and never their elements.
func ShapeOnly(op Op) bool {
	r, ok := op.(ShapeReader)
	return ok && r.ShapeOnly()
}

// StopsGradient reports whether the results of op do not change with what its
// operands hold, as far as autodiff goes.
func StopsGradient(op Op) bool {
	s, ok := op.(GradientStopper)
	return ok && s.StopsGradient() || ShapeOnly(op)
}

// Draws reports whether op draws random numbers, anew in each update.
func Draws(op Op) bool {
	_, ok := op.(Drawer)
	return ok
}

// TrainingOnly reports whether op exists in training only: for inference it is its
// first operand.
func TrainingOnly(op Op) bool {
	p, ok := op.(Passer)
	return ok && p.TrainingOnly()
}

// ReplacedBy returns the pass that puts something in the place of op, "" if op stands
// for itself.
func ReplacedBy(op Op) string {
	if m, ok := op.(Marker); ok {
		return m.ReplacedBy()
	}
	return ""
}

// Inferred returns op as one that means other ops for inference, if it does.
func Inferred(op Op) (Inferrer, bool) {
	i, ok := op.(Inferrer)
	return i, ok
}

// Joins reports whether results of op are of all rows of an update together.
func Joins(op Op) bool {
	_, ok := op.(Joiner)
	return ok
}

// Turns reports whether op is the transpose of a matrix.
func Turns(op Op) bool {
	t, ok := op.(Turner)
	return ok && t.Turns()
}

// Sizes returns the lengths that the results of op depend on, besides those of its
// operands.
func Sizes(op Op) Shape {
	if s, ok := op.(Sizer); ok {
		return s.Sizes()
	}
	return nil
}

// ByParts reports whether the parts of an update make the result of op together, each
// some of its elements.
func ByParts(op Op) bool {
	p, ok := op.(PartMaker)
	return ok && p.ByParts()
}
