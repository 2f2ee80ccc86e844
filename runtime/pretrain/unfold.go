package pretrain

import (
	"slices"

	"github.com/lamina-ml/lamina/spec"
)

// sources says where the parameters of an unfolded decoder start from. It looks for
// the tied mirror that a phase before trained.
func (s *StackPhase) sources(p *Program, untied *spec.Stack, m *spec.Model) (map[string]source, bool) {
	var known []spec.Param
	var tied *spec.Stack
	for i := range p.list {
		st := &p.list[i]
		if st.stack != s.stack {
			continue
		}
		known = append(known, st.model.Params()...)
		if stack, err := spec.Divide(s.stack, st.mirror); err == nil && isTied(stack) {
			tied = stack
		}
	}
	if tied == nil {
		p.fail("EndToEnd: Unfold: no phase before it trained tied decoders of this stack; put RBM or Greedy there, or write Untied")
		return nil, false
	}
	if isTied(untied) {
		p.fail("EndToEnd: Unfold: the decoder is tied, so it has no weights of its own; leave Unfold out, or Tied of the mirror")
		return nil, false
	}
	out := map[string]source{}
	set := func(to, from string, transposed bool) {
		own := slices.ContainsFunc(m.Params(), func(q spec.Param) bool { return q.Name == to })
		i := slices.IndexFunc(known, func(q spec.Param) bool { return q.Name == from })
		if own && i >= 0 {
			out[to] = source{known[i], transposed}
		}
	}
	for k, stage := range untied.Stages {
		set(stage.Mirror+"/w", stage.Name+"/w", true)
		set(stage.Mirror+"/b", tied.Stages[k].Mirror+"/b", false)
	}
	return out, true
}

// isTied reports whether a stack's mirror has the stack's weights.
func isTied(s *spec.Stack) bool {
	for _, stage := range s.Stages {
		if len(stage.Decode) == 0 {
			return false
		}
		if _, ok := stage.Decode[0].(*spec.TiedLayer); !ok {
			return false
		}
	}
	return len(s.Stages) > 0
}

// unfolded returns what a parameter starts from, a copy of its own.
func (r *run) unfolded(from source) ([]float32, bool) {
	w, ok := r.value(from.of)
	if !ok || !from.transposed {
		return w, ok
	}
	shape := from.of.Type.Shape.Bind(1)
	out := make([]float32, len(w))
	for i := range shape[0] {
		for j := range shape[1] {
			out[j*shape[0]+i] = w[i*shape[1]+j]
		}
	}
	return out, true
}
