package evaluate_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// TestBootstrap holds an interval of a mean to what is known of it, and draws the same rows by the same seed.
func TestBootstrap(t *testing.T) {
	const n = 400
	x := make([]float64, n)
	for i := range x {
		x[i] = random.New(3).Normal(uint64(i))
	}
	mean := func(d evaluate.Draw) (float64, error) {
		sum := 0.0
		for _, i := range d.Rows {
			sum += x[i]
		}
		byCounts := 0.0
		for i, k := range d.Counts {
			byCounts += k * x[i]
		}
		if len(d.Rows) != n || math.Abs(sum-byCounts) > 1e-9 {
			t.Fatalf("rows and counts differ: %v and %v", sum, byCounts)
		}
		return sum / n, nil
	}
	o := evaluate.BootstrapOptions{Draws: 2000, Seed: 5}
	a, err := evaluate.Bootstrap(t.Context(), n, mean, o)
	if err != nil {
		t.Fatal(err)
	}
	spread := 0.0
	for _, v := range x {
		spread += (v - a.Value) * (v - a.Value) / n
	}
	spread = math.Sqrt(spread / n) // the standard error of a mean
	if math.Abs(a.Deviation/spread-1) > 0.06 || math.Abs((a.High-a.Low)/(2*1.96*spread)-1) > 0.08 || !(a.Low < a.Value && a.Value < a.High) || a.Draws != 2000 || a.Undefined != 0 {
		t.Errorf("%+v; the standard error is %v", a, spread)
	}
	if b, err := evaluate.Bootstrap(t.Context(), n, mean, o); err != nil || a != b {
		t.Errorf("again %+v, %v", b, err)
	}
	o.Seed++
	if b, err := evaluate.Bootstrap(t.Context(), n, mean, o); err != nil || a == b {
		t.Errorf("another seed gives the same: %v", err)
	}
	o.Level = 0.5
	if b, err := evaluate.Bootstrap(t.Context(), n, mean, o); err != nil || math.Abs((b.High-b.Low)/(2*0.6745*spread)-1) > 0.12 {
		t.Errorf("half of the draws: %+v, %v", b, err)
	}
}

// TestBootstrapByStrata draws as many rows of each part as there are, so that what needs all classes is always defined.
func TestBootstrapByStrata(t *testing.T) {
	y := []int{0, 0, 0, 0, 0, 0, 0, 0, 1, 1}
	scores := []float64{1, 2, 3, 4, 5, 6, 7, 8, 5, 9}
	metric := func(d evaluate.Draw) (float64, error) {
		var s []float64
		var positive []bool
		for _, i := range d.Rows {
			s, positive = append(s, scores[i]), append(positive, y[i] == 1)
		}
		a, err := evaluate.AUROC(s, positive)
		if err != nil {
			return 0, err
		}
		all := make([]bool, len(y))
		for i := range y {
			all[i] = y[i] == 1
		}
		if b, err := evaluate.AUROC(scores, all, evaluate.Weighted(d.Counts)); err != nil || math.Abs(a-b) > 1e-12 {
			t.Fatalf("counts as weights give %v, %v, the rows %v", b, err, a)
		}
		return a, nil
	}
	plain, err := evaluate.Bootstrap(t.Context(), len(y), metric, evaluate.BootstrapOptions{Draws: 300})
	if err != nil || plain.Undefined == 0 || plain.Draws+plain.Undefined != 300 {
		t.Errorf("%+v, %v: some draws have one class", plain, err)
	}
	strata, err := evaluate.Bootstrap(t.Context(), len(y), metric, evaluate.BootstrapOptions{Draws: 300, Strata: y})
	if err != nil || strata.Undefined != 0 || strata.Draws != 300 || strata.Value != plain.Value {
		t.Errorf("%+v, %v", strata, err)
	}
}

// TestBootstrapByHand gives draws that are known: the interval is between their ranks, and half of them may lack the metric.
func TestBootstrapByHand(t *testing.T) {
	for _, c := range []struct {
		draws     []float64 // NaN has no metric
		low, high float64
	}{
		{[]float64{4, 2, 5, 1, 3}, 2, 4},
		{[]float64{4, 2, 1, 3}, 1.75, 3.25},
		{[]float64{3, math.NaN(), math.NaN(), 1}, 1.5, 2.5},
		{[]float64{math.NaN(), math.NaN(), math.NaN(), 1}, 0, 0},
	} {
		calls := 0
		i, err := evaluate.Bootstrap(t.Context(), 3, func(evaluate.Draw) (float64, error) {
			if calls++; calls == 1 {
				return 9, nil
			}
			if x := c.draws[calls-2]; x == x {
				return x, nil
			}
			return 0, evaluate.ErrUndefined
		}, evaluate.BootstrapOptions{Draws: len(c.draws), Level: 0.5})
		if c.high == 0 {
			if !errors.Is(err, evaluate.ErrUndefined) {
				t.Errorf("three of four draws without the metric: %v", err)
			}
			continue
		}
		if err != nil || i.Value != 9 || i.Low != c.low || i.High != c.high || i.Draws+i.Undefined != len(c.draws) {
			t.Errorf("%v: %+v, %v, want %v to %v", c.draws, i, err, c.low, c.high)
		}
	}
}

func TestBootstrapRefuses(t *testing.T) {
	ok := func(evaluate.Draw) (float64, error) { return 1, nil }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := 0
	for want, f := range map[string]func() (evaluate.Interval, error){
		"there are no rows": func() (evaluate.Interval, error) {
			return evaluate.Bootstrap(t.Context(), 0, ok, evaluate.BootstrapOptions{})
		},
		"the draws must be from 2": func() (evaluate.Interval, error) {
			return evaluate.Bootstrap(t.Context(), 5, ok, evaluate.BootstrapOptions{Draws: 1})
		},
		"the level must be between": func() (evaluate.Interval, error) {
			return evaluate.Bootstrap(t.Context(), 5, ok, evaluate.BootstrapOptions{Level: 1})
		},
		"a stratum for each of the 5": func() (evaluate.Interval, error) {
			return evaluate.Bootstrap(t.Context(), 5, ok, evaluate.BootstrapOptions{Strata: []int{1}})
		},
		"a stratum for each of the 5 rows, got 6": func() (evaluate.Interval, error) {
			return evaluate.Bootstrap(t.Context(), 5, ok, evaluate.BootstrapOptions{Strata: make([]int, 6)})
		},
		context.Canceled.Error(): func() (evaluate.Interval, error) { return evaluate.Bootstrap(ctx, 5, ok, evaluate.BootstrapOptions{}) },
		"the metric is NaN": func() (evaluate.Interval, error) {
			return evaluate.Bootstrap(t.Context(), 5, func(evaluate.Draw) (float64, error) { return math.NaN(), nil }, evaluate.BootstrapOptions{})
		},
		"no such thing": func() (evaluate.Interval, error) {
			return evaluate.Bootstrap(t.Context(), 5, func(evaluate.Draw) (float64, error) { return 0, errors.New("no such thing") }, evaluate.BootstrapOptions{})
		},
		"more than half of the draws do": func() (evaluate.Interval, error) {
			return evaluate.Bootstrap(t.Context(), 5, func(evaluate.Draw) (float64, error) {
				if calls++; calls > 1 {
					return 0, fmt.Errorf("%w here", evaluate.ErrUndefined)
				}
				return 1, nil
			}, evaluate.BootstrapOptions{Draws: 10})
		},
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestFolds divides rows so that no group is on both sides, each row is tested once, and the classes stay alike.
func TestFolds(t *testing.T) {
	key := random.New(8)
	const n, k = 600, 5
	labels, groups := make([]int64, n), make([]int64, n)
	for i := range labels {
		groups[i] = int64(key.Derive(1).Uint64N(uint64(i), 40)) - 20
		labels[i] = int64(key.Derive(2).Uint64N(uint64(i), 3))
		if i%50 == 7 {
			labels[i] = evaluate.None
		}
	}
	for name, c := range map[string]struct {
		labels []int64
		groups []int64
		apart  int // by how many rows of a class two folds may differ
	}{
		"alone":   {labels, nil, 1},
		"grouped": {labels, groups, 16},
		"groups":  {nil, groups, 16},
		"plain":   {make([]int64, n), nil, 1},
	} {
		folds, err := evaluate.Folds(c.labels, c.groups, k, 11)
		if err != nil || len(folds) != k {
			t.Fatalf("%s: %v", name, err)
		}
		tested := make([]int, n)
		counts := make([]map[int64]int, k)
		for f, fold := range folds {
			counts[f] = map[int64]int{}
			both := map[int64]bool{}
			for _, i := range fold.Test {
				tested[i]++
				if c.labels != nil {
					counts[f][c.labels[i]]++
				} else {
					counts[f][0]++
				}
				if c.groups != nil {
					both[c.groups[i]] = true
				}
			}
			for _, i := range fold.Train {
				if c.groups != nil && both[c.groups[i]] {
					t.Fatalf("%s: group %d is on both sides of fold %d", name, c.groups[i], f)
				}
			}
			if len(fold.Test)+len(fold.Train) != n || !slices.IsSorted(fold.Test) || !slices.IsSorted(fold.Train) {
				t.Errorf("%s: fold %d has %d and %d rows", name, f, len(fold.Train), len(fold.Test))
			}
		}
		if slices.Min(tested) != 1 || slices.Max(tested) != 1 {
			t.Errorf("%s: a row is not tested exactly once", name)
		}
		for class := range counts[0] {
			least, most := n, 0
			for f := range counts {
				least, most = min(least, counts[f][class]), max(most, counts[f][class])
			}
			if most-least > c.apart {
				t.Errorf("%s: class %d has from %d to %d rows in a fold", name, class, least, most)
			}
		}
		again, _ := evaluate.Folds(c.labels, c.groups, k, 11)
		other, _ := evaluate.Folds(c.labels, c.groups, k, 12)
		if fmt.Sprint(again) != fmt.Sprint(folds) || fmt.Sprint(other) == fmt.Sprint(folds) {
			t.Errorf("%s: it must be a function of the seed", name)
		}
	}
	// As many groups as folds: each is tested alone, whatever its classes.
	folds, err := evaluate.Folds([]int64{0, 0, 0, 1, 1, 1}, []int64{5, 5, 6, 7, 7, 7}, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folds {
		if len(f.Test) == 0 || len(f.Test) > 3 {
			t.Errorf("a fold of %v", f.Test)
		}
	}
	// The largest groups go first, so that small ones even out: 4+2 and 3+3 rows.
	for seed := range uint64(20) {
		folds, err := evaluate.Folds(nil, []int64{1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4}, 2, seed)
		if err != nil || len(folds[0].Test) != 6 {
			t.Errorf("seed %d: %v, %v", seed, folds, err)
		}
	}
	// A rare class counts as much as a frequent one: group 3 goes where its second class is missing less, not where the first is.
	var labels3, groups3 []int64
	for g, n := range [][2]int{{12, 0}, {10, 1}, {1, 1}} {
		for range n[0] {
			labels3, groups3 = append(labels3, 0), append(groups3, int64(g))
		}
		for range n[1] {
			labels3, groups3 = append(labels3, 1), append(groups3, int64(g))
		}
	}
	folds, err = evaluate.Folds(labels3, groups3, 2, 1)
	if err != nil || len(folds[0].Test) != 14 && len(folds[1].Test) != 14 {
		t.Errorf("the rows of a rare class are in one fold: %v, %v", folds, err)
	}
	if _, err := evaluate.Folds([]int64{0, 0, 0, evaluate.None}, nil, 3, 1); err != nil {
		t.Errorf("one row without a label: %v", err)
	}
	for want, f := range map[string]func() ([]evaluate.Fold, error){
		"there are no rows":                                       func() ([]evaluate.Fold, error) { return evaluate.Folds(nil, nil, 3, 1) },
		"two folds or more, got 1":                                func() ([]evaluate.Fold, error) { return evaluate.Folds([]int64{1, 1}, nil, 1, 1) },
		"a group for each of the 2 labels, got 3":                 func() ([]evaluate.Fold, error) { return evaluate.Folds([]int64{1, 1}, []int64{1, 2, 3}, 2, 1) },
		"2 groups cannot be divided into 3 folds":                 func() ([]evaluate.Fold, error) { return evaluate.Folds(nil, []int64{1, 2, 2, 1}, 3, 1) },
		"class 4 has 2 rows, fewer than the 3 folds":              func() ([]evaluate.Fold, error) { return evaluate.Folds([]int64{4, 1, 1, 4, 1}, nil, 3, 1) },
		"the label of row 1 is -2; it must be 0 or more, or -1 f": func() ([]evaluate.Fold, error) { return evaluate.Folds([]int64{4, -2}, nil, 2, 1) },
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
