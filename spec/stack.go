package spec

import (
	"fmt"
	"slices"
)

// Stack is a container divided for training layer by layer.
type Stack struct {
	Before []Layer // what comes before the first stage, such as Flatten
	Stages []Stage // from the input on
}

// Stage is a layer with weights and a mirror image, such as Dense, together with the
// layers that belong to it.
type Stage struct {
	Name   string  // path of that layer
	Mirror string  // path of its mirror image
	Encode []Layer // the layer and what follows it, up to the next stage
	Decode []Layer // the images of these, then of the activations of the stage before
	// Activations is the number of the latter, at the end of Decode.
	Activations int
}

// Encodes reports whether a parameter belongs to a layer of Encode.
func (s Stage) Encodes(p Param) bool { return owns(s.Encode, p) }

// Decodes reports whether a parameter belongs to a layer of Decode; the weights of a
// tied image belong to Encode.
func (s Stage) Decodes(p Param) bool { return owns(s.Decode, p) }

func owns(list []Layer, p Param) bool {
	var under func(ps []*placement) bool
	under = func(ps []*placement) bool {
		return slices.ContainsFunc(ps, func(q *placement) bool { return q.st == p.id.st || under(q.children) })
	}
	return p.id != nil && slices.ContainsFunc(list, func(l Layer) bool { return under(stateOf(l).places) })
}

// NameOf returns the name that a layer was given, or "" if it has none.
func NameOf(l Layer) string {
	if isNil(l) || stateOf(l) == nil {
		return ""
	}
	return stateOf(l).name
}

// MirrorOf returns a stack's own mirror, tied or untied, for code that needs a decoder
// that nobody declared. It is made at the first call, so that all callers train the
// same one. Its name is the stack's followed by -mirror or -mirror-untied. The untied
// one starts with the biases of the tied one, if that was made before.
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

// Divide cuts a stack into stages, each with its part of the stack's mirror. Each layer
// that has weights and is undone by its image (see [UndoneBy]) begins a stage. Layers
// directly before it that have no weights but must be undone, such as Flatten, belong to
// the same stage. Both stack and mirror must have been placed. The stages hold the
// stack's and the mirror's own layers, so training a stage trains these everywhere.
//
// Errors, each an *Error: stack or mirror was not placed, or was placed with a mistake;
// the mirror is not of this stack; a layer is in it twice.
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
	var open []reflection // what the next stage begins with
	var acts []Layer      // images of the last stage's activations
	for _, r := range mirror.line {
		st := stateOf(r.of)
		if seen[st] {
			return refuse("the layer made at %s is in it twice, so it belongs to no single stage", st.made.pos())
		}
		seen[st] = true
		n := len(out.Stages)
		switch {
		case r.role == undone && st.weights:
			s := Stage{Name: st.path, Mirror: stateOf(r.image).path}
			if n == 0 {
				out.Before, acts = originals(open), nil
				if k := toLastUndone(open); k > 0 {
					_, acts = reversed(open[k:])
				}
				open = nil
			}
			open = append(open, r)
			images, _ := reversed(open)
			s.Encode, s.Decode, s.Activations = originals(open), append(images, acts...), len(acts)
			out.Stages = append(out.Stages, s)
			open, acts = nil, nil
		case n == 0 || len(open) > 0 || r.role == undone:
			open = append(open, r)
		default:
			out.Stages[n-1].Encode = append(out.Stages[n-1].Encode, r.of)
			if r.role == repeated {
				acts = append(acts, r.image)
			}
		}
	}
	switch n := len(out.Stages); {
	case n == 0:
		out.Before = originals(open)
	case len(open) > 0:
		// No stage follows, so it ends the last one.
		s := &out.Stages[n-1]
		images, _ := reversed(open[:toLastUndone(open)])
		s.Encode = append(s.Encode, originals(open)...)
		s.Decode = append(append(images, acts...), s.Decode...)
	}
	return out, nil
}

func originals(list []reflection) (out []Layer) {
	for _, r := range list {
		out = append(out, r.of)
	}
	return out
}
