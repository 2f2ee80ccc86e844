package engine_test

import (
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// TestKinds runs a step of each kind of autoencoder by kernels, by reference meanings
// rounded after each op, and in float64 from the model as it was declared: losses and
// gradients agree, and no step of the first needs a reference meaning.
func TestKinds(t *testing.T) {
	const width, rows = 12, 40
	kinds := map[string]func(x *spec.Value) *spec.Model{
		"emphasis": func(x *spec.Value) *spec.Model {
			noisy := x.Then(spec.SaltAndPepper(0.3))
			return spec.NewModel("m", spec.MSE(noisy.Then(spec.Dense(7), spec.Tanh(), spec.Dense(width)), x).Emphasis(noisy, 2, 0.5))
		},
		"sparse": func(x *spec.Value) *spec.Model {
			h := x.Then(spec.Dense(7), spec.Sigmoid())
			return spec.NewModel("m", spec.MSE(h.Then(spec.Dense(width)), x), spec.L1(h).Weight(0.1), spec.KLSparsity(h, 0.1).Weight(0.1))
		},
		"ksparse": func(x *spec.Value) *spec.Model {
			return spec.NewModel("m", spec.MSE(x.Then(spec.Dense(9), spec.KSparse(3), spec.Dense(width)), x))
		},
		"contractive": func(x *spec.Value) *spec.Model {
			h := x.Then(spec.Dense(7), spec.Sigmoid())
			g := h.Then(spec.Dense(6), spec.ReLU())
			return spec.NewModel("m", spec.MSE(g.Then(spec.Dense(width)), x), spec.Contractive(h).Weight(0.5), spec.Contractive(g).Weight(0.5))
		},
		"norms": func(x *spec.Value) *spec.Model {
			h := x.Then(spec.Dense(12), spec.LayerNorm(), spec.HardSwish(), spec.Dense(12), spec.RMSNorm(), spec.SiLU(), spec.Dense(12), spec.GroupNorm(3))
			h = h.Then(spec.Dense(12), spec.Reshape(2, 3, 2), spec.GroupNorm(2), spec.Dropout(0.2).ByChannel(), spec.Dense(2), spec.InstanceNorm(),
				spec.Reshape(2, 6), spec.LayerNorm(), spec.Flatten())
			return spec.NewModel("m", spec.MSE(h.Then(spec.Dense(width)), x))
		},
		"batchnorm": func(x *spec.Value) *spec.Model {
			h := x.Then(spec.Dense(12), spec.BatchNorm(), spec.Tanh(), spec.Dense(12), spec.Reshape(2, 3, 2), spec.BatchNorm().Axis(0), spec.BatchNorm().NoScale(),
				spec.Flatten(), spec.Sigmoid())
			return spec.NewModel("m", spec.MSE(h.Then(spec.Dense(width)), x))
		},
		"variational": func(x *spec.Value) *spec.Model {
			return spec.Variational("m", x, spec.Sequential("enc", spec.Dense(7), spec.Tanh()), 3, spec.Sequential("dec", spec.Dense(width))).Beta(0.5).Model
		},
	}
	for name, declare := range kinds {
		againstReference(t, name, declare(spec.Input("x", width)), rows, width)
	}
}

// againstReference holds a training step of a model on x f32[N width] to float64, and
// asks that each of its steps has a kernel.
func againstReference(t *testing.T, name string, m *spec.Model, rows, width int) {
	t.Helper()
	p, err := compiler.Compile(m, compiler.Options{Rows: rows, StoreGrads: true})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	fast, s := start(t, p.Train, 2, nil)
	for _, n := range s.Names() {
		fill(n, s.Param(n), 0.4)
	}
	s.Touch()
	slow := engine.NewStore(p.Train.Segments, nil, p.Train.States...)
	copy(slow.All(), s.All())
	e, err := engine.NewReference(p.Train, slow, engine.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for id, st := range p.Train.Steps {
		if st.Op != nil && fast.Kernel(id) == "reference" {
			t.Errorf("%s: %s is run by its reference meaning", name, st.Op.Name())
		}
	}
	x := rowsOf(rows, width)
	for i, v := range x.F32 {
		x.F32[i] = v / (1 + v) // in [0, 1], as a cross-entropy wants it
	}
	u := engine.Update{Seed: 3, Step: 4}
	for _, run := range []*engine.Engine{fast, e} {
		if err := run.Run(engine.Feed{"x": x}, rows, &u); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	d, err := compiler.Gradient(g, "loss")
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]*ir.Tensor{"x": x.To(ir.F64)}
	for _, q := range m.Params() {
		v := ir.NewTensor(ir.F64, q.Type.Shape.Lengths()...)
		for i, w := range s.Param(q.Name) {
			v.F64[i] = float64(w)
		}
		in[q.Name] = v
	}
	for _, v := range d.State { // not looked at
		in[v.In.Name] = ir.NewTensor(ir.F64, v.In.Type.Shape.Lengths()...)
	}
	vals, err := ir.Evaluate(d, &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows, Seed: 3, Update: 4}, in)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	close := func(what string, got float32, want float64) {
		if math.Abs(float64(got)-want) > 2e-5*(0.05+math.Abs(want)) {
			t.Errorf("%s: %s is %v, in float64 %v", name, what, got, want)
		}
	}
	for _, o := range d.Outputs {
		if o.Name == "loss" {
			close("the loss", fast.Output("loss").F32[0], vals[o].F64[0])
			close("the loss by reference", e.Output("loss").F32[0], vals[o].F64[0])
		}
		if len(o.Name) < 6 || o.Name[:5] != "grad/" {
			continue
		}
		a, b := s.Grad(o.Name[5:]), slow.Grad(o.Name[5:])
		for i, want := range vals[o].F64 {
			close(o.Name, a[i], want)
			close(o.Name+" by reference", b[i], want)
		}
	}
}
