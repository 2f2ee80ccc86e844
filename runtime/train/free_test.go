package train_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// overTime is the mean over the axis after the batch.
type overTime struct{ spec.Base }

func (*overTime) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.ReduceMean{Axes: ir.MakeAxes(1)}, x[0])
}

// sequences are rows of that many steps, with a class by the mean of the first
// feature and a target for each step. streamed rows lie in no memory.
func sequences(n, steps int, streamed bool) dataset.Source {
	key := random.New(8)
	x, y, next := make([]float32, n*steps*3), make([]int64, n), make([]float32, n*steps*3)
	for i := range n {
		y[i] = int64(i % 2)
		key.Derive(uint64(i)).FillNormal32(x[i*steps*3:(i+1)*steps*3], 0)
		for k := i * steps * 3; k < (i+1)*steps*3; k++ {
			x[k] += float32(y[i]) * 0.5
			next[k] = x[k] / 2
		}
	}
	t, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{steps, 3}}, F32: x},
		dataset.Data{Column: dataset.Column{Name: "y", DType: dataset.I64}, I64: y},
		dataset.Data{Column: dataset.Column{Name: "next", DType: dataset.F32, Shape: []int{steps, 3}}, F32: next})
	if err != nil {
		panic(err)
	}
	if streamed {
		return struct{ dataset.Source }{t}
	}
	return t
}

// freeModel has a loss for each step and one of a mean over them.
func freeModel(most int) (m *spec.Model, logits, labels, steps *spec.Value) {
	x, y, next := spec.Input("x", most, 3).Free("T"), spec.Labels("y", 2), spec.Input("next", most, 3).Free("T")
	h := x.Then(spec.Dense(8), spec.Tanh(), spec.Dropout(0.2))
	logits = h.Then(&overTime{spec.Here("OverTime")}, spec.Dense(2)).Named("logits")
	steps = h.Then(spec.Dense(3)).Named("steps")
	return spec.NewModel("seq", spec.MSE(steps, next), spec.CrossEntropy(logits, y)), logits, y, steps
}

// TestFreeLengths trains at the capacity and below it, from memory and not, whole
// and in parts; the result runs at any length.
func TestFreeLengths(t *testing.T) {
	fit := func(steps int, streamed bool, workers, batch, parts int) (*train.Result, *spec.Value, *spec.Value) {
		m, logits, y, each := freeModel(12)
		rows := sequences(60, steps, streamed)
		r, err := train.Fit(context.Background(), m, rows, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 6, Batch: batch, Accumulate: parts,
			Workers: workers, Valid: rows, KeepLast: true, Metrics: []train.Metric{train.Accuracy(logits, y)}})
		if err != nil {
			t.Fatal(err)
		}
		return r, logits, each
	}
	for _, steps := range []int{12, 7, 1} {
		a, logits, each := fit(steps, false, 1, 20, 1)
		if first, last := a.History[0].Train.Loss, a.Last().Train.Loss; !(last < first) || a.Last().Valid.Metrics["accuracy"] < 0.5 {
			t.Errorf("T %d: the loss goes from %v to %v: %+v", steps, first, last, a.Last())
		}
		streamed, _, _ := fit(steps, true, 1, 20, 1)
		three, _, _ := fit(steps, false, 3, 20, 1)
		for _, b := range []*train.Result{streamed, three} {
			if !slices.Equal(a.Param("dense1/w"), b.Param("dense1/w")) {
				t.Errorf("T %d: other workers or another source train something else", steps)
			}
		}
		parts, _, _ := fit(steps, false, 2, 5, 4) // the masks are those of the whole update
		for i, w := range a.Param("dense1/w") {
			if math.Abs(float64(w-parts.Param("dense1/w")[i])) > 1e-3 {
				t.Errorf("T %d: parts of an update train something else: %v and %v", steps, a.Param("dense1/w"), parts.Param("dense1/w"))
				break
			}
		}
		net := a.Net(logits, each)
		for _, k := range []int{1, 5, 12} {
			in := map[string]*ir.Tensor{"x": ir.NewTensor(ir.F32, 3, k, 3)}
			out, err := net.Run(context.Background(), in)
			if err != nil || fmt.Sprint(out["steps"].Shape) != fmt.Sprint([]int{3, k, 3}) {
				t.Errorf("T %d: %v", k, err)
			}
		}
		table, err := net.Over(context.Background(), sequences(10, 4, false))
		if err != nil || table.Len() != 10 {
			t.Errorf("over rows: %v", err)
		}
		if _, err := net.Run(context.Background(), map[string]*ir.Tensor{"x": ir.NewTensor(ir.F32, 3, 13, 3)}); err == nil || !strings.Contains(err.Error(), "length T is 13") {
			t.Errorf("above the capacity: %v", err)
		}
	}
}

// TestFreeColumns: what rows cannot be those of a free length.
func TestFreeColumns(t *testing.T) {
	m, _, _, _ := freeModel(12)
	opt := train.Options{Optimizer: optim.SGD(0.1), Epochs: 1, Batch: 8}
	col := func(name string, d dataset.DType, n int, shape ...int) dataset.Data {
		c := dataset.Data{Column: dataset.Column{Name: name, DType: d, Shape: shape}}
		for _, k := range shape {
			n *= k
		}
		if d == dataset.F32 {
			c.F32 = make([]float32, n)
		} else {
			c.I64 = make([]int64, n)
		}
		return c
	}
	for want, cols := range map[string][]dataset.Data{
		"the length T is 4 in column next f32[4 3], but 5 in column x f32[5 3]":                          {col("x", dataset.F32, 2, 5, 3), col("y", dataset.I64, 2), col("next", dataset.F32, 2, 4, 3)},
		`column x f32[13 3] makes the length T of input "x" (f32[N T 3]) 13, and it may be from 1 to 12`: {col("x", dataset.F32, 2, 13, 3), col("y", dataset.I64, 2), col("next", dataset.F32, 2, 13, 3)},
		`its column must be f32[T 3] with T up to 12, got f32[5 4]`:                                      {col("x", dataset.F32, 2, 5, 4), col("y", dataset.I64, 2), col("next", dataset.F32, 2, 5, 3)},
		`its column must be f32[T 3] with T up to 12, got f32[15]`:                                       {col("x", dataset.F32, 2, 15), col("y", dataset.I64, 2), col("next", dataset.F32, 2, 5, 3)},
	} {
		rows, err := dataset.NewTable(cols...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := train.Fit(context.Background(), m, rows, opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
