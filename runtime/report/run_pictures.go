package report

import (
	"cmp"
	"fmt"
	"image"
	"image/color"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/runtime/report/page"
)

const (
	mostFilters = 64
	mostShown   = 12  // rows that are shown with what was made of them
	mostMapped  = 512 // numbers of a code of which a map is drawn
	leastSide   = 8   // of a row of numbers that is taken for a square picture
)

// size of a picture: planes, height and width.
type dims struct{ c, h, w int }

// pictureDims returns the size of pictures of a row's shape: [H W], [C H W], or a row of
// numbers that fill a square of at least 8 x 8, gray or in three planes.
func pictureDims(shape []int) (dims, bool) {
	switch len(shape) {
	case 1:
		for _, c := range []int{1, 3} {
			if s := int(math.Round(math.Sqrt(float64(shape[0]) / float64(c)))); s >= leastSide && c*s*s == shape[0] {
				return dims{c, s, s}, true
			}
		}
	case 2:
		return dims{1, shape[0], shape[1]}, shape[0] > 1 && shape[1] > 1
	case 3:
		return dims{shape[0], shape[1], shape[2]}, (shape[0] == 1 || shape[0] == 3) && shape[1] > 1 && shape[2] > 1
	}
	return dims{}, false
}

// filters draws the weights of the first layer, or returns nil if they are no pictures.
func filters(names []string, tensor func(string) ([]int, []float32, bool)) page.Block {
	for _, name := range names {
		shape, w, ok := tensor(name)
		if !ok || len(shape) < 2 {
			continue
		}
		var d dims
		n, at := 0, func(unit, i int) float32 { return 0 }
		switch len(shape) {
		case 2: // [inputs units]
			if d, ok = pictureDims(shape[:1]); ok {
				n, at = shape[1], func(unit, i int) float32 { return w[i*shape[1]+unit] }
			}
		case 4: // [filters C H W]
			if d, ok = pictureDims(shape[1:]); ok {
				each := d.c * d.h * d.w
				n, at = shape[0], func(unit, i int) float32 { return w[unit*each+i] }
			}
		default:
			ok = false
		}
		if !ok || len(w) == 0 || d.h > 256 || d.w > 256 { // of the first layer only
			return nil
		}
		p := &page.Pictures{Title: "Weights of " + name, Note: fmt.Sprintf("One picture of %d x %d per unit. Middle gray is 0; brighter is positive, darker negative, each picture by its greatest weight.", d.h, d.w)}
		if n > mostFilters {
			p.Note += fmt.Sprintf(" The first %d of %d.", mostFilters, n)
		}
		for unit := range min(n, mostFilters) {
			most := 0.0
			for i := range d.c * d.h * d.w {
				most = max(most, math.Abs(float64(at(unit, i))))
			}
			m := draw(d, func(i int) float64 {
				if most == 0 {
					return 0.5
				}
				return 0.5 + float64(at(unit, i))/most/2
			})
			p.Groups = append(p.Groups, page.Single(fmt.Sprintf("weights of unit %d of %s", unit+1, name), m))
		}
		return p
	}
	return nil
}

// draw makes a picture of values from 0 to 1, by planes.
func draw(d dims, at func(i int) float64) image.Image {
	level := func(i int) uint8 {
		v := at(i)
		if v != v {
			return 0
		}
		return uint8(math.Round(255 * min(max(v, 0), 1)))
	}
	if d.c == 1 {
		m := image.NewGray(image.Rect(0, 0, d.w, d.h))
		for i := range d.h * d.w {
			m.SetGray(i%d.w, i/d.w, color.Gray{Y: level(i)})
		}
		return m
	}
	m, plane := image.NewRGBA(image.Rect(0, 0, d.w, d.h)), d.h*d.w
	for i := range plane {
		m.SetRGBA(i%d.w, i/d.w, color.RGBA{level(i), level(plane + i), level(2*plane + i), 255})
	}
	return m
}

// section shows a bundle: its metrics, what it makes of the rows that are stored with it,
// and the confusions of its probes.
func (e *Exported) section(alone bool) (page.Section, error) {
	s := page.Section{Title: "The bundle " + e.Name}
	if e.Fault != "" {
		s.Text = []string{"It cannot be opened: " + e.Fault}
		return s, nil
	}
	metrics := &page.Table{Title: "Measured", Columns: []string{"metric", "value"}}
	for _, name := range slices.Sorted(maps.Keys(e.Metrics)) {
		metrics.Rows = append(metrics.Rows, []string{spoken(name), page.Number(e.Metrics[name])})
	}
	if len(metrics.Rows) > 0 {
		s.Blocks = append(s.Blocks, metrics)
	}
	if len(e.Phases) > 1 {
		t := &page.Table{Title: "Phases", Columns: []string{"phase", "epochs", "updates", "batch", "rows", "training loss", "validation loss"}}
		for _, p := range e.Phases {
			row := []string{p.Name, page.Number(float64(p.Epochs)), page.Number(float64(p.Updates)), page.Number(float64(p.Batch)), page.Number(float64(p.Rows)), "", ""}
			for i, name := range []string{"train/loss", "valid/loss"} {
				if x, ok := p.Metrics[name]; ok {
					row[5+i] = page.Number(x)
				}
			}
			t.Rows = append(t.Rows, row)
		}
		s.Blocks = append(s.Blocks, t)
	}
	s.Blocks = append(s.Blocks, e.confusions()...)
	if e.record.Schema == nil { // the rows of a table are no pictures
		if alone {
			params := e.opened.Net.Params()
			names := e.weights(params)
			if b := filters(names, func(name string) ([]int, []float32, bool) {
				return e.shape(name), params[name], true
			}); b != nil {
				s.Blocks = append(s.Blocks, b)
			}
		}
		if b := e.reconstructions(); b != nil {
			s.Blocks = append(s.Blocks, b)
		}
	}
	s.Blocks = append(s.Blocks, e.maps()...)
	if e.record.Ships != "" {
		s.Blocks = append(s.Blocks, &page.Text{Title: "What ships", Body: e.record.Ships, Folded: true})
	}
	if e.record.Program != "" {
		s.Blocks = append(s.Blocks, &page.Text{Title: "The program", Body: e.record.Program, Folded: true})
	}
	return s, nil
}

// weights are the names of a net's parameters, in the order in which its function uses
// them.
func (e *Exported) weights(params map[string][]float32) []string {
	var names []string
	for _, n := range e.opened.Net.Graph().Nodes {
		for _, v := range n.In {
			if _, ok := params[v.Name]; ok && !slices.Contains(names, v.Name) {
				names = append(names, v.Name)
			}
		}
	}
	return names
}

// shape returns the lengths of a net's parameter.
func (e *Exported) shape(name string) []int {
	for _, p := range e.opened.Net.Graph().Params {
		if p.Name == name {
			return p.Type.Shape.Lengths()
		}
	}
	return nil
}

func (e *Exported) confusions() (out []page.Block) {
	for _, p := range e.Phases {
		for _, name := range slices.Sorted(maps.Keys(p.Confusion)) {
			counts := p.Confusion[name]
			c := &page.Confusion{Title: strings.TrimSpace(p.Name + " " + name), Classes: e.record.Classes, Note: "Rows that " + p.Probe + " was measured on."}
			if len(c.Classes) != len(counts) {
				c.Classes = nil
				for i := range counts {
					c.Classes = append(c.Classes, strconv.Itoa(i))
				}
			}
			for _, row := range counts {
				line := make([]float64, len(row))
				for j, x := range row {
					line[j] = float64(x)
				}
				c.Counts = append(c.Counts, line)
			}
			if !slices.ContainsFunc(c.Counts, func(r []float64) bool { return len(r) != len(counts) || slices.Min(r) < 0 }) {
				out = append(out, c)
			}
		}
	}
	return out
}

// stored is the set of rows that the user named.
func (e *Exported) stored() *bundle.Set {
	if len(e.opened.Sets) == 0 {
		return nil
	}
	return &e.opened.Sets[0]
}

// reconstructions shows the rows that are stored with a bundle beside what it makes of
// them, if its output is as its input is and both are pictures.
func (e *Exported) reconstructions() page.Block {
	set := e.stored()
	if set == nil {
		return nil
	}
	for _, in := range e.opened.Net.Inputs() {
		x := set.In[in.Name]
		if x == nil || x.DType != ir.F32 || len(x.Shape) < 2 {
			continue
		}
		shape := x.Shape
		d, ok := pictureDims(shape[1:])
		if !ok {
			continue
		}
		for _, out := range e.opened.Net.Outputs() {
			y := set.Want[out.Name]
			if y == nil || y.DType != ir.F32 || !slices.Equal(y.Shape, shape) {
				continue
			}
			p := &page.Pictures{Title: "Reconstructions", Note: fmt.Sprintf("Rows that are stored with the bundle. Top to bottom: %s, and %s that was made of it.", in.Name, out.Name)}
			low, high := spread(x.F32)
			each := d.c * d.h * d.w
			for i := range min(shape[0], mostShown) {
				var g page.Group
				for _, of := range []struct {
					says string
					data []float32
				}{{in.Name, x.F32}, {out.Name, y.F32}} {
					row := of.data[i*each : (i+1)*each]
					g.Pictures = append(g.Pictures, page.Picture{Says: fmt.Sprintf("%s of row %d", of.says, i+1),
						Image: draw(d, func(j int) float64 { return (float64(row[j]) - low) / (high - low) })})
				}
				p.Groups = append(p.Groups, g)
			}
			return p
		}
	}
	return nil
}

// spread is the range that black and white stand for: 0 to 1 unless the values leave it.
func spread(x []float32) (low, high float64) {
	low, high = 0, 1
	for _, v := range x {
		if v-v == 0 {
			low, high = min(low, float64(v)), max(high, float64(v))
		}
	}
	return low, high
}

// maps draws the outputs for the stored rows in the plane: as they are, if they are pairs,
// and else by their first two principal components.
func (e *Exported) maps() (out []page.Block) {
	set := e.stored()
	if set == nil || set.Rows < 8 {
		return nil
	}
	for _, o := range e.opened.Net.Outputs() {
		y := set.Want[o.Name]
		if y == nil || y.DType != ir.F32 || len(y.Shape) != 2 || len(y.F32) == 0 {
			continue
		}
		n, d := set.Rows, len(y.F32)/set.Rows
		if d < 2 || d > mostMapped || n*d != len(y.F32) {
			continue
		}
		s := &page.Scatter{Title: "Map of " + o.Name, X: page.Axis{Label: o.Name + "[0]"}, Y: page.Axis{Label: o.Name + "[1]"},
			Note: fmt.Sprintf("The %d rows that are stored with the bundle.", n)}
		points := y.F32
		if d > 2 {
			var share float64
			var ok bool
			if points, share, ok = plane(y.F32, n, d); !ok {
				continue
			}
			s.X.Label, s.Y.Label = "first principal component", "second principal component"
			s.Note += fmt.Sprintf(" The plane has %s %% of the variance of %d numbers.", page.Number(round(100*share, 3)), d)
		}
		c := page.Cloud{Name: o.Name}
		for i := range n {
			c.Points = append(c.Points, page.Dot{X: float64(points[2*i]), Y: float64(points[2*i+1]), Name: "row " + strconv.Itoa(i+1)})
		}
		s.Groups = []page.Cloud{c}
		out = append(out, s)
	}
	return out
}

// plane projects rows onto their first two principal components, whose greatest weight is
// positive, and returns the share of the variance that they have.
func plane(x []float32, n, d int) (points []float32, share float64, ok bool) {
	m := mat.NewDense(n, d, nil)
	for i, v := range x {
		if v-v != 0 {
			return nil, 0, false
		}
		m.Set(i/d, i%d, float64(v))
	}
	var pc stat.PC
	if !pc.PrincipalComponents(m, nil) {
		return nil, 0, false
	}
	vars := pc.VarsTo(nil)
	total := 0.0
	for _, v := range vars {
		total += v
	}
	if len(vars) < 2 || !(total > 0) {
		return nil, 0, false
	}
	var v mat.Dense
	pc.VectorsTo(&v)
	mean := make([]float64, d)
	for j := range d {
		mean[j] = stat.Mean(mat.Col(nil, j, m), nil)
	}
	points = make([]float32, 2*n)
	for k := range 2 {
		axis := mat.Col(nil, k, &v)
		big := slices.MaxFunc(axis, func(a, b float64) int { return cmp.Compare(math.Abs(a), math.Abs(b)) })
		for i := range n {
			sum := 0.0
			for j := range d {
				sum += (m.At(i, j) - mean[j]) * axis[j]
			}
			points[2*i+k] = float32(math.Copysign(1, big) * sum)
		}
	}
	return points, (vars[0] + vars[1]) / total, true
}
