package ort_test

import (
	"fmt"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/randmodel"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
)

// models is how many random models to take: LAMINA_MODELS, or 200.
func models(t *testing.T) int {
	t.Helper()
	s := os.Getenv("LAMINA_MODELS")
	if s == "" {
		return 200
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("LAMINA_MODELS is %q, must be a positive number", s)
	}
	return n
}

// TestModels takes random declared models the whole way: train on batches of
// which the last is ragged, run on the engine, export, run on onnxruntime, and
// read the text form back.
func TestModels(t *testing.T) {
	all := wholeWay(t, declared)
	if !t.Failed() && all.models >= 200 && (len(all.declared) < 28 || len(all.shipped) < 20 || all.median() > 1e-4) {
		t.Errorf("the models are too much alike, or the tolerance says too little")
	}
}

// TestImageModels does the same with models of images.
func TestImageModels(t *testing.T) {
	all := wholeWay(t, randmodel.Images)
	if !t.Failed() && all.models >= 200 && (all.shipped["Conv"] < 150 || all.shipped["ConvTranspose"] < 80 || all.shipped["MaxPool"] < 40 || all.shipped["AveragePool"] < 30 || all.median() > 1e-4) {
		t.Errorf("the models are too much alike, or the tolerance says too little")
	}
}

// wholeWay takes the models of as many seeds as models says the whole way.
func wholeWay(t *testing.T, of func(seed uint64) *randmodel.Model) *census {
	t.Helper()
	count := models(t)
	rt := ort.Runtime()
	if _, err := rt.Version(); err != nil {
		if os.Getenv("LAMINA_REQUIRE_ORT") == "1" {
			t.Fatal(err)
		}
		t.Run("onnxruntime", func(t *testing.T) { t.Skipf("the exported files are not run: %v", err) })
		rt = nil
	}
	all := &census{declared: map[string]int{}, shipped: map[string]int{}}
	t.Run("seeds", func(t *testing.T) {
		for seed := range uint64(count) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				all.add(model(t, of, seed, rt))
			})
		}
	})
	t.Logf("%d models, %d exported files run; worst ratio to tolerance: engine to reference %.2f (seed %d), onnxruntime to engine %.2f of the greatest tolerance (seed %d); tolerance over largest output: median %.1e, worst %.1e (seed %d)",
		all.models, all.files, all.engine.ratio, all.engine.seed, all.file.ratio, all.file.seed, all.median(), all.loose.ratio, all.loose.seed)
	t.Logf("%d ops declared: %s", len(all.declared), counts(all.declared))
	t.Logf("%d ops shipped: %s", len(all.shipped), counts(all.shipped))
	return all
}

// found is what one model showed.
type found struct {
	seed              uint64
	declared, shipped map[string]bool
	engine, file      float64 // worst difference over its tolerance
	relative          float64 // greatest tolerance over the greatest output
	ran               bool    // the exported file ran on onnxruntime
}

func model(t *testing.T, of func(seed uint64) *randmodel.Model, seed uint64, rt verify.Runtime) found {
	f := found{seed: seed, declared: map[string]bool{}, shipped: map[string]bool{}}
	m := of(seed)
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	readsBack(t, g)
	fit := trained(t, m, seed, 1)
	if seed%10 == 0 {
		sameTraining(t, g, fit, trained(t, of(seed), seed, 3))
	}
	net := fit.Net(m.Outputs...)
	if err := net.Err(); err != nil {
		t.Fatal(err)
	}
	readsBack(t, net.Graph())
	for _, n := range g.Nodes {
		f.declared[n.Op.Name()] = true
	}
	for _, n := range net.Graph().Nodes {
		f.shipped[n.Op.Name()] = true
	}
	f.engine, f.relative = asReference(t, net, seed)
	if rt != nil {
		f.file = asFile(t, net, seed, rt)
		f.ran = true
	}
	return f
}

// declared is a random model, one in five with statistics of the batch.
func declared(seed uint64) *randmodel.Model {
	if seed%5 == 1 {
		return randmodel.Batched(seed)
	}
	return randmodel.New(seed)
}

// trained trains on two full batches and a ragged one an epoch.
func trained(t *testing.T, m *randmodel.Model, seed uint64, workers int) *train.Result {
	t.Helper()
	opts := []optim.Optimizer{optim.Adam(1e-2), optim.SGD(1e-2).Momentum(0.9), optim.RMSProp(1e-3), optim.AdamW(1e-2, 1e-2), optim.SGD(5e-3)}
	o := train.Options{Optimizer: opts[seed%5], Epochs: 1 + int(seed%2), Batch: 16, Workers: workers, Seed: seed}
	if seed%7 == 0 {
		o.ClipNorm = 1
	}
	if seed%11 == 0 && !m.Batch {
		o.Accumulate = 2
	}
	r, err := train.Fit(t.Context(), m.Model, m.Rows(37), o)
	if err != nil {
		t.Fatalf("training with %d workers: %v", workers, err)
	}
	return r
}

// TestImageModelSets trains each model of images with every kernel set, and with 1 and 3
// workers: losses, weights and results have the same bits.
func TestImageModelSets(t *testing.T) {
	count := models(t)
	was := simd.Active()
	t.Cleanup(func() {
		if err := simd.Select(was); err != nil {
			t.Error(err)
		}
	})
	first := make([]*train.Result, count)
	out := make([]map[string]*ir.Tensor, count)
	for i, set := range simd.Available() {
		if err := simd.Select(set); err != nil {
			t.Fatal(err)
		}
		workers := []int{1, 3}[i%2]
		t.Run(fmt.Sprintf("%s with %d workers", set, workers), func(t *testing.T) {
			for part := range 2 { // as many as make test has processors
				t.Run(fmt.Sprint(part), func(t *testing.T) {
					t.Parallel()
					for at := part; at < count; at += 2 {
						seed := uint64(at)
						m := randmodel.Images(seed)
						fit := trained(t, m, seed, workers)
						net := fit.Net(m.Outputs...)
						y, err := net.Run(t.Context(), normals(net, seed, 3))
						if err != nil {
							t.Fatalf("seed %d: %v", seed, err)
						}
						if first[at] == nil {
							first[at], out[at] = fit, y
							continue
						}
						g, err := m.Graph()
						if err != nil {
							t.Fatalf("seed %d: %v", seed, err)
						}
						sameTraining(t, g, first[at], fit)
						for name, x := range y {
							if k := differ(x.F32, out[at][name].F32); k >= 0 {
								t.Errorf("seed %d: %s[%d] is %v, was %v with the first set", seed, name, k, x.F32[k], out[at][name].F32[k])
							}
						}
						if t.Failed() {
							t.Fatalf("seed %d", seed)
						}
					}
				})
			}
		})
	}
}

// sameTraining wants the bits of losses and weights in b that a has.
func sameTraining(t *testing.T, g *ir.Graph, a, b *train.Result) {
	t.Helper()
	if len(a.History) != len(b.History) {
		t.Fatalf("%d epochs, were %d", len(b.History), len(a.History))
	}
	for i, x := range a.History {
		y := b.History[i]
		if math.Float64bits(x.Train.Loss) != math.Float64bits(y.Train.Loss) || !maps.Equal(x.Train.Losses, y.Train.Losses) {
			t.Errorf("epoch %d: loss %v %v, was %v %v", x.Number, y.Train.Loss, y.Train.Losses, x.Train.Loss, x.Train.Losses)
		}
	}
	for _, p := range g.Params {
		if i := differ(a.Param(p.Name), b.Param(p.Name)); i >= 0 {
			t.Errorf("%s[%d] is %v, was %v", p.Name, i, b.Param(p.Name)[i], a.Param(p.Name)[i])
		}
	}
}

// differ returns the first place where the bits differ, or -1.
func differ(a, b []float32) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return i
		}
	}
	return -1
}

// normals are inputs of a Net.
func normals(net *engine.Net, seed uint64, rows int) map[string]*ir.Tensor {
	in := map[string]*ir.Tensor{}
	for _, v := range net.Inputs() {
		x := ir.NewTensor(v.Type.DType, v.Type.Shape.At(randmodel.Lengths(net.Graph(), rows, seed))...)
		key := random.New(seed).DeriveString(v.Name)
		for i := range x.F32 {
			x.F32[i] = float32(key.Normal(uint64(i)))
		}
		in[v.Name] = x
	}
	return in
}

// asReference compares the engine with the float64 reference and returns the
// worst difference over its tolerance, and the greatest tolerance over the
// greatest output.
func asReference(t *testing.T, net *engine.Net, seed uint64) (worst, relative float64) {
	t.Helper()
	g := net.Graph()
	var seven map[string]*ir.Tensor
	for _, rows := range []int{7, 2, 1} {
		in := normals(net, seed, rows)
		got, err := net.Run(t.Context(), in)
		if err != nil {
			t.Fatalf("engine, %d rows: %v", rows, err)
		}
		if rows == 7 {
			seven = got
		}
		for _, p := range g.Params {
			in[p.Name] = &ir.Tensor{DType: ir.F32, Shape: p.Type.Shape.Lengths(), F32: net.Params()[p.Name]}
		}
		env := &ir.Env{Binding: randmodel.Lengths(g, rows, seed), UpdateRows: rows}
		bound, err := verify.Bound(g, env, in)
		if err != nil {
			t.Fatal(err)
		}
		wide := map[string]*ir.Tensor{} // the reference has the dtype of what it is given
		for name, x := range in {
			wide[name] = x
			if x.DType == ir.F32 {
				wide[name] = x.To(ir.F64)
			}
		}
		want, err := ir.Evaluate(g, env, wide)
		if err != nil {
			t.Fatal(err)
		}
		tol, largest := 0.0, 0.0
		for _, out := range g.Outputs {
			y, x := got[out.Name], want[out]
			if y == nil || y.DType != out.Type.DType || !slices.Equal(y.Shape, x.Shape) || bound[out].Value.Len() != x.Len() {
				t.Fatalf("%d rows: output %q is %v, want %v", rows, out.Name, y, x.Type())
			}
			if i := differ(y.F32, seven[out.Name].F32[:y.Len()]); i >= 0 {
				t.Errorf("%q[%d] is %v among 7 rows, %v among %d", out.Name, i, seven[out.Name].F32[i], y.F32[i], rows)
			}
			for i := range x.Len() {
				allowed, d := bound[out].Tolerance(i), math.Abs(y.At(i)-x.At(i))
				if math.IsInf(allowed, 1) {
					t.Errorf("%d rows: the bound leaves %q[%d] = %v open", rows, out.Name, i, x.At(i))
					continue
				}
				tol, largest = max(tol, allowed), max(largest, math.Abs(x.At(i)))
				switch {
				case !(d <= allowed):
					t.Errorf("%d rows: %q[%d] is %v on the engine, %v by the reference: off by %.3g where %.3g is allowed\n%s", rows, out.Name, i, y.At(i), x.At(i), d, allowed, ir.Format(g))
					return d / allowed, 0
				case d > 0:
					worst = max(worst, d/allowed)
				}
			}
		}
		relative = max(relative, tol/max(largest, math.SmallestNonzeroFloat32))
	}
	return worst, relative
}

// asFile exports, runs the file on a runtime and compares it with the engine, in
// batches of 1, 2, 5, 7 and 64 rows, ordinary and hostile ones. It returns the
// worst difference over the greatest tolerance among the ordinary.
func asFile(t *testing.T, net *engine.Net, seed uint64, rt verify.Runtime) float64 {
	t.Helper()
	file, err := onnxexport.BuildNet(net, onnxexport.Options{})
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	in := normals(net, seed, 5)
	s := verify.Subject{Graph: net.Graph(), Params: net.Params(), Model: file.Bytes, Taps: file.Taps, Run: net.Run,
		Sets: []verify.Set{{Name: "rows", Rows: 5, In: in}}}
	r, err := verify.Verify(t.Context(), s, rt)
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		t.Fatalf("onnxruntime: %v\n%s", err, ir.Format(net.Graph()))
	}
	if r.Tolerance == 0 {
		return 0
	}
	if r.Sets[0].Undetermined > 0 {
		t.Errorf("%d elements were not compared", r.Sets[0].Undetermined)
	}
	return r.WorstAbs / r.Tolerance
}

// readsBack wants the graph that its text form describes.
func readsBack(t *testing.T, g *ir.Graph) {
	t.Helper()
	text := ir.Format(g)
	h, err := ir.Parse(text, ops.ByName)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if again := ir.Format(h); again != text {
		t.Fatalf("the text form changes when read back:\n%s\nto\n%s", text, again)
	}
	if what := unequal(g, h); what != "" {
		t.Fatalf("the graph read back differs in %s:\n%s", what, text)
	}
}

// unequal returns where two graphs differ, "" if nowhere. Of positions it
// compares what is printed.
func unequal(g, h *ir.Graph) string {
	if g.Name != h.Name {
		return "its name"
	}
	lists := func(a, b []*ir.Value) bool {
		return slices.EqualFunc(a, b, func(v, w *ir.Value) bool {
			if v.Name != w.Name || !v.Type.Equal(w.Type) || v.Kind != w.Kind {
				return false
			}
			x, y := g.Data[v], h.Data[w]
			return (x == nil) == (y == nil) && (x == nil || reflect.DeepEqual(x.To(ir.F64), y.To(ir.F64)))
		})
	}
	switch {
	case !lists(g.Inputs, h.Inputs):
		return "inputs"
	case !lists(g.Outputs, h.Outputs):
		return "outputs"
	case !lists(g.Params, h.Params):
		return "parameters"
	case !lists(g.DataValues(), h.DataValues()):
		return "constants"
	case len(g.State) != len(h.State):
		return "state"
	case len(g.Nodes) != len(h.Nodes):
		return "the number of nodes"
	}
	for i, n := range g.Nodes {
		m := h.Nodes[i]
		if n.Op != m.Op || n.Layer != m.Layer || n.Pos.String() != m.Pos.String() || !lists(n.In, m.In) || !lists(n.Out, m.Out) {
			return fmt.Sprintf("node %d, %s", i, ir.FormatOp(n.Op))
		}
	}
	return ""
}

// census sums up what the models showed.
type census struct {
	sync.Mutex
	models, files       int
	declared, shipped   map[string]int
	engine, file, loose worst
	relatives           []float64
}

type worst struct {
	ratio float64
	seed  uint64
}

func (w *worst) note(ratio float64, seed uint64) {
	if ratio > w.ratio {
		*w = worst{ratio, seed}
	}
}

func (c *census) add(f found) {
	c.Lock()
	defer c.Unlock()
	c.models++
	if f.ran {
		c.files++
	}
	for op := range f.declared {
		c.declared[op]++
	}
	for op := range f.shipped {
		c.shipped[op]++
	}
	c.engine.note(f.engine, f.seed)
	c.file.note(f.file, f.seed)
	c.loose.note(f.relative, f.seed)
	c.relatives = append(c.relatives, f.relative)
}

func (c *census) median() float64 {
	if len(c.relatives) == 0 {
		return 0
	}
	slices.Sort(c.relatives)
	return c.relatives[len(c.relatives)/2]
}

func counts(m map[string]int) string {
	var s []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		s = append(s, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(s, ", ")
}
