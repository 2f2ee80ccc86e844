package ops

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// GemmBF16 is the product of x and w, matrices in bf16, summed in f32, plus c if given, a row [n] or a matrix [m n];
// TransA and TransB transpose x and w. With Relu set, negative results become 0; with Masked set, those where y, the
// operand after w, is not positive. With Columns set, w is the Tiles of a matrix of so many columns. The order of the sums
// is that of simd.GemmBF16, which every kernel set keeps.
type GemmBF16 struct {
	TransA  bool `attr:"transA"`
	TransB  bool `attr:"transB"`
	Relu    bool `attr:"relu"`
	Masked  bool `attr:"masked"`
	Columns int  `attr:"columns"`
}

// Name returns GemmBF16.
func (GemmBF16) Name() string { return "GemmBF16" }

// ONNX says why there is no counterpart.
func (GemmBF16) ONNX() ir.ONNX {
	return ir.ONNX{Why: "it is made by the pass bf16, after the point where export takes the graph: what ships is FP32"}
}

// Parts returns the positions of y and c among the operands, -1 for none, and whether c is a matrix, where the chains
// start.
func (op GemmBF16) Parts(in []ir.Type) (y, c int, matrix bool) {
	return GemmPanels{Masked: op.Masked}.Parts(in)
}

// Infer returns f32[m n].
func (op GemmBF16) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"x", "w"}
	if op.Masked {
		names = append(names, "y")
	}
	if len(in) > len(names) {
		names = append(names, "c")
	}
	if err := operands(in, names...); err != nil {
		return nil, err
	}
	for i, t := range in {
		want := ir.F32
		if i < 2 {
			want = ir.BF16
		}
		if t.DType != want {
			return nil, fmt.Errorf("%s must be %v %s", names[i], want, describe(in, names))
		}
	}
	if op.Relu && op.Masked {
		return nil, fmt.Errorf("a product has a Relu or is masked, not both %s", describe(in, names))
	}
	out, err := op.product(in, names)
	if err != nil {
		return nil, err
	}
	y, c, _ := op.Parts(in)
	if y >= 0 && !in[y].Shape.Equal(out) {
		return nil, fmt.Errorf("y must be of shape %v %s", out, describe(in, names))
	}
	if c >= 0 && !in[c].Shape.Equal(out) && !in[c].Shape.Equal(out[1:]) {
		return nil, fmt.Errorf("c must be of shape %v or %v %s", out[1:], out, describe(in, names))
	}
	return result(ir.F32, out)
}

// product returns the shape of the result.
func (op GemmBF16) product(in []ir.Type, names []string) (ir.Shape, error) {
	if op.Columns == 0 {
		out, err := Gemm{op.TransA, op.TransB}.Infer(in[:2])
		if err != nil {
			return nil, err
		}
		return out[0].Shape, nil
	}
	x, w := in[0].Shape, in[1].Shape
	if len(x) != 2 {
		return nil, fmt.Errorf("x must be a matrix %s", describe(in, names))
	}
	m, k := x[0], x[1]
	if op.TransA {
		m, k = k, m
	}
	terms, known := k.Known()
	if !known || op.TransB || op.Columns < 0 || op.Columns > maxElems || !w.Equal(tilesOf(terms, op.Columns)) {
		return nil, fmt.Errorf("w must be the tiles of a matrix of %d columns and as many rows as a sum has terms, not transposed %s", op.Columns, describe(in, names))
	}
	return ir.Shape{m, ir.Fixed(op.Columns)}, nil
}

// plain returns the right operand as a matrix, and whether it is taken transposed.
func (op GemmBF16) plain(x, w *ir.Tensor) (*ir.Tensor, bool) {
	if op.Columns == 0 {
		return w, op.TransB
	}
	k := x.Shape[1]
	if op.TransA {
		k = x.Shape[0]
	}
	out := ir.NewTensor(ir.F64, k, op.Columns)
	for p := range k {
		for j := range op.Columns {
			out.F64[p*op.Columns+j] = w.F64[tileAt(k, p, j)]
		}
	}
	return out, false
}

// InTiles is the product with its right operand w in tiles, and what makes these of w in f32.
func (op GemmBF16) InTiles(w ir.Shape) (ir.Op, Tiles) {
	tiles := Tiles{Turned: op.TransB}
	op.Columns = w[1].Length()
	if op.TransB {
		op.TransB, op.Columns = false, w[0].Length()
	}
	return op, tiles
}

// HasTiles reports whether the right operand is in tiles.
func (op GemmBF16) HasTiles() bool { return op.Columns > 0 }

// Eval is the reference meaning: the sums are not rounded, and no number is too small.
func (op GemmBF16) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	y, c, _ := op.Parts(env.Types)
	w, transB := op.plain(in[0], in[1])
	args := []*ir.Tensor{in[0], w}
	if c >= 0 {
		args = append(args, in[c])
	}
	res, err := Gemm{op.TransA, transB}.Eval(env, args)
	if err != nil {
		return nil, err
	}
	out := res[0].F64
	for i, v := range out {
		if op.Relu && v < 0 || y >= 0 && !(in[y].F64[i] > 0) {
			out[i] = 0
		}
	}
	return res, nil
}

// WhyNoGradient gives the reason.
func (GemmBF16) WhyNoGradient() string { return "it is made when the gradients are there" }

// Bound is Gemm's; what a mask decides is open where y may be on either side of 0.
func (op GemmBF16) Bound(call *ir.Call) ([]ir.Estimate, error) {
	types := ir.TypesOf(call.Node.In)
	y, c, _ := op.Parts(types)
	product := *call
	w := ir.Estimate{Var: call.In[1].Var}
	var transB bool
	if w.Value, transB = op.plain(call.In[0].Value, call.In[1].Value); op.Columns > 0 && w.Var != nil {
		v := ir.NewTensor(ir.F64, call.In[1].Value.Shape...)
		copy(v.F64, w.Var)
		v, _ = op.plain(call.In[0].Value, v)
		w.Var = v.F64
	}
	product.In = []ir.Estimate{call.In[0], w}
	if c >= 0 {
		product.In = append(product.In, call.In[c])
	}
	es, err := boundGemm(&product, op.TransA, transB)
	if err != nil {
		return nil, err
	}
	e := &es[0]
	for i, v := range e.Value.F64 {
		switch {
		case op.Relu && v < 0:
			e.Value.F64[i] = 0
		case y >= 0:
			at := call.In[y].Value.F64[i]
			if s := ir.Sigmas * math.Sqrt(call.In[y].At(i)); s > 0 && math.Abs(at) <= s {
				e.Open(i)
			} else if !(at > 0) {
				e.Value.F64[i], e.Var[i] = 0, 0
			}
		}
	}
	return es, nil
}

// InPlace states that the result may overwrite a matrix c, where its chains start.
func (op GemmBF16) InPlace(in []ir.Type) (operand int, elementwise bool) {
	if _, c, matrix := op.Parts(in); matrix {
		return c, false
	}
	return -1, false
}

// Chain states that the chains start from a matrix c, and, if there is no c, that they are over the rows of both operands
// if x is taken transposed.
func (op GemmBF16) Chain(in []ir.Type) (start int, open bool) {
	if op.Relu || op.Masked {
		return -1, false
	}
	if _, c, matrix := op.Parts(in); matrix {
		return c, false
	}
	return -1, len(in) == 2 && op.TransA
}

// Split is Gemm's; slices of y and of a matrix c are those of the result.
func (op GemmBF16) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) {
	access, ok := splitGemm(in[:2], op.TransA)
	access = append(access, make([]ir.Access, len(in)-2)...)
	y, c, matrix := op.Parts(in)
	if y >= 0 {
		access[y] = ir.Axis0
	}
	if c >= 0 {
		access[c] = ir.Whole
	}
	if matrix {
		access[c] = ir.Axis0
	}
	return access, ok
}

// Cost is Gemm's, and an operation for each element of what is added and compared.
func (op GemmBF16) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	flops, _ = costGemm(in[:2], out, at, op.TransA)
	more := int64(len(in) - 2)
	if op.Relu {
		more++
	}
	return flops + more*count(out, at), traffic(in, out, at)
}

// Narrowed is the product of operands in bf16.
func (op Gemm) Narrowed(in []ir.Type) ir.Narrowing {
	return narrowing(GemmBF16{TransA: op.TransA, TransB: op.TransB}, in)
}

// Narrowed is the product of operands in bf16.
func (op GemmRelu) Narrowed(in []ir.Type) ir.Narrowing {
	return narrowing(GemmBF16{TransA: op.TransA, TransB: op.TransB, Relu: true}, in)
}

// Narrowed is the product of operands in bf16.
func (op GemmReluGrad) Narrowed(in []ir.Type) ir.Narrowing {
	return narrowing(GemmBF16{TransA: op.TransA, TransB: op.TransB, Masked: true}, in)
}

// Narrowed says why it stays in f32: of two axes it would be a Gemm.
func (MatMul) Narrowed([]ir.Type) ir.Narrowing {
	return ir.Narrowing{Why: "its operands have more than two axes"}
}

// narrowing is op with the lengths of its product.
func narrowing(op GemmBF16, in []ir.Type) ir.Narrowing {
	x, w := in[0].Shape, in[1].Shape
	n := ir.Narrowing{Op: op, Rows: x[0], Terms: x[1], Columns: w[1]}
	if op.TransA {
		n.Rows, n.Terms = n.Terms, n.Rows
	}
	if op.TransB {
		n.Columns = w[0]
	}
	return n
}
