package train

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// length is sqrt(d²) of d = x·w - at, whose gradient is no number where d is 0.
type length struct {
	spec.Base
	at float64
}

func (l *length) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	d := b.Op(ops.Mul{}, x[0], b.Param("w", spec.Zeros(), x[0].Type.Last()))
	if l.at != 0 {
		d = b.Op(ops.Sub{}, d, b.Const(l.at))
	}
	return b.Op(ops.Sqrt{}, b.Op(ops.Mul{}, d, d))
}

func lengthModel(at float64) *spec.Model {
	x := spec.Input("x", 1)
	return spec.NewModel("m", spec.NewLoss("length", spec.Apply(&length{Base: spec.Here("length"), at: at}, x)))
}

// column is n rows of one number each.
func column(n int, f func(i int) float32) *dataset.Table {
	i := -1
	return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
		i++
		row.F32("x", f(i))
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{1}})
}

// TestNothingThatIsNotFinite trains what gives no number in an update that no loss
// tells of, and wants no result, no checkpoint and no advice that cannot help.
func TestNothingThatIsNotFinite(t *testing.T) {
	one := func(int) float32 { return 1 }
	linear := func() *spec.Model {
		x := spec.Input("x", 1)
		return spec.NewModel("m", spec.MSE(x.Then(spec.Dense(1)), x))
	}
	const rate, origin = "learning rate", "layer \"length1\" (finite_test.go:"
	for name, c := range map[string]struct {
		m     *spec.Model
		rows  *dataset.Table
		o     Options
		want  []string
		never string
	}{
		"gradient in the only step": {lengthModel(0), column(32, one), Options{Optimizer: optim.SGD(0.1), Epochs: 1, Batch: 32},
			[]string{"step 1", `parameter "length1/w" is not finite after update 1`, origin, "as they began"}, rate},
		"gradient in the first step": {lengthModel(0), column(64, one), Options{Optimizer: optim.SGD(0.1), Epochs: 3, Batch: 16},
			[]string{"epoch 1, step 1", `parameter "length1/w" is not finite after update 1`, origin, "as they began"}, rate},
		"gradient, clipped": {lengthModel(0), column(32, one), Options{Optimizer: optim.SGD(0.1), Epochs: 1, Batch: 32, ClipNorm: 1},
			[]string{"step 1", "the gradient's norm is NaN", origin, "as they began"}, rate},
		"gradient, accumulated": {lengthModel(0), column(32, one), Options{Optimizer: optim.SGD(0.1), Epochs: 1, Batch: 8, Accumulate: 4},
			[]string{"step 1", "the gradient's norm is NaN", origin, "as they began"}, rate},
		"gradient in between": {lengthModel(2), column(20, one), Options{Optimizer: optim.SGD(0.125), Epochs: 1, Batch: 1}, // w is 2 after 16 updates
			[]string{"step 18: the loss is NaN", `parameter "length1/w" is not finite after update 17`, "CheckpointEvery"}, rate},
		"gradient in the last step": {lengthModel(2), column(17, one), Options{Optimizer: optim.SGD(0.125), Epochs: 1, Batch: 1},
			[]string{"step 17", `parameter "length1/w" is not finite after update 17`, origin}, "as they began"},
		"gradient before a checkpoint": {lengthModel(2), column(40, one), Options{Optimizer: optim.SGD(0.125), Epochs: 1, Batch: 1, CheckpointEvery: 17, Dir: t.TempDir()},
			[]string{"step 17", `parameter "length1/w" is not finite after update 17`, origin}, "as they began"},
		"the update itself": {linear(), column(32, func(i int) float32 { return float32(i) }), Options{Optimizer: optim.SGD(1e38), Epochs: 1, Batch: 32},
			[]string{"step 1", `parameter "dense1/`, "its gradient is finite", "sgd with the learning rate 1e+38", "try a smaller learning rate"}, "as they began"},
		"data": {linear(), column(32, func(i int) float32 { return 1e30 }), Options{Optimizer: optim.SGD(0.1), Epochs: 1, Batch: 32},
			[]string{"step 1: the loss is +Inf", `"loss/mse1"`, `column "x" reaches 1e+30: scale the data`}, rate},
		"validation data": {linear(), column(32, one), Options{Optimizer: optim.SGD(0.1), Epochs: 1, Valid: column(9, func(int) float32 { return 1e30 })},
			[]string{"epoch 1: the validation loss is +Inf", `"loss/mse1"`, `column "x" reaches 1e+30: scale the data`}, rate},
	} {
		o := c.o
		if o.Dir == "" && !strings.Contains(name, "only") {
			o.Dir = t.TempDir()
		}
		r, err := Fit(context.Background(), c.m, c.rows, o)
		if err == nil || r != nil {
			t.Errorf("%s: it trained: %v", name, r.params)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not say %q", name, err, w)
			}
		}
		if strings.Contains(err.Error(), c.never) {
			t.Errorf("%s: %v says %q", name, err, c.never)
		}
		if o.Dir == "" {
			continue
		}
		if f, err := checkpoint.Read(filepath.Join(o.Dir, checkpointName)); err == nil {
			for _, x := range f.Tensors {
				for _, v := range x.Data {
					if !finite(float64(v)) {
						t.Errorf("%s: the checkpoint's tensor %q holds %v", name, x.Name, v)
					}
				}
			}
		}
	}
}

// TestNeeds asks first what a program needs afterwards, and reads and writes nothing
// without it.
func TestNeeds(t *testing.T) {
	o := options()
	o.Dir = filepath.Join(t.TempDir(), "training")
	o.Needs = func() error { return errors.New("no onnxruntime") }
	if _, err := Fit(context.Background(), model(), rows(150), o); err == nil || !strings.Contains(err.Error(), "is missing: no onnxruntime") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(o.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
	asked := 0
	o.Needs = func() error { asked++; return nil }
	if mustFit(t, o); asked != 1 {
		t.Errorf("it was asked %d times", asked)
	}
}

// TestCheckpointThatIsNotFinite goes on from none.
func TestCheckpointThatIsNotFinite(t *testing.T) {
	o := options()
	o.Dir, o.Epochs = t.TempDir(), 2
	mustFit(t, o)
	path := filepath.Join(o.Dir, checkpointName)
	f, err := checkpoint.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Tensors[0].Data[0] = float32(math.NaN())
	if err := checkpoint.Write(path, f); err != nil {
		t.Fatal(err)
	}
	if _, err := Fit(context.Background(), model(), rows(150), o); err == nil || !strings.Contains(err.Error(), "is not finite before the first step") {
		t.Errorf("error %v", err)
	}
}

// TestNotFiniteIsSaidOnce wants the engine's error behind the trainer's, but not its
// words behind those that say the same.
func TestNotFiniteIsSaidOnce(t *testing.T) {
	for _, clip := range []float64{0, 1} {
		m, data := lengthModel(0), column(32, func(int) float32 { return 1 })
		if clip == 0 {
			x := spec.Input("x", 1)
			m, data = spec.NewModel("m", spec.MSE(x.Then(spec.Dense(1)), x)), column(32, func(int) float32 { return 1e30 })
		}
		_, err := Fit(t.Context(), m, data, Options{Optimizer: optim.SGD(0.1), Epochs: 1, Batch: 32, ClipNorm: clip})
		var nf *engine.NonFinite
		if !errors.As(err, &nf) || strings.Contains(err.Error(), "engine:") {
			t.Errorf("ClipNorm %v: %v", clip, err)
		}
	}
}
