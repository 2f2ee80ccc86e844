package pretrain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// steps declares the models of the stages.
func (s *StackPhase) steps(p *Program) []step {
	kind := "EndToEnd"
	if s != nil && s.greedy {
		kind = "Greedy"
	}
	switch {
	case s == nil:
		p.fail("a phase over a stack is nil")
		return nil
	case s.x == nil || s.stack == nil:
		p.fail("%s: the value and the stack must not be nil", kind)
		return nil
	case s.corrupt && s.noise == nil:
		p.fail("%s: Corrupt: the noise is nil", kind)
		return nil
	case s.loss == nil:
		p.fail("%s: Loss: the function is nil", kind)
		return nil
	case s.weighs && s.noise == nil:
		p.fail("%s: Emphasis needs Corrupt: without noise no element is corrupted", kind)
		return nil
	case slices.ContainsFunc(s.penalty, func(f func(*spec.Value) *spec.Loss) bool { return f == nil }):
		p.fail("%s: Penalty: the function is nil", kind)
		return nil
	case s.greedy && len(s.opt.Freeze) > 0:
		p.fail("Greedy: Options.Freeze is %q, but a stage trains one layer; leave it out", s.opt.Freeze)
		return nil
	case len(s.opt.Metrics) > 0 && s.greedy:
		p.fail("Greedy: Options.Metrics must be empty: the rows of a stage are codes")
		return nil
	case len(s.opt.InitFrom) > 0 && s.greedy:
		p.fail("Greedy: Options.InitFrom must be empty; put a Fit or EndToEnd that has it before")
		return nil
	}
	code := s.x.Then(s.stack)
	if p.add(code.Err()) {
		return nil
	}
	mirror := s.decoder
	if mirror == nil {
		mirror = spec.MirrorOf(s.stack, !s.untied)
	} else if s.untied {
		p.fail("%s: Untied and Decoder: whether it is tied is the decoder's", kind)
		return nil
	}
	if p.add(code.Then(mirror).Err()) {
		return nil
	}
	stack, err := spec.Divide(s.stack, mirror)
	if p.add(err) {
		return nil
	}
	if len(stack.Stages) == 0 {
		p.fail("%s: the stack holds no layer with weights that has a mirror image, such as spec.Dense", kind)
		return nil
	}
	if !s.greedy {
		return s.whole(p, stack, mirror)
	}
	return s.stages(p, stack)
}

// whole declares the autoencoder of the whole stack.
func (s *StackPhase) whole(p *Program, stack *spec.Stack, mirror *spec.MirrorLayer) []step {
	in := s.x
	if s.noise != nil {
		in = in.Then(s.noise)
	}
	code := in.Then(s.stack)
	m := spec.NewModel(spec.NameOf(s.stack)+"-endtoend", s.losses(code.Then(mirror), s.x, in, code)...)
	if p.add(m.Err()) || !p.isNoise(s.x, s.noise) {
		return nil
	}
	st := step{name: m.Name(), model: m, rows: s.rows, opt: s.opt, layers: tops(m, s.opt.Freeze), extra: extras(m)}
	if s.cross {
		st.unit = inputOf(s.x)
		if st.unit == "" {
			p.fail("EndToEnd: CrossEntropy: x must be an input, so that its values can be looked at")
		}
	}
	return []step{st}
}

// stages declares the autoencoder of each stage on the codes below it.
func (s *StackPhase) stages(p *Program, stack *spec.Stack) (out []step) {
	below := s.x.Then(stack.Before...)
	name := spec.NameOf(s.stack)
	var under []string
	for k, stage := range stack.Stages {
		st := step{name: fmt.Sprintf("%s-stage%d", name, k+1), rows: s.rows, opt: s.opt, below: below, column: "code", under: slices.Clone(under)}
		if in := inputOf(below); in != "" {
			st.below, st.column = nil, in
		}
		t := below.Type()
		if t.DType != ir.F32 || !t.Shape.RowWise() || t.Shape[1:].Symbolic() {
			p.fail("Greedy: stage %d: its input must be f32[N …], got %s", k+1, t)
			return nil
		}
		clean := spec.Input(st.column, t.Shape[1:].Lengths()...)
		in := clean
		if s.noise != nil {
			in = in.Then(s.noise)
		}
		decode := stage.Decode
		if s.cross {
			decode = decode[:len(decode)-stage.Activations]
			switch {
			case st.below == nil:
				st.unit = st.column
			case k == 0:
				p.fail("Greedy: CrossEntropy: x must be an input, so that its values can be looked at")
				return nil
			case !endsInSigmoid(below):
				p.fail("Greedy: CrossEntropy: the target of stage %d is the code of %s, which does not end in a Sigmoid, so it may be outside [0, 1]; put a spec.Sigmoid() there, or leave CrossEntropy out",
					k+1, stack.Stages[k-1].Name)
				return nil
			}
		}
		code := in.Then(stage.Encode...)
		m := spec.NewModel(st.name, s.losses(code.Then(decode...), clean, in, code)...)
		if p.add(m.Err()) || !p.isNoise(clean, s.noise) {
			return nil
		}
		layers := []string{stage.Name}
		if stage.Mirror != "" {
			layers = append(layers, stage.Mirror)
		}
		under = append(under, stage.Name)
		for _, q := range m.Params() {
			encodes := stage.Encodes(q)
			if !encodes && !stage.Decodes(q) {
				p.fail("Greedy: stage %d would also train %q, which belongs to neither %s nor its mirror: a loss has no weights", k+1, q.Name, stage.Name)
				return nil
			}
			layers = withLayer(layers, q.Layer)
			if encodes {
				under = withLayer(under, q.Layer)
			}
		}
		st.model, st.extra, st.layers = m, extras(m), strings.Join(layers, ", ")
		out = append(out, st)
		below = below.Then(stage.Encode...)
	}
	return out
}

// withLayer adds the path of a layer to those of others, unless one of them is it or
// is around it.
func withLayer(list []string, path string) []string {
	if slices.ContainsFunc(list, func(p string) bool { return optim.Match(p, path) }) {
		return list
	}
	return append(list, path)
}

// losses are that of the reconstruction y, weighed as the noise that made in of x
// says, and those of the code.
func (s *StackPhase) losses(y, x, in, code *spec.Value) []*spec.Loss {
	l := s.loss(y, x)
	if s.weighs {
		l = l.Emphasis(in, s.alpha, s.beta)
	}
	out := []*spec.Loss{l}
	for _, f := range s.penalty {
		out = append(out, f(code))
	}
	return out
}

// extras names the losses of a model after the first, without their numbers.
func extras(m *spec.Model) (kinds []string) {
	g, err := m.Graph()
	if err != nil {
		return nil
	}
	first := true
	for _, v := range g.Outputs {
		kind, ok := strings.CutPrefix(v.Name, "loss/")
		if !ok {
			continue
		}
		if !first {
			kinds = append(kinds, strings.TrimRight(kind, "0123456789"))
		}
		first = false
	}
	return kinds
}

// isNoise refuses a corruption that would also ship, or has weights. The noise has
// been placed beside the stack: its name is one among the stack's.
func (p *Program) isNoise(x *spec.Value, noise spec.Layer) bool {
	if noise == nil {
		return true
	}
	t := x.Type()
	var dims []int
	for _, d := range t.Shape[1:] {
		dims = append(dims, d.Least()) // whatever a free length is
	}
	in := spec.Input("x", dims...)
	v := in.Then(noise)
	g, params, err := spec.GraphOf("noise", v)
	if p.add(err) {
		return false
	}
	for _, n := range g.Nodes {
		if !ir.TrainingOnly(n.Op) && n.Op != (ops.Identity{}) {
			p.fail("Corrupt takes a noise, which exists in training only, such as spec.MaskingNoise(0.25); the layer given computes %s", n.Op.Name())
			return false
		}
	}
	if len(params) > 0 || !v.Type().Equal(in.Type()) {
		p.fail("Corrupt takes a noise, which keeps the type of its input, %s, and has no weights", t)
		return false
	}
	return true
}

// inputOf returns the name of the input that v is, "" if it is computed.
func inputOf(v *spec.Value) string {
	g, _, err := spec.GraphOf("x", v)
	if err != nil {
		return ""
	}
	out := g.Outputs[0]
	for out.Def != nil && out.Def.Op == (ops.Identity{}) {
		out = out.Def.In[0]
	}
	if out.Kind != ir.InputValue {
		return ""
	}
	return out.Name
}

// endsInSigmoid reports whether v, as it ships, is the result of a Sigmoid.
func endsInSigmoid(v *spec.Value) bool {
	g, _, err := spec.GraphOf("x", v)
	if err != nil {
		return false
	}
	n := g.Outputs[0].Def
	for n != nil && (n.Op == (ops.Identity{}) || ir.TrainingOnly(n.Op)) {
		n = n.In[0].Def
	}
	return n != nil && n.Op == (ops.Sigmoid{})
}

// tops returns the outermost layers that a model trains, in order.
func tops(m *spec.Model, freeze []string) string {
	var names []string
	for _, q := range m.Params() {
		top, _, _ := strings.Cut(q.Layer, "/")
		frozen := slices.ContainsFunc(freeze, func(pattern string) bool { return optim.Match(pattern, q.Name) })
		if !frozen && !slices.Contains(names, top) {
			names = append(names, top)
		}
	}
	return strings.Join(names, ", ")
}
