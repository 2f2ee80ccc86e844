package train

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// TestGradientOfBatchNormShips: what ships of a gradient goes through the running
// statistics, as its rows do, and is what differences of the score say, folded or not;
// integrated gradients add up to the difference of two scores.
func TestGradientOfBatchNormShips(t *testing.T) {
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", spec.Dense(20).NoBias(), spec.BatchNorm(), spec.Tanh(), spec.Dense(6))
	code := x.Then(enc)
	y := code.Then(spec.Dense(12))
	r, err := Fit(context.Background(), spec.NewModel("m", spec.MSE(y, x)), rows(150), normedOptions())
	if err != nil {
		t.Fatal(err)
	}
	score := spec.Sub(y, x).Then(spec.Square(), spec.Mean(-1)).Named("score")
	ig := spec.IntegratedGradients(64, func(x *spec.Value, _ ...*spec.Value) *spec.Value { return x.Then(enc, spec.Slice(0, 0, 1)) })
	parts := spec.Apply(ig, x).Named("parts")
	values := []*spec.Value{score, spec.Grad(score, x).Named("slope"), parts, parts.Result(1).Named("at"), parts.Result(2).Named("from")}
	const n, width, step = 9, 12, 1.0 / 64
	at := rows(n).F32("x")
	for name, net := range map[string]*engine.Net{"plain": r.Net(values...), "folded": r.Folded().Net(values...)} {
		run := func(x []float32) map[string][]float32 {
			out, err := net.Run(context.Background(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{n, width}, F32: x}})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			of := map[string][]float32{}
			for name, x := range out {
				of[name] = x.F32
			}
			return of
		}
		got := run(at)
		for j := range width {
			moved := [2][]float32{}
			for k, d := range []float32{-step, step} {
				x := append([]float32{}, at...)
				for i := range n {
					x[i*width+j] += d
				}
				moved[k] = run(x)["score"]
			}
			for i := range n {
				want := (float64(moved[1][i]) - float64(moved[0][i])) / (2 * step)
				if g := float64(got["slope"][i*width+j]); math.Abs(g-want) > 2e-3*(1+math.Abs(want)) {
					t.Errorf("%s: row %d: the gradient along feature %d is %v, differences say %v", name, i, j, g, want)
				}
			}
		}
		for i := range n {
			sum := 0.0
			for _, v := range got["parts"][i*width:][:width] {
				sum += float64(v)
			}
			if want := float64(got["at"][i]) - float64(got["from"][i]); math.Abs(sum-want) > 5e-3*(1+math.Abs(want)) {
				t.Errorf("%s: row %d: the parts add up to %v, the scores differ by %v", name, i, sum, want)
			}
		}
	}
	trained := spec.NewModel("m", spec.MSE(y, x), spec.L1(parts))
	if err := trained.Err(); err == nil || !strings.Contains(err.Error(), "points on the way of integrated gradients") {
		t.Errorf("integrated gradients of statistics of the batch are trained: %v", err)
	}
}

// TestGradientOfAGradientOfBatchNorm: a loss with a gradient through statistics of the batch
// is refused with the way out, and trained where the statistics are frozen.
func TestGradientOfAGradientOfBatchNorm(t *testing.T) {
	model := func() *spec.Model {
		x := spec.Input("x", 12)
		code := x.Then(spec.Dense(8).NoBias(), spec.BatchNorm().Named("norm"), spec.Tanh())
		return spec.NewModel("m", spec.MSE(code.Then(spec.Dense(12)), x), spec.NewLoss("flat", spec.Grad(code, x).Then(spec.Square())))
	}
	o := normedOptions()
	if _, err := Fit(context.Background(), model(), rows(150), o); err == nil || !strings.Contains(err.Error(), "or take LayerNorm or GroupNorm in its place") {
		t.Errorf("got %v", err)
	}
	o.Freeze = []string{"norm"}
	if _, err := Fit(context.Background(), model(), rows(150), o); err != nil {
		t.Error(err)
	}
}

// TestBatchNormOfRows: of several rows for each row of the update only the first would be
// counted, so a training refuses them, unless the statistics are frozen.
func TestBatchNormOfRows(t *testing.T) {
	model := func() *spec.Model {
		x := spec.Input("x", 12)
		twice, _ := ir.Mul(ir.Fixed(2), ir.Rows())
		h := spec.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{twice, ir.Fixed(6)})}, x).Then(spec.BatchNorm().Named("norm"))
		y := spec.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{ir.Rows(), ir.Fixed(12)})}, h)
		return spec.NewModel("m", spec.MSE(y.Then(spec.Dense(12)), x))
	}
	o := normedOptions()
	if _, err := Fit(context.Background(), model(), rows(150), o); err == nil || !strings.Contains(err.Error(), `layer "norm": BatchNormTraining: in training x must have a row for each row of the update, as its first axis, got f32[2*N 6]`) {
		t.Errorf("got %v", err)
	}
	o.Freeze = []string{"norm"}
	if _, err := Fit(context.Background(), model(), rows(150), o); err != nil {
		t.Error(err)
	}
}
