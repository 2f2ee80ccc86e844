package compiler

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// flattened returns models in which a Dense stands beside images.
func flattened(t *testing.T) map[string]*ir.Graph {
	t.Helper()
	model := func(m *spec.Model) *ir.Graph {
		g, err := m.Graph()
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	images := func() *spec.Value { return spec.Input("x", 2, 6, 6) }
	code := func() *spec.Value { return spec.Input("x", 7) }
	enc := func(layers ...spec.Layer) spec.Layer {
		return spec.Sequential("encoder", append([]spec.Layer{spec.Conv(5, 3).Same(), spec.ReLU(), spec.MaxPool(2), spec.Flatten()}, layers...)...)
	}
	dec := func(layers ...spec.Layer) spec.Layer {
		return spec.Sequential("decoder", append(layers, spec.Reshape(5, 3, 3), spec.ConvTranspose(2, 2).Stride(2))...)
	}
	target := func() *spec.Value { return spec.Input("y", 2, 6, 6) }
	strided := spec.Sequential("encoder", spec.Conv(5, 2).Stride(2), spec.ReLU(), spec.Flatten(), spec.Dense(4))
	x, signal := images(), spec.Input("x", 3, 12)
	all := map[string]*ir.Graph{
		"encoder": model(spec.NewModel("m", spec.MSE(images().Then(enc(spec.Dense(7), spec.Tanh(), spec.Dense(3))), spec.Input("y", 3)))),
		"no bias": model(spec.NewModel("m", spec.MSE(images().Then(enc(spec.Tanh(), spec.Dense(7).NoBias())), spec.Input("y", 7)))),
		"decoder": model(spec.NewModel("m", spec.MSE(code().Then(dec(spec.Dense(45), spec.ReLU())), target()))),
		"plain":   model(spec.NewModel("m", spec.MSE(code().Then(dec(spec.Dense(45).NoBias())), target()))),
		"both":    model(spec.Autoencoder("m", x, enc(spec.Dense(6), spec.ReLU()), dec(spec.Dense(45), spec.ELU()))),
		"tied":    model(spec.Autoencoder("m", images(), strided, spec.Mirror("decoder", strided).Tied())),
		"signal":  model(spec.NewModel("m", spec.MSE(signal.Then(spec.Conv(4, 3).Same(), spec.ReLU(), spec.MaxPool(2), spec.Flatten(), spec.Dense(3)), spec.Input("y", 3)))),
	}
	shared, err := ir.Parse(`shared (f32[N 2 4 4] x, f32[N 48] z) => (loss) <f32[3 2 3 3] conv/w, f32[48 7] w, f32[] half = {0.5}> {
	f32[N 3 4 4] image = Conv<strides = [1 1], dilations = [1 1], pads = [1 1 1 1], group = 1>(x, conv/w)
	f32[N 3 4 4] active = Tanh(image)
	f32[N 48] flat = Flatten<axis = 1>(active)
	f32[N 7] a = MatMul(flat, w)
	f32[N 7] b = MatMul(z, w)
	f32[N 7] d = Sub(a, b)
	f32[N 7] square = Mul(d, d)
	f32[] fit = ReduceMean<axes = [], keepdims = false>(square)
	f32[48 7] weights = Mul(w, w)
	f32[] penalty = ReduceMean<axes = [], keepdims = false>(weights)
	f32[] small = Mul(penalty, half)
	f32[] loss = Add(fit, small)
}
`, ops.ByName)
	if err != nil {
		t.Fatal(err)
	}
	all["shared"] = shared
	return all
}

// imageTurns counts the steps that turn images, and the derived weights in the order of these.
func imageTurns(p *plan.Plan) (images, weights int) {
	for _, s := range p.Steps {
		switch s.Op.(type) {
		case ops.Transpose:
			if p.Buffers[s.Out[0]].Type.Shape.Symbolic() {
				images++
			}
		case ops.Interleave:
			if p.Buffers[s.Out[0]].Kind == plan.Derived {
				weights++
			}
		}
	}
	return images, weights
}

// TestFeaturesAgainstReference compares losses and gradients of models with a Dense beside
// images with the reference, and counts the turns of images that are left.
func TestFeaturesAgainstReference(t *testing.T) {
	left := map[string][2]int{}
	for name, g := range flattened(t) {
		d, err := Gradient(g, lossName)
		if err != nil {
			t.Fatal(err)
		}
		for _, panels := range []panelUse{panelsWhereTheyPay, panelsEverywhere} {
			for _, store := range []bool{false, true} {
				tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 19, UpdateRows: 64, StoreGrads: store, spread: true, panels: panels})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				i, w := imageTurns(tw.train)
				if panels == panelsWhereTheyPay && !store {
					left[name] = [2]int{i, w}
				}
				if !store {
					continue
				}
				for _, rows := range []int{19, 1, 6} {
					env := &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows}
					fed, wide := narrowed(randgraph.Feed(g, env, 5))
					oracle := results(t, d, env, wide)
					e, s := engineOf(t, tw.train, fed, 2)
					if err := e.Run(fed, rows, &engine.Update{}); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if got, want := e.Output(lossName).F32[0], oracle[lossName].F64[0]; !close32(got, want, 1) {
						t.Errorf("%s, %d rows: loss %v, want %v", name, rows, got, want)
					}
					for _, param := range s.Names() {
						w, scale := oracle[gradPrefix+param].F64, 0.0
						for _, x := range w {
							scale = max(scale, math.Abs(x))
						}
						for i, x := range s.Grad(param) {
							if !close32(x, w[i], scale) {
								t.Errorf("%s, %d rows: the gradient of %s[%d] is %v, want %v", name, rows, param, i, x, w[i])
								break
							}
						}
					}
					e, _ = engineOf(t, tw.eval, fed, 2)
					if err := e.Run(fed, rows, nil); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if got, want := e.Output(lossName).F32[0], oracle[lossName].F64[0]; !close32(got, want, 1) {
						t.Errorf("%s, %d rows: evaluated loss %v, want %v", name, rows, got, want)
					}
				}
			}
		}
	}
	// Each turns its input or its target. The weights that z reads too have their sum over z in
	// ONNX's order, so that features stay, but for those of the gradient along the images.
	const turns = "map[both:[1 5] decoder:[1 2] encoder:[1 2] no bias:[1 2] plain:[1 1] shared:[2 1] signal:[1 2] tied:[1 3]]"
	if got := fmt.Sprint(left); got != turns {
		t.Errorf("turns of images and twins of weights are %s, want %s", got, turns)
	}
}

// TestFeaturesSameBits trains such models with several numbers of workers, tasks of other
// sizes, the updates apart from the gradients, another capacity and in parts.
func TestFeaturesSameBits(t *testing.T) {
	for name, g := range flattened(t) {
		compiled := func(o Options) *plan.Plan {
			o.UpdateRows = 64
			tw, err := compileTwin(g, segmentsOf(g), o)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return tw.train
		}
		p := compiled(Options{Rows: 19, spread: true})
		want := steps(t, g, p, 3, 1)
		for _, workers := range []int{2, 3, 7} {
			if !sameBits(steps(t, g, p, 3, workers), want) {
				t.Errorf("%s: %d workers give other bits", name, workers)
			}
		}
		for _, grain := range []int{1, 3, 5, 1000} {
			if !sameBits(steps(t, g, cutBy(p, grain), 3, 3), want) {
				t.Errorf("%s: tasks of %d give other bits", name, grain)
			}
		}
		for what, o := range map[string]Options{
			"stored gradients": {Rows: 19, StoreGrads: true, spread: true}, "another capacity": {Rows: 640, spread: true},
			"one update of all": {Rows: 19}, "panels": {Rows: 19, spread: true, panels: panelsEverywhere}, "another order of nodes": {Rows: 19, spread: true, Permute: 3},
		} {
			if !sameBits(steps(t, g, compiled(o), 3, 2), want) {
				t.Errorf("%s: %s gives other bits", name, what)
			}
		}
		stored := compiled(Options{Rows: 10, StoreGrads: true, spread: true})
		whole, parts := divided(t, g, stored, 1), divided(t, g, stored, 2)
		for param, w := range whole {
			if once := strings.Contains(param, "dense") && name != "tied"; once && !sameBits(parts[param], w) {
				t.Errorf("%s: the gradient of %s in parts has other bits", name, param)
			}
		}
	}
}

// divided returns the gradients of an update of ten rows in so many parts.
func divided(t *testing.T, g *ir.Graph, p *plan.Plan, parts int) map[string][]float32 {
	t.Helper()
	fed, _ := narrowed(randgraph.Feed(g, &ir.Env{Binding: ir.RowsOf(10), UpdateRows: 10}, 8))
	e, s := engineOf(t, p, fed, 2)
	rows := 10 / parts
	for i := range parts {
		part := engine.Feed{}
		for _, v := range g.Inputs {
			x := fed[v.Name]
			n := len(x.F32) / parts
			part[v.Name] = &ir.Tensor{DType: ir.F32, Shape: append([]int{rows}, x.Shape[1:]...), F32: x.F32[i*n : (i+1)*n]}
		}
		if err := e.Run(part, rows, &engine.Update{UpdateRows: 10, FirstRow: rows * i, Accumulate: i > 0}); err != nil {
			t.Fatal(err)
		}
	}
	out := map[string][]float32{}
	for _, name := range s.Names() {
		out[name] = s.Grad(name)
	}
	return out
}

// TestFeaturesInPanels evaluates a Dense whose columns are in the order of images and wide
// enough for panels, which follow the twin of its weights; and one whose rows would be, which
// keeps its own order, as no panels follow that.
func TestFeaturesInPanels(t *testing.T) {
	y := spec.Input("x", 7).Then(spec.Dense(180), spec.ReLU(), spec.Reshape(5, 6, 6), spec.ConvTranspose(4, 2).Stride(2), spec.ReLU(), spec.Flatten(), spec.Dense(150))
	g, err := spec.NewModel("m", spec.MSE(y, spec.Input("y", 150))).Graph()
	if err != nil {
		t.Fatal(err)
	}
	tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 19})
	if err != nil {
		t.Fatal(err)
	}
	panels := 0
	for _, s := range tw.eval.Steps {
		if _, ok := s.Op.(ops.Panels); ok && tw.eval.Buffers[s.Out[0]].Kind == plan.Derived {
			panels++
		}
	}
	if images, twins := imageTurns(tw.eval); panels != 2 || images != 1 || twins != 2 {
		t.Errorf("%d weights are in panels, %d images are turned, %d weights and biases are in their order, want 2, 1 and 2", panels, images, twins)
	}
	env := &ir.Env{Binding: ir.RowsOf(19), UpdateRows: 19}
	fed, wide := narrowed(randgraph.Feed(g, env, 5))
	e, _ := engineOf(t, tw.eval, fed, 2)
	if err := e.Run(fed, 19, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := e.Output(lossName).F32[0], results(t, g, env, wide)[lossName].F64[0]; !close32(got, want, 1) {
		t.Errorf("the loss is %v, want %v", got, want)
	}
}
