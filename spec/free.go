package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Free makes the length of the first axis after the batch free:
// Input("x", 128, 64).Free("T") is f32[N T 64], where T is from 1 to 128 and is only
// known when the model runs. Inputs with the same name for a length have the same length
// in a run. The name is also used in an exported file. Dropout and noise number the
// elements of a value by the capacity, so a shorter sequence gets the masks of a longer
// one.
//
// Call Free right after declaring the input, before a layer reads it. Mistakes: the value
// is not an input, has no such axis or was already read; the name is N, which is the
// batch, or is not a letter followed by letters and digits; another input gives the name
// another capacity; a model has more than six free lengths.
// capacity; a model has more than six free lengths.
func (v *Value) Free(name string) *Value {
	at := callers(0)
	v = whole(v, at, "Free")
	if isBad(v.v) {
		return v
	}
	s := v.sp.find()
	in, rule := s.freed(v.v, name)
	if rule != "" {
		s.fail(&mistake{at: at, made: at, op: text("Free"), rule: text("%s", rule)})
		return &Value{sp: s, v: bad()}
	}
	free := *in
	free.free, free.most, free.freeAt = name, in.v.Type.Shape[1].Length(), at
	shape := in.v.Type.Shape.Clone()
	shape[1] = ir.Of(name)
	free.v = s.own(&ir.Value{Type: ir.Type{DType: in.v.Type.DType, Shape: shape}, Kind: ir.InputValue})
	s.inputs = append(s.inputs, &free)
	s.agree()
	out := *v
	out.sp, out.v = s, free.v
	if out.name != "" {
		s.taps = append(s.taps, &tap{name: out.name, v: out.v, in: &out, at: out.at})
	}
	return &out
}

// freed returns the input whose length may become free, or the rule it breaks.
func (s *space) freed(v *ir.Value, name string) (*input, string) {
	var in *input
	for _, x := range s.inputs {
		if x.v == v {
			in = x
		}
	}
	if in == nil {
		return nil, fmt.Sprintf("only an input has a length that may be free, got a value that a layer made, %s", v.Type)
	}
	switch {
	case in.free != "":
		return nil, fmt.Sprintf("axis 0 of input %q is free already: its length is %s", in.name, in.free)
	case !v.Type.Shape.RowWise():
		return nil, fmt.Sprintf("input %q is %s: it is given without rows, and lengths are free within a row", in.name, v.Type)
	case v.Type.Rank() < 2:
		return nil, fmt.Sprintf("input %q is %s: it has no axis besides the batch whose length could be free", in.name, v.Type)
	case name == ir.Batch:
		return nil, fmt.Sprintf("%s is the name of the batch's length; choose another, as T", name)
	case len(name) > maxLengthName || !ir.Of(name).Valid():
		return nil, fmt.Sprintf("the name of a length is a letter, then letters and digits, at most %d of them, got %q", maxLengthName, name)
	}
	if in.read != nil {
		return nil, fmt.Sprintf("input %q was read before, at %s; write Free right behind the input", in.name, in.read.pos().Made)
	}
	return in, ""
}

// maxLengthName is the greatest length of a length's name, in bytes.
const maxLengthName = 40

// agree records a mistake if two inputs give one length two capacities, or if there
// are too many lengths.
func (s *space) agree() {
	first := map[string]*input{}
	for _, in := range s.inputs {
		old := first[in.free]
		switch {
		case in.free == "":
		case old == nil:
			first[in.free] = in
			if len(first) == ir.MaxFree+1 {
				s.mistakes = append(s.mistakes, &mistake{at: in.freeAt, made: in.freeAt, op: text("Free"),
					rule: text("%s is one free length too many; at most %d are possible", in.free, ir.MaxFree)})
			}
		case old.most != in.most:
			s.mistakes = append(s.mistakes, &mistake{at: in.freeAt, made: in.freeAt, op: text("Free"),
				rule: func() string {
					return fmt.Sprintf("%s has the capacity %d in input %q, but %d in input %q at %s", in.free, in.most, in.name, old.most, old.name, old.freeAt.pos().Made)
				}})
		}
	}
}

// capacity returns the capacity of the lengths of the inputs that are needed.
func (s *space) capacity(need map[*ir.Value]bool) ir.Binding {
	var b ir.Binding
	for _, in := range s.inputs {
		if in.free != "" && need[in.v] {
			b = b.With(in.free, in.most)
		}
	}
	return b
}
