package train

import (
	"math"
	"runtime"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// scatteredRows are rows of normal numbers, with three classes.
func scatteredRows(rows int, shape ...int) *dataset.Table {
	i := -1
	return dataset.From(make([]struct{}, rows), func(_ struct{}, row dataset.Row) {
		i++
		random.New(7).Derive(uint64(i)).FillNormal32(row.F32Slice("x"), 0)
		row.I64("y", int64(i%3))
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: shape}, dataset.Column{Name: "y", DType: dataset.I64})
}

// outputsOver is all rows of the only output.
func outputsOver(t *testing.T, net *engine.Net, rows dataset.Source) (out []float32) {
	t.Helper()
	err := net.Each(t.Context(), rows, func(_ dataset.Batch, y map[string]*ir.Tensor) error {
		out = append(out, y[net.Graph().Outputs[0].Name].F32...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestDrawing holds what a Net that draws computes against masks made by hand, the rest being as in what ships: the running
// statistics of a BatchNorm. Rows have their own draws, whatever the number of processors.
func TestDrawing(t *testing.T) {
	const n, units, rate, seed = 700, 6, 0.4, 11
	rows := scatteredRows(n, 4)
	x := spec.Input("x", 4)
	before := x.Then(spec.Dense(units), spec.BatchNorm(), spec.ReLU()).Named("before")
	logits := before.Then(spec.Dropout(rate), spec.Dense(3).Named("head")).Named("logits")
	r, err := Fit(t.Context(), spec.NewModel("m", spec.CrossEntropy(logits, spec.Labels("y", 3))), rows, Options{Optimizer: optim.Adam(1e-2), Epochs: 2, Batch: 50})
	if err != nil {
		t.Fatal(err)
	}
	h, w, b := outputsOver(t, r.Net(before), rows), r.Param("head/w"), r.Param("head/b")
	want := func(update uint64) (out []float64) {
		k := ops.Bernoulli{Stream: 1}.Key(seed, update)
		for i := range n {
			for j := range 3 {
				sum := float64(b[j])
				for u := range units {
					if k.Float32(uint64(i*units+u)) >= float32(rate) {
						sum += float64(h[i*units+u]) / (1 - rate) * float64(w[u*3+j])
					}
				}
				out = append(out, sum)
			}
		}
		return out
	}
	compare := func(got []float32, want []float64) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("%d numbers, want %d", len(got), len(want))
		}
		for i := range got {
			if math.Abs(float64(got[i])-want[i]) > 1e-5*(1+math.Abs(want[i])) {
				t.Fatalf("number %d is %v, want %v", i, got[i], want[i])
			}
		}
	}
	net := r.Drawing().Net(logits)
	before0 := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before0)
	for _, procs := range []int{1, 3} {
		runtime.GOMAXPROCS(procs)
		for _, update := range []uint64{0, 5} {
			compare(outputsOver(t, net.Draw(seed, update), rows), want(update))
		}
	}
	// A call has the draws of its own rows from 0 on, also when it is split.
	y, err := net.Draw(seed, 5).Run(t.Context(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{n, 4}, F32: rows.F32("x")}})
	if err != nil {
		t.Fatal(err)
	}
	compare(y["logits"].F32, want(5))
	// What ships does not draw, and a result that draws leaves the other as it was.
	a, c := outputsOver(t, r.Net(logits), rows), outputsOver(t, r.Net(logits).Draw(seed, 5), rows)
	for i := range a {
		if a[i] != c[i] {
			t.Fatal("a Net without draws changes by Draw")
		}
	}
	if err := engine.ErrNet(nil).Draw(1, 1).Err(); err == nil {
		t.Error("Draw of a Net with a mistake is none")
	}
}

// TestDrawingChannels is of a mask with one draw a channel, which depends on no input at all.
func TestDrawingChannels(t *testing.T) {
	const n, rate, seed = 300, 0.5, 3
	rows := scatteredRows(n, 3, 2, 2)
	x := spec.Input("x", 3, 2, 2)
	logits := x.Then(spec.Dropout2D(rate), spec.Flatten(), spec.Dense(3).Named("head")).Named("logits")
	r, err := Fit(t.Context(), spec.NewModel("m", spec.CrossEntropy(logits, spec.Labels("y", 3))), rows, Options{Optimizer: optim.Adam(1e-2), Epochs: 1})
	if err != nil {
		t.Fatal(err)
	}
	w, b, in := r.Param("head/w"), r.Param("head/b"), rows.F32("x")
	net := r.Drawing().Net(logits).Draw(seed, 2)
	for again := range 2 { // nothing is kept from call to call
		got, k := outputsOver(t, net, rows), ops.Bernoulli{Stream: 1}.Key(seed, 2)
		for i := range n {
			for j := range 3 {
				sum := float64(b[j])
				for e := range 12 {
					if k.Float32(uint64(i*3+e/4)) >= float32(rate) {
						sum += float64(in[i*12+e]) / (1 - rate) * float64(w[e*3+j])
					}
				}
				if d := math.Abs(float64(got[i*3+j]) - sum); d > 1e-5*(1+math.Abs(sum)) {
					t.Fatalf("pass %d: row %d, class %d is %v, want %v", again, i, j, got[i*3+j], sum)
				}
			}
		}
	}
}
