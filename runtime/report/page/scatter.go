package page

import (
	"fmt"
	"strings"
)

// Scatter is a map of points in the plane, coloured and shaped by class.
type Scatter struct {
	Title  string
	Note   string
	X, Y   Axis
	Groups []Cloud
	Small  bool // takes half the width where there is room for two
}

// Cloud is the points of one class.
type Cloud struct {
	Name   string
	Points []Dot
}

// Dot is a point of a map. Name is shown under the pointer; none.
type Dot struct {
	X, Y float64
	Name string
}

const mostDots = 4000 // that a map draws

type scatterView struct {
	ID, Title, Note, XLabel, YLabel, Describe string
	XTicks, YTicks                            []tick
	Clouds                                    []cloudView
	Margin                                    string
	Small, Empty                              bool
	Table                                     *tableView
}

type cloudView struct {
	look
	Index, Count int
	Name         string
	Dots         []dotView
	X, Y         string // of the mean
	Told, Spoken string
	End          bool
}

type dotView struct{ X, Y, Name string }

func (s *Scatter) view(id string) (string, any, error) {
	v := scatterView{ID: id, Title: clean(s.Title), Note: clean(s.Note), XLabel: clean(s.X.Label), YLabel: clean(s.Y.Label), Small: s.Small}
	var xs, ys span
	dropped, all := 0, 0
	for _, c := range s.Groups {
		for _, d := range c.Points {
			if !s.X.fits(d.X) || !s.Y.fits(d.Y) {
				dropped++
				continue
			}
			all++
			xs.add(d.X)
			ys.add(d.Y)
		}
	}
	x, y := s.X.scale(xs.padded(s.X.Log), false), s.Y.scale(ys.padded(s.Y.Log), false)
	each := 1
	if all > 0 {
		v.XTicks, v.YTicks = x.marks(false), y.marks(true)
		each = (all-1)/mostDots + 1
	}
	v.Empty, v.Margin = all == 0, margin(v.YTicks)
	table := Table{Title: "Classes of the map", Columns: []string{"class", "points", "mean " + axisName(v.XLabel, "x"), "mean " + axisName(v.YLabel, "y")}}
	if v.Title != "" {
		table.Title = "Classes of " + v.Title
	}
	seen := 0
	for i, c := range s.Groups {
		k := cloudView{look: lookOf(i, false), Index: i, Name: clean(c.Name)}
		var mx, my float64
		for _, d := range c.Points {
			if !s.X.fits(d.X) || !s.Y.fits(d.Y) {
				continue
			}
			k.Count++
			mx += (d.X - mx) / float64(k.Count)
			my += (d.Y - my) / float64(k.Count)
			if seen++; (seen-1)%each == 0 {
				k.Dots = append(k.Dots, dotView{place(x.at(d.X)), place(1 - y.at(d.Y)), dotName(k.Name, d)})
			}
		}
		row := []string{k.Name, Number(float64(k.Count)), "", ""}
		if k.Count > 0 {
			k.X, k.Y, k.End = place(x.at(mx)), place(1-y.at(my)), x.at(mx) > 0.5
			k.Told = fmt.Sprintf("%s around (%s, %s)", count(k.Count, "point"), Number(mx), Number(my))
			k.Spoken = named(k.Name+":", k.Told)
			row[2], row[3] = Number(mx), Number(my)
		}
		table.Rows = append(table.Rows, row)
		v.Clouds = append(v.Clouds, k)
	}
	if len(s.Groups) > 0 {
		t := table.made()
		v.Table = &t
	}
	v.Describe = fmt.Sprintf("Map of %s in %s. The table below it has the mean of each.", count(all, "point"), classes(len(s.Groups)))
	if each > 1 {
		v.Note = strings.TrimSpace(fmt.Sprintf("%s One in %d of %s is drawn.", v.Note, each, count(all, "point")))
	}
	if dropped > 0 {
		v.Note = strings.TrimSpace(v.Note + " " + count(dropped, "point") + " that " + plural(dropped, "has", "have") + " no place in the chart " + plural(dropped, "is", "are") + " left out.")
	}
	return "scatter.html", v, nil
}

func classes(n int) string { return fmt.Sprintf("%d %s", n, plural(n, "class", "classes")) }

func axisName(label, otherwise string) string {
	if label == "" {
		return otherwise
	}
	return label
}

func dotName(class string, d Dot) string {
	if name := clean(d.Name); name != "" {
		return named(class+":", name)
	}
	return class
}
