package pretrain

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestPhaseThatIsNotFinite ends a program at the phase whose only step leaves a
// parameter that is not finite, and leaves no such number behind.
func TestPhaseThatIsNotFinite(t *testing.T) {
	for name, phase := range map[string]func(x *spec.Value, s *spec.SequentialLayer, o train.Options) Phase{
		"machine": func(x *spec.Value, s *spec.SequentialLayer, o train.Options) Phase { return RBM(x, s, rows(40), o) },
		"stage":   func(x *spec.Value, s *spec.SequentialLayer, o train.Options) Phase { return Greedy(x, s, rows(40), o) },
		"whole": func(x *spec.Value, s *spec.SequentialLayer, o train.Options) Phase {
			return EndToEnd(x, s, rows(40), o)
		},
	} {
		x, stack := spec.Input("x", 12), spec.Sequential("encoder", spec.Dense(9), spec.Sigmoid())
		o := options()
		o.Optimizer, o.Batch, o.Epochs = optim.SGD(3e38).Decay(1e3), 40, 1 // weights times more than float32 has
		dir := t.TempDir()
		r, err := NewProgram("p", phase(x, stack, o)).Run(context.Background(), Options{Dir: dir})
		if err == nil || r != nil {
			t.Errorf("%s: it trained", name)
			continue
		}
		for _, w := range []string{"phase 1 of 1", "step 1", "is not finite after update 1", "try a smaller learning rate"} {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not say %q", name, err, w)
			}
		}
		err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if f, err := checkpoint.Read(path); err == nil {
				t.Errorf("%s: %s has %d tensors", name, path, len(f.Tensors))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestProgramNeeds asks first what is needed when the program is over.
func TestProgramNeeds(t *testing.T) {
	x, stack := spec.Input("x", 12), spec.Sequential("encoder", spec.Dense(9), spec.Sigmoid())
	dir := filepath.Join(t.TempDir(), "program")
	_, err := NewProgram("p", Greedy(x, stack, rows(40), options())).Run(context.Background(),
		Options{Dir: dir, Needs: func() error { return errors.New("no onnxruntime") }})
	if err == nil || !strings.Contains(err.Error(), "is missing: no onnxruntime") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}
