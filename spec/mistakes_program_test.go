package spec_test

import (
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

// block is a helper: a mistake in its use shows both lines.
func block(units int) spec.Layer {
	return spec.Layers(spec.Dense(units), spec.ReLU())
}

// foreign is a layer that answers with a value of another graph.
type foreign struct{ spec.Base }

func (f *foreign) Build(*spec.Builder, ...*ir.Value) *ir.Value {
	return &ir.Value{Type: ir.T(ir.F32, ir.Rows(), ir.Fixed(3))}
}

// TestMistakes declares a model with one mistake a line; testdata/mistakes.golden
// has the lines.
func TestMistakes(t *testing.T) {
	x := spec.Input("x", 784)
	enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30))
	code := x.Then(enc)
	dense, b := spec.Dense(30), block(30)
	narrow := x.Then(spec.Dense(40))
	tie := spec.Dense(50).Named("tie")
	narrow.Then(tie)
	var loose []*spec.Loss
	loss := func(l *spec.Loss) { loose = append(loose, l) }
	use := func(v *spec.Value) { loss(spec.MSE(v, v)) }

	narrow.Then(spec.Tied(tie))
	x.Then(spec.Dense(-3))
	x.Then(spec.ReLU(), spec.Dropout(1.5), spec.Dense(-4))
	x.Then(spec.Softmax(1))
	code.Then(b, b)
	code.Then(dense, spec.ReLU(), dense)
	enc.Named("late")
	dense.NoBias()
	x.Then(spec.Shared(dense))
	code.Then(spec.Sequential("a", spec.Dense(3)))
	code.Then(spec.Sequential("a", spec.Dense(3)))
	code.Then(nil)
	code.Then(spec.ReLU(), (*spec.DenseLayer)(nil))
	code.Then(&spec.DenseLayer{})
	code.Then(&foreign{spec.Here("foreign")})
	code.Then(&foreign{})
	code.Then(spec.Sequential("holes", nil))
	code.Then(spec.Dense(3).Named("a/b"))
	code.Then(spec.Dense(3).Named(""))
	code.Then(spec.Dense(3).Init(nil))
	code.Then(spec.Dense(3).BiasInit(spec.Constant(math.NaN())))
	code.Then(spec.LeakyReLU().Alpha(math.Inf(1)))
	code.Then(spec.LayerNorm().Epsilon(0))
	code.Then(spec.LayerNorm().Axis(1))
	code.Then(spec.RMSNorm().Epsilon(math.NaN()))
	code.Then(spec.RMSNorm().ScaleInit(nil))
	code.Then(spec.GroupNorm(0))
	code.Then(spec.GroupNorm(7))
	code.Then(spec.InstanceNorm())
	use(spec.Labels("class", 3).Then(spec.LayerNorm()))
	code.Then(spec.Reshape(5, 7))
	code.Then(spec.Reshape(5, -6))
	code.Then(spec.Residual("res", spec.Dense(31)))
	code.Then(spec.Repeat("blocks", 0, func(int) spec.Layer { return spec.ReLU() }))
	code.Then(spec.Func("wiring", func(*spec.Value) *spec.Value { return nil }))
	code.Then(spec.Func("none", nil))
	code.Then(spec.Tied(spec.ReLU()))
	code.Then(spec.Tied(nil))
	code.Then(spec.Tied(spec.Dense(3)))
	code.Then(spec.Mirror("m1", spec.Sequential("never")))
	code.Then(spec.Mirror("m2", nil))
	spec.Input("z", 3).Named("1st").Then(dense)
	code.Dim(4)
	use(spec.Add(code, x))
	use(spec.Concat(2, code, code))
	use(spec.Concat(0, code, spec.Labels("l", 3)))
	use(spec.Apply(dense, code, code))
	use(spec.Input("bad name", 3))
	use(spec.Input("w", 0))
	use(spec.Labels("few", 0))
	use((*spec.Value)(nil).Then(spec.ReLU()))
	use((&spec.Value{}).Then(spec.ReLU()))
	loss(spec.MSE(code, x))
	loss(spec.MSE(code, nil))
	loss(spec.Huber(code, code, 0))
	loss(spec.CrossEntropy(code, spec.Labels("ten", 10)))
	loss(spec.CrossEntropy(code, x))
	loss(spec.CrossEntropy(code.Then(spec.Softmax(-1)), spec.Labels("thirty", 30)))
	loss(spec.BinaryCrossEntropy(code.Then(spec.Sigmoid()), code))
	loss(spec.MAE(x, x).Weight(math.NaN()))
	loss(spec.MAE(code, code.Named("x")))
	loss(spec.MAE(code.Named("twice"), code.Then(spec.ReLU()).Named("twice")))
	m := spec.NewModel("mistakes", append(loose, nil)...)

	checkMistakes(t, m.Err())
}
