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
		return nil, ""
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
