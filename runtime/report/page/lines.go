package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Lines is a line chart.
type Lines struct {
	Title  string
	Note   string // below the chart, such as what its intervals are
	X, Y   Axis
	Series []Series
	Bars   bool // intervals are drawn as bars at the points instead of bands
	Small  bool // takes half the width where there is room for two
}

const (
	mostStops  = 60  // places where a chart shows its values, of one chart
	mostTold   = 12  // series that are told at one place
	mostMarked = 40  // points of a series up to which each has a mark
	mostRows   = 200 // of the table below a chart
	resolution = 1000
)

type linesView struct {
	ID, Title, Note, XLabel, YLabel, Describe string
	XTicks, YTicks                            []tick
	Curves                                    []curveView
	Legend                                    []legendItem
	Stops                                     []stopView
	Table                                     *tableView
	Margin                                    string // for the labels on the left, in characters
	Small, Empty                              bool
}

type curveView struct {
	look
	Line, Band string
	Whiskers   []whisker
	Points     []spot
}

type whisker struct{ X, Low, High string }

type spot struct{ X, Y string }

type legendItem struct {
	look
	Name string
}

// stopView is a place on the x axis where the pointer or the focus shows values.
type stopView struct {
	At      string
	Width   string // of the area
	X, Rest string // of the rule, from the left and from the right
	Spoken  string
	End     bool // the box opens to the left
	Values  []toldValue
	More    int // series that are not told
}

type toldValue struct {
	look
	Name, Value, Y string
}

func (l *Lines) view(id string) (string, any, error) {
	v := linesView{ID: id, Title: clean(l.Title), Note: clean(l.Note), XLabel: clean(l.X.Label), YLabel: clean(l.Y.Label), Small: l.Small}
	drawn, dropped := l.drawn()
	var xs, ys span
	for _, s := range drawn {
		for _, p := range s.Points {
			if p.Y != p.Y {
				continue
			}
			xs.add(p.X)
			ys.add(p.Y)
			if p.interval() {
				ys.add(p.Low)
				ys.add(p.High)
			}
		}
	}
	v.Empty = !xs.any
	x, y := l.X.scale(xs, false), l.Y.scale(ys, true)
	if at := distinct(drawn); l.X.Log && len(at) <= mostTicks { // few numbers that somebody chose
		x.ticks = nil
		for _, a := range at {
			x.ticks = append(x.ticks, tick{At: a, Label: Number(a)})
		}
	}
	v.XTicks, v.YTicks = x.marks(false), y.marks(true)
	for i, s := range drawn {
		v.Curves = append(v.Curves, l.curve(s, lookOf(i, s.Dashed), &x, &y))
		v.Legend = append(v.Legend, legendItem{lookOf(i, s.Dashed), s.Name})
	}
	if v.Empty {
		v.XTicks, v.YTicks = nil, nil
	}
	v.Margin = margin(v.YTicks)
	v.Stops = stops(drawn, &x, &y, v.XLabel)
	v.Table = l.table(drawn)
	v.Describe = describe(drawn, xs, ys, v.XLabel, v.YLabel)
	if dropped > 0 {
		v.Note = strings.TrimSpace(v.Note + " " + count(dropped, "point") + " that " + plural(dropped, "has", "have") + " no place in the chart " + plural(dropped, "is", "are") + " left out.")
	}
	return "lines.html", v, nil
}

// drawn returns the series in the order of their points' x, with NaN for y where a line
// has a gap, and how many points were dropped.
func (l *Lines) drawn() (out []Series, dropped int) {
	for _, s := range l.Series {
		d := Series{Name: clean(s.Name), Dashed: s.Dashed}
		for _, p := range s.Points {
			if !l.X.fits(p.X) {
				dropped++
				continue
			}
			if !l.Y.fits(p.Y) {
				dropped++
				p.Y = math.NaN()
			}
			if !l.Y.fits(p.Low) || !l.Y.fits(p.High) {
				p.Low, p.High = 0, 0
			}
			d.Points = append(d.Points, p)
		}
		slices.SortStableFunc(d.Points, func(a, b Point) int { return cmp.Compare(a.X, b.X) })
		out = append(out, d)
	}
	return out, dropped
}

func (l *Lines) curve(s Series, k look, x, y *scale) curveView {
	c := curveView{look: k}
	var line, band strings.Builder
	for _, run := range runs(s.Points) {
		kept := thinned(run, x)
		for i, p := range kept {
			step(&line, i, x.at(p.X), y.at(p.Y))
		}
		if len(run) == 1 { // a line of no length, which a round cap makes visible
			line.WriteString("h0")
		}
		if !l.Bars {
			for _, part := range withInterval(kept) {
				for i, p := range part {
					step(&band, i, x.at(p.X), y.at(p.High))
				}
				for i := len(part) - 1; i >= 0; i-- {
					step(&band, 1, x.at(part[i].X), y.at(part[i].Low))
				}
				band.WriteString("z")
			}
		}
	}
	c.Line, c.Band = line.String(), band.String()
	if len(s.Points) > mostMarked && !l.Bars {
		return c
	}
	each := len(s.Points)/mostMarked + 1
	for i, p := range s.Points {
		if p.Y != p.Y || i%each != 0 {
			continue
		}
		c.Points = append(c.Points, spot{place(x.at(p.X)), place(1 - y.at(p.Y))})
		if l.Bars && p.interval() {
			c.Whiskers = append(c.Whiskers, whisker{place(x.at(p.X)), place(1 - y.at(p.Low)), place(1 - y.at(p.High))})
		}
	}
	return c
}

// step adds a point to a path in a square of resolution units.
func step(b *strings.Builder, i int, x, y float64) {
	if i == 0 {
		b.WriteByte('M')
	} else {
		b.WriteByte('L')
	}
	b.WriteString(strconv.FormatFloat(math.Round(x*resolution*10)/10, 'f', -1, 64))
	b.WriteByte(' ')
	b.WriteString(strconv.FormatFloat(math.Round((1-y)*resolution*10)/10, 'f', -1, 64))
}

// runs are the parts of a line between its gaps.
func runs(points []Point) (out [][]Point) {
	from := 0
	for i := 0; i <= len(points); i++ {
		if i == len(points) || points[i].Y != points[i].Y {
			if i > from {
				out = append(out, points[from:i])
			}
			from = i + 1
		}
	}
	return out
}

// withInterval are the parts of a run whose points have an interval.
func withInterval(points []Point) (out [][]Point) {
	from := 0
	for i := 0; i <= len(points); i++ {
		if i == len(points) || !points[i].interval() {
			if i-from > 1 {
				out = append(out, points[from:i])
			}
			from = i + 1
		}
	}
	return out
}

// thinned keeps of each column of the drawing the first, the least, the greatest and the
// last point, which draw the same line.
func thinned(points []Point, x *scale) []Point {
	if len(points) <= resolution {
		return points
	}
	var out []Point
	for i := 0; i < len(points); {
		column := math.Floor(x.at(points[i].X) * resolution / 2)
		least, greatest, j := i, i, i
		for ; j < len(points) && math.Floor(x.at(points[j].X)*resolution/2) == column; j++ {
			if points[j].Y < points[least].Y {
				least = j
			}
			if points[j].Y > points[greatest].Y {
				greatest = j
			}
		}
		keep := []int{i, least, greatest, j - 1}
		slices.Sort(keep)
		for _, k := range slices.Compact(keep) {
			out = append(out, points[k])
		}
		i = j
	}
	return out
}

// stops are the places at which values are shown: the x of points, or an even choice of
// them if there are many.
func stops(series []Series, x, y *scale, xLabel string) []stopView {
	at := distinct(series)
	if len(at) == 0 {
		return nil
	}
	if len(at) > mostStops {
		at = spread(at, x)
	}
	out := make([]stopView, len(at))
	for i, a := range at {
		left, right := 0.0, 1.0
		if i > 0 {
			left = (x.at(at[i-1]) + x.at(a)) / 2
		}
		if i+1 < len(at) {
			right = (x.at(a) + x.at(at[i+1])) / 2
		}
		v := stopView{At: named(xLabel, Number(a)), Width: place(right - left), X: place(x.at(a)), Rest: place(1 - x.at(a)), End: x.at(a) > 0.5}
		spoken := v.At
		for k, s := range series {
			p, ok := find(s.Points, a)
			if !ok {
				continue
			}
			if len(v.Values) == mostTold {
				v.More++
				continue
			}
			t := toldValue{look: lookOf(k, s.Dashed), Name: s.Name, Value: p.text(), Y: place(1 - y.at(p.Y))}
			spoken += "; " + named(t.Name, t.Value)
			v.Values = append(v.Values, t)
		}
		if v.More > 0 {
			spoken += fmt.Sprintf("; and %d more in the table", v.More)
		}
		v.Spoken = spoken
		out[i] = v
	}
	return out
}

func named(name, value string) string { return strings.TrimSpace(name + " " + value) }

// distinct returns the x at which there is a point, in order.
func distinct(series []Series) []float64 {
	var at []float64
	for _, s := range series {
		for _, p := range s.Points {
			if p.Y == p.Y {
				at = append(at, p.X)
			}
		}
	}
	slices.Sort(at)
	return slices.Compact(at)
}

// spread returns few of many x, evenly over the axis, the ends included.
func spread(at []float64, x *scale) []float64 {
	var out []float64
	last := math.Inf(-1)
	for i, a := range at {
		if slot := math.Floor(x.at(a) * (mostStops - 2)); slot > last || i == len(at)-1 {
			out = append(out, a)
			last = slot
		}
	}
	return out
}

// find returns the last point at x.
func find(points []Point, x float64) (Point, bool) {
	i, _ := slices.BinarySearchFunc(points, x, func(p Point, x float64) int {
		if p.X <= x {
			return -1
		}
		return 1
	})
	if i == 0 || points[i-1].X != x || points[i-1].Y != points[i-1].Y {
		return Point{}, false
	}
	return points[i-1], true
}

func (p Point) text() string {
	if !p.interval() {
		return Number(p.Y)
	}
	return Number(p.Y) + " (" + Number(p.Low) + " to " + Number(p.High) + ")"
}

// table has the numbers of the chart: a row for each x, a column for each series.
func (l *Lines) table(series []Series) *tableView {
	at := distinct(series)
	if len(at) == 0 {
		return nil
	}
	x := clean(l.X.Label)
	if x == "" {
		x = "x"
	}
	t := Table{Title: "Values of the chart", Columns: []string{x}}
	if title := clean(l.Title); title != "" {
		t.Title = "Values of " + title
	}
	for _, s := range series {
		t.Columns = append(t.Columns, s.Name)
	}
	rows := at
	if each := (len(at)-1)/mostRows + 1; each > 1 {
		rows = nil
		for i := 0; i < len(at); i += each {
			rows = append(rows, at[i])
		}
		t.Note = fmt.Sprintf("One in %d of %s rows.", each, Number(float64(len(at))))
	}
	for _, a := range rows {
		row := []string{Number(a)}
		for _, s := range series {
			cell := ""
			if p, ok := find(s.Points, a); ok {
				cell = p.text()
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	v := t.made()
	return &v
}

// describe is what a reader who does not see the chart is told of it.
func describe(series []Series, xs, ys span, x, y string) string {
	if !xs.any {
		return "A line chart without points."
	}
	if x == "" {
		x = "the horizontal axis"
	}
	if y == "" {
		y = "the vertical axis"
	}
	return fmt.Sprintf("Line chart of %s. %s from %s to %s, %s from %s to %s. The table below it has the values.",
		count(len(series), "series"), x, Number(xs.low), Number(xs.high), y, Number(ys.low), Number(ys.high))
}

func count(n int, what string) string {
	if n != 1 && !strings.HasSuffix(what, "s") {
		what += "s"
	}
	return Number(float64(n)) + " " + what
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
