package train

import (
	"context"
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// images are rows of 96 draws.
func images(n int) *dataset.Table {
	key := random.New(11)
	return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
		key = key.Derive(1)
		x := row.F32Slice("x")
		for j := range x {
			x[j] = float32(key.Normal(uint64(j))) + float32(j%7)/3
		}
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{96}})
}

// TestFoldedConvs folds statistics into convolutions: with groups and without, with a bias
// and without, transposed, of one axis and of two, before them and behind. A Net gives the
// same rows, but for rounding. What cannot be folded stays.
func TestFoldedConvs(t *testing.T) {
	norm := func() *spec.BatchNormLayer { return spec.BatchNorm().Axis(0) }
	tied := spec.Conv(4, 3).Same()
	shared := spec.Conv(4, 3).Same()
	for name, c := range map[string]struct {
		layers []spec.Layer // from f32[N 4 6 4]
		left   int
	}{
		"bias":                 {[]spec.Layer{spec.Conv(6, 3), norm()}, 0},
		"no bias":              {[]spec.Layer{spec.Conv(6, 3).Same().NoBias(), norm()}, 0},
		"neither has one":      {[]spec.Layer{spec.Conv(6, 3).Stride(2).NoBias(), norm().NoBias().NoScale()}, 0},
		"groups":               {[]spec.Layer{spec.Conv(6, 3).Groups(2), norm()}, 0},
		"depthwise":            {[]spec.Layer{spec.DepthwiseConv(2, 3).Same().NoBias(), norm()}, 0},
		"transposed":           {[]spec.Layer{spec.ConvTranspose(3, 3).Stride(2), norm()}, 0},
		"transposed in groups": {[]spec.Layer{spec.ConvTranspose(6, 2, 3).Groups(2).NoBias(), norm()}, 0},
		"of one axis":          {[]spec.Layer{spec.Reshape(4, 24), spec.Conv(6, 3).NoBias(), norm()}, 0},
		"before":               {[]spec.Layer{spec.Tanh(), norm(), spec.Conv(6, 3)}, 0},
		"before groups":        {[]spec.Layer{spec.Tanh(), norm().NoBias(), spec.Conv(6, 3).Groups(2).NoBias()}, 0},
		"a block":              {[]spec.Layer{spec.ResNet20("n", spec.ProjectedShortcuts)}, 0},
		"before a pad":         {[]spec.Layer{spec.Tanh(), norm(), spec.Conv(6, 3).Same()}, 1},
		"before a transposed":  {[]spec.Layer{spec.Tanh(), norm(), spec.ConvTranspose(6, 3)}, 1},
		"of another axis":      {[]spec.Layer{spec.Conv(6, 3), spec.BatchNorm()}, 1},
		"tied":                 {[]spec.Layer{tied, norm(), spec.Tanh(), spec.Mirror("back", tied).Tied()}, 1},
		"shared":               {[]spec.Layer{shared, norm(), spec.Tanh(), spec.Shared(shared)}, 1},
		"read twice":           {[]spec.Layer{spec.Conv(6, 3).Same(), spec.Residual("r", norm(), spec.ReLU())}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			x := spec.Input("x", 96)
			y := x.Then(append([]spec.Layer{spec.Reshape(4, 6, 4)}, c.layers...)...).Named("y")
			loss := spec.NewLoss("square", y.Then(spec.Shift(-1), spec.Square()))
			r, err := Fit(context.Background(), spec.NewModel("folds", loss), images(80), Options{Optimizer: optim.Adam(1e-2), Epochs: 3, Batch: 20, Seed: 5})
			if err != nil {
				t.Fatal(err)
			}
			in := map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{20, 96}, F32: images(20).F32("x")}}
			want, err := r.Net(y).Run(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			net := r.Folded().Net(y)
			got, err := net.Run(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			left := 0
			for _, n := range net.Graph().Nodes {
				if n.Op.Name() == "BatchNorm" {
					left++
				}
			}
			if left != c.left {
				t.Errorf("%d statistics are left, want %d:\n%s", left, c.left, ir.Format(net.Graph()))
			}
			most := 0.0
			for _, v := range want["y"].F32 {
				most = max(most, math.Abs(float64(v)))
			}
			for i, v := range want["y"].F32 {
				if w := got["y"].F32[i]; !(math.Abs(float64(v-w)) <= 2e-5*max(1, most)) {
					t.Fatalf("element %d is %v, folded %v", i, v, w)
				}
			}
		})
	}
}
