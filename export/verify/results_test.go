package verify_test

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/lab/twoway"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// halving is a graph whose layer "halves" ends in an op of two results.
func halving(op ir.Op) *ir.Graph {
	b := ir.NewBuilder("g")
	h := dense(b, "halves", b.Input("x", rows(6)), 8)
	r := b.Ops(op, h)
	first := dense(b, "first", r[0], 3)
	output(b, b.Op(ops.Mul{}, first, dense(b, "second", r[1], 3)), "y")
	if err := b.Err(); err != nil {
		panic(err)
	}
	return b.Graph
}

// TestSeveralResults executes graphs with an op of two results.
func TestSeveralResults(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, op := range []ir.Op{twoway.Halves{Axis: 1}, twoway.Slices{Axis: 1}} {
		g := halving(op)
		if !ir.RowsApart(g) {
			t.Errorf("%s mixes the rows", op.Name())
		}
		r, err := verify.Verify(t.Context(), subject(t, g, 3), rt)
		if err == nil {
			err = r.Err()
		}
		if err != nil {
			t.Errorf("%s: %v", op.Name(), err)
		}
	}
}

// broken is a subject whose file has another number in an initializer, without taps.
func broken(t *testing.T, g *ir.Graph, initializer string, at int) verify.Subject {
	t.Helper()
	s := subject(t, g, 3)
	m := &onnxpb.ModelProto{}
	if err := m.Unmarshal(s.Model); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, x := range m.Graph.Initializer {
		if x.Name == initializer {
			x.RawData[4*at+2] ^= 0x40 // about a quarter
			x.RawData[4*at+3] ^= 0x02
			found = true
		}
	}
	if !found {
		t.Fatalf("no initializer %q", initializer)
	}
	s.Model, _ = m.Marshal()
	s.Taps = nil
	return s
}

// TestLocatesInSecondResult expects a layer whose second result alone is wrong, and a
// layer behind one whose result is not the first of its node in the file.
func TestLocatesInSecondResult(t *testing.T) {
	rt := orttest.Runtime(t)
	top := func() *ir.Graph {
		b := ir.NewBuilder("g")
		x := b.Input("x", rows(6))
		b.Layer = "top"
		top := b.Op(ops.Cast{To: ir.F32}, b.Op(ops.TopK{K: 4, Axis: 1, Largest: true}, x))
		b.Graph.Nodes[1].Layer = "cast"
		output(b, dense(b, "after", top, 3), "y")
		return b.Graph
	}
	for name, c := range map[string]struct {
		s    verify.Subject
		want string
	}{
		"second half": {broken(t, halving(twoway.Halves{Axis: 1}), "halves/w", 7), "halves"},
		"top":         {broken(t, top(), "after/w", 4), "after"},
	} {
		r, err := verify.Verify(t.Context(), c.s, rt)
		if err != nil {
			t.Fatal(name, err)
		}
		if r.Status != verify.Differs || r.Layer != c.want {
			t.Errorf("%s: %s at %q (%s), want %q", name, r.Status, r.Layer, r.Reason, c.want)
		}
	}
}
