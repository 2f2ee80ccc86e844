package synthetic

import (
	"math"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// ShapeOptions say how shapes are drawn. What is left out has the default.
type ShapeOptions struct {
	Height, Width int     // of the picture: 32; from 8 to 512
	Kinds         int     // the first so many of disc, square, triangle, cross and ring: 5
	Place         Range   // of the middle, as a share of the height and of the width: 0.3 to 0.7
	Size          Range   // radius, as a share of the shorter side: 0.12 to 0.28
	Angle         Range   // in turns: 0 to 1
	Contrast      Range   // light of the shape on the dark: 0.4 to 1
	Noise         float64 // standard deviation of what is added to each pixel, from 0 to 1
	Planes        bool    // x is f32[1 Height Width] instead of f32[Height·Width]
}

// Shapes returns pictures of one shape each, 0 to 1 in steps of 1/255. The columns are x; y i64[], the kind: 0 disc, 1 square, 2
// triangle, 3 cross, 4 ring; and factors f32[5]: row, column, size, angle, contrast.
//
// Errors (of Err): rows or options that are out of range.
func Shapes(rows int, seed uint64, o ShapeOptions) *Rows {
	return newRows("shapes", rows, seed, &shapes{o})
}

// ShapeNames are the kinds of [Shapes] in the order of their numbers.
func ShapeNames() []string { return []string{"disc", "square", "triangle", "cross", "ring"} }

type shapes struct{ ShapeOptions }

func (s *shapes) visit(f *form) {
	f.int("height", &s.Height)
	f.int("width", &s.Width)
	f.int("kinds", &s.Kinds)
	f.span("place", &s.Place)
	f.span("size", &s.Size)
	f.span("angle", &s.Angle)
	f.span("contrast", &s.Contrast)
	f.float("noise", &s.Noise)
	f.bool("planes", &s.Planes)
}

func (s *shapes) check() error {
	for _, err := range []error{
		counted("Height", &s.Height, 32, 8, 512),
		counted("Width", &s.Width, 32, 8, 512),
		counted("Kinds", &s.Kinds, 5, 1, len(ShapeNames())),
		s.Place.within("Place", Range{0.3, 0.7}, 0, 1),
		s.Size.within("Size", Range{0.12, 0.28}, 0.01, 1),
		s.Angle.within("Angle", Range{0, 1}, -1, 1),
		s.Contrast.within("Contrast", Range{0.4, 1}, 0, 1),
		amount("Noise", s.Noise, 1),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *shapes) columns() []dataset.Column {
	return []dataset.Column{pictureColumn(s.Height, s.Width, s.Planes), {Name: "y", DType: dataset.I64}, factorColumn(s.names())}
}

func (s *shapes) picture() (height, width int) { return s.Height, s.Width }

func (s *shapes) names() []string { return []string{"row", "column", "size", "angle", "contrast"} }

func (s *shapes) fill(_, key random.Key, c cells) {
	x, y, factors := c.f32[0], c.i64[0], c.f32[1]
	kind := int(key.Uint64N(0, uint64(s.Kinds)))
	y[0] = int64(kind)
	row, column, size := s.Place.draw(key.Float64(1)), s.Place.draw(key.Float64(2)), s.Size.draw(key.Float64(3))
	angle, contrast := s.Angle.draw(key.Float64(4)), s.Contrast.draw(key.Float64(5))
	for i, v := range [...]float64{row, column, size, angle, contrast} {
		factors[i] = float32(v)
	}
	sin, cos := sincos(angle)
	radius := product(size, float64(min(s.Height, s.Width)))
	r0, c0 := math.FMA(row, float64(s.Height), -0.5), math.FMA(column, float64(s.Width), -0.5)
	noise := key.DeriveString("noise")
	for i := range x {
		dy, dx := (float64(i/s.Width)-r0)/radius, (float64(i%s.Width)-c0)/radius
		d := outside(kind, dot(dx, cos, dy, sin), dot(dy, cos, -dx, sin))
		v := product(contrast, min(max(math.FMA(-radius, d, 0.5), 0), 1))
		if s.Noise > 0 {
			v = math.FMA(s.Noise, normal(noise, uint64(i)), v)
		}
		x[i] = level(v)
	}
}

// outside is how far a point lies outside of a shape of radius 1, negative inside. Near the edge it is the distance.
func outside(kind int, u, v float64) float64 {
	switch kind {
	case 0:
		return math.Sqrt(dot(u, u, v, v)) - 1
	case 1:
		return max(math.Abs(u), math.Abs(v)) - 0.85
	case 2: // its middle is that of its mass
		return max(v, math.FMA(math.Sqrt(3)/2, math.Abs(u), -v/2)) - 0.6
	case 3:
		u, v = math.Abs(u), math.Abs(v)
		return min(max(u-1, v-0.3), max(u-0.3, v-1))
	default:
		return math.Abs(math.Sqrt(dot(u, u, v, v))-0.78) - 0.22
	}
}
