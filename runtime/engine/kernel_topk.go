package engine

import (
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// topKKernel orders lines along the last axis: floats by a sort of keys that hold
// value and index, and a permutation, as ranks need, by its inverse.
func topKKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.TopK)
	if !ok || op.Axis != b.inT[0].Rank()-1 || op.Axis == 0 {
		return nil, ""
	}
	n := b.inT[0].Last()
	linesAt := b.e.sizes.elems(b.inT[0].Shape[1:op.Axis])
	x, y := b.in[0], b.out[0]
	switch {
	case b.inT[0].DType == ir.F32:
		return func(c *ctx, lo, hi int) {
			for lines, i := *linesAt, lo**linesAt; i < hi*lines; i++ {
				c.order(x.f32[i*n:][:n], y.i64[i*op.K:][:op.K], op.Largest)
			}
		}, "sort"
	case b.inT[0].DType == ir.I64 && op.K == n && !op.Largest:
		return func(_ *ctx, lo, hi int) {
			for lines, i := *linesAt, lo**linesAt; i < hi*lines; i++ {
				ascend(x.i64[i*n:][:n], y.i64[i*n:][:n])
			}
		}, "invert"
	}
	return nil, ""
}

// order sets dst to the indices of the first elements in order.
func (c *ctx) order(x []float32, dst []int64, largest bool) {
	if cap(c.keys) < len(x) {
		c.keys = make([]uint64, len(x))
	}
	keys := c.keys[:len(x)]
	for i, v := range x {
		k := uint32(math.MaxUint32) // NaN
		if v == v {
			k = math.Float32bits(v + 0) // -0 is 0
			if k>>31 != 0 {
				k = ^k
			} else {
				k |= 1 << 31
			}
		}
		if largest {
			k = ^k
		}
		keys[i] = uint64(k)<<32 | uint64(i)
	}
	slices.Sort(keys)
	for i := range dst {
		dst[i] = int64(uint32(keys[i]))
	}
}

// ascend sets dst to the indices of x in ascending order.
func ascend(x, dst []int64) {
	for i := range dst {
		dst[i] = -1
	}
	for i, v := range x {
		if v < 0 || v >= int64(len(dst)) || dst[v] >= 0 { // no permutation
			for j := range dst {
				dst[j] = int64(j)
			}
			slices.SortStableFunc(dst, func(a, b int64) int {
				switch {
				case x[a] < x[b]:
					return -1
				case x[a] > x[b]:
					return 1
				}
				return 0
			})
			return
		}
		dst[v] = int64(i)
	}
}
