package spec

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
)

// State describes a state variable apart from its elements: a value that a training
// changes once per update and that no gradient reaches.
type State struct {
	Name string // path of the layer and the state's name
	Type ir.Type
	Init Init

	id *stateVar
}

// Same reports whether both are one variable of one declaration, rather than just two
// with the same name.
func (s State) Same(q State) bool { return s.id != nil && q.id != nil && s.id.first() == q.id.first() }

// Running reports whether the variable holds running statistics of a layer's inputs, as
// in [BatchNorm]: they belong to the layer's weights and go wherever these go.
func (s State) Running() bool { return s.id != nil && (len(s.id.beside) > 0 || s.id.running) }

// Like returns the parameter whose value the variable starts from, if it is an average of one.
func (s State) Like() (Param, bool) {
	if s.id == nil || s.id.like == nil {
		return Param{}, false
	}
	return s.id.like.known(), true
}

// Initial returns the elements at the start of a run with the given root key.
func (s State) Initial(root random.Key) []float32 {
	if p, ok := s.Like(); ok {
		return p.Initial(root)
	}
	shape := s.Type.Shape.Lengths()
	dst := make([]float32, ir.Elems(shape))
	s.Init.Fill(root.DeriveString("state").DeriveString(s.Name), shape, dst)
	return dst
}

// stateVar is a state variable of a layer.
type stateVar struct {
	in, next *ir.Value
	when     ir.Moment
	st       *state
	of       *AverageLayer // in which the layer stands, nil for none
	name     string
	init     Init
	like     *param // of which it is the average
	schedule *schedule
	again    *stateVar // which this is, of a text that was read before
	beside   []follower
	running  bool     // of a text that says so
	fit      *fitting // before the first update, nil if it is not
}

// first returns the variable that this is.
func (v *stateVar) first() *stateVar {
	if v.again != nil {
		return v.again
	}
	return v
}

// follower is a next value of a state variable in models that depend on what was made
// beside it.
type follower struct {
	next, beside *ir.Value
	at           site
	onWay        bool // its rows are points of integrated gradients, so it ships and is not trained
}

// followers returns those of a variable that are there where need is.
func (v *stateVar) followers(need map[*ir.Value]bool) (all []follower) {
	for _, f := range v.beside {
		if need[f.beside] {
			all = append(all, f)
		}
	}
	return all
}

// follows sets the value that a state variable of this layer has from the next update on
// in models that depend on beside: at each place of the layer another one.
func (b *Builder) follows(st, next, beside *ir.Value) {
	if b.failed || isBad(next) {
		return
	}
	for _, x := range b.sp.find().states {
		if x.in == st {
			x.beside = append(x.beside, follower{next: next, beside: beside, at: b.p.at})
		}
	}
}

// oneFollower refuses a model in which a variable would have to follow two places.
func (s *space) oneFollower(need map[*ir.Value]bool) {
	for _, x := range s.states {
		all := x.followers(need)
		for _, f := range all {
			if f.onWay {
				s.fail(&mistake{st: x.st, at: f.at, placed: f.at, rule: text("its statistics would be those of points on the way of integrated gradients, not of the rows"),
					hint: "integrated gradients through it ship, where it has its running statistics: leave them out of the losses"})
				return
			}
		}
		if len(all) > 1 {
			s.fail(&mistake{st: x.st, at: all[1].at, placed: all[1].at, rule: text("a model has it at two places, also at %s, and its running statistics can be those of one", all[0].at.pos().Made),
				hint: "place it once, and use the value there for both; or make another layer for the second place; or take GroupNorm, which has no running statistics"})
			return
		}
	}
}

// path returns the variable's name in a graph.
func (v *stateVar) path() string {
	if v.name == "" {
		return v.st.path // a value of its own
	}
	return v.of.within(v.st.path) + "/" + v.name
}

// State returns the layer's state variable with the given name, an f32 with the given
// lengths: a new one at the first place of the layer, the same one at every other.
// Lengths must be positive. Becomes sets its next value; without that it never changes.
// No state changes in evaluations and in what ships. Inside an [Average] a layer has
// state of its own.
func (b *Builder) State(name string, init Init, dims ...int) *ir.Value {
	if b.failed {
		return bad()
	}
	if rule := checkName(name); rule != "" {
		return b.Errorf("state: %s", rule)
	}
	s := b.sp.find()
	want := ir.T(ir.F32, ir.ShapeOf(dims...)...)
	for _, x := range s.states {
		if x.st != b.p.st || x.name != name || x.of != b.p.average() || x.like != nil {
			continue
		}
		if !x.in.Type.Equal(want) {
			return b.Errorf("state %q is %s, but %s is needed here", name, x.in.Type, want)
		}
		return x.in
	}
	if rule := checkOwned(dims); rule != "" {
		return b.Errorf("state %q: %s", name, rule)
	}
	if rule := checkInit(init); rule != "" {
		return b.Errorf("state %q: %s", name, rule)
	}
	v := s.own(&ir.Value{Type: want, Kind: ir.StateValue})
	s.states = append(s.states, &stateVar{in: v, st: b.p.st, of: b.p.average(), name: name, init: init})
	return v
}

// Becomes sets the value that a state variable of this layer has from the next update
// on: next, as the run computes it from the rows and from the parameters before the
// update. Mistakes: it is not from State, is already set, or has another type.
func (b *Builder) Becomes(st, next *ir.Value) { b.becomes(st, next, ir.EachStep) }

// BecomesAfter is like Becomes, for a value that depends on parameters and state alone:
// it is computed from the parameters as the update leaves them.
func (b *Builder) BecomesAfter(st, next *ir.Value) { b.becomes(st, next, ir.AfterUpdate) }

func (b *Builder) becomes(st, next *ir.Value, when ir.Moment) {
	if b.failed || isBad(st) || isBad(next) {
		return
	}
	for _, x := range b.sp.find().states {
		switch {
		case x.in != st:
		case x.schedule != nil:
			b.Errorf("state %q follows a schedule, so nothing else can become of it", x.name)
			return
		case x.fit != nil:
			b.Errorf("state %q is fitted before the first update, so nothing else can become of it", x.name)
			return
		case next.Kind == ir.StateValue:
			b.Errorf("state %q: its next value must be computed, not an unchanged state variable", x.name)
			return
		case x.next != nil:
			b.Errorf("state %q is given a next value twice", x.name)
			return
		case !x.in.Type.Equal(next.Type):
			b.Errorf("state %q is %s, its next value %s", x.name, x.in.Type, next.Type)
			return
		default:
			x.next, x.when = next, when
			return
		}
	}
	b.Errorf("Becomes: the value is not a state variable")
}

// withStates returns the values that the roots depend on, and what the state
// variables among them become.
func (s *space) withStates(roots []*ir.Value) map[*ir.Value]bool {
	for {
		need := ir.Above(roots...)
		n := len(roots)
		for _, x := range s.states {
			if need[x.in] && x.next != nil && !need[x.next] {
				roots = append(roots, x.next)
			}
			for _, f := range x.followers(need) {
				if !need[f.next] {
					roots = append(roots, f.next)
				}
			}
		}
		if len(roots) == n {
			return need
		}
	}
}

// enter appends the state variables that are needed; what they become follows when
// the nodes are there.
func (x *extract) enter() {
	for _, v := range x.s.states {
		if x.need[v.in] {
			name := x.unique(v.path())
			in := x.copy(v.in, name)
			x.g.State = append(x.g.State, ir.StateVar{In: in, Out: in, When: v.when})
			x.states = append(x.states, State{Name: name, Type: in.Type, Init: v.init, id: v})
		}
	}
}

func (x *extract) become() {
	i := 0
	for _, v := range x.s.states {
		if !x.need[v.in] {
			continue
		}
		next := v.next
		for _, f := range v.followers(x.need) {
			next = f.next
		}
		if next != nil {
			x.g.State[i].Out = x.operand(next)
		}
		i++
	}
}

// States returns the model's state variables in the order of the graph, and none after
// a mistake.
func (m *Model) States() []State {
	if m == nil {
		return nil
	}
	return append([]State{}, m.states...)
}
