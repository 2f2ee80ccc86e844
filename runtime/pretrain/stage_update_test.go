package pretrain

import (
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// TestStageUpdates trains two stages of a tied denoising autoencoder in float64 beside
// the engine, with the same masks: the loss is a mean over units and rows, the last batch
// is short, both products train the tied weights, the target has no noise, and neither
// have the codes that the second stage starts from.
func TestStageUpdates(t *testing.T) {
	const n, batch, epochs, rate, momentum = 70, 32, 2, 3, 0.9
	for name, noise := range map[string]float64{"plain": 0, "masked": 0.4} {
		widths := []int{12, 9, 7}
		x := spec.Input("x", widths[0])
		stack := spec.Sequential("s", spec.Dense(widths[1]), spec.Sigmoid(), spec.Dense(widths[2]), spec.Sigmoid())
		o := options()
		o.Epochs, o.Batch, o.InOrder = epochs, batch, true
		o.Optimizer = optim.SGD(rate).Momentum(momentum)
		phase := Greedy(x, stack, rows(n), o).CrossEntropy()
		if noise > 0 {
			phase.Corrupt(spec.MaskingNoise(noise))
		}
		p := NewProgram("p", phase)
		r, err := p.Run(t.Context(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		left, err := r.Earlier()
		if err != nil {
			t.Fatal(err)
		}
		in := make([]float64, n*widths[0])
		for i, v := range rows(n).F32("x") {
			in[i] = float64(v)
		}
		for k, done := range append(r.Before()[:1:1], left) {
			s := newStage(t, p.list[k].model, widths[k], widths[k+1], o.Seed, noise > 0)
			for update := range uint64(epochs * ((n + batch - 1) / batch)) {
				first := int(update) * batch % ((n + batch - 1) / batch * batch)
				s.step(t, in[first*s.nv:min(first+batch, n)*s.nv], o.Seed, update, rate, momentum)
			}
			for i, param := range s.names {
				for j, got := range done.Values[param] {
					if want := s.w[i][j]; math.Abs(float64(got)-want) > 2e-5*(1+math.Abs(want)) {
						t.Fatalf("%s: stage %d: %s[%d] is %v, want %v", name, k+1, param, j, got, want)
					}
				}
			}
			in = s.codes(in)
		}
	}
}

// stage is a tied autoencoder in float64: weights f64[nv nh], hidden and visible biases.
type stage struct {
	nv, nh   int
	names    [3]string
	w, speed [3][]float64
	noise    ir.Evaluator // nil for none
}

func newStage(t *testing.T, m *spec.Model, nv, nh int, seed uint64, noisy bool) *stage {
	t.Helper()
	s := &stage{nv: nv, nh: nh}
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range g.Nodes {
		if node.Op.Name() == "MaskingNoise" {
			s.noise = node.Op.(ir.Evaluator)
		}
	}
	if (s.noise != nil) != noisy {
		t.Fatalf("noise in the graph: %v", s.noise)
	}
	at := map[int]int{nv * nh: 0, nh: 1, nv: 2}
	for _, p := range m.Params() {
		init := p.Initial(random.New(seed))
		i := at[len(init)]
		s.names[i] = p.Name
		for _, v := range init {
			s.w[i] = append(s.w[i], float64(v))
		}
		s.speed[i] = make([]float64, len(init))
	}
	return s
}

// codes gives the hidden units of rows.
func (s *stage) codes(x []float64) []float64 {
	var out []float64
	for ; len(x) > 0; x = x[s.nv:] {
		for j, h := range s.w[1] {
			for i, v := range x[:s.nv] {
				h += v * s.w[0][i*s.nh+j]
			}
			out = append(out, sigmoid(h))
		}
	}
	return out
}

// step is one update by gradient descent.
func (s *stage) step(t *testing.T, target []float64, seed, update uint64, rate, momentum float64) {
	t.Helper()
	m := len(target) / s.nv
	x := target
	if s.noise != nil {
		clean := ir.NewTensor(ir.F64, m, s.nv)
		copy(clean.F64, target)
		noisy, err := s.noise.Eval(&ir.Env{Binding: ir.RowsOf(m), UpdateRows: m, Seed: seed, Update: update}, []*ir.Tensor{clean})
		if err != nil {
			t.Fatal(err)
		}
		x = noisy[0].F64
	}
	h, w := s.codes(x), s.w[0]
	grad := [3][]float64{make([]float64, len(w)), make([]float64, s.nh), make([]float64, s.nv)}
	for row := range m {
		h, x, back := h[row*s.nh:][:s.nh], x[row*s.nv:][:s.nv], make([]float64, s.nh)
		for i := range s.nv {
			z := s.w[2][i]
			for j, v := range h {
				z += v * w[i*s.nh+j]
			}
			d := (sigmoid(z) - target[row*s.nv+i]) / float64(m*s.nv)
			grad[2][i] += d
			for j, v := range h {
				grad[0][i*s.nh+j] += d * v
				back[j] += d * w[i*s.nh+j]
			}
		}
		for j, v := range h {
			d := back[j] * v * (1 - v)
			grad[1][j] += d
			for i := range x {
				grad[0][i*s.nh+j] += x[i] * d
			}
		}
	}
	for i := range s.w {
		for j, d := range grad[i] {
			s.speed[i][j] = momentum*s.speed[i][j] + d
			s.w[i][j] -= rate * s.speed[i][j]
		}
	}
}
