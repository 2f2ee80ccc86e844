package engine

import (
	"math"
	"math/bits"
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
		keys[i] = keyOf(v, i, largest)
	}
	slices.Sort(keys)
	for i := range dst {
		dst[i] = int64(uint32(keys[i]))
	}
}

// keyOf returns a number that has the place of element i in an order: by value, then by
// index.
func keyOf(v float32, i int, largest bool) uint64 {
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
	return uint64(k)<<32 | uint64(i)
}

// kSparseKernel keeps the elements up to the k-th in order, which is found without
// putting the others in order.
func kSparseKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.KSparse)
	rank := b.inT[0].Rank()
	if !ok || b.inT[0].DType != ir.F32 || rank < 2 {
		return nil, ""
	}
	n := b.inT[0].Last()
	linesAt := b.e.sizes.elems(b.inT[0].Shape[1 : rank-1])
	x, v, y := b.in[0], b.in[1], b.out[0]
	return func(c *ctx, lo, hi int) {
		for lines, i := *linesAt, lo**linesAt; i < hi*lines; i++ {
			c.keep(x.f32[i*n:][:n], v.f32[i*n:][:n], y.f32[i*n:][:n], op.K)
		}
	}, "select"
}

// keep sets dst to v where x is one of the k greatest, and to 0 elsewhere. The three may
// be one.
func (c *ctx) keep(x, v, dst []float32, k int) {
	if cap(c.keys) < len(x) {
		c.keys = make([]uint64, len(x))
	}
	keys := c.keys[:len(x)]
	for i, v := range x {
		keys[i] = keyOf(v, i, true)
	}
	last := nth(keys, k-1)
	for i := range dst {
		if keyOf(x[i], i, true) <= last {
			dst[i] = v[i]
		} else {
			dst[i] = 0
		}
	}
}

// nth returns the key that would be at k if the keys, all different, were in order. It
// moves them about. Halves that shrink too slowly are put in order instead, so that
// no row takes quadratic time.
func nth(keys []uint64, k int) uint64 {
	for rounds := 2 * bits.Len(uint(len(keys))); len(keys) > 12; rounds-- {
		if rounds == 0 {
			break
		}
		a, b, c := keys[0], keys[len(keys)/2], keys[len(keys)-1]
		pivot := max(min(a, b), min(max(a, b), c))
		i, j := 0, len(keys)-1
		for i <= j {
			for keys[i] < pivot {
				i++
			}
			for keys[j] > pivot {
				j--
			}
			if i <= j {
				keys[i], keys[j] = keys[j], keys[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			keys = keys[:j+1]
		case k >= i:
			keys, k = keys[i:], k-i
		default:
			return keys[k]
		}
	}
	slices.Sort(keys)
	return keys[k]
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
