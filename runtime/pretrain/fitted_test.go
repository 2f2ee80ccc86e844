package pretrain_test

import (
	"context"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
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

// TestMissingNumbers: stages are trained on rows that lack numbers, and the whole by a loss that
// leaves them out.
func TestMissingNumbers(t *testing.T) {
	of := rows(150)
	x, i := of.F32("x"), 0
	data := dataset.From(make([]struct{}, 150), func(_ struct{}, row dataset.Row) {
		to := row.F32Slice("x")
		for j := range to {
			if to[j] = x[12*i+j]; (i+j)%5 == 0 {
				to[j] = float32(math.NaN())
			}
		}
		i++
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{12}, Missing: true})
	in := spec.Input("x", 12).Optional()
	enc := spec.Sequential("encoder", spec.FillMissing(), spec.Standardise(), spec.Dense(8), spec.Tanh(), spec.Dense(5), spec.Tanh())
	o := train.Options{Optimizer: optim.Adam(1e-2), Epochs: 3, Batch: 25, Seed: 7}
	r, err := pretrain.NewProgram("p", pretrain.Greedy(in, enc, data, o), pretrain.EndToEnd(in, enc, data, o)).Run(context.Background(), pretrain.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if first, last := r.History[0].Train.Loss, r.Last().Train.Loss; !(last < first) {
		t.Errorf("the loss goes from %v to %v", first, last)
	}
	codes, err := r.Net(in.Then(enc)).Over(context.Background(), data)
	if err != nil || codes.Len() != 150 {
		t.Fatal(codes, err)
	}
}
