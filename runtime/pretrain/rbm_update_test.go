package pretrain

import (
	"context"
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// TestMachineUpdates trains two epochs of CD-1 in float64 beside the engine, with the
// same draws: statistics are means over a batch, the last of which is short, the
// momentum changes after the first epoch, and only W decays.
func TestMachineUpdates(t *testing.T) {
	const n, batch, nv, nh, rate, decay = 70, 32, 12, 9, 0.05, 0.02
	for name, u := range units {
		x := spec.Input("x", nv)
		stack := spec.Sequential("s", spec.Dense(nh), spec.Sigmoid())
		if u.linear {
			stack = spec.Sequential("s", spec.Dense(nh))
		}
		o := options()
		o.Optimizer = optim.SGD(rate).Momentum(0.9).EarlyMomentum(0.5, 1).Decay(decay)
		o.Batch, o.InOrder = batch, true
		phase := RBM(x, stack, rows(n), o)
		if u.gaussian {
			phase.Gaussian()
		}
		p := NewProgram("p", phase)
		r, err := p.Run(context.Background(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		model := p.list[0].model
		g, err := model.Graph()
		if err != nil {
			t.Fatal(err)
		}
		var sampler ir.Evaluator
		for _, node := range g.Nodes {
			if k := node.Op.Name(); k == "Sample" || k == "GaussianNoise" {
				if sampler != nil {
					t.Fatalf("%s: CD-1 draws more than once", name)
				}
				sampler = node.Op.(ir.Evaluator)
			}
		}
		names := [3]string{"s/dense1/w", "s-mirror/tied1/b", "s/dense1/b"}
		var w, speed [3][]float64
		for i, name := range names {
			for _, q := range model.Params() {
				if q.Name == name {
					for _, v := range q.Initial(random.New(o.Seed)) {
						w[i] = append(w[i], float64(v))
					}
				}
			}
			speed[i] = make([]float64, len(w[i]))
		}
		hidden := func(v []float64) []float64 {
			h := append([]float64{}, w[2]...)
			for j := range h {
				for i, x := range v {
					h[j] += x * w[0][i*nh+j]
				}
				if !u.linear {
					h[j] = sigmoid(h[j])
				}
			}
			return h
		}
		data, update := rows(n).F32("x"), uint64(0)
		for epoch := range 2 {
			momentum := []float64{0.5, 0.9}[epoch]
			for first := 0; first < n; first += batch {
				m := min(batch, n-first)
				means := ir.NewTensor(ir.F64, m, nh)
				v0 := make([]float64, m*nv)
				for i := range v0 {
					v0[i] = float64(data[first*nv+i])
				}
				for k := range m {
					copy(means.F64[k*nh:], hidden(v0[k*nv:][:nv]))
				}
				drawn, err := sampler.Eval(&ir.Env{Binding: ir.RowsOf(m), UpdateRows: m, Seed: o.Seed, Update: update}, []*ir.Tensor{means})
				if err != nil {
					t.Fatal(err)
				}
				grad := [3][]float64{make([]float64, nv*nh), make([]float64, nv), make([]float64, nh)}
				add := func(v, h []float64, sign float64) {
					for i, x := range v {
						grad[1][i] += sign * x / float64(m)
						for j, y := range h {
							grad[0][i*nh+j] += sign * x * y / float64(m)
						}
					}
					for j, y := range h {
						grad[2][j] += sign * y / float64(m)
					}
				}
				for k := range m {
					v1 := append([]float64{}, w[1]...)
					for i := range v1 {
						for j, h := range drawn[0].F64[k*nh:][:nh] {
							v1[i] += h * w[0][i*nh+j]
						}
						if !u.gaussian {
							v1[i] = sigmoid(v1[i])
						}
					}
					add(v0[k*nv:][:nv], means.F64[k*nh:][:nh], -1)
					add(v1, hidden(v1), 1)
				}
				for i := range w {
					for j := range w[i] {
						d := grad[i][j]
						if i == 0 {
							d += decay * w[i][j]
						}
						speed[i][j] = momentum*speed[i][j] + d
						w[i][j] -= rate * speed[i][j]
					}
				}
				update++
			}
		}
		for i, param := range names {
			for j, got := range r.Param(param) {
				if want := w[i][j]; math.Abs(float64(got)-want) > 1e-5*(1+math.Abs(want)) {
					t.Fatalf("%s: %s[%d] is %v, want %v", name, param, j, got, want)
				}
			}
		}
	}
}
