package randgraph

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
)

// Dice draws numbers in order.
type Dice struct {
	key random.Key
	i   uint64
}

// NewDice returns the dice of a seed.
func NewDice(seed uint64) *Dice { return &Dice{key: random.New(seed).DeriveString("compiler test")} }

// N returns a number from 0 to n-1.
func (d *Dice) N(n int) int {
	d.i++
	return int(d.key.Uint64N(d.i, uint64(n)))
}

// Smaller returns lengths from 1 to those of a capacity.
func Smaller(d *Dice, at ir.Binding) ir.Binding {
	b := at
	for _, name := range append([]string{ir.Batch}, at.Free()...) {
		n, _ := at.Of(name)
		switch d.N(4) {
		case 0:
			b = b.With(name, 1)
		case 1, 2:
			b = b.With(name, 1+d.N(n))
		}
	}
	return b
}

// Feed returns tensors for the inputs and parameters of a graph, by name: floats are
// normal with a deviation of 0.5, in float64, other elements 0 or 1.
func Feed(g *ir.Graph, env *ir.Env, seed uint64) map[string]*ir.Tensor {
	in := map[string]*ir.Tensor{}
	for _, v := range append(append([]*ir.Value{}, g.Inputs...), g.Params...) {
		key := random.New(seed).DeriveString(v.Name)
		t := ir.NewTensor(v.Type.DType.Reference(), env.Bind(v.Type.Shape)...)
		for i := range t.Len() {
			switch t.DType {
			case ir.F64:
				t.F64[i] = 0.5 * key.Normal(uint64(i))
			case ir.I64:
				t.I64[i] = int64(key.Uint64N(uint64(i), 2))
			case ir.Bool:
				t.Bool[i] = key.Uint64N(uint64(i), 2) == 1
			default:
				t.SetInt(i, int64(key.Uint64N(uint64(i), 2)))
			}
		}
		in[v.Name] = t
	}
	return in
}
