package train

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// own is a layer as a user writes it.
type own struct {
	spec.Base
	build func(b *spec.Builder, x *ir.Value) *ir.Value
}

func (l *own) Build(b *spec.Builder, x ...*ir.Value) *ir.Value { return l.build(b, x[0]) }

// overRows is the mean of each unit over the rows.
func overRows(b *spec.Builder, x *ir.Value) *ir.Value {
	return b.Op(ops.ReduceMean{Axes: ir.MakeAxes(0)}, x)
}

// centre takes the mean over the batch from each row.
func centre(b *spec.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Sub{}, x, overRows(b, x)) }

// variance is the term of VICReg that keeps each unit from dying, the same number
// for each row.
func variance(b *spec.Builder, x *ir.Value) *ir.Value {
	d := b.Op(ops.Sub{}, x, overRows(b, x))
	std := b.Op(ops.Sqrt{}, b.Op(ops.Add{}, overRows(b, b.Op(ops.Mul{}, d, d)), b.Const(1e-4)))
	hinge := b.Op(ops.Relu{}, b.Op(ops.Sub{}, b.Const(1), std))
	return b.Op(ops.Expand{Shape: ir.MakeDims(x.Type.Shape)}, hinge)
}

// decay is the squared weights of a layer, added to each row.
func decay(b *spec.Builder, x *ir.Value) *ir.Value {
	w := x.Def.In[0].Def.In[1]
	zero := b.Op(ops.Mul{}, x, b.Const(0))
	return b.Op(ops.Add{}, zero, b.Op(ops.ReduceSum{}, b.Op(ops.Mul{}, w, w)))
}

// TestAccumulateSeparable accumulates where the parts of an update add up to it, and refuses
// the layer and the line where they do not.
func TestAccumulateSeparable(t *testing.T) {
	x := spec.Input("x", 12)
	layer := func(f func(b *spec.Builder, x *ir.Value) *ir.Value) spec.Layer {
		return &own{spec.Here("own"), f}
	}
	fit := func(m *spec.Model, batch, parts int) (*Result, error) {
		return Fit(context.Background(), m, rows(64), Options{Optimizer: optim.SGD(0.05), Epochs: 2, Batch: batch, Accumulate: parts})
	}
	code := func() *spec.Value { return x.Then(spec.Dense(4)) }
	for name, c := range map[string]struct {
		m    *spec.Model
		want string
	}{
		"VICReg":    {spec.NewModel("m", spec.NewLoss("variance", code().Then(layer(variance)))), `layer "own1": Sub: it brings a sum or mean over the rows (ReduceMean) back to them`},
		"centred":   {spec.NewModel("m", spec.MSE(code().Then(layer(centre), spec.Dense(12)), x)), `layer "own2": Sub: it brings a sum or mean over the rows`},
		"decay":     {spec.NewModel("m", spec.MSE(code().Then(spec.Dense(12)), x), spec.NewLoss("decay", code().Then(layer(decay))).Weight(0.01)), ""},
		"penalties": {spec.NewModel("m", spec.L1(code()), spec.Contractive(code().Then(spec.Tanh())), spec.KLNormal(code(), code())), ""},
	} {
		if _, err := fit(c.m, 16, 1); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r, err := fit(c.m, 4, 4)
		if c.want != "" {
			wantError(t, err, c.want)
			wantError(t, err, "parts_test.go:")
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		one, err := fit(c.m, 16, 1)
		if err != nil {
			t.Fatal(err)
		}
		for p, w := range one.params {
			for i := range w {
				if d := w[i] - r.params[p][i]; d > 1e-5 || d < -1e-5 {
					t.Fatalf("%s: %s[%d] is %v in parts, %v in one go", name, p, i, r.params[p][i], w[i])
				}
			}
		}
	}
}

// halved is an op of one's own, which has no kernel.
type halved struct{}

func (halved) Name() string                                         { return "Halved" }
func (halved) Infer(in []ir.Type) ([]ir.Type, error)                { return in[:1], nil }
func (halved) Split([]ir.Type, ir.Type) ([]ir.Access, bool)         { return []ir.Access{ir.Axis0}, true }
func (halved) Cost([]ir.Type, []ir.Type, ir.Binding) (int64, int64) { return 1 << 12, 0 }

func (halved) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	y := in[0].Clone()
	for i := range y.F64 {
		y.F64[i] /= 2
	}
	return []*ir.Tensor{y}, nil
}

func (halved) VJP(b *ir.Builder, _ *ir.Node, dout []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Op(halved{}, dout[0])}
}

// TestSlowIsTold warns once of an op without a kernel, with its share of the
// operations, and not of a model whose steps all have one.
func TestSlowIsTold(t *testing.T) {
	x := spec.Input("x", 12)
	half := &own{spec.Here("half"), func(b *spec.Builder, x *ir.Value) *ir.Value { return b.Op(halved{}, x) }}
	deep := x.Then(spec.Dense(8), half, spec.Dense(12))
	for name, m := range map[string]*spec.Model{"slow": spec.NewModel("m", spec.MSE(deep, x)), "fast": model()} {
		var log bytes.Buffer
		_, err := Fit(context.Background(), m, rows(64), Options{Optimizer: optim.SGD(0.05), Epochs: 2, Batch: 16, Valid: rows(20),
			Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		told := strings.Count(log.String(), "slow reference")
		switch {
		case name == "fast" && told != 0:
			t.Errorf("a fast model: %s", &log)
		case name == "slow" && (told != 1 || !strings.Contains(log.String(), `ops="Halved`) || !strings.Contains(log.String(), "% of all operations")):
			t.Errorf("told %d times: %s", told, &log)
		}
	}
}
