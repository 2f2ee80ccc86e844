package ort_test

import (
	"os"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/native"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestBatchNorm exports running statistics as BatchNormalization, of columns, of channels
// first and of channels last, and folded into the products beside them; onnxruntime and the
// importer compute what the engine does.
func TestBatchNorm(t *testing.T) {
	x := spec.Input("x", 12)
	y := x.Then(spec.Dense(9), spec.BatchNorm(), spec.Tanh(), spec.Dense(8).NoBias(), spec.BatchNorm().NoScale(), spec.ReLU(), spec.Dense(12),
		spec.Reshape(3, 4), spec.BatchNorm().Axis(0), spec.Dense(4), spec.BatchNorm().NoBias(), spec.Flatten(), spec.Dense(12)).Named("y")
	numbers := make([]int, 90)
	for i := range numbers {
		numbers[i] = i
	}
	data := dataset.From(numbers, func(i int, row dataset.Row) {
		v := row.F32Slice("x")
		for j := range v {
			v[j] = float32((i*7+j*j)%11)/5 + float32(j)
		}
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{12}})
	r, err := train.Fit(t.Context(), spec.NewModel("m", spec.MSE(y, x)), data, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 6, Batch: 30})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		r    *train.Result
		want int
	}{"whole": {r, 4}, "folded": {r.Folded(), 1}} {
		net := c.r.Net(y)
		if err := net.Err(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, x := range net.Graph().Nodes {
			if x.Op.Name() == "BatchNorm" {
				n++
			}
		}
		if n != c.want {
			t.Errorf("%s: %d nodes ship, want %d", name, n, c.want)
		}
		everywhere(t, name, net, &ir.Tensor{DType: ir.F32, Shape: []int{9, 12}, F32: data.F32("x")[:9*12]})
	}
}

// everywhere executes the file of a net with rows x in several opsets, on onnxruntime and by
// the importer.
func everywhere(t *testing.T, name string, net *engine.Net, x *ir.Tensor) {
	t.Helper()
	for _, opset := range []int{13, 17, 21} {
		f, err := onnxexport.BuildNet(net, onnxexport.Options{Opset: opset})
		if err != nil {
			t.Fatal(err)
		}
		s := verify.Subject{Graph: net.Graph(), Params: net.Params(), Model: f.Bytes, Taps: f.Taps, Run: net.Run,
			Sets: []verify.Set{{Name: "rows", Rows: x.Shape[0], In: map[string]*ir.Tensor{"x": x}}}}
		runtimes := []verify.Runtime{native.Runtime()}
		if _, err := ort.Runtime().Version(); err == nil {
			runtimes = append(runtimes, ort.Runtime())
		} else if os.Getenv("LAMINA_REQUIRE_ORT") == "1" {
			t.Fatal(err)
		}
		for _, rt := range runtimes {
			rep, err := verify.Verify(t.Context(), s, rt)
			if err == nil {
				err = rep.Err()
			}
			if err != nil {
				t.Errorf("%s, opset %d: %v", name, opset, err)
			}
		}
	}
}

// TestBatchNormOfConvs folds running statistics into convolutions, with groups and a bias or
// none of either, and exports what is left: nothing but convolutions.
func TestBatchNormOfConvs(t *testing.T) {
	norm := func() spec.Layer { return spec.BatchNorm().Axis(0) }
	x := spec.Input("x", 3, 8, 6)
	y := x.Then(
		spec.Conv(8, 3).Same().NoBias(), norm(), spec.ReLU(),
		spec.Residual("block", spec.Conv(12, 3).Pad(1).Stride(2).Groups(4), norm(), spec.ReLU(), spec.DepthwiseConv(1, 3).Same().NoBias(), norm()).
			Shortcut(spec.Conv(12, 1).Stride(2).NoBias(), norm()), spec.Tanh(),
		norm(), spec.Conv(6, 2).Groups(3),
		spec.ReLU(), spec.ConvTranspose(4, 3).Stride(2).Groups(2).NoBias(), norm(), spec.ReLU(),
		spec.ConvTranspose(3, 2), norm()).Named("y")
	at := 0
	data := dataset.From(make([]int, 60), func(_ int, row dataset.Row) {
		v := row.F32Slice("x")
		for i := range v {
			v[i] = float32((at*7+at/11*at)%13)/5 - 1
			at++
		}
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{3, 8, 6}})
	r, err := train.Fit(t.Context(), spec.NewModel("m", spec.NewLoss("square", y.Then(spec.Shift(-1), spec.Square()))), data, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 4, Batch: 20})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		r    *train.Result
		want int
	}{"whole": {r, 7}, "folded": {r.Folded(), 0}} {
		net := c.r.Net(y)
		if err := net.Err(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, x := range net.Graph().Nodes {
			if x.Op.Name() == "BatchNorm" {
				n++
			}
		}
		if n != c.want {
			t.Errorf("%s: %d nodes ship, want %d", name, n, c.want)
		}
		everywhere(t, name, net, &ir.Tensor{DType: ir.F32, Shape: []int{9, 3, 8, 6}, F32: data.F32("x")[:9*144]})
	}
}
