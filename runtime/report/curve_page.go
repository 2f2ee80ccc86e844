package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/lamina-ml/lamina/runtime/report/page"
)

// Page returns the page of the curve, without what is drawn of a net.
func (c *Curve) Page() *page.Page { return c.page(&look{}) }

func (c *Curve) page(l *look) *page.Page {
	p := &page.Page{Title: "How many labels?", Verdict: c.Verdict, Facts: c.facts(), Foot: "Written by lamina. The numbers are in " + jsonName + " and " + csvName + "; the draws are files of row numbers in the folder draws."}
	p.Sections = append(p.Sections, c.curves(), c.compared(), c.controls())
	if s, ok := c.confused(); ok {
		p.Sections = append(p.Sections, s)
	}
	p.Sections = append(p.Sections, c.looks(l)...)
	if s := c.trained(l); len(s.Blocks) > 0 {
		p.Sections = append(p.Sections, s)
	}
	p.Sections = append(p.Sections, c.declared())
	return p
}

// tenth is a number with one decimal, which is more than an error is known to.
func tenth(x float64) float64 { return math.Round(10*x) / 10 }

// percent is a share in per cent.
func percent(x float64) string { return page.Fixed(100*x, 1) }

func (c *Curve) facts() []page.Fact {
	var out []page.Fact
	add := func(name, value string) { out = append(out, page.Fact{Name: name, Value: value}) }
	add("Rows", fmt.Sprintf("%s, %s of them with a label", grouped(c.Rows), grouped(c.Labelled)))
	if c.Folds > 0 {
		how := fmt.Sprintf("cross-validation of %d folds, repeated %d times", c.Folds, c.Draws)
		if c.Group != "" {
			how += ", no " + c.Group + " on both sides"
		}
		add("Measured by", how)
	} else {
		add("Measured on", fmt.Sprintf("%s test rows, the same in %d draws", grouped(c.Test), c.Draws))
	}
	how := "as frequent as the classes are"
	if c.Drawn == balanced {
		how = "as many of each class"
	}
	add("Labels drawn", how)
	add("Seed", strconv.FormatUint(c.Seed, 10))
	seconds, memory := 0.0, int64(0)
	for _, a := range c.Arms {
		for _, p := range a.Points {
			seconds, memory = seconds+p.Seconds*float64(len(p.Values)), max(memory, p.Memory)
		}
	}
	for _, t := range c.Pretrained {
		seconds += t.Seconds
	}
	add("Machine", c.Machine)
	add("Time", duration(seconds))
	if memory > 0 {
		add("Most memory", size(memory))
	}
	if c.Price > 0 {
		add("Price of a label", c.money(1))
	}
	if c.Shipped != "" {
		add("Shipped", c.Shipped+", trained on all labels")
	}
	return out
}

// of returns the arms of the kinds.
func (c *Curve) of(kinds ...string) (out []*ArmCurve) {
	for i := range c.Arms {
		if slices.Contains(kinds, c.Arms[i].Kind) {
			out = append(out, &c.Arms[i])
		}
	}
	return out
}

func (c *Curve) lines(title, note string, arms []*ArmCurve) *page.Lines {
	b := &page.Lines{Title: title, Note: note, X: page.Axis{Label: "labels", Log: true}, Y: page.Axis{Label: c.Metric + " (%)", Zero: true}}
	for _, a := range arms {
		s := page.Series{Name: a.Name, Dashed: a.Kind == "control" || a.Kind == "joined"}
		for _, p := range a.Points {
			s.Points = append(s.Points, page.Point{X: float64(p.Labels), Y: tenth(100 * p.Mean), Low: tenth(100 * max(p.Low, 0)), High: tenth(100 * min(p.High, 1))})
		}
		b.Series = append(b.Series, s)
	}
	return b
}

// interval says what the bands are.
func (c *Curve) interval() string {
	if c.Folds > 0 {
		return fmt.Sprintf("Bands are 95 %% intervals of Student's t over %d folds of %d draws, made wider for folds that share rows (Nadeau and Bengio 2003).", c.Folds, c.Draws)
	}
	return fmt.Sprintf("Bands are 95 %% intervals of Student's t over %d draws of the labels. The test rows are the same in all of them, and draws of many labels have rows in common.", c.Draws)
}

func (c *Curve) curves() page.Section {
	s := page.Section{Title: "How the error falls with labels"}
	s.Blocks = append(s.Blocks, c.lines("Nets: from scratch and pretrained", c.interval(), c.of("scratch", "pretrained", "extended")))
	if others := c.of("control", "joined"); len(others) > 0 {
		best := c.Arm(c.best(func(a *ArmCurve) bool { return slices.Contains([]string{"scratch", "pretrained", "extended"}, a.Kind) }))
		b := c.lines("The best net beside what needs none", "The best net is the one with the least error with the most labels. The others see the columns as they are.", append([]*ArmCurve{best}, others...))
		b.Bars = true
		s.Blocks = append(s.Blocks, b)
	}
	if ranked := c.ranked(); len(ranked) > 0 {
		s.Blocks = append(s.Blocks, c.matrix("Area under the ROC curve", "How often a row of one class has a greater score for it than a row of the other: 1 is always, 0.5 is chance. In parentheses the 95 % interval. Joined predictions are no scores, so they have none.", ranked, func(p *CurvePoint) string {
			return page.Fixed(p.AUROC.Mean, 3) + " (" + page.Fixed(max(p.AUROC.Low, 0), 3) + " to " + page.Fixed(min(p.AUROC.High, 1), 3) + ")"
		}))
	}
	if seen := c.of("seen"); len(seen) > 0 {
		s.Blocks = append(s.Blocks, c.lines("With the inputs of the rows that are measured on", "These were pretrained on the inputs, without labels, of the rows that they are measured on. That can only be had for rows that are there before training, so it stands apart.", append(c.of("scratch"), seen...)))
	}
	return s
}

// matrix is a table with a row for each of some arms and a column for each number of labels.
func (c *Curve) matrix(title, note string, arms []*ArmCurve, cell func(p *CurvePoint) string) *page.Table {
	t := &page.Table{Title: title, Note: note, Columns: []string{"way"}}
	for _, n := range c.Counts {
		t.Columns = append(t.Columns, grouped(n)+" labels")
	}
	for _, a := range arms {
		row := []string{a.Name}
		for i := range a.Points {
			row = append(row, cell(&a.Points[i]))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// compared is what each arm gains over the net from scratch.
func (c *Curve) compared() page.Section {
	s := page.Section{Title: "Against the same net from scratch", Text: []string{
		"The difference is taken draw by draw, with the same labels for both, in points of the error; above 0 is better than from scratch. Where its interval has 0 in it, these data do not say which is better."}}
	others := c.of("pretrained", "extended", "seen", "control", "joined")
	s.Blocks = append(s.Blocks, c.matrix("Better by, in points, with the 95 % interval", "✓ is certainly better, ✗ certainly worse: the interval is on one side of 0.", others, func(p *CurvePoint) string {
		mark := ""
		switch {
		case p.Gain.Low > 0:
			mark = " ✓"
		case p.Gain.High < 0:
			mark = " ✗"
		}
		return percent(p.Gain.Mean) + " (" + percent(p.Gain.Low) + " to " + percent(p.Gain.High) + ")" + mark
	}))
	nets := c.of("pretrained", "extended", "seen")
	if len(nets) == 0 {
		return s
	}
	s.Blocks = append(s.Blocks, c.matrix("Labels that the net from scratch needs to be as good", "Read off the means, interpolated in the logarithm of the number. ≤ is as good already with the least number that was measured, > not with the most.", nets, func(p *CurvePoint) string { return p.Equal.short() }))
	if c.Price > 0 {
		t := c.matrix("What is saved, if a label costs "+c.money(1), "What the labels cost that the net from scratch needs beyond these. In the first row, what the labels themselves cost; below 0, what these cost more. Empty is beyond the numbers that were measured.", nets, func(p *CurvePoint) string {
			switch saved := p.Equal.Number - float64(p.Labels); {
			case p.Equal.Reached == "no" && saved > 0:
				return "> " + c.money(saved)
			case p.Equal.Reached == "yes":
				return c.money(saved)
			}
			return ""
		})
		cost := []string{"cost of the labels"}
		for _, n := range c.Counts {
			cost = append(cost, c.money(float64(n)))
		}
		t.Rows = slices.Insert(t.Rows, 0, cost)
		s.Blocks = append(s.Blocks, t)
	}
	even := &page.Table{Title: "Where the advantage ends", Note: "The number of labels from which on the mean is no better than from scratch, interpolated.", Columns: []string{"way", "labels"}}
	for _, a := range nets {
		says := a.BreakEven.String()
		switch a.BreakEven.Reached {
		case "no":
			says = "beyond " + grouped(int(a.BreakEven.Number))
		case "fewer":
			says = "never ahead"
		}
		even.Rows = append(even.Rows, []string{a.Name, says})
	}
	s.Blocks = append(s.Blocks, even)
	return s
}

// controls is what each way comes to, and what it takes.
func (c *Curve) controls() page.Section {
	last := grouped(c.Counts[len(c.Counts)-1])
	s := page.Section{Title: "With " + last + " labels, the most that were drawn"}
	b := &page.Bars{Title: "Error of each way", Note: "Lines are 95 % intervals.", Label: c.Metric + " (%)", Decimals: 1}
	worst := "worst class"
	if c.Group != "" {
		worst = "worst " + c.Group
	}
	t := &page.Table{Title: "What each takes, and where it is worst", Columns: []string{"way", worst, "rows", "wrong (%)", "seconds a training", "memory"},
		Note: "Memory is the most that the process had had by then. The rows are those of the group that are measured in a draw: of a group with few rows the share says little."}
	for i := range c.Arms {
		a := &c.Arms[i]
		p := a.Last()
		b.Bars = append(b.Bars, page.Bar{Name: a.Name, Value: 100 * p.Mean, Low: 100 * max(p.Low, 0), High: 100 * min(p.High, 1), Strong: a.Name == c.Best})
		row := []string{a.Name, "", "", "", page.Fixed(p.Seconds, 2), ""}
		if w := a.Worst; w != nil {
			row[1], row[2], row[3] = w.Name, grouped(w.Rows), percent(w.Error)
		}
		if p.Memory > 0 {
			row[5] = size(p.Memory)
		}
		if a.Kind == "joined" {
			row[4] = ""
		}
		if a.Name == c.Best {
			t.Strong = append(t.Strong, len(t.Rows))
		}
		t.Rows = append(t.Rows, row)
	}
	s.Blocks = append(s.Blocks, b, t)
	return s
}

// confused shows which classes the best takes for which.
func (c *Curve) confused() (page.Section, bool) {
	s := page.Section{Title: "What is taken for what"}
	for _, name := range slices.Compact([]string{c.Best, scratch}) {
		a := c.Arm(name)
		if a == nil || a.Confusion == nil || len(c.Classes) > 40 {
			continue
		}
		b := &page.Confusion{Title: a.Name, Classes: c.Classes, Small: len(c.Classes) <= 6, Note: fmt.Sprintf("Rows of %d draws together, with %s labels.", c.Draws, grouped(a.Last().Labels))}
		for _, row := range a.Confusion {
			line := make([]float64, len(row))
			for i, n := range row {
				line[i] = float64(n)
			}
			b.Counts = append(b.Counts, line)
		}
		s.Blocks = append(s.Blocks, b)
	}
	return s, len(s.Blocks) > 0
}

// looks shows what the net has learned.
func (c *Curve) looks(l *look) (out []page.Section) {
	s := page.Section{Title: "What the net has learned", Text: []string{fmt.Sprintf("Of %q, trained once more on all labels.", l.arm)}}
	if len(l.pictures) > 0 && l.pictures[0][1] != nil {
		b := &page.Pictures{Title: "Reconstructions", Note: "Rows, and below each what the pretraining makes of it."}
		for i, pair := range l.pictures {
			g := page.Group{}
			for k, what := range []string{"row", "reconstruction of row"} {
				g.Pictures = append(g.Pictures, page.Picture{Says: fmt.Sprintf("%s %d", what, i+1), Image: draw(l.shape, func(j int) float64 { return float64(pair[k][j]) })})
			}
			b.Groups = append(b.Groups, g)
		}
		s.Blocks = append(s.Blocks, b)
	}
	if l.filters != nil {
		s.Blocks = append(s.Blocks, l.filters)
	}
	if b := c.codesMap(l); b != nil {
		s.Blocks = append(s.Blocks, b)
	}
	if len(s.Blocks) > 0 {
		out = append(out, s)
	}
	return out
}

// codesMap is the plane in which codes differ most.
func (c *Curve) codesMap(l *look) page.Block {
	if l.codes == nil || l.codes.Dim < 2 || l.codes.Dim > mostMapped || len(l.codes.Y) < 8 || len(c.Classes) > 12 {
		return nil
	}
	x := make([]float32, len(l.codes.X))
	for i, v := range l.codes.X {
		x[i] = float32(v)
	}
	points, share, ok := plane(x, len(l.codes.Y), l.codes.Dim)
	if !ok {
		return nil
	}
	seen := "They are rows that it was trained on."
	if c.Folds == 0 {
		seen = "They are test rows."
	}
	s := &page.Scatter{Title: "Map of the codes", X: page.Axis{Label: "first principal component"}, Y: page.Axis{Label: "second principal component"},
		Note: fmt.Sprintf("%s rows by the two principal components of their %d numbers, which have %s %% of the variance. %s", grouped(len(l.codes.Y)), l.codes.Dim, page.Number(round(100*share, 3)), seen)}
	for k, name := range c.Classes {
		cloud := page.Cloud{Name: name}
		for i, y := range l.codes.Y {
			if y == k {
				cloud.Points = append(cloud.Points, page.Dot{X: float64(points[2*i]), Y: float64(points[2*i+1])})
			}
		}
		s.Groups = append(s.Groups, cloud)
	}
	return s
}

// trained shows the losses of the net on all labels, and what the pretrainings took.
func (c *Curve) trained(l *look) page.Section {
	s := page.Section{Title: "Phases and losses"}
	for _, p := range l.phases {
		if len(p.Losses) > 1 {
			s.Blocks = append(s.Blocks, &page.Lines{Title: p.Name, X: page.Axis{Label: "epoch"}, Y: page.Axis{Label: "training loss"}, Series: []page.Series{page.Curve(p.Name, p.Losses...)}, Small: true})
		}
	}
	t := &page.Table{Title: "Pretrainings", Columns: []string{"pretraining", "times", "seconds in all"}}
	for _, p := range c.Pretrained {
		t.Rows = append(t.Rows, []string{p.Name, strconv.Itoa(p.Runs), page.Number(round(p.Seconds, 3))})
	}
	if len(t.Rows) > 0 {
		s.Blocks = append(s.Blocks, t)
	}
	return s
}

// declared shows the model, and what is to be known of how this was measured.
func (c *Curve) declared() page.Section {
	s := page.Section{Title: "How it was measured", Text: slices.Clone(c.Notes)}
	if c.Folds > 0 {
		s.Text = append(s.Text, "Each draw divides the rows into folds of its own. Whatever is fitted or chosen, such as the scale of a column, a penalty or a pretraining, is so on the side that trains, and no row is measured by a net that has seen it.")
	} else {
		s.Text = append(s.Text, "Nothing is fitted to the test rows and nothing is chosen on them. A pretraining is made once and not for each draw, so the intervals do not have its chance in them.")
	}
	if n := len(c.Arms); n > 1 {
		s.Text = append(s.Text, fmt.Sprintf("The best of the %d ways is called so by the draws that it is measured with, so its error is a little too good; the difference of two ways that were named beforehand is not.", n))
	}
	if c.Model != "" {
		s.Blocks = append(s.Blocks, &page.Text{Title: "The model", Body: c.Model, Folded: true})
	}
	return s
}
