package rates

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// classifier is two layers and a head.
func classifier() Declared {
	x := spec.Input("x", width)
	logits := x.Then(spec.Dense(6).Named("low"), spec.Tanh(), spec.Dense(5).Named("high"), spec.Tanh(), spec.Dense(classes).Named("head"))
	labels := spec.Labels("y", classes)
	return Declared{Model: spec.NewModel("classifier", spec.CrossEntropy(logits, labels)), Metrics: []train.Metric{train.Accuracy(logits, labels)}}
}

// slow are options with a rate far below what the few epochs want, so that greater factors are better.
func slow() train.Options {
	o := options()
	o.Optimizer, o.InOrder = optim.SGD(0.01), false
	return o
}

func small() SearchOptions {
	return SearchOptions{Label: "y", Folds: 3, Population: 4, Generations: 3, Confirm: 2, Seed: 7}
}

func mustSearch(t *testing.T, declare func() Declared, rows dataset.Source, o train.Options, so SearchOptions) *Found {
	t.Helper()
	f, err := Search(t.Context(), declare, rows, o, so)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func encoded(t *testing.T, f *Found) string {
	t.Helper()
	raw, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestSearch finds that a rate that is far too small wants greater factors, and says that this helped on folds that it had not seen.
// A training with what it found is better than one without.
func TestSearch(t *testing.T) {
	rows := points(60)
	so := small()
	so.Generations = 5
	f := mustSearch(t, classifier, rows, slow(), so)
	t.Log("\n" + f.String())
	if len(f.Blocks) != 3 || f.Blocks[0].Name != "low" || f.Blocks[2].Name != "head" {
		t.Fatalf("blocks %+v", f.Blocks)
	}
	gain, half := f.Gain()
	if !f.Helped() || !(gain > half) || !(f.Best.Score() < f.Uniform.Score()) || f.Best.Again() != mean(f.Best.Confirmed) {
		t.Errorf("the search did not help: %v ± %v", gain, half)
	}
	if slices.Equal(f.Best.Scores, f.Best.Confirmed[:3]) || slices.Equal(f.Best.Confirmed[:3], f.Best.Confirmed[3:]) {
		t.Errorf("what was found is confirmed on the folds that it was found by: %v, then %v", f.Best.Scores, f.Best.Confirmed)
	}
	if len(f.Best.Scores) != 3 || len(f.Best.Confirmed) != 6 || len(f.Uniform.Confirmed) != 6 || len(f.Decay.Confirmed) != 6 {
		t.Errorf("scores %+v", f.Best)
	}
	if !slices.IsSortedFunc(f.Tried, func(a, b *Tried) int { return int(math.Copysign(1, a.cost()-b.cost())) }) || len(f.Tried) < 15 || len(f.Tried) > 20 {
		t.Errorf("%d candidates in the order %v", len(f.Tried), f.Tried)
	}
	loss := func(o train.Options) float64 {
		r, err := train.Fit(t.Context(), classifier().Model, rows, o)
		if err != nil {
			t.Fatal(err)
		}
		return r.Last().Train.Loss
	}
	with, err := f.Best.Apply(slow())
	if err != nil {
		t.Fatal(err)
	}
	if a, b := loss(with), loss(slow()); !(a < b) {
		t.Errorf("a training with the rates found ends at %v, one without at %v", a, b)
	}
	for _, r := range f.Best.Table().Rows {
		if got, _ := with.Optimizer.Factor(r.Param); r.Factor != 0 && got != r.Factor {
			t.Errorf("%s: %v, want %v", r.Param, got, r.Factor)
		}
	}
	if down, err := f.Decay.Apply(slow()); err != nil || down.Optimizer.LayerFactor() != 0.75 {
		t.Errorf("decay: %v", err)
	}
	if !strings.Contains(f.String(), "The search helped") || !strings.Contains(f.String(), "decay 0.75") {
		t.Errorf("it says\n%s", f)
	}
}

// TestSearchHelpsNot: where rates do nothing to the score, the search says that it did not help.
func TestSearchHelpsNot(t *testing.T) {
	same := func() Declared {
		d := classifier()
		d.Metrics = []train.Metric{{Name: "label", Value: spec.Input("x", width)}}
		return d
	}
	so := small()
	so.By = train.Greatest("label")
	f := mustSearch(t, same, points(30), slow(), so)
	if gain, half := f.Gain(); f.Helped() || gain != 0 || half != 0 {
		t.Errorf("it says\n%s", f)
	}
	if !strings.Contains(f.String(), "did not help") {
		t.Errorf("it says\n%s", f)
	}
	if far := f.Best.far(); far > f.Tried[len(f.Tried)-1].far() {
		t.Error("of equal candidates the best is not the nearest to one rate")
	}
}

// TestSearchIsTheSame: any number of workers gives the same bits, and so does a search that was interrupted, which
// trains nothing again.
func TestSearchIsTheSame(t *testing.T) {
	rows := points(60)
	o, so := slow(), small()
	so.By = train.Greatest("accuracy")
	o.Workers = 1
	want := encoded(t, mustSearch(t, classifier, rows, o, so))
	o.Workers = 3
	if got := encoded(t, mustSearch(t, classifier, rows, o, so)); got != want {
		t.Errorf("three workers:\n%s\none:\n%s", got, want)
	}
	so.Dir = filepath.Join(t.TempDir(), "new", "folder")
	ctx, stop := context.WithCancel(t.Context())
	so.Progress = func(p Progress) {
		if p.Done == 6 {
			stop()
		}
	}
	_, err := Search(ctx, classifier, rows, o, so)
	if !errors.Is(err, train.ErrInterrupted) || !strings.Contains(err.Error(), "to go on") {
		t.Fatalf("interrupted: %v", err)
	}
	var kept ledgerFile
	raw, err := os.ReadFile(filepath.Join(so.Dir, ledgerName))
	if err != nil || json.Unmarshal(raw, &kept) != nil || len(kept.Scores) < 6 {
		t.Fatalf("%d scores are kept: %v", len(kept.Scores), err)
	}
	so.Progress = nil
	declared := 0
	o.Workers = 1
	count := func() Declared { declared++; return classifier() }
	f := mustSearch(t, count, rows, o, so)
	if got := encoded(t, f); got != want {
		t.Errorf("after an interruption:\n%s\nwithout:\n%s", got, want)
	}
	sets := 2 + len(f.Tried) + 3*so.Confirm
	if trained := declared - 1; trained != so.Folds*(sets-len(kept.Scores)) {
		t.Errorf("%d trainings after an interruption that kept %d of %d sets of folds", trained, len(kept.Scores), sets)
	}
	whole, err := os.ReadFile(filepath.Join(so.Dir, ledgerName))
	if err != nil {
		t.Fatal(err)
	}
	mustSearch(t, classifier, rows, o, so)
	if again, err := os.ReadFile(filepath.Join(so.Dir, ledgerName)); err != nil || string(again) != string(whole) {
		t.Errorf("a search that had ended changes its scores, %v", err)
	}
	so.Seed++
	if _, err := Search(t.Context(), classifier, rows, o, so); err == nil || !strings.Contains(err.Error(), "seed of the search was 7, is 8") {
		t.Errorf("another search in the folder: %v", err)
	}
	so.Seed--
	if err := os.WriteFile(filepath.Join(so.Dir, ledgerName), raw[:len(raw)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Search(t.Context(), classifier, rows, o, so); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("half a file: %v", err)
	}
}

// TestGain: the gain and its interval by hand, with the sign that makes more better.
func TestGain(t *testing.T) {
	for by, sign := range map[train.By]float64{{}: -1, train.Least("loss"): -1, train.Greatest("accuracy"): 1} {
		f := &Found{By: by, Folds: 3}
		f.Uniform, f.Best = &Tried{Confirmed: []float64{5, 5, 5}, found: f}, &Tried{Confirmed: []float64{5 + sign, 5 + 2*sign, 5 + 3*sign}, found: f}
		gain, half := f.Gain()
		if want := 4.30265 * math.Sqrt(1./3+1./2); math.Abs(gain-2) > 1e-12 || math.Abs(half-want) > 1e-4 || f.Helped() {
			t.Errorf("%s: %v ± %v, want 2 ± %v", by, gain, half, want)
		}
		f.Best.Confirmed = []float64{5 + 2*sign, 5 + 2*sign, 5 + 2.1*sign}
		if !f.Helped() {
			t.Errorf("%s: differences of 2, 2 and 2.1 do not help", by)
		}
		f.Best.Diverged = "why"
		if f.Helped() {
			t.Errorf("%s: what went out of bounds helps", by)
		}
	}
}

// TestGroupsStayTogether: no person is on both sides of a fold, and rows without a label take no part.
func TestGroupsStayTogether(t *testing.T) {
	rows := points(80)
	var labels []int64
	for i, y := range rows.I64("y") {
		if i%4 == 0 {
			y = -1
		}
		labels = append(labels, y)
	}
	some, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{width}}, F32: rows.F32("x")},
		dataset.Data{Column: dataset.Column{Name: "y", DType: dataset.I64}, I64: labels}, dataset.Data{Column: dataset.Column{Name: "person", DType: dataset.I64}, I64: rows.I64("person")})
	if err != nil {
		t.Fatal(err)
	}
	s := &search{SearchOptions: small()}
	if err := s.choose(t.Context(), dataset.All(some).GroupedBy("person")); err != nil {
		t.Fatal(err)
	}
	if s.Group != "person" || s.rows.Len() != 60 || len(s.groups) != 60 || slices.Contains(s.labels, -1) {
		t.Errorf("group %q, %d rows, labels %v", s.Group, s.rows.Len(), s.labels)
	}
	for i, n := range s.rows.Numbers() {
		if labels[n] != s.labels[i] || rows.I64("person")[n] != s.groups[i] {
			t.Fatalf("row %d is %d of the data", i, n)
		}
	}
	so := small()
	so.Population, so.Generations, so.Confirm = 4, 1, 1
	o, log := slow(), filepath.Join(t.TempDir(), "new", "run.csv")
	o.Logs = []train.EpochLog{train.CSVLog(log)}
	f := mustSearch(t, classifier, dataset.All(some).GroupedBy("person"), o, so) // training refuses folds that share a person
	if _, err := os.Stat(filepath.Dir(log)); err == nil {
		t.Error("candidates wrote to Options.Logs")
	}
	so.Seed++
	for _, other := range mustSearch(t, classifier, dataset.All(some).GroupedBy("person"), slow(), so).Tried {
		if slices.ContainsFunc(f.Tried, func(x *Tried) bool { return slices.Equal(x.Factors, other.Factors) }) {
			t.Errorf("searches of two seeds both try %v", other.Factors)
		}
	}
}

// TestGenes: any number is a factor from 1/32 to 8 or frozen, and one block at least trains.
func TestGenes(t *testing.T) {
	for x, want := range map[float64]float64{0: 1, 1 / stretch: 2, 3 / stretch: 8, 4 / stretch: 4, -5.5 / stretch: 0, -5 / stretch: 1. / 32, -6.5 / stretch: 0, -8 / stretch: 1. / 16, 18 / stretch: 1, -18 / stretch: 1} {
		if got := decode([]float64{x, 0}); math.Abs(got[0]-want) > 1e-4*want {
			t.Errorf("%v is the factor %v, want %v", x, got[0], want)
		}
	}
	if got := decode([]float64{-5.8 / stretch, -5.5 / stretch, -5.9 / stretch}); !reflect.DeepEqual(got, []float64{0, rounded(1. / 32), 0}) {
		t.Errorf("all frozen: %v", got)
	}
}

// TestFrozenBlock: a frozen block is not trained, nor do its running statistics move.
func TestFrozenBlock(t *testing.T) {
	x := spec.Input("x", width)
	m := spec.NewModel("still", spec.CrossEntropy(x.Then(spec.Dense(6).Named("low"), spec.BatchNorm().Named("norm"), spec.Tanh(), spec.Dense(classes).Named("head")), spec.Labels("y", classes)))
	blocks, err := blocksOf(m, options(), []string{"low", "n*", "head"})
	if err != nil {
		t.Fatal(err)
	}
	o, err := table("by hand", blocks, []float64{2, 0, 0.5}).Apply(options())
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Freeze) != 4 {
		t.Errorf("frozen: %v, want scale, bias, mean and variance", o.Freeze)
	}
	r, err := train.Fit(t.Context(), m, points(40), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Param("norm/scale") {
		if v != 1 {
			t.Errorf("norm/scale is %v", r.Param("norm/scale"))
			break
		}
	}
	if f, _ := o.Optimizer.Factor("low/w"); f != 2 {
		t.Errorf("low has the factor %v", f)
	}
	o = options()
	o.Freeze = []string{"low"}
	if blocks, err = blocksOf(m, o, nil); err != nil || len(blocks) != 2 || blocks[0].Name != "norm" {
		t.Errorf("with low frozen the blocks are %+v: %v", blocks, err)
	}
}

// TestDiverged: a candidate that goes out of bounds is the worst, and kept as such; if the rates as they are do, that is an error.
func TestDiverged(t *testing.T) {
	steep := func() Declared {
		x := spec.Input("x", width)
		return Declared{Model: spec.NewModel("steep", spec.MSE(x.Then(spec.Dense(8).Named("low"), spec.Dense(width).Named("high")), x))}
	}
	o, so := options(), small()
	o.Epochs, o.Optimizer = 40, optim.SGD(1)
	so.Dir = t.TempDir()
	f := mustSearch(t, steep, points(40), o, so)
	worst := f.Tried[len(f.Tried)-1]
	if worst.Diverged == "" || !math.IsNaN(worst.Score()) || f.Best.Diverged != "" {
		t.Errorf("the worst is %+v, the best %+v", worst, f.Best)
	}
	if again := mustSearch(t, steep, points(40), o, so); encoded(t, again) != encoded(t, f) {
		t.Error("a second run gives something else")
	}
	o.Optimizer = optim.SGD(1e6)
	so.Dir = ""
	if _, err := Search(t.Context(), steep, points(40), o, so); err == nil || !strings.Contains(err.Error(), "with the rates as they are") {
		t.Errorf("%v", err)
	}
}

// TestDivergedOnce: a candidate that goes out of bounds on one of the other divisions of the rows has gone out of bounds.
func TestDivergedOnce(t *testing.T) {
	found := map[string]Score{}
	for division, why := range []string{"", "why", ""} {
		x := Score{Factors: []float64{2}, Division: division, Diverged: why}
		if why == "" {
			x.Folds = []float64{1, 2}
		}
		found[x.key()] = x
	}
	s, c := &search{kept: &ledger{found: found}}, &Tried{Factors: []float64{2}, found: &Found{}}
	for division := range 3 {
		if err := s.score(t.Context(), c, division); err != nil {
			t.Fatal(err)
		}
	}
	if c.Diverged != "why" || !slices.Equal(c.Scores, []float64{1, 2}) || len(c.Confirmed) != 2 {
		t.Errorf("got %+v", c)
	}
}

// TestLedgerLacks: scores of another number of folds are not taken.
func TestLedgerLacks(t *testing.T) {
	l := &ledger{path: filepath.Join(t.TempDir(), ledgerName), found: map[string]Score{}}
	if err := l.add(Score{Factors: []float64{1}, Folds: []float64{1, 2}}); err != nil {
		t.Fatal(err)
	}
	if err := l.read(2); err != nil || len(l.found) != 1 {
		t.Errorf("%d scores, %v", len(l.found), err)
	}
	if err := l.read(3); err == nil || !strings.Contains(err.Error(), "a score has 2 folds of 3; remove it to search anew") {
		t.Errorf("%v", err)
	}
}

func TestSearchMistakes(t *testing.T) {
	none, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{width}}, F32: make([]float32, 8*width)},
		dataset.Data{Column: dataset.Column{Name: "y", DType: dataset.I64}, I64: []int64{-1, -1, -1, -1, -1, -1, -1, -1}})
	if err != nil {
		t.Fatal(err)
	}
	nan := func() Declared { // a metric over the rows of a class that a fold lacks
		d := classifier()
		d.Metrics = []train.Metric{train.OverRows("nothing", spec.Input("x", width), spec.Labels("y", classes), func([]float64, []int) (float64, error) { return math.NaN(), nil })}
		return d
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct {
		declare func() Declared
		rows    dataset.Source
		change  func(*train.Options, *SearchOptions)
	}{
		"Label is required":       {classifier, points(20), func(_ *train.Options, s *SearchOptions) { s.Label = "" }},
		"no column \"z\"":         {classifier, points(20), func(_ *train.Options, s *SearchOptions) { s.Label = "z" }},
		"no column \"x\" of one":  {classifier, points(20), func(_ *train.Options, s *SearchOptions) { s.Group = "x" }},
		"none of the 8 rows has":  {classifier, none, func(*train.Options, *SearchOptions) {}},
		"fewer than the 50 folds": {classifier, points(20), func(_ *train.Options, s *SearchOptions) { s.Folds = 50 }},
		"fewer than the 15 folds": {classifier, points(20), func(_ *train.Options, s *SearchOptions) { s.Folds = 15 }},
		"7 groups cannot":         {classifier, points(40), func(_ *train.Options, s *SearchOptions) { s.Group, s.Folds = "person", 8 }},
		"source is nil":           {classifier, nil, func(*train.Options, *SearchOptions) {}},
		"Folds must be from 2":    {classifier, points(20), func(_ *train.Options, s *SearchOptions) { s.Folds = 1 }},
		"Population must be from": {classifier, points(20), func(_ *train.Options, s *SearchOptions) { s.Population = -1 }},
		"Decay must be above 0":   {classifier, points(20), func(_ *train.Options, s *SearchOptions) { s.Decay = math.NaN() }},
		"no place in a search":    {classifier, points(20), func(o *train.Options, _ *SearchOptions) { o.Valid = points(3) }},
		"return them in Declared": {classifier, points(20), func(o *train.Options, _ *SearchOptions) { o.Metrics = classifier().Metrics }},
		"Optimizer is required":   {classifier, points(20), func(o *train.Options, _ *SearchOptions) { o.Optimizer = nil }},
		"not one of Lamina's own": {classifier, points(20), func(o *train.Options, _ *SearchOptions) { o.Optimizer = foreign{optim.SGD(1)} }},
		"search from one without": {classifier, points(20), func(o *train.Options, _ *SearchOptions) { o.Optimizer = optim.SGD(1).LayerDecay(0.5) }},
		"names no parameter":      {classifier, points(20), func(_ *train.Options, s *SearchOptions) { s.Blocks = []string{"low", "frob"} }},
		"a [ has no ]":            {classifier, points(20), func(_ *train.Options, s *SearchOptions) { s.Blocks = []string{"["} }},
		"has no model":            {func() Declared { return Declared{} }, points(20), func(*train.Options, *SearchOptions) {}},
		"names \"f1\"":            {classifier, points(20), func(_ *train.Options, s *SearchOptions) { s.By = train.Greatest("f1") }},
		"is NaN":                  {nan, points(20), func(_ *train.Options, s *SearchOptions) { s.By = train.Greatest("nothing") }},
		"folder of the search":    {classifier, points(20), func(_ *train.Options, s *SearchOptions) { s.Dir = filepath.Join(file, "below") }},
	} {
		o, so := slow(), small()
		c.change(&o, &so)
		if f, err := Search(t.Context(), c.declare, c.rows, o, so); err == nil || f != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
