package celu_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"example.com/extend/celu"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

// TestKernel holds the kernel against the reference, in slices of any length.
func TestKernel(t *testing.T) {
	for _, alpha := range []float64{0.25, 1, 3} {
		spectest.Kernel(t, celu.Kernel, celu.Op{Alpha: alpha}, ir.T(ir.F32, ir.Rows(), ir.Fixed(19)))
	}
	spectest.Kernel(t, celu.Kernel, celu.Op{Alpha: 0.5}, ir.T(ir.F32, ir.Rows()))
}

// TestKernelIsUsed trains with the kernel and without it: the plan names it, a trained
// function has it too, any number of workers gives the same bits, and none of it
// changes what comes out by more than rounding.
func TestKernelIsUsed(t *testing.T) {
	x := spec.Input("x", 6)
	y := x.Then(spec.Dense(32), celu.New(0.5), spec.Dense(6)).Named("y")
	m := spec.NewModel("m", spec.MSE(y, x))
	var starts [200]int
	for i := range starts {
		starts[i] = 5 * i
	}
	src := dataset.From(starts[:], func(start int, row dataset.Row) {
		for i := range row.F32Slice("x") {
			row.F32Slice("x")[i] = float32((start+i)%17)/8 - 1
		}
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{6}})
	dir, log := "", &bytes.Buffer{}
	trained := func(workers int, kernels ...engine.Maker) (*train.Result, string) {
		o := train.Options{Optimizer: optim.Adam(1e-2), Epochs: 3, Batch: 64, Workers: workers, Kernels: kernels,
			Dir: dir, Log: slog.New(slog.NewTextHandler(log, nil))}
		tr, err := train.New(t.Context(), m, src, o)
		if err != nil {
			t.Fatal(err)
		}
		for range tr.Epochs(t.Context()) {
		}
		text := tr.Explain()
		r, err := tr.Done()
		if err != nil {
			t.Fatal(err)
		}
		return r, text
	}
	fast, text := trained(2, celu.Kernel)
	if !strings.Contains(text, "[celu") {
		t.Errorf("the plan does not name the kernel:\n%s", text)
	}
	slow, text := trained(2)
	if strings.Contains(text, "[celu") {
		t.Error("the kernel is used without the option")
	}
	alone, _ := trained(1, celu.Kernel)
	for _, p := range m.Params() {
		a, b, c := fast.Param(p.Name), alone.Param(p.Name), slow.Param(p.Name)
		if !slices.Equal(a, b) {
			t.Errorf("%s has other bits by 1 worker than by 2", p.Name)
		}
		for i := range a {
			if d := a[i] - c[i]; d > 1e-3 || d < -1e-3 {
				t.Errorf("%s[%d] is %v with the kernel and %v without", p.Name, i, a[i], c[i])
			}
		}
	}
	// A training that goes on without the kernel is told that its bits may be others.
	dir = t.TempDir()
	trained(1, celu.Kernel)
	log.Reset()
	trained(1, celu.Kernel)
	if strings.Contains(log.String(), "another kernel set") {
		t.Errorf("with the same kernel: %s", log)
	}
	trained(1)
	if !strings.Contains(log.String(), "another kernel set") {
		t.Errorf("without the kernel: %s", log)
	}
	net := fast.Net(y)
	if err := net.Err(); err != nil {
		t.Fatal(err)
	}
	if s := net.Slow(); len(s.Ops) > 0 {
		t.Errorf("the trained function runs %s by the reference", s)
	}
	if k := net.Record().Kernels; !strings.HasSuffix(k, "+celu") {
		t.Errorf("the record names the kernels %q", k)
	}
}

// weights is a dense layer whose weights are the activation of a parameter.
type weights struct{ spec.Base }

func (w *weights) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.MatMul{}, x[0], b.Op(celu.Op{Alpha: 0.5}, b.Param("w", spec.Glorot(), x[0].Type.Last(), 40)))
}

// TestFollowsAParameter trains through the op of a parameter: its result is made again by
// the update, in the tasks that change the parameter, with the kernel and without it.
func TestFollowsAParameter(t *testing.T) {
	x := spec.Input("x", 90)
	m := spec.NewModel("m", spec.MSE(x.Then(&weights{spec.Here("weights")}, spec.Dense(90)), x))
	src := dataset.From(make([]int, 256), func(_ int, row dataset.Row) {
		for i := range row.F32Slice("x") {
			row.F32Slice("x")[i] = float32(i%17)/8 - 1
		}
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{90}})
	trained := func(workers int, kernels ...engine.Maker) (*train.Result, string) {
		tr, err := train.New(t.Context(), m, src, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 2, Batch: 64, Workers: workers,
			Kernels: kernels, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		for range tr.Epochs(t.Context()) {
		}
		text := tr.Explain()
		r, err := tr.Done()
		if err != nil {
			t.Fatal(err)
		}
		return r, text
	}
	one, text := trained(1, celu.Kernel)
	again := func(line string) bool {
		return strings.Contains(line, "weights1/w = Update(") && strings.Contains(line, ", and with it ")
	}
	if !slices.ContainsFunc(strings.Split(text, "\n"), again) {
		t.Errorf("no update makes the op of the parameter again:\n%s", text)
	}
	two, _ := trained(2, celu.Kernel)
	slow, _ := trained(2)
	for _, p := range m.Params() {
		a, b, c := one.Param(p.Name), two.Param(p.Name), slow.Param(p.Name)
		if !slices.Equal(a, b) {
			t.Errorf("%s has other bits by 1 worker than by 2", p.Name)
		}
		for i := range a {
			if d := a[i] - c[i]; d > 1e-3 || d < -1e-3 {
				t.Fatalf("%s[%d] is %v with the kernel and %v without", p.Name, i, a[i], c[i])
			}
		}
	}
}

// TestBound states that the op's own bound is what verify takes, and that it is wide
// enough for the kernel and not much wider than what the parts would give.
func TestBound(t *testing.T) {
	b := ir.NewBuilder("g")
	y := b.Op(celu.Op{Alpha: 0.5}, b.Input("x", ir.T(ir.F32, ir.Rows())))
	b.Output(y)
	x := &ir.Tensor{DType: ir.F32, Shape: []int{3}, F32: []float32{-3, -1e-3, 2}}
	est, err := verify.Bound(b.Graph, &ir.Env{Binding: ir.RowsOf(3), UpdateRows: 3}, map[string]*ir.Tensor{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	for i := range x.F32 {
		if tol := est[y].Tolerance(i); tol < 1e-7 || tol > 5e-6 {
			t.Errorf("celu(%v) has the tolerance %v", x.F32[i], tol)
		}
	}
}
