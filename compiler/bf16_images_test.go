package compiler

import (
	"fmt"
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/internal/lab/randmodel"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// imageGraph is an autoencoder of images with every kind of convolution in bf16: that moves by
// one pixel and by two, of one pixel, and transposed, its windows side by side or over each
// other, and a residual block.
func imageGraph(t *testing.T) *ir.Graph {
	t.Helper()
	x := spec.Input("x", 4, 8, 8)
	y := x.Then(spec.Sequential("net",
		spec.Conv(34, 3).Same(), spec.ReLU(),
		spec.Conv(40, 3).Same().Stride(2), spec.ReLU(),
		spec.Residual("block", spec.Conv(40, 3).Same()), spec.ReLU(),
		spec.Conv(64, 3).Same(), spec.ReLU(),
		spec.ConvTranspose(36, 2).Stride(2), spec.ReLU(),
		spec.Conv(32, 2).Stride(2), spec.ReLU(),
		spec.ConvTranspose(32, 3).Stride(2).OutputPad(1).Pad(1), spec.ReLU(),
		spec.Conv(4, 3).Same()))
	g, err := spec.NewModel("images", spec.MSE(y, x)).Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestBF16ImagesSameBits trains convolutions in bf16 with several numbers of workers, with
// tasks cut differently, and with the update apart from the gradient.
func TestBF16ImagesSameBits(t *testing.T) {
	g := imageGraph(t)
	var first []float32
	for _, store := range []bool{false, true} {
		o := Options{Rows: 19, UpdateRows: manyRows, StoreGrads: store, spread: true, BF16: &BF16{}, panels: panelsNowhere}
		plain, err := compileTwin(g, segmentsOf(g), o)
		if err != nil {
			t.Fatal(err)
		}
		o.panels = panelsWhereTheyPay
		tw, err := compileTwin(g, segmentsOf(g), o)
		if err != nil {
			t.Fatal(err)
		}
		kinds, casts, tiles := map[string]int{}, 0, 0
		for i := range tw.train.Steps {
			s := &tw.train.Steps[i]
			switch op := s.Op.(type) {
			case nil:
			case ops.Tiles:
				if tiles++; tw.train.Buffers[s.Out[0]].Kind != plan.Derived {
					t.Errorf("tiles are made anew in each step: %v", tw.train.Buffers[s.Out[0]].Type)
				}
			case ops.Cast:
				if b := &tw.train.Buffers[s.Out[0]]; b.Type.DType == ir.BF16 && !b.Type.Shape.Symbolic() {
					if casts++; b.Kind != plan.Derived {
						t.Errorf("filters in bf16 are made anew in each step: %v", b.Type)
					}
				}
			default:
				kinds[op.Name()]++
			}
		}
		// Forward, to the filters and back to the operand: the first layer has no operand that
		// is trained, and the last one few filters, so that its gradient has too few columns.
		if kinds["ConvBF16"] != 5+5 || kinds["ConvTransposeBF16"] != 2+2 || kinds["ConvFilterGradBF16"] != 7 || casts == 0 || tiles != 8 {
			t.Errorf("there are %v, %d filters in bf16 and %d in tiles:\n%s", kinds, casts, tiles, plan.Format(tw.train))
		}
		want := steps(t, g, plain.train, 5, 1)
		if first == nil {
			first = want
		} else if !sameBits(want, first) {
			t.Error("the update apart from the gradient gives other bits")
		}
		for _, workers := range []int{1, 2, 3, 4} {
			for _, grain := range []int{0, 1, 7} {
				p := tw.train
				if grain > 0 {
					p = cutBy(p, grain)
				}
				if !sameBits(steps(t, g, p, 5, workers), want) {
					t.Errorf("stored %v, %d workers, tasks of %d: other bits", store, workers, grain)
				}
			}
		}
	}
}

// TestBF16RandomImages trains random models of images with all products in bf16 that can be,
// however short: to the same bits for any number of workers, and to a loss close to that in FP32.
func TestBF16RandomImages(t *testing.T) {
	kinds := map[string]int{}
	for seed := range uint64(40) {
		m := randmodel.Images(seed)
		g, err := m.Model.Graph()
		if err != nil {
			t.Fatal(err)
		}
		var losses [2][]float32
		for i, by := range []*BF16{nil, {least: 1}} {
			tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 19, BF16: by})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			losses[i] = steps(t, g, tw.train, seed, 1)
			if by == nil {
				continue
			}
			e, err := engine.New(tw.train, engine.NewStore(tw.train.Segments, optim.Adam(1).Slots(), tw.train.States...), engine.Options{Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			for id := range tw.train.Steps {
				if op := tw.train.Steps[id].Op; op != nil && ops.InBF16(op) {
					if kinds[op.Name()]++; e.Kernel(id) == "reference" {
						t.Errorf("seed %d: %s has no kernel", seed, ir.FormatOp(op))
					}
				}
			}
			e.Close()
			if !sameBits(steps(t, g, cutBy(tw.train, 2), seed, 3), losses[i]) {
				t.Errorf("seed %d: three workers give other bits", seed)
			}
		}
		if a, b := float64(losses[0][0]), float64(losses[1][0]); !(math.Abs(a-b) < 0.02*math.Max(math.Abs(a), 0.1)) {
			t.Errorf("seed %d: the first loss is %v in bf16, %v in FP32", seed, b, a)
		}
	}
	if kinds["ConvBF16"] < 30 || kinds["ConvTransposeBF16"] < 15 || kinds["ConvFilterGradBF16"] < 30 || kinds["GemmBF16"] < 30 {
		t.Error(fmt.Sprint("too few products: ", kinds))
	}
}
