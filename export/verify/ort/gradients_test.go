package ort_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/lab/randmodel"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// TestModelGradients holds losses and gradients of the training plan of random
// declared models against the float64 reference, dropout included, in batches
// that do and do not fill the plan.
func TestModelGradients(t *testing.T) { allGradients(t, randmodel.New) }

// TestImageModelGradients does the same with models of images.
func TestImageModelGradients(t *testing.T) { allGradients(t, randmodel.Images) }

func allGradients(t *testing.T, of func(seed uint64) *randmodel.Model) {
	t.Helper()
	var sum slopes
	t.Run("seeds", func(t *testing.T) {
		for part := range uint64(2) {
			t.Run(fmt.Sprint(part), func(t *testing.T) {
				t.Parallel()
				for seed := part; seed < uint64(models(t)); seed += 2 {
					gradients(t, of(seed), seed, &sum)
				}
			})
		}
	})
	slices.Sort(sum.relative)
	median := sum.relative[len(sum.relative)/2]
	t.Logf("%d elements of losses and gradients, %d left open; worst ratio to tolerance %.2f (seed %d); tolerance over largest element: median %.1e",
		sum.elements, sum.open, sum.worst.ratio, sum.worst.seed, median)
	if sum.open*20 > sum.elements || median > 1e-4 {
		t.Errorf("the tolerance says too little")
	}
}

// slopes sums up what was compared.
type slopes struct {
	sync.Mutex
	elements, open int // open is what rounding alone decides
	worst          worst
	relative       []float64 // greatest tolerance of a tensor over its greatest element
}

func gradients(t *testing.T, m *randmodel.Model, seed uint64, sum *slopes) {
	t.Helper()
	p, err := compiler.Compile(m.Model, compiler.Options{Rows: 16, StoreGrads: true})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	g, err := m.Graph()
	if err == nil {
		g, err = compiler.Gradient(g, "loss")
	}
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	s := engine.NewStore(p.Train.Segments, nil, p.Train.States...)
	in := map[string]*ir.Tensor{}
	for _, q := range p.Params {
		w := s.Param(q.Name)
		copy(w, q.Initial(random.New(seed)))
		for i := range w { // biases too
			w[i] += float32(0.1 * random.New(seed).DeriveString(q.Name).Normal(uint64(i)))
		}
		in[q.Name] = &ir.Tensor{DType: ir.F32, Shape: q.Type.Shape.Lengths(), F32: w}
	}
	e, err := engine.New(p.Train, s, engine.Options{Workers: 2})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	defer e.Close()
	for _, rows := range []int{16, 5} {
		table, feed := m.Rows(rows), engine.Feed{}
		for _, c := range m.Columns {
			x := &ir.Tensor{DType: ir.F32, Shape: append([]int{rows}, c.Shape...), F32: table.F32(c.Name)}
			if c.DType == dataset.I64 {
				x = &ir.Tensor{DType: ir.I64, Shape: x.Shape, I64: table.I64(c.Name)}
			}
			in[c.Name], feed[c.Name] = x, x
		}
		if x := p.TrainTotals; x != nil {
			addTotals(t, x, feed, m.At(rows))
		}
		for _, v := range g.State {
			in[v.In.Name] = &ir.Tensor{DType: ir.F32, Shape: v.In.Type.Shape.Lengths(), F32: slices.Clone(s.State(v.In.Name))}
		}
		if err := e.RunAt(feed, m.At(rows), &engine.Update{Seed: seed, Step: 3}); err != nil {
			t.Fatalf("seed %d, %d rows: %v", seed, rows, err)
		}
		env := &ir.Env{Binding: m.At(rows), Capacity: p.Train.Capacity, UpdateRows: rows, Seed: seed, Update: 3}
		want, err := verify.Bound(g, env, in)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if rows == 5 {
			alongALine(t, g, env, in, want, seed)
		}
		got := map[string][]float32{}
		for _, name := range p.Losses {
			y := e.Output(name)
			if y == nil {
				t.Fatalf("seed %d: there is no loss %q", seed, name)
			}
			got[name] = y.F32
		}
		for _, q := range p.Params {
			got["grad/"+q.Name] = s.Grad(q.Name)
		}
		for _, out := range g.Outputs {
			if x, ok := got[out.Name]; ok {
				sum.compare(t, seed, fmt.Sprintf("%q of %d rows", out.Name, rows), x, want[out])
				delete(got, out.Name)
			}
		}
		if len(got) > 0 {
			t.Errorf("seed %d: the reference lacks outputs: %v", seed, got)
		}
	}
}

// alongALine holds the gradients of the reference to how its loss changes along a line
// through the parameters.
func alongALine(t *testing.T, g *ir.Graph, env *ir.Env, in map[string]*ir.Tensor, want map[*ir.Value]verify.Estimate, seed uint64) {
	t.Helper()
	const h = 1e-6
	wide := map[string]*ir.Tensor{}
	for name, x := range in {
		if wide[name] = x; x.DType == ir.F32 {
			wide[name] = x.To(ir.F64)
		}
	}
	key := random.New(seed).DeriveString("line")
	step := func(scale float64) {
		for _, q := range g.Params {
			k := key.DeriveString(q.Name)
			for i := range wide[q.Name].F64 {
				wide[q.Name].F64[i] += scale * k.Normal(uint64(i))
			}
		}
	}
	loss := func() float64 {
		vals, err := ir.Evaluate(g, env, wide)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, out := range g.Outputs {
			if out.Name == "loss" {
				return vals[out].F64[0]
			}
		}
		t.Fatalf("seed %d: there is no loss", seed)
		return 0
	}
	step(h)
	up := loss()
	step(-2 * h)
	got, slope, size := (up-loss())/(2*h), 0.0, 0.0
	for _, out := range g.Outputs {
		name, ok := strings.CutPrefix(out.Name, "grad/")
		if !ok {
			continue
		}
		k := key.DeriveString(name)
		for i, d := range want[out].Value.F64 {
			slope += d * k.Normal(uint64(i))
			size += d * d
		}
	}
	if !(math.Abs(got-slope) <= 1e-5*(1+math.Sqrt(size))) {
		t.Errorf("seed %d: along a line the loss rises by %.9g, its gradient says %.9g", seed, got, slope)
	}
}

// addTotals gives a feed the sums of data over its rows that a plan takes.
func addTotals(t *testing.T, x *plan.Totals, feed engine.Feed, at ir.Binding) {
	t.Helper()
	sums, err := engine.NewTotals(x, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sums.Close()
	own := ir.RowsOf(at.Rows()) // the lengths that the plan has
	for _, name := range x.Plan.Capacity.Free() {
		n, _ := at.Of(name)
		own = own.With(name, n)
	}
	if err := sums.Add(feed, own); err != nil {
		t.Fatal(err)
	}
	for _, of := range x.Of {
		feed[of.Input] = &ir.Tensor{DType: ir.F32, Shape: []int{}, F32: make([]float32, 1)}
	}
	if err := sums.Give(feed); err != nil {
		t.Fatal(err)
	}
}

func (s *slopes) compare(t *testing.T, seed uint64, name string, got []float32, want verify.Estimate) {
	t.Helper()
	if len(got) != want.Value.Len() {
		t.Fatalf("seed %d: %s has %d elements, want %d", seed, name, len(got), want.Value.Len())
	}
	greatest, largest := 0.0, 0.0
	s.Lock()
	defer s.Unlock()
	for i, x := range got {
		s.elements++
		tol, y := want.Tolerance(i), want.Value.At(i)
		if math.IsInf(tol, 1) {
			s.open++
			continue
		}
		greatest, largest = max(greatest, tol), max(largest, math.Abs(y))
		d := math.Abs(float64(x) - y)
		switch {
		case !(d <= tol):
			t.Errorf("seed %d: %s: element %d is %v, %v by the reference: off by %.3g where %.3g is allowed", seed, name, i, x, y, d, tol)
			return
		case d > 0:
			s.worst.note(d/tol, seed)
		}
	}
	if largest > 0 {
		s.relative = append(s.relative, greatest/largest)
	}
}
