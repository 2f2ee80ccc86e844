package spec

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// Parse reads the text form of a model, as [Model.Text] writes it, and returns a model
// that can be trained. Its first output is the loss, f32[]; the others, except those
// named loss/…, are values that [Model.Tap] finds, and so are its inputs. After a = a parameter may have its
// initializer: Glorot, He, LeCun, Orthogonal, Zeros or "Constant(0.1)" and so on. Without
// one, a matrix starts as Glorot and anything with at most one axis as Zeros. An input may
// state the values it accepts, such as "0 to 9".
//
// Errors: line:column: rule: what came; a graph that is not a model; a note that is not
// understood.
func Parse(text string) (*Model, error) { return new(Parser).Model(text) }

// Parser reads several texts in which parameters and state of the same name are one,
// such as the models of one pretraining. The zero Parser has read nothing.
type Parser struct {
	params map[string]*param
	states map[string]*stateVar
	layers map[string]*state
	seen   map[*stateVar]bool
}

// Model is [Parse] for one of the texts. Further errors: an earlier text has a parameter
// of that name with another shape or initializer.
func (p *Parser) Model(src string) (*Model, error) {
	r, err := p.read(src)
	if err != nil {
		return nil, err
	}
	outs := r.g.Outputs
	if len(outs) == 0 || outs[0].Name != "loss" || !outs[0].Type.Equal(ir.T(ir.F32)) {
		what := "none"
		if len(outs) > 0 {
			what = fmt.Sprintf("%s %q", outs[0].Type, outs[0].Name)
		}
		return nil, fmt.Errorf("text form: the first output of a model is its loss, f32[] loss; got %s", what)
	}
	m := &Model{name: r.g.Name, sp: r.s, taps: map[string]*Value{}, graph: r.g, unit: r.unit, weigh: r.weigh, kept: map[*ir.Value]*ir.Value{}}
	for v := range r.s.owned {
		m.kept[v] = v
	}
	for _, q := range r.s.params {
		known := q.known()
		m.params = append(m.params, known)
	}
	for _, v := range r.s.states {
		m.states = append(m.states, State{Name: v.path(), Type: v.in.Type, Init: v.init, id: v})
	}
	for _, v := range outs[1:] {
		if !strings.HasPrefix(v.Name, "loss/") {
			m.taps[v.Name] = &Value{sp: r.s, v: v, name: v.Name}
		}
	}
	for _, v := range r.g.Inputs {
		if m.taps[v.Name] == nil {
			m.taps[v.Name] = &Value{sp: r.s, v: v, name: v.Name}
		}
	}
	m.places = r.places
	return m, nil
}

// Values reads the text form of a function, such as the layers below a stage, and
// returns its outputs by name.
func (p *Parser) Values(src string) ([]*Value, error) {
	r, err := p.read(src)
	if err != nil {
		return nil, err
	}
	var out []*Value
	for _, v := range r.g.Outputs {
		out = append(out, &Value{sp: r.s, v: v, name: v.Name})
	}
	return out, nil
}

// reading is a text that is being read.
type reading struct {
	p      *Parser
	s      *space
	g      *ir.Graph
	notes  map[*ir.Value]string
	unit   []string
	weigh  []string
	places []*placement
	at     map[string]*placement // by layer
}

func (p *Parser) read(src string) (*reading, error) {
	if p.params == nil {
		p.params, p.states, p.layers, p.seen = map[string]*param{}, map[string]*stateVar{}, map[string]*state{}, map[*stateVar]bool{}
	}
	r := &reading{p: p, s: newSpace(), notes: map[*ir.Value]string{}, at: map[string]*placement{}}
	var err error
	r.g, err = ir.ParseNoted(src, ops.ByName, func(v *ir.Value, text string) error {
		r.notes[v] = text
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("text form: %w", err)
	}
	for _, f := range []func() error{r.inputs, r.weights, r.state} {
		if err := f(); err != nil {
			return nil, fmt.Errorf("text form: %w", err)
		}
	}
	r.nodes()
	return r, nil
}

func (r *reading) inputs() error {
	capacity := r.g.Capacity
	for _, v := range r.g.Inputs {
		in := &input{v: v, name: v.Name}
		if !v.Type.Shape.RowWise() && v.Type.Shape.Symbolic() {
			return fmt.Errorf("the input %q must have the batch as its first axis or no open length, got %s", v.Name, v.Type)
		}
		for i, d := range rowOf(v.Type.Shape) {
			if !d.Symbolic() {
				continue
			}
			n, ok := capacity.Of(d.String())
			if i > 0 || !ok {
				return fmt.Errorf("the input %q is %s: after the batch only the first length may be free, such as T, and the text must give its capacity, such as lengths (T = 128)", v.Name, v.Type)
			}
			in.free, in.most = d.String(), n
		}
		if note, ok := r.notes[v]; ok {
			if err := r.takes(in, note); err != nil {
				return err
			}
		}
		r.s.inputs = append(r.s.inputs, in)
		r.s.own(v)
	}
	return nil
}

// takes reads what is said of the values of an input.
func (r *reading) takes(in *input, note string) error {
	t := in.v.Type
	number, absent := strings.CutSuffix(note, orNone)
	switch {
	case t.DType == ir.I64:
		if in.takes(note) {
			return nil
		}
	case t.DType != ir.F32:
	case number == between(1):
		r.unit = append(r.unit, in.name)
		in.optional = absent
		return nil
	case number == anyNumber && absent:
		in.optional = true
		return nil
	case note == notBelow:
		r.weigh = append(r.weigh, in.name)
		return nil
	}
	return fmt.Errorf(`the values of the input %q, %s, are said as "0 to 9" or "-1 to 9" of i64, where -1 is none, or as "0 to 9, 0 to 3" of its columns; as "any or none" or "0 to 1 or none" of f32 that may be missing; and as "0 to 1" or %q of f32, got %q`, in.name, t, notBelow, note)
}

// takes reads what is said of the values of an input of integers: of all, or of each column.
func (in *input) takes(note string) bool {
	columns := strings.Split(note, ", ")
	for _, c := range columns {
		from, to, _ := strings.Cut(c, " to ")
		n, err := strconv.Atoi(to)
		if err != nil || n < 0 || n == math.MaxInt || from != "0" && from != "-1" || len(in.cards) > 0 && in.optional != (from == "-1") {
			return false
		}
		in.limit, in.optional = max(in.limit, n+1), from == "-1"
		in.cards = append(in.cards, n+1)
	}
	if len(columns) == 1 {
		in.cards = nil
		return true
	}
	t := in.v.Type
	return t.Rank() == 2 && t.Last() == len(columns)
}

// weights takes the parameters over: those of a name that an earlier text has are the
// same.
func (r *reading) weights() error {
	for i, v := range r.g.Params {
		begins, said := r.notes[v]
		if !said {
			begins = Zeros().Name()
			if v.Type.Rank() > 1 {
				begins = Glorot().Name()
			}
		}
		q, err := r.p.param(v, begins, said)
		if err != nil {
			return err
		}
		r.replace(v, q.v)
		r.g.Params[i] = q.v
		r.s.params = append(r.s.params, q)
		r.s.own(q.v)
	}
	return nil
}

// replace puts another value of the same name and type where v is read.
func (r *reading) replace(v, by *ir.Value) {
	if v == by {
		return
	}
	for _, list := range r.reads() {
		for i := range list {
			if list[i] == v {
				list[i] = by
			}
		}
	}
}

func (r *reading) reads() [][]*ir.Value {
	lists := [][]*ir.Value{r.g.Outputs}
	for _, n := range r.g.Nodes {
		lists = append(lists, n.In)
	}
	return lists
}

// param returns the parameter of a name: the one that there is, else a new one.
func (p *Parser) param(v *ir.Value, begins string, said bool) (*param, error) {
	q, err := p.begun(v.Name, v, begins, nil)
	if err != nil {
		return nil, err
	}
	if now, err := q.known().begins(); err != nil || said && now != begins || !q.v.Type.Equal(v.Type) {
		return nil, fmt.Errorf("the parameter %q is %s and begins as %s, but in a text before it is %s and begins as %s", v.Name, v.Type, begins, q.v.Type, now)
	}
	return q, nil
}

// maxLike is the longest row of parameters of which each begins as the next does.
const maxLike = 8

// begun returns the parameter of a name. Those in chain begin as it does.
func (p *Parser) begun(name string, v *ir.Value, begins string, chain []string) (*param, error) {
	if q := p.params[name]; q != nil {
		return q, nil
	}
	if slices.Contains(chain, name) {
		return nil, fmt.Errorf("the parameter %q begins as itself", name)
	}
	if rule := checkPath(name); rule != "" {
		return nil, fmt.Errorf("the parameter %q: %s", name, rule)
	}
	if v.Type.DType != ir.F32 || v.Type.Shape.Symbolic() {
		return nil, fmt.Errorf("the parameter %q must be f32 of known lengths, got %s", name, v.Type)
	}
	if rule := checkOwned(v.Type.Shape.Lengths()); rule != "" {
		return nil, fmt.Errorf("the parameter %q: %s", name, rule)
	}
	layer, own := split(name)
	q := &param{v: v, st: p.layer(layer), name: own}
	if rest, ok := strings.CutPrefix(begins, "like("); ok && strings.HasSuffix(rest, ")") {
		of, init, _ := strings.Cut(strings.TrimSuffix(rest, ")"), ", ")
		t := v.Type
		if s, ok := strings.CutSuffix(init, ", transposed"); ok && t.Rank() == 2 {
			init, q.turned, t = s, true, ir.T(ir.F32, t.Shape[1], t.Shape[0])
		}
		if len(chain) == maxLike {
			return nil, fmt.Errorf("the parameter %q begins as another that begins as another, and so on, more than %d times", name, maxLike)
		}
		like, err := p.begun(of, &ir.Value{Name: of, Type: t, Kind: ir.ParamValue}, init, append(chain, name))
		if err != nil {
			return nil, err
		}
		if !like.v.Type.Equal(t) {
			return nil, fmt.Errorf("the parameter %q, %s, begins as %q, which is %s", name, v.Type, of, like.v.Type)
		}
		q.like, q.init = like, like.init
	} else if q.init, ok = parseInit(begins); !ok {
		return nil, fmt.Errorf(`the parameter %q begins as Glorot, GlorotNormal, He, LeCun, Orthogonal, Zeros or "Constant(0.1)", got %q`, name, begins)
	}
	p.params[name] = q
	q.st.params[own] = q
	return q, nil
}

// state takes the state variables over, as weights does the parameters.
func (r *reading) state() error {
	for i := range r.g.State {
		s := &r.g.State[i]
		v := s.In
		begins, ok := r.notes[v]
		if !ok {
			begins = Zeros().Name()
		}
		fit := (*fitting)(nil)
		if how, ok := strings.CutPrefix(begins, "fitted("); ok {
			var err error
			if fit, err = fittedText(how, r.g.Value); err != nil {
				return fmt.Errorf("the state %q %w", v.Name, err)
			}
			if len(fit.of) > 0 && !v.Type.Equal(ir.T(ir.F32, fit.of[0].Type.Shape[fit.axis])) {
				return fmt.Errorf("the state %q is %s, but what it is fitted to is %s, of which it needs a number for each index of axis %d", v.Name, v.Type, fit.of[0].Type, fit.axis)
			}
			begins = fit.statistic.before().Name()
		}
		x, err := r.p.stateVar(v, begins)
		if err != nil {
			return err
		}
		if ok { // only the text of a model says so
			if r.p.seen[x] && (x.fit == nil) != (fit == nil) || x.fit != nil && fit != nil && (x.fit.statistic != fit.statistic || x.fit.axis != fit.axis) {
				return fmt.Errorf("the state %q is fitted in another way in a text before", v.Name)
			}
			x.fit, r.p.seen[x] = fit, true
		}
		if x.in != v {
			r.replace(v, x.in)
			if s.Out == v {
				s.Out = x.in
			}
			s.In = x.in
		}
		own := *x
		own.next, own.when, own.again, own.fit = nil, s.When, x, fit
		if s.Out != s.In {
			own.next = s.Out
		}
		r.s.states = append(r.s.states, &own)
		r.s.own(s.In)
	}
	return nil
}

func (p *Parser) stateVar(v *ir.Value, begins string) (*stateVar, error) {
	if x := p.states[v.Name]; x != nil {
		if !x.in.Type.Equal(v.Type) {
			return nil, fmt.Errorf("the state %q is %s, but in a text before it is %s", v.Name, v.Type, x.in.Type)
		}
		return x, nil
	}
	if rule := checkPath(v.Name); rule != "" {
		return nil, fmt.Errorf("the state %q: %s", v.Name, rule)
	}
	if v.Type.DType != ir.F32 || v.Type.Shape.Symbolic() {
		return nil, fmt.Errorf("the state %q must be f32 of known lengths, got %s", v.Name, v.Type)
	}
	if rule := checkDims(v.Type.Shape.Lengths(), ir.MaxRank); rule != "" {
		return nil, fmt.Errorf("the state %q: %s", v.Name, rule)
	}
	layer, own := split(v.Name)
	if layer == "" {
		layer, own = own, ""
	}
	x := &stateVar{in: v, st: p.layer(layer), name: own, init: Zeros()}
	var ok bool
	if rest, is := strings.CutPrefix(begins, "running("); is && strings.HasSuffix(rest, ")") {
		begins, x.running = strings.TrimSuffix(rest, ")"), true // statistics that belong to the layer's parameters
	}
	if rest, is := strings.CutPrefix(begins, "scheduled("); is && strings.HasSuffix(rest, ")") {
		number, plan, _ := strings.Cut(strings.TrimSuffix(rest, ")"), ", ")
		value, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return nil, fmt.Errorf("the state %q follows a schedule from a number, got %q", v.Name, number)
		}
		s, err := optim.ParseSchedule(json.RawMessage(plan))
		if err != nil {
			return nil, fmt.Errorf("the state %q: %w", v.Name, err)
		}
		x.schedule = &schedule{value, s}
		if rule := x.schedule.rule(); rule != "" {
			return nil, fmt.Errorf("the state %q: %s", v.Name, rule)
		}
		if v.Type.Rank() != 0 {
			return nil, fmt.Errorf("the state %q is %s, but only one number follows a schedule", v.Name, v.Type)
		}
	} else if rest, is := strings.CutPrefix(begins, "like("); is && strings.HasSuffix(rest, ")") {
		of, init, _ := strings.Cut(strings.TrimSuffix(rest, ")"), ", ")
		like, err := p.begun(of, &ir.Value{Name: of, Type: v.Type, Kind: ir.ParamValue}, init, nil)
		if err != nil {
			return nil, err
		}
		if !like.v.Type.Equal(v.Type) {
			return nil, fmt.Errorf("the state %q, %s, begins as %q, which is %s", v.Name, v.Type, of, like.v.Type)
		}
		x.like, x.init = like, like.init
	} else if x.init, ok = parseInit(begins); !ok {
		return nil, fmt.Errorf("the state %q begins as an initializer, a parameter or a schedule says, got %q", v.Name, begins)
	}
	p.states[v.Name] = x
	return x, nil
}

// layer returns the layer of a path: one for all texts.
func (p *Parser) layer(path string) *state {
	st := p.layers[path]
	if st == nil {
		_, label := split(path)
		kind := strings.TrimRight(label, "0123456789")
		if kind != "" {
			kind = strings.ToUpper(kind[:1]) + kind[1:]
		}
		st = &state{kind: kind, own: true, name: label, label: label, path: path, params: map[string]*param{},
			loss: path == "loss" || strings.HasPrefix(path, "loss/")}
		p.layers[path] = st
	}
	return st
}

// split cuts a path before its last name.
func split(path string) (layer, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

// checkPath returns the rule that a path of names breaks, or "".
func checkPath(path string) string {
	for name := range strings.SplitSeq(path, "/") {
		if rule := checkName(name); rule != "" {
			return rule
		}
	}
	return ""
}

// nodes gives every node a place, with the layer and the line that the text says.
func (r *reading) nodes() {
	drawn := map[uint64]*ir.Node{} // by stream
	for v, t := range r.g.Data {
		r.s.data[v] = t
		r.s.own(v)
	}
	for _, n := range r.g.Nodes {
		r.s.nodes = append(r.s.nodes, n)
		st := r.p.layer(n.Layer)
		r.s.made[n] = &placement{st: st, from: n, out: n.Out[0], also: n.Out[1:]}
		for _, v := range n.Out {
			r.s.own(v)
		}
		if _, ok := n.Op.(ir.Drawer); ok {
			ir.EachAttr(n.Op, func(name string, v reflect.Value) {
				if name != "stream" || !v.CanUint() {
					return
				}
				if first := drawn[v.Uint()]; first != nil {
					r.s.follows[n] = first
				} else {
					drawn[v.Uint()] = n
				}
			})
		}
		p := r.at[n.Layer]
		if p == nil {
			p = &placement{st: st}
			if len(n.In) > 0 {
				p.in = n.In[0].Type
			}
			r.at[n.Layer] = p
			r.places = append(r.places, p)
		}
		if p.out == nil || p.out.Name != n.Layer {
			p.out = n.Out[0]
		}
	}
}
