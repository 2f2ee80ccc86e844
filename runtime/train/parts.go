package train

import (
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
