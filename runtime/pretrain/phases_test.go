package pretrain_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestPhaseMistakes gives programs what they refuse, each with its line.
func TestPhaseMistakes(t *testing.T) {
	data := rows(40)
	var x, code, head *spec.Value
	var enc *spec.SequentialLayer
	declare := func() { // anew: a mistake stays with what it was made of
		x, enc = spec.Input("x", 12), spec.Sequential("encoder", spec.Dense(5), spec.Sigmoid())
		code = x.Then(enc)
		head = code.Then(spec.Dense(4).Named("head"))
	}
	fit := func() pretrain.Phase {
		return pretrain.Fit(spec.NewModel("m", spec.CrossEntropy(head, spec.Labels("y", 4))), data, options())
	}
	greedy := func() *pretrain.StackPhase { return pretrain.Greedy(x, enc, data, options()) }
	var none *pretrain.ProbePhase
	var noFreeze *pretrain.FreezePhase
	for name, c := range map[string]struct {
		want   string
		phases func() []pretrain.Phase
	}{
		"freezes nothing":    {`Freeze: "decoder" matches no parameter of the phases that follow`, func() []pretrain.Phase { return []pretrain.Phase{pretrain.Freeze("decoder"), fit()} }},
		"freezes too late":   {`Freeze: "encoder" matches no parameter of the phases that follow`, func() []pretrain.Phase { return []pretrain.Phase{fit(), pretrain.Freeze("encoder")} }},
		"freezes everything": {"nothing is left to train", func() []pretrain.Phase { return []pretrain.Phase{pretrain.Freeze("*"), fit()} }},
		"freezes by two": {"nothing is left to train", func() []pretrain.Phase {
			return []pretrain.Phase{pretrain.Freeze("encoder"), pretrain.Freeze("head"), fit()}
		}},
		"no pattern":           {"Freeze: it names no pattern", func() []pretrain.Phase { return []pretrain.Phase{pretrain.Freeze(), fit()} }},
		"bad pattern":          {"a [ has no ]", func() []pretrain.Phase { return []pretrain.Phase{pretrain.Freeze("[x"), fit()} }},
		"not frozen":           {`Unfreeze: "head" is not frozen here`, func() []pretrain.Phase { return []pretrain.Phase{pretrain.Unfreeze("head"), fit()} }},
		"a frozen stage":       {`encoder-stage1 would train "encoder/dense1/w", which Freeze("encoder") at`, func() []pretrain.Phase { return []pretrain.Phase{pretrain.Freeze("encoder"), greedy(), fit()} }},
		"only a probe":         {"depends on \"encoder/dense1/w\", which no earlier phase trained", func() []pretrain.Phase { return []pretrain.Phase{pretrain.Probe(code, data, data)} }},
		"a program of nothing": {"trains nothing", func() []pretrain.Phase { return []pretrain.Phase{pretrain.Probe(x, data, data)} }},
		"nil code":             {"Probe: the code is nil", func() []pretrain.Phase { return []pretrain.Phase{greedy(), pretrain.Probe(nil, data, data)} }},
		"nil probe":            {"is nil", func() []pretrain.Phase { return []pretrain.Phase{none.Label("z").Neighbours(2).L2(1)} }},
		"nil freeze":           {"is nil", func() []pretrain.Phase { return []pretrain.Phase{noFreeze} }},
		"nil rows":             {"there are no rows: the source is nil", func() []pretrain.Phase { return []pretrain.Phase{greedy(), pretrain.Probe(code, nil, data)} }},
		"nil test":             {"Probe: there are no test rows", func() []pretrain.Phase { return []pretrain.Phase{greedy(), pretrain.Probe(code, data, nil)} }},
		"neighbours": {"Neighbours must be positive, got 0", func() []pretrain.Phase {
			return []pretrain.Phase{greedy(), pretrain.Probe(code, data, data).Neighbours(0)}
		}},
		"l2": {"L2 must be zero or positive, and finite, got -1", func() []pretrain.Phase { return []pretrain.Phase{greedy(), pretrain.Probe(code, data, data).L2(-1)} }},
		"labels": {"the code must be f32[N …], got i64[N]", func() []pretrain.Phase {
			return []pretrain.Phase{greedy(), pretrain.Probe(spec.Labels("y", 3), data, data)}
		}},
		"emphasis alone": {"Emphasis needs Corrupt: without noise no element is corrupted", func() []pretrain.Phase { return []pretrain.Phase{greedy().Emphasis(1, 0)} }},
		"emphasis of Gaussian": {"GaussianNoise corrupts every element", func() []pretrain.Phase {
			return []pretrain.Phase{greedy().Corrupt(spec.GaussianNoise(0.1)).Emphasis(1, 0)}
		}},
		"a negative emphasis": {"must be finite and at least 0, got -1", func() []pretrain.Phase {
			return []pretrain.Phase{greedy().Corrupt(spec.MaskingNoise(0.1)).Emphasis(1, -1)}
		}},
		"nil penalty": {"Penalty: the function is nil", func() []pretrain.Phase { return []pretrain.Phase{greedy().Penalty(nil)} }},
		"a penalty of nothing": {"loss 2 of 2 is nil", func() []pretrain.Phase {
			return []pretrain.Phase{greedy().Penalty(func(*spec.Value) *spec.Loss { return nil })}
		}},
		"a penalty not held": {"the closed form holds for a Dense layer with a Sigmoid, Tanh, ReLU or nothing", func() []pretrain.Phase {
			return []pretrain.Phase{pretrain.Greedy(spec.Input("x", 12), spec.Sequential("e", spec.Dense(3), spec.Softplus()), data, options()).Penalty(spec.Contractive)}
		}},
		"noise outside [0, 1)": {"rate must be in [0, 1), got 1.5", func() []pretrain.Phase { return []pretrain.Phase{greedy().Corrupt(spec.SaltAndPepper(1.5))} }},
		"k above the width": {"k is 6 but a row is only 5 wide", func() []pretrain.Phase {
			return []pretrain.Phase{pretrain.Greedy(spec.Input("x", 12), spec.Sequential("e", spec.Dense(5), spec.KSparse(6)), data, options())}
		}},
		"accumulated sparsity": {`layer "loss/klsparsity1": Max: it is not linear in a sum or mean over the rows`, func() []pretrain.Phase {
			return []pretrain.Phase{pretrain.Greedy(x, enc, data, accumulated()).Penalty(func(c *spec.Value) *spec.Loss { return spec.KLSparsity(c, 0.1) })}
		}},
	} {
		declare()
		err := pretrain.NewProgram("p", c.phases()...).Err()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		} else if !strings.Contains(err.Error(), "phases_test.go:") && !strings.HasPrefix(name, "nil ") && name != "a program of nothing" {
			t.Errorf("%s: no line: %v", name, err)
		}
	}
	declare()
	// Rows that do not fit are told before anything is trained.
	o := options()
	o.Valid = data.Rename("x", "pixels")
	p := pretrain.NewProgram("p", greedy(), fit(), pretrain.Fit(spec.NewModel("m2", spec.CrossEntropy(head, spec.Labels("z", 4))), data, o),
		pretrain.Probe(code, data, data).Label("z"), pretrain.Probe(code, data, data).Neighbours(41))
	dir := t.TempDir()
	_, err := p.Run(context.Background(), pretrain.Options{Dir: dir})
	for _, want := range []string{
		`phase 3 of 5, m2: input "z" is i64[N], so the rows need a column of that name and type; they have `,
		`phase 3 of 5, m2: Options.Valid: input "x" is `,
		`phase 4 of 5, probe1: the rows have no column "z" of one i64 a row`,
		`phase 5 of 5, probe2: Neighbours is 41, but only 40 rows are known`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("the folder holds %v, %v", files, err)
	}
}

func accumulated() train.Options {
	o := options()
	o.Accumulate = 2
	return o
}
