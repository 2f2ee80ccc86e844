package pretrain_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// rows are points in the unit cube of twelve dimensions.
func rows(n int) *dataset.Table {
	key := random.New(7)
	return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
		key = key.Derive(1)
		key.FillFloat32(row.F32Slice("x"), 0)
		row.I64("y", int64(key.Uint64N(0, 4)))
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{12}}, dataset.Column{Name: "y", DType: dataset.I64})
}

func options() train.Options {
	return train.Options{Optimizer: optim.Adam(3e-3), Epochs: 1, Batch: 32, Log: slog.New(slog.DiscardHandler)}
}

// TestMistakes gives programs what they refuse before a row is read, each with its
// line.
func TestMistakes(t *testing.T) {
	data := rows(40)
	stack := func(l ...spec.Layer) (*spec.Value, *spec.SequentialLayer) {
		return spec.Input("x", 12), spec.Sequential("encoder", l...)
	}
	greedy := func(change func(*train.Options), l ...spec.Layer) *pretrain.StackPhase {
		x, enc := stack(l...)
		o := options()
		if change != nil {
			change(&o)
		}
		return pretrain.Greedy(x, enc, data, o)
	}
	two := func() []spec.Layer { return []spec.Layer{spec.Dense(5), spec.Tanh(), spec.Dense(3)} }
	twice := spec.Dense(12)
	other := spec.Sequential("other", spec.Dense(3))
	model := func() *spec.Model {
		x := spec.Input("x", 12)
		return spec.NewModel("m", spec.MSE(x.Then(spec.Dense(12)), x))
	}
	frozen := func(pattern string) train.Options {
		o := options()
		o.Freeze = []string{pattern}
		return o
	}
	dir := options()
	dir.Dir = "somewhere"
	var none *pretrain.StackPhase
	var noFit *pretrain.FitPhase
	for name, c := range map[string]struct {
		phase pretrain.Phase
		want  string
	}{
		"nil phase":        {nil, "phase 1 of 1 of program \"p\" is nil"},
		"nil stack phase":  {none.Corrupt(nil).Untied(), "is nil"},
		"nil fit":          {noFit, "is nil"},
		"nil stack":        {pretrain.Greedy(spec.Input("x", 2), nil, data, options()), "the value and the stack must not be nil"},
		"nil value":        {pretrain.Greedy(nil, spec.Sequential("s", spec.Dense(1)), data, options()), "the value and the stack must not be nil"},
		"nil model":        {pretrain.Fit(nil, data, options()), "the model is nil"},
		"nil rows":         {pretrain.Fit(model(), nil, options()), "there are no rows"},
		"nil table":        {pretrain.Fit(model(), (*dataset.Table)(nil), options()), "there are no rows"},
		"nil noise":        {greedy(nil, two()...).Corrupt(nil), "the noise is nil"},
		"nil loss":         {greedy(nil, two()...).Loss(nil), "the function is nil"},
		"no dense":         {greedy(nil, spec.ReLU()), "holds no layer that has a mirror image"},
		"no mirror":        {greedy(nil, spec.Dense(3), spec.L2Normalize()), "a layer of kind L2Normalize has no mirror image"},
		"residual":         {greedy(nil, spec.Residual("r", spec.Dense(12))), "a layer of kind Residual has no mirror image"},
		"twice":            {greedy(nil, twice, spec.Tanh(), spec.Shared(twice)), "is in it twice"},
		"bad noise":        {greedy(nil, two()...).Corrupt(spec.MaskingNoise(1.5)), "rate must be in [0, 1), got 1.5"},
		"no noise":         {greedy(nil, two()...).Corrupt(spec.ReLU()), "Corrupt takes a noise, which exists in training only, such as spec.MaskingNoise(0.25); the layer given computes Relu"},
		"noise of weights": {greedy(nil, two()...).Corrupt(spec.Dense(12)), "the layer given computes MatMul"},
		"greedy freeze":    {greedy(func(o *train.Options) { o.Freeze = []string{"encoder"} }, two()...), "a stage trains one layer; leave it out"},
		"greedy metrics":   {greedy(func(o *train.Options) { o.Metrics = []train.Metric{{}} }, two()...), "the rows of a stage are codes"},
		"cross entropy":    {greedy(nil, two()...).CrossEntropy(), "the target of stage 2 is the code of encoder/dense1, which does not end in a Sigmoid"},
		"bce":              {greedy(nil, spec.Dense(5), spec.Sigmoid(), spec.Dense(3)).Loss(spec.BinaryCrossEntropy), "takes logits, got the result of a Sigmoid"},
		"foreign decoder":  {greedy(nil, two()...).Decoder(spec.Mirror("d", other)), "was not placed yet"},
		"two kinds":        {greedy(nil, two()...).Decoder(spec.Mirror("d", other)).Untied(), "whether it is tied is the decoder's"},
		"loss of weights": {greedy(nil, two()...).Loss(func(y, x *spec.Value) *spec.Loss {
			return spec.MSE(y.Then(spec.Dense(3)), x.Then(spec.Dense(3)))
		}), "a loss has no weights"},
		"freezes nothing":    {pretrain.Fit(model(), data, frozen("decoder")), `Options.Freeze: "decoder" matches no parameter`},
		"freezes everything": {pretrain.Fit(model(), data, frozen("*")), "nothing is left to train"},
		"options":            {pretrain.Fit(model(), data, train.Options{Optimizer: optim.Adam(1e-3)}), "Options.Epochs is required"},
		"dir":                {pretrain.Fit(model(), data, dir), "a program gives each phase a folder inside its own"},
		"logs":               {greedy(func(o *train.Options) { o.Logs = []train.EpochLog{train.CSVLog("a.csv")} }, two()...), "its Options.Logs go to a.csv, as those of"},
		"group":              {pretrain.Fit(model(), data, train.Options{Epochs: 1, Optimizer: optim.Adam(1e-3).Group("nobody", 2)}), `group "nobody" matches no layer`},
	} {
		p := pretrain.NewProgram("p", c.phase)
		err := p.Err()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
			continue
		}
		if !strings.HasPrefix(name, "nil ") && !strings.Contains(err.Error(), "mistakes_test.go:") {
			t.Errorf("%s: the error has no line: %v", name, err)
		}
		if p.String() != err.Error() {
			t.Errorf("%s: String does not tell the mistake", name)
		}
		if _, rerr := p.Run(context.Background(), pretrain.Options{}); rerr == nil || rerr.Error() != err.Error() {
			t.Errorf("%s: Run says %v", name, rerr)
		}
	}
	if err := pretrain.NewProgram("").Err(); err == nil || !strings.Contains(err.Error(), "plain name") || !strings.Contains(err.Error(), "has no phase") {
		t.Errorf("got %v", err)
	}
	var p *pretrain.Program
	if p.Err() == nil {
		t.Error("a nil program has no mistake")
	}
}

// TestRunMistakes gives programs rows that do not fit.
func TestRunMistakes(t *testing.T) {
	x, enc := spec.Input("pixels", 3, 4), spec.Sequential("encoder", spec.Flatten(), spec.Dense(3))
	_, err := pretrain.NewProgram("p", pretrain.Greedy(x, enc, rows(40), options())).Run(context.Background(), pretrain.Options{})
	for _, part := range []string{"phase 1 of 1, encoder-stage1", `input "pixels" is f32[N 3 4]`, "x f32[12]"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want %q", err, part)
		}
	}
	x, enc = spec.Input("x", 12), spec.Sequential("encoder", spec.Dense(3))
	if _, err := pretrain.NewProgram("p", pretrain.Greedy(x, enc, rows(40), options())).Run(context.Background(), pretrain.Options{Memory: -1}); err == nil {
		t.Error("a negative budget was accepted")
	}
}

// TestUnscaledCrossEntropy gives the cross-entropy what is no probability.
func TestUnscaledCrossEntropy(t *testing.T) {
	data := dataset.From(make([]struct{}, 20), func(_ struct{}, row dataset.Row) {
		row.F32("x", -0.5, 0, 255)
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{3}})
	x, enc := spec.Input("x", 3), spec.Sequential("encoder", spec.Dense(2), spec.Sigmoid(), spec.Dense(2))
	p := pretrain.NewProgram("p", pretrain.Greedy(x, enc, data, options()).CrossEntropy())
	_, err := p.Run(context.Background(), pretrain.Options{})
	if err == nil || !strings.Contains(err.Error(), `row 0, column "x", place 0 is -0.5; CrossEntropy needs values in [0, 1]: scale the data`) {
		t.Errorf("got %v", err)
	}
}

// TestOtherStacks trains stacks with a layer before the first Dense one, untied,
// with a decoder of the user's, with cross-entropy, and two programs over one
// stack.
func TestOtherStacks(t *testing.T) {
	data := rows(64).Reshape("x", 3, 4)
	x := spec.Input("x", 3, 4)
	enc := spec.Sequential("encoder", spec.Flatten(), spec.Dense(6), spec.Sigmoid(), spec.Dense(2))
	code := x.Then(enc).Named("code")
	dec := spec.Mirror("decoder", enc)
	y := code.Then(dec).Named("reconstruction")
	o := options()
	ae := spec.NewModel("ae", spec.MSE(y, x))
	for name, phases := range map[string][]pretrain.Phase{
		"decoder": {pretrain.Greedy(x, enc, data, o).Corrupt(spec.SaltAndPepper(0.1)).Decoder(dec), pretrain.Fit(ae, data, o)},
		"untied":  {pretrain.Greedy(x, enc, data, o).Untied(), pretrain.EndToEnd(x, enc, data, o).Untied()},
		"tied":    {pretrain.Greedy(x, enc, data, o), pretrain.EndToEnd(x, enc, data, o)},
	} {
		r, err := pretrain.NewProgram(name, phases...).Run(context.Background(), pretrain.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		rep := r.InitReports()
		if len(rep) != 1 || len(rep[0].Missing) != 0 {
			t.Errorf("%s: the whole did not start from all that the stages trained: %v", name, rep)
		}
		ships := y
		if name != "decoder" {
			ships = code
		}
		if err := r.Net(ships).Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	flat, stack := spec.Input("x", 12), spec.Sequential("stack", spec.Dense(6), spec.Sigmoid(), spec.Dense(2))
	if _, err := pretrain.NewProgram("bce", pretrain.Greedy(flat, stack, rows(64), o).CrossEntropy(), pretrain.EndToEnd(flat, stack, rows(64), o).CrossEntropy()).
		Run(context.Background(), pretrain.Options{}); err != nil {
		t.Error(err)
	}
}
