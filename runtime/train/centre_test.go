package train

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// TestUntrained compares a Net with what a training starts from.
func TestUntrained(t *testing.T) {
	m := newMomentum()
	o := momentumOptions()
	tr, err := New(context.Background(), m.Model, rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	net := Untrained(o.Seed, m.code.Named("code"), m.target.Named("slow"))
	if err := net.Err(); err != nil {
		t.Fatal(err)
	}
	if len(net.Params()) == 0 {
		t.Error("the net has no parameters")
	}
	for name, x := range net.Params() {
		want := tr.store.Param(name)
		if want == nil {
			want = tr.store.State(name)
		}
		if !slices.Equal(x, want) {
			t.Errorf("%s does not start as in a training", name)
		}
	}
	x := spec.Input("x", 12)
	normed := Untrained(1, x.Then(spec.BatchNorm()).Named("y"))
	got, err := normed.Run(context.Background(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{1, 12}, F32: rows(1).F32("x")}})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range rows(1).F32("x") { // running statistics start as mean 0 and variance 1
		if math.Abs(float64(got["y"].F32[i]-v)) > 1e-4 {
			t.Errorf("element %d is %v, want %v", i, got["y"].F32[i], v)
		}
	}
	if err := Untrained(1).Err(); err == nil || !strings.Contains(err.Error(), "centre_test.go:") {
		t.Errorf("of no value: %v", err)
	}
}

func TestCentre(t *testing.T) {
	data, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{5}},
		F32: []float32{1, 0.05, -0.05, 0, -3, 2, 0.1, -0.1, 0, -4, 6, 0, 0, 0, -5}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, x := context.Background(), spec.Input("x", 5)
	got, err := Centre(ctx, Untrained(1, x.Then(spec.Scale(1)).Named("code")), data)
	if want := []float64{3, 0.1, -0.1, 0.1, -4}; err != nil || !slices.Equal(got, want) {
		t.Errorf("the centre is %v (%v), want %v", got, err, want)
	}
	for want, net := range map[string]*spec.Value{
		"must have one output, a code f32[N units], got 1, the first f32[N]": x.Then(spec.Sum(0)),
		"the code of row 0 is +Inf": x.Then(spec.Scale(1e30), spec.Exp()),
	} {
		if _, err := Centre(ctx, Untrained(1, net.Named("code")), data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := Centre(ctx, Untrained(1, x.Then(spec.Scale(1))), data.Head(0)); err == nil {
		t.Error("no rows are no error")
	}
}

// TestOneClassCollapse trains an encoder on one digit. As the rule has it, other digits lie
// further away from the centre; with biases, which a loss written as a formula takes, it
// gives the centre for every row, and tells nothing.
func TestOneClassCollapse(t *testing.T) {
	ctx, digits := context.Background(), dataset.Digits()
	var zeros []int
	for i, y := range digits.Train.I64("y") {
		if y == 0 {
			zeros = append(zeros, i)
		}
	}
	normal := digits.Train.Select(zeros)
	spread := func(dense func(int) *spec.DenseLayer, loss func(code *spec.Value, centre []float64) *spec.Loss) (ratio, moved float64) {
		x := spec.Input("x", 784)
		code := x.Then(spec.Sequential("encoder", dense(64), spec.LeakyReLU(), dense(16))).Named("code")
		o := Options{Optimizer: optim.AdamW(3e-3, 1), Epochs: 100, Batch: 32, Seed: 4, Workers: 2}
		centre, err := Centre(ctx, Untrained(o.Seed, code), normal)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Fit(ctx, spec.NewModel("svdd", loss(code, centre)), normal, o)
		if err != nil {
			t.Fatal(err)
		}
		scores, err := r.Net(code.Then(spec.SquaredDistance(centre)).Named("score")).Over(ctx, digits.Test)
		if err != nil {
			t.Fatal(err)
		}
		var sum, n [2]float64
		norm := 0.0
		for _, c := range centre {
			norm += c * c
		}
		for i, y := range digits.Test.I64("y") {
			k := min(int(y), 1)
			sum[k] += float64(scores.F32("score")[i])
			n[k]++
		}
		return sum[1] / n[1] / (sum[0] / n[0]), sum[1] / n[1] / norm
	}
	ratio, moved := spread(func(n int) *spec.DenseLayer { return spec.Dense(n).NoBias() }, spec.OneClass)
	if ratio < 5 || moved < 0.05 {
		t.Errorf("by the rule: other digits are at %.3g of the centre's square, %.3g times as far as the normal one", moved, ratio)
	}
	_, moved = spread(spec.Dense, func(code *spec.Value, centre []float64) *spec.Loss {
		return spec.NewLoss("distance", code.Then(spec.SquaredDistance(centre)))
	})
	if moved > 1e-3 {
		t.Errorf("with biases: other digits are at %.3g of the centre's square, so the encoder did not collapse", moved)
	}
}
