package pretrain_test

import (
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestFittedOnce: a program fits constants in its first phase, on the rows of that, and the
// phases after it keep them, also where finished phases are read back. A mirror undoes them.
func TestFittedOnce(t *testing.T) {
	all := rows(200)
	first, later := all.Head(120), all.Select(slices.Collect(func(yield func(int) bool) {
		for i := 120; i < 200; i++ {
			if !yield(i) {
				return
			}
		}
	}))
	o := train.Options{Optimizer: optim.Adam(1e-2), Epochs: 2, Batch: 25, Seed: 7}
	program := func() (*pretrain.Program, *spec.Value) {
		x := spec.Input("x", 12)
		enc := spec.Sequential("encoder", spec.Standardise(), spec.Dense(8), spec.Tanh(), spec.Dense(5), spec.Tanh())
		code := x.Then(enc)
		head := code.Then(spec.Dense(4).Named("head"))
		return pretrain.NewProgram("p",
			pretrain.Greedy(x, enc, first, o),
			pretrain.EndToEnd(x, enc, later, o),
			pretrain.Fit(spec.NewModel("classifier", spec.CrossEntropy(head, spec.Labels("y", 4))), later, o)), code
	}
	p, code := program()
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r, err := p.Run(context.Background(), pretrain.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	got := r.Net(code).Params()
	x := spec.Input("x", 12)
	alone := x.Then(spec.Standardise())
	want, err := train.Fit(context.Background(), spec.NewModel("m", spec.MSE(alone.Then(spec.Dense(12)), x)), first, o)
	if err != nil {
		t.Fatal(err)
	}
	fitted := want.Net(alone).Params()
	for _, name := range []string{"mean", "deviation"} {
		if is, was := got["encoder/standardise1/"+name], fitted["standardise1/"+name]; len(is) != 12 || !slices.Equal(is, was) {
			t.Errorf("%s is %v, and that of the first phase's rows %v", name, is, was)
		}
	}
	p, code = program() // what the phases left is read
	if r, err = p.Run(context.Background(), pretrain.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if again := r.Net(code).Params(); !reflect.DeepEqual(again, got) {
		t.Error("a program that is finished gives another Net")
	}
}
