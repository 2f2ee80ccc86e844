package train

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/runtime/checkpoint"
)

// TestMomentsOfBeforeAreFlushed goes on from a checkpoint that has subnormal moments, as those written before they were
// made 0 may. A subnormal weight stays.
func TestMomentsOfBeforeAreFlushed(t *testing.T) {
	o := options()
	o.Dir, o.Epochs = t.TempDir(), 2
	o.Optimizer = steady().Optimizer
	mustFit(t, o)
	path := filepath.Join(o.Dir, checkpointName)
	f, err := checkpoint.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	const w = "encoder/dense1/w"
	m, v := f.Tensor(slotPrefix+"m/"+w).Data, f.Tensor(slotPrefix+"v/"+w).Data
	m[0], m[1], v[0], f.Tensor(w).Data[0] = -1e-39, 0x1p-126, 3e-40, 5e-41
	if err := checkpoint.Write(path, f); err != nil {
		t.Fatal(err)
	}
	o.Epochs = 3
	tr, err := New(context.Background(), model(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	m2, v2, w2 := tr.store.Slot("m", w), tr.store.Slot("v", w), tr.store.Param(w)
	if math.Float32bits(m2[0]) != 0 || v2[0] != 0 {
		t.Errorf("the moments %g and %g are %g and %g, want 0", m[0], v[0], m2[0], v2[0])
	}
	if m2[1] != m[1] || m2[2] != m[2] || v2[1] != v[1] || w2[0] != 5e-41 {
		t.Errorf("%g, %g, %g and %g have changed to %g, %g, %g and %g", m[1], m[2], v[1], 5e-41, m2[1], m2[2], v2[1], w2[0])
	}
}
