package ops

import "github.com/lamina-ml/lamina/compiler/ir"

// Draws calls f for runs of elements of a value of shape s whose draws have
// numbers that follow each other: count elements from at on, the first of which
// has the number first. They are those of the slice [lo,hi) of axis 0, and at is
// counted from its first element.
//
// A draw has the number of its element where every symbolic length is at its
// capacity, but for rows on axis 0: these are numbered from FirstRow on, and the
// other rows of an update have numbers of their own. So neither padding nor the
// division of an update moves a mask, and that of a value without rows is the same
// in all of its parts.
func Draws(env *ir.Env, s ir.Shape, lo, hi int, f func(at, count int, first uint64)) {
	if len(s) == 0 {
		f(0, 1, 0)
		return
	}
	b, c := env.Binding, env.Capacity
	if c == (ir.Binding{}) {
		c = b
	}
	unit, times := s[0].Unit()
	if !unit.Symbolic() {
		unit = ir.Fixed(1)
	}
	// A unit of axis 0 has the elements of times and of the inner axes.
	var own, most [ir.MaxRank]int
	own[0], most[0] = times.At(b), times.At(c)
	for i, d := range s[1:] {
		own[i+1], most[i+1] = d.At(b), d.At(c)
	}
	width, row := 1, 1 // elements of an index of axis 0; draws of a row
	for i := range s {
		row *= most[i]
		if i > 0 {
			width *= own[i]
		}
	}
	if unit != ir.Rows() && s.Has(ir.Batch) {
		row = max(row*unit.At(c)/max(c.Rows(), 1), 1)
	}
	base := uint64(0)
	if s.Has(ir.Batch) {
		base = uint64(env.FirstRow) * uint64(row)
	}
	// The axes behind the last one that is not at its capacity are one run.
	run, last := 1, len(s)-1
	for last >= 0 {
		run *= own[last]
		if own[last] != most[last] {
			break
		}
		last--
	}
	if run == 0 {
		return
	}
	first, end := lo*width, hi*width
	for at := first; at < end; {
		// The place of element at, and its number.
		rest, number, scale := at, uint64(0), uint64(1)
		for i := len(s) - 1; i >= 0; i-- {
			n := max(own[i], 1)
			number += uint64(rest%n) * scale
			rest /= n
			scale *= uint64(most[i])
		}
		number += uint64(rest) * scale
		count := end - at
		if last >= 0 {
			count = min(count, run-at%run)
		}
		f(at-first, count, base+number)
		at += count
	}
}

// eachDraw calls f for every element of x, which may be a slice, with the number
// of its draw.
func eachDraw(env *ir.Env, x *ir.Tensor, f func(i int, number uint64)) {
	s := ir.ShapeOf(x.Shape...)
	if len(env.Types) > 0 {
		s = env.Types[0].Shape
	}
	n := 1
	if len(x.Shape) > 0 {
		n = x.Shape[0]
	}
	Draws(env, s, env.First, env.First+n, func(at, count int, first uint64) {
		for i := range count {
			f(at+i, first+uint64(i))
		}
	})
}
