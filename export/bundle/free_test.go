package bundle_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/native"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// attention is what a layer of a transformer does with a free length: rows and steps
// become one axis and two again, heads move, a softmax runs over the steps, a token
// comes in front and goes again.
type attention struct {
	spec.Base
	heads, width int
}

func (l *attention) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	n, steps := x[0].Type.Shape[0], x[0].Type.Shape[1]
	token := b.Op(ops.Expand{Shape: ir.MakeDims(ir.Shape{n, ir.Fixed(1), ir.Fixed(l.width)})}, b.Param("token", spec.Constant(0.5), 1, 1, l.width))
	longer, _ := ir.Sum(steps, ir.Fixed(1))
	y := b.Op(ops.Concat{Axis: 1}, token, x[0])
	all, _ := ir.Mul(n, longer)
	flat := b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{all, ir.Fixed(l.width)})}, y)
	part := func(name string) *ir.Value {
		v := b.Op(ops.MatMul{}, flat, b.Param(name, spec.Glorot(), l.width, l.width))
		v = b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{n, longer, ir.Fixed(l.heads), ir.Fixed(l.width / l.heads)})}, v)
		return b.Op(ops.Transpose{Perm: ir.MakeAxes(0, 2, 1, 3)}, v)
	}
	q, k, v := part("q"), part("k"), part("v")
	scores := b.Op(ops.MatMul{}, q, b.Op(ops.Transpose{Perm: ir.MakeAxes(0, 1, 3, 2)}, k))
	z := b.Op(ops.MatMul{}, b.Op(ops.Softmax{Axis: 3}, scores), v)
	z = b.Op(ops.Transpose{Perm: ir.MakeAxes(0, 2, 1, 3)}, z)
	z = b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{n, longer, ir.Fixed(l.width)})}, z)
	return b.Op(ops.Slice{Axis: 1, Start: ir.Fixed(1), End: longer}, z)
}

type meanOver struct{ spec.Base }

func (*meanOver) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.ReduceMean{Axes: ir.MakeAxes(1)}, x[0])
}

// TestFreeLength trains a model of sequences, ships it, and reads it back: the file
// computes the same on onnxruntime at several lengths, and so does what is read.
func TestFreeLength(t *testing.T) {
	rt := orttest.Runtime(t)
	const most, given = 12, 9
	x, next := spec.Input("x", most, 6).Free("T"), spec.Input("next", most, 6).Free("T")
	h := x.Then(spec.Dense(8), spec.Tanh(), &attention{spec.Here("Attention"), 2, 8})
	steps := h.Then(spec.Dense(6)).Named("steps")
	code := h.Then(&meanOver{spec.Here("MeanOver")}, spec.Dense(3)).Named("code")
	m := spec.NewModel("seq", spec.MSE(steps, next), spec.L1(code))
	cols := []dataset.Column{{Name: "x", DType: dataset.F32, Shape: []int{given, 6}}, {Name: "next", DType: dataset.F32, Shape: []int{given, 6}}}
	k := 0
	rows := dataset.From(make([]int, 40), func(_ int, row dataset.Row) {
		for i := range given * 6 {
			k++
			row.F32Slice("x")[i] = float32(k%13)/7 - 0.8
			row.F32Slice("next")[i] = float32((k+1)%13)/7 - 0.8
		}
	}, cols...)
	fit, err := train.Fit(t.Context(), m, rows, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 3, Batch: 8})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "bundle")
	r, err := bundle.Write(t.Context(), dir, fit.Net(steps, code), rows, rt)
	if err != nil {
		t.Fatal(err)
	}
	text := r.Verification.String()
	for _, s := range []string{"given rows, T = 9", "spanned rows, T = 5", "zeros, T = 12", "ones, T = 1 ", "tiny, T = 11"} {
		if !strings.Contains(text, s) {
			t.Errorf("no %q in\n%s", s, text)
		}
	}
	if v, err := bundle.Verify(t.Context(), dir, rt, native.Runtime()); err != nil || v.Status != bundle.Holds || v.HardRows == 0 {
		t.Fatalf("%+v %v", v, err)
	}
	o, err := bundle.Load(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := o.Net.Graph().Capacity.Of("T"); n != most {
		t.Errorf("the capacity that is read is %d", n)
	}
	in := map[string]*ir.Tensor{"x": ir.NewTensor(ir.F32, 2, most, 6)}
	if out, err := o.Net.Run(context.Background(), in); err != nil || out["steps"].Shape[1] != most {
		t.Errorf("at the capacity: %v", err)
	}
	in["x"] = ir.NewTensor(ir.F32, 2, most+1, 6)
	if _, err := o.Net.Run(context.Background(), in); err == nil || !strings.Contains(err.Error(), "length T is 13") {
		t.Errorf("above the capacity: %v", err)
	}
}
