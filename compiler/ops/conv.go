package ops

import (
	"fmt"
	goruntime "runtime"
	"sync"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Conv is the cross-correlation of x [N C …] with the filters w [O C/Group …], plus
// bias [O] if given: y [N O …]. The channels of x and the filters divide into Group runs,
// and a filter sees only its own. The attributes are those of ONNX's Conv: pads before
// each axis, then behind each; empty lists are 1, and 0 for pads.
type Conv struct {
	Strides   ir.Axes `attr:"strides"`
	Dilations ir.Axes `attr:"dilations"`
	Pads      ir.Axes `attr:"pads"`
	Group     int     `attr:"group"`
}

// ConvTranspose is the gradient of a Conv with the same attributes and filters
// w [C O/Group …] along its operand, applied to x [N C …], plus bias [O] if given:
// y [N O …]. OutputPadding is how many elements lie behind the last that a filter reaches;
// it must be below the stride.
type ConvTranspose struct {
	Strides       ir.Axes `attr:"strides"`
	Dilations     ir.Axes `attr:"dilations"`
	Pads          ir.Axes `attr:"pads"`
	OutputPadding ir.Axes `attr:"output_padding"`
	Group         int     `attr:"group"`
}

// ConvFilterGrad is the gradient of a Conv with the same attributes along its filters, of
// lengths Kernel: from x [N C …] and dy [N O …], w [O C/Group …].
type ConvFilterGrad struct {
	Kernel    ir.Axes `attr:"kernel_shape"`
	Strides   ir.Axes `attr:"strides"`
	Dilations ir.Axes `attr:"dilations"`
	Pads      ir.Axes `attr:"pads"`
	Group     int     `attr:"group"`
}

// Name returns Conv.
func (Conv) Name() string { return "Conv" }

// Name returns ConvTranspose.
func (ConvTranspose) Name() string { return "ConvTranspose" }

// Name returns ConvFilterGrad.
func (ConvFilterGrad) Name() string { return "ConvFilterGrad" }

// ONNX returns Conv.
func (Conv) ONNX() ir.ONNX { return ir.ONNX{Type: "Conv", Since: 11} }

// ONNX returns ConvTranspose.
func (ConvTranspose) ONNX() ir.ONNX { return ir.ONNX{Type: "ConvTranspose", Since: 11} }

// ONNX says what is written.
func (ConvFilterGrad) ONNX() ir.ONNX {
	return ir.ONNX{Why: "ONNX has no gradients: a Conv with batch and channels exchanged is written"}
}

// conv is a convolution with its lengths: x [n c in…], y [n o out…], w [o c/group kernel…].
type conv struct {
	window
	group, c, o int // c is -1 if x has the batch as its channels
	in, out     []int
}

// groups checks that channels divide into groups.
func groups(group int, channels ...int) error {
	for _, c := range channels {
		if group < 1 || c%group != 0 {
			return fmt.Errorf("%d channels do not divide into %d groups", c, group)
		}
	}
	return nil
}

// filters returns the first two lengths of w and its window.
func filters(in []ir.Type, names []string, rank int) (first int, second ir.Dim, kernel []int, err error) {
	w := in[1]
	if w.Rank() != rank {
		return 0, second, nil, fmt.Errorf("w must have as many axes as x %s", describe(in, names))
	}
	lengths, known := append(ir.Shape{w.Shape[0]}, w.Shape[2:]...).Fixed()
	if !known || ir.Elems(lengths) == 0 || w.Shape[1].Least() < 1 {
		return 0, second, nil, fmt.Errorf("w must have known lengths from 1 %s", describe(in, names))
	}
	return lengths[0], w.Shape[1], lengths[1:], nil
}

// convOperands checks x, w and a bias [channels] that may be there.
func convOperands(in []ir.Type) ([]string, error) {
	names := []string{"x", "w", "bias"}
	if len(in) == 2 {
		names = names[:2]
	}
	return names, floats(in, names...)
}

func convBias(in []ir.Type, names []string, channels int) error {
	if len(in) == 3 && !in[2].Shape.Equal(ir.ShapeOf(channels)) {
		return fmt.Errorf("bias must be %v %s", ir.T(in[0].DType, ir.Fixed(channels)), describe(in, names))
	}
	return nil
}

func (op Conv) geometry(in []ir.Type) (conv, error) {
	names, err := convOperands(in)
	if err != nil {
		return conv{}, err
	}
	c, lengths, err := spatial(in, names, 0)
	if err != nil {
		return conv{}, err
	}
	o, each, kernel, err := filters(in, names, in[0].Rank())
	if err != nil {
		return conv{}, err
	}
	g := conv{group: op.Group, c: c, o: o, in: lengths}
	switch channels, known := each.Known(); {
	case c < 0 && (op.Group != 1 || each != in[0].Shape[1]):
		return g, fmt.Errorf("filters must have the channels of x, in one group %s", describe(in, names))
	case c >= 0 && !known:
		return g, fmt.Errorf("w must have a known number of channels %s", describe(in, names))
	case c >= 0:
		if err := groups(op.Group, c, o); err != nil {
			return g, fmt.Errorf("%w %s", err, describe(in, names))
		}
		if channels*op.Group != c {
			return g, fmt.Errorf("a filter must have %d channels, those of x in each of %d groups, but has %d %s", c/op.Group, op.Group, channels, describe(in, names))
		}
	}
	if g.window, err = windowOf(kernel, op.Strides, op.Dilations, op.Pads); err == nil {
		g.out, err = g.across(lengths)
	}
	if err != nil {
		return g, fmt.Errorf("%w %s", err, describe(in, names))
	}
	return g, convBias(in, names, o)
}

// geometry is that of the Conv whose gradient it is: x here is y there.
func (op ConvTranspose) geometry(in []ir.Type) (conv, error) {
	names, err := convOperands(in)
	if err != nil {
		return conv{}, err
	}
	o, lengths, err := spatial(in, names, 0)
	if err != nil {
		return conv{}, err
	}
	first, second, kernel, err := filters(in, names, in[0].Rank())
	if err != nil {
		return conv{}, err
	}
	each, known := second.Known()
	if !known || o < 0 {
		return conv{}, fmt.Errorf("channels must be known %s", describe(in, names))
	}
	g := conv{group: op.Group, c: each * max(op.Group, 1), o: o, out: lengths}
	if err := groups(op.Group, o); err != nil {
		return g, fmt.Errorf("%w %s", err, describe(in, names))
	}
	if first != o {
		return g, fmt.Errorf("w must have the channels of x, %d, on its first axis %s", o, describe(in, names))
	}
	extra := make([]int, len(lengths))
	switch op.OutputPadding.Len {
	case 0:
	case len(lengths):
		extra = op.OutputPadding.Slice()
	default:
		return g, fmt.Errorf("output padding has %d entries, it must have %d %s", op.OutputPadding.Len, len(lengths), describe(in, names))
	}
	if g.window, err = windowOf(kernel, op.Strides, op.Dilations, op.Pads); err == nil {
		g.in, err = g.under(lengths, extra)
	}
	if err != nil {
		return g, fmt.Errorf("%w %s", err, describe(in, names))
	}
	return g, convBias(in, names, g.c)
}

func (op ConvFilterGrad) geometry(in []ir.Type) (conv, error) {
	names := []string{"x", "dy"}
	if err := floats(in, names...); err != nil {
		return conv{}, err
	}
	c, lengths, err := spatial(in, names, 0)
	if err != nil {
		return conv{}, err
	}
	o, places, err := spatial(in, names, 1)
	if err != nil {
		return conv{}, err
	}
	g := conv{group: op.Group, c: c, o: o, in: lengths, out: places}
	if c < 0 || o < 0 {
		return g, fmt.Errorf("channels must be known %s", describe(in, names))
	}
	if in[0].Shape[0] != in[1].Shape[0] || len(lengths) != len(places) || op.Kernel.Len != len(lengths) {
		return g, fmt.Errorf("x, dy and the window must have as many axes, and x and dy one batch %s", describe(in, names))
	}
	if err := groups(op.Group, c, o); err != nil {
		return g, fmt.Errorf("%w %s", err, describe(in, names))
	}
	if g.window, err = windowOf(op.Kernel.Slice(), op.Strides, op.Dilations, op.Pads); err != nil {
		return g, fmt.Errorf("%w %s", err, describe(in, names))
	}
	want, err := g.across(lengths)
	if err != nil {
		return g, fmt.Errorf("%w %s", err, describe(in, names))
	}
	for i := range want {
		if want[i] != places[i] {
			return g, fmt.Errorf("dy must have %v places of the window behind its channels %s", want, describe(in, names))
		}
	}
	return g, nil
}

// Infer returns [N O …].
func (op Conv) Infer(in []ir.Type) ([]ir.Type, error) {
	g, err := op.geometry(in)
	if err != nil {
		return nil, err
	}
	return result(in[0].DType, images(in[0], g.o, g.out))
}

// Infer returns [N O …].
func (op ConvTranspose) Infer(in []ir.Type) ([]ir.Type, error) {
	g, err := op.geometry(in)
	if err != nil {
		return nil, err
	}
	return result(in[0].DType, images(in[0], g.c, g.in))
}

// Infer returns [O C/Group …].
func (op ConvFilterGrad) Infer(in []ir.Type) ([]ir.Type, error) {
	g, err := op.geometry(in)
	if err != nil {
		return nil, err
	}
	return result(in[0].DType, ir.ShapeOf(append([]int{g.o, g.c / g.group}, g.kernel...)...))
}

// typesOf is the types of an evaluation's operands.
func typesOf(in []*ir.Tensor) []ir.Type {
	out := make([]ir.Type, len(in))
	for i, t := range in {
		out[i] = ir.Type{DType: t.DType, Shape: ir.ShapeOf(t.Shape...)}
	}
	return out
}

// runs calls f for the products of the convolution of rows [lo,hi) that an element of y has
// of one channel: the numbers of that element, and of the first elements of the channel in x
// and of the filter, from which the taps count. Those of an element of y come together, in
// the order of channels.
func (g *conv) runs(lo, hi int, taps [][]tap, f func(x, w, y int, list []tap)) {
	size, places, window := ir.Elems(g.in), len(taps), ir.Elems(g.kernel)
	cg, og := g.c/g.group, g.o/g.group
	for i := lo; i < hi; i++ {
		for o := range g.o {
			for p, list := range taps {
				y := (i*g.o+o)*places + p
				for c := range cg {
					f((i*g.c+o/og*cg+c)*size, (o*cg+c)*window, y, list)
				}
			}
		}
	}
}

// each calls f for every product of the convolution of n rows, as runs does: the numbers of
// the elements of x, w and y that belong together.
func (g *conv) each(n int, f func(x, w, y int)) {
	g.runs(0, n, g.taps(g.in, g.out), func(x, w, y int, list []tap) {
		for _, t := range list {
			f(x+t.x, w+t.at, y)
		}
	})
}

// shared calls f for ranges of n rows, on several processors if there is much to do.
func (g *conv) shared(n int, f func(lo, hi int)) {
	workers := min(goruntime.GOMAXPROCS(0), n)
	if n*g.o*ir.Elems(g.out)*g.c/g.group*ir.Elems(g.kernel) < 1<<16 {
		workers = 1
	}
	if workers <= 1 {
		f(0, n)
		return
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { f(n*w/workers, n*(w+1)/workers) })
	}
	wg.Wait()
}

// Eval is the reference meaning.
func (op Conv) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	g, err := op.geometry(typesOf(in))
	if err != nil {
		return nil, err
	}
	y := ir.NewTensor(ir.F64, append([]int{in[0].Shape[0], g.o}, g.out...)...)
	taps := g.taps(g.in, g.out)
	g.shared(in[0].Shape[0], func(lo, hi int) {
		g.runs(lo, hi, taps, func(x, w, at int, list []tap) {
			sum := y.F64[at]
			for _, t := range list {
				sum += in[0].F64[x+t.x] * in[1].F64[w+t.at]
			}
			y.F64[at] = sum
		})
	})
	addChannels(y, in)
	return one(y)
}

// Eval is the reference meaning.
func (op ConvTranspose) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	g, err := op.geometry(typesOf(in))
	if err != nil {
		return nil, err
	}
	y := ir.NewTensor(ir.F64, append([]int{in[0].Shape[0], g.c}, g.in...)...)
	taps := g.taps(g.in, g.out)
	g.shared(in[0].Shape[0], func(lo, hi int) {
		g.runs(lo, hi, taps, func(at, w, x int, list []tap) {
			v := in[0].F64[x]
			for _, t := range list {
				y.F64[at+t.x] += v * in[1].F64[w+t.at]
			}
		})
	})
	addChannels(y, in)
	return one(y)
}

// Eval is the reference meaning.
func (op ConvFilterGrad) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	g, err := op.geometry(typesOf(in))
	if err != nil {
		return nil, err
	}
	w := ir.NewTensor(ir.F64, append([]int{g.o, g.c / g.group}, g.kernel...)...)
	g.each(in[0].Shape[0], func(x, at, y int) { w.F64[at] += in[0].F64[x] * in[1].F64[y] })
	return one(w)
}

// addChannels adds the third operand, if there is one, to the channels of y.
func addChannels(y *ir.Tensor, in []*ir.Tensor) {
	if len(in) < 3 {
		return
	}
	inner := ir.Elems(y.Shape[2:])
	for i := range y.F64 {
		y.F64[i] += in[2].F64[i/inner%y.Shape[1]]
	}
}

// VJP gives a ConvTranspose of dy, a ConvFilterGrad, and to the bias the sums of dy.
func (op Conv) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	x, w, dy := n.In[0], n.In[1], dout[0]
	g, _ := op.geometry(ir.TypesOf(n.In)) // Infer took them
	return convVJP(b, n,
		b.Op(ConvTranspose{op.Strides, op.Dilations, op.Pads, g.rest(g.in), op.Group}, dy, w),
		b.Op(ConvFilterGrad{ir.MakeAxes(g.kernel...), op.Strides, op.Dilations, op.Pads, op.Group}, x, dy), dy)
}

// VJP gives a Conv of dy, a ConvFilterGrad, and to the bias the sums of dy.
func (op ConvTranspose) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	x, w, dy := n.In[0], n.In[1], dout[0]
	g, _ := op.geometry(ir.TypesOf(n.In))
	return convVJP(b, n,
		b.Op(Conv{op.Strides, op.Dilations, op.Pads, op.Group}, dy, w),
		b.Op(ConvFilterGrad{ir.MakeAxes(g.kernel...), op.Strides, op.Dilations, op.Pads, op.Group}, dy, x), dy)
}

func convVJP(b *ir.Builder, n *ir.Node, dx, dw, dy *ir.Value) []*ir.Value {
	din := []*ir.Value{dx, dw}
	if len(n.In) == 3 {
		axes := []int{0}
		for a := 2; a < dy.Type.Rank(); a++ {
			axes = append(axes, a)
		}
		din = append(din, b.Op(ReduceSum{Axes: ir.MakeAxes(axes...)}, dy))
	}
	return din
}

// Decompose is the meaning as a Conv of x by the filters dy, batch and channels having
// changed places, and strides and dilations too, for each group.
func (op ConvFilterGrad) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	g, err := op.geometry(ir.TypesOf(in))
	if err != nil {
		return in[:1] // Infer has said so
	}
	part := func(v *ir.Value, i, n int) *ir.Value {
		if op.Group > 1 {
			v = b.Op(Slice{Axis: 1, Start: ir.Fixed(i * n), End: ir.Fixed((i + 1) * n)}, v)
		}
		return exchange(b, v)
	}
	var all []*ir.Value
	for i := range op.Group {
		w := b.Op(Conv{Strides: op.Dilations, Dilations: op.Strides, Pads: op.Pads, Group: 1}, part(in[0], i, g.c/op.Group), part(in[1], i, g.o/op.Group))
		for a, k := range g.kernel { // what lies under no place of the window makes it longer
			if w.Type.Rank() > 2+a && w.Type.Shape[2+a] != ir.Fixed(k) {
				w = b.Op(Slice{Axis: 2 + a, End: ir.Fixed(k)}, w)
			}
		}
		all = append(all, exchange(b, w))
	}
	if len(all) == 1 {
		return all
	}
	return []*ir.Value{b.Op(Concat{Axis: 0}, all...)}
}

// exchange returns v with its first two axes exchanged.
func exchange(b *ir.Builder, v *ir.Value) *ir.Value {
	perm := axesFrom(0, v.Type)
	if perm.Len > 1 {
		perm.At[0], perm.At[1] = 1, 0
	}
	return b.Op(Transpose{Perm: perm}, v)
}

// VJP gives a ConvTranspose and a Conv with the gradient as filters.
func (op ConvFilterGrad) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	g, _ := op.geometry(ir.TypesOf(n.In))
	return []*ir.Value{
		b.Op(ConvTranspose{op.Strides, op.Dilations, op.Pads, g.rest(g.in), op.Group}, n.In[1], dout[0]),
		b.Op(Conv{op.Strides, op.Dilations, op.Pads, op.Group}, n.In[0], dout[0]),
	}
}

// MixesRows states that rows stay apart unless they are the channels.
func (Conv) MixesRows(in []ir.Type) bool { return along([]int{1}, in[0]) }

// MixesRows states that rows stay apart.
func (ConvTranspose) MixesRows([]ir.Type) bool { return false }

// MixesRows states that it is a sum over rows.
func (ConvFilterGrad) MixesRows([]ir.Type) bool { return true }

// SumsRows states that each row gives its terms by itself.
func (ConvFilterGrad) SumsRows([]ir.Type) bool { return true }

// Linear states that it is in x or w, and in the bias.
func (Conv) Linear(vary []bool) bool { return !(vary[0] && vary[1]) }

// Linear states that it is in x or w, and in the bias.
func (ConvTranspose) Linear(vary []bool) bool { return !(vary[0] && vary[1]) }

// Linear states that it is in either operand.
func (ConvFilterGrad) Linear(vary []bool) bool { return !(vary[0] && vary[1]) }

// MakesChannel states that a filter makes one.
func (Conv) MakesChannel(w []int, i int) int { return i / ir.Elems(w[1:]) }

// MakesChannel states that each group makes a run of them.
func (op ConvTranspose) MakesChannel(w []int, i int) int {
	size := ir.Elems(w[2:])
	return i/size/w[1]/(w[0]/op.Group)*w[1] + i/size%w[1]
}

// Split states that rows of the result need those of x.
func (Conv) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitImages(in), true }

// Split states that rows of the result need those of x.
func (ConvTranspose) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitImages(in), true }

func splitImages(in []ir.Type) []ir.Access {
	access := make([]ir.Access, len(in))
	access[0] = ir.Axis0
	return access
}

// Cost counts a multiplication and an addition for each element of the window.
func (op Conv) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return convCost(in[1], out[0], in, out, at)
}

// Cost counts a multiplication and an addition for each element of the window.
func (op ConvTranspose) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return convCost(in[1], in[0], in, out, at)
}

// Cost counts a multiplication and an addition for each element of the window.
func (op ConvFilterGrad) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return convCost(out[0], in[1], in, out, at)
}

// convCost is that of the filters w at each element of y, padding included.
func convCost(w, y ir.Type, in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	flops = 2 * count([]ir.Type{y}, at) * int64(w.Shape[1:].ElemsAt(at))
	return flops + int64(len(in)-2)*count(out, at), traffic(in, out, at)
}
