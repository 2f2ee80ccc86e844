package ort_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
)

// lengthsOnFile exports the graph of a seed as it was drawn, as the compiler's front
// leaves it, and with the batch frozen; it compares each file with the reference at
// several lengths from 1 to the capacity. It returns how many of the three there are:
// a length that no axis of an input gives cannot be written.
func lengthsOnFile(t *testing.T, rt verify.Runtime, seed uint64) (ran int) {
	t.Helper()
	g, at := randgraph.New(seed, randgraph.Options{Open: seed%2 == 1})
	front, err := compiler.Front(g, true)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	d := randgraph.NewDice(seed + 1<<32)
	opset := 13 + d.N(11)
	for _, form := range []struct {
		name  string
		g     *ir.Graph
		batch int
	}{{"drawn", g, 0}, {"front", front, 0}, {"frozen", front, at.Rows()}} {
		what := fmt.Sprintf("seed %d, %s, opset %d", seed, form.name, opset)
		file, err := onnxexport.Export(form.g, weights(g, seed), onnxexport.Options{Opset: opset, Batch: form.batch})
		var refused *ir.Error
		if errors.As(err, &refused) && strings.Contains(refused.Rule, "no input of the file has an axis that gives it") {
			t.Logf("%s: %v", what, err)
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", what, err, ir.Format(form.g))
		}
		ran++
		s, err := rt.Open(file)
		if err != nil {
			t.Fatalf("%s: %v\n%s", what, err, ir.Format(form.g))
		}
		for i := range 4 {
			b := at
			switch {
			case i == 1:
				b = ir.RowsOf(1).With("T", 1)
			case i > 1:
				b = randgraph.Smaller(d, at)
			}
			if form.batch > 0 {
				b = b.WithRows(form.batch)
			}
			if ir.CheckBinding(b, g.Dims()...) != nil {
				continue
			}
			onFile(t, fmt.Sprintf("%s, %v", what, b), s, front, b, seed)
		}
		s.Close()
		if t.Failed() {
			t.Fatal(ir.Format(form.g))
		}
	}
	return ran
}

// weights are the parameters that onFile feeds the reference with.
func weights(g *ir.Graph, seed uint64) map[string][]float32 {
	in := randgraph.Feed(g, &ir.Env{Binding: ir.RowsOf(1).With("T", 1)}, seed)
	params := map[string][]float32{}
	for _, p := range g.Params {
		params[p.Name] = in[p.Name].To(ir.F32).F32
	}
	return params
}

// onFile compares a session with the reference of a graph.
func onFile(t *testing.T, what string, s verify.Session, g *ir.Graph, b ir.Binding, seed uint64) {
	t.Helper()
	env := &ir.Env{Binding: b, Capacity: b, UpdateRows: b.Rows()}
	narrow, wide := map[string]*ir.Tensor{}, map[string]*ir.Tensor{}
	for name, x := range randgraph.Feed(g, env, seed) {
		narrow[name] = x.To(ir.F32)
		wide[name] = narrow[name].To(ir.F64)
	}
	want, err := ir.Evaluate(g, env, wide)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	bound, err := verify.Bound(g, env, wide)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for _, p := range g.Params {
		delete(narrow, p.Name)
	}
	got, err := s.Run(t.Context(), narrow)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	for _, out := range g.Outputs {
		y, x := got[out.Name], want[out]
		if y == nil || !slices.Equal(y.Shape, x.Shape) {
			t.Errorf("%s: %s is %v, want %v", what, out.Name, y, x.Type())
			continue
		}
		for i := range x.Len() {
			allowed := bound[out].Tolerance(i)
			if math.IsInf(allowed, 1) {
				t.Errorf("%s: the bound leaves %s[%d] = %v open", what, out.Name, i, x.At(i))
				break
			}
			if !(math.Abs(y.At(i)-x.At(i)) <= allowed) {
				t.Errorf("%s: %s[%d] is %v, want %v ± %.3g", what, out.Name, i, y.At(i), x.At(i), allowed)
				break
			}
		}
	}
}

const randomLengthGraphs = 60

// TestRandomLengths holds that the files of random graphs, whose lengths stand on any
// axis, multiply and follow from one another, compute on onnxruntime what the
// reference does.
func TestRandomLengths(t *testing.T) {
	rt := orttest.Runtime(t)
	ran := 0
	for seed := range uint64(randomLengthGraphs) {
		ran += lengthsOnFile(t, rt, seed)
	}
	lengthsOnFile(t, rt, 1960) // a transpose times a vector
	if ran*10 < 3*randomLengthGraphs*8 {
		t.Errorf("%d files of %d graphs could be written", ran, randomLengthGraphs)
	}
	t.Logf("%d files of %d graphs", ran, randomLengthGraphs)
}

// FuzzLengths is TestRandomLengths without end.
func FuzzLengths(f *testing.F) {
	rt := orttest.Runtime(f)
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { lengthsOnFile(t, rt, seed) })
}
