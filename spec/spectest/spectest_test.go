package spectest_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

// layer is a layer of a test: its meaning is a function.
type layer struct {
	spec.Base
	build func(b *spec.Builder, x *ir.Value) *ir.Value
}

func (l *layer) Build(b *spec.Builder, x ...*ir.Value) *ir.Value { return l.build(b, x[0]) }

func of(build func(b *spec.Builder, x *ir.Value) *ir.Value) *layer {
	return &layer{spec.Here("own"), build}
}

// gated is a layer that is as it should be.
func gated(b *spec.Builder, x *ir.Value) *ir.Value {
	half := func(w, bias string) *ir.Value {
		product := b.Op(ops.MatMul{}, x, b.Param(w, spec.Glorot(), x.Type.Last(), 3))
		return b.Op(ops.Add{}, product, b.Param(bias, spec.Zeros(), 3))
	}
	return b.Op(ops.Mul{}, half("w", "b"), b.Op(ops.Sigmoid{}, half("v", "c")))
}

func TestLayer(t *testing.T) {
	for name, c := range map[string]struct {
		layer func() spec.Layer
		dims  []int
	}{
		"gated":  {func() spec.Layer { return of(gated) }, []int{5}},
		"matrix": {func() spec.Layer { return of(gated) }, []int{2, 4}},
		"dense":  {func() spec.Layer { return spec.Dense(3) }, []int{5}},
		"noise": {func() spec.Layer {
			return spec.Layers(spec.MaskingNoise(0.3), spec.Dense(4), spec.Tanh(), spec.GaussianNoise(0.1), spec.SaltAndPepper(0.2).Range(-1, 1))
		}, []int{5}},
		"dropout":          {func() spec.Layer { return spec.Layers(spec.Dense(4), spec.ReLU(), spec.Dropout(0.3)) }, []int{5}},
		"reshape":          {func() spec.Layer { return spec.Reshape(2, 3) }, []int{6}},
		"number":           {func() spec.Layer { return spec.Tanh() }, nil},
		"stopped":          {func() spec.Layer { return of(half) }, []int{5}},
		"input not used":   {func() spec.Layer { return of(constant) }, []int{5}},
		"made in a helper": {helped, []int{5}},
	} {
		t.Run(name, func(t *testing.T) { spectest.Layer(t, c.layer, c.dims...) })
	}
}

func helped() spec.Layer { return of(gated) }

// half passes a gradient through one of two ways.
func half(b *spec.Builder, x *ir.Value) *ir.Value {
	return b.Op(ops.Mul{}, b.Op(ops.StopGradient{}, x), x)
}

func constant(b *spec.Builder, x *ir.Value) *ir.Value { return b.Op(ops.StopGradient{}, x) }

// squashed is x² with a gradient that is not its own.
type squashed struct{}

func (squashed) Name() string                          { return "Squashed" }
func (squashed) Infer(in []ir.Type) ([]ir.Type, error) { return in[:1], nil }
func (squashed) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(ops.Mul{}, in[0], in[0])}
}
func (squashed) VJP(b *ir.Builder, n *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(ops.Mul{}, dout[0], n.In[0])} // half of it
}

// spaced has a name that the text form cannot hold.
type spaced struct{ squashed }

func (spaced) Name() string { return "Two Words" }

// hidden has an attribute without a tag.
type hidden struct{ By float64 }

func (hidden) Name() string                          { return "Hidden" }
func (hidden) Infer(in []ir.Type) ([]ir.Type, error) { return in[:1], nil }
func (op hidden) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(ops.Mul{}, in[0], b.Const(ir.F32, op.By))}
}
func (op hidden) VJP(b *ir.Builder, _ *ir.Node, dout []*ir.Value) []*ir.Value {
	return op.Decompose(b, dout)
}

// counting adds what changes with every evaluation.
type counting struct{}

var evaluations atomic.Int64

func (counting) Name() string                          { return "Counting" }
func (counting) Infer(in []ir.Type) ([]ir.Type, error) { return in[:1], nil }
func (counting) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	out := in[0].Clone()
	for i := range out.F64 {
		out.F64[i] += 1e-3 * float64(evaluations.Add(1))
	}
	return []*ir.Tensor{out}, nil
}
func (counting) VJP(_ *ir.Builder, _ *ir.Node, dout []*ir.Value) []*ir.Value { return dout }

func counter() spec.Layer {
	return of(func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Op(counting{}, x) })
}

// recorder takes what a test reports instead of failing.
type recorder struct {
	testing.TB
	report strings.Builder
}

func (r *recorder) Helper()                        {}
func (r *recorder) Errorf(format string, a ...any) { fmt.Fprintf(&r.report, format+"\n", a...) }
func (r *recorder) Logf(format string, a ...any)   { fmt.Fprintf(&r.report, format+"\n", a...) }
func (r *recorder) Error(a ...any)                 { fmt.Fprintln(&r.report, a...) }

// TestTasks holds that a small layer is trained with work for three workers.
func TestTasks(t *testing.T) {
	r := &recorder{TB: t}
	spectest.Layer(r, func() spec.Layer { return spec.Tanh() }, 2)
	var rows, batch, tasks int
	if _, err := fmt.Sscanf(r.report.String(), "training on %d rows in batches of %d, up to %d tasks", &rows, &batch, &tasks); err != nil || tasks < 3 {
		t.Errorf("%v: %s", err, r.report.String())
	}
}

// TestLayerFails holds that each thing looked at can fail.
func TestLayerFails(t *testing.T) {
	calls := 0
	for name, c := range map[string]struct {
		layer func() spec.Layer
		want  string
	}{
		"mistake": {func() spec.Layer { return spec.Dense(0) }, "units must be positive, got 0"},
		"nil":     {func() spec.Layer { return nil }, "layer 1 of 1 is nil"},
		"gradient": {func() spec.Layer {
			return of(func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Op(squashed{}, x) })
		}, "the gradient of input1/offset[0] is"},
		"text": {func() spec.Layer {
			return of(func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Op(spaced{}, x) })
		}, "text form cannot be read"},
		"attributes": {func() spec.Layer {
			return of(func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Op(hidden{By: 2}, x) })
		}, "op Hidden has attributes that its text form, Hidden, does not hold"},
		"no gradient": {func() spec.Layer {
			return of(func(b *spec.Builder, x *ir.Value) *ir.Value {
				w := b.Param("w", spec.Glorot(), 5)
				return b.Op(ops.Add{}, x, b.Op(ops.StopGradient{}, w))
			})
		}, `parameter "own1/w" (f32[5]) is never reached`},
		"rows": {func() spec.Layer {
			return of(func(b *spec.Builder, x *ir.Value) *ir.Value {
				return b.Op(ops.Sub{}, x, b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0)}, x))
			})
		}, "rows"},
		"no rows": {func() spec.Layer {
			return of(func(b *spec.Builder, x *ir.Value) *ir.Value {
				return b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0)}, x)
			})
		}, "the layer gives f32[5]"},
		"integers": {func() spec.Layer {
			return of(func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Op(ops.ArgMax{Axis: 1}, x) })
		}, "the layer gives i64[N]"},
		"another": {func() spec.Layer { calls++; return spec.Dense(calls) }, "another layer"},
		"anew": {func() spec.Layer {
			return of(func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Layer(spec.Dense(2), x) })
		}, "made anew at the second place"},
		"workers":  {counter, "3 workers give other bits than 1"},
		"resume":   {counter, "a training that was interrupted ends with other bits"},
		"export":   {counter, "export: "},
		"position": {func() spec.Layer { return elsewhere() }, "call spec.Here in the constructor itself"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{TB: t}
			spectest.Layer(r, c.layer, 5)
			if !strings.Contains(r.report.String(), c.want) {
				t.Errorf("reported\n%s\nwant %q", r.report.String(), c.want)
			}
		})
	}
}

// logCosh is a loss of one's own.
func logCosh(prediction, target *spec.Value) *spec.Loss {
	return spec.NewLoss("logcosh", spec.Sub(prediction, target).Then(of(func(b *spec.Builder, d *ir.Value) *ir.Value {
		a := b.Op(ops.Abs{}, d)
		return b.Op(ops.Add{}, a, b.Op(ops.Softplus{}, b.Op(ops.Mul{}, a, b.Const(-2))))
	})))
}

func TestLoss(t *testing.T) {
	spectest.Loss(t, logCosh, 5)
	spectest.Loss(t, spec.BinaryCrossEntropy, 2, 3)
}

func TestLossFails(t *testing.T) {
	own := func(build func(b *spec.Builder, x *ir.Value) *ir.Value) func(p, t *spec.Value) *spec.Loss {
		return func(p, t *spec.Value) *spec.Loss { return spec.NewLoss("own", spec.Sub(p, t).Then(of(build))) }
	}
	for name, c := range map[string]struct {
		loss func(p, t *spec.Value) *spec.Loss
		want string
	}{
		"mistake": {func(p, t *spec.Value) *spec.Loss { return spec.Huber(p, t, -1) }, "delta must be positive"},
		"nil":     {func(p, t *spec.Value) *spec.Loss { return nil }, "loss 1 of 1 is nil"},
		"not finite": {own(func(b *spec.Builder, x *ir.Value) *ir.Value {
			return b.Op(ops.Log{}, x)
		}), "the loss is NaN"},
		"gradient":  {own(func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Op(squashed{}, x) }), "by differences"},
		"unreached": {func(p, t *spec.Value) *spec.Loss { return spec.NewLoss("own", spec.Mul(t, t)) }, "does not depend on the prediction"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{TB: t}
			spectest.Loss(r, c.loss, 5)
			if !strings.Contains(r.report.String(), c.want) {
				t.Errorf("reported\n%s\nwant %q", r.report.String(), c.want)
			}
		})
	}
}

// TestWithoutRuntime runs a test of a layer where there is no onnxruntime.
func TestWithoutRuntime(t *testing.T) {
	for _, c := range []struct {
		library, required string
		fails             bool
		want              string
	}{
		{"none", "1", true, "export:"},
		{"none", "", false, "the exported layer was not executed"},
		{t.TempDir(), "", true, "LAMINA_ONNXRUNTIME is set, but to no onnxruntime"}, // a mistake is no way to do without
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLayer$/^gated$", "-test.v")
		cmd.Env = append(os.Environ(), "LAMINA_ONNXRUNTIME="+c.library, "LAMINA_REQUIRE_ORT="+c.required)
		out, err := cmd.CombinedOutput()
		if (err != nil) != c.fails || !strings.Contains(string(out), c.want) {
			t.Errorf("LAMINA_ONNXRUNTIME=%s LAMINA_REQUIRE_ORT=%s: %v\n%s", c.library, c.required, err, out)
		}
	}
}
