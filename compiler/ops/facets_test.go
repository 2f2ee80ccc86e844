package ops_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/opcase"
)

// TestFacetsHold evaluates every case and holds what the op says of itself to it.
func TestFacetsHold(t *testing.T) {
	cases, err := opcase.Load(caseDir)
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]int{}
	for _, c := range cases {
		if c.Error != "" {
			continue
		}
		g, err := c.Graph(ops.ByName)
		if err != nil {
			t.Fatal(err)
		}
		f := &facetCase{env: c.Env, n: g.Nodes[0]}
		for _, o := range c.In {
			f.in = append(f.in, o.Tensor)
		}
		if f.out, err = f.eval(f.n.Op, f.env, f.in...); err != nil {
			t.Fatalf("%s:%d: %v", c.File, c.Line, err)
		}
		for name, why := range f.hold() {
			held[name]++
			if why != "" {
				t.Errorf("%s:%d: %s: %s: %s", c.File, c.Line, ir.FormatOp(f.n.Op), name, why)
			}
		}
	}
	for _, name := range []string{"Commutes", "View", "ShapeOnly", "Draws", "Sizes", "Total", "Turns", "Follow", "InPanels", "Transposed", "Chain", "TrainingOnly", "InPlace", "ByParts", "Vanishes", "MakesChannel", "Narrowed"} {
		if held[name] == 0 {
			t.Errorf("no case shows %s", name)
		}
	}
}

// facetCase is one node with its operands and results.
type facetCase struct {
	env     ir.Env
	n       *ir.Node
	in, out []*ir.Tensor
}

func (f *facetCase) eval(op ir.Op, env ir.Env, in ...*ir.Tensor) ([]*ir.Tensor, error) {
	own := make([]*ir.Tensor, len(in))
	for i, x := range in {
		own[i] = x.Clone()
	}
	return ir.EvalOp(&env, op, ir.TypesOf(f.n.In), own)
}

// hold returns for each facet that the case can show what is wrong with it, "" for
// nothing.
func (f *facetCase) hold() map[string]string {
	op, types, outs := f.n.Op, ir.TypesOf(f.n.In), ir.TypesOf(f.n.Out)
	shown := map[string]string{}
	say := func(name string, ok bool, format string, a ...any) {
		shown[name] = ""
		if !ok {
			shown[name] = fmt.Sprintf(format, a...)
		}
	}
	again := func(op ir.Op, env ir.Env, in ...*ir.Tensor) bool {
		out, err := f.eval(op, env, in...)
		return err == nil && slices.EqualFunc(out, f.out, alike)
	}
	if c, ok := op.(ir.Commuter); ok && c.Commutes() && types[0].Equal(types[1]) {
		say("Commutes", again(op, f.env, f.in[1], f.in[0]), "the order of the operands counts")
	}
	if ir.IsView(op, types, outs) {
		x := f.in[0].Clone()
		x.Shape = f.out[0].Shape
		say("View", alike(x, f.out[0]), "the result has other elements")
	}
	if o, ok := op.(ir.Filterer); ok {
		f.filters(o, say)
	}
	if o, ok := op.(ir.Vanisher); ok {
		f.vanishes(o, say)
	}
	if ir.ShapeOnly(op) {
		x := f.in[0].Clone()
		for i := range x.F64 {
			x.F64[i]++
		}
		say("ShapeOnly", again(op, f.env, x), "the result changes with the elements")
	}
	env := f.env
	env.Seed += 77
	if d, ok := op.(ir.Drawer); ok {
		say("Draws", d.WithStream(77) != op && d.WithStream(77).Name() == op.Name(), "WithStream gives the same op, or another one")
	} else if f.n.Op != nil {
		say("Draws", again(op, env, f.in...), "the results change with the seed but the op does not say that it draws")
	}
	env = f.env
	env.UpdateRows = 3*max(env.UpdateRows, env.Binding.Rows()) + 5
	if same := again(op, env, f.in...); len(ir.Sizes(op)) == 0 && !ir.ByParts(op) {
		say("Sizes", same, "the results change with the rows of the update")
	}
	if o, ok := op.(ir.Totaler); ok && f.out[0].Len() == 1 && len(f.out[0].Shape) == 0 {
		if mean, ok := o.Total(types); ok {
			sum := 0.0
			for _, x := range f.in[0].F64 {
				sum += x
			}
			if mean {
				sum /= float64(f.in[0].Len())
			}
			say("Total", near(sum, f.out[0].F64[0]), "%v is not the total %v", f.out[0].F64[0], sum)
		}
	}
	if ir.Turns(op) {
		x, y, ok := f.in[0], f.out[0], true
		for i := range x.Len() {
			ok = ok && near(x.At(i), y.At(i%x.Shape[1]*x.Shape[0]+i/x.Shape[1]))
		}
		say("Turns", ok, "the result is not the transpose")
	}
	if o, ok := op.(ir.Follower); ok {
		f.follows(o, say)
	}
	if o, ok := op.(ir.Paneller); ok && types[1].Rank() == 2 && len(outs[0].Shape) == 2 && !turnsRight(op) {
		if by, ok := o.InPanels(f.out[0].Shape[1]); ok {
			say("InPanels", f.panelled(by), "by panels the product is another one")
		}
	}
	if m, ok := op.(ir.Multiplier); ok {
		a, b := m.Transposed()
		say("Transposed", m.WithTransposed(a, b) == op && m.WithTransposed(!a, b) != op && m.WithTransposed(a, !b) != op, "WithTransposed gives another op")
	}
	if o, ok := op.(ir.Narrower); ok {
		f.narrows(o, say)
	}
	if o, ok := op.(ir.Chained); ok {
		if start, _ := o.Chain(types); start >= 0 {
			in := slices.Clone(f.in)
			in[start] = ir.NewTensor(ir.F64, in[start].Shape...)
			out, err := f.eval(op, f.env, in...)
			good := err == nil
			for i := range f.out[0].F64 {
				good = good && near(out[0].F64[i]+f.in[start].F64[i], f.out[0].F64[i])
			}
			say("Chain", good, "operand %d is not where the chains start", start)
		}
	}
	if rows := f.env.Binding.Rows(); ir.ByParts(op) && rows > 1 && (f.env.UpdateRows == 0 || f.env.UpdateRows == rows) {
		say("ByParts", f.addsUp(rows), "what it is for two parts does not add up to what it is for all rows")
	}
	if ir.TrainingOnly(op) {
		say("TrainingOnly", types[0].Equal(outs[0]) && len(outs) == 1, "its first operand cannot stand for it")
	}
	if o, ok := op.(ir.InPlacer); ok {
		i, _ := o.InPlace(types)
		say("InPlace", i < len(types), "there is no operand %d", i)
	}
	return shown
}

// narrows evaluates the op in bf16 on rounded operands, and counts what it makes.
func (f *facetCase) narrows(op ir.Narrower, say func(name string, ok bool, format string, a ...any)) {
	by := op.Narrowed(ir.TypesOf(f.n.In))
	if by.Op == nil {
		say("Narrowed", by.Why != "", "it neither has an op in bf16 nor says why")
		return
	}
	in := slices.Clone(f.in)
	for i := range 2 {
		in[i] = in[i].To(ir.BF16).To(ir.F64)
	}
	want, err := f.eval(f.n.Op, f.env, in...)
	if err != nil {
		say("Narrowed", false, "%v", err)
		return
	}
	got, err := f.eval(by.Op, f.env, in...)
	say("Narrowed", err == nil && slices.EqualFunc(got, want, alike), "in bf16 it is another product (%v)", err)
	made := by.Rows.At(f.env.Binding) * by.Columns.At(f.env.Binding)
	if sums, ok := f.n.Op.(ops.ConvFilterGradLast); ok {
		made *= sums.Parts
	}
	if n := f.out[0].Len(); made != n {
		say("Narrowed", false, "rows and columns make %d elements, the result has %d", made, n)
	}
}

// filters changes each weight, and each element of the third operand, and looks whether only
// the channel changes that it is for.
func (f *facetCase) filters(op ir.Filterer, say func(name string, ok bool, format string, a ...any)) {
	y := f.out[0]
	changes := func(operand, i, channel int) bool {
		in := slices.Clone(f.in)
		in[operand] = in[operand].Clone()
		in[operand].F64[i] += 3
		out, err := f.eval(f.n.Op, f.env, in...)
		for e := range y.F64 {
			if err != nil || coordinate(y.Shape, e, 1) != channel && !alike(out[0].Part(e, e+1), y.Part(e, e+1)) {
				return false
			}
		}
		return operand == 1 || !alike(out[0], y)
	}
	for i := range f.in[1].F64 {
		if c := op.MakesChannel(f.in[1].Shape, i); !changes(1, i, c) {
			say("MakesChannel", false, "element %d of the weights is not for channel %d alone", i, c)
			return
		}
	}
	if len(f.in) > 2 {
		for c := range f.in[2].F64 {
			say("MakesChannel", changes(2, c, c), "the third operand is not added to channel %d", c)
		}
	}
}

// vanishes sets the operands to 0 that Vanishes asks for, in each way that it may be asked,
// and looks at the results.
func (f *facetCase) vanishes(op ir.Vanisher, say func(name string, ok bool, format string, a ...any)) {
	for _, x := range f.in {
		if slices.ContainsFunc(x.F64, func(v float64) bool { return v-v != 0 }) {
			return // what is not finite stays so
		}
	}
	for set := range 1 << len(f.in) {
		zero, in := make([]bool, len(f.in)), slices.Clone(f.in)
		for i, x := range f.in {
			if zero[i] = set>>i&1 == 1; zero[i] {
				in[i] = ir.NewTensor(x.DType, x.Shape...)
			}
		}
		if !op.Vanishes(zero) {
			continue
		}
		out, err := f.eval(f.n.Op, f.env, in...)
		good := err == nil && slices.IndexFunc(out[0].F64, func(v float64) bool { return v != 0 }) < 0
		say("Vanishes", good, "it is not 0 where the operands %v are (%v)", zero, err)
		if !good {
			return
		}
	}
}

// follows changes each index of each axis of the operand and looks whether what changes
// with it is where Follow says.
func (f *facetCase) follows(op ir.Follower, say func(name string, ok bool, format string, a ...any)) {
	fixed := func(x *ir.Tensor, d ir.DType) []ir.Type {
		return []ir.Type{{DType: d, Shape: ir.ShapeOf(x.Shape...)}}
	}
	x, y := f.in[0], f.out[0]
	in, out := fixed(x, f.n.In[0].Type.DType), fixed(y, f.n.Out[0].Type.DType)
	for axis, n := range x.Shape {
		t, ok := op.Follow(in, axis)
		if !ok {
			continue
		}
		_, fits := ir.Follow(f.n.Op, in, out, axis)
		say("Follow", fits, "axis %d of %v goes to %+v, which is not in %v", axis, in[0], t, out[0])
		for i := range n {
			changed := x.Clone()
			for e := range x.Len() {
				if coordinate(x.Shape, e, axis) == i {
					changed.Set(e, 3-2*x.At(e))
				}
			}
			got, err := f.eval(f.n.Op, f.env, changed)
			if err != nil {
				say("Follow", false, "%v", err)
				return
			}
			at := coordinate
			for e := range y.Len() {
				if a, b := got[0].At(e), y.At(e); a == b || a != a && b != b {
					continue
				}
				var where []int
				for axis := range y.Shape {
					where = append(where, at(y.Shape, e, axis))
				}
				if t.In(where, y.Shape, n) != i {
					say("Follow", false, "index %d of axis %d changes element %d, which is not of it: %+v", i, axis, e, t)
					return
				}
			}
		}
	}
}

// coordinate returns the index of element e along an axis.
func coordinate(shape []int, e, axis int) int {
	inner := ir.Elems(shape[axis+1:])
	return e / inner % shape[axis]
}

func turnsRight(op ir.Op) bool {
	m, ok := op.(ir.Multiplier)
	if !ok {
		return false
	}
	_, b := m.Transposed()
	return b
}

// panelled reports whether by gives the results with the right operand in panels.
func (f *facetCase) panelled(by ir.Op) bool {
	for _, width := range []int{1, 2, 3, 16} {
		b := ir.NewBuilder("panels")
		fed := map[string]*ir.Tensor{}
		var args []*ir.Value
		for i, x := range f.in {
			name := fmt.Sprintf("in%d", i)
			v := b.Input(name, ir.Type{DType: f.n.In[i].Type.DType, Shape: ir.ShapeOf(x.Shape...)})
			fed[name] = x
			if i == 1 {
				v = b.Op(ops.Panels{Width: width}, v)
			}
			args = append(args, v)
		}
		y := b.Op(by, args...)
		if b.Err() != nil {
			return false
		}
		env := f.env
		vals, err := ir.Evaluate(b.Graph, &env, fed)
		if err != nil || !alike(vals[y], f.out[0]) {
			return false
		}
	}
	return true
}

// addsUp reports whether each element of the result is made by one of two parts of the
// rows, and is 0 for the other.
func (f *facetCase) addsUp(rows int) bool {
	sum := ir.NewTensor(f.out[0].DType, f.out[0].Shape...)
	for _, part := range [][2]int{{0, rows / 2}, {rows / 2, rows}} {
		env := f.env
		env.Binding, env.UpdateRows, env.FirstRow = env.Binding.WithRows(part[1]-part[0]), rows, part[0]
		var in []*ir.Tensor
		for i, x := range f.in {
			if t := f.n.In[i].Type; t.Shape.Has(ir.Batch) {
				each, w := x.Shape[0]/rows, x.Len()/x.Shape[0]
				shape := append([]int{(part[1] - part[0]) * each}, x.Shape[1:]...)
				y := ir.NewTensor(x.DType, shape...)
				copy(y.F64, x.F64[part[0]*each*w:part[1]*each*w])
				x = y
			}
			in = append(in, x)
		}
		out, err := f.eval(f.n.Op, env, in...)
		if err != nil {
			return false
		}
		for i, x := range out[0].F64 {
			if x != 0 && sum.F64[i] != 0 {
				return false
			}
			sum.F64[i] += x
		}
	}
	return alike(sum, f.out[0])
}

func near(a, b float64) bool {
	return a == b || a != a && b != b || math.Abs(a-b) <= 1e-9*(1+math.Abs(b))
}

// alike reports whether two tensors have the same type and elements.
func alike(a, b *ir.Tensor) bool {
	if a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) {
		return false
	}
	for i := range a.Len() {
		if x, y := a.At(i), b.At(i); x != y && (x == x || y == y) {
			return false
		}
	}
	return true
}
