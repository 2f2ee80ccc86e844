package page

// Series is a line of a chart.
type Series struct {
	Name   string
	Points []Point // in any order; where one is not finite, the line has a gap
	Dashed bool    // for what others are compared with
}

// Point is one of a line. Low and High are the ends of its interval; it has none if they
// are equal or not finite.
type Point struct{ X, Y, Low, High float64 }

func (p Point) interval() bool {
	return p.Low < p.High && p.Low-p.Low == 0 && p.High-p.High == 0
}

// Curve returns a series of numbers that belong to 1, 2, 3 and so on, such as epochs.
func Curve(name string, y ...float64) Series {
	s := Series{Name: name, Points: make([]Point, len(y))}
	for i := range y {
		s.Points[i] = Point{X: float64(i + 1), Y: y[i]}
	}
	return s
}

// mark is the shape of a point, drawn within a square from -5 to 5. Series and classes
// that have one colour differ in it.
type mark struct{ ID, Path string }

var marks = []mark{
	{"m0", "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z"},
	{"m1", "M-3.6 -3.6h7.2v7.2h-7.2z"},
	{"m2", "M0 -4.8L4.6 3.4H-4.6z"},
	{"m3", "M0 -5L5 0L0 5L-5 0z"},
	{"m4", "M0 4.8L-4.6 -3.4H4.6z"},
	{"m5", "M-1.5 -4.6h3v3.1h3.1v3h-3.1v3.1h-3v-3.1h-3.1v-3h3.1z"},
	{"m6", "M-4.4 -2.3L-2.3 -4.4L0 -2.1L2.3 -4.4L4.4 -2.3L2.1 0L4.4 2.3L2.3 4.4L0 2.1L-2.3 4.4L-4.4 2.3L-2.1 0z"},
}

const colours = 8 // that style.css names

// look is how a series is told from others.
type look struct {
	Colour int
	Mark   string
	Dash   int // 0 is a whole line
}

// lookOf returns that of series i. Colours change fastest, then marks and dashes.
func lookOf(i int, dashed bool) look {
	l := look{Colour: i % colours, Mark: marks[i%len(marks)].ID, Dash: i / colours % 4}
	if dashed && l.Dash == 0 {
		l.Dash = 1
	}
	return l
}
