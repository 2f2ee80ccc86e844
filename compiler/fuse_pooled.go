package compiler

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// sumPooled sums the gradient of a max pool over the pixels of each image, as for the bias of
// the convolution before it, where it comes from: at the places of the window. Each place gives
// its dy to one pixel, whichever that is, and where a rectifier stands between, only if what won,
// which the pool made, is positive. There are fewer places than pixels, most of which get 0. The
// sum has another order than that over pixels, so its last bits may differ.
func sumPooled(g *ir.Graph) error {
	type pooled struct {
		x  *ir.Value
		op ops.MaxPoolLast
	}
	made := map[pooled]*ir.Value{}
	_, err := rewrite(g, func(b *ir.Builder, n *ir.Node) []*ir.Value {
		if op, ok := n.Op.(ops.MaxPoolLast); ok {
			made[pooled{n.In[0], op}] = n.Out[0]
		}
		sum, ok := n.Op.(ops.ReduceSum)
		if !ok || n.In[0].Def == nil || sum != (ops.ReduceSum{Axes: ops.PixelAxes(n.In[0].Type)}) {
			return nil
		}
		grad := n.In[0].Def
		op, ok := grad.Op.(ops.MaxPoolGradLast)
		if !ok {
			return nil
		}
		if !op.Relu {
			return []*ir.Value{b.Op(sum, grad.In[1])}
		}
		y := made[pooled{grad.In[0], ops.MaxPoolLast{Kernel: op.Kernel, Strides: op.Strides, Dilations: op.Dilations, Pads: op.Pads}}]
		if y == nil {
			return nil
		}
		return []*ir.Value{b.Op(ops.ReluGradSums{}, grad.In[1], y)}
	})
	if err == nil {
		sweep(g)
	}
	return err
}
