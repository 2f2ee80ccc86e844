package active

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
)

// three are probabilities of five rows, of three classifiers.
func three() *Pool {
	return &Pool{Rows: 5, Classes: 3, Members: [][]float64{
		{0.9, 0.1, 0 /**/, 0.4, 0.4, 0.2 /**/, 1, 0, 0 /**/, 0.5, 0.3, 0.2 /**/, 1, 0, 0},
		{0.8, 0.2, 0 /**/, 0.2, 0.7, 0.1 /**/, 1, 0, 0 /**/, 0.1, 0.2, 0.7 /**/, 1, 0, 0},
		{0.7, 0.3, 0 /**/, 0.6, 0.1, 0.3 /**/, 1, 0, 0 /**/, 0.3, 0.6, 0.1 /**/, 1, 0, 0},
	}, Codes: Codes{[]float32{0, 0 /**/, 3, 4 /**/, 1, 0 /**/, -6, 8 /**/, 0, 1}, 2}, Known: Codes{[]float32{0, 0.5}, 2}}
}

func picked(t *testing.T, s Strategy, p *Pool, count int) (rows []int, scores []float64) {
	t.Helper()
	list, err := s.Order(t.Context(), p, count)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range list {
		rows, scores = append(rows, x.Row), append(scores, x.Score)
	}
	return rows, scores
}

// TestOrders holds every order and score against what is worked out by hand; rows 2 and 4 are alike, so the earlier comes first.
func TestOrders(t *testing.T) {
	h := func(p ...float64) (sum float64) {
		for _, v := range p {
			if v > 0 {
				sum -= v * math.Log(v)
			}
		}
		return sum
	}
	one := three()
	one.Members = one.Members[:1]
	for _, c := range []struct {
		s      Strategy
		p      *Pool
		rows   []int
		scores []float64
	}{
		{Margin{}, one, []int{1, 3, 0, 2, 4}, []float64{1, 0.8, 0.2, 0, 0}},
		{Entropy{}, one, []int{1, 3, 0, 2, 4}, []float64{h(0.4, 0.4, 0.2), h(0.5, 0.3, 0.2), h(0.9, 0.1), 0, 0}},
		{Margin{}, three(), []int{1, 3, 0, 2, 4}, []float64{1, 1 - 0.1/3, 0.4, 0, 0}},
		{Entropy{}, three(), []int{3, 1, 0, 2, 4}, []float64{h(0.9/3, 1.1/3, 1./3), h(0.4, 0.4, 0.2), h(0.8, 0.2), 0, 0}},
		{Disagreement{}, three(), []int{3, 1, 0, 2, 4}, []float64{math.Log(3), h(2./3, 1./3), 0, 0, 0}},
		{VariationRatio{}, three(), []int{3, 1, 0, 2, 4}, []float64{2. / 3, 1. / 3, 0, 0, 0}},
		{Information{}, three(), []int{3, 1, 0, 2, 4}, []float64{
			h(0.9/3, 1.1/3, 1./3) - (h(0.5, 0.3, 0.2)+h(0.1, 0.2, 0.7)+h(0.3, 0.6, 0.1))/3,
			h(0.4, 0.4, 0.2) - (h(0.4, 0.4, 0.2)+h(0.2, 0.7, 0.1)+h(0.6, 0.1, 0.3))/3,
			h(0.8, 0.2) - (h(0.9, 0.1)+h(0.8, 0.2)+h(0.7, 0.3))/3, 0, 0}},
		{CoreSet{}, three(), []int{3, 1, 2, 0, 4}, []float64{math.Hypot(6, 7.5), math.Hypot(3, 3.5), math.Hypot(1, 0.5), 0.5, 0.5}},
		{Spread{By: Margin{}, Among: 3}, one, []int{3, 1}, []float64{0.8, 1}},
	} {
		rows, scores := picked(t, c.s, c.p, len(c.rows))
		if !slices.Equal(rows, c.rows) {
			t.Errorf("%s: rows %v, want %v", c.s.Name(), rows, c.rows)
		}
		for i := range scores {
			if math.Abs(scores[i]-c.scores[i]) > 1e-6 {
				t.Errorf("%s: scores %v, want %v", c.s.Name(), scores, c.scores)
				break
			}
		}
		if some, _ := picked(t, c.s, c.p, 1); some[0] != c.rows[0] && c.s.Name() != "margin+coreset" {
			t.Errorf("%s: the first alone is %v, want %d", c.s.Name(), some, c.rows[0])
		}
		if s, err := Parse(c.s.Name()); err != nil || s.Name() != c.s.Name() {
			t.Errorf("Parse(%q) is %v, %v", c.s.Name(), s, err)
		}
	}
}

// TestVotesTies orders rows with equal votes by the margin of the mean.
func TestVotesTies(t *testing.T) {
	p := &Pool{Rows: 3, Classes: 2, Members: [][]float64{{0.9, 0.1, 0.6, 0.4, 0.7, 0.3}, {0.3, 0.7, 0.4, 0.6, 0.2, 0.8}}}
	for _, s := range []Strategy{Disagreement{}, VariationRatio{}} {
		if rows, _ := picked(t, s, p, 3); !slices.Equal(rows, []int{1, 2, 0}) {
			t.Errorf("%s: %v", s.Name(), rows)
		}
	}
}

// TestRandom draws every row about as often, each once a draw, by the seed.
func TestRandom(t *testing.T) {
	count := make([]int, 20)
	for seed := range uint64(2000) {
		rows, _ := picked(t, Random{}, &Pool{Rows: 20, Seed: seed}, 5)
		again, _ := picked(t, Random{}, &Pool{Rows: 20, Seed: seed}, 5)
		if !slices.Equal(rows, again) || len(slices.Compact(slices.Sorted(slices.Values(rows)))) != 5 {
			t.Fatalf("%v, and again %v", rows, again)
		}
		for _, r := range rows {
			count[r]++
		}
	}
	for r, n := range count {
		if n < 410 || n > 590 { // 500, of deviation 19
			t.Errorf("row %d was drawn %d times of 2000", r, n)
		}
	}
}

// slowCoreSet is the greedy k-centre as it is written down.
func slowCoreSet(p *Pool, count int) (rows []int) {
	var centres [][]float32
	for i := range p.Known.Rows() {
		centres = append(centres, p.Known.Row(i))
	}
	for range count {
		best, at := -1, -1.0
		for i := range p.Rows {
			if slices.Contains(rows, i) {
				continue
			}
			near := math.Inf(1)
			for _, c := range centres {
				near = min(near, squared(p.Codes.Row(i), c))
			}
			if near > at {
				best, at = i, near
			}
		}
		rows, centres = append(rows, best), append(centres, p.Codes.Row(best))
	}
	return rows
}

// TestCoreSet holds the choice against the definition, on codes with equal distances, for several processors.
func TestCoreSet(t *testing.T) {
	p := &Pool{Rows: 3000, Codes: Codes{make([]float32, 3000*40), 40}, Known: Codes{make([]float32, 3*40), 40}}
	key := random.New(1)
	for i := range p.Codes.X {
		p.Codes.X[i] = float32(key.Uint64N(uint64(i), 3))
	}
	want := slowCoreSet(p, 25)
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, procs := range []int{1, 4} {
		runtime.GOMAXPROCS(procs)
		if rows, _ := picked(t, CoreSet{}, p, 25); !slices.Equal(rows, want) {
			t.Errorf("%d processors: %v, want %v", procs, rows, want)
		}
	}
	// With nothing labelled it begins in the middle.
	p.Known = Codes{}
	rows, scores := picked(t, CoreSet{}, p, 25)
	if scores[0] != 0 || !slices.IsSortedFunc(scores[1:], func(a, b float64) int { return cmp.Compare(b, a) }) {
		t.Errorf("scores %v", scores)
	}
	if len(slices.Compact(slices.Sorted(slices.Values(rows)))) != 25 {
		t.Errorf("rows %v", rows)
	}
	p = &Pool{Rows: 4, Codes: Codes{[]float32{0, 10, 4, 100}, 1}} // of the mean 28.5
	if rows, scores = picked(t, CoreSet{}, p, 4); !slices.Equal(rows, []int{1, 3, 0, 2}) || !slices.Equal(scores, []float64{0, 90, 10, 4}) {
		t.Errorf("rows %v, scores %v", rows, scores)
	}
	// Rows that are all alike come in order, each once.
	p = &Pool{Rows: 4, Codes: Codes{make([]float32, 8), 2}, Known: Codes{make([]float32, 2), 2}}
	if rows, _ = picked(t, CoreSet{}, p, 4); !slices.Equal(rows, []int{0, 1, 2, 3}) {
		t.Errorf("rows that are alike: %v", rows)
	}
}

// TestSpread does not choose one doubt twice.
func TestSpread(t *testing.T) {
	p := &Pool{Rows: 6, Classes: 2, Members: [][]float64{{0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.6, 0.4, 0.9, 0.1, 1, 0}},
		Codes: Codes{[]float32{1, 1, 1, 2, 50, 90}, 1}, Known: Codes{[]float32{0}, 1}}
	if rows, _ := picked(t, Spread{By: Margin{}, Among: 4}, p, 2); !slices.Equal(rows, []int{3, 0}) {
		t.Errorf("%v", rows)
	}
	if rows, _ := picked(t, Margin{}, p, 2); !slices.Equal(rows, []int{0, 1}) {
		t.Errorf("%v", rows)
	}
}

// TestSpreadAmong chooses of ten times as many rows as are wanted.
func TestSpreadAmong(t *testing.T) {
	p := &Pool{Rows: 30, Classes: 2, Members: [][]float64{nil}, Codes: Codes{make([]float32, 30), 1}, Known: Codes{[]float32{0}, 1}}
	for i := range 30 {
		p.Members[0] = append(p.Members[0], 0.5+float64(i)/100, 0.5-float64(i)/100)
	}
	p.Codes.X[19], p.Codes.X[20] = 50, 99
	if rows, scores := picked(t, Spread{By: Margin{}}, p, 2); !slices.Equal(rows, []int{19, 0}) || math.Abs(scores[0]-0.62) > 1e-9 {
		t.Errorf("%v %v", rows, scores)
	}
}

// TestRefuses says what is wrong with a pool.
func TestRefuses(t *testing.T) {
	change := func(f func(p *Pool)) *Pool {
		p := three()
		f(p)
		return p
	}
	nan := float32(math.NaN())
	for _, c := range []struct {
		s     Strategy
		p     *Pool
		count int
		want  string
	}{
		{Margin{}, nil, 1, "margin: there are no unlabelled rows"},
		{Margin{}, &Pool{}, 1, "there are no unlabelled rows"},
		{Random{}, three(), 6, "from 1 to the 5 that there are, got 6"},
		{Entropy{}, three(), 0, "from 1 to the 5 that there are, got 0"},
		{Margin{}, change(func(p *Pool) { p.Members = nil }), 1, "it needs the probabilities of the classes, and the pool has none"},
		{Disagreement{}, change(func(p *Pool) { p.Members = p.Members[:1] }), 1, "of 2 classifiers or draws at least, and the pool has 1"},
		{Information{}, change(func(p *Pool) { p.Members[1] = p.Members[1][:14] }), 1, "member 1 has 14 probabilities; 5 rows of 3 classes have 15"},
		{Margin{}, change(func(p *Pool) { p.Members[2][4] = math.NaN() }), 1, "member 2: row 1 is [0.6 NaN 0.3]"},
		{Margin{}, change(func(p *Pool) { p.Classes = 1 }), 1, "two classes or more, got 1"},
		{CoreSet{}, change(func(p *Pool) { p.Codes = Codes{} }), 1, "it needs the codes of the rows, and the pool has none"},
		{CoreSet{}, change(func(p *Pool) { p.Codes.X = p.Codes.X[:8] }), 1, "there are 8 numbers of codes of 2; 5 rows have 10"},
		{CoreSet{}, change(func(p *Pool) { p.Known.Dim = 1 }), 1, "the codes of labelled rows have 1 numbers, those of the others 2"},
		{CoreSet{}, change(func(p *Pool) { p.Codes.X[7] = nan }), 1, "the code of row 3 is not finite"},
		{Spread{}, three(), 1, "Spread.By is nil"},
		{Spread{By: Margin{}, Among: 1}, three(), 2, "2 rows cannot be chosen among 1"},
		{Spread{By: Disagreement{}}, change(func(p *Pool) { p.Members = p.Members[:1] }), 1, "disagreement+coreset: it compares"},
	} {
		_, err := c.s.Order(t.Context(), c.p, c.count)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.s.Name(), err, c.want)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, s := range append(Strategies(), Spread{By: Margin{}}) {
		if _, err := s.Order(over, three(), 1); err == nil || !strings.Contains(err.Error(), fmt.Sprint(context.Canceled)) {
			t.Errorf("%s after the end: %v", s.Name(), err)
		}
	}
	for _, name := range []string{"", "frob", "coreset+coreset", "frob+coreset"} {
		if _, err := Parse(name); err == nil || !strings.Contains(err.Error(), "there are random, margin, entropy, coreset, disagreement, dropout, information") {
			t.Errorf("Parse(%q): %v", name, err)
		}
	}
}
