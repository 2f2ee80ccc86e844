package engine

import (
	"encoding/binary"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/float16"
)

// castKernel converts elements of the types that kernels do not compute in to
// float32, each rounded once.
func castKernel(b *binding) (kernel, string) {
	if b.outT[0].DType != ir.F32 {
		return b.narrow()
	}
	le := binary.LittleEndian
	x := b.in[0]
	switch b.inT[0].DType {
	case ir.I64:
		return b.convert(func(dst []float32, at int) {
			for i, v := range x.i64[at:][:len(dst)] {
				dst[i] = float32(v)
			}
		})
	case ir.Bool:
		return b.convert(func(dst []float32, at int) {
			for i, v := range x.b[at:][:len(dst)] {
				dst[i] = 0
				if v {
					dst[i] = 1
				}
			}
		})
	case ir.U8:
		return b.convert(func(dst []float32, at int) { bytesToFloats(dst, x.raw[at:]) })
	case ir.I8:
		return b.convert(func(dst []float32, at int) {
			for i, v := range x.raw[at:][:len(dst)] {
				dst[i] = float32(int8(v))
			}
		})
	case ir.U16:
		return b.convert(func(dst []float32, at int) {
			for i := range dst {
				dst[i] = float32(le.Uint16(x.raw[2*(at+i):]))
			}
		})
	case ir.I16:
		return b.convert(func(dst []float32, at int) {
			for i := range dst {
				dst[i] = float32(int16(le.Uint16(x.raw[2*(at+i):])))
			}
		})
	case ir.U32:
		return b.convert(func(dst []float32, at int) {
			for i := range dst {
				dst[i] = float32(le.Uint32(x.raw[4*(at+i):]))
			}
		})
	case ir.I32:
		return b.convert(func(dst []float32, at int) {
			for i := range dst {
				dst[i] = float32(int32(le.Uint32(x.raw[4*(at+i):])))
			}
		})
	case ir.U64:
		return b.convert(func(dst []float32, at int) {
			for i := range dst {
				dst[i] = float32(le.Uint64(x.raw[8*(at+i):]))
			}
		})
	case ir.F16:
		return b.convert(func(dst []float32, at int) {
			for i := range dst {
				dst[i] = float16.Half(le.Uint16(x.raw[2*(at+i):]))
			}
		})
	case ir.BF16:
		return b.convert(func(dst []float32, at int) {
			for i := range dst {
				dst[i] = float16.Brain(le.Uint16(x.raw[2*(at+i):]))
			}
		})
	}
	return nil, ""
}

// convert is a kernel of f, which makes elements of the result from the number at.
func (b *binding) convert(f func(dst []float32, at int)) (kernel, string) {
	y, width := b.out[0], b.width(b.outT[0])
	return func(_ *ctx, lo, hi int) {
		w := *width
		f(y.f32[lo*w:hi*w], lo*w)
	}, "convert"
}

// narrowing returns what rounds the elements [from,to) of a float32 to a shorter type.
func (b *binding) narrowing() func(from, to int) {
	if b.inT[0].DType != ir.F32 {
		return nil
	}
	var round func(x float32) uint16
	switch b.outT[0].DType {
	case ir.F16:
		round = float16.HalfOf
	case ir.BF16:
		return b.brain()
	default:
		return nil
	}
	x, y := b.in[0], b.out[0]
	return func(from, to int) {
		for i, v := range x.f32[from:to] {
			binary.LittleEndian.PutUint16(y.raw[2*(from+i):], round(v))
		}
	}
}

// brain is narrowing to bfloat16, whose conversion is short enough to stand in the loop.
func (b *binding) brain() func(from, to int) {
	x, y := b.in[0], b.out[0]
	return func(from, to int) {
		src, dst := x.f32[from:to], y.raw[2*from:2*to]
		for i, v := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], float16.BrainOf(v))
		}
	}
}

// narrow is a kernel that makes a low-precision copy.
func (b *binding) narrow() (kernel, string) {
	f := b.narrowing()
	if f == nil {
		return nil, ""
	}
	width := b.width(b.outT[0])
	return func(_ *ctx, lo, hi int) { f(lo**width, hi**width) }, "narrow"
}

// followCast makes a low-precision copy of slices of an axis.
func (b *binding) followCast(axis int) follow {
	f := b.narrowing()
	if f == nil {
		return nil
	}
	s := b.inT[0].Shape
	outer, n, inner := s[:axis].Count(), s[axis].Length(), s[axis+1:].Count()
	return func(_ *ctx, lo, hi int) {
		for o := range outer {
			f((o*n+lo)*inner, (o*n+hi)*inner)
		}
	}
}

// floatOf holds the floats of all bytes: reading one is faster than converting.
var floatOf = func() (t [256]float32) {
	for i := range t {
		t[i] = float32(i)
	}
	return t
}()

func bytesToFloats(dst []float32, src []byte) {
	for ; len(dst) >= 8; dst, src = dst[8:], src[8:] {
		x, y := binary.LittleEndian.Uint64(src), dst[:8:8]
		y[0], y[1], y[2], y[3] = floatOf[byte(x)], floatOf[byte(x>>8)], floatOf[byte(x>>16)], floatOf[byte(x>>24)]
		y[4], y[5], y[6], y[7] = floatOf[byte(x>>32)], floatOf[byte(x>>40)], floatOf[byte(x>>48)], floatOf[byte(x>>56)]
	}
	for i := range dst {
		dst[i] = floatOf[src[i]]
	}
}
