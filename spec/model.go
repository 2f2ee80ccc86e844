package spec

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// Model is a name and losses. What it computes is fixed when it is made; values
// declared later with the same layers do not change it.
type Model struct {
	name   string
	sp     *space
	made   site
	taps   map[string]*Value
	graph  *ir.Graph
	params []Param
	states []State
	unit   []string     // inputs whose values must be in [0, 1]
	weigh  []string     // inputs whose values must be at least 0
	places []*placement // in the order of the summary
	kept   map[*ir.Value]*ir.Value
}

// NewModel makes a model of losses, whose weighted sum is minimised. Mistakes: there is
// no loss, one is nil or given twice, an input or a tap has the name of another; and all
// mistakes declared before.
func NewModel(name string, losses ...*Loss) *Model { return newModel(callers(0), name, losses) }

func newModel(at site, name string, losses []*Loss) *Model {
	m := &Model{name: name, made: at, taps: map[string]*Value{}}
	for _, l := range losses {
		if l != nil && l.sp != nil {
			m.sp = union(m.sp, l.sp)
		}
	}
	m.sp = union(m.sp, nil)
	whole := true
	fail := func(format string, a ...any) {
		whole = false
		m.sp.fail(&mistake{at: at, made: at, op: text("model %q", name), rule: text(format, a...)})
	}
	if rule := checkName(name); rule != "" {
		fail("%s", rule)
	}
	if len(losses) == 0 {
		fail("a model needs at least one loss")
	}
	seen := map[*state]bool{}
	var good []*Loss
	for i, l := range losses {
		switch {
		case l == nil:
			fail("loss %d of %d is nil", i+1, len(losses))
		case l.sp == nil:
			fail("loss %d of %d is a zero Loss: make it with its function", i+1, len(losses))
		case seen[l.st]:
			fail("loss %d of %d is given twice", i+1, len(losses))
		default:
			seen[l.st] = true
			if isBad(l.v) {
				whole = false
			} else {
				good = append(good, l)
			}
			if l.placed == nil {
				l.placed = at
			}
		}
	}
	m.sp = m.sp.find()
	m.assemble(good, whole)
	return m
}

// assemble makes the graph: the total first, then each loss, then the taps. If a
// loss is missing it only looks for names used twice.
func (m *Model) assemble(losses []*Loss, whole bool) {
	s := m.sp
	s.resolve()
	x := newExtract(s, m.name)
	total := &output{name: "loss", at: m.made}
	outs := []*output{total}
	count := map[string]int{}
	var roots []*ir.Value
	for _, l := range losses {
		name := "loss/" + l.name
		if l.name == "" {
			kind := l.st.lower()
			count[kind]++
			name += kind + itoa(count[kind])
		}
		x.paths[l.st] = name
		outs = append(outs, &output{name: name, v: l.v, at: m.made})
		roots = append(roots, l.v)
	}
	need := ir.Above(roots...)
	s.oneFollower(need)
	owner := map[string]*tap{}
	for _, t := range s.taps {
		if !need[t.v] {
			if m.taps[t.name] == nil {
				m.taps[t.name] = t.in
			}
			continue
		}
		if old := owner[t.name]; old != nil {
			if old.v != t.v {
				s.mistakes = append(s.mistakes, usedTwice("value", t.name, t.at, old.at))
			}
			continue
		}
		owner[t.name] = t
		m.taps[t.name] = t.in
		outs = append(outs, &output{name: t.name, v: t.v, at: t.at})
	}
	x.finish = func(value map[*ir.Value]*ir.Value) *ir.Value {
		var sum *ir.Value
		for _, l := range losses {
			v := value[l.v]
			if l.weight != 1 {
				v = x.add(ops.Mul{}, "loss", m.made, v, x.constant(l.weight))
			}
			if sum == nil {
				sum = v
				continue
			}
			sum = x.add(ops.Add{}, "loss", m.made, sum, v)
		}
		return sum
	}
	if !x.check(outs) || !whole {
		return
	}
	x.run(outs)
	m.graph, m.params, m.states, m.kept = x.g, x.params, x.states, x.value
	m.places = append([]*placement{}, s.top...)
	for _, l := range losses {
		for _, in := range s.inputs {
			if l.unit != nil && in.v == shipped(l.unit) && !slices.Contains(m.unit, in.name) {
				m.unit = append(m.unit, in.name)
			}
			if l.weights != nil && in.v == shipped(l.weights) && !slices.Contains(m.weigh, in.name) {
				m.weigh = append(m.weigh, in.name)
			}
		}
	}
}

// shipped returns what a value is without what exists in training only.
func shipped(v *ir.Value) *ir.Value {
	for v.Def != nil && (v.Def.Op == (ops.Identity{}) || ir.TrainingOnly(v.Def.Op)) {
		v = v.Def.In[0]
	}
	return v
}

// Name returns the model's name.
func (m *Model) Name() string {
	if m == nil {
		return ""
	}
	return m.name
}

// Err returns every mistake of the declaration, joined, or nil, including those
// in branches that reach no loss. Each is an [*Error].
func (m *Model) Err() error {
	if m == nil {
		return &Error{Op: "model", Rule: "the model is nil"}
	}
	if m.sp == nil {
		return &Error{Op: "model", Rule: "a zero Model: make it with spec.NewModel or spec.Autoencoder"}
	}
	return m.sp.err()
}

// Graph returns a copy of what the model computes. Its outputs are the total
// loss, "loss", then each loss without its weight, such as "loss/mse1", then the
// named values that a loss depends on. Parameters are named by path:
// "encoder/dense1/w". It returns the mistakes of the declaration, as [Model.Err]
// does.
func (m *Model) Graph() (*ir.Graph, error) {
	if err := m.Err(); err != nil {
		return nil, err
	}
	g, _ := m.graph.Clone()
	return g, nil
}

// Params returns the model's parameters in the order of the graph, and none after a
// mistake.
func (m *Model) Params() []Param {
	if m == nil {
		return nil
	}
	return append([]Param{}, m.params...)
}

// Tap returns the value with that name, as given by [Value.Named]. If no value has the
// name, the returned value holds a mistake.
func (m *Model) Tap(name string) *Value {
	at := callers(0)
	if m == nil || m.sp == nil {
		return whole(nil, at, "Tap")
	}
	if v := m.taps[name]; v != nil {
		return v
	}
	s := newSpace()
	if m.graph == nil {
		s = m.sp // the mistakes of the model are the reason
	} else {
		s.fail(&mistake{at: at, made: at, op: text("Tap"), rule: text("model %q has no value named %q", m.name, name)})
	}
	return &Value{sp: s, v: bad()}
}

// String returns the text form of the graph, or the mistakes.
func (m *Model) String() string {
	if err := m.Err(); err != nil {
		return err.Error()
	}
	return ir.Format(m.graph)
}

// Hash returns the SHA-256 of the text form without positions, in hexadecimal;
// it is empty after a mistake.
func (m *Model) Hash() string {
	if m.Err() != nil {
		return ""
	}
	return ir.Hash(m.graph)
}

// inputs are those that the model's graph has. Other models of the same layers may have
// inputs of these names too, with other bounds.
func (m *Model) inputs() (list []*input) {
	if m == nil || m.sp == nil {
		return nil
	}
	for _, in := range m.sp.find().inputs {
		if m.kept[in.v] != nil {
			list = append(list, in)
		}
	}
	return list
}

// Limits returns the bound of each integer input by name: the data must be in
// [0, bound). Inputs without one are left out.
func (m *Model) Limits() map[string]int {
	limits := map[string]int{}
	for _, in := range m.inputs() {
		if in.limit > 0 {
			limits[in.name] = in.limit
		}
	}
	return limits
}

// UnitInputs returns the names of the float inputs whose values must be in [0, 1]:
// the targets of [BinaryCrossEntropy], and probabilities that [CrossEntropy] takes.
func (m *Model) UnitInputs() []string {
	if m == nil {
		return nil
	}
	return append([]string{}, m.unit...)
}
