package spectest

import (
	"maps"
	"math"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
)

const (
	gradientRows = 3
	// probes bounds the elements of one parameter that are looked at.
	probes = 64
)

// gradient compares the gradient of the model with central differences of the
// model as declared, in float64.
func (s *subject) gradient() {
	s.Helper()
	g, err := s.model.Graph()
	if err != nil {
		s.Error(err)
		return
	}
	if g, err = compiler.Plain(g, false); err != nil { // what the reference can evaluate
		s.Errorf("gradient: %v", err)
		return
	}
	d, err := compiler.Gradient(g, "loss")
	if err != nil {
		s.Errorf("gradient: %v", err)
		return
	}
	env := &ir.Env{Binding: ir.RowsOf(gradientRows), UpdateRows: gradientRows, Seed: 11, Update: 1}
	in := s.tensors(gradientRows)
	key := random.New(12)
	for i, p := range s.model.Params() {
		start := p.Initial(key.Derive(uint64(i)))
		x := ir.NewTensor(ir.F64, p.Type.Shape.Lengths()...)
		for j := range x.F64 {
			// Zeros would hide what only shows beside them.
			x.F64[j] = float64(start[j]) + 0.1*key.Derive(uint64(i), 1).Normal(uint64(j))
		}
		in[p.Name] = x
	}
	feedStates(in, g, s.model.States())
	got, err := ir.Evaluate(d, env, in)
	if err != nil {
		s.Errorf("gradient: %v", err)
		return
	}
	still, in, err := stopped(g, env, in)
	if err != nil {
		s.Errorf("gradient: %v", err)
		return
	}
	output := outputs(d)
	value := got[output["loss"]].F64[0]
	if math.IsNaN(value) || math.IsInf(value, 0) {
		s.Errorf("the loss is %v for ordinary inputs", value)
		return
	}
	lossOf := outputs(still)["loss"]
	loss := func(x *float64, at float64) float64 {
		old := *x
		*x = at
		defer func() { *x = old }()
		vals, err := ir.Evaluate(still, env, in)
		if err != nil {
			return math.NaN()
		}
		return vals[lossOf].F64[0]
	}
	for _, p := range g.Params {
		w, grad := in[p.Name].F64, got[output["grad/"+p.Name]].F64
		largest := 0.0
		for _, x := range grad {
			largest = max(largest, math.Abs(x))
		}
		checked, kinks := 0, 0
		for i := 0; i < len(w); i += max(1, len(w)/probes) {
			slope := func(h float64) float64 { return (loss(&w[i], w[i]+h) - loss(&w[i], w[i]-h)) / (2 * h) }
			wide, want := slope(1e-4), slope(1e-5)
			if math.Abs(wide-want) > 1e-5*(1+math.Abs(want)) {
				kinks++ // one is between the points
				continue
			}
			checked++
			bound := 1e-6*(math.Abs(want)+largest) + 1e-9*(1+math.Abs(value))
			if !(math.Abs(grad[i]-want) <= bound) {
				s.Errorf("the gradient of %s[%d] is %v, by differences %v", p.Name, i, grad[i], want)
				break
			}
		}
		if kinks > checked {
			s.Errorf("the loss is not smooth in %s: differences with steps of 1e-4 and 1e-5 disagree at %d of %d elements", p.Name, kinks, kinks+checked)
		}
	}
}

// stopped returns g with the result of each StopGradient as an input, and the
// inputs with its value: what the gradient takes for constant is constant.
func stopped(g *ir.Graph, env *ir.Env, in map[string]*ir.Tensor) (*ir.Graph, map[string]*ir.Tensor, error) {
	vals, err := ir.Evaluate(g, env, in)
	if err != nil {
		return nil, nil, err
	}
	in = maps.Clone(in)
	h, to := g.Clone()
	b := ir.Extend(h)
	for _, n := range g.Nodes {
		if !ir.StopsGradient(n.Op) {
			continue
		}
		for _, v := range n.Out {
			fixed := b.Input("stopped", v.Type)
			in[fixed.Name] = vals[v]
			h.Replace(to[v], fixed)
		}
	}
	return h, in, nil
}

func outputs(g *ir.Graph) map[string]*ir.Value {
	m := map[string]*ir.Value{}
	for _, v := range g.Outputs {
		m[v.Name] = v
	}
	return m
}
