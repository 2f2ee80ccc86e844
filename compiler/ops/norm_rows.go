package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Statistics of the batch in two steps, for images in a plan: those of each row, where its
// elements are made and still in the cache, and of these those of all rows of the update.

// RowMoments is the means of x [N … C] over the axes between, and the sums of squared
// deviations from them, of each row: twice f64[N C].
type RowMoments struct{ lastOp }

// RowDots is for each row and channel the sum of dy [N … C], and that of dy times x less the
// channel's mean, of means [C]: twice f64[N C].
type RowDots struct{ lastOp }

// JoinMoments is of means and squared deviations [N C] of rows those of all rows of the
// update together: twice f64[C]. A row has Each elements of a channel.
type JoinMoments struct {
	lastOp
	Each int `attr:"each"`
}

// JoinDots is the sums over all rows of the update of what RowDots gives, the second divided by
// the deviation that squares, sums of squared deviations [C], give: the BatchNormSums. A row
// has Each elements of a channel.
type JoinDots struct {
	lastOp
	Each    int     `attr:"each"`
	Epsilon float64 `attr:"epsilon"`
}

// Name returns RowMoments.
func (RowMoments) Name() string { return "RowMoments" }

// Name returns RowDots.
func (RowDots) Name() string { return "RowDots" }

// Name returns JoinMoments.
func (JoinMoments) Name() string { return "JoinMoments" }

// Name returns JoinDots.
func (JoinDots) Name() string { return "JoinDots" }

// rowSums returns the type of a number for each row and channel of x.
func rowSums(in []ir.Type, names []string, whole int) ([]ir.Type, error) {
	if _, err := inferBatchNorm(in, names, whole, in[0].Rank()-1, 0); err != nil {
		return nil, err
	}
	x := in[0]
	if x.Rank() < 3 {
		return nil, fmt.Errorf("%s must have axes between rows and channels %s", names[0], describe(in, names))
	}
	sums := ir.T(ir.F64, x.Shape[0], x.Shape[x.Rank()-1])
	return []ir.Type{sums, sums}, nil
}

// Infer returns twice f64[N C].
func (RowMoments) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := operands(in, "x"); err != nil {
		return nil, err
	}
	if in[0].Rank() == 0 {
		return nil, fmt.Errorf("x must have rows, got %v", in[0])
	}
	return rowSums(in, []string{"x"}, 1)
}

// Infer returns twice f64[N C].
func (RowDots) Infer(in []ir.Type) ([]ir.Type, error) {
	names := []string{"dy", "x", "Mean"}
	if err := operands(in, names...); err != nil {
		return nil, err
	}
	if in[0].Rank() == 0 {
		return nil, fmt.Errorf("dy must have rows %s", describe(in, names))
	}
	return rowSums(in, names, 2)
}

// channelsOfRows checks statistics of rows and returns those of channels.
func channelsOfRows(in []ir.Type, names []string, each int) ([]ir.Type, error) {
	if err := operands(in, names...); err != nil {
		return nil, err
	}
	x := in[0]
	if x.DType != ir.F64 || x.Rank() != 2 || !x.Shape.RowWise() || !in[1].Equal(x) {
		return nil, fmt.Errorf("%s and %s must be f64, a row of channels for each row of the update %s", names[0], names[1], describe(in, names))
	}
	c, known := x.Shape[1].Known()
	if !known || c < 1 {
		return nil, fmt.Errorf("channels must be known %s", describe(in, names))
	}
	if each < 1 || each > maxElems {
		return nil, fmt.Errorf("each is %d, it must be from 1 to %d", each, maxElems)
	}
	sums := ir.T(ir.F64, x.Shape[1])
	if len(in) > 2 && !in[2].Equal(sums) {
		return nil, fmt.Errorf("%s must be %v %s", names[2], sums, describe(in, names))
	}
	return []ir.Type{sums, sums}, nil
}

// Infer returns twice f64[C].
func (op JoinMoments) Infer(in []ir.Type) ([]ir.Type, error) {
	return channelsOfRows(in, []string{"mean", "squares"}, op.Each)
}

// Infer returns twice f64[C].
func (op JoinDots) Infer(in []ir.Type) ([]ir.Type, error) {
	out, err := channelsOfRows(in, []string{"sum", "along", "squares"}, op.Each)
	if err == nil {
		err = checkEpsilon(op.Epsilon, ir.T(ir.F32))
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// eachRow calls f for each row of elements by channel.
func eachRow(x *ir.Tensor, f func(row int, ch byChannel)) {
	ch := channelsOf(x.Shape[1:], len(x.Shape)-2)
	for i := range x.Shape[0] {
		f(i, ch)
	}
}

// Eval is the reference meaning.
func (RowMoments) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	x := in[0]
	c := x.Shape[len(x.Shape)-1]
	mean, squares := ir.NewTensor(ir.F64, x.Shape[0], c), ir.NewTensor(ir.F64, x.Shape[0], c)
	eachRow(x, func(i int, ch byChannel) {
		n := ch.outer * ch.channels
		m, s := mean.F64[i*c:][:c], squares.F64[i*c:][:c]
		for j, v := range x.F64[i*n:][:n] {
			m[ch.of(j)] += v / float64(ch.outer)
		}
		for j, v := range x.F64[i*n:][:n] {
			d := v - m[ch.of(j)]
			s[ch.of(j)] += d * d
		}
	})
	return []*ir.Tensor{mean, squares}, nil
}

// Eval is the reference meaning.
func (RowDots) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	x := in[1]
	c := x.Shape[len(x.Shape)-1]
	sum, along := ir.NewTensor(ir.F64, x.Shape[0], c), ir.NewTensor(ir.F64, x.Shape[0], c)
	eachRow(x, func(i int, ch byChannel) {
		n := ch.outer * ch.channels
		for j, dy := range in[0].F64[i*n:][:n] {
			k := ch.of(j)
			sum.F64[i*c+k] += dy
			along.F64[i*c+k] += dy * (x.F64[i*n+j] - in[2].F64[k])
		}
	})
	return []*ir.Tensor{sum, along}, nil
}

// Eval is the reference meaning, of the rows that are there.
func (op JoinMoments) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	rows, c := in[0].Shape[0], in[0].Shape[1]
	mean, squares := ir.NewTensor(ir.F64, c), ir.NewTensor(ir.F64, c)
	for i := range rows {
		op.Merge([][]float64{mean.F64, squares.F64}, [][]float64{in[0].F64[i*c:][:c], in[1].F64[i*c:][:c]}, i, 1, nil, ir.Binding{})
	}
	return []*ir.Tensor{mean, squares}, nil
}

// Eval is the reference meaning, of the rows that are there.
func (op JoinDots) Eval(env *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	rows, c := in[0].Shape[0], in[0].Shape[1]
	sum, along := ir.NewTensor(ir.F64, c), ir.NewTensor(ir.F64, c)
	for i := range rows {
		for k := range c {
			sum.F64[k] += in[0].F64[i*c+k]
			along.F64[k] += in[1].F64[i*c+k]
		}
	}
	if env.UpdateRows > 0 {
		rows = env.UpdateRows
	}
	for k := range c {
		along.F64[k] *= op.Inverse(in[2].F64[k], rows)
	}
	return []*ir.Tensor{sum, along}, nil
}

// Inverse is one over the deviation that squared deviations of so many rows give.
func (op JoinDots) Inverse(squares float64, rows int) float64 {
	return inverseDeviation(squares, float64(rows)*float64(op.Each), op.Epsilon)
}

// Sizes is the rows of the update, whose moments they are.
func (JoinDots) Sizes() ir.Shape { return ir.Shape{ir.Rows()} }

// Split states that rows stay apart.
func (RowMoments) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitLast(in, 1) }

// Split states that rows stay apart.
func (RowDots) Split(in []ir.Type, _ ir.Type) ([]ir.Access, bool) { return splitLast(in, 2) }

// Split makes each channel of that channel.
func (JoinMoments) Split([]ir.Type, ir.Type) ([]ir.Access, bool) {
	return []ir.Access{ir.Axis1, ir.Axis1}, true
}

// Split makes each channel of that channel.
func (JoinDots) Split([]ir.Type, ir.Type) ([]ir.Access, bool) {
	return []ir.Access{ir.Axis1, ir.Axis1, ir.Axis0}, true
}

// MixesRows states that rows stay apart.
func (RowMoments) MixesRows([]ir.Type) bool { return false }

// MixesRows states that rows stay apart.
func (RowDots) MixesRows([]ir.Type) bool { return false }

// MixesRows states that the results are of all rows.
func (JoinMoments) MixesRows([]ir.Type) bool { return true }

// MixesRows states that the results are of all rows.
func (JoinDots) MixesRows([]ir.Type) bool { return true }

// JoinsRows states that they are of all rows of the update. One element has no variance.
func (op JoinMoments) JoinsRows([]ir.Type) (least int) { return fewest(op.Each) }

// JoinsRows states that they are of all rows of the update.
func (op JoinDots) JoinsRows([]ir.Type) (least int) { return fewest(op.Each) }

func fewest(each int) int {
	if each > 1 {
		return 1
	}
	return 2
}

// Merge joins means and squared deviations of two runs of rows (Chan, Golub and LeVeque
// 1979).
func (op JoinMoments) Merge(x, y [][]float64, nx, ny int, _ []ir.Type, _ ir.Binding) {
	mergeMoments(x, y, nx, ny, float64(op.Each))
}

// mergeMoments makes x the means and squared deviations of nx rows and of the ny rows of y
// behind them, each row having so many elements of a channel.
func mergeMoments(x, y [][]float64, nx, ny int, each float64) {
	if ny == 0 {
		return
	}
	if nx == 0 {
		copy(x[0], y[0])
		copy(x[1], y[1])
		return
	}
	a, b := float64(nx)*each, float64(ny)*each
	for c, m := range x[0] {
		d := y[0][c] - m
		x[0][c] = m + d*(b/(a+b))
		x[1][c] = x[1][c] + y[1][c] + d*d*(a*b/(a+b))
	}
}

// Merge adds.
func (JoinDots) Merge(x, y [][]float64, nx, ny int, in []ir.Type, at ir.Binding) {
	BatchNormSums{}.Merge(x, y, nx, ny, in, at)
}

// Cost counts five operations for each element.
func (RowMoments) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 5 * count(in, at), traffic(in, out, at)
}

// Cost counts four operations for each element.
func (RowDots) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 4 * count(in[:1], at), traffic(in, out, at)
}

// Cost counts eight operations for each row and channel.
func (JoinMoments) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 8 * count(in[:1], at), traffic(in, out, at)
}

// Cost counts two operations for each row and channel.
func (JoinDots) Cost(in, out []ir.Type, at ir.Binding) (flops, bytes int64) {
	return 2 * count(in[:1], at), traffic(in, out, at)
}
