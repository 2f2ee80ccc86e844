package evaluate

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// What [Drift.Status] says.
const (
	Steady       = "steady"       // no place is found to have moved
	Moved        = "moved"        // some have
	Undetermined = "undetermined" // there are too few rows to say
)

// LeastRows is how many rows a comparison needs on either side.
const LeastRows = 100

// DriftOptions are those of [Reference.Compare].
type DriftOptions struct {
	// Level is how often rows of the same distribution are taken for others, in any place at all: 0.01 if it is 0.
	Level float64
	// Least is the least distance, or difference of shares, that counts as a move, however many rows show it: 0.02 if it
	// is 0, none if it is below.
	Least float64
}

// Drift is what a comparison found.
type Drift struct {
	Status    string   `json:"status"`
	Rows      int      `json:"rows"`
	Reference int      `json:"reference"` // rows of the reference
	Level     float64  `json:"level"`
	Least     float64  `json:"least"`
	Tests     int      `json:"tests"` // among which the level is divided
	Moved     []string `json:"moved"` // in plain words, a line for each place
	Places    []Shift  `json:"places"`
	Reason    string   `json:"reason,omitempty"` // why it is undetermined
}

// Shift is what became of one place.
type Shift struct {
	Name   string `json:"name"`
	Output bool   `json:"output,omitempty"`
	Rows   int    `json:"rows"` // with a value
	// PSI is the population stability index, over tenths of the reference or over its ids: a common rule calls less than
	// 0.1 none, and more than 0.25 a great shift (Siddiqi 2006).
	PSI   float64 `json:"psi"`
	Tests []Test  `json:"tests"`
	Moved bool    `json:"moved"`
	Says  string  `json:"says,omitempty"` // what moved, in plain words
	// Unseen are the texts of a category that the reference does not have, most frequent first, where [Drift.NameUnseen] was
	// told them: rows of ids do not have them.
	Unseen []dataset.TextCount `json:"unseen,omitempty"`
}

// Test is one question that is asked of a place: "numbers" or "ids", how they are distributed among rows that have one;
// "missing", how many rows have none; "unseen", how many have an id that is not among those of the reference.
type Test struct {
	Of string `json:"of"`
	// Distance is that of Kolmogorov and Smirnov for numbers, half the sum of the differences of shares for ids, and the
	// difference of the two shares else.
	Distance float64 `json:"distance"`
	Was      float64 `json:"was,omitempty"` // the share of missing in the reference; of unseen, what is to be expected of the same distribution
	Is       float64 `json:"is,omitempty"`  // the share now
	P        float64 `json:"p"`             // of so great a distance, if nothing moved
	Adjusted float64 `json:"adjusted"`      // the same for the number of tests, after Holm
	Moved    bool    `json:"moved"`
}

// Compare holds rows against the reference: every column, and every output that the function gives for them. The rows are
// read once, and only counts are kept.
//
// Numbers are compared by the distance of Kolmogorov and Smirnov at the numbers that the reference keeps, which is at most the
// distance itself, so that p is not too small; p is the asymptotic one with Stephens' (1970) correction for few rows. Ids are
// compared by a chi-squared test of homogeneity, in which those expected less than 5 times are one; shares of missing and of unseen
// values by Fisher's exact test, that of unseen one-sided, against the ids that the reference has once. All p are adjusted after Holm (1979), so that the chance of any false alarm is at most
// Level where rows are independent of each other. With many rows the smallest shifts are certain: those below Least are
// not called a move.
//
// Errors: a reference of another function; options that cannot be; those of [engine.Net.Each].
func (r *Reference) Compare(ctx context.Context, net *engine.Net, rows dataset.Source, o DriftOptions) (*Drift, error) {
	if err := net.Err(); err != nil {
		return nil, err
	}
	w, err := r.Watch(net)
	if err != nil {
		return nil, err
	}
	err = eachOf(ctx, net, rows, func(_ int, in, out map[string]*ir.Tensor) error { return w.Add(in, out) })
	if err != nil {
		return nil, fmt.Errorf("evaluate: drift: %w", err)
	}
	return w.Drift(o)
}

// Watch counts rows as they come, for a service that holds what it sees against a reference. It takes as much memory as
// the reference. It is not safe for concurrent use.
type Watch struct {
	ref    *Reference
	rows   int
	places []counted
}

// counted is what came in one place.
type counted struct {
	rows    int
	missing int
	bins    []int // 2i+1 is At[i], 2i what is below it and above the one before
	ids     []int
	others  int // ids that the reference does not have
}

// Watch begins to count rows of the function. Errors: the reference is not one of it.
func (r *Reference) Watch(net *engine.Net) (*Watch, error) {
	if err := r.Fits(net); err != nil {
		return nil, err
	}
	return r.Begin(), nil
}

// Begin is [Reference.Watch] of a function that nothing is known of, for a reference that [Reference.Check] accepts.
func (r *Reference) Begin() *Watch {
	w := &Watch{ref: r, places: make([]counted, len(r.Places))}
	for k, s := range r.Places {
		w.places[k].bins, w.places[k].ids = make([]int, 2*len(s.At)+1), make([]int, len(s.IDs))
	}
	return w
}

// Rows returns how many rows have come.
func (w *Watch) Rows() int { return w.rows }

// Add counts rows by the inputs and outputs of a call, whose first axis they are. An input or output that is left out is not
// counted.
func (w *Watch) Add(in, out map[string]*ir.Tensor) error {
	rows := -1
	for k := range w.places {
		s, c := &w.ref.Places[k], &w.places[k]
		from := in
		if s.Output {
			from = out
		}
		t := from[s.Value]
		if t == nil || len(t.Shape) == 0 {
			continue
		}
		n := t.Shape[0]
		width := ir.Elems(t.Shape[1:])
		if rows >= 0 && n != rows || s.Place >= width {
			return fmt.Errorf("evaluate: drift: %q is %v, which are not as many rows or places as the others have", s.Value, t.Type())
		}
		rows = n
		for i := s.Place; i < n*width; i += width {
			c.add(s, valueAt(t, i))
		}
	}
	w.rows += max(rows, 0)
	return nil
}

func (c *counted) add(s *Spread, v float64) {
	c.rows++
	switch {
	case v-v != 0 || s.Table && v == dataset.MissingID:
		c.missing++
	case len(s.IDs) > 0:
		if i, ok := slices.BinarySearch(s.IDs, int64(v)); ok && !(s.Table && v == dataset.UnseenID) {
			c.ids[i]++
		} else {
			c.others++
		}
	default:
		i, ok := slices.BinarySearch(s.At, v)
		if i *= 2; ok {
			i++
		}
		c.bins[i]++
	}
}

// Drift compares what has come so far: see [Reference.Compare]. Errors: options that cannot be.
func (w *Watch) Drift(o DriftOptions) (*Drift, error) {
	if o.Level == 0 {
		o.Level = 0.01
	}
	if o.Least == 0 {
		o.Least = 0.02
	}
	if !(o.Level > 0 && o.Level < 1) || !(o.Least < 1) {
		return nil, fmt.Errorf("evaluate: drift: Level must be between 0 and 1, and Least less than 1, got %v and %v", o.Level, o.Least)
	}
	d := &Drift{Status: Steady, Rows: w.rows, Reference: w.ref.Rows, Level: o.Level, Least: max(o.Least, 0), Moved: []string{}, Places: []Shift{}}
	if n := min(w.rows, w.ref.Rows); n < LeastRows {
		d.Status = Undetermined
		d.Reason = fmt.Sprintf("there are %d rows, and %d of the reference: %d of each are needed to tell a move from chance", w.rows, w.ref.Rows, LeastRows)
		return d, nil
	}
	var all []*Test
	for k := range w.places {
		d.Places = append(d.Places, w.places[k].shift(&w.ref.Places[k], w.ref.Rows))
	}
	for k := range d.Places {
		for i := range d.Places[k].Tests {
			all = append(all, &d.Places[k].Tests[i])
		}
	}
	d.Tests = len(all)
	holm(all)
	for k := range d.Places {
		p := &d.Places[k]
		var says []string
		for i := range p.Tests {
			t := &p.Tests[i]
			if t.Moved = t.Adjusted <= o.Level && t.Distance >= o.Least; t.Moved {
				says = append(says, w.places[k].says(&w.ref.Places[k], t))
			}
		}
		if p.Moved = len(says) > 0; p.Moved {
			p.Says = p.Name + ": " + strings.Join(says, "; ")
			d.Status, d.Moved = Moved, append(d.Moved, p.Says)
		}
	}
	return d, nil
}

// NewTexts returns the categories of a table in which more values came that the reference does not have, each with the texts that
// it has: what dataset.Schema.Unknown takes to find the new ones, for [Drift.NameUnseen].
func (d *Drift) NewTexts(r *Reference) map[string][]string {
	known := map[string][]string{}
	for k, p := range d.Places {
		moved := slices.ContainsFunc(p.Tests, func(t Test) bool { return t.Of == "unseen" && t.Moved })
		if k < len(r.Places) && r.Places[k].Table && !p.Output && moved {
			known[p.Name] = slices.DeleteFunc(slices.Clone(r.Places[k].Texts), func(text string) bool { return text == "" })
		}
	}
	return known
}

// NameUnseen says which texts the values are that the reference does not have, by the name of the category, most frequent first.
func (d *Drift) NameUnseen(texts map[string][]dataset.TextCount) {
	const most = 3
	for k := range d.Places {
		p := &d.Places[k]
		if p.Unseen = texts[p.Name]; p.Output || !p.Moved || len(p.Unseen) == 0 {
			continue
		}
		var names []string
		for _, t := range p.Unseen[:min(most, len(p.Unseen))] {
			names = append(names, fmt.Sprintf("%q %d times", t.Text, t.Rows))
		}
		if n := len(p.Unseen) - len(names); n > 0 {
			names = append(names, fmt.Sprintf("%d more", n))
		}
		says := p.Says + "; new: " + strings.Join(names, ", ")
		d.Moved[slices.Index(d.Moved, p.Says)] = says
		p.Says = says
	}
}

// shift asks everything of a place.
func (c *counted) shift(s *Spread, rows int) Shift {
	p := Shift{Name: s.Name, Output: s.Output, Rows: c.rows - c.missing, Tests: []Test{}}
	m, n := rows-s.Missing, c.rows-c.missing
	if (s.Missing > 0 || c.missing > 0) && c.rows > 0 {
		p.Tests = append(p.Tests, shares("missing", s.Missing, rows, c.missing, c.rows))
	}
	if m == 0 || n == 0 {
		return p
	}
	enough := min(m, n) >= LeastRows
	if len(s.IDs) > 0 {
		unseen := 0
		was, is := slices.Clone(s.Counts), slices.Clone(c.ids)
		if s.Table && s.IDs[0] == dataset.UnseenID {
			unseen, was, is = was[0], was[1:], is[1:]
		}
		if c.others > 0 {
			p.Tests = append(p.Tests, unseenMore(was, unseen, m, c.others, n))
		}
		was, is = append(was, unseen), append(is, c.others)
		p.PSI = stability(was, is)
		if enough && m > unseen && n > c.others {
			p.Tests = append(p.Tests, homogeneous(was, is))
		}
		return p
	}
	below, d, tenth := 0, 0.0, 0
	var was, is []int
	lastWas, lastIs := 0, 0
	for i := range s.At {
		under := below + c.bins[2*i]
		to := under + c.bins[2*i+1]
		d = max(d, math.Abs(float64(s.Under[i])/float64(m)-float64(under)/float64(n)), math.Abs(float64(s.To[i])/float64(m)-float64(to)/float64(n)))
		below = to
		if share := 10 * s.To[i] / m; share > tenth {
			tenth = share
			was, is = append(was, s.To[i]-lastWas), append(is, to-lastIs)
			lastWas, lastIs = s.To[i], to
		}
	}
	if len(is) > 0 { // what is above the greatest belongs to the last tenth
		is[len(is)-1] += n - lastIs
	}
	p.PSI = stability(was, is)
	if enough {
		p.Tests = append(p.Tests, Test{Of: "numbers", Distance: d, P: smirnov(d, m, n)})
	}
	return p
}

// says is what a test found, in plain words.
func (c *counted) says(s *Spread, t *Test) string {
	percent := func(x float64) string { return fmt.Sprintf("%.3g %%", 100*x) }
	switch t.Of {
	case "missing":
		return fmt.Sprintf("%s have no value, it was %s", percent(t.Is), percent(t.Was))
	case "unseen":
		return fmt.Sprintf("%s are values that the reference does not have, about %s were to be expected", percent(t.Is), percent(t.Was))
	case "ids":
		most, at, m, n := -1.0, 0, 0, c.others
		for i, k := range s.Counts {
			m, n = m+k, n+c.ids[i]
		}
		for i, k := range s.Counts {
			if d := math.Abs(float64(k)/float64(m) - float64(c.ids[i])/float64(n)); d > most && !(s.Table && s.IDs[i] == dataset.UnseenID) {
				most, at = d, i
			}
		}
		name := fmt.Sprint(s.IDs[at])
		if len(s.Texts) > 0 && s.Texts[at] != "" {
			name = fmt.Sprintf("%q", s.Texts[at])
		}
		return fmt.Sprintf("%s is %s, it was %s (the shares are %.2g apart)", name, percent(float64(c.ids[at])/float64(n)), percent(float64(s.Counts[at])/float64(m)), t.Distance)
	}
	unit := ""
	if s.Unit != "" {
		unit = " " + s.Unit
	}
	quartiles := func(of func(i int) int, n int) string {
		var q []string
		for k := 1; k <= 3; k++ {
			text := fmt.Sprintf("above %.4g", s.At[len(s.At)-1])
			for i, v := range s.At {
				if 4*of(i) >= k*n {
					text = fmt.Sprintf("%.4g", v)
					break
				}
			}
			q = append(q, text)
		}
		return strings.Join(q, ", ") + unit
	}
	m, n := 0, 0
	if k := len(s.To); k > 0 {
		m = s.To[k-1]
	}
	to := make([]int, len(s.At))
	for i, k := range c.bins {
		if n += k; i%2 == 1 {
			to[i/2] = n
		}
	}
	return fmt.Sprintf("the quartiles are %s, they were %s (%.2g apart)", quartiles(func(i int) int { return to[i] }, n), quartiles(func(i int) int { return s.To[i] }, m), t.Distance)
}

// smirnov is the chance of a distance of d or more between m and n numbers of one distribution: Stephens (1970), as in Press et
// al., Numerical Recipes, 14.3.
func smirnov(d float64, m, n int) float64 {
	e := math.Sqrt(float64(m) / float64(m+n) * float64(n))
	x := (e + 0.12 + 0.11/e) * d
	if x < 0.2 { // where the series does not settle, and p is 1 to ten digits
		return 1
	}
	p, sign := 0.0, 2.0
	for j := 1.0; j <= 100; j++ {
		term := math.Exp(-2 * j * j * x * x)
		p, sign = p+sign*term, -sign
		if term < 1e-16*p {
			break
		}
	}
	return min(max(p, 0), 1)
}

// shares tests two shares by Fisher's exact test, two-sided: all tables that are no more likely than the one that came.
func shares(of string, x, m, y, n int) Test {
	t := Test{Of: of, Was: float64(x) / float64(m), Is: float64(y) / float64(n)}
	t.Distance = math.Abs(t.Was - t.Is)
	k := x + y
	lo, hi := max(0, k-n), min(k, m)
	all := choose(m+n, k)
	log := func(i int) float64 { return choose(m, i) + choose(n, k-i) - all }
	came := log(x)
	for i := lo; i <= hi; i++ {
		if p := log(i); p <= came+1e-7 {
			t.P += math.Exp(p)
		}
	}
	t.P = min(t.P, 1)
	return t
}

// unseenMore tests whether more of n new rows have an id that m rows of the reference do not have, others, than is so by chance:
// about as often as the reference has ids that occur once (Good 1953), beside those that are none of the table, unseen. It is Fisher's
// exact test, one-sided, but for p that is too small where ids that occur twice say how uncertain the estimate is: there it is that of
// the normal distribution with both variances.
func unseenMore(counts []int, unseen, m, others, n int) Test {
	once, twice := 0, 0
	for _, k := range counts {
		switch k {
		case 1:
			once++
		case 2:
			twice++
		}
	}
	x := unseen + once
	t := Test{Of: "unseen", Was: float64(x) / float64(m), Is: float64(others) / float64(n)}
	t.Distance = max(t.Is-t.Was, 0)
	k := x + others
	all := choose(m+n, k)
	for i := max(0, k-n); i <= x; i++ {
		t.P += math.Exp(choose(m, i) + choose(n, k-i) - all)
	}
	pooled := float64(k) / float64(m+n)
	deviation := math.Sqrt(pooled*(1-pooled)/float64(n) + float64(x+2*twice)/float64(m)/float64(m))
	if deviation > 0 {
		t.P = max(t.P, distuv.UnitNormal.Survival((t.Is-t.Was)/deviation))
	}
	t.P = min(t.P, 1)
	return t
}

// choose is the logarithm of a binomial coefficient.
func choose(n, k int) float64 {
	g := func(i int) float64 { x, _ := math.Lgamma(float64(i) + 1); return x }
	return g(n) - g(k) - g(n-k)
}

// expected is how often an id must be expected in both samples to have a cell of its own.
const expected = 5

// homogeneous tests whether counts come from the same shares. The last are those of ids that the reference does not have. They are
// one with the rare ones, of which new rows have others as often as the same.
func homogeneous(was, is []int) Test {
	m, n := countOf(was), countOf(is)
	t := Test{Of: "ids", P: 1}
	all := float64(m + n)
	x, cells := 0.0, 0
	var restWas, restIs float64
	add := func(a, b float64) {
		both := a + b
		ea, eb := both*float64(m)/all, both*float64(n)/all
		x += (a-ea)*(a-ea)/ea + (b-eb)*(b-eb)/eb
		cells++
	}
	for i := range was {
		a, b := float64(was[i]), float64(is[i])
		t.Distance += math.Abs(a/float64(m)-b/float64(n)) / 2
		if i == len(was)-1 || (a+b)*float64(min(m, n))/all < expected {
			restWas, restIs = restWas+a, restIs+b
			continue
		}
		add(a, b)
	}
	if (restWas+restIs)*float64(min(m, n))/all >= expected {
		add(restWas, restIs)
	}
	if cells > 1 {
		t.P = distuv.ChiSquared{K: float64(cells - 1)}.Survival(x)
	}
	return t
}

func countOf(x []int) (n int) {
	for _, k := range x {
		n += k
	}
	return n
}

// stability is the population stability index of counts. A share is taken to be that of half a row at least.
func stability(was, is []int) float64 {
	m, n := float64(countOf(was)), float64(countOf(is))
	if m == 0 || n == 0 {
		return 0
	}
	sum := 0.0
	for i := range was {
		if was[i] == 0 && is[i] == 0 {
			continue
		}
		p, q := max(float64(was[i]), 0.5)/m, max(float64(is[i]), 0.5)/n
		sum += (q - p) * math.Log(q/p)
	}
	return sum
}

// holm adjusts the p of all tests.
func holm(all []*Test) {
	order := slices.Clone(all)
	slices.SortStableFunc(order, func(a, b *Test) int { return cmp.Compare(a.P, b.P) })
	least := 0.0
	for i, t := range order {
		least = max(least, min(1, float64(len(order)-i)*t.P))
		t.Adjusted = least
	}
}
