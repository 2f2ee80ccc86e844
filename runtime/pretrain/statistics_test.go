package pretrain_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestStatisticsGoOn: running statistics go from phase to phase with the weights of their
// layer, into the codes of a stage, into a phase that freezes them, and into what ships;
// also where finished phases are read back.
func TestStatisticsGoOn(t *testing.T) {
	data := rows(100)
	o := train.Options{Optimizer: optim.Adam(1e-2), Epochs: 2, Batch: 25, Seed: 7}
	program := func() (*pretrain.Program, *spec.Value) {
		x := spec.Input("x", 12)
		enc := spec.Sequential("encoder", spec.Dense(8), spec.BatchNorm(), spec.Tanh(), spec.Dense(5), spec.BatchNorm(), spec.Tanh())
		code := x.Then(enc)
		head := code.Then(spec.Dense(4).Named("head"))
		return pretrain.NewProgram("p",
			pretrain.Greedy(x, enc, data, o),
			pretrain.Freeze("encoder"),
			pretrain.Fit(spec.NewModel("classifier", spec.CrossEntropy(head, spec.Labels("y", 4))), data, o)), code
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
	net := r.Net(code)
	if err := net.Err(); err != nil {
		t.Fatal(err)
	}
	got := net.Params()
	for _, name := range []string{"encoder/batchnorm1/mean", "encoder/batchnorm2/mean"} {
		if x := got[name]; len(x) == 0 || x[0] == 0 {
			t.Errorf("%s is %v: the statistics of the stages are lost", name, x)
		}
	}
	p, code = program() // what the stages left is read
	if r, err = p.Run(context.Background(), pretrain.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if again := r.Net(code).Params(); !reflect.DeepEqual(again, got) {
		t.Error("a program that is finished gives another Net")
	}
}
