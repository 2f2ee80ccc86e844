package verify_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/native"
)

// TestNothingCompared gives files with other weights, of functions of which nothing
// on the given rows can be told: none may hold.
func TestNothingCompared(t *testing.T) {
	for name, c := range map[string]struct {
		f     func(b *ir.Builder, h *ir.Value) *ir.Value
		holds bool
	}{
		"numbers": {func(b *ir.Builder, h *ir.Value) *ir.Value { return b.Op(ops.Tanh{}, h) }, true},
		"decided by rounding": {func(b *ir.Builder, h *ir.Value) *ir.Value {
			open := b.Op(ops.Greater{}, b.Op(ops.Exp{}, h), b.Op(ops.Exp{}, h))
			return b.Op(ops.Mul{}, b.Op(ops.Cast{To: ir.F32}, open), h)
		}, false},
		"one of two": {func(b *ir.Builder, h *ir.Value) *ir.Value {
			open := b.Op(ops.Greater{}, b.Op(ops.Exp{}, h), b.Op(ops.Exp{}, h))
			return b.Op(ops.Where{}, open, h, b.Op(ops.Neg{}, h))
		}, false},
		"a divisor that may be 0": {func(b *ir.Builder, h *ir.Value) *ir.Value {
			return b.Op(ops.Div{}, h, b.Op(ops.Sub{}, b.Op(ops.Exp{}, h), b.Op(ops.Exp{}, h)))
		}, false},
		"no number": {func(b *ir.Builder, h *ir.Value) *ir.Value {
			return b.Op(ops.Log{}, b.Op(ops.Neg{}, b.Op(ops.Exp{}, h)))
		}, false},
		"no finite number": {func(b *ir.Builder, h *ir.Value) *ir.Value {
			return b.Op(ops.Exp{}, b.Op(ops.Exp{}, b.Op(ops.Add{}, h, b.Const(ir.F32, 30))))
		}, false},
		"more rounding than number": {func(b *ir.Builder, h *ir.Value) *ir.Value {
			return b.Op(ops.Sub{}, b.Op(ops.Add{}, h, b.Const(ir.F32, 1e9)), b.Const(ir.F32, 1e9))
		}, false},
	} {
		b := ir.NewBuilder("g")
		h := dense(b, "dense", b.Input("x", rows(6)), 4)
		b.Layer, b.Pos.Made.Line = "end", 99
		output(b, c.f(b, h), "y")
		if err := b.Err(); err != nil {
			t.Fatal(err)
		}
		p := weights(b.Graph, 1)
		m, err := onnxexport.Build(b.Graph, p, onnxexport.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := verify.Subject{Graph: b.Graph, Params: p, Model: m.Bytes, Taps: m.Taps, Sets: []verify.Set{uniform(b.Graph, 9, 4)}}
		r, err := verify.Verify(t.Context(), s, native.Runtime())
		if err != nil {
			t.Fatal(name, err)
		}
		if c.holds {
			if r.Status != verify.Holds || r.Determined != 1 || r.Sets[0].Determined["y"] != 1 {
				t.Errorf("%s: the right file: %v", name, r)
			}
		} else {
			var e *verify.UndeterminedError
			if r.Status != verify.Undetermined || r.Determined >= verify.Enough || r.Layer != "end" || !errors.As(r.Err(), &e) {
				t.Errorf("%s: the right file: %v", name, r)
			}
			for _, w := range []string{`"y"`, "of its elements are determined", "row 0, element 0", "main.go:99"} {
				if !strings.Contains(r.Err().Error(), w) {
					t.Errorf("%s: %q does not say %q", name, r.Err(), w)
				}
			}
		}
		other, err := onnxexport.Build(b.Graph, weights(b.Graph, 2), onnxexport.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.Model, s.Taps = other.Bytes, other.Taps
		if r, err = verify.Verify(t.Context(), s, native.Runtime()); err != nil {
			t.Fatal(name, err)
		}
		if r.Status == verify.Holds || r.Err() == nil {
			t.Errorf("%s: a file with other weights holds: %v", name, r)
		}
	}
}

// TestDrawnRows leaves it open how much of rows that nobody gave can be compared.
func TestDrawnRows(t *testing.T) {
	s := subject(t, encoder(), 1)
	drawn := uniform(s.Graph, 3, 1)
	drawn.Name, drawn.Drawn = "drawn", true
	for i := range drawn.In["x"].F32 {
		drawn.In["x"].F32[i] = float32(math.NaN())
	}
	s.Sets = append(s.Sets, drawn)
	r, err := verify.Verify(t.Context(), s, native.Runtime())
	if err != nil || r.Status != verify.Holds || r.Determined != 1 || r.Sets[1].Determined["code"] != 0 {
		t.Errorf("%v, %v", r, err)
	}
}

// TestReportPrints holds what a program prints that prints a report.
func TestReportPrints(t *testing.T) {
	s := subject(t, encoder(), 1)
	r, err := verify.Verify(t.Context(), s, native.Runtime())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{"holds\n", "lamina 0.1.0, 33 rows in batches of 1 2 7 64 33", "100 % of each output determined", "not finite"} {
		if !strings.Contains(r.String(), w) {
			t.Errorf("the report does not say %q:\n%s", w, r)
		}
	}
}
