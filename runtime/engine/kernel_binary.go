package engine

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// binaryOp is the forms of an elementwise op of two operands.
type binaryOp struct {
	vector func(dst, a, b []float32)
	right  func(dst, a []float32, s float32) // a op s, nil if there is none
	left   func(dst, b []float32, s float32) // s op b
}

func binaryOps(op ir.Op) (binaryOp, bool) {
	switch op.(type) {
	case ops.Add:
		return binaryOp{simd.Add, simd.AddScalar, simd.AddScalar}, true
	case ops.Sub:
		return binaryOp{simd.Sub, func(dst, a []float32, s float32) { simd.AddScalar(dst, a, -s) }, nil}, true
	case ops.Mul:
		return binaryOp{simd.Mul, simd.MulScalar, simd.MulScalar}, true
	case ops.Div:
		return binaryOp{simd.Div, nil, nil}, true
	case ops.Max:
		return binaryOp{simd.Max, nil, nil}, true
	case ops.Min:
		return binaryOp{simd.Min, nil, nil}, true
	case ops.Pow:
		return binaryOp{pow, powScalar, nil}, true
	case ops.ReluGrad:
		return binaryOp{simd.ReluGrad, nil, nil}, true
	case ops.SigmoidGrad:
		return binaryOp{simd.SigmoidGrad, nil, nil}, true
	case ops.TanhGrad:
		return binaryOp{simd.TanhGrad, nil, nil}, true
	}
	return binaryOp{}, false
}

func pow(dst, a, b []float32) {
	for i := range dst {
		dst[i] = float32(math.Pow(float64(a[i]), float64(b[i])))
	}
}

// powScalar multiplies for a square, which is the correctly rounded power.
func powScalar(dst, a []float32, s float32) {
	if s == 2 {
		simd.Mul(dst, a, a)
		return
	}
	for i := range dst {
		dst[i] = float32(math.Pow(float64(a[i]), float64(s)))
	}
}

// binaryKernel is an elementwise op of two operands, either broadcast.
func binaryKernel(b *binding) (kernel, string) {
	op, ok := binaryOps(b.s.Op)
	if !ok || !b.all(ir.F32) {
		return nil, ""
	}
	x, ok1 := b.reader(0)
	y, ok2 := b.reader(1)
	if !ok1 || !ok2 {
		return nil, ""
	}
	out, width := b.out[0], b.width(b.outT[0])
	narrow, _ := fixedWidth(b.outT[0])
	switch {
	case x.how == same && y.how == same || narrow == 1 && x.unit != nil && y.unit != nil:
		return func(_ *ctx, lo, hi int) {
			lo, hi = lo**width, hi**width
			op.vector(out.f32[lo:hi], x.v.f32[lo:hi], y.v.f32[lo:hi])
		}, "vector"
	case x.how == same && y.how == scalar && op.right != nil:
		return func(_ *ctx, lo, hi int) {
			lo, hi = lo**width, hi**width
			op.right(out.f32[lo:hi], x.v.f32[lo:hi], y.v.f32[0])
		}, "vector_scalar"
	case y.how == same && x.how == scalar && op.left != nil:
		return func(_ *ctx, lo, hi int) {
			lo, hi = lo**width, hi**width
			op.left(out.f32[lo:hi], y.v.f32[lo:hi], x.v.f32[0])
		}, "scalar_vector"
	case x.how == same && (y.how == column || y.how == scalar) && op.right != nil:
		return func(_ *ctx, lo, hi int) {
			w := *width
			for u := lo; u < hi; u++ {
				op.right(out.f32[u*w:][:w], x.v.f32[u*w:][:w], y.v.f32[y.at(u)])
			}
		}, "vector_column"
	}
	b.needs(2 * inner(b.outT[0]).ElemsAt(b.p.Capacity))
	return func(c *ctx, lo, hi int) {
		w := *width
		tmp := c.scratch(2 * w)
		for u := lo; u < hi; u++ {
			op.vector(out.f32[u*w:][:w], x.part(u, w, tmp), y.part(u, w, tmp[w:]))
		}
	}, "vector_rows"
}

// compareKernel is a comparison of two float operands.
func compareKernel(b *binding) (kernel, string) {
	if b.inT[0].DType == ir.I64 && b.inT[1].DType == ir.I64 {
		return compareInts(b)
	}
	if b.inT[0].DType != ir.F32 || b.inT[1].DType != ir.F32 {
		return nil, ""
	}
	x, ok1 := b.reader(0)
	y, ok2 := b.reader(1)
	if !ok1 || !ok2 {
		return nil, ""
	}
	var f func(dst []bool, a, b []float32)
	switch b.s.Op.(type) {
	case ops.Greater:
		f = func(dst []bool, a, b []float32) {
			a, b = a[:len(dst)], b[:len(dst)]
			for i := range dst {
				dst[i] = a[i] > b[i]
			}
		}
	case ops.Less:
		f = func(dst []bool, a, b []float32) {
			a, b = a[:len(dst)], b[:len(dst)]
			for i := range dst {
				dst[i] = a[i] < b[i]
			}
		}
	default:
		f = func(dst []bool, a, b []float32) {
			a, b = a[:len(dst)], b[:len(dst)]
			for i := range dst {
				dst[i] = a[i] == b[i]
			}
		}
	}
	out, width := b.out[0], b.width(b.outT[0])
	b.needs(2 * inner(b.outT[0]).ElemsAt(b.p.Capacity))
	return func(c *ctx, lo, hi int) {
		w := *width
		tmp := c.scratch(2 * w)
		for u := lo; u < hi; u++ {
			f(out.b[u*w:][:w], x.part(u, w, tmp), y.part(u, w, tmp[w:]))
		}
	}, "compare"
}

// compareInts compares integers, one by one.
func compareInts(b *binding) (kernel, string) {
	x, ok1 := b.reader(0)
	y, ok2 := b.reader(1)
	if !ok1 || !ok2 || !x.indexed() || !y.indexed() {
		return nil, ""
	}
	var f func(a, b int64) bool
	switch b.s.Op.(type) {
	case ops.Greater:
		f = func(a, b int64) bool { return a > b }
	case ops.Less:
		f = func(a, b int64) bool { return a < b }
	default:
		f = func(a, b int64) bool { return a == b }
	}
	out, width := b.out[0], b.width(b.outT[0])
	return func(_ *ctx, lo, hi int) {
		w := *width
		for u := lo; u < hi; u++ {
			p, q := x.at(u), y.at(u)
			for j := range w {
				out.b[u*w+j] = f(x.v.i64[p+x.index(j)], y.v.i64[q+y.index(j)])
			}
		}
	}, "compare_ints"
}

// whereKernel chooses between two float operands.
func whereKernel(b *binding) (kernel, string) {
	if b.outT[0].DType != ir.F32 {
		return nil, ""
	}
	cond, ok0 := b.reader(0)
	x, ok1 := b.reader(1)
	y, ok2 := b.reader(2)
	if !ok0 || !ok1 || !ok2 {
		return nil, ""
	}
	out, width := b.out[0], b.width(b.outT[0])
	b.needs(2 * inner(b.outT[0]).ElemsAt(b.p.Capacity))
	return func(c *ctx, lo, hi int) {
		w := *width
		tmp := c.scratch(2 * w)
		for u := lo; u < hi; u++ {
			cond.choose(out.f32[u*w:][:w], u, x.part(u, w, tmp), y.part(u, w, tmp[w:]))
		}
	}, "where"
}

// choose takes the elements of p where the condition r meets unit u with true, and
// those of q elsewhere. Elements that meet one condition are copied.
func (r *reader) choose(dst []float32, u int, p, q []float32) {
	if len(dst) == 0 {
		return
	}
	cond := r.v.b[r.at(u):]
	switch r.how {
	case same, row:
		choose(dst, cond, p, q)
	case scatter:
		r.each(len(dst), func(at, count, from, step int) {
			if step == 0 {
				pick(dst[at:at+count], cond[from], p[at:], q[at:])
				return
			}
			for j := range count {
				pick(dst[at+j:at+j+1], cond[from+j*step], p[at+j:], q[at+j:])
			}
		})
	default:
		pick(dst, cond[0], p, q)
	}
}

// pick copies p if ok and else q.
func pick(dst []float32, ok bool, p, q []float32) {
	if !ok {
		p = q
	}
	copy(dst, p)
}

// choose takes p where cond holds and q elsewhere, without a branch, which would
// be guessed wrong half of the time.
func choose(dst []float32, cond []bool, p, q []float32) {
	cond, p, q = cond[:len(dst)], p[:len(dst)], q[:len(dst)]
	for i, ok := range cond {
		var one uint32
		if ok {
			one = 1
		}
		x, y := math.Float32bits(p[i]), math.Float32bits(q[i])
		dst[i] = math.Float32frombits(y ^ (x^y)&-one)
	}
}
