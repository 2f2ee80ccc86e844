package compiler

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// pass is one row of the table.
type pass struct {
	name  string
	stage stage
	when  func(*state) bool // nil: always
	run   func(*ir.Graph, *state) error
	doc   string // what it does, one sentence
}

// stage says which part of the compiler a pass belongs to. Between them the
// graph is a product of its own.
type stage uint8

// The stages: front ends where export taps, gradient with the graph of the
// gradients, back with the graph that is lowered to a plan.
const (
	front stage = iota
	gradient
	back
)

// state is what the passes of one compilation share.
type state struct {
	opt            Options
	inference      bool   // the graph ships or is evaluated; else it trains
	planned        bool   // it ends in a plan, so the row capacity is known
	loss           string // the output whose gradient is taken
	differentiated bool   // autodiff has run
	notes          []string
	ran            []string // names of the passes that ran
	rows           []pass   // a test's table in place of passes()
}

func (s *state) note(format string, a ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, a...))
}

func whenInference(s *state) bool { return s.inference }
func whenTraining(s *state) bool  { return !s.inference }
func whenPlanned(s *state) bool   { return s.planned }

func whenBF16(s *state) bool { return s.opt.BF16 != nil }

// passes is the pipeline, in the order of running.
func passes() []pass {
	return []pass{
		{"infer", front, nil, infer, "derives every type from the operands"},
		{"grad", front, nil, grad, "puts the ops of its gradient in the place of each Grad"},
		{"freeze", front, whenInference, freeze, "removes what exists in training only"},
		{"canonical", front, nil, canonical, "brings what means the same into one form"},
		{"fold", front, nil, fold, "evaluates what depends on constants only"},
		{"cse", front, nil, cse, "merges equal nodes"},
		{"deadcode", front, nil, deadcode, "removes what no output depends on"},
		// Export taps here: whole ops, the batch still N.
		{"bind", gradient, whenPlanned, bind, "bounds every length by its capacity"},
		{"expand", gradient, nil, expand, "decomposes what has no gradient or no reference of its own"},
		{"autodiff", gradient, whenTraining, autodiff, "appends the gradients of the loss"},
		{"late-expand", gradient, whenTraining, expand, "decomposes what needed only its gradient whole"},
		{"late-canonical", gradient, nil, canonical, "cleans up what expand and autodiff wrote"},
		{"late-fold", gradient, nil, fold, "evaluates the constants that they brought"},
		{"late-cse", gradient, nil, cse, "shares values between forward and backward"},
		{"late-deadcode", gradient, nil, deadcode, "removes gradients that nothing asks for"},
		{"layout", back, nil, layout, "gives images their channels as the last axis"},
		{"features", back, nil, features, "lets a Flatten of images be a view, by weights in the order of the plan"},
		{"flatten", back, nil, flatten, "makes products of higher rank products of matrices between views"},
		{"fuse", back, nil, fuse, "joins what one kernel does in one go"},
		{"bf16", back, whenBF16, bf16, "rounds the operands of products to bf16"},
	}
}

// lowerPass is the name under which the driver runs the way from graph to plan.
const lowerPass = "lower"

// reason is one sentence of the order: first runs before then, where both run.
type reason struct{ first, then, why string }

// reasons is checked against the table by a test.
func reasons() []reason {
	return []reason{
		{"infer", "grad", "a gradient has the type of what it is taken along"},
		{"infer", "freeze", "a rewrite compares types, so they must be known"},
		{"grad", "freeze", "a Dropout that vanishes may be what a gradient is taken along, and that is not its operand"},
		{"grad", "canonical", "x+0 becomes x, but a score may depend on one of them alone"},
		{"grad", "fold", "no gradient can be taken along a value that was folded away"},
		{"grad", "cse", "merging equal values would give one the gradient of both"},
		{"grad", "deadcode", "the way from x to score is needed until its gradient is made"},
		{"grad", "autodiff", "the gradient of a gradient is that of its ops"},
		{"infer", "canonical", "most rules ask whether two types are equal"},
		{"freeze", "canonical", "a Dropout between two views hides that they are one"},
		{"freeze", "deadcode", "inputs that only training reads become unread"},
		{"canonical", "fold", "x+0 is gone before the zero could be folded into something larger"},
		{"canonical", "cse", "a+w and w+a are one only in one form"},
		{"fold", "cse", "two folded constants may be equal"},
		{"cse", "deadcode", "merging leaves dead nodes"},
		{"deadcode", "autodiff", "the gradient of a dead node would be work for nothing"},
		{"bind", "expand", "a decomposition must not meet a length that nothing bounds"},
		{"expand", "autodiff", "an op without a gradient of its own has that of its parts"},
		{"autodiff", "late-expand", "an op that decomposes may still have a better gradient whole"},
		{"autodiff", "late-canonical", "StopGradient may vanish only when it has stopped the gradient"},
		{"late-expand", "late-canonical", "a decomposition writes views and broadcasts without regard to its neighbours"},
		{"late-canonical", "late-fold", "x+0 is gone before the zero could be folded into something larger"},
		{"late-fold", "late-cse", "two folded constants may be equal"},
		{"late-cse", "late-deadcode", "merging leaves dead nodes"},
		{"late-canonical", "fuse", "the Transpose of a product must be one of its operands to go into the Gemm"},
		{"autodiff", "flatten", "the gradient of a product of higher rank is written with the axes that the user gave"},
		{"autodiff", "layout", "gradients are written for images as the user declared them"},
		{"late-cse", "layout", "an image that several read is turned once only when equal ones are one"},
		{"layout", "flatten", "a number for each channel is a row only where channels are the last axis"},
		{"layout", "features", "it is layout that turns images at a Flatten"},
		{"features", "flatten", "a Flatten is a view of images with their channels last only from then on"},
		{"features", "fuse", "a product, its bias and its Relu get their order one by one"},
		{"features", "bf16", "products are still those of parameters"},
		{"late-canonical", "flatten", "views that are left are those between ops, one each"},
		{"flatten", "fuse", "a bias, a Relu or a mask goes into a product of matrices only where no view is between"},
		{"late-cse", "fuse", "a value counts as read once only when equal readers are one"},
		{"autodiff", "fuse", "a fused op has no gradient; its parts have"},
		{"autodiff", "bf16", "the gradient is that of the products in FP32, its own products rounded like theirs"},
		{"late-cse", "bf16", "a value is rounded once, however many products read it, only when equal ones are one"},
		{"flatten", "bf16", "only products of matrices take operands in bf16"},
		{"fuse", "bf16", "a product takes its bias, its mask and its place in a chain with it"},
	}
}
