package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ops"
)

// RBMs returns the machine of each Dense layer of a stack, from the input on. With the
// mirror's Tied layers they form a deep belief net (Hinton, Osindero and Teh 2006).
// Hidden units are bits where a Sigmoid follows the layer and linear where nothing does.
// The visible units of a machine are the hidden units of the machine below; those of the
// first are bits (see [Boltzmann.Gaussian]). Both stack and mirror must have been placed.
//
// Errors, each an *Error: those of [Divide]; the mirror is not tied; something other
// than one Sigmoid follows a layer; a layer follows a linear one.
func RBMs(stack *SequentialLayer, mirror *MirrorLayer) ([]*Boltzmann, error) {
	at := callers(0)
	parts, err := Divide(stack, mirror)
	if err != nil {
		return nil, err
	}
	refuse := func(layer, format string, a ...any) ([]*Boltzmann, error) {
		p := at.pos()
		return nil, &Error{Layer: layer, Made: p.Made, From: p.From, Op: "RBM", Rule: fmt.Sprintf(format, a...)}
	}
	if !mirror.tied {
		return refuse(NameOf(mirror), "an RBM's decoder has the transposed weights of its encoder, so the mirror must be Tied; to continue with weights of its own afterwards, see spec.Untie")
	}
	var out []*Boltzmann
	for k, s := range parts.Stages {
		hidden, isDense := s.Encode[0].(*DenseLayer)
		visible, isTied := s.Decode[0].(*TiedLayer)
		if !isDense || !isTied {
			return refuse(s.Name, "the stage begins with a layer of kind %s, but an RBM is one of a Dense layer; a stack of other layers is trained by pretrain.Greedy", stateOf(s.Encode[0]).kind)
		}
		m := RBM(hidden, visible)
		switch rest := s.Encode[1:]; {
		case len(rest) == 0:
			m = m.Linear()
			if k+1 < len(parts.Stages) {
				return refuse(parts.Stages[k+1].Name, "the units below it, of %s, are linear, so its visible units would be real numbers of any variance; put a Sigmoid behind that layer", s.Name)
			}
		case len(rest) > 1 || !isSigmoid(rest[0]):
			return refuse(s.Name, "%s follows it; the hidden units of an RBM are bits, with one Sigmoid after the Dense layer, or linear, with nothing after it", kinds(rest))
		}
		out = append(out, m)
	}
	if len(out) == 0 {
		return refuse(NameOf(stack), "the stack holds no layer with weights")
	}
	return out, nil
}

func isSigmoid(l Layer) bool {
	a, ok := l.(*ActivationLayer)
	return ok && a.op == (ops.Sigmoid{})
}

// kinds names layers.
func kinds(list []Layer) string {
	s := ""
	for i, l := range list {
		if i > 0 {
			s += " and "
		}
		s += stateOf(l).kind
	}
	return s
}

// RBMModel is the model of a single machine of bits: a stack of one Dense layer, with as
// many inputs as x and the given number of units, under the stack's name. For larger
// stacks see [RBMs].
func RBMModel(name string, x *Value, units int) *Model {
	stack := Sequential(name, Dense(units), Sigmoid())
	mirror := MirrorOf(stack, true)
	if v := whole(x, callers(0), "RBMModel").Then(stack, mirror); v.Err() != nil {
		return NewModel(name, MSE(v, v)) // which tells the mistakes
	}
	machines, err := RBMs(stack, mirror)
	if err != nil {
		return nil // there is no such stack
	}
	return NewModel(name, machines[0].Losses(x)...)
}
