package optim_test

import (
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	. "github.com/lamina-ml/lamina/runtime/optim"
)

// TestMomentsDecayToZero lets gradients be 0 from some update on, as those of a dead unit are: no moment is ever
// subnormal, and each is 0 from the update on from which it is in float64.
func TestMomentsDecayToZero(t *testing.T) {
	const n, live, updates = 3, 10, 100_000 // a v of Adam's takes 87,000 from 1 to 2^-126
	for name, c := range cases() {
		t.Run(name, func(t *testing.T) {
			k := random.New(2)
			w, g := make([]float32, n), make([]float32, n)
			k.FillNormal32(w, 0)
			slots := makeSlots(c.o, n)
			want, state := make([]float64, n), make([][]float64, n)
			for i := range want {
				want[i], state[i] = float64(w[i]), make([]float64, len(slots))
			}
			zero, due := make([]int, n*len(slots)), make([]int, n*len(slots)) // the update that made a moment 0
			for u := range updates {
				clear(g)
				if u < live {
					k.Derive(uint64(u)).FillNormal32(g, 0)
				}
				s := Step{LR: 1e-2, T: int64(u + 1)}
				c.o.Update(s, w, g, slots)
				for i := range want {
					want[i] = c.ref(s, want[i], float64(g[i]), state[i])
					for j, slot := range slots {
						if v := slot[i]; v != 0 && math.Abs(float64(v)) < 0x1p-126 {
							t.Fatalf("update %d leaves the subnormal number %g in %s", u+1, v, c.o.Slots()[j])
						}
						at := i*len(slots) + j
						if slot[i] == 0 && zero[at] == 0 {
							zero[at] = u
						}
						if state[i][j] == 0 && due[at] == 0 {
							due[at] = u
						}
					}
				}
			}
			for at := range zero {
				if due[at] < 100 || math.Abs(float64(zero[at]-due[at])) > 0.001*float64(due[at]) {
					t.Errorf("moment %s of weight %d is 0 from update %d on, want %d", c.o.Slots()[at%len(slots)], at/len(slots), zero[at]+1, due[at]+1)
				}
			}
			for i := range want {
				if d := math.Abs(float64(w[i]) - want[i]); d > 5e-6 {
					t.Errorf("weight %d is %v, want %v", i, w[i], want[i])
				}
			}
		})
	}
}
