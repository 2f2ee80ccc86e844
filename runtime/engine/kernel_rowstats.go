package engine

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// wideColumns is how many columns a kernel that goes by columns takes at a time, where it can
// take several pixels as one row.
const wideColumns = 256

// abreast returns how many pixels of n channels are taken as one row.
func abreast(n int) int { return max(1, wideColumns/n) }

// repeated writes each list of n numbers into dst, so many times in a row.
func repeated(dst []float32, n, times int, lists ...[]float32) {
	for i, l := range lists {
		at := dst[i*n*times:][:n*times]
		for j := 0; j < len(at); j += n {
			copy(at[j:], l[:n])
		}
	}
}

// pixelDots sets sum to the sums of dy over pixels of one row, and along to those of dy times x
// less shift, by channel. With a nil dy it is x less shift. tmp holds 3*n*abreast(n) numbers.
func pixelDots(dy, x []float32, pixels, n int, shift []float32, sum, along []float64, tmp []float32) {
	p := abreast(n)
	cols := n * p
	s, a, wide := tmp[:cols], tmp[cols:2*cols], tmp[2*cols:3*cols]
	repeated(wide, n, p, shift)
	clear(sum)
	clear(along)
	part := func(from, rows, cols int) {
		clear(s[:cols])
		clear(a[:cols])
		var g []float32
		if dy != nil {
			g = dy[from:]
		}
		simd.ColumnDots(rows, cols, g, x[from:], cols, wide[:cols], s[:cols], a[:cols])
		for j := 0; j < cols; j += n {
			for i := range n {
				sum[i] += float64(s[j+i])
				along[i] += float64(a[j+i])
			}
		}
	}
	rows := pixels / p
	for r := 0; r < rows; r += dotBlock {
		part(r*cols, min(dotBlock, rows-r), cols)
	}
	if rest := pixels - rows*p; rest > 0 {
		part(rows*cols, rest, n)
	}
}

// sumColumns is how many columns pixelSums takes at a time: as many as the registers of a kernel hold, so that it goes
// through memory in order.
const sumColumns = 64

// pixelSums sets dst to the sums or means of pixels of n channels; with y, what is added is what ReluGrad makes of x and y.
// Where that many columns hold several pixels, they are one row. So many rows as dotBlock are added in float32, these sums
// in float64.
func pixelSums(x, y []float32, pixels, n int, dst []float32, mean bool) {
	over := 1.0
	if mean {
		over = float64(pixels)
	}
	p := max(1, sumColumns/n)
	rows, ld := pixels/p, n*p
	for first := 0; first < n; first += sumColumns {
		m := min(n-first, sumColumns)
		var sum [sumColumns]float64
		part := func(at, rows, cols, ld int) {
			var tmp [sumColumns]float32
			if y == nil {
				simd.ColumnSums(rows, cols, x[at:], ld, tmp[:], true)
			} else {
				simd.ColumnSumsReluGrad(rows, cols, x[at:], y[at:], ld, tmp[:], true)
			}
			for j := 0; j < cols; j += m {
				for i, v := range tmp[j : j+m] {
					sum[i] += float64(v)
				}
			}
		}
		for r := 0; r < rows; r += dotBlock {
			part(r*ld+first, min(dotBlock, rows-r), m*p, ld)
		}
		if rest := pixels - rows*p; rest > 0 {
			part(rows*ld+first, rest, m, n)
		}
		for i := range m {
			dst[first+i] = float32(sum[i] / over)
		}
	}
}

// reluGradSumsKernel adds the pixels of images under a mask.
func reluGradSumsKernel(b *binding) (kernel, string) {
	n, pixels, ok := pixelsOf(b.inT[0])
	if !ok || !b.all(ir.F32) || n < 1 {
		return nil, ""
	}
	dy, y, sums := b.in[0], b.in[1], b.out[0]
	return func(_ *ctx, lo, hi int) {
		for i, each := lo, n*pixels; i < hi; i++ {
			pixelSums(dy.f32[i*each:][:each], y.f32[i*each:][:each], pixels, n, sums.f32[i*n:][:n], false)
		}
	}, "row_sums_relu_grad"
}

// rowMomentsKernel is means and squared deviations of each row, in two passes: the second is
// around what the first one found.
func rowMomentsKernel(b *binding) (kernel, string) {
	if b.inT[0].DType != ir.F32 {
		return nil, ""
	}
	n, pixels, ok := pixelsOf(b.inT[0])
	if !ok {
		return nil, ""
	}
	x, means, squares := b.in[0], b.out[0], b.out[1]
	p := abreast(n)
	b.needs(n + 3*n*p)
	return func(c *ctx, lo, hi int) {
		tmp := c.scratch(n + 3*n*p)
		shift, tmp := tmp[:n], tmp[n:]
		for r := lo; r < hi; r++ {
			row := x.f32[r*n*pixels:][:n*pixels]
			m, q := means.f64[r*n:][:n], squares.f64[r*n:][:n]
			roughMeans(row, pixels, n, shift, tmp)
			pixelDots(nil, row, pixels, n, shift, m, q, tmp)
			for i, s := range m {
				m[i] = float64(shift[i]) + s/float64(pixels)
				q[i] = max(q[i]-s*s/float64(pixels), 0*q[i]) // NaN stays
			}
		}
	}, "columns"
}

// roughMeans sets mean to nearly the means of pixels.
func roughMeans(x []float32, pixels, n int, mean, tmp []float32) {
	p := abreast(n)
	rows, cols := pixels/p, n*p
	clear(mean)
	if rows > 0 {
		simd.ColumnSums(rows, cols, x, cols, tmp[:cols], false)
		for j := 0; j < cols; j += n {
			simd.Add(mean, mean, tmp[j:j+n])
		}
	}
	if rest := pixels - rows*p; rest > 0 {
		simd.ColumnSums(rest, n, x[rows*cols:], n, tmp[:n], false)
		simd.Add(mean, mean, tmp[:n])
	}
	simd.MulScalar(mean, mean, 1/float32(pixels))
}

// pixelsOf returns the channels and the pixels of images [N … C].
func pixelsOf(t ir.Type) (channels, pixels int, ok bool) {
	if t.Rank() < 3 || t.Shape[1:].Symbolic() {
		return 0, 0, false
	}
	return t.Shape[t.Rank()-1].Length(), t.Shape[1 : t.Rank()-1].Count(), true
}

// rowDotsKernel is the sums of dy, and of dy times x less the mean, of each row.
func rowDotsKernel(b *binding) (kernel, string) {
	if b.inT[0].DType != ir.F32 {
		return nil, ""
	}
	n, pixels, ok := pixelsOf(b.inT[0])
	if !ok {
		return nil, ""
	}
	dy, x, means, sums, alongs := b.in[0], b.in[1], b.in[2], b.out[0], b.out[1]
	p := abreast(n)
	b.needs(n + 3*n*p)
	return func(c *ctx, lo, hi int) {
		tmp := c.scratch(n + 3*n*p)
		shift, tmp := tmp[:n], tmp[n:]
		for i := range shift {
			shift[i] = float32(means.f64[i])
		}
		for r := lo; r < hi; r++ {
			at := r * n * pixels
			s, a := sums.f64[r*n:][:n], alongs.f64[r*n:][:n]
			pixelDots(dy.f32[at:at+n*pixels], x.f32[at:at+n*pixels], pixels, n, shift, s, a, tmp)
			for i := range a {
				a[i] -= s[i] * (means.f64[i] - float64(shift[i]))
			}
		}
	}, "columns"
}

// joinMomentsKernel joins the moments of rows in their order.
func joinMomentsKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.JoinMoments)
	if !ok {
		return nil, ""
	}
	n, means, squares := b.inT[0].Shape[1].Length(), b.in[0], b.in[1]
	return b.joined(func(_ *ctx, from, to, lo, hi int, dst [][]float64) {
		clear(dst[0])
		clear(dst[1])
		var row [2][]float64
		for r := from; r < to; r++ {
			row[0], row[1] = means.f64[r*n+lo:r*n+hi], squares.f64[r*n+lo:r*n+hi]
			op.Merge(dst, row[:], r-from, 1, nil, ir.Binding{})
		}
	}), "rows"
}

// joinDotsKernel adds the sums of rows in their order.
func joinDotsKernel(b *binding) (kernel, string) {
	op, ok := b.s.Op.(ops.JoinDots)
	if !ok {
		return nil, ""
	}
	n, sums, alongs, squares, e := b.inT[0].Shape[1].Length(), b.in[0], b.in[1], b.in[2], b.e
	return b.joined(func(_ *ctx, from, to, lo, hi int, dst [][]float64) {
		clear(dst[0])
		clear(dst[1])
		for r := from; r < to; r++ {
			for i := lo; i < hi; i++ {
				dst[0][i-lo] += sums.f64[r*n+i]
				dst[1][i-lo] += alongs.f64[r*n+i]
			}
		}
		for i := lo; i < hi; i++ {
			dst[1][i-lo] *= op.Inverse(squares.f64[i], e.env.UpdateRows)
		}
	}), "rows"
}
