package synthetic

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// StrokeOptions say how glyphs are drawn. What is left out has the default.
type StrokeOptions struct {
	Height, Width int   // of the picture: 28; from 8 to 512
	Glyphs        int   // how many there are: 100; up to 1,000,000. A glyph is a function of the seed and its number
	Pen           Range // width of the pen in pixels: 1.6 to 3.4
	Blur          Range // width of the edge of a stroke in pixels: 0.8 to 1.6
	Slant         Range // by how much the top leans to the right, per height: -0.1 to 0.5
	Turn          Range // in turns: -0.03 to 0.03
	Size          Range // longer side of the glyph, as a share of the shorter one of the picture: 0.64 to 0.74
	Aspect        Range // width by height, of that of the glyph: 0.8 to 1.2
	Wobble        Range // how much a drawing differs from its glyph otherwise, from 0 to 1: 0.2 to 0.6
	Planes        bool  // x is f32[1 Height Width] instead of f32[Height·Width]
}

// Strokes returns pictures of glyphs such as letters and digits have: one to three strokes, each of one to three Bézier curves,
// straight, bent or closed to loops, drawn by a soft pen. They are light on dark, 0 to 1 in steps of 1/255, like the digits
// of MNIST, of which they have nothing. The columns are x; y i64[], the number of the glyph; and factors f32[8]: pen, blur,
// slant, turn, size, aspect, wobble, and the strokes of the glyph.
//
// Errors (of Err): rows or options that are out of range.
func Strokes(rows int, seed uint64, o StrokeOptions) *Rows {
	return newRows("strokes", rows, seed, &strokes{o})
}

type strokes struct{ StrokeOptions }

func (s *strokes) visit(f *form) {
	f.int("height", &s.Height)
	f.int("width", &s.Width)
	f.int("glyphs", &s.Glyphs)
	f.span("pen", &s.Pen)
	f.span("blur", &s.Blur)
	f.span("slant", &s.Slant)
	f.span("turn", &s.Turn)
	f.span("size", &s.Size)
	f.span("aspect", &s.Aspect)
	f.span("wobble", &s.Wobble)
	f.bool("planes", &s.Planes)
}

func (s *strokes) check() error {
	for _, err := range []error{
		counted("Height", &s.Height, 28, 8, 512),
		counted("Width", &s.Width, 28, 8, 512),
		counted("Glyphs", &s.Glyphs, 100, 1, 1e6),
		s.Pen.within("Pen", Range{1.6, 3.4}, 0.1, 64),
		s.Blur.within("Blur", Range{0.8, 1.6}, 0.1, 64),
		s.Slant.within("Slant", Range{-0.1, 0.5}, -2, 2),
		s.Turn.within("Turn", Range{-0.03, 0.03}, -1, 1),
		s.Size.within("Size", Range{0.64, 0.74}, 0.05, 1),
		s.Aspect.within("Aspect", Range{0.8, 1.2}, 0.1, 10),
		s.Wobble.within("Wobble", Range{0.2, 0.6}, 0, 1),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *strokes) columns() []dataset.Column {
	return []dataset.Column{pictureColumn(s.Height, s.Width, s.Planes), {Name: "y", DType: dataset.I64}, factorColumn(s.names())}
}

func (s *strokes) picture() (height, width int) { return s.Height, s.Width }

func (s *strokes) names() []string {
	return []string{"pen", "blur", "slant", "turn", "size", "aspect", "wobble", "strokes"}
}

// pictureColumn is x of a grey picture.
func pictureColumn(height, width int, planes bool) dataset.Column {
	c := dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{height * width}}
	if planes {
		c.Shape = []int{1, height, width}
	}
	return c
}

func factorColumn(names []string) dataset.Column {
	return dataset.Column{Name: "factors", DType: dataset.F32, Shape: []int{len(names)}}
}

const (
	mostStrokes = 3
	mostCurves  = 3  // of a stroke
	pieces      = 12 // straight ones that a curve is drawn by
)

type point struct{ x, y float64 }

// path is that of a glyph.
type path struct {
	at   [mostStrokes * (mostCurves*pieces + 1)]point
	ends [mostStrokes]int // of the strokes in at
	n    int              // strokes
}

func (s *strokes) fill(rows, key random.Key, c cells) {
	x, y, factors := c.f32[0], c.i64[0], c.f32[1]
	u := func(i uint64) float64 { return key.Float64(i) }
	y[0] = int64(key.Uint64N(0, uint64(s.Glyphs)))
	pen, blur, slant, turn := s.Pen.draw(u(1)), s.Blur.draw(u(2)), s.Slant.draw(u(3)), s.Turn.draw(u(4))
	size, aspect, wobble := s.Size.draw(u(5)), s.Aspect.draw(u(6)), s.Wobble.draw(u(7))

	var p path
	p.draw(rows.DeriveString("glyph").Derive(uint64(y[0])), key.DeriveString("wobble"), wobble)
	for i, v := range [...]float64{pen, blur, slant, turn, size, aspect, wobble, float64(p.n)} {
		factors[i] = float32(v)
	}
	p.place(slant, turn, aspect, product(size, float64(min(s.Height, s.Width))), pen, float64(s.Height), float64(s.Width))

	clear(x)
	first := 0
	for k := range p.n {
		for i := first; i+1 < p.ends[k]; i++ {
			s.line(x, p.at[i], p.at[i+1], pen/2, blur)
		}
		first = p.ends[k]
	}
	for i, v := range x {
		x[i] = level(float64(v))
	}
}

// draw makes the path of a glyph, with y downward, of any size and at any place. What the glyph is comes from its key, how this
// drawing differs from others of the glyph from the other.
func (p *path) draw(glyph, drawing random.Key, wobble float64) {
	at, n := uint64(0), 0
	draw := func() (u, w float64) { // of the glyph in [0, 1), of the drawing in [-wobble, wobble)
		u, w = glyph.Float64(at), between(-wobble, wobble, drawing.Float64(at))
		at++
		return u, w
	}
	p.n = 1
	if u, _ := draw(); u > 0.9 {
		p.n = 3
	} else if u > 0.55 {
		p.n = 2
	}
	for k := range p.n {
		from := point{}
		if k > 0 { // where the strokes before it have been, or near
			u, _ := draw()
			from = p.at[int(product(u, float64(n)))]
			u, w := draw()
			from.x += between(-0.4, 0.4, u) + product(0.2, w)
			u, w = draw()
			from.y += between(-0.4, 0.4, u) + product(0.2, w)
		}
		u, w := draw()
		heading := math.FMA(0.08, w, u)
		u, _ = draw()
		curves := 1 + int(product(u, float64(mostCurves-min(k, 1))))
		p.at[n] = from
		n++
		for range curves {
			u, w := draw()
			length := product(between(0.45, 1.15, u), math.FMA(0.45, w, 1))
			kind, _ := draw()
			u, w = draw()
			bend := 0.0 // in turns
			switch side := math.Copysign(1, u-0.5); {
			case kind < 0.35: // straight
				bend = between(-0.03, 0.03, u)
			case kind < 0.8: // an arc
				bend = product(side, between(0.12, 0.5, math.Abs(math.FMA(2, u, -1))))
			default: // a loop
				bend = product(side, between(0.65, 0.95, math.Abs(math.FMA(2, u, -1))))
				length = product(1.7, length)
			}
			bend = math.FMA(0.1, w, bend)
			n = p.curve(n, heading, bend, length)
			heading += bend
			corner, _ := draw()
			if u, w = draw(); corner < 0.5 {
				heading += between(0.2, 0.8, u) + product(0.08, w)
			}
		}
		p.ends[k] = n
	}
}

// curve goes on from the last point along arcs of a circle, as Bézier curves of at most half a turn, and returns the number of
// points.
func (p *path) curve(n int, heading, bend, length float64) int {
	parts := 1
	if math.Abs(bend) > 0.4 {
		parts = 3
	}
	bend, length = bend/float64(parts), length/float64(parts)
	for range parts {
		a := p.at[n-1]
		sin, cos := sincos(heading)
		sinMid, cosMid := sincos(math.FMA(bend, 0.5, heading))
		sinEnd, cosEnd := sincos(heading + bend)
		// The chord of an arc of that length, and the handles that make a cubic curve of it, to the second order of the bend.
		q := product(bend*2*math.Pi, bend*2*math.Pi)
		chord, handle := product(length, math.FMA(q, -1.0/24, 1)), product(length/3, math.FMA(q, 1.0/48, 1))
		d := point{math.FMA(chord, cosMid, a.x), math.FMA(chord, sinMid, a.y)}
		b := point{math.FMA(handle, cos, a.x), math.FMA(handle, sin, a.y)}
		c := point{math.FMA(-handle, cosEnd, d.x), math.FMA(-handle, sinEnd, d.y)}
		for i := range pieces / parts {
			t := float64(i+1) * float64(parts) / pieces
			s := 1 - t
			w0, w1, w2, w3 := product(product(s, s), s), product(product(3*s, s), t), product(product(3*s, t), t), product(product(t, t), t)
			p.at[n] = point{dot(w0, a.x, w1, b.x) + dot(w2, c.x, w3, d.x), dot(w0, a.y, w1, b.y) + dot(w2, c.y, w3, d.y)}
			n++
		}
		heading += bend
	}
	return n
}

// place turns and slants a path, makes it as large as it is to be, and lays its centre of mass into the middle of the picture, as
// near as it goes without leaving it.
func (p *path) place(slant, turn, aspect, size, pen, height, width float64) {
	n := p.ends[p.n-1]
	sin, cos := sincos(turn)
	lo, hi := point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	for i := range n {
		q := p.at[i]
		q.x = product(q.x, aspect)
		q.x = math.FMA(-slant, q.y, q.x)
		q = point{dot(q.x, cos, -q.y, sin), dot(q.x, sin, q.y, cos)}
		p.at[i] = q
		lo, hi = point{min(lo.x, q.x), min(lo.y, q.y)}, point{max(hi.x, q.x), max(hi.y, q.y)}
	}
	scale := max(size-pen, 1) / max(hi.x-lo.x, hi.y-lo.y, 1e-3)
	var mass, sum float64
	var middle point
	first := 0
	for k := range p.n {
		for i := first; i+1 < p.ends[k]; i++ {
			a, b := p.at[i], p.at[i+1]
			l := math.Sqrt(dot(b.x-a.x, b.x-a.x, b.y-a.y, b.y-a.y))
			mass += l
			middle.x = math.FMA(l, (a.x+b.x)/2, middle.x)
			middle.y = math.FMA(l, (a.y+b.y)/2, middle.y)
		}
		first = p.ends[k]
	}
	sum = max(mass, 1e-9)
	middle = point{middle.x / sum, middle.y / sum}
	shift := func(lo, hi, middle, side float64) float64 { // what is added after scaling
		s := math.FMA(-scale, middle, side/2)
		s = max(s, math.FMA(-scale, lo, pen/2))
		return min(s, math.FMA(-scale, hi, side-pen/2))
	}
	dx, dy := shift(lo.x, hi.x, middle.x, width), shift(lo.y, hi.y, middle.y, height)
	for i := range n {
		p.at[i] = point{math.FMA(scale, p.at[i].x, dx), math.FMA(scale, p.at[i].y, dy)}
	}
}

// line draws a straight piece, where it is lighter than what is there. Pixel (r, c) is the square whose middle is (c+½, r+½).
func (s *strokes) line(x []float32, a, b point, radius, blur float64) {
	reach := radius + blur/2
	r0, r1 := rowsOf(min(a.y, b.y)-reach, max(a.y, b.y)+reach, s.Height)
	c0, c1 := rowsOf(min(a.x, b.x)-reach, max(a.x, b.x)+reach, s.Width)
	dx, dy := b.x-a.x, b.y-a.y
	square := max(dot(dx, dx, dy, dy), 1e-12)
	for r := r0; r < r1; r++ {
		for c := c0; c < c1; c++ {
			px, py := float64(c)+0.5-a.x, float64(r)+0.5-a.y
			t := min(max(dot(px, dx, py, dy)/square, 0), 1)
			ex, ey := math.FMA(-t, dx, px), math.FMA(-t, dy, py)
			v := float32((reach - math.Sqrt(dot(ex, ex, ey, ey))) / blur)
			x[r*s.Width+c] = max(x[r*s.Width+c], min(v, 1))
		}
	}
}

// rowsOf are the pixels of a side whose middles lie between lo and hi.
func rowsOf(lo, hi float64, side int) (from, to int) {
	return int(min(max(math.Ceil(lo-0.5), 0), float64(side))), int(min(max(math.Floor(hi-0.5)+1, 0), float64(side)))
}
