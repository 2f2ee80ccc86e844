package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// Curve is a label curve that was measured: plain data for JSON.
type Curve struct {
	Metric     string     `json:"metric"`
	Measured   string     `json:"measured"` // "test rows" or "cross-validation"
	Rows       int        `json:"rows"`
	Labelled   int        `json:"labelled"` // of the rows
	Test       int        `json:"test"`     // rows measured on in each draw
	Hash       string     `json:"hash"`     // of the rows
	TestHash   string     `json:"test_hash"`
	Group      string     `json:"group,omitempty"`
	Classes    []string   `json:"classes"`
	Counts     []int      `json:"counts"`
	Draws      int        `json:"draws"`
	Folds      int        `json:"folds,omitempty"`
	Drawn      string     `json:"drawn"`
	Seed       uint64     `json:"seed"`
	Price      float64    `json:"price,omitempty"` // of a label
	Currency   string     `json:"currency,omitempty"`
	Verdict    []string   `json:"verdict"`
	Best       string     `json:"best"`              // the arm with the least mean with the most labels, of those that see no test inputs
	Shipped    string     `json:"shipped,omitempty"` // the arm of the bundle
	Notes      []string   `json:"notes,omitempty"`
	Arms       []ArmCurve `json:"arms"`
	Model      string     `json:"model,omitempty"` // how it was declared
	Pretrained []Took     `json:"pretrained,omitempty"`
	Machine    string     `json:"machine"` // CPU, cores, system and kernels
}

// ArmCurve is the curve of an arm, or of predictions that were joined.
type ArmCurve struct {
	Name   string       `json:"name"`
	Kind   string       `json:"kind"`             // control, scratch, pretrained, extended by more than pretraining, seen or joined
	Before bool         `json:"before,omitempty"` // it was pretrained before the curve, on rows that are not known
	Points []CurvePoint `json:"points"`
	// BreakEven is the number of labels from which on the arm is no better than from scratch.
	BreakEven *Labels     `json:"break_even,omitempty"`
	Worst     *WorstGroup `json:"worst_group,omitempty"` // with the most labels
	Confusion [][]int     `json:"confusion"`             // with the most labels, over all draws: by class, then by prediction
	Losses    []float64   `json:"losses,omitempty"`      // of the epochs of the first draw, with the most labels
}

// CurvePoint is an arm with a number of labels.
type CurvePoint struct {
	Labels int       `json:"labels"`
	Values []float64 `json:"values"` // the metric of each draw, or of each fold of each draw
	Estimate
	// Gain is by how much the metric is below that from scratch on the same draws, nil for that itself.
	Gain *Estimate `json:"gain,omitempty"`
	// Fall is by how much the metric is below that with the number of labels before, on the same draws.
	Fall *Estimate `json:"fall,omitempty"`
	// Equal is the number of labels with which the net from scratch is as good.
	Equal *Labels `json:"equal,omitempty"`
	// AUROC is the area under the ROC curve of two classes: nil for more, for predictions that
	// were joined, which are no scores, and where fewer than two draws or folds have rows of both.
	AUROC   *Estimate `json:"auroc,omitempty"`
	Seconds float64   `json:"seconds"`          // of a training, the mean
	Memory  int64     `json:"memory,omitempty"` // bytes, the most that the process had had by then
}

// WorstGroup is the group of rows that most are predicted wrongly of: a class if there are no groups.
type WorstGroup struct {
	Name  string  `json:"name"`
	Rows  int     `json:"rows"` // that were measured in a draw
	Error float64 `json:"error"`
}

// Took is what a pretraining took.
type Took struct {
	Name    string  `json:"name"`
	Runs    int     `json:"runs"`
	Seconds float64 `json:"seconds"` // of all runs
	Phases  []Phase `json:"phases,omitempty"`
}

// collect makes the curve of its points.
func (r *curving) collect(points []*point) *Curve {
	c := &Curve{Metric: r.o.Metric, Measured: "test rows", Rows: len(r.y), Labelled: len(r.labelled), Test: len(r.cells[0].y), Hash: r.hash, TestHash: r.testHash,
		Group: r.o.Group, Classes: r.names, Counts: r.o.Counts, Draws: r.o.Draws, Folds: r.o.Folds, Drawn: r.o.Drawn, Seed: r.o.Seed,
		Price: r.o.Price, Currency: r.o.Currency, Notes: r.notes, Model: r.first.Text, Machine: machine()}
	overlap := 0.0
	if r.o.Test == nil {
		c.Measured, c.Test = "cross-validation", len(r.labelled)
		overlap = 1 / float64(r.o.Folds-1)
	} else {
		c.Folds = 0
	}
	for _, a := range r.o.Arms {
		curve := r.armCurve(a.Name, a.kind(), points, overlap)
		if p, err := r.first.pretraining(a.Pretrain); err == nil {
			curve.Before = p.Before
		}
		c.Arms = append(c.Arms, curve)
	}
	for _, j := range r.o.Joined {
		c.Arms = append(c.Arms, r.armCurve(j.Name, "joined", points, overlap))
	}
	c.compare(overlap)
	for _, p := range r.pretrainings() {
		at := slices.IndexFunc(c.Pretrained, func(t Took) bool { return t.Name == p.Name })
		if at < 0 {
			at = len(c.Pretrained)
			c.Pretrained = append(c.Pretrained, Took{Name: p.Name, Phases: p.Phases})
		}
		c.Pretrained[at].Runs++
		c.Pretrained[at].Seconds += p.Seconds
	}
	c.Best = c.best(func(a *ArmCurve) bool { return a.Kind != "seen" })
	c.Verdict = c.verdict()
	return c
}

// armCurve gathers the points of an arm.
func (r *curving) armCurve(name, kind string, points []*point, overlap float64) ArmCurve {
	a := ArmCurve{Name: name, Kind: kind}
	groups := map[int64]groupCount{}
	for i, n := range r.o.Counts {
		at := CurvePoint{Labels: n}
		var areas []float64
		unknown := false // an older point may lack it
		for _, p := range points {
			if p.Arm != name || p.Labels != n {
				continue
			}
			at.Values = append(at.Values, metric(r.o.Metric, p.Confusion))
			if p.AUROC != nil {
				areas = append(areas, *p.AUROC)
			} else if p.bothMeasured() {
				unknown = true
			}
			at.Seconds += p.Seconds
			at.Memory = max(at.Memory, p.Memory)
			if i < len(r.o.Counts)-1 {
				continue
			}
			if a.Confusion == nil {
				a.Losses = p.Losses
			}
			a.Confusion = sum(a.Confusion, p.Confusion)
			for _, g := range p.Groups {
				have := groups[g.Group]
				groups[g.Group] = groupCount{g.Group, have.Rows + g.Rows, have.Wrong + g.Wrong}
			}
		}
		at.Seconds /= float64(len(at.Values))
		at.Estimate = estimate(at.Values, overlap)
		if len(areas) > 1 && !unknown {
			e := estimate(areas, overlap)
			at.AUROC = &e
		}
		a.Points = append(a.Points, at)
	}
	a.Worst = r.worst(groups)
	return a
}

// worst returns the group with the greatest share of wrong predictions, the least number of two that are equal.
func (r *curving) worst(groups map[int64]groupCount) *WorstGroup {
	var worst *groupCount
	for _, g := range groups {
		share := float64(g.Wrong) / float64(g.Rows)
		if worst == nil || share > float64(worst.Wrong)/float64(worst.Rows) || share == float64(worst.Wrong)/float64(worst.Rows) && g.Group < worst.Group {
			worst = &g
		}
	}
	if worst == nil {
		return nil
	}
	return &WorstGroup{Name: r.groupName(worst.Group), Rows: worst.Rows / r.o.Draws, Error: float64(worst.Wrong) / float64(worst.Rows)}
}

// groupName is that of a class if there are no groups.
func (r *curving) groupName(g int64) string {
	if r.o.Group == "" {
		return r.names[g]
	}
	if s := dataset.SchemaOf(r.o.Rows); s != nil {
		for _, f := range s.Fields {
			if f.Kind == dataset.Group && g >= 0 && g < int64(len(f.Values)) {
				return f.Values[g]
			}
		}
	}
	return strconv.FormatInt(g, 10)
}

func sum(a, b [][]int) [][]int {
	if a == nil {
		a = make([][]int, len(b))
		for i := range b {
			a[i] = make([]int, len(b[i]))
		}
	}
	for i := range b {
		for j, n := range b[i] {
			a[i][j] += n
		}
	}
	return a
}

// ranked returns the arms whose AUROC is known.
func (c *Curve) ranked() (out []*ArmCurve) {
	for i := range c.Arms {
		if !slices.ContainsFunc(c.Arms[i].Points, func(p CurvePoint) bool { return p.AUROC == nil }) {
			out = append(out, &c.Arms[i])
		}
	}
	return out
}

// Arm returns the curve of that name, or nil.
func (c *Curve) Arm(name string) *ArmCurve {
	for i := range c.Arms {
		if c.Arms[i].Name == name {
			return &c.Arms[i]
		}
	}
	return nil
}

// Last returns the point with the most labels.
func (a *ArmCurve) Last() *CurvePoint { return &a.Points[len(a.Points)-1] }

func (a *ArmCurve) means() []float64 {
	var out []float64
	for _, p := range a.Points {
		out = append(out, p.Mean)
	}
	return out
}

// compare holds every arm against the net from scratch, and against itself with fewer labels,
// draw by draw.
func (c *Curve) compare(overlap float64) {
	for i := range c.Arms {
		points := c.Arms[i].Points
		for k := 1; k < len(points); k++ {
			fall := difference(&points[k-1], &points[k], overlap)
			points[k].Fall = &fall
		}
	}
	base := c.Arm(scratch)
	means := base.means()
	for i := range c.Arms {
		a := &c.Arms[i]
		if a == base {
			continue
		}
		var gains []float64
		for k := range a.Points {
			p := &a.Points[k]
			gain := difference(&base.Points[k], p, overlap)
			equal := crossing(c.Counts, means, p.Mean)
			p.Gain, p.Equal = &gain, &equal
			gains = append(gains, gain.Mean)
		}
		even := breakEven(c.Counts, gains)
		a.BreakEven = &even
	}
}

// difference is by how much p is below from, draw by draw.
func difference(from, p *CurvePoint, overlap float64) Estimate {
	differ := make([]float64, len(p.Values))
	for j := range differ {
		differ[j] = from.Values[j] - p.Values[j]
	}
	return estimate(differ, overlap)
}

// best returns the arm with the least mean with the most labels; of two that are equal the earlier.
func (c *Curve) best(among func(*ArmCurve) bool) string {
	best, least := "", math.Inf(1)
	for i := range c.Arms {
		if a := &c.Arms[i]; among(a) && a.Last().Mean < least {
			best, least = a.Name, a.Last().Mean
		}
	}
	return best
}

// machine names no host and no user.
func machine() string {
	cpu := simd.CPU()
	name := cpu.Identity.Name
	if name == "" {
		name = cpu.Arch
	}
	return fmt.Sprintf("%s, %d cores, %s/%s", name, cpu.Cores, runtime.GOOS, runtime.GOARCH)
}

const (
	jsonName = "report.json"
	csvName  = "report.csv"
	pageName = "report.html"
)

// write writes the report's files.
func (c *Curve) write(dir string, l *look) error {
	b, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := atomicfile.WriteBytes(filepath.Join(dir, jsonName), append(b, '\n')); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if b, err = c.csv(); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := atomicfile.WriteBytes(filepath.Join(dir, csvName), b); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return c.page(l).Write(filepath.Join(dir, pageName))
}

// csv has a line for each arm and number of labels.
func (c *Curve) csv() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write([]string{"arm", "kind", "labels", "metric", "mean", "low", "high", "gain", "gain_low", "gain_high", "equal_labels", "equal_reached", "cost", "seconds", "memory", "auroc", "auroc_low", "auroc_high"})
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	for _, a := range c.Arms {
		for _, p := range a.Points {
			row := []string{a.Name, a.Kind, strconv.Itoa(p.Labels), c.Metric, number(p.Mean), number(p.Low), number(p.High), "", "", "", "", "", "", number(p.Seconds), strconv.FormatInt(p.Memory, 10), "", "", ""}
			if p.Gain != nil {
				copy(row[7:], []string{number(p.Gain.Mean), number(p.Gain.Low), number(p.Gain.High), number(p.Equal.Number), p.Equal.Reached})
			}
			if c.Price > 0 {
				row[12] = number(c.Price * float64(p.Labels))
			}
			if p.AUROC != nil {
				copy(row[15:], []string{number(p.AUROC.Mean), number(p.AUROC.Low), number(p.AUROC.High)})
			}
			w.Write(row)
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}
