package ops_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// sample is a node whose gradient is checked. in holds the operands' types in
// text form; domain says from where operands are drawn (default: the normal
// distribution).
type sample struct {
	op         ir.Op
	in, domain string
}

func dims(d ...ir.Dim) ir.Dims { return ir.MakeDims(d) }

// times returns n*d.
func times(n int, d ir.Dim) ir.Dim {
	p, _ := ir.Mul(ir.Fixed(n), d)
	return p
}

// samples holds every differentiable op.
var samples = []sample{
	{ops.Add{}, "f32[N 3] f32[3]", ""},
	{ops.Add{}, "f32[N 1] f32[1 4]", ""},
	{ops.Add{}, "f32[] f32[2 N]", ""},
	{ops.Sub{}, "f32[N 3] f32[N 3]", ""},
	{ops.Sub{}, "f32[3] f32[2 N 1]", ""},
	{ops.Mul{}, "f32[N 3] f32[3]", ""},
	{ops.Mul{}, "f32[N 1 2] f32[3 1]", ""},
	{ops.Div{}, "f32[N 3] f32[3]", "positive"},
	{ops.Div{}, "f32[3] f32[N 1]", "apart"},
	{ops.Pow{}, "f32[N 3] f32[3]", "positive"},
	{ops.Max{}, "f32[N 3] f32[3]", "apart"},
	{ops.Min{}, "f32[N 1] f32[3]", "apart"},
	{ops.Where{}, "bool[N 1] f32[N 3] f32[3]", ""},
	{ops.Where{}, "bool[3] f32[] f32[N 1]", ""},
	{ops.Neg{}, "f32[N 3]", ""},
	{ops.Abs{}, "f32[N 3]", "apart"},
	{ops.Sqrt{}, "f32[N 3]", "positive"},
	{ops.Exp{}, "f32[N 3]", ""},
	{ops.Log{}, "f32[N 3]", "positive"},
	{ops.Erf{}, "f64[N 3]", ""},
	{ops.Reciprocal{}, "f32[N 3]", "apart"},
	{ops.Identity{}, "f32[N 3]", ""},
	{ops.Relu{}, "f32[N 3]", "apart"},
	{ops.LeakyRelu{Alpha: 0.1}, "f32[N 3]", "apart"},
	{ops.Elu{Alpha: 1.5}, "f32[N 3]", "apart"},
	{ops.Selu{}, "f32[N 3]", "apart"},
	{ops.Gelu{}, "f32[N 3]", ""},
	{ops.Silu{}, "f32[N 3]", ""},
	{ops.HardSwish{}, "f32[N 3]", ""},
	{ops.Sigmoid{}, "f32[N 3]", ""},
	{ops.Tanh{}, "f32[N 3]", ""},
	{ops.Softplus{}, "f32[N 3]", ""},
	{ops.ReluGrad{}, "f32[N 3] f32[N 3]", "apart"},
	{ops.SigmoidGrad{}, "f32[N 3] f32[N 3]", ""},
	{ops.TanhGrad{}, "f64[N 3] f64[N 3]", ""},
	{ops.Transpose{Perm: ir.MakeAxes(1, 0)}, "f32[N 3]", ""},
	{ops.Transpose{Perm: ir.MakeAxes(2, 0, 1)}, "f32[2 N 4]", ""},
	{ops.Flip{Axes: ir.MakeAxes(1)}, "f32[N 3]", ""},
	{ops.Flip{}, "f32[2 N 2]", ""},
	{ops.Panels{Width: 2}, "f32[N 3]", ""},
	{ops.Panels{Width: 2, Turned: true}, "f32[3 N]", ""},
	{ops.Interleave{Axis: 1, Groups: 3}, "f32[N 6]", ""},
	{ops.Interleave{Groups: 2, Turned: true}, "f32[6 N]", ""},
	{ops.GemmPanels{Columns: 3}, "f32[N 2] f32[2 2 2] f32[3]", ""},
	{ops.GemmPanels{Columns: 3, Relu: true}, "f32[N 2] f32[2 2 2] f32[3]", "apart"},
	{ops.GemmPanels{Columns: 4}, "f32[N 2] f32[2 2 2] f32[N 4]", ""},
	{ops.Reshape{Shape: dims(ir.Rows(), ir.Fixed(2), ir.Fixed(3))}, "f32[N 6]", ""},
	{ops.Reshape{Shape: dims(times(2, ir.Rows()), ir.Fixed(3))}, "f32[N 6]", ""},
	{ops.Flatten{Axis: 1}, "f32[N 2 3]", ""},
	{ops.Flatten{Axis: 2}, "f32[N 2 3]", ""},
	{ops.Expand{Shape: dims(ir.Rows(), ir.Fixed(2), ir.Fixed(3))}, "f32[2 1]", ""},
	{ops.Expand{Shape: dims(ir.Fixed(2), ir.Fixed(2))}, "f32[]", ""},
	{ops.Concat{Axis: 1}, "f32[N 2] f32[N 1] f32[N 3]", ""},
	{ops.Concat{Axis: 0}, "f32[2 N] f32[1 N]", ""},
	{ops.Slice{Axis: 1, Start: ir.Fixed(1), End: ir.Fixed(3)}, "f32[N 4]", ""},
	{ops.Pad{Axis: 1, Before: ir.Fixed(1), After: ir.Fixed(2)}, "f32[N 2]", ""},
	{ops.ReduceSum{Axes: ir.MakeAxes(0)}, "f32[N 3]", ""},
	{ops.ReduceSum{Axes: ir.MakeAxes(0, 2), Keep: true}, "f32[N 3 2]", ""},
	{ops.ReduceSum{}, "f32[N 3]", ""},
	{ops.ReduceMean{Axes: ir.MakeAxes(0)}, "f32[N 3]", ""},
	{ops.ReduceMean{Axes: ir.MakeAxes(1), Keep: true}, "f32[N 3]", ""},
	{ops.ReduceMean{}, "f32[N 3]", ""},
	{ops.ReduceMean{}, "f32[]", ""},
	{ops.ReduceMax{Axes: ir.MakeAxes(1)}, "f32[N 3]", "apart"},
	{ops.KSparse{K: 2}, "f32[N 5] f32[N 5]", "apart"},
	{ops.KSparse{K: 1}, "f32[N 2 3] f32[N 2 3]", "apart"},
	{ops.ReduceMax{Axes: ir.MakeAxes(0), Keep: true}, "f32[N 3]", "apart"},
	{ops.MatMul{}, "f32[N 3] f32[3 2]", ""},
	{ops.MatMul{}, "f32[3 N] f32[N 2]", ""},
	{ops.MatMul{}, "f32[N 2 3] f32[3 4]", ""},
	{ops.MatMul{}, "f32[N 2 3] f32[N 3 4]", ""},
	{ops.MatMul{}, "f32[2 1 2 3] f32[3 3 2]", ""},
	{ops.MatMul{}, "f32[2 3] f32[N 3 2]", ""},
	{ops.MatMul{}, "f32[3] f32[3]", ""},
	{ops.MatMul{}, "f32[3] f32[3 2]", ""},
	{ops.MatMul{}, "f32[N 3] f32[3]", ""},
	{ops.MatMul{}, "f32[3] f32[N 3 2]", ""},
	{ops.MatMul{}, "f32[N 2 3] f32[3]", ""},
	{ops.MatMul{}, "f32[N N 3] f32[3 2]", ""},
	{ops.Gemm{}, "f32[N 3] f32[3 2]", ""},
	{ops.Gemm{TransB: true}, "f32[N 3] f32[2 3] f32[2]", ""},
	{ops.Gemm{TransA: true}, "f32[N 3] f32[N 2] f32[3 2]", ""},
	{ops.Gemm{TransA: true, TransB: true}, "f32[3 N] f32[2 3] f32[2]", ""},
	{ops.GemmRelu{TransB: true}, "f32[N 3] f32[2 3] f32[2]", "positive"},
	{ops.GemmReluGrad{TransB: true}, "f32[N 3] f32[2 3] f32[N 2]", "apart"},
	{ops.GemmReluGrad{}, "f32[N 3] f32[3 2] f32[N 2] f32[N 2]", "apart"},
	{ops.ReluGradSums{}, "f32[N 3 2] f32[N 3 2]", "apart"},
	{ops.Conv{Group: 1}, "f32[N 2 5] f32[3 2 2] f32[3]", ""},
	{ops.Conv{Strides: ir.MakeAxes(2, 1), Pads: ir.MakeAxes(1, 0, 0, 1), Group: 2}, "f32[N 2 4 3] f32[4 1 3 2]", ""},
	{ops.ConvTranspose{Strides: ir.MakeAxes(2), OutputPadding: ir.MakeAxes(1), Group: 1}, "f32[N 2 3] f32[2 3 2] f32[3]", ""},
	{ops.ConvFilterGrad{Kernel: ir.MakeAxes(2), Group: 1}, "f32[N 2 4] f32[N 3 3]", ""},
	{ops.MaxPool{Kernel: ir.MakeAxes(2)}, "f32[N 2 5]", "apart"},
	{ops.MaxPool{Kernel: ir.MakeAxes(3, 2), Strides: ir.MakeAxes(2, 1), Dilations: ir.MakeAxes(1, 2), Pads: ir.MakeAxes(1, 0, 0, 1)}, "f32[N 2 5 4]", "apart"},
	{ops.MaxPoolOf{Kernel: ir.MakeAxes(3), Strides: ir.MakeAxes(2), Pads: ir.MakeAxes(1, 1)}, "f32[N 2 5] f32[N 2 5]", "apart"},
	{ops.MaxPoolGrad{Kernel: ir.MakeAxes(2), Strides: ir.MakeAxes(3)}, "f32[N 2 6] f32[N 2 2]", "apart"},
	{ops.AveragePool{Kernel: ir.MakeAxes(3, 2), Strides: ir.MakeAxes(2, 1), Pads: ir.MakeAxes(1, 0, 0, 1)}, "f32[N 2 5 4]", ""},
	{ops.AveragePool{Kernel: ir.MakeAxes(2), Pads: ir.MakeAxes(1, 1), CountPads: true}, "f32[N 2 5]", ""},
	{ops.AveragePoolGrad{Lengths: ir.MakeAxes(6), Kernel: ir.MakeAxes(2), Strides: ir.MakeAxes(3)}, "f32[N 2 2]", ""},
	{ops.SoftplusSum{}, "f32[N 3]", ""},
	{ops.SquaredError{}, "f32[N 3] f32[N 3] f32[]", ""},
	{ops.SquaredError{}, "f32[N 3 2] f32[N 3 2] f32[]", ""},
	{ops.WeightedSquaredError{}, "f32[N 3] f32[N 3] f32[N 1] bool[N 1]", ""},
	{ops.WeightedSquaredError{}, "f32[N 3 2] f32[N 3 2] f32[N 1 1] bool[N 1 1]", ""},
	{ops.Softmax{Axis: 1}, "f32[N 3]", ""},
	{ops.Softmax{Axis: 0}, "f32[N 3]", ""},
	{ops.LogSoftmax{Axis: 1}, "f32[N 3 2]", ""},
	{ops.LogSoftmax{Axis: 0}, "f32[N 3]", ""},
	{ops.LayerNorm{Axis: 1, Epsilon: 1e-3}, "f32[N 5] f32[5] f32[5]", ""},
	{ops.LayerNorm{Axis: 2, Epsilon: 1e-3}, "f32[N 2 4] f32[4]", ""},
	{ops.LayerNorm{Axis: 1, Epsilon: 1e-3}, "f32[N 2 4] f32[2 4] f32[2 4]", ""},
	{ops.LayerNorm{Axis: 0, Epsilon: 0.5}, "f32[4] f32[4] f32[4]", ""},
	{ops.RMSNorm{Axis: 1, Epsilon: 1e-3}, "f32[N 5] f32[5]", ""},
	{ops.RMSNorm{Axis: 2}, "f32[N 3 1] f32[1]", "positive"},
	{ops.NormGrad{Axis: 1, Epsilon: 0.1, Center: true}, "f32[N 4] f32[N 4] f32[4]", ""},
	{ops.NormGrad{Axis: 2, Epsilon: 0.1}, "f32[N 2 3] f32[N 2 3] f32[3]", ""},
	{ops.NormSums{Bias: true}, "f32[N 4] f32[N 4] f32[N 4]", ""},
	{ops.NormSums{}, "f32[N 3] f32[N 3] f32[N 2] f32[3]", ""},
	{ops.GroupNorm{Groups: 2, Epsilon: 1e-3}, "f32[N 4 3] f32[4] f32[4]", ""},
	{ops.GroupNorm{Groups: 2, Epsilon: 1e-3}, "f32[N 6] f32[6] f32[6]", ""},
	{ops.InstanceNorm{Epsilon: 1e-3}, "f32[N 2 3 2] f32[2] f32[2]", ""},
	{ops.GroupNormGrad{Groups: 2, Epsilon: 0.1}, "f32[N 4 2] f32[N 4 2] f32[4]", ""},
	{ops.GroupNormGrad{Groups: 2, Epsilon: 0.1}, "f32[N 4] f32[N 4] f32[4]", ""},
	{ops.BatchNorm{Axis: 1, Epsilon: 1e-3}, "f32[N 3] f32[3] f32[3] f32[3] f32[3]", "positive"},
	{ops.BatchNorm{Axis: 1, Epsilon: 1e-3}, "f32[N 2 3] f32[2] f32[2] f32[2] f32[2]", "positive"},
	{ops.BatchNorm{Axis: 2, Epsilon: 1e-3}, "f32[N 3 2] f32[2] f32[2] f32[2] f32[2]", "positive"},
	{ops.BatchNormTraining{Axis: 1, Epsilon: 1e-3}, "f32[N 3] f32[3] f32[3] f32[3] f32[3]", ""},
	{ops.BatchNormTraining{Axis: 1, Epsilon: 1e-3}, "f32[N 2 3 2] f32[2] f32[2] f32[2] f32[2]", ""},
	{ops.BatchNormTraining{Axis: 2, Epsilon: 1e-3}, "f32[N 3 2] f32[2] f32[2] f32[2] f32[2]", ""},
	{ops.Gather{}, "f32[4 3] i64[N]", ""},
	{ops.Gather{}, "f32[5] i64[N 2]", ""},
	{ops.Gather{}, "f64[4 2] i64[]", ""},
	{ops.ScatterSum{Rows: 4}, "f32[N 3] i64[N]", ""},
	{ops.ScatterSum{Rows: 5}, "f32[N 2] i64[N 2]", ""},
	{ops.ScatterSum{Rows: 4}, "f32[N 2] i64[N] f32[4 2]", ""},
	{ops.Cast{To: ir.F64}, "f32[N 3]", ""},
	{ops.Dropout{Rate: 0.5, Stream: 4}, "f32[N 3]", ""},
	{ops.ChannelDropout{Rate: 0.5, Stream: 4}, "f32[N 3 2]", ""},
	{ops.MaskingNoise{Rate: 0.5, Stream: 4}, "f32[N 3]", ""},
	{ops.GaussianNoise{SD: 0.5, Stream: 4}, "f32[N 3]", ""},
	{ops.SaltAndPepper{Rate: 0.5, High: 1, Stream: 4}, "f32[N 3]", ""},
	{ops.Reparameterize{Stream: 4}, "f32[N 3] f32[N 3]", ""},
	{ops.Emphasis{Hit: 2, Rest: 0.5, Rate: 0.5, Stream: 4}, "f32[N 3] f32[N 3]", ""},
}

// TestGradients holds every gradient to central differences, for three batches.
func TestGradients(t *testing.T) {
	r := draw{rand.New(rand.NewPCG(5, 6))}
	sampled := map[string]bool{}
	for _, s := range samples {
		sampled[s.op.Name()] = true
		for _, rows := range []int{1, 2, 5} {
			t.Run(fmt.Sprintf("%s(%s) N=%d", ir.FormatOp(s.op), s.in, rows), func(t *testing.T) { checkGradient(t, r, s.op, parseTypes(t, s.in), s.domain, rows) })
		}
	}
	for _, op := range ops.All() {
		_, differentiates := op.(ir.Differentiable)
		_, decomposes := op.(ir.Decomposer)
		if (differentiates || decomposes) && !sampled[op.Name()] {
			t.Errorf("the gradient of %s is not checked", op.Name())
		}
	}
}

// TestGradientsOfRandomNodes does the same for nodes of random shapes and
// attributes, on positive operands, where every op is smooth.
func TestGradientsOfRandomNodes(t *testing.T) {
	r := draw{rand.New(rand.NewPCG(7, 8))}
	for _, kind := range ops.All() {
		_, differentiates := kind.(ir.Differentiable)
		_, decomposes := kind.(ir.Decomposer)
		if !differentiates && !decomposes {
			continue
		}
		t.Run(kind.Name(), func(t *testing.T) {
			checked := 0
			for range 80000 {
				op, types := r.node(kind)
				out, err := op.Infer(types)
				if err != nil || !out[0].DType.Float() || rounds(op, types) {
					continue
				}
				checkGradient(t, r, op, types, "positive", 1+r.IntN(3))
				if checked++; checked == 40 {
					return
				}
			}
			t.Errorf("only %d nodes of the draws were accepted", checked)
		})
	}
}

// rounds reports whether an op goes in steps, through which its gradient is taken
// as if it did not, or hands a gradient to a type that does.
func rounds(op ir.Op, in []ir.Type) bool {
	c, ok := op.(ops.Cast)
	return ok && (c.To.Size() == 2 || in[0].DType.Float() && in[0].DType.Size() == 2)
}

func checkGradient(t *testing.T, r draw, op ir.Op, types []ir.Type, domain string, rows int) {
	t.Helper()
	out, err := op.Infer(types)
	if err != nil {
		t.Fatal(err)
	}
	env := &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows, Seed: 9}
	args := make([]*ir.Tensor, len(types))
	for i := range args {
		args[i] = r.tensor(types[i], rows)
		for j := range args[i].F64 {
			switch domain {
			case "positive":
				args[i].F64[j] = 0.5 + r.Float64()
			case "apart": // from 0 and from each other
				args[i].F64[j] = float64(1+r.IntN(9)) + 0.25*float64(i+1) + 0.01*float64(j)
				if r.IntN(2) == 0 {
					args[i].F64[j] *= -1
				}
			}
		}
	}
	dy := r.tensor(out[0], rows)
	din := gradient(t, op, types, out[0], env, args, dy)
	const h = 1e-5
	loss := func() float64 {
		sum := 0.0
		for i, v := range eval(t, op, env, types, args).F64 {
			sum += v * dy.F64[i]
		}
		return sum
	}
	for i, x := range args {
		if !types[i].DType.Float() {
			if din[i] != nil {
				t.Errorf("operand %d is %v and has a gradient", i+1, types[i])
			}
			continue
		}
		for j := range x.F64 {
			was := x.F64[j]
			x.F64[j] = was + h
			up := loss()
			x.F64[j] = was - h
			down := loss()
			x.F64[j] = was
			want, got := (up-down)/(2*h), 0.0
			if din[i] != nil {
				got = din[i].F64[j]
			}
			if !(math.Abs(got-want) <= 2e-7*max(1, math.Abs(want), math.Abs(up), math.Abs(down))) {
				t.Fatalf("%s(%v): gradient of operand %d, element %d: got %.12g, differences give %.12g", ir.FormatOp(op), types, i+1, j, got, want)
			}
		}
	}
}

// parseTypes reads "f32[N 3] f32[3]".
func parseTypes(t *testing.T, src string) []ir.Type {
	t.Helper()
	src = strings.ReplaceAll(src, "] ", "] x, ")
	for i := 0; strings.Contains(src, " x,"); i++ {
		src = strings.Replace(src, " x,", fmt.Sprintf(" x%d,", i), 1)
	}
	g, err := ir.Parse("t ("+src+" last) => () {\n}\n", ops.ByName)
	if err != nil {
		t.Fatal(err)
	}
	types := make([]ir.Type, len(g.Inputs))
	for i, v := range g.Inputs {
		types[i] = v.Type
	}
	return types
}

// gradient evaluates the op's gradient graph, after decomposition if it has no
// gradient of its own. The result is nil for an operand without gradient.
func gradient(t *testing.T, op ir.Op, types []ir.Type, out ir.Type, env *ir.Env, args []*ir.Tensor, dy *ir.Tensor) []*ir.Tensor {
	t.Helper()
	b := ir.NewBuilder("gradient")
	feed := map[string]*ir.Tensor{"dy": dy}
	seed := b.Input("dy", out)
	var in []*ir.Value
	for i, typ := range types {
		v := b.Input(fmt.Sprintf("x%d", i), typ)
		in, feed[v.Name] = append(in, v), args[i]
	}
	var y *ir.Value
	_, own := op.(ir.Differentiable)
	if d, ok := op.(ir.Decomposer); ok && !own {
		y = d.Decompose(b, in)[0]
	} else {
		y = b.Op(op, in...)
	}
	grads := map[*ir.Value]*ir.Value{y: seed}
	forward := append([]*ir.Node{}, b.Graph.Nodes...)
	for i := len(forward) - 1; i >= 0; i-- {
		n := forward[i]
		d, ok := n.Op.(ir.Differentiable)
		if !ok || grads[n.Out[0]] == nil {
			continue
		}
		din := d.VJP(b, n, []*ir.Value{grads[n.Out[0]]})
		if len(din) != len(n.In) {
			t.Fatalf("%s: %d gradients for %d operands", n.Op.Name(), len(din), len(n.In))
		}
		for k, v := range din {
			switch x := n.In[k]; {
			case v == nil:
			case !v.Type.Equal(x.Type):
				t.Fatalf("%s: the gradient of operand %d is %v, the operand %v (%v)", n.Op.Name(), k+1, v.Type, x.Type, b.Err())
			case grads[x] == nil:
				grads[x] = v
			default:
				grads[x] = b.Op(ops.Add{}, grads[x], v)
			}
		}
	}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(b.Graph); err != nil {
		t.Fatal(err)
	}
	vals, err := ir.Evaluate(b.Graph, env, feed)
	if err != nil {
		t.Fatal(err)
	}
	res := make([]*ir.Tensor, len(in))
	for i, v := range in {
		if g := grads[v]; g != nil {
			res[i] = vals[g]
		}
	}
	return res
}
