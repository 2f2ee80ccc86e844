package train

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// A folder is read as its training left it, also while that goes on and with state, slots
// and the best epoch's copies in the checkpoint.
func TestReadFolder(t *testing.T) {
	x := spec.Input("x", 12)
	m := spec.NewModel("norms", spec.MSE(x.Then(spec.Dense(5), spec.BatchNorm(), spec.Tanh(), spec.Dense(12)), x))
	o := Options{Optimizer: optim.Adam(1e-3), Epochs: 3, Batch: 32, Valid: rows(40), Dir: t.TempDir()}
	if _, err := ReadFolder(o.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	tr, err := New(context.Background(), m, rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	var seen []Epoch
	for e := range tr.Epochs(context.Background()) {
		seen = append(seen, e)
		f, err := ReadFolder(o.Dir)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(seen, f.History); d != "" {
			t.Fatalf("after epoch %d: %s", e.Number, d)
		}
		n := int64(0)
		for _, p := range tr.prog.Params {
			n += int64(len(tr.store.Param(p.Name)))
		}
		if f.Parameters() != n || f.Best != tr.state.Best {
			t.Errorf("%d parameters and epoch %d as the best, want %d and %d", f.Parameters(), f.Best, n, tr.state.Best)
		}
	}
	if _, err := tr.Done(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{historyName, logName} {
		if err := os.Truncate(filepath.Join(o.Dir, name), 10); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ReadFolder(o.Dir); !errors.Is(err, checkpoint.ErrNotCheckpoint) {
		t.Errorf("got %v", err)
	}
}
