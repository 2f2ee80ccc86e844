package active

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

// TestDoubt is of thresholds worked out by hand: class 0 has (0.9+0.7+0.2)/3 = 0.6, class 1 (0.6+0.5+0.3)/3 = 0.467.
func TestDoubt(t *testing.T) {
	got, err := Doubt([]int{0, 0, 0, 1, 1, 1, evaluate.None}, []float64{0.9, 0.1, 0.7, 0.3, 0.2, 0.8, 0.4, 0.6, 0.5, 0.5, 0.7, 0.3, 0.1, 0.9}, 2)
	if want := []Doubtful{{2, 0, 1, 0.2, 0.8}, {5, 1, 0, 0.3, 0.7}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, want %v; %v", got, want, err)
	}
	// Row 2 reaches the threshold of class 1, (0.3+0.1)/2, and not that of the likelier class 0, 0.833.
	got, err = Doubt([]int{0, 0, 0, 1, 1}, []float64{0.95, 0.05, 0.95, 0.05, 0.6, 0.4, 0.7, 0.3, 0.9, 0.1}, 2)
	if want := []Doubtful{{4, 1, 0, 0.1, 0.9}, {2, 0, 1, 0.6, 0.4}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, want %v; %v", got, want, err)
	}
	// Class 2 has no rows and no threshold.
	got, err = Doubt([]int{0, 1}, []float64{0.3, 0, 0.7, 0, 0.3, 0.7}, 3)
	if err != nil || len(got) != 0 {
		t.Errorf("%v %v", got, err)
	}
	for _, c := range []struct {
		labels  []int
		p       []float64
		classes int
		want    string
	}{
		{[]int{0}, []float64{1}, 1, "two classes or more, got 1"},
		{[]int{0, 1}, []float64{1, 0, 1}, 2, "2 labels and 2 classes need 4 probabilities, got 3"},
		{[]int{2}, []float64{1, 0}, 2, "the label of row 0 is 2; classes are 0 to 1"},
		{[]int{1}, []float64{1, 0.5}, 2, "row 0 has [1 0.5], which are no probabilities"},
	} {
		if _, err := Doubt(c.labels, c.p, c.classes); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// clusters are codes of three classes in groups of four rows, of which every tenth label is wrong.
func clusters(rows int) (s *evaluate.Set, groups []int64, wrong []int) {
	s = &evaluate.Set{Dim: 5, Classes: 3}
	key := random.New(3)
	for i := range rows {
		y := int(key.Derive(1).Uint64N(uint64(i), 3))
		code := make([]float32, 5)
		key.Derive(2, uint64(i)).FillNormal32(code, 0)
		code[y] += 4
		for _, v := range code {
			s.X = append(s.X, float64(v))
		}
		if i%10 == 3 {
			y, wrong = (y+1)%3, append(wrong, i)
		}
		s.Y, groups = append(s.Y, y), append(groups, int64(i/4))
	}
	return s, groups, wrong
}

// TestProbed finds most of the labels that were made wrong, with and without groups, and hardly any other.
func TestProbed(t *testing.T) {
	s, groups, wrong := clusters(400)
	for _, g := range [][]int64{nil, groups} {
		p, err := Probed(t.Context(), s, g, 5, 1)
		if err != nil {
			t.Fatal(err)
		}
		list, err := Doubt(s.Y, p, 3)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, d := range list {
			if slices.Contains(wrong, d.Row) {
				found++
			}
		}
		if found < len(wrong)/2 || found < len(list)*9/10 {
			t.Errorf("of %d wrong labels %d are among the %d listed", len(wrong), found, len(list))
		}
	}
	if _, err := Probed(t.Context(), &evaluate.Set{X: []float64{1, 2}, Dim: 1, Y: []int{0, evaluate.None}, Classes: 2}, nil, 2, 0); err == nil || !strings.Contains(err.Error(), "row 1 has no label") {
		t.Error(err)
	}
	// A number that is missing is the mean of the rows that are fitted to, and no row makes another of those that it is not fitted to.
	lacks := &evaluate.Set{X: []float64{0, 5, 0.1, math.NaN(), 1, 7, 1.1, math.NaN()}, Dim: 2, Y: []int{0, 0, 1, 1}, Classes: 2}
	known, test := filled(selected(lacks, []int{0, 1, 2}), selected(lacks, []int{3}))
	if want := []float64{0, 5, 0.1, 6, 1, 7}; !slices.Equal(known.X, want) || !slices.Equal(test.X, []float64{1.1, 6}) || !math.IsNaN(lacks.X[3]) {
		t.Errorf("%v and %v, want %v and [1.1 6]", known.X, test.X, want)
	}
	if known, _ = filled(selected(lacks, []int{1, 3}), test); !slices.Equal(known.X, []float64{0.1, 0, 1.1, 0}) {
		t.Errorf("a column without numbers: %v", known.X)
	}
	if p, err := Probed(t.Context(), lacks, nil, 2, 0); err != nil || !(p[0] > 0.5 && p[7] > 0.5) {
		t.Errorf("%v %v", p, err)
	}
	// Two rows of a class are too few for folds within the folds.
	few := &evaluate.Set{X: []float64{0, 0.1, 1, 1.1}, Dim: 1, Y: []int{0, 0, 1, 1}, Classes: 2}
	if p, err := Probed(t.Context(), few, nil, 2, 0); err != nil || !(p[0] > 0.5 && p[2] > 0.5 && p[5] > 0.5 && p[7] > 0.5) {
		t.Errorf("%v %v", p, err)
	}
}

// TestProbedWithinFolds chooses the penalty without dividing a group: where the other fold is one group, there is nothing to choose by.
func TestProbedWithinFolds(t *testing.T) {
	s, _, _ := clusters(60)
	var groups []int64
	var even, odd []int
	for i := range s.Y {
		groups = append(groups, int64(i%2))
		if i%2 == 0 {
			even = append(even, i)
		} else {
			odd = append(odd, i)
		}
	}
	got, err := Probed(t.Context(), s, groups, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	want, err := probe(t.Context(), selected(s, odd), selected(s, even), alone)
	if err != nil {
		t.Fatal(err)
	}
	for k, i := range even {
		if !slices.Equal(got[3*i:][:3], want[3*k:][:3]) {
			t.Fatalf("row %d: %v, want %v", i, got[3*i:][:3], want[3*k:][:3])
		}
	}
	if l2, err := penalty(t.Context(), selected(s, odd), nil, 1); err != nil || l2 == alone {
		t.Errorf("without groups the penalty is %v too: the test tells nothing; %v", l2, err)
	}
}

// TestPenalty takes the penalty that predicts best: a small one where codes tell the class, the largest where they tell nothing.
func TestPenalty(t *testing.T) {
	clear, nothing := &evaluate.Set{Dim: 1, Classes: 2}, &evaluate.Set{Dim: 10, Classes: 2}
	key := random.New(5)
	for i := range 40 {
		clear.X, clear.Y = append(clear.X, float64(i)), append(clear.Y, i/20)
		nothing.Y = append(nothing.Y, int(key.Uint64N(uint64(i), 2)))
		for j := range 10 {
			nothing.X = append(nothing.X, key.Derive(1, uint64(i)).Float64(uint64(j)))
		}
	}
	for _, c := range []struct {
		s    *evaluate.Set
		want float64
	}{{clear, 1e-4}, {nothing, 1}} {
		if l2, err := penalty(t.Context(), c.s, nil, 1); err != nil || l2 != c.want {
			t.Errorf("%v, want %v; %v", l2, c.want, err)
		}
	}
}

// TestOutOfFold never gives a row, or one of its group, to what predicts it.
func TestOutOfFold(t *testing.T) {
	s, groups, _ := clusters(100)
	labels := make([]int64, len(s.Y))
	for i, y := range s.Y {
		labels[i] = int64(y)
	}
	p, err := OutOfFold(t.Context(), labels, groups, 3, 4, 9, func(_ context.Context, f evaluate.Fold) (out []float64, err error) {
		for _, i := range f.Test {
			if slices.ContainsFunc(f.Train, func(k int) bool { return groups[k] == groups[i] }) {
				t.Errorf("group %d is on both sides", groups[i])
			}
			out = append(out, float64(i), 0, 1)
		}
		return out, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range labels {
		if p[3*i] != float64(i) || p[3*i+2] != 1 {
			t.Fatalf("row %d has the numbers of row %v", i, p[3*i])
		}
	}
	if _, err = OutOfFold(t.Context(), labels, nil, 3, 4, 9, func(context.Context, evaluate.Fold) ([]float64, error) { return nil, nil }); err == nil || !strings.Contains(err.Error(), "fold 1: 25 rows of 3 classes have 75 probabilities, got 0") {
		t.Error(err)
	}
	together := []int64{0, 0, 0, 1, 1, 1, 2, 2}
	if _, err = OutOfFold(t.Context(), []int64{0, 1, 0, 1, 0, 1, 2, 2}, together, 3, 2, 9, nil); err == nil || !strings.Contains(err.Error(), "all rows of class 2 are in fold") {
		t.Error(err)
	}
	broken := errors.New("broken")
	if _, err = OutOfFold(t.Context(), labels, nil, 3, 4, 9, func(context.Context, evaluate.Fold) ([]float64, error) { return nil, broken }); !errors.Is(err, broken) || !strings.Contains(fmt.Sprint(err), "fold 1 of 4") {
		t.Error(err)
	}
	if _, err = OutOfFold(t.Context(), labels, nil, 3, 400, 9, nil); err == nil || !strings.Contains(err.Error(), "take fewer folds") {
		t.Error(err)
	}
}
