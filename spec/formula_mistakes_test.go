package spec_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// TestFormulaMistakes makes each mistake that a formula allows, and reads what is said:
// the line, the layer, the rule and what came.
func TestFormulaMistakes(t *testing.T) {
	x, m, k, b := spec.Input("x", 3), spec.Input("m", 2, 3), spec.Labels("k", 4), spec.Bytes("b", 3)
	num, none := spec.Const(1), []int(nil)
	for _, c := range []struct {
		v    *spec.Value
		want string
	}{
		// Axes.
		{x.Then(spec.Sum(1)), `layer "sum1": Sum: axis 1 does not exist: the axes of f32[N 3], the batch not counted, are -1 to 0`},
		{x.Then(spec.Sum()), `layer "sum2": Sum: at least one axis must be given, got none; to go over the batch use BatchSum or BatchMean`},
		{x.Then(spec.Mean()), `Mean: at least one axis must be given, got none`},
		{m.Then(spec.Max(1, -1)), `layer "max1": Max: axis -1 is given twice in [1 -1] (x is f32[N 2 3])`},
		{m.Then(spec.Sum(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), `axis 0 is given twice`},
		{k.Then(spec.Floats(), spec.Mean(0)), `Mean: axis 0 does not exist: f32[N] has no axis besides the batch`},
		{num.Then(spec.Sum(0)), `Sum: axis 0 does not exist: f32[] has no axis besides the batch`},
		{spec.Concat(2, m, m), `Concat: axis 2 does not exist: the axes of f32[N 2 3], the batch not counted, are -2 to 1`},
		{m.Then(spec.Permute(0)), `layer "permute1": Permute: each of the 2 axes, the batch not counted, must be given once, got [0] (x is f32[N 2 3])`},
		{m.Then(spec.Permute(0, 2, 1)), `each of the 2 axes, the batch not counted, must be given once, got [0 2 1] (x is f32[N 2 3])`},
		{m.Then(spec.Permute(1, 1)), `Permute: axis 1 is given twice in [1 1] (x is f32[N 2 3])`},
		{m.Then(spec.Permute(1, 2)), `Permute: axis 2 does not exist`},

		// Shapes.
		{spec.Add(x, m.Then(spec.Slice(1, 0, 2))), `layer "add1": Add: lengths 3 and 2 do not broadcast: they must be equal, or one a fixed 1 (a is f32[N 1 3], b is f32[N 2 2])` + "\n\thint: given are f32[N 3] and f32[N 2 2]; rows go with rows, and axes with axes from the last on"},
		{spec.Div(x, spec.Data([]int{4}, make([]float64, 4))), `Div: lengths 3 and 4 do not broadcast: they must be equal, or one a fixed 1 (a is f32[N 3], b is f32[4])`},
		{spec.Where(spec.Greater(x, num), x, spec.Input("x4", 4)), `Where: lengths 3 and 4 do not broadcast`},
		{m.Then(spec.Reshape(8, 2, 3)), `layer "reshape1": Reshape: 6 elements a row cannot become [8 2 3], which are 48 (x is f32[N 2 3])` + "\n\thint: the lengths are those of a row: the batch is not among them"},
		{m.Then(spec.Reshape(-1, 6)), `Reshape: lengths must be positive, got [-1 6]`},
		{m.Then(spec.Slice(1, 2, 2)), `layer "slice2": Slice: [2, 2) is empty or not within axis 1 of length 3 (x is f32[N 2 3])`},
		{m.Then(spec.Slice(0, 1, 3)), `Slice: [1, 3) is empty or not within axis 0 of length 2`},
		{m.Then(spec.Slice(0, -3, spec.End)), `Slice: [-3, End) is empty or not within axis 0 of length 2`},
		{m.Then(spec.Slice(0, math.MinInt, 1)), `is empty or not within axis 0 of length 2`},
		{m.Then(spec.Slice(0, spec.End, spec.End)), `Slice: [End, End) is empty`},
		{m.Then(spec.Slice(2, 0, 1)), `Slice: axis 2 does not exist`},
		{m.Then(spec.BatchMean(), spec.BatchMean()), `layer "batchmean2": BatchMean: x must have the batch, [N …], got f32[2 3]`},
		{num.Then(spec.BatchSum()), `BatchSum: x must have the batch, [N …], got f32[]`},

		// Types.
		{k.Then(spec.Log()), `layer "log1": Log: x must be floating point, got i64[N]` + "\n\thint: spec.Floats() makes f32 of integers and truth values"},
		{b.Then(spec.Scale(2)), `layer "scale1": Scale: x must be floating point, got u8[N 3]`},
		{b.Then(spec.Sum(0)), `Sum: x must be floating point, got u8[N 3]`},
		{b.Then(spec.BatchMean()), `BatchMean: x must be floating point, got u8[N 3]`},
		{spec.Greater(x, x).Then(spec.Exp()), `Exp: x must be floating point, got bool[N 3]`},
		{k.Then(spec.Above(1)), `Above: x must be floating point, got i64[N]`},
		{k.Then(spec.MeanSquare()), `MeanSquare: x must be floating point, got i64[N]`},
		{x.Then(spec.Sum(0), spec.MeanSquare()), `layer "meansquare1": MeanSquare: x must be rows of several numbers, [N …], got f32[N]`},
		{num.Then(spec.MeanSquare()), `MeanSquare: x must be rows of several numbers, [N …], got f32[]`},
		{spec.Add(x, b), `Add: a and b must have one dtype (a is f32[N 3], b is u8[N 3])`},
		{spec.Pow(b, b), `Pow: a must be floating point (a is u8[N 3], b is u8[N 3])`},
		{spec.Where(x, x, x), `layer "where2": Where: cond must be bool (cond is f32[N 3], a is f32[N 3], b is f32[N 3])`},
		{spec.Less(spec.Equal(x, x), spec.Equal(x, x)), `Less: bool has no order (a is bool[N 3], b is bool[N 3])`},
		{x.Then(spec.OneHot(4)), `layer "onehot1": OneHot: x must be integers, got f32[N 3]`},
		{k.Then(spec.OneHot(0)), `OneHot: depth must be from 1 to 2^31, got 0`},
		{k.Then(spec.OneHot(math.MaxInt)), `OneHot: depth must be from 1 to 2^31`},
		{k.Then(spec.OneHot(3)), `OneHot: depth is 3 but input "k" has 4 different values (x is i64[N])`},

		// Numbers and arrays.
		{x.Then(spec.Scale(math.NaN())), `Scale: the number must be finite in f32, got NaN`},
		{x.Then(spec.Shift(1e300)), `Shift: the number must be finite in f32, got 1e+300`},
		{x.Then(spec.Above(math.Inf(1))), `Above: the limit must be finite in f32, got +Inf`},
		{x.Then(spec.PredictionSet(1.5)), `PredictionSet: the threshold is a probability, which must be from 0 to 1, got 1.5`},
		{x.Then(spec.Unsure(math.NaN())), `Unsure: the threshold is a probability, which must be from 0 to 1, got NaN`},
		{x.Then(spec.Sum(0), spec.Unsure(0.5)), `Unsure: x must be probabilities of classes, [N … classes], got f32[N]`},
		{k.Then(spec.PredictionSet(0.5)), `PredictionSet: x must be floating point, got i64[N]`},
		{spec.Const(math.Inf(1)), `Const: numbers must be finite in f32, got +Inf at 0`},
		{spec.Data([]int{2}, []float64{1}), `Data: shape [2] has 2 elements, got 1`},
		{spec.Data([]int{2, 0}, []float64{}), `Data: lengths must be positive, got [2 0]`},
		{spec.Data([]int{1 << 30, 1 << 30}, []bool{true}), `make more than 2^31 elements`},
		{spec.Data([]int{1, 1, 1, 1, 1, 1, 1, 1, 1}, []uint8{1}), `Data: at most 8 axes are possible, got 9`},
		{spec.Data([]int{2}, []float32{1, float32(math.Inf(-1))}), `Data: numbers must be finite in f32, got -Inf at 1`},
		{spec.Add(x, spec.Data(none, []float64{})), `Data: shape [] has 1 elements, got 0`},

		// Values and ops.
		{spec.Add(nil, x), `Add: the value is nil`},
		{spec.Where(nil, x, x), `Where: the value is nil`},
		{spec.Maximum(&spec.Value{}, x), `Maximum: a zero Value: make values with spec.Input and layers`},
		{spec.Op(nil, x), `layer "op1": Op: the op is nil`},
		{spec.Op((*ownOp)(nil), x), `Op: the op is nil`},
		{spec.Op(ops.Exp{}), `Exp: needs an operand, got none`},
		{spec.Op(ops.Exp{}, x, x), `layer "exp2": Exp: takes 1 operand(s) (x), got 2`},
		{spec.Op(ops.ReduceSum{}, k), `ReduceSum: x must be floating point (x is i64[N])`},
	} {
		err := c.v.Err()
		if err == nil {
			t.Errorf("no mistake, want %s", c.want)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\nis not in\n%v", c.want, err)
			continue
		}
		found := false
		for _, line := range strings.Split(err.Error(), "\n") {
			found = found || strings.HasPrefix(line, "formula_mistakes_test.go:") && strings.Contains(line, strings.SplitN(c.want, "\n", 2)[0])
		}
		if !found {
			t.Errorf("%s has no line of this file in\n%v", c.want, err)
		}
		var e *spec.Error
		if !errors.As(err, &e) {
			t.Errorf("%v is no *spec.Error", err)
		}
	}
}

type ownOp struct{ ops.Exp }

// TestFormulaOfAnotherModel gives a layer of one's own a value of another declaration.
func TestFormulaOfAnotherModel(t *testing.T) {
	var kept *ir.Value
	keep := &withBuild{spec.Here("keep"), func(_ *spec.Builder, x *ir.Value) *ir.Value { kept = x; return x }}
	_ = spec.Input("other", 3).Then(keep)
	v := spec.Input("x", 3).Then(&withBuild{spec.Here("stranger"), func(b *spec.Builder, x *ir.Value) *ir.Value {
		return b.Op(ops.Add{}, x, kept)
	}})
	if err := v.Err(); err == nil || !strings.Contains(err.Error(), `layer "stranger1": Add: operand 2, a f32[N 3], belongs to no value of this declaration`) {
		t.Errorf("got %v", err)
	}
}

// withBuild is a layer of one's own.
type withBuild struct {
	spec.Base
	build func(b *spec.Builder, x *ir.Value) *ir.Value
}

func (l *withBuild) Build(b *spec.Builder, x ...*ir.Value) *ir.Value { return l.build(b, x[0]) }

// TestLateOption gives an option of a formula too late.
func TestLateOption(t *testing.T) {
	x, s := spec.Input("x", 3), spec.Sum(0)
	y := x.Then(s)
	_ = s.Keep()
	if err := y.Err(); err == nil || !strings.Contains(err.Error(), `layer "sum1": Keep after the layer was placed at formula_mistakes_test.go:`) {
		t.Errorf("got %v", err)
	}
}

// TestFormulasWithoutImage mirrors what leaves something out.
func TestFormulasWithoutImage(t *testing.T) {
	for want, l := range map[string]spec.Layer{
		"a layer of kind Slice has no mirror image: what it leaves out cannot be restored":     spec.Slice(0, 0, 2),
		"a layer of kind BatchMean has no mirror image: what it leaves out cannot be restored": spec.BatchMean(),
		"a layer of kind Mean has no mirror image":                                             spec.Mean(0),
		"a layer of kind Scale has no mirror image: a scale of 0 cannot be undone":             spec.Scale(0),
	} {
		x := spec.Input("x", 3)
		_ = x.Then(l)
		if err := x.Then(spec.Mirror("m", l)).Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
