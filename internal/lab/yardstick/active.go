package yardstick

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/active"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// asking counts the labels that a classifier needs when a strategy chooses the rows to label: where the line from round to round
// of the test error falls to Error for the first time. It begins with Start labels, as many of each class, and asks about Step rows more each time, of Pool
// rows drawn anew from those without a label; the net is then trained from scratch on all labels. Along the way test rows
// measure and choose nothing.
type asking struct {
	Strategy string  `json:"strategy"` // as active.Parse reads it
	Channels []int   `json:"channels"` // of convolutions 3x3, each followed by a pool
	Units    int     `json:"units"`    // of the layer behind them, whose dropout draws
	Drop     float64 `json:"drop"`     // before and, half as much, behind that layer
	Draws    int     `json:"draws"`    // of dropout, for strategies that compare several
	Updates  int     `json:"updates"`  // of a training, or more:
	Epochs   int     `json:"epochs"`   // so many at least
	Batch    int     `json:"batch"`
	Rate     float64 `json:"rate"`
	Start    int     `json:"start"`
	Step     int     `json:"step"`
	Pool     int     `json:"pool"`
	Error    float64 `json:"error"` // %, that is to be reached
	Most     int     `json:"most"`  // labels, which are the count if it is never reached
}

// askedCounts are the numbers of labels at which the error is kept; a run goes on to the last of them.
var askedCounts = []int{100, 180}

func (a asking) measure(ctx context.Context, in *input) (n numbers, err error) {
	strategy, err := active.Parse(a.Strategy)
	if err != nil {
		return n, err
	}
	if a.Start < 1 || a.Step < 1 || a.Pool < a.Step || a.Updates < 1 || a.Batch < 1 || a.Most < a.Start || a.Most > in.digits.Train.Len()-a.Step {
		return n, fmt.Errorf("yardstick: there is no way from %d labels to %d in steps of %d, of %d rows", a.Start, a.Most, a.Step, in.digits.Train.Len())
	}
	var layers []spec.Layer
	for _, c := range a.Channels {
		layers = append(layers, spec.Conv(c, 3).Same(), spec.ReLU(), spec.MaxPool(2))
	}
	code := spec.Input("x", side*side).Then(spec.Reshape(1, side, side)).Then(layers...).
		Then(spec.Flatten(), spec.Dropout(a.Drop/2), spec.Dense(a.Units), spec.ReLU()).Named("code")
	logits := code.Then(spec.Dropout(a.Drop), spec.Dense(10).Named("head")).Named("logits")
	probabilities := logits.Then(spec.Softmax(-1)).Named("probabilities")
	model := spec.NewModel("classifier", spec.CrossEntropy(logits, spec.Labels("y", 10)))

	rows := in.digits.Train
	start := rows.Balanced("y", a.Start, in.seed+1)
	if err := start.Err(); err != nil {
		return n, err
	}
	var known []int // places in rows
	place := map[int]int{}
	for i, r := range rows.Rows() {
		place[r] = i
	}
	for _, r := range start.Rows() {
		known = append(known, place[r])
	}
	n.also = map[string]float64{}
	key, before := random.New(in.seed).DeriveString("pool"), 100.0
	for round := uint64(0); ; round++ {
		labelled := rows.Select(known)
		how := updated(a.Updates, len(known), min(a.Batch, len(known)), a.Rate)
		how.Epochs = max(how.Epochs, a.Epochs)
		o := how.options(in)
		o.Dir, o.Progress = "", nil // a round takes about a second
		fit, err := train.Fit(ctx, model, labelled, o)
		if err != nil {
			return n, err
		}
		wrong, err := errorRate(ctx, fit.Net(logits), in.digits.Test)
		if err != nil {
			return n, err
		}
		if slices.Contains(askedCounts, len(known)) {
			n.also[fmt.Sprintf("error %d", len(known))] = wrong
		}
		if wrong <= a.Error && n.value == 0 {
			n.value = float64(len(known))
			if round > 0 {
				n.value -= math.Round(float64(a.Step) * (a.Error - wrong) / (before - wrong))
			}
		}
		before = wrong
		if len(known) >= a.Most && n.value == 0 {
			n.value, n.also["missed"] = float64(a.Most), 1
		}
		if n.value > 0 && len(known) >= min(slices.Max(askedCounts), a.Most) {
			return n, nil
		}
		pool := others(rows.Len(), known, a.Pool, key.Derive(round))
		p, err := a.look(ctx, fit, strategy, probabilities, code, rows.Select(pool), labelled, in.seed+round)
		if err != nil {
			return n, err
		}
		picks, err := strategy.Order(ctx, p, a.Step)
		if err != nil {
			return n, err
		}
		for _, x := range picks {
			known = append(known, pool[x.Row])
		}
	}
}

// look returns what a strategy looks at, and no more.
func (a asking) look(ctx context.Context, fit *train.Result, s active.Strategy, probabilities, code *spec.Value, rows, known dataset.Source, seed uint64) (*active.Pool, error) {
	p := &active.Pool{Rows: rows.Len(), Seed: seed}
	var err error
	switch m := s.Needs().Members; {
	case m > 1:
		p.Members, p.Classes, err = active.Draws(ctx, fit.Drawing().Net(probabilities), "", rows, a.Draws, seed)
	case m == 1:
		p.Members = make([][]float64, 1)
		p.Members[0], p.Classes, err = active.Probabilities(ctx, fit.Net(probabilities), "", rows)
	}
	if err == nil && s.Needs().Codes {
		if p.Codes, err = active.CodesOf(ctx, fit.Net(code), "", rows); err == nil {
			p.Known, err = active.CodesOf(ctx, fit.Net(code), "", known)
		}
	}
	return p, err
}

// others draws count of the rows that are not known, in order.
func others(rows int, known []int, count int, key random.Key) (out []int) {
	has := make([]bool, rows)
	for _, i := range known {
		has[i] = true
	}
	for _, i := range key.Perm(rows) {
		if !has[i] && len(out) < count {
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return out
}

const actives = "active" // the row's name

// asked are the strategies of the row with what was published of them, the control first.
var asked = []struct {
	strategy  string
	published float64
	what      string
}{
	{"random", 835, "rows at random"},
	{"margin", 0, "smallest margin"},
	{"dropout", 295, "variation ratio of ten draws of dropout"},
	{"information", 335, "BALD of ten draws of dropout"},
	{"margin+coreset", 0, "k-centre among the ten times as many rows of the smallest margin"},
	{"coreset", 0, "greedy k-centre of the codes"},
	{"entropy", 0, "greatest entropy"},
}

// activeSeeds is how many runs a strategy has.
const activeSeeds = 10

// activeRow is the labels that are needed for 95 %.
func activeRow() Row {
	r := Row{Name: actives, Source: "Gal et al. 2017, MNIST", Apart: true, Metric: "labels with which at most 5 % of the test rows are misread", Differs: "See internal/lab/yardstick"}
	for _, s := range asked {
		r.Cells = append(r.Cells, Cell{Name: strings.ReplaceAll(s.strategy, "+", "-"), Published: s.published, Seeds: activeSeeds,
			how: asking{Strategy: s.strategy, Channels: []int{8, 16}, Units: 128, Drop: 0.5, Draws: 10, Updates: 200, Epochs: 40, Batch: 50, Rate: 3e-3, Start: 20, Step: 40, Pool: 2000, Error: 5, Most: 1220}})
	}
	return r
}

// Marks of the place of the table in a page.
const (
	activesBegin = "<!-- active -->\n"
	activesEnd   = "<!-- end of active -->\n"
)

// ActiveTable returns the kept results of active as Markdown: means with 95 % intervals, and the paired differences from random.
func ActiveTable(all map[string]Result) string {
	var got []Result
	var b strings.Builder
	fmt.Fprintf(&b, "| strategy | labels for 95 %% | fewer than at random | published | misread with %d labels, %%, median | with %d | seconds a run |\n|---|---:|---:|---:|---:|---:|---:|\n", askedCounts[0], askedCounts[1])
	control := all[actives+"/random"]
	for _, s := range asked {
		x, ok := all[actives+"/"+strings.ReplaceAll(s.strategy, "+", "-")]
		if !ok {
			continue
		}
		got = append(got, x)
		middle, half := spread(x.Values)
		fewer, published := "", ""
		if len(x.Values) == len(control.Values) && s.strategy != "random" {
			d := make([]float64, len(x.Values))
			for i := range d {
				d[i] = control.Values[i] - x.Values[i]
			}
			m, h := spread(d)
			fewer = fmt.Sprintf("%.0f ± %.0f", m, h)
		}
		if s.published > 0 {
			published = fmt.Sprintf("%.0f", s.published)
		}
		labels := fmt.Sprintf("%.0f ± %.0f", middle, half)
		if x.Also["missed"] > 0 {
			labels = "more than " + labels
		}
		fmt.Fprintf(&b, "| `%s`, %s | %s | %s | %s | %.1f | %.1f | %.0f |\n", s.strategy, s.what, labels, fewer, published,
			x.Also[fmt.Sprintf("error %d", askedCounts[0])], x.Also[fmt.Sprintf("error %d", askedCounts[1])], math.Round(x.WallS))
	}
	if len(got) == 0 {
		return "Not measured yet.\n"
	}
	return b.String() + "\n" + where(got) + "\n"
}
