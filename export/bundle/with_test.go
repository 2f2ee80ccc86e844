package bundle

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// TestWith writes a function with inputs that have no rows: they are stored as given and,
// in the second set, with other numbers; what does not fit is refused with its name.
func TestWith(t *testing.T) {
	rt := orttest.Runtime(t)
	x, w, rate := spec.Input("x", 3), spec.Given("w", 3, 2), spec.Given("rate")
	y := spec.Mul(rate, spec.Grad(spec.MatMul(x, w).Then(spec.Tanh()), w)).Named("y")
	g, _, err := spec.GraphOf("update", y)
	if err != nil {
		t.Fatal(err)
	}
	if g, err = compiler.Front(g, true); err != nil {
		t.Fatal(err)
	}
	pl, err := compiler.CompileGraph(g, compiler.Options{Rows: 64})
	if err != nil {
		t.Fatal(err)
	}
	net, err := engine.NewNet(g, pl, nil, engine.Record{})
	if err != nil {
		t.Fatal(err)
	}
	rows := dataset.From(make([]int, 40), func(_ int, row dataset.Row) { row.F32("x", 0.5, -1, 0.25) }, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{3}})
	weights := &ir.Tensor{DType: ir.F32, Shape: []int{3, 2}, F32: []float32{0.5, 1, -0.5, 0.25, 2, -1}}
	one := &ir.Tensor{DType: ir.F32, Shape: []int{}, F32: []float32{0.5}}
	write := func(src dataset.Source) (string, error) {
		dir := t.TempDir() + "/b"
		_, err := Write(t.Context(), dir, net, src, rt)
		return dir, err
	}
	for name, c := range map[string]struct {
		src  dataset.Source
		want string
	}{
		"rows alone":    {rows, `input "rate" (f32[]) has no rows; give its value with bundle.With`},
		"one missing":   {With(rows, map[string]*ir.Tensor{"w": weights}), `input "rate" (f32[]) has no rows, and bundle.With gives it nothing; it gives ["w"]`},
		"another shape": {With(rows, map[string]*ir.Tensor{"w": one, "rate": one}), `input "w" is f32[3 2], bundle.With gives it f32[]`},
		"one too many":  {With(rows, map[string]*ir.Tensor{"w": weights, "rate": one, "z": one}), `gives "z", but no input without rows has that name`},
		"one with rows": {With(rows, map[string]*ir.Tensor{"w": weights, "rate": one, "x": one}), `gives "x", but no input without rows has that name`},
		"broken":        {With(rows, map[string]*ir.Tensor{"w": {DType: ir.F32, Shape: []int{3, 2}}, "rate": one}), `input "w"`},
		"no rows":       {With(nil, map[string]*ir.Tensor{"w": weights, "rate": one}), "no rows to replay"},
	} {
		if _, err := write(c.src); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	given := map[string]*ir.Tensor{"w": weights, "rate": one}
	dir, err := write(With(rows, given))
	if err != nil {
		t.Fatal(err)
	}
	o, err := Load(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	first, second := o.Sets[0].In, o.Sets[1].In
	for i, x := range weights.F32 {
		if first["w"].F32[i] != x {
			t.Errorf("set 0 has w[%d] = %v, want %v", i, first["w"].F32[i], x)
		}
	}
	if first["rate"].F32[0] != 0.5 || second["rate"].F32[0] == 0.5 || second["w"].F32[0] == weights.F32[0] {
		t.Errorf("set 1 has rate %v and w %v", second["rate"].F32, second["w"].F32)
	}
}
