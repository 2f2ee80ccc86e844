package engine_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// TestTurnedUpdate holds updates that read turned gradients, in tiles that do not divide the weight, with each kernel set
// and optimizer, to those by gradients that are stored: parameters, moments and what is derived have the same bits, and no
// moment is subnormal.
func TestTurnedUpdate(t *testing.T) {
	old := simd.Active()
	defer func() {
		if err := simd.Select(old); err != nil {
			t.Error(err)
		}
	}()
	const rows, width, steps = 150, 230, 3
	fused, stored := autoencoder(t, width, 70, 6, compiler.Options{Rows: rows}).Train, autoencoder(t, width, 70, 6, compiler.Options{Rows: rows, StoreGrads: true}).Train
	in := engine.Feed{"x": rowsOf(rows, width)}
	for i := range rows {
		clear(in["x"].F32[i*width+100:][:50]) // columns that are 0, as of an image's edge
	}
	for _, opt := range []optim.Optimizer{optim.Adam(1e-3), optim.AdamW(1e-3, 0.1), optim.SGD(0.01).Momentum(0.9), own{optim.SGD(0.01)}} {
		var want []float32
		for _, set := range simd.Available() {
			for _, workers := range []int{0, 1, 3} { // 0: by gradients that are stored
				if err := simd.Select(set); err != nil {
					t.Fatal(err)
				}
				p := fused
				if workers == 0 {
					p = stored
				}
				e, s := start(t, p, max(workers, 1), opt.Slots())
				for _, slot := range s.SlotNames() {
					for i, v := range s.Slot(slot, "encoder/dense1/w") {
						if i%7 == 0 {
							s.Slot(slot, "encoder/dense1/w")[i] = v + 0x1.1p-126 // decays to a subnormal number where the gradient is small
						}
					}
				}
				turned := false
				for i := range p.Steps {
					turned = turned || strings.HasSuffix(e.Kernel(i), "_turned") && strings.HasPrefix(e.Kernel(i), "update")
				}
				if turned != (workers > 0) {
					t.Fatalf("%d workers: an update reads a turned gradient: %v", workers, turned)
				}
				var got []float32
				for i := range steps {
					u := &engine.Update{Opt: opt, T: int64(i + 1), Rate: 1e-3}
					if err := e.Run(in, rows, u); err != nil {
						t.Fatal(err)
					}
					got = append(got, e.Output("loss").F32[0]) // of the second step on it depends on what is derived
					if workers == 0 {
						if _, err := e.Apply(u, 0); err != nil {
							t.Fatal(err)
						}
					}
				}
				got = append(got, s.All()...)
				for _, slot := range s.SlotNames() {
					for _, name := range s.Names() {
						kept := s.Slot(slot, name)
						if i := slices.IndexFunc(kept, func(v float32) bool { return v != 0 && math.Abs(float64(v)) < 0x1p-126 }); i >= 0 {
							t.Errorf("%s, %s: %s of %s is the subnormal number %g at %d", opt.Name(), set, slot, name, kept[i], i)
						}
						got = append(got, kept...)
					}
				}
				e.Close()
				if want == nil {
					want = got
				}
				for i := range got {
					if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
						t.Errorf("%s: %s with %d workers gives %v for value %d (losses, parameters, moments), want %v", opt.Name(), set, workers, got[i], i, want[i])
						break
					}
				}
			}
		}
	}
}
