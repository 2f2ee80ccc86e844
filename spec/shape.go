package spec

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// FlattenLayer is made by [Flatten].
type FlattenLayer struct{ Base }

// Flatten merges all axes but the batch into one: f32[N 28 28] becomes f32[N 784].
// Mistakes: one of them has a free length.
func Flatten() *FlattenLayer { return &FlattenLayer{newBase("Flatten")} }

// Named gives the layer a name.
func (l *FlattenLayer) Named(name string) *FlattenLayer { return Named(l, name) }

// Build returns x as a matrix.
func (l *FlattenLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if !rowsFirst(x[0].Type.Shape) {
		return b.Errorf("x must be [N …], got %s", x[0].Type)
	}
	if x[0].Type.Shape[1:].Symbolic() {
		return b.Errorf("x is %s: a free length cannot become part of a width, which must be known; take a mean or a sum along that axis first", x[0].Type)
	}
	return b.Op(ops.Flatten{Axis: 1}, x[0])
}

// Image is a Reshape to the input's lengths.
func (l *FlattenLayer) Image(in ir.Type, _ bool) Image {
	return UndoneBy(&ReshapeLayer{newBase("Reshape"), lengths(in.Shape)})
}

// ReshapeLayer is made by [Reshape].
type ReshapeLayer struct {
	Base
	dims []int
}

// Reshape gives the axes after the batch other lengths with the same product:
// f32[N 784] becomes f32[N 1 28 28]. A length of 0 keeps that of the axis of x at the
// same position, which may be free: Reshape(0, 4, 16) turns f32[N T 64] into
// f32[N T 4 16]. For a value without a batch the lengths are the whole shape.
// Mistakes: a length is negative, x has no such axis, the products differ.
func Reshape(dims ...int) *ReshapeLayer {
	return &ReshapeLayer{newBase("Reshape"), append([]int{}, dims...)}
}

// Named gives the layer a name.
func (l *ReshapeLayer) Named(name string) *ReshapeLayer { return Named(l, name) }

func (l *ReshapeLayer) args() string {
	var given []int
	for _, d := range l.dims {
		if d != 0 {
			given = append(given, d)
		}
	}
	if len(l.dims) > ir.MaxRank-1 {
		given = l.dims
	}
	return checkDims(given, ir.MaxRank-1)
}

// Build returns x in the new shape.
func (l *ReshapeLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	t := x[0].Type
	if !rowsFirst(t.Shape) && t.Shape.Has(ir.Batch) {
		return b.Errorf("x must be [N …] or have no batch, got %s", t)
	}
	row := rowOf(t.Shape)
	batch := t.Shape[:t.Rank()-len(row)]
	var to ir.Shape
	for i, d := range l.dims {
		if d != 0 {
			to = append(to, ir.Fixed(d))
			continue
		}
		if i >= len(row) {
			return b.Errorf("length %d of %v is 0, which keeps the axis at that place, but x has none there (x is %s)", i, l.dims, t)
		}
		to = append(to, row[i])
	}
	have, ok1 := row.Elems()
	want, ok2 := to.Elems()
	if !ok1 || !ok2 || have != want {
		return b.mistake(&mistake{op: func() string { return "Reshape" },
			rule: text("%s elements a row cannot become %v, which are %s (x is %s)", have, l.dims, want, t),
			hint: "the lengths are those of a row: the batch is not among them"})
	}
	return b.Op(ops.Reshape{Shape: ir.MakeDims(append(batch.Clone(), to...))}, x[0])
}

// Image is a Reshape to the input's lengths.
func (l *ReshapeLayer) Image(in ir.Type, _ bool) Image {
	return UndoneBy(&ReshapeLayer{newBase("Reshape"), lengths(in.Shape)})
}

// lengths returns the lengths after the batch as Reshape takes them: 0 for one that
// is free.
func lengths(s ir.Shape) []int {
	var out []int
	for _, d := range rowOf(s) {
		n, _ := d.Known()
		if d.Symbolic() {
			n = 0
		}
		out = append(out, n)
	}
	return out
}

// rowOf returns the axes after the batch, or all of them if there is no batch.
func rowOf(s ir.Shape) ir.Shape {
	if rowsFirst(s) {
		return s[1:]
	}
	return s
}

// FloatsLayer is made by [Floats].
type FloatsLayer struct {
	Base
	scale float64
}

// Floats converts integers, such as an input of [Bytes], to f32, and truth values, such
// as the result of [Greater], to 0 and 1:
//
//	x := spec.Bytes("x", 784).Then(spec.Floats().Times(1.0 / 255))
//
// Mistakes: x is already f32.
func Floats() *FloatsLayer { return &FloatsLayer{newBase("Floats"), 1} }

// Named gives the layer a name.
func (l *FloatsLayer) Named(name string) *FloatsLayer { return Named(l, name) }

// Times multiplies each number by scale, which must be finite and not 0. The
// default is 1.
func (l *FloatsLayer) Times(scale float64) *FloatsLayer {
	return Option(l, "Times", func(l *FloatsLayer) { l.scale = scale })
}

func (l *FloatsLayer) args() string {
	if x := math.Abs(float64(float32(l.scale))); !(x > 0 && x <= math.MaxFloat32) {
		return fmt.Sprintf("the scale must be finite and not 0, got %v", l.scale)
	}
	return ""
}

// Build returns x as f32.
func (l *FloatsLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if x[0].Type.DType == ir.F32 {
		return b.Errorf("x is f32 already, got %s", x[0].Type)
	}
	y := b.Op(ops.Cast{To: ir.F32}, x[0])
	if l.scale == 1 {
		return y
	}
	return b.Op(ops.Mul{}, y, b.Const(l.scale))
}

// DropoutLayer is made by [Dropout].
type DropoutLayer struct {
	Base
	rate      float64
	byChannel bool
}

// Dropout sets each element to 0 with probability rate in training and divides
// the others by 1-rate (Srivastava et al. 2014). Outside training it does nothing.
// Mistakes: rate is not in [0, 1).
func Dropout(rate float64) *DropoutLayer { return &DropoutLayer{Base: newBase("Dropout"), rate: rate} }

// Dropout2D is [Dropout] that drops whole channels, as ByChannel says (Tompson et al.
// 2015): x f32[N C H W], or with any other axes behind the channels. Mistakes: rate is not
// in [0, 1); x has no axis besides the batch.
func Dropout2D(rate float64) *DropoutLayer {
	return &DropoutLayer{Base: newBase("Dropout2D"), rate: rate, byChannel: true}
}

// Named gives the layer a name.
func (l *DropoutLayer) Named(name string) *DropoutLayer { return Named(l, name) }

// ByChannel drops whole channels of x f32[N C …], separately for each row. Neighbours in
// a picture say much the same, so single elements would hardly be missed (Tompson et al.
// 2015). Mistakes: x has no axis besides the batch.
func (l *DropoutLayer) ByChannel() *DropoutLayer {
	return Option(l, "ByChannel", func(l *DropoutLayer) { l.byChannel = true })
}

func (l *DropoutLayer) args() string { return rateRule(l.rate) }

// Build returns x with elements dropped. The stream of random numbers is set
// when the graph is made.
func (l *DropoutLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if l.byChannel {
		return b.Op(ops.ChannelDropout{Rate: l.rate}, x[0])
	}
	return b.Op(ops.Dropout{Rate: l.rate}, x[0])
}

// Image says that a mirror leaves the layer out.
func (l *DropoutLayer) Image(ir.Type, bool) Image { return PassedOver() }

// L2NormalizeLayer is made by [L2Normalize].
type L2NormalizeLayer struct{ Base }

// L2Normalize divides x by its length along the last axis; lengths below 1e-12
// count as 1e-12.
func L2Normalize() *L2NormalizeLayer { return &L2NormalizeLayer{newBase("L2Normalize")} }

// Named gives the layer a name.
func (l *L2NormalizeLayer) Named(name string) *L2NormalizeLayer { return Named(l, name) }

// Build returns x divided by its length.
func (l *L2NormalizeLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if rule := features(x[0]); rule != "" {
		return b.Errorf("%s", rule)
	}
	last := ir.MakeAxes(x[0].Type.Rank() - 1)
	squares := b.Op(ops.ReduceSum{Axes: last, Keep: true}, b.Op(ops.Mul{}, x[0], x[0]))
	return b.Op(ops.Div{}, x[0], b.Op(ops.Sqrt{}, b.Op(ops.Max{}, squares, b.Const(1e-24))))
}
