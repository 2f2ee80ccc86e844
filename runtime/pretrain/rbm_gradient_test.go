package pretrain

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

// small is a machine of five visible and three hidden units on four rows.
type small struct {
	x       *spec.Value
	machine *spec.Boltzmann
	in      map[string]*ir.Tensor
	env     *ir.Env
}

const (
	nRows, nVis, nHid = 4, 5, 3
	wName, cName      = "s/dense1/w", "s/dense1/b"
	bName             = "s-mirror/tied1/b"
)

func newSmall(t *testing.T, change func(*spec.Boltzmann) *spec.Boltzmann) *small {
	t.Helper()
	s := &small{x: spec.Input("x", nVis), in: map[string]*ir.Tensor{}, env: &ir.Env{Binding: ir.RowsOf(nRows), UpdateRows: nRows, Seed: 3, Update: 2}}
	stack := spec.Sequential("s", spec.Dense(nHid), spec.Sigmoid())
	mirror := spec.MirrorOf(stack, true)
	s.x.Then(stack, mirror)
	list, err := spec.RBMs(stack, mirror)
	if err != nil {
		t.Fatal(err)
	}
	s.machine = list[0]
	if change != nil {
		s.machine = change(s.machine)
	}
	r := rand.New(rand.NewPCG(5, 6))
	fill := func(name string, f func() float64, shape ...int) {
		x := ir.NewTensor(ir.F64, shape...)
		for i := range x.F64 {
			x.F64[i] = f()
		}
		s.in[name] = x
	}
	fill("x", r.Float64, nRows, nVis)
	fill(wName, r.NormFloat64, nVis, nHid)
	fill(cName, r.NormFloat64, nHid)
	fill(bName, r.NormFloat64, nVis)
	return s
}

// evaluate returns the outputs of a graph in float64.
func (s *small) evaluate(t *testing.T, g *ir.Graph) map[string]*ir.Tensor {
	t.Helper()
	for _, st := range g.State {
		if s.in[st.In.Name] == nil {
			x := ir.NewTensor(ir.F64, st.In.Type.Shape.Lengths()...)
			for i := range x.F64 {
				x.F64[i] = float64(i % 2)
			}
			s.in[st.In.Name] = x
		}
	}
	vals, err := ir.Evaluate(g, s.env, s.in)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*ir.Tensor{}
	for _, v := range g.Outputs {
		out[v.Name] = vals[v]
	}
	return out
}

func (s *small) model(t *testing.T) *ir.Graph {
	t.Helper()
	g, err := spec.NewModel("m", s.machine.Losses(s.x)...).Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// hiddenOf returns the probabilities of the hidden units, or x itself if they are
// linear.
func (s *small) hiddenOf(v []float64, linear bool) []float64 {
	h := make([]float64, nHid)
	for j := range h {
		h[j] = s.in[cName].F64[j]
		for i := range nVis {
			h[j] += v[i] * s.in[wName].F64[i*nHid+j]
		}
		if !linear {
			h[j] = sigmoid(h[j])
		}
	}
	return h
}

// energyOf is F of a row by its definition.
func (s *small) energyOf(v []float64, gaussian, linear bool) float64 {
	f := 0.0
	for i, x := range v {
		b := s.in[bName].F64[i]
		if gaussian {
			f += (x - b) * (x - b) / 2
		} else {
			f -= x * b
		}
	}
	for _, x := range s.hiddenOf(v, true) {
		if linear {
			f -= x * x / 2
		} else {
			f -= math.Log(1 + math.Exp(x))
		}
	}
	return f
}

var units = map[string]struct{ gaussian, linear bool }{"bits": {}, "gaussian": {gaussian: true}, "linear": {linear: true}}

// TestContrastiveDivergence works the gradient of CD-1 out by hand from the rows
// and their reconstruction: for W it is -(v0ᵀh0 - v1ᵀh1)/N. Their free energies give
// the loss, and its differences the same gradient.
func TestContrastiveDivergence(t *testing.T) {
	for name, u := range units {
		t.Run(name, func(t *testing.T) {
			s := newSmall(t, func(m *spec.Boltzmann) *spec.Boltzmann {
				if u.gaussian {
					m = m.Gaussian()
				}
				if u.linear {
					m = m.Linear()
				}
				return m
			})
			g := s.model(t)
			recon := "s/dense1/reconstruction"
			if u.gaussian {
				recon = "s-mirror/tied1" // the means of real numbers
			}
			g.Outputs = append(g.Outputs, g.Value(recon))
			d, err := compiler.Gradient(g, "loss")
			if err != nil {
				t.Fatal(err)
			}
			out := s.evaluate(t, d)
			v0, v1 := s.in["x"].F64, out[recon].F64
			dw, db, dc, loss, square := make([]float64, nVis*nHid), make([]float64, nVis), make([]float64, nHid), 0.0, 0.0
			for r := range nRows {
				for _, p := range []struct {
					v    []float64
					sign float64
				}{{v0[r*nVis:][:nVis], -1}, {v1[r*nVis:][:nVis], 1}} {
					h := s.hiddenOf(p.v, u.linear)
					loss -= p.sign * s.energyOf(p.v, u.gaussian, u.linear) / nRows
					for i, v := range p.v {
						db[i] += p.sign * v / nRows
						for j := range h {
							dw[i*nHid+j] += p.sign * v * h[j] / nRows
						}
					}
					for j := range h {
						dc[j] += p.sign * h[j] / nRows
					}
				}
				for i := range nVis {
					e := v0[r*nVis+i] - v1[r*nVis+i]
					square += e * e / nRows / nVis
				}
			}
			near(t, "the loss", out["loss"].F64[0], loss, 1e-12)
			near(t, "the squared error", out["loss/reconstruction1"].F64[0], square, 1e-12)
			for name, want := range map[string][]float64{wName: dw, bName: db, cName: dc} {
				for i, w := range want {
					near(t, "grad/"+name, out["grad/"+name].F64[i], w, 1e-12)
				}
			}
			// Differences of the free energy, with v1 as it is.
			contrast := func() float64 {
				f := 0.0
				for r := range nRows {
					f += s.energyOf(v0[r*nVis:][:nVis], u.gaussian, u.linear) - s.energyOf(v1[r*nVis:][:nVis], u.gaussian, u.linear)
				}
				return f / nRows
			}
			for name := range map[string]bool{wName: true, bName: true, cName: true} {
				x := s.in[name].F64
				for i := range x {
					const step = 1e-5
					at := x[i]
					x[i] = at + step
					up := contrast()
					x[i] = at - step
					down := contrast()
					x[i] = at
					near(t, "the difference along "+name, (up-down)/(2*step), out["grad/"+name].F64[i], 1e-8)
				}
			}
		})
	}
}

// TestReconstruction makes the draws of CD-2 by hand.
func TestReconstruction(t *testing.T) {
	s := newSmall(t, func(m *spec.Boltzmann) *spec.Boltzmann { return m.CD(2) })
	g, _, err := spec.GraphOf("g", s.machine.Reconstruction(s.x).Named("v"), s.machine.Hidden(s.x).Named("h"), s.machine.FreeEnergy(s.x).Named("f"))
	if err != nil {
		t.Fatal(err)
	}
	out := s.evaluate(t, g)
	var streams []ir.Op
	for _, n := range g.Nodes {
		if n.Op.Name() == "Sample" {
			streams = append(streams, n.Op)
		}
	}
	if len(streams) != 2 || streams[0] == streams[1] {
		t.Fatalf("two steps draw from %v", streams)
	}
	for r := range nRows {
		row := s.in["x"].F64[r*nVis:][:nVis]
		near(t, "the free energy", out["f"].F64[r], s.energyOf(row, false, false), 1e-12)
		v := row
		for k, op := range streams {
			p := ir.NewTensor(ir.F64, nRows, nHid)
			copy(p.F64[r*nHid:], s.hiddenOf(v, false))
			if k == 0 {
				for j, h := range p.F64[r*nHid:][:nHid] {
					near(t, "a hidden unit", out["h"].F64[r*nHid+j], h, 1e-12)
				}
			}
			bits, err := op.(ir.Evaluator).Eval(s.env, []*ir.Tensor{p})
			if err != nil {
				t.Fatal(err)
			}
			v = make([]float64, nVis)
			for i := range v {
				y := s.in[bName].F64[i]
				for j, h := range bits[0].F64[r*nHid:][:nHid] {
					y += h * s.in[wName].F64[i*nHid+j]
				}
				v[i] = sigmoid(y)
			}
		}
		for i, want := range v {
			near(t, "the reconstruction", out["v"].F64[r*nVis+i], want, 1e-12)
		}
	}
}

// TestChains looks at the gradient of persistent chains: what is drawn from them
// takes the place of the reconstruction, and they go on with its hidden units.
func TestChains(t *testing.T) {
	const chains = 6
	s := newSmall(t, func(m *spec.Boltzmann) *spec.Boltzmann { return m.Persistent(chains) })
	g := s.model(t)
	if len(g.State) != 1 || g.State[0].In.Name != "s/dense1/contrast/chains" || g.State[0].In.Type.String() != "f32[6 3]" {
		t.Fatalf("the state is %+v", g.State)
	}
	var samples []*ir.Value
	for _, n := range g.Nodes {
		if n.Op.Name() == "Sample" {
			samples = append(samples, n.Out[0])
		}
	}
	if len(samples) != 2 || samples[1] != g.State[0].Out {
		t.Fatalf("%d draws, and the chains become %v", len(samples), g.State[0].Out)
	}
	g.Outputs = append(g.Outputs, samples...)
	d, err := compiler.Gradient(g, "loss")
	if err != nil {
		t.Fatal(err)
	}
	out := s.evaluate(t, d)
	dw, loss := make([]float64, nVis*nHid), 0.0
	add := func(v []float64, scale float64) {
		loss -= scale * s.energyOf(v, false, false)
		for i, x := range v {
			for j, h := range s.hiddenOf(v, false) {
				dw[i*nHid+j] += scale * x * h
			}
		}
	}
	for r := range nRows {
		add(s.in["x"].F64[r*nVis:][:nVis], -1.0/nRows)
	}
	for r := range chains {
		v := out[samples[0].Name].F64[r*nVis:][:nVis]
		for _, x := range v {
			if x != 0 && x != 1 {
				t.Fatalf("a visible unit of a chain is %v", x)
			}
		}
		add(v, 1.0/chains)
	}
	near(t, "the loss", out["loss"].F64[0], loss, 1e-12)
	for i, w := range dw {
		near(t, "the gradient", out["grad/"+wName].F64[i], w, 1e-12)
	}
}

// TestSparse adds the divergence from a target, and its gradient.
func TestSparse(t *testing.T) {
	plain, sparse := newSmall(t, nil), newSmall(t, func(m *spec.Boltzmann) *spec.Boltzmann { return m.Sparse(0.1, 2) })
	var loss [2]float64
	for i, s := range []*small{plain, sparse} {
		loss[i] = s.evaluate(t, s.model(t))["loss"].F64[0]
	}
	want := 0.0
	for j := range nHid {
		q := 0.0
		for r := range nRows {
			q += sparse.hiddenOf(sparse.in["x"].F64[r*nVis:][:nVis], false)[j] / nRows
		}
		want += 0.1*math.Log(0.1/q) + 0.9*math.Log(0.9/(1-q))
	}
	near(t, "what Sparse adds", loss[1]-loss[0], 2*want, 1e-9)
}
