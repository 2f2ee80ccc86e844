package train

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

// separable returns why the gradient of a model's loss is not the sum of those of
// several parts of an update, nil if it is.
func separable(m *spec.Model, parts int) error {
	if parts <= 1 {
		return nil
	}
	g, err := m.Graph()
	if err != nil {
		return nil // told as the model's
	}
	for _, v := range g.Outputs {
		if v.Name == "loss" {
			return ir.Separable(g, v)
		}
	}
	return nil
}

// divisible returns why what a state becomes in an update cannot be had from several
// parts of it, nil if it can: it does not depend on the rows, or each part makes some
// of its elements.
func divisible(m *spec.Model, parts int) error {
	if parts <= 1 {
		return nil
	}
	g, err := m.Graph()
	if err != nil {
		return nil // told as the model's
	}
	of, _ := ir.Parts(g)
	for _, s := range g.State {
		switch p := of[s.Out]; {
		case p == ir.OfNothing || p == ir.OfParams || s.When == ir.AfterUpdate:
		case p == ir.OfSums && ir.ByParts(s.Out.Def.Op):
		default:
			return fmt.Errorf("the state %q depends on all rows of an update at once", s.In.Name)
		}
	}
	return nil
}
