package bundle_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// function is x f32[N 3] -> f(x·w) with w given.
func function(t *testing.T, w float32, f func(b *ir.Builder, h *ir.Value) *ir.Value) *engine.Net {
	t.Helper()
	b := ir.NewBuilder("g")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))
	b.Layer, b.Pos = "first", ir.Pos{Made: ir.Frame{File: "main.go", Line: 7}}
	h := b.Op(ops.Mul{}, x, b.Param("w", ir.T(ir.F32, ir.Fixed(3))))
	b.Layer, b.Pos.Made.Line = "second", 8
	y := f(b, h)
	y.Name = "y"
	b.Output(y)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	g, err := compiler.Front(b.Graph, true)
	if err != nil {
		t.Fatal(err)
	}
	p, err := compiler.CompileGraph(g, compiler.Options{Rows: 4})
	if err != nil {
		t.Fatal(err)
	}
	net, err := engine.NewNet(g, p, map[string][]float32{"w": {w, 1, 1}}, engine.Record{})
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// TestNotFinite ships no parameter and no output on the given rows that is not a
// finite number, and says what made it.
func TestNotFinite(t *testing.T) {
	rt := orttest.Runtime(t)
	nan := float32(math.NaN())
	tanh := func(b *ir.Builder, h *ir.Value) *ir.Value { return b.Op(ops.Tanh{}, h) }
	log := func(b *ir.Builder, h *ir.Value) *ir.Value { return b.Op(ops.Log{}, h) }
	from := func(row int, x float32) dataset.Source {
		return dataset.From([]int{0, 1, 2, 3, 4, 5, 6, 7, 8}, func(i int, r dataset.Row) {
			v := []float32{0.5, 0.25, 1}
			if i == row {
				v[1] = x
			}
			r.F32("x", v...)
		})
	}
	for name, c := range map[string]struct {
		net  *engine.Net
		rows dataset.Source
		want []string
	}{
		"parameter": {function(t, nan, tanh), from(-1, 0), []string{`parameter "w" holds NaN at element 0`}},
		"infinity":  {function(t, float32(math.Inf(-1)), tanh), from(-1, 0), []string{`parameter "w" holds -Inf`}},
		"op":        {function(t, 1, log), from(5, -2), []string{`output "y" is NaN in row 5, element 1`, `layer "second" (main.go:8): Log gave NaN`}},
		"overflow":  {function(t, 1e30, tanh), from(-1, 0), nil},
		"unbounded": {function(t, 1e30, func(b *ir.Builder, h *ir.Value) *ir.Value { return b.Op(ops.Mul{}, h, b.Const(ir.F32, 1e30)) }),
			from(-1, 0), []string{`output "y" is +Inf in row 0, element 0`, `layer "second" (main.go:8): Mul gave +Inf`}},
	} {
		dir := filepath.Join(t.TempDir(), "b")
		_, err := bundle.Write(t.Context(), dir, c.net, c.rows, rt)
		if c.want == nil {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		for _, w := range append(c.want, "b was not written") {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not say %q", name, err, w)
			}
		}
		if err != nil && strings.Contains(err.Error(), "rate") {
			t.Errorf("%s: %v speaks of a rate", name, err)
		}
		only(t, filepath.Dir(dir))
	}
}

// TestUndetermined ships nothing of which nothing can be compared, and verifies no
// bundle that allows its outputs anything.
func TestUndetermined(t *testing.T) {
	rt := orttest.Runtime(t)
	dir := filepath.Join(t.TempDir(), "b")
	either := function(t, 1, func(b *ir.Builder, h *ir.Value) *ir.Value {
		half := b.Op(ops.Exp{}, b.Op(ops.Mul{}, h, b.Const(ir.F32, 0.5)))
		open := b.Op(ops.Greater{}, b.Op(ops.Exp{}, h), b.Op(ops.Mul{}, half, half)) // which are one number
		return b.Op(ops.Where{}, open, h, b.Op(ops.Neg{}, h))
	})
	three := dataset.From([]int{0, 1, 2, 3, 4, 5, 6, 7, 8}, func(i int, r dataset.Row) { r.F32("x", 1, 2, float32(i)+1) })
	_, err := bundle.Write(t.Context(), dir, either, three, rt)
	var u *verify.UndeterminedError
	if !errors.As(err, &u) || !strings.Contains(err.Error(), `layer "second"`) || !strings.Contains(err.Error(), `"y"`) {
		t.Errorf("error %v", err)
	}
	only(t, filepath.Dir(dir))

	dir = write(t)
	v, err := bundle.Verify(t.Context(), dir, rt)
	if err != nil || v.Status != bundle.Holds || v.Determined != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	// An older bundle has one tolerance for all elements of an output.
	path := filepath.Join(dir, "verification.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	if m["determined"] != 1.0 {
		t.Errorf("verification.json says that %v is determined", m["determined"])
	}
	delete(m["files"].(map[string]any), "bounds.npz")
	m["outputs"] = map[string]any{"code": 1e9}
	if b, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	editModel(t, dir, weight)
	rehash(t, dir, func(name string) string { return sum(t, dir, name) })
	v, err = bundle.Verify(t.Context(), dir, rt)
	if err != nil || v.Status != bundle.Undetermined || v.Determined != 0 || !strings.Contains(v.Reason, `output "code": only 0 % of its elements are determined`) {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := bundle.Open(t.Context(), dir); !errors.Is(err, bundle.ErrUnverified) {
		t.Errorf("error %v", err)
	}
}
