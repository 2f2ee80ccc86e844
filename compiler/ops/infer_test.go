package ops_test

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/opcase"
)

// draw makes random ops, types and tensors.
type draw struct{ *rand.Rand }

func (r draw) dim(wild bool) ir.Dim {
	switch k := r.IntN(12); {
	case k < 4:
		return ir.Rows()
	case k == 4:
		return ir.Fixed(0)
	case k == 5:
		return times(2, ir.Rows())
	case k == 6 && wild:
		return []ir.Dim{ir.Fixed(-1), ir.Fixed(math.MaxInt), ir.Of("no word"), times(-3, ir.Of("T")), ir.Fixed(1 << 40)}[r.IntN(5)]
	}
	return ir.Fixed(1 + r.IntN(3))
}

// bound is the bound of a slice, or the width of a pad.
func (r draw) bound(wild bool) ir.Dim {
	switch {
	case r.IntN(6) == 0:
		return r.dim(wild)
	case wild && r.IntN(4) == 0:
		return ir.Fixed([]int{-1, math.MaxInt, math.MinInt, 9}[r.IntN(4)])
	}
	return ir.Fixed(r.IntN(4))
}

func (r draw) typ(wild bool) ir.Type {
	t := ir.Type{DType: []ir.DType{ir.F32, ir.F32, ir.F32, ir.F64, ir.I64, ir.Bool}[r.IntN(6)], Shape: ir.Shape{}}
	if r.IntN(10) == 0 {
		t.DType = ir.DTypes()[r.IntN(len(ir.DTypes()))]
	}
	rank := r.IntN(4)
	if wild && r.IntN(10) == 0 {
		t.DType, rank = ir.DType(r.IntN(256)), r.IntN(12)
	}
	for range rank {
		t.Shape = append(t.Shape, r.dim(wild))
	}
	return t
}

// op returns an op of the kind with random attributes.
func (r draw) op(kind ir.Op, wild bool) ir.Op {
	v := reflect.New(reflect.TypeOf(kind)).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("attr") == "" {
			continue
		}
		switch f := v.Field(i); f.Addr().Interface().(type) {
		case *int:
			f.SetInt(int64(r.IntN(4)))
			if wild && r.IntN(4) == 0 {
				f.SetInt([]int64{-1, math.MaxInt, math.MinInt, 9}[r.IntN(4)])
			}
		case *float64:
			f.SetFloat(r.Float64())
			if wild && r.IntN(4) == 0 {
				f.SetFloat([]float64{math.NaN(), math.Inf(1), -1, 1}[r.IntN(4)])
			}
		case *bool:
			f.SetBool(r.IntN(2) == 0)
		case *uint64:
			f.SetUint(r.Uint64N(9))
		case *ir.DType:
			f.Set(reflect.ValueOf(ir.DTypes()[r.IntN(len(ir.DTypes()))]))
			if wild && r.IntN(4) == 0 {
				f.Set(reflect.ValueOf(ir.DType(r.IntN(256))))
			}
		case *ir.Axes:
			a := ir.Axes{Len: r.IntN(4)}
			for j := range a.At {
				a.At[j] = r.IntN(4)
			}
			if r.IntN(2) == 0 { // a permutation
				copy(a.At[:], r.Perm(a.Len))
			}
			if wild && r.IntN(4) == 0 {
				a.Len = r.IntN(40) - 20
			}
			f.Set(reflect.ValueOf(a))
		case *ir.Dim:
			f.Set(reflect.ValueOf(r.bound(wild)))
		case *ir.Dims:
			d := ir.MakeDims(r.typ(false).Shape)
			if wild && r.IntN(4) == 0 {
				d.Len, d.At[0] = r.IntN(40)-20, r.dim(true)
			}
			f.Set(reflect.ValueOf(d))
		default:
			panic("no random attribute of " + f.Type().String())
		}
	}
	return v.Interface().(ir.Op)
}

// node returns an op of the kind and operands that it may accept.
func (r draw) node(kind ir.Op) (ir.Op, []ir.Type) {
	in := make([]ir.Type, r.IntN(4))
	for i := range in {
		in[i] = r.typ(false)
		if i > 0 && r.IntN(2) == 0 {
			in[i] = in[0]
		}
	}
	switch kind.(type) {
	case ops.WeightedSquaredError: // a number and a bool of each row
		in = []ir.Type{r.typ(false), {}, {}, {}}
		if in[0].Rank() < 2 {
			in[0].Shape = append(in[0].Shape, r.dim(false), r.dim(false))
		}
		column := in[0].Shape.Clone()
		for i := 1; i < len(column); i++ {
			column[i] = ir.Fixed(1)
		}
		in[1], in[2], in[3] = in[0], ir.Type{DType: in[0].DType, Shape: column}, ir.T(ir.Bool, column...)
	case ops.GroupNorm, ops.InstanceNorm, ops.GroupNormGrad: // of channels, which others hardly ever meet
		in = []ir.Type{r.typ(false), {}, {}}
		if in[0].Rank() < 2 {
			in[0].Shape = append(in[0].Shape, r.dim(false), r.dim(false))
		}
		in[1], in[2] = in[0], ir.Type{DType: in[0].DType, Shape: in[0].Shape[1:2]}
		if r.IntN(2) == 0 {
			in[1] = in[2]
		}
	case ops.LayerNorm, ops.RMSNorm, ops.NormGrad: // of lines, half of the time
		if r.IntN(2) == 0 {
			break
		}
		x := ir.Type{DType: r.typ(false).DType, Shape: ir.Shape{r.dim(false), r.dim(false)}}
		scale := ir.Type{DType: x.DType, Shape: x.Shape[1:]}
		if in = []ir.Type{x, scale, scale}[:2+r.IntN(2)]; kind == (ops.NormGrad{}) {
			in = []ir.Type{x, x, scale}
		}
	case ops.Gather, ops.ScatterSum: // of as many rows as the indices of tensor reach
		x := ir.T(ir.I64, r.dim(false))
		if r.IntN(2) == 0 {
			x.Shape = append(x.Shape, r.dim(false))
		}
		row := ir.Shape{ir.Fixed(1 + r.IntN(3))}[r.IntN(2):]
		table := ir.Type{DType: r.typ(false).DType, Shape: append(ir.Shape{ir.Fixed(4 + r.IntN(3))}, row...)}
		if kind == (ops.Gather{}) {
			return kind, []ir.Type{table, x}
		}
		in = []ir.Type{{DType: table.DType, Shape: append(x.Shape.Clone(), row...)}, x, table}
		return ops.ScatterSum{Rows: table.Shape[0].Length()}, in[:2+r.IntN(2)]
	case ops.NormSums: // of matrices with two statistics
		x := ir.Type{DType: r.typ(false).DType, Shape: ir.Shape{r.dim(false), r.dim(false)}}
		in = []ir.Type{x, x, {DType: x.DType, Shape: ir.Shape{x.Shape[0], ir.Fixed(2 * (1 + r.IntN(2)))}}}
	}
	if op, in := r.convolution(kind); op != nil {
		return op, in
	}
	if op, in := r.channelsLast(kind); op != nil {
		return op, in
	}
	if in := r.ofChannels(kind); in != nil {
		return r.op(kind, false), in
	}
	op := r.op(kind, false)
	if p, ok := op.(ops.GemmPanels); ok { // of lengths that fit each other
		count, width := r.IntN(3), 1+r.IntN(4)
		k, m := r.dim(false), r.dim(false)
		p.Columns = max(count*width-r.IntN(width), 0)
		x := ir.T(ir.F32, m, k)
		in = []ir.Type{x, ir.T(ir.F32, ir.Fixed(count), k, ir.Fixed(width))}
		out := ir.T(ir.F32, m, ir.Fixed(p.Columns))
		if p.Masked {
			p.Relu = false
			in = append(in, out)
		}
		switch r.IntN(3) {
		case 0:
			in = append(in, out)
		case 1:
			in = append(in, ir.T(ir.F32, out.Shape[1]))
		}
		op = p
	}
	if p, ok := op.(ops.GemmBF16); ok { // of two dtypes
		x, w, out := ir.Shape{r.dim(false), r.dim(false)}, ir.Shape{{}, r.dim(false)}, ir.Shape{{}, {}}
		w[0], out[0], out[1] = x[1], x[0], w[1]
		if p.TransA {
			x[0], x[1] = x[1], x[0]
		}
		if p.TransB {
			w[0], w[1] = w[1], w[0]
		}
		in = []ir.Type{ir.T(ir.BF16, x...), ir.T(ir.BF16, w...)}
		if p.Masked {
			p.Relu = false
			in = append(in, ir.T(ir.F32, out...))
		}
		switch r.IntN(3) {
		case 0:
			in = append(in, ir.T(ir.F32, out...))
		case 1:
			in = append(in, ir.T(ir.F32, out[1]))
		}
		op = p
	}
	return op, in
}

// ofChannels returns operands of a normalisation of batches, nil for another op.
func (r draw) ofChannels(kind ir.Op) []ir.Type {
	switch kind.(type) {
	case ops.BatchNorm, ops.BatchNormTraining, ops.BatchMoments, ops.BatchApply, ops.BatchApplyRelu, ops.BatchNormSums, ops.BatchNormGrad:
	case ops.RowMoments, ops.RowDots, ops.JoinMoments, ops.JoinDots:
		return r.ofRows(kind)
	default:
		return nil
	}
	x := r.typ(false)
	x.Shape = append(ir.Shape{ir.Rows()}, x.Shape...)
	channel := ir.Type{DType: x.DType, Shape: ir.Shape{x.Shape[r.IntN(x.Rank())]}}
	sums := ir.Type{DType: ir.F64, Shape: channel.Shape}
	switch kind.(type) {
	case ops.BatchNorm, ops.BatchNormTraining:
		return []ir.Type{x, channel, channel, channel, channel}
	case ops.BatchMoments:
		return []ir.Type{x}
	case ops.BatchApply:
		return []ir.Type{x, channel, channel, sums, sums}
	case ops.BatchApplyRelu:
		return []ir.Type{x, channel, channel, sums, sums, x}[:5+r.IntN(2)]
	case ops.BatchNormSums:
		return []ir.Type{x, x, sums, sums}
	}
	return []ir.Type{x, x, channel, sums, sums, sums, sums}
}

// ofRows returns operands of the statistics of rows, and of what joins them.
func (r draw) ofRows(kind ir.Op) []ir.Type {
	d := []ir.DType{ir.F32, ir.F32, ir.F64}[r.IntN(3)]
	x := ir.Type{DType: d, Shape: ir.Shape{ir.Rows(), ir.Fixed(1 + r.IntN(3)), ir.Fixed(1 + r.IntN(3))}}
	rows, channels := ir.T(ir.F64, x.Shape[0], x.Shape[2]), ir.T(ir.F64, x.Shape[2])
	switch kind.(type) {
	case ops.RowMoments:
		return []ir.Type{x}
	case ops.RowDots:
		return []ir.Type{x, x, channels}
	case ops.JoinMoments:
		return []ir.Type{rows, rows}
	}
	return []ir.Type{rows, rows, channels}
}

func (r draw) tensor(t ir.Type, rows int) *ir.Tensor {
	d := t.DType.Reference()
	x := ir.NewTensor(d, t.Shape.At(ir.RowsOf(rows))...)
	for i := range x.Len() {
		switch d {
		case ir.F64:
			x.F64[i] = r.NormFloat64()
		case ir.I64:
			x.I64[i] = r.Int64N(7) - 3
		case ir.Bool:
			x.Bool[i] = r.IntN(2) == 0
		default:
			x.SetInt(i, r.Int64N(7)-3)
		}
	}
	return x
}

// TestInferNeverPanics feeds every op operands and attributes without sense.
func TestInferNeverPanics(t *testing.T) {
	r := draw{rand.New(rand.NewPCG(1, 2))}
	for _, kind := range ops.All() {
		refused := 0
		for range 3000 {
			op := r.op(kind, true)
			in := make([]ir.Type, r.IntN(5))
			for i := range in {
				in[i] = r.typ(true)
			}
			out, err := infer(t, op, in)
			if err != nil {
				refused++
				if out != nil || err.Error() == "" {
					t.Fatalf("%s(%v): a refusal must come with a message and no types", ir.FormatOp(kind), in)
				}
				continue
			}
			for _, o := range out {
				if o.DType.Size() == 0 || o.Rank() > ir.MaxRank || o.Shape.Least() < 0 || o.Shape.Least() > 1<<40 {
					t.Fatalf("%T%+v(%v) = %v", op, op, in, o)
				}
			}
		}
		if refused == 0 {
			t.Errorf("%s refuses nothing", kind.Name())
		}
	}
}

func infer(t *testing.T, op ir.Op, in []ir.Type) (out []ir.Type, err error) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%T%+v(%v): %v", op, op, in, p)
		}
	}()
	return op.Infer(in)
}

// TestRandomNodes draws nodes that Infer accepts and checks, for several batches,
// that evaluation gives the types inferred and leaves the operands alone, that a
// slice of the result reads no more than Split says, and that costs are sane.
func TestRandomNodes(t *testing.T) {
	for _, kind := range ops.All() {
		if ir.ReplacedBy(kind) != "" {
			continue // it has no evaluation
		}
		h := fnv.New64()
		h.Write([]byte(kind.Name()))
		r := draw{rand.New(rand.NewPCG(3, h.Sum64()))} // so that the draws of an op do not depend on which others there are
		accepted, split := 0, 0
		_, splits := kind.(ir.Splitter)
		for range 40000 {
			if accepted >= 60 && (split > 0 || !splits) { // what is drawn depends on the ops before, and few nodes of a norm's have slices
				break
			}
			op, in := r.node(kind)
			out, err := infer(t, op, in)
			if err != nil {
				continue
			}
			accepted++
			of := out[:1]
			if _, parts := op.(ir.Decomposer); len(out) != 1 && !parts && !ir.Joins(op) {
				if of = out; len(out) != 2 || !out[0].Shape.Equal(out[1].Shape) {
					t.Fatalf("%s gives %d results", kind.Name(), len(out))
				}
			}
			for _, rows := range []int{1, 2, 3} {
				for i := range of {
					split += checkNode(t, r, op, in, out, i, rows)
				}
			}
		}
		if accepted < 60 {
			t.Errorf("%s: only %d nodes of the draws were accepted", kind.Name(), accepted)
		}
		if splits && split == 0 {
			t.Errorf("%s: no slice was checked", kind.Name())
		}
	}
}

// checkNode checks one of a node's results.
func checkNode(t *testing.T, r draw, op ir.Op, in, outs []ir.Type, result, rows int) (split int) {
	t.Helper()
	out := outs[result]
	eval := func(t *testing.T, op ir.Op, env *ir.Env, types []ir.Type, in []*ir.Tensor) *ir.Tensor {
		t.Helper()
		return evalAll(t, op, env, types, in)[result]
	}
	env := &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: 2 * rows, Seed: 5}
	args, kept := make([]*ir.Tensor, len(in)), make([]*ir.Tensor, len(in))
	for i := range in {
		args[i] = r.tensor(in[i], rows)
		kept[i] = args[i].Clone()
	}
	y := eval(t, op, env, in, args)
	for i := range args {
		if d := opcase.Diff(args[i], kept[i], 0); d != "" {
			t.Fatalf("%s changes its operand %d: %s", ir.FormatOp(op), i+1, d)
		}
	}
	scribble(y)
	for i := range args {
		if d := opcase.Diff(args[i], kept[i], 0); d != "" {
			t.Fatalf("%s gives memory of its operand %d away: %s", ir.FormatOp(op), i+1, d)
		}
	}
	if _, ok := op.(ir.Decomposer); ok {
		checkDecomposition(t, op, env, in, args)
	}
	y = eval(t, op, env, in, args)
	want := out.DType.Reference()
	if y.DType != want || !slices.Equal(y.Shape, out.Shape.At(ir.RowsOf(rows))) || y.Check() != nil {
		t.Fatalf("%s(%v) with %d rows gives %v, inferred %v", ir.FormatOp(op), in, rows, y.Type(), out)
	}
	if f, b := op.(ir.Coster).Cost(in, outs, ir.RowsOf(rows)); f < 0 || b < 0 {
		t.Fatalf("%s(%v) costs %d flops and %d bytes", ir.FormatOp(op), in, f, b)
	}
	if p, ok := op.(ir.InPlacer); ok {
		if i, _ := p.InPlace(in); i >= len(in) {
			t.Fatalf("%s may overwrite operand %d of %d", ir.FormatOp(op), i, len(in))
		}
	}
	s, ok := op.(ir.Splitter)
	if !ok {
		return 0
	}
	access, ok := s.Split(in, outs[0])
	if !ok || y.Len() == 0 {
		return 0
	}
	if len(access) != len(in) {
		t.Fatalf("%s(%v): Split names %d operands", ir.FormatOp(op), in, len(access))
	}
	n := y.Shape[0]
	lo := r.IntN(n)
	hi := lo + 1 + r.IntN(n-lo)
	other := make([]*ir.Tensor, len(in))
	for i, x := range args {
		other[i] = outside(t, r, op, x, in[i], access[i], lo, hi, n, rows)
	}
	z := eval(t, op, env, in, other)
	row := y.Len() / n
	for i := lo * row; i < hi*row; i++ {
		if a, b := y.At(i), z.At(i); math.Float64bits(a) != math.Float64bits(b) {
			t.Fatalf("%s(%v) with %d rows: rows [%d, %d) read more than %v", ir.FormatOp(op), in, rows, lo, hi, access)
		}
	}
	return 1
}

// parts is an op by its decomposition alone.
type parts struct{ ir.Op }

// Decompose is the op's.
func (p parts) Decompose(b *ir.Builder, in []*ir.Value) []*ir.Value {
	return p.Op.(ir.Decomposer).Decompose(b, in)
}

// checkDecomposition holds an op's reference meaning to what it decomposes into.
func checkDecomposition(t *testing.T, op ir.Op, env *ir.Env, in []ir.Type, args []*ir.Tensor) {
	t.Helper()
	if _, both := op.(ir.Evaluator); !both {
		return
	}
	want, err := ir.EvalOp(env, op, in, args)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ir.EvalOp(env, parts{op}, in, args)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%s(%v) decomposes into %d results, %v", ir.FormatOp(op), in, len(got), err)
	}
	for i := range want {
		if d := opcase.Diff(got[i], want[i], 1e-9); d != "" {
			t.Fatalf("%s(%v): result %d of its decomposition: %s", ir.FormatOp(op), in, i+1, d)
		}
	}
}

// scribble changes every element.
func scribble(x *ir.Tensor) {
	for i := range x.F64 {
		x.F64[i]++
	}
	for i := range x.I64 {
		x.I64[i]++
	}
	for i := range x.Bool {
		x.Bool[i] = !x.Bool[i]
	}
	for i := range x.Raw {
		x.Raw[i]++
	}
}

// outside returns x with other elements wherever the access does not reach.
func outside(t *testing.T, r draw, op ir.Op, x *ir.Tensor, typ ir.Type, a ir.Access, lo, hi, n, rows int) *ir.Tensor {
	if a == ir.Whole {
		return x
	}
	axis := int(a) - int(ir.Axis0)
	if axis >= len(x.Shape) || x.Shape[axis] != n {
		t.Fatalf("%s: %v of an operand %v, but the result has %d rows", ir.FormatOp(op), a, x.Shape, n)
	}
	fresh, inner := r.tensor(typ, rows), ir.Elems(x.Shape[axis+1:])
	out := x.Clone()
	for i := range x.Len() {
		if k := i / inner % n; k >= lo && k < hi {
			continue
		}
		out.Part(i, i+1).Copy(0, fresh.Part(i, i+1))
	}
	return out
}

func eval(t *testing.T, op ir.Op, env *ir.Env, types []ir.Type, in []*ir.Tensor) *ir.Tensor {
	t.Helper()
	return evalAll(t, op, env, types, in)[0]
}

func evalAll(t *testing.T, op ir.Op, env *ir.Env, types []ir.Type, in []*ir.Tensor) []*ir.Tensor {
	t.Helper()
	out, err := ir.EvalOp(env, op, types, in)
	if err != nil {
		t.Fatalf("%s(%v): %v", ir.FormatOp(op), types, err)
	}
	return out
}
