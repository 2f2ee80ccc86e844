package train_test

import (
	"log/slog"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// number is a layer with one number as its weight.
type number struct{ spec.Base }

func (*number) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.Add{}, x[0], b.Param("by", spec.Zeros()))
}

// TestNumbers trains several parameters that have no axis, which are updated together.
func TestNumbers(t *testing.T) {
	x := spec.Input("x", 3)
	m := spec.NewModel("m", spec.MSE(x.Then(&number{spec.Here("number")}, spec.Tanh(), &number{spec.Here("number")}), x))
	rows := dataset.From(make([]int, 20), func(_ int, row dataset.Row) { row.F32Slice("x")[1] = 1 },
		dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{3}})
	r, err := train.Fit(t.Context(), m, rows, train.Options{Optimizer: optim.Adam(0.1), Epochs: 2, Batch: 10, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"number1/by", "number2/by"} {
		if w := r.Param(name); len(w) != 1 || w[0] == 0 {
			t.Errorf("%s is %v", name, w)
		}
	}
}
