package engine

import (
	"encoding/binary"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/float16"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// castKernel converts elements of the types that kernels do not compute in to float32,
// each rounded once, and float32 to the shorter floats.
func castKernel(b *binding) (kernel, string) {
	f, name := b.conversion()
	if f == nil {
		return nil, ""
	}
	width := b.width(b.outT[0])
	return func(_ *ctx, lo, hi int) { f(lo**width, hi**width) }, name
}

// followCast converts slices of an axis.
func (b *binding) followCast(axis int) follow {
	f, _ := b.conversion()
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

// conversion returns what converts the elements [from,to), and its name.
func (b *binding) conversion() (f func(from, to int), name string) {
	switch from, to := b.inT[0].DType, b.outT[0].DType; {
	case to == ir.F32:
		return b.widening(), "convert"
	case from == ir.F32 && to == ir.F16:
		x, y := b.in[0], b.out[0]
		return func(from, to int) {
			for i, v := range x.f32[from:to] {
				binary.LittleEndian.PutUint16(y.raw[2*(from+i):], float16.HalfOf(v))
			}
		}, "narrow"
	case from == ir.F32 && to == ir.BF16:
		x, y := b.in[0], b.out[0]
		return func(from, to int) {
			if littleEndian {
				simd.ToBF16(brains(y.raw[2*from:2*to]), x.f32[from:to])
				return
			}
			dst := y.raw[2*from : 2*to]
			for i, v := range x.f32[from:to] {
				binary.LittleEndian.PutUint16(dst[2*i:], float16.BrainOf(v))
			}
		}, "narrow"
	}
	return nil, ""
}

// widening returns what converts elements to float32, or nil for a type that it does not.
func (b *binding) widening() func(from, to int) {
	le := binary.LittleEndian
	x := b.in[0]
	switch b.inT[0].DType {
	case ir.I64:
		return b.convert(func(dst []float32, at int) {
			for i, v := range x.i64[at:][:len(dst)] {
				dst[i] = float32(v)
			}
		})
	case ir.F64:
		return b.convert(func(dst []float32, at int) {
			for i, v := range x.f64[at:][:len(dst)] {
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
	return nil
}

// convert calls f for elements of the result, from the number at on.
func (b *binding) convert(f func(dst []float32, at int)) func(from, to int) {
	y := b.out[0]
	return func(from, to int) { f(y.f32[from:to], from) }
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
