package bundle_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/internal/lab/faults"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/lab/randmodel"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// faultCount is how many faults are put into how many models, unless LAMINA_FAULTS
// says another number; theSquare is the model where exchanges fit.
const faultCount, faultModels, theSquare = 500, 18, 2

// imageFaultCount is how many faults of images are put in where faultCount others are.
const imageFaultCount = 160

func faultsWanted(t *testing.T) int {
	s := os.Getenv("LAMINA_FAULTS")
	if s == "" {
		return faultCount
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("LAMINA_FAULTS is %q, must be a positive number", s)
	}
	return n
}

// shipped is a model with its bundle, its file and what it should give.
type shipped struct {
	name  string
	dir   string
	model []byte
	sets  []verify.Set
	want  []map[string]verify.Estimate // by set and output, in float64
}

// shipValues ships declared values with weights like trained ones.
func shipValues(t *testing.T, name string, rows dataset.Source, values ...*spec.Value) *shipped {
	t.Helper()
	g, ps, err := spec.GraphOf(name, values...)
	if err != nil {
		t.Fatal(err)
	}
	params := map[string][]float32{}
	for _, x := range ps {
		w := x.Initial(random.New(3))
		key := random.New(4).DeriveString(x.Name)
		for i := range w { // biases begin as zeros
			w[i] += float32(0.05 * key.Normal(uint64(i)))
		}
		params[x.Name] = w
	}
	return ship(t, rows, g, params)
}

// ship writes the bundle of a function.
func ship(t *testing.T, rows dataset.Source, g *ir.Graph, params map[string][]float32) *shipped {
	t.Helper()
	g, err := compiler.Front(g, true)
	if err != nil {
		t.Fatal(err)
	}
	p, err := compiler.CompileGraph(g, compiler.Options{Rows: 64})
	if err != nil {
		t.Fatal(err)
	}
	net, err := engine.NewNet(g, p, params, engine.Record{})
	if err != nil {
		t.Fatal(err)
	}
	s := &shipped{name: g.Name, dir: filepath.Join(t.TempDir(), "bundle")}
	if _, err := bundle.Write(t.Context(), s.dir, net, rows, orttest.Runtime(t)); err != nil {
		t.Fatalf("%s: %v", g.Name, err)
	}
	if s.model, err = os.ReadFile(filepath.Join(s.dir, "model.onnx")); err != nil {
		t.Fatal(err)
	}
	open, err := bundle.Load(t.Context(), s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range open.Sets {
		s.sets = append(s.sets, verify.Set{Name: set.Name, Rows: set.Rows, In: set.In})
	}
	s.sets = append(s.sets, verify.MadeUp(g, s.sets)...)
	if s.want, err = reference(g, params, s.sets); err != nil {
		t.Fatal(err)
	}
	return s
}

// reference evaluates the sets in float64.
func reference(g *ir.Graph, params map[string][]float32, sets []verify.Set) ([]map[string]verify.Estimate, error) {
	var all []map[string]verify.Estimate
	for _, set := range sets {
		in := map[string]*ir.Tensor{}
		for name, x := range set.In {
			in[name] = x
		}
		for _, v := range g.Params {
			in[v.Name] = &ir.Tensor{DType: ir.F32, Shape: v.Type.Shape.Lengths(), F32: params[v.Name]}
		}
		for _, v := range g.Inputs {
			if in[v.Name] == nil { // no output needs it
				in[v.Name] = ir.NewTensor(v.Type.DType, v.Type.Shape.At(ir.RowsOf(set.Rows))...)
			}
		}
		est, err := verify.Bound(g, &ir.Env{Binding: ir.RowsOf(set.Rows), UpdateRows: set.Rows}, in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", set.Name, err)
		}
		out := map[string]verify.Estimate{}
		for _, v := range g.Outputs {
			out[v.Name] = est[v]
		}
		all = append(all, out)
	}
	return all, nil
}

// effect is how many tolerances the float64 values of a file are off at most. It
// fails for a file that cannot be evaluated.
func (s *shipped) effect(t *testing.T, model []byte) (worst float64, where string, err error) {
	m, err := onnximport.Decode(t.Context(), model, onnximport.Limits{})
	if err != nil {
		return 0, "", err
	}
	got, err := reference(m.Graph, m.ParamData(), s.sets)
	if err != nil {
		return 0, "", err
	}
	for k, outs := range s.want {
		for name, want := range outs {
			e, ok := got[k][name]
			if !ok || !slices.Equal(e.Value.Shape, want.Value.Shape) || e.Value.DType != want.Value.DType {
				return 0, "", fmt.Errorf("output %q has another shape", name)
			}
			for i := range want.Value.Len() {
				if r := tolerances(e, want, i); r > worst {
					worst, where = r, fmt.Sprintf("%s, %s[%d]: %v, was %v", s.sets[k].Name, name, i, e.Value.At(i), want.Value.At(i))
				}
			}
		}
	}
	return worst, where, nil
}

// tolerances is how far element i is off in tolerances, 0 if rounding decides it.
func tolerances(got, want verify.Estimate, i int) float64 {
	x, y, tol := got.Value.At(i), want.Value.At(i), want.Tolerance(i)
	switch {
	case math.IsInf(tol, 1) || math.IsInf(got.Tolerance(i), 1), x == y, math.IsNaN(x) && math.IsNaN(y):
		return 0
	case x-x != 0 || y-y != 0:
		return math.Inf(1)
	}
	return math.Abs(x-y) / max(tol, 0x1p-126)
}

// outcome is what became of one fault.
type outcome struct {
	faults.Fault
	model   string
	effect  float64
	where   string
	runs    bool // in float64, every set
	refused bool
	hashed  bool // refused by its hash too
	layer   string
	reason  string
}

// TestFaults puts the faults of a broken exporter into files and wants every one
// refused that matters: see export/README.md, which has the table.
func TestFaults(t *testing.T) {
	models := faultyModels(t, faultModels)
	count := faultsWanted(t)
	table := putFaults(t, models, faults.Kinds(), count, func(i, kind, at int) int {
		if kind < 3 && i%2 == 0 {
			return theSquare
		}
		return at
	})
	if count == faultCount {
		section(t, filepath.Join("..", "README.md"), "faults", table)
	}
}

// TestImageFaults does the same with the faults and files of images.
func TestImageFaults(t *testing.T) {
	count := faultsWanted(t) * imageFaultCount / faultCount
	models, kinds := imageModels(t), faults.ImageKinds()
	table := putFaults(t, models, kinds, count, func(i, _, _ int) int { return i / len(kinds) % len(models) })
	if count == imageFaultCount {
		section(t, filepath.Join("..", "README.md"), "image faults", table)
	}
}

// putFaults puts so many faults, one kind after another, into models, which choose picks,
// and returns the table of what became of them.
func putFaults(t *testing.T, models []*shipped, kinds []string, count int, choose func(i, kind, at int) int) string {
	t.Helper()
	type job struct {
		kind string
		key  random.Key
	}
	jobs, seen := make([][]job, len(models)), map[string]bool{}
	for i, n := 0, 0; n < count; i++ {
		k := kinds[i%len(kinds)]
		at := choose(i, i%len(kinds), (i/len(kinds)+i)%len(models))
		key := random.New(uint64(i)).DeriveString("fault")
		f, ok := faults.Put(read(t, models[at].model), k, key)
		if id := fmt.Sprint(at, k, f.What); ok && !seen[id] {
			seen[id] = true
			jobs[at] = append(jobs[at], job{k, key})
			n++
		}
		if i > 20*count {
			t.Fatal("the models have no place for the faults")
		}
	}
	var mu sync.Mutex
	var all []outcome
	rt := orttest.Runtime(t)
	t.Run("models", func(t *testing.T) {
		for i, s := range models {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				for _, j := range jobs[i] {
					o := s.try(t, rt, j.kind, j.key)
					mu.Lock()
					all = append(all, o)
					mu.Unlock()
				}
			})
		}
	})
	for _, o := range all {
		what := fmt.Sprintf("%s: %s: %s: effect of %.3g tolerances (%s)", o.model, o.Kind, o.What, o.effect, o.where)
		switch {
		case !o.hashed:
			t.Errorf("%s: accepted in spite of its hash", what)
		case !o.runs && !o.refused:
			t.Errorf("%s: runs nowhere but is accepted", what)
		case o.runs && o.effect > 2 && !o.refused:
			t.Errorf("%s: accepted", what)
		case o.runs && o.effect > 2 && o.layer == "":
			t.Errorf("%s: no layer is named: %s", what, o.reason)
		case o.runs && o.effect < 0.5 && o.refused:
			t.Errorf("%s: refused: %s", what, o.reason)
		}
		if o.runs && o.effect > 2 && o.layer != o.Layer && o.Layer != "" {
			t.Logf("%s: %q is named, not %q", what, o.layer, o.Layer)
		}
	}
	table := faultTable(kinds, all)
	t.Log("\n" + table)
	return table
}

func read(t *testing.T, b []byte) *onnxpb.ModelProto {
	t.Helper()
	m := &onnxpb.ModelProto{}
	if err := m.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	return m
}

// faultyModels ships n models that faults are put into, three or more.
func faultyModels(t *testing.T, n int) []*shipped {
	t.Helper()
	enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
	code := spec.Input("x", 784).Then(enc).Named("code")
	small := spec.Sequential("encoder", spec.Dense(24), spec.ReLU(), spec.Dense(8))
	ae := spec.Autoencoder("small", spec.Input("x", 40), small, spec.Mirror("decoder", small).Tied())
	key := random.New(5)
	pictures := func(shape ...int) dataset.Source {
		return dataset.From(make([]int, 64), func(_ int, row dataset.Row) {
			x := row.F32Slice("x")
			for i := range x {
				if at := i % 28; at > 3 && at < 24 && key.Float64(uint64(2*i)) < 0.4 { // the border stays 0
					x[i] = key.Float32(uint64(2*i + 1))
				}
			}
			key = key.Derive(1)
		}, dataset.Column{Name: "x", DType: dataset.F32, Shape: shape})
	}
	g, params := square(t)
	models := []*shipped{
		shipValues(t, "digits", pictures(784), code),
		shipValues(t, "tied", pictures(40), ae.Tap("code"), ae.Tap("reconstruction")),
		ship(t, pictures(6, 6), g, params),
	}
	for seed := uint64(0); len(models) < n; seed++ {
		m := randmodel.Plain(seed)
		models = append(models, shipValues(t, m.Name(), m.Rows(64), m.Outputs...))
	}
	return models
}

// imageModels ships models of images: a small network for digits, an autoencoder whose
// decoder has the same filters, one with groups, and random ones.
func imageModels(t *testing.T) []*shipped {
	t.Helper()
	pictures := func(shape ...int) dataset.Source {
		key := random.New(7)
		return dataset.From(make([]int, 64), func(_ int, row dataset.Row) {
			key.FillNormal32(row.F32Slice("x"), 0)
			key = key.Derive(1)
		}, dataset.Column{Name: "x", DType: dataset.F32, Shape: shape})
	}
	net := spec.Sequential("net", spec.Conv(4, 3).Same().Stride(2), spec.ReLU(), spec.AveragePool(3).Same().Stride(2), spec.Conv(6, 3), spec.ELU(), spec.MaxPool(2).Stride(1), spec.Flatten(), spec.Dense(5))
	enc := spec.Sequential("encoder", spec.Conv(4, 3).Stride(2).Pad(1), spec.Tanh(), spec.Conv(4, 3).Groups(2).Dilation(2).Same(), spec.SiLU())
	ae := spec.Autoencoder("tied", spec.Input("x", 2, 8, 9), enc, spec.Mirror("decoder", enc).Tied())
	up := spec.Sequential("up", spec.DepthwiseConv(2, 3).Same(), spec.GELU(), spec.ConvTranspose(4, 3).Stride(2).Groups(2).Pad(1).OutputPad(1), spec.Tanh(),
		spec.AveragePool(3).Stride(2).Pad(1).CountPads(), spec.ConvTranspose(2, 3, 2).Stride(3, 2), spec.Upsample(2).Linear())
	models := []*shipped{
		shipValues(t, "net", pictures(1, 16, 16), spec.Input("x", 1, 16, 16).Then(net).Named("y")),
		shipValues(t, "tied", pictures(2, 8, 9), ae.Tap("code"), ae.Tap("reconstruction")),
		shipValues(t, "up", pictures(4, 5, 5), spec.Input("x", 4, 5, 5).Then(up).Named("y")),
	}
	for seed := uint64(0); len(models) < 12; seed++ {
		if m := randmodel.Images(seed); !m.Batch {
			models = append(models, shipValues(t, m.Name(), m.Rows(64), m.Outputs...))
		}
	}
	return models
}

// square is a function of square matrices, in which an exchange of operands or axes
// still fits: two products with a transpose, a quotient, a normalization.
func square(t *testing.T) (*ir.Graph, map[string][]float32) {
	t.Helper()
	b := ir.NewBuilder("square")
	params := map[string][]float32{}
	param := func(name string, shape ...int) *ir.Value {
		p := b.Param(name, ir.T(ir.F32, ir.ShapeOf(shape...)...))
		w := make([]float32, ir.Elems(shape))
		random.New(6).DeriveString(name).FillNormal32(w, 0)
		for i := range w {
			w[i] *= 0.5
		}
		params[name] = w
		return p
	}
	line := 0
	op := func(layer string, o ir.Op, in ...*ir.Value) *ir.Value {
		if b.Layer != layer {
			line++
		}
		b.Layer, b.Pos = layer, ir.Pos{Made: ir.Frame{File: "/x/main.go", Pkg: "example.com/square", Line: line}}
		return b.Op(o, in...)
	}
	last := ir.MakeAxes(2)
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(6), ir.Fixed(6)))
	h := op("dense", ops.Add{}, op("dense", ops.MatMul{}, x, param("dense/w", 6, 6)), param("dense/b", 6))
	turned := op("turn", ops.Transpose{Perm: ir.MakeAxes(0, 2, 1)}, h)
	p := op("attend", ops.Softmax{Axis: 2}, op("attend", ops.Mul{}, op("attend", ops.MatMul{}, turned, h), b.Const(ir.F32, 0.4)))
	y := op("minus", ops.Sub{}, op("mix", ops.MatMul{}, p, h), turned)
	y = op("over", ops.Div{}, y, op("over", ops.Softplus{}, h))
	y = op("norm", ops.Sub{}, y, op("norm", ops.ReduceMean{Axes: last, Keep: true}, y))
	v := op("norm", ops.ReduceMean{Axes: last, Keep: true}, op("norm", ops.Mul{}, y, y))
	y = op("norm", ops.Div{}, y, op("norm", ops.Sqrt{}, op("norm", ops.Add{}, v, b.Const(ir.F32, 1e-3))))
	top := op("peak", ops.ReduceMax{Axes: last}, y)
	y = op("join", ops.Concat{Axis: 2}, y, turned)
	y = op("cut", ops.Slice{Axis: 2, Start: ir.Fixed(2), End: ir.Fixed(8)}, y)
	y = op("out", ops.MatMul{}, y, param("out/w", 6, 6))
	y.Name, top.Name = "code", "peak"
	b.Output(y)
	b.Output(top)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	return b.Graph, params
}

// try puts one fault into the bundle's file and verifies it, with and without
// hashes.
func (s *shipped) try(t *testing.T, rt verify.Runtime, kind string, key random.Key) outcome {
	t.Helper()
	m := read(t, s.model)
	f, _ := faults.Put(m, kind, key)
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	o := outcome{Fault: f, model: s.name}
	o.effect, o.where, err = s.effect(t, b)
	if o.runs = err == nil; !o.runs {
		o.where = err.Error()
	}
	put(t, s.dir, "model.onnx", b)
	v, err := bundle.VerifyWith(t.Context(), s.dir, bundle.VerifyOptions{NumbersOnly: true}, rt)
	o.refused, o.layer, o.reason = err != nil || v.Status != bundle.Holds, v.Layer, v.Reason
	v, err = bundle.Verify(t.Context(), s.dir)
	o.hashed = err != nil || v.Status != bundle.Holds
	return o
}

// faultTable counts the outcomes by kind.
func faultTable(kinds []string, all []outcome) string {
	var b strings.Builder
	b.WriteString("| fault | injected | runs nowhere or not on all rows | refused | above twice the tolerance | refused | a layer named | the fault's own | below | greatest effect below, in tolerances |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	row := func(name string, is func(o outcome) bool) {
		var n, dead, deadRefused, above, refused, named, own, below int
		worst := 0.0
		for _, o := range all {
			if !is(o) {
				continue
			}
			n++
			one := func(ok bool) int {
				if ok {
					return 1
				}
				return 0
			}
			switch {
			case !o.runs:
				dead++
				deadRefused += one(o.refused)
			case o.effect > 2:
				above++
				refused += one(o.refused)
				named += one(o.layer != "")
				own += one(o.layer == o.Layer)
			default:
				below++
				worst = max(worst, o.effect)
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d | %.1f |\n", name, n, dead, deadRefused, above, refused, named, own, below, worst)
	}
	for _, k := range kinds {
		row(k, func(o outcome) bool { return o.Kind == k })
	}
	row("all", func(outcome) bool { return true })
	return b.String()
}

// section wants the text between two marks of a file, or writes it there.
func section(t *testing.T, path, name, want string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->"
	head, rest, ok := strings.Cut(string(b), begin)
	was, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no section %q", path, name)
	}
	if was == want || t.Failed() {
		return
	}
	if os.Getenv("LAMINA_UPDATE") != "1" {
		t.Errorf("%s is not what was measured; run the test with LAMINA_UPDATE=1\n%s", path, want)
		return
	}
	if err := os.WriteFile(path, []byte(head+begin+want+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestEquivalentRewrites wants files of the same function accepted when only the
// numbers are asked, and refused by their hash.
func TestEquivalentRewrites(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, s := range faultyModels(t, 6) {
		for name, rewrite := range map[string]func(m *onnxpb.ModelProto){
			"identities":             faults.Identities,
			"initializers reordered": faults.Reorder,
			"both":                   func(m *onnxpb.ModelProto) { faults.Identities(m); faults.Reorder(m) },
		} {
			m := read(t, s.model)
			rewrite(m)
			b, err := m.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			put(t, s.dir, "model.onnx", b)
			if v, err := bundle.VerifyWith(t.Context(), s.dir, bundle.VerifyOptions{NumbersOnly: true}, rt); err != nil || v.Status != bundle.Holds {
				t.Errorf("%s: %s: %+v, %v", s.name, name, v, err)
			}
			if string(b) == string(s.model) {
				continue // nothing to reorder
			}
			if v, err := bundle.Verify(t.Context(), s.dir, rt); err != nil || v.Status != bundle.Differs {
				t.Errorf("%s: %s, with hashes: %+v, %v", s.name, name, v, err)
			}
		}
	}
}
