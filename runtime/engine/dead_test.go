package engine_test

import (
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// own is an optimizer of someone else's: it keeps a moment and does not flush it.
type own struct{ optim.Optimizer }

func (own) Slots() []string { return []string{"m"} }

func (own) Update(s optim.Step, w, g []float32, slots [][]float32) {
	for i := range w {
		slots[0][i] = float32(0.75*slots[0][i]) + g[i]
		w[i] -= float32(s.LR * slots[0][i])
	}
}

// TestDeadUnits trains a model some of whose units die soon, so that moments and averages decay, with each kernel set
// and each optimizer: all have the same bits, and none is ever a subnormal number.
func TestDeadUnits(t *testing.T) {
	old := simd.Active()
	defer func() {
		if err := simd.Select(old); err != nil {
			t.Error(err)
		}
	}()
	const rows, units, dead, dies, pruned, steps = 16, 11, 4, 20, 1000, 3000
	x := spec.Input("x", 13)
	h := x.Then(spec.Dense(units).Named("h"), spec.ReLU())
	p, err := compiler.Compile(spec.NewModel("dead", spec.MSE(h.Then(spec.Dense(13)), x)), compiler.Options{Rows: rows, Average: 0.9})
	if err != nil {
		t.Fatal(err)
	}
	in := engine.Feed{"x": rowsOf(rows, 13)}
	for name, opt := range map[string]optim.Optimizer{"Adam": optim.Adam(1e-3), "AdamW": optim.AdamW(1e-3, 0.1), "RMSProp": optim.RMSProp(1e-3),
		"momentum": optim.SGD(0.01).Momentum(0.9), "Nesterov": optim.SGD(0.01).Momentum(0.9).Nesterov(), "own": own{optim.SGD(0.01)}} {
		var want []float32
		for _, set := range simd.Available() {
			if err := simd.Select(set); err != nil {
				t.Fatal(err)
			}
			e, s := start(t, p.Train, 1, opt.Slots())
			w, b := s.Param("h/w"), s.Param("h/b")
			kept := [][]float32{s.State("average/h/w")}
			for _, slot := range s.SlotNames() {
				for _, name := range s.Names() {
					kept = append(kept, s.Slot(slot, name))
				}
			}
			var got []float32
			for i := range steps {
				for j := range w { // the moments go on moving the weights of a unit that has died; then it is cut off, and the averages decay
					switch {
					case j%units < dead && i == dies:
						b[j%units] = -1000
					case j%units < dead && i == pruned:
						w[j] = 0
					}
				}
				s.Touch()
				if err := e.Run(in, rows, &engine.Update{Opt: opt, T: int64(i + 1), Rate: 1e-3}); err != nil {
					t.Fatal(err)
				}
				got = append(got, e.Output("loss").F32[0])
				for j, values := range kept {
					for at, v := range values {
						if v != 0 && math.Abs(float64(v)) < 0x1p-126 {
							t.Fatalf("%s, %s: step %d leaves the subnormal number %g at %d of value %d", name, set, i+1, v, at, j)
						}
					}
				}
				if i == dies+9 && s.Slot(opt.Slots()[0], "h/w")[0] == 0 {
					t.Errorf("%s: a moment of a dead unit is 0 before it has decayed", name)
				}
			}
			if first := opt.Slots()[0]; s.Slot(first, "h/w")[0] != 0 || s.State("average/h/w")[0] != 0 {
				t.Errorf("%s: %g and %g are left of a dead unit's moment and average", name, s.Slot(first, "h/w")[0], s.State("average/h/w")[0])
			}
			got = append(got, s.All()...)
			for _, values := range kept {
				got = append(got, values...)
			}
			e.Close()
			if want == nil {
				want = got
			}
			for i := range got {
				if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
					t.Errorf("%s: %s gives %v for value %d (losses, parameters, average, moments), %s gives %v", name, set, got[i], i, simd.Available()[0], want[i])
					break
				}
			}
		}
	}
}
