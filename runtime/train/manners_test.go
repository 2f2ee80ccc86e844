package train

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// stopped ends a context when a row is read, and counts those after it.
type stopped struct {
	dataset.Source
	cancel context.CancelFunc
	after  *int
}

func (s stopped) Row(i int, row dataset.Row) error {
	*s.after++
	s.cancel()
	return s.Source.Row(i, row)
}

// An interrupted training must not read the rest of its rows for the
// checkpoint's hash: a source may be slow.
func TestInterruptedBeforeTheHash(t *testing.T) {
	o, read := options(), 0
	o.Dir = t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Fit(ctx, model(), stopped{rows(150), cancel, &read}, o)
	if !errors.Is(err, ErrInterrupted) || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if read != 1 {
		t.Errorf("%d rows were read, want 1", read)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, checkpointName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a checkpoint: %v", err)
	}
}

// A mistake made with Net stands at the line of its caller.
func TestNetMistakePosition(t *testing.T) {
	o := options()
	r := mustFit(t, o)
	for what, values := range map[string][]*spec.Value{"none": nil, "nil": {nil}} {
		err := r.Net(values...).Err()
		wantError(t, err, "manners_test.go:", "value is")
		var e *spec.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %T", what, err)
		}
	}
}

// A metric with a loss's name would replace it in the record of the training.
func TestMetricNamedAsALoss(t *testing.T) {
	x := spec.Input("q", 2)
	for _, name := range []string{"loss", "loss/mse1"} {
		o := options()
		o.Metrics = []Metric{{Name: name, Value: x}}
		_, err := New(context.Background(), model(), rows(10), o)
		wantError(t, err, name, "has the name of a loss")
	}
}
