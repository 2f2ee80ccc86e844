package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// Statistic is what [Builder.Fit] fits: a number for each index of an axis, of all numbers
// there in the training rows. Missing ones, NaN, are passed over.
type Statistic struct {
	name string
	q    float64 // of a quantile
}

// FitMean is the mean.
func FitMean() Statistic { return Statistic{name: "mean"} }

// FitDeviation is the standard deviation, the root of the mean squared distance from the
// mean, without Bessel's correction. It is 1 if all numbers are the same, or so close that
// f32 cannot divide by it, so that a division by it is safe.
func FitDeviation() Statistic { return Statistic{name: "deviation"} }

// FitLeast is the least number.
func FitLeast() Statistic { return Statistic{name: "least"} }

// FitGreatest is the greatest number.
func FitGreatest() Statistic { return Statistic{name: "greatest"} }

// FitRange is the greatest number less the least, and 1 where FitDeviation would be.
func FitRange() Statistic { return Statistic{name: "range"} }

// FitQuantile is the number below which a share q of the numbers lie: between the two at
// rank q·(n-1), counted from 0, by linear interpolation (type 7 of Hyndman and Fan 1996).
// The median is that of 0.5. It is exact for any number of rows.
func FitQuantile(q float64) Statistic { return Statistic{name: "quantile", q: q} }

// FitMissing is how many numbers are missing.
func FitMissing() Statistic { return Statistic{name: "missing"} }

// Quantile returns the share of a [FitQuantile].
func (s Statistic) Quantile() (q float64, ok bool) { return s.q, s.name == "quantile" }

// String returns the name in a text form, such as mean or quantile(0.5).
func (s Statistic) String() string {
	if s.name == "quantile" {
		return "quantile(" + strconv.FormatFloat(s.q, 'g', -1, 64) + ")"
	}
	return s.name
}

// statistics are those without a number.
var statistics = []Statistic{FitMean(), FitDeviation(), FitLeast(), FitGreatest(), FitRange(), FitMissing()}

// rule returns the rule that a statistic breaks, or "".
func (s Statistic) rule() string {
	switch {
	case s.name == "quantile" && !(s.q >= 0 && s.q <= 1):
		return fmt.Sprintf("the share of a quantile must be from 0 to 1, got %v", s.q)
	case s.name == "quantile" || slices.Contains(statistics, s):
		return ""
	}
	return "a zero Statistic: make it with FitMean, FitQuantile and so on"
}

// before is the value of a statistic where nothing was fitted: with it, a layer that
// subtracts the one and divides by the other changes nothing.
func (s Statistic) before() Init {
	switch s {
	case FitDeviation(), FitRange(), FitGreatest():
		return Constant(1)
	}
	return Zeros()
}

// parseStatistic reads what String returns.
func parseStatistic(text string) (Statistic, bool) {
	if q, ok := strings.CutPrefix(text, "quantile("); ok && strings.HasSuffix(q, ")") {
		x, err := strconv.ParseFloat(strings.TrimSuffix(q, ")"), 64)
		s := FitQuantile(x)
		return s, err == nil && s.rule() == ""
	}
	i := slices.IndexFunc(statistics, func(s Statistic) bool { return s.name == text })
	if i < 0 {
		return Statistic{}, false
	}
	return statistics[i], true
}

// fitting says of what a state variable is fitted.
type fitting struct {
	statistic Statistic
	axis      int
	of        []*ir.Value // at each place of the layer, in order
}

// Fit returns the layer's state variable of that name, f32[c], for an x f32[N …] with c
// indices along an axis, the batch being axis 0. A training sets it before the first update
// to the statistic of x over all its rows and other axes, as the weights that it starts with
// make x and without noise, and never changes it again. The rows are streamed, and the bits
// depend neither on the workers nor on how the rows are read. A layer at several places is
// fitted at the first one of the model. The variable is part of checkpoints;
// [train.Options].InitFrom gives it from a tensor of its name, and phases of a pretraining
// carry it on, in which cases it is not fitted. Freeze has no bearing on it. It is exported
// as a constant. Until it is fitted, statistics are 0, but a greatest number, a range and a
// deviation 1.
//
// Mistakes: x is not f32 with the batch first, the axis is not one of its others, or has no
// known length; the statistic is a zero one or its share not from 0 to 1; the name is that
// of another variable of the layer.
//
// [train.Options]: https://pkg.go.dev/github.com/lamina-ml/lamina/runtime/train#Options
func (b *Builder) Fit(name string, x *ir.Value, s Statistic, axis int) *ir.Value {
	if b.failed || isBad(x) {
		return bad()
	}
	t := x.Type
	if t.DType != ir.F32 || !rowsFirst(t.Shape) || axis < 1 || axis >= t.Rank() {
		return b.Errorf("fitted %q: x must be f32[N …] and the axis one from 1 to its last, got %s and %d", name, t, axis)
	}
	n, known := t.Shape[axis].Known()
	if !known {
		return b.Errorf("fitted %q: the length of axis %d must be known, x is %s", name, axis, t)
	}
	if rule := s.rule(); rule != "" {
		return b.Errorf("fitted %q: %s", name, rule)
	}
	v := b.State(name, s.before(), n)
	if isBad(v) {
		return v
	}
	for _, st := range b.sp.find().states {
		if st.in != v {
			continue
		}
		switch {
		case st.next != nil || len(st.beside) > 0:
			return b.Errorf("state %q changes with the updates, so nothing can be fitted", name)
		case st.fit == nil:
			st.fit = &fitting{statistic: s, axis: axis}
		case st.fit.statistic != s || st.fit.axis != axis:
			return b.Errorf("fitted %q is the %s along axis %d, but the %s along axis %d is needed here", name, st.fit.statistic, st.fit.axis, s, axis)
		}
		st.fit.of = append(st.fit.of, x)
	}
	return v
}

// along gives a number for each index of an axis the axes of a value of type t behind it.
func (b *Builder) along(v *ir.Value, t ir.Type, axis int) *ir.Value {
	if isBad(v) || axis == t.Rank()-1 {
		return v
	}
	shape := ir.Shape{v.Type.Shape[0]}
	for range t.Shape[axis+1:] {
		shape = append(shape, ir.Fixed(1))
	}
	return b.Op(ops.Reshape{Shape: ir.MakeDims(shape)}, v)
}

// channelAxis returns the axis of the columns of an f32[N … c], or the rule that is broken.
func channelAxis(t ir.Type, axis int) (int, string) {
	if t.DType != ir.F32 || t.Rank() < 2 || !rowsFirst(t.Shape) {
		return 0, fmt.Sprintf("x must be f32[N … c], got %s", t)
	}
	i, rule := axisOf(t, axis)
	if rule == "" {
		if _, known := t.Shape[i].Known(); !known {
			rule = fmt.Sprintf("the number of columns must be known, x is %s", t)
		}
	}
	return i, rule
}

// lent returns a state variable of another layer, which must have been placed.
func (b *Builder) lent(of Layer, name string) *ir.Value {
	if b.failed || !b.placed(of) {
		return bad()
	}
	for _, x := range b.sp.find().states {
		if x.st == stateOf(of) && x.name == name && x.of == nil {
			return x.in
		}
	}
	b.failed = true // follows from the mistake in the other layer
	return bad()
}

// Fitted returns the statistic that the variable is fitted to, if it is.
func (s State) Fitted() (Statistic, bool) {
	if s.id == nil || s.id.fit == nil {
		return Statistic{}, false
	}
	return s.id.fit.statistic, true
}

// Carried reports whether the variable goes wherever its layer goes, from one phase of a
// program to the next and into a training that starts from it: it is fitted, or holds
// running statistics.
func (s State) Carried() bool {
	_, fitted := s.Fitted()
	return fitted || s.Running()
}

// Fitting is what a training fits together: statistics of one value along one axis.
type Fitting struct {
	Of     *Value // whose rows; nil if the model has the variables and not what they are fitted to
	Axis   int    // of it, the batch being axis 0
	States []State
}

// Fittings returns what is to be fitted before the first update, in an order in which each
// value depends only on what was fitted before it; none after a mistake.
func (m *Model) Fittings() []Fitting {
	if m == nil || m.graph == nil {
		return nil
	}
	return fittings(m.sp.find(), m.graph, m.states, m.kept)
}

// FittingsOf is [Model.Fittings] for what values depend on. Its error is that of [GraphOf].
func FittingsOf(values ...*Value) ([]Fitting, error) {
	x, err := graphOf(callers(0), "fittings", values)
	if x == nil {
		return nil, err
	}
	return fittings(x.s, x.g, x.states, x.value), nil
}

// fittings gathers those of states of a graph, which has the values of in.
func fittings(sp *space, g *ir.Graph, states []State, in map[*ir.Value]*ir.Value) []Fitting {
	made := map[*ir.Value]int{} // values of the graph in topological order
	for i, n := range g.Nodes {
		for _, v := range n.Out {
			made[v] = i + 1
		}
	}
	type item struct {
		Fitting
		of *ir.Value
		at int
	}
	var items []item
	for _, s := range states {
		if s.id.fit == nil {
			continue
		}
		of, axis := s.fitOf(in), s.id.fit.axis
		i := slices.IndexFunc(items, func(x item) bool { return x.of == of && x.Axis == axis })
		if i < 0 {
			i = len(items)
			x := item{Fitting: Fitting{Axis: axis}, of: of}
			if of != nil {
				x.Of, x.at = &Value{sp: sp, v: of}, made[in[of]]
			}
			items = append(items, x)
		}
		items[i].States = append(items[i].States, s)
	}
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.at, b.at) })
	out := make([]Fitting, len(items))
	for i, x := range items {
		out[i] = x.Fitting
	}
	return out
}

// fitOf returns the value that a variable is fitted to: at the first place of its layer that
// has one of these values.
func (s State) fitOf(in map[*ir.Value]*ir.Value) *ir.Value {
	for _, v := range s.id.fit.of {
		if in[v] != nil {
			return v
		}
	}
	return nil
}

// fitText says how a variable is fitted: fitted(mean, 1, x), where x is the name of a value.
func (s State) fitText(in map[*ir.Value]*ir.Value) string {
	text := fmt.Sprintf("fitted(%s, %d", s.id.fit.statistic, s.id.fit.axis)
	if of := s.fitOf(in); of != nil {
		text += ", " + in[of].Name
	}
	return text + ")"
}

// FunctionText returns the text form of the function that computes the values, and how its
// state is fitted, as [Parser.Values] reads it. Its error is that of [GraphOf].
func FunctionText(name string, values ...*Value) (string, error) {
	x, err := graphOf(callers(0), name, values)
	if x == nil {
		return "", err
	}
	notes := map[string]string{}
	for _, s := range x.states {
		if s.id.fit != nil {
			notes[s.Name] = s.fitText(x.value)
		}
	}
	return ir.FormatNoted(x.g, func(v *ir.Value) string { return notes[v.Name] }), nil
}

// fittedText reads what fitText returns; values finds those of the text by name.
func fittedText(text string, value func(name string) *ir.Value) (*fitting, error) {
	inner, ok := strings.CutSuffix(text, ")")
	parts := strings.SplitN(inner, ", ", 3)
	if !ok || len(parts) < 2 {
		return nil, fmt.Errorf("is fitted as fitted(mean, 1, x) says, got fitted(%s", text)
	}
	f := &fitting{}
	if f.statistic, ok = parseStatistic(parts[0]); !ok {
		return nil, fmt.Errorf("is fitted to mean, deviation, least, greatest, range, missing or a quantile such as quantile(0.5), got %q", parts[0])
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil || n < 1 || n >= ir.MaxRank {
		return nil, fmt.Errorf("is fitted along an axis from 1 to %d, got %q", ir.MaxRank-1, parts[1])
	}
	if f.axis = n; len(parts) == 3 {
		v := value(parts[2])
		if v == nil || v.Type.DType != ir.F32 || n >= v.Type.Rank() || !rowsFirst(v.Type.Shape) {
			return nil, fmt.Errorf("is fitted to %q along axis %d, which is no value f32[N …] of the text with such an axis", parts[2], n)
		}
		f.of = []*ir.Value{v}
	}
	return f, nil
}
