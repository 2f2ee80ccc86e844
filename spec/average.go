package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// AverageLayer is a layer whose weights are the moving averages of another's, made by
// [Average].
type AverageLayer struct {
	Base
	of       Layer
	momentum float64
	schedule optim.Schedule
	share    *ir.Value // 1-momentum, nil if it is constant
}

// Average returns a layer that computes what the given layer computes, but with moving
// averages of its weights (He et al. 2020; Grill et al. 2020):
//
//	average = momentum·average + (1-momentum)·weight
//
// once per update, after it, starting from the initial weights. The averages are state:
// no gradient reaches them and no optimizer changes them, but gradients do reach the
// layer's input. If the layer has state, the average has its own copy. A [train.Result]
// ships an average like any other layer.
// Mistakes: the layer was not placed before, or has an average inside; momentum is not
// in [0, 1).
//
// [train.Result]: https://pkg.go.dev/github.com/lamina-ml/lamina/runtime/train#Result
func Average(of Layer, momentum float64) *AverageLayer {
	return &AverageLayer{Base: newBase("Average"), of: of, momentum: momentum}
}

// Named gives the layer a name.
func (l *AverageLayer) Named(name string) *AverageLayer { return Named(l, name) }

// Schedule multiplies 1-momentum by a schedule's factor: with [optim.Cosine] of 0 the
// momentum rises to 1 along half a cosine (Grill et al. 2020). The default is constant.
func (l *AverageLayer) Schedule(s optim.Schedule) *AverageLayer {
	return Option(l, "Schedule", func(l *AverageLayer) { l.schedule = s })
}

func (l *AverageLayer) args() string {
	if !(l.momentum >= 0 && l.momentum < 1) {
		return fmt.Sprintf("the momentum must be at least 0 and below 1, got %v", l.momentum)
	}
	return ""
}

// Build places the layer with the averages of its weights.
func (l *AverageLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if _, between := l.of.(*BetweenLayer); !between && !b.placed(l.of) { // which has its weights where it was taken from
		return bad()
	}
	if b.p.average() != nil {
		return b.Errorf("an average of an average is not possible: average the layer itself, with another momentum")
	}
	if l.schedule != nil {
		l.share = b.Scheduled("share", 1-l.momentum, l.schedule)
	}
	b.p.averages, b.p.twice = l, true // its layer may stand in the same chain
	return b.Layer(l.of, x...)
}

// within returns the path of a layer inside the average, nil being none.
func (l *AverageLayer) within(path string) string {
	if l == nil || path == l.st.path {
		return path
	}
	return l.st.path + "/" + path
}

// average returns the average that the place is inside of, nil for none.
func (p *placement) average() *AverageLayer {
	for ; p != nil; p = p.parent {
		if p.averages != nil {
			return p.averages
		}
	}
	return nil
}

// mean returns the average of a parameter that this layer has.
func (b *Builder) mean(of *AverageLayer, p *param) *ir.Value { return b.meanOf(of, p, b.p.st) }

// meanOf returns the average of a parameter under the path of a layer.
func (b *Builder) meanOf(of *AverageLayer, p *param, st *state) *ir.Value {
	s := b.sp.find()
	for _, x := range s.states {
		if x.of == of && x.like == p {
			return x.in
		}
	}
	v := s.own(&ir.Value{Type: p.v.Type, Kind: ir.StateValue})
	share := of.share
	if share == nil {
		share = b.Const(1 - of.momentum)
	}
	next := b.Op(ops.Lerp{}, v, p.v, share)
	s.states = append(s.states, &stateVar{in: v, next: next, when: ir.AfterUpdate, st: p.st, of: of, name: p.name, init: p.init, like: p})
	return v
}
