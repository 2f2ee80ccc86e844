package pretrain

import (
	"context"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestAugmentedPhases trains phases on augmented pictures, of which the table and the record say so, and trains them again from
// the record.
func TestAugmentedPhases(t *testing.T) {
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", spec.Dense(8), spec.Tanh())
	o := options()
	o.Augment = dataset.Augment("x").Shape(1, 3, 4).Flip(dataset.Horizontally).Shift(1)
	program := NewProgram("moved", Greedy(x, enc, rows(100), o), EndToEnd(x, enc, rows(100), o).Untied())
	if s := program.String(); strings.Count(s, "augmented shift=1,flip=h,shape=1x3x4,of=x") != 2 {
		t.Errorf("the table is\n%s", s)
	}
	r, err := program.Run(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	phases, err := r.Phases()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range phases {
		if p.Augment != o.Augment.String() {
			t.Errorf("the record of %s has %q", p.Name, p.Augment)
		}
	}
	net := r.Net(x.Then(enc).Named("code"))
	if err := net.Err(); err != nil {
		t.Fatal(err)
	}
	again, err := Again(net.Record(), func(engine.Rows) (dataset.Source, error) { return rows(100), nil })
	if err != nil {
		t.Fatal(err)
	}
	second, err := again.Program.Run(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	const w = "encoder/dense1/w"
	for i, v := range second.Param(w) {
		if v != r.Param(w)[i] {
			t.Fatal("the record gives other bits")
		}
	}
}

// TestAugmentMistakes: what a phase cannot augment is told before the first phase trains.
func TestAugmentMistakes(t *testing.T) {
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", spec.Dense(8), spec.Tanh(), spec.Dense(4))
	with := func(a *dataset.Augmentation) train.Options {
		o := options()
		o.Augment = a
		return o
	}
	shaped := dataset.Augment("x").Shape(1, 3, 4)
	for want, p := range map[string]Phase{
		"phase 2 of 2, encoder-stage2: Options.Augment changes pictures, but the rows of this stage are codes": Greedy(x, enc, rows(50), with(shaped.Shift(1))),
		"phase 1 of 1, encoder-endtoend: Options.Augment: dataset: Augment: no column is one of pictures":      EndToEnd(x, enc, rows(50), with(dataset.Augment().Shift(1))),
		"Shift: the pixels must be from 0": EndToEnd(x, enc, rows(50), with(shaped.Shift(-1))),
	} {
		program := NewProgram("p", p)
		_, err := program.Run(context.Background(), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
