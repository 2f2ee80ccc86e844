package engine

import (
	"slices"

	"github.com/lamina-ml/lamina/kernels/simd"
)

// piece is the product of some places of a frame and the elements of the filters that they see.
type piece struct {
	simd.Taps
	image, filters, out int  // where its operands begin
	inside              bool // it reads the image itself
}

// band is a run of places along an axis that see the same elements of the filters, from first
// to end, within the image.
type band struct{ from, to, first, end int }

func (b band) places() int { return b.to - b.from }

const (
	pieceWork = 1 << 13 // operations that a further piece saves at least
	pieceRows = 6       // places that give a tile enough chains
	pieceCols = 5       // channels; products of fewer are computed turned
)

// pieces returns the product of the places of an image and the filters. Places at the edge are
// apart from the others where that pays, so that nothing is multiplied by the zeros around the
// image. Pieces that see no zeros read the image itself, and f holds what the others read.
func (g *images) pieces(f *frame) []piece {
	lines := g.cut(0, g.out[1], g.kernel[1])
	inner := longest(lines)
	var list []piece
	var framed []int // lines of the image
	f.whole = true
	for i, l := range lines {
		columns := []band{{0, g.out[1], 0, g.kernel[1]}}
		if i == inner && l.places() >= pieceRows && (g.dilation[1] == 1 || g.kernel[1] == 1) {
			columns = g.cut(1, l.places(), l.end-l.first)
		}
		for _, c := range columns {
			top, bottom := g.sees(0, l)
			left, right := g.sees(1, c)
			if top >= 0 && bottom < g.in[0] && left >= 0 && right < g.in[1] {
				p := g.piece(g.in[1], l, c)
				p.inside, p.image = true, p.image-(g.before[0]*g.in[1]+g.before[1])*g.c
				list = append(list, p)
				continue
			}
			list, f.whole = append(list, g.piece(f.w, l, c)), false
			for y := max(top, 0); y <= min(bottom, f.lines-1); y++ {
				framed = append(framed, y)
			}
		}
	}
	slices.Sort(framed)
	f.copied = slices.Compact(framed)
	return list
}

// sees returns the first and the last pixel along an axis that a band sees.
func (g *images) sees(axis int, b band) (first, last int) {
	at := func(place, k int) int { return place*g.stride[axis] - g.before[axis] + k*g.dilation[axis] }
	return at(b.from, b.first), at(b.to-1, b.end-1)
}

// cut returns the bands of an axis, all of it in one if it is not worth cutting. Across each
// place lie so many places and elements of the filters.
func (g *images) cut(axis, places, elements int) []band {
	all := []band{{0, g.out[axis], 0, g.kernel[axis]}}
	list, saved := g.bands(axis), 0
	for _, s := range list {
		saved += s.places() * (g.kernel[axis] - (s.end - s.first))
	}
	saved *= 2 * places * elements * g.c * g.o
	if saved < pieceWork*(len(list)-1) || places < pieceRows || axis == 1 && list[longest(list)].places() < pieceRows || g.o < pieceCols {
		return all
	}
	return list
}

// bands cuts the places of an axis by what they see of the image. Places that see nothing of
// it take all elements of the filters, which meet zeros.
func (g *images) bands(axis int) (list []band) {
	for p := range g.out[axis] {
		s := band{p, p + 1, g.kernel[axis], 0}
		for k := range g.kernel[axis] {
			if at := p*g.stride[axis] - g.before[axis] + k*g.dilation[axis]; at >= 0 && at < g.in[axis] {
				s.first, s.end = min(s.first, k), k+1
			}
		}
		if s.first >= s.end {
			s.first, s.end = 0, g.kernel[axis]
		}
		if n := len(list); n > 0 && list[n-1].first == s.first && list[n-1].end == s.end {
			list[n-1].to++
			continue
		}
		list = append(list, s)
	}
	return list
}

// longest returns which band has the most places.
func longest(list []band) int {
	return slices.Index(list, slices.MaxFunc(list, func(a, b band) int { return a.places() - b.places() }))
}

// piece is the product of the places of two bands, in lines of so many pixels that begin with
// the first place's window. Pixels next to each other are one tap.
func (g *images) piece(wide int, l, c band) piece {
	pitch, each := wide*g.c, g.c*g.o
	run, tapB := c.end-c.first, g.kernel[1]*each // pixels of a tap
	if g.dilation[1] > 1 {
		run, tapB = 1, each
	}
	p := piece{
		image:   (l.from*g.stride[0]+l.first*g.dilation[0])*pitch + (c.from*g.stride[1]+c.first*g.dilation[1])*g.c,
		filters: (l.first*g.kernel[1] + c.first) * each,
		out:     (l.from*g.out[1] + c.from) * g.o,
		Taps: simd.Taps{Lines: l.places(), M: c.places(), N: g.o, K: run * g.c, LineA: g.stride[0] * pitch, RowA: g.stride[1] * g.c, ColA: 1,
			LDB: g.o, TapB: tapB, LineC: g.out[1] * g.o, LDC: g.o},
	}
	if p.M < min(p.Lines, pieceRows) && g.o >= pieceCols { // columns are the lines
		p.Lines, p.M = p.M, p.Lines
		p.LineA, p.RowA = p.RowA, p.LineA
		p.LineC, p.LDC = p.LDC, p.LineC
	}
	for y := range l.end - l.first {
		for x := 0; x < c.end-c.first; x += run {
			p.At = append(p.At, y*g.dilation[0]*pitch+x*g.dilation[1]*g.c)
		}
	}
	return p
}
