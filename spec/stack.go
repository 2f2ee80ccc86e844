package spec

import "fmt"

// Stack is a container divided for training layer by layer.
type Stack struct {
	Before []Layer // what comes before the first Dense layer, such as Flatten
	Stages []Stage // from the input on
}

// Stage is a Dense layer of a stack with what belongs to it.
type Stage struct {
	Name   string  // path of the Dense layer
	Mirror string  // path of the Dense or Tied layer that is its mirror image
	Encode []Layer // the Dense layer and what follows it, up to the next one
	Decode []Layer // its mirror image, then the activations of the stage before
}

// NameOf returns the name that a layer was given, "" if it has none.
func NameOf(l Layer) string {
	if isNil(l) || stateOf(l) == nil {
		return ""
	}
	return stateOf(l).name
}

// MirrorOf returns a stack's own mirror, tied or untied, for what needs a decoder
// that nobody declared. It is made at the first call, so that all who ask train
// the same one. Its name is the stack's with -mirror or -mirror-untied behind. The
// untied one starts with the biases of the tied one, if that was made before.
func MirrorOf(stack *SequentialLayer, tied bool) *MirrorLayer {
	if stack == nil || stack.st == nil {
		return Mirror("mirror", stack) // which tells the mistake when it is placed
	}
	if tied {
		if stack.tied == nil {
			stack.tied = Mirror(stack.st.name+"-mirror", stack).Tied()
		}
		return stack.tied
	}
	if stack.untied == nil {
		stack.untied = Mirror(stack.st.name+"-mirror-untied", stack)
		stack.untied.from = stack.tied
	}
	return stack.untied
}

// Divide cuts a stack into stages, each with its part of the stack's mirror. Both
// must have been placed. The layers are the stack's and the mirror's own: trained
// at another place they are trained there too.
//
// Errors, each an *Error: one of them was not placed, or with a mistake; the mirror
// is not of this stack; a layer is in it twice; Flatten or Reshape comes after a
// Dense layer.
func Divide(stack *SequentialLayer, mirror *MirrorLayer) (*Stack, error) {
	at := callers(0)
	refuse := func(format string, a ...any) (*Stack, error) {
		p := at.pos()
		e := &Error{Made: p.Made, From: p.From, Op: "stack", Rule: fmt.Sprintf(format, a...)}
		if stack != nil && stack.st != nil {
			e.Layer = stack.st.name
		}
		return nil, e
	}
	switch {
	case stack == nil || stack.st == nil || mirror == nil || mirror.st == nil:
		return refuse("a stack and its mirror are needed, made by spec.Sequential and spec.Mirror")
	case mirror.of != Layer(stack):
		return refuse("the mirror is one of another layer")
	case len(stack.st.places) == 0 || len(mirror.layers) == 0:
		return refuse("stack and mirror must have been placed")
	}
	mirror.st.sp.find().resolve()
	out := &Stack{}
	seen := map[*state]bool{}
	for _, l := range leaves(stack) {
		st := stateOf(l)
		if seen[st] {
			return refuse("the layer made at %s is in it twice, so it belongs to no single stage", st.made.pos())
		}
		seen[st] = true
		n := len(out.Stages)
		switch l := l.(type) {
		case *DenseLayer:
			s := Stage{Name: st.path, Encode: []Layer{l}}
			for _, m := range mirror.stages {
				if m.of == Layer(l) {
					s.Decode = append([]Layer{m.image}, m.before...)
					s.Mirror = stateOf(m.image).path
				}
			}
			out.Stages = append(out.Stages, s)
		case *FlattenLayer, *ReshapeLayer:
			if n > 0 {
				return refuse("%s comes after a Dense layer; a stack that is trained layer by layer has it before the first one", st.kind)
			}
			out.Before = append(out.Before, l)
		default:
			if n == 0 {
				out.Before = append(out.Before, l)
			} else {
				out.Stages[n-1].Encode = append(out.Stages[n-1].Encode, l)
			}
		}
	}
	return out, nil
}

// leaves returns the layers inside containers that are mirrored part by part.
func leaves(l Layer) (out []Layer) {
	n, ok := l.(nested)
	if !ok {
		return []Layer{l}
	}
	for _, p := range n.parts() {
		out = append(out, leaves(p)...)
	}
	return out
}
