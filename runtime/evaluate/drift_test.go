package evaluate_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// flights is what the rows of a table were read by.
var flights = &dataset.Schema{Fields: []dataset.Field{
	{Name: "distance", Kind: dataset.Number, Unit: "miles"}, {Name: "wind", Kind: dataset.Number},
	{Name: "carrier", Kind: dataset.Category, Values: []string{"AA", "UA", "DL", "rare"}}}}

// doubled is a function of a table's rows: twice the first number, that where it is missing, and the ids themselves.
func doubled(t *testing.T) *engine.Net {
	t.Helper()
	b := ir.NewBuilder("doubled")
	x := b.Input("numeric", ir.T(ir.F32, ir.Rows(), ir.Fixed(2)))
	ids := b.Input("categorical", ir.T(ir.I64, ir.Rows(), ir.Fixed(1)))
	there := b.Op(ops.Where{}, b.Op(ops.Equal{}, x, x), x, b.Const(ir.F32, 0))
	y := b.Op(ops.Add{}, there, b.Op(ops.Cast{To: ir.F32}, ids))
	y.Name = "code"
	b.Output(y)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	p, err := compiler.CompileGraph(b.Graph, compiler.Options{Rows: 64})
	if err != nil {
		t.Fatal(err)
	}
	net, err := engine.NewNet(b.Graph, p, map[string][]float32{}, engine.Record{Schema: flights})
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// change is how rows differ from those of before.
type change struct {
	shift, scale, missing float64
	unseen, third         float64 // share of values never seen, and what is added to that of the third carrier
}

// flown are rows of flights.
func flown(seed uint64, rows int, c change) *dataset.Table {
	key, i := random.New(seed), 0
	return dataset.From(make([]struct{}, rows), func(_ struct{}, row dataset.Row) {
		k := key.Derive(uint64(i))
		i++
		x := row.F32Slice("numeric")
		x[0], x[1] = float32(c.shift+(1+c.scale)*k.Normal(0)), float32(math.Floor(4*k.Float64(1)))
		if k.Float64(2) < 0.1+c.missing {
			x[0] = float32(math.NaN())
		}
		id := int64(2)
		switch u := k.Float64(3); {
		case u < c.unseen:
			id = dataset.UnseenID
		case u < 0.05:
			id = dataset.MissingID
		case u < 0.35+c.third:
			id = 4
		case u < 0.36+c.third:
			id = 5
		case u < 0.6:
			id = 3
		}
		row.I64("categorical", id)
	}, dataset.Column{Name: "numeric", DType: dataset.F32, Shape: []int{2}, Missing: true}, dataset.Column{Name: "categorical", DType: dataset.I64, Shape: []int{1}})
}

func reference(t *testing.T, net *engine.Net, rows dataset.Source) *evaluate.Reference {
	t.Helper()
	r, err := evaluate.NewReference(t.Context(), net, rows)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSameDistribution: rows of the same distribution are not taken for others more often than the level says, with few rows and
// many, and p of the numbers of a place is below 0.05 in no more than about 5 % of the samples.
func TestSameDistribution(t *testing.T) {
	net := doubled(t)
	const samples = 150
	for _, n := range []int{150, 1500} {
		moved, low, tests := 0, 0, 0
		for s := range uint64(samples) {
			r := reference(t, net, flown(2*s+1, 1200, change{}))
			d, err := r.Compare(t.Context(), net, flown(2*s+2, n, change{}), evaluate.DriftOptions{Level: 0.05, Least: -1})
			if err != nil {
				t.Fatal(err)
			}
			if d.Status == evaluate.Moved {
				moved++
			}
			for _, p := range d.Places {
				for _, x := range p.Tests {
					if tests++; x.P < 0.05 {
						low++
					}
				}
			}
		}
		// 150 draws of 0.05 are at most 15 in 99.6 % of cases; tests of one row depend on each other.
		if moved > 15 {
			t.Errorf("%d rows: %d of %d samples moved at a level of 0.05", n, moved, samples)
		}
		if share := float64(low) / float64(tests); share > 0.07 {
			t.Errorf("%d rows: p is below 0.05 in %.3f of %d tests", n, share, tests)
		}
	}
}

// TestRareIDs: a column with a long tail of rare ids always has some that the reference does not, which is no move; a new id that
// is frequent is one.
func TestRareIDs(t *testing.T) {
	net := doubled(t)
	rows := func(seed uint64, n int, fresh float64) *dataset.Table {
		key, i := random.New(seed), 0
		return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
			k := key.Derive(uint64(i))
			i++
			row.F32("numeric", float32(k.Normal(0)), 1)
			id := 2 + int64(-20*math.Log(1-k.Float64(1)))
			if k.Float64(2) < fresh {
				id = dataset.UnseenID
			}
			row.I64("categorical", id)
		}, dataset.Column{Name: "numeric", DType: dataset.F32, Shape: []int{2}, Missing: true}, dataset.Column{Name: "categorical", DType: dataset.I64, Shape: []int{1}})
	}
	for _, n := range [][2]int{{150, 150}, {500, 3000}, {3000, 500}} {
		moved, found := 0, 0
		for s := range uint64(100) {
			r := reference(t, net, rows(3*s+1, n[0], 0))
			for k, fresh := range []float64{0, 0.35} {
				d, err := r.Compare(t.Context(), net, rows(3*s+2+uint64(k), n[1], fresh), evaluate.DriftOptions{Level: 0.05, Least: -1})
				if err != nil {
					t.Fatal(err)
				}
				switch said := strings.Contains(strings.Join(d.Moved, "\n"), "carrier: "); {
				case fresh == 0 && d.Status == evaluate.Moved:
					moved++
				case fresh > 0 && said:
					found++
				}
			}
		}
		if moved > 12 || found < 95 { // of 100 draws of 0.05, 12 are exceeded in 0.15 % of cases
			t.Errorf("%d and %d rows: of 100 samples %d moved at a level of 0.05, and of those with a new id %d", n[0], n[1], moved, found)
		}
	}
}

// TestDrift: what changes is found, and is said by the column's name.
func TestDrift(t *testing.T) {
	net := doubled(t)
	r := reference(t, net, flown(1, 6000, change{}))
	for name, c := range map[string]struct {
		change
		says []string
	}{
		"shifted":      {change{shift: 0.4}, []string{"distance: the quartiles are ", " miles, they were ", "code[0]: the quartiles are"}},
		"rescaled":     {change{scale: 1}, []string{"distance: the quartiles are"}},
		"missing":      {change{missing: 0.1}, []string{"distance: ", "% have no value, it was "}},
		"a new value":  {change{unseen: 0.04}, []string{"carrier: ", "% are values that the reference does not have, about 0 % were"}},
		"other shares": {change{third: 0.15}, []string{`carrier: "UA" is `, "%, it was "}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := r.Compare(t.Context(), net, flown(9, 2000, c.change), evaluate.DriftOptions{})
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(d.Moved, "\n")
			if d.Status != evaluate.Moved || strings.Contains(all, "wind") {
				t.Errorf("%s: %s", d.Status, all)
			}
			for _, s := range c.says {
				if !strings.Contains(all, s) {
					t.Errorf("it does not say %q:\n%s", s, all)
				}
			}
		})
	}
	d, err := r.Compare(t.Context(), net, flown(8, 2000, change{}), evaluate.DriftOptions{})
	if err != nil || d.Status != evaluate.Steady || len(d.Moved) != 0 || len(d.Places) != 5 {
		t.Errorf("%+v, %v", d, err)
	}
	for _, p := range d.Places {
		if p.PSI > 0.05 {
			t.Errorf("%s: the stability index of the same rows is %v", p.Name, p.PSI)
		}
	}
	d, err = r.Compare(t.Context(), net, flown(8, 99, change{shift: 5}), evaluate.DriftOptions{})
	if err != nil || d.Status != evaluate.Undetermined || !strings.Contains(d.Reason, "there are 99 rows, and 6000 of the reference: 100 of each are needed") {
		t.Errorf("%+v, %v", d, err)
	}
	d, err = r.Compare(t.Context(), net, flown(9, 2000, change{shift: 0.4}), evaluate.DriftOptions{Least: 0.9})
	if err != nil || d.Status != evaluate.Steady {
		t.Errorf("a shift below Least: %+v, %v", d, err)
	}
	d, err = reference(t, net, flown(1, 99, change{})).Compare(t.Context(), net, flown(8, 2000, change{shift: 5}), evaluate.DriftOptions{})
	if err != nil || d.Status != evaluate.Undetermined || !strings.Contains(d.Reason, "there are 2000 rows, and 99 of the reference") {
		t.Errorf("%+v, %v", d, err)
	}
	d, err = r.Compare(t.Context(), net, flown(8, 150, change{missing: 0.5}), evaluate.DriftOptions{})
	if err != nil || d.Places[0].Rows >= evaluate.LeastRows || len(d.Places[0].Tests) != 1 || d.Places[0].Tests[0].Of != "missing" {
		t.Errorf("of too few numbers nothing is said: %+v, %v", d.Places[0], err)
	}
	// Values that were never seen, as often as in the reference, are no news; more of them count in the stability index.
	with := reference(t, net, flown(1, 6000, change{unseen: 0.04}))
	d, err = with.Compare(t.Context(), net, flown(8, 2000, change{unseen: 0.04}), evaluate.DriftOptions{})
	if err != nil || d.Status != evaluate.Steady {
		t.Errorf("the same unseen values: %v, %v", d.Moved, err)
	}
	d, err = r.Compare(t.Context(), net, flown(9, 2000, change{unseen: 0.04}), evaluate.DriftOptions{})
	if err != nil || d.Places[2].PSI < 0.15 {
		t.Errorf("the index of unseen values is %v, %v", d.Places[2].PSI, err)
	}
	if _, err := r.Compare(t.Context(), net, flown(8, 200, change{}), evaluate.DriftOptions{Level: 2}); err == nil {
		t.Error("a level of 2 was taken")
	}
}

// TestDriftByHand holds distances, p, the stability index and the words to what is worked out here from the counts.
func TestDriftByHand(t *testing.T) {
	r := &evaluate.Reference{Rows: 200, Of: 200, Places: []evaluate.Spread{
		{Name: "x", Value: "x", Unit: "m", Missing: 40, At: []float64{1, 2, 3, 4}, Under: []int{0, 40, 90, 120}, To: []int{40, 90, 120, 160}},
		{Name: "c", Value: "c", Table: true, Missing: 11, IDs: []int64{0, 2, 3, 4, 5, 6, 7}, Counts: []int{20, 100, 60, 4, 2, 2, 1}, Texts: []string{"", "a", "b", "d", "e", "f", "g"}},
	}}
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	in := map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{400, 1}}, "c": {DType: ir.I64, Shape: []int{400, 1}}}
	for v, n := range map[float32]int{0.5: 10, 1: 60, 2: 70, 3: 100, 3.5: 20, 4: 60, 9: 30} {
		in["x"].F32 = append(in["x"].F32, slices.Repeat([]float32{v}, n)...)
	}
	in["x"].F32 = append(in["x"].F32, slices.Repeat([]float32{float32(math.NaN())}, 50)...)
	for id, n := range map[int64]int{0: 40, 1: 12, 2: 150, 3: 160, 4: 12, 5: 8, 6: 8, 9: 10} {
		in["c"].I64 = append(in["c"].I64, slices.Repeat([]int64{id}, n)...)
	}
	w := r.Begin()
	if err := w.Add(in, nil); err != nil || w.Rows() != 400 {
		t.Fatal(w.Rows(), err)
	}
	d, err := w.Drift(evaluate.DriftOptions{Level: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	choose := func(n, k int) *big.Int { return new(big.Int).Binomial(int64(n), int64(k)) }
	fisher := func(x, m, y, n int) float64 {
		came, sum := new(big.Int).Mul(choose(m, x), choose(n, y)), new(big.Int)
		for i := 0; i <= min(m, x+y); i++ {
			if p := new(big.Int).Mul(choose(m, i), choose(n, x+y-i)); x+y-i <= n && p.Cmp(came) <= 0 {
				sum.Add(sum, p)
			}
		}
		p, _ := new(big.Rat).SetFrac(sum, choose(m+n, x+y)).Float64()
		return p
	}
	const distance = 90./160 - 140./350 // at 2
	e := math.Sqrt(160. * 350 / 510)
	x, kolmogorov := (e+0.12+0.11/e)*distance, 1.0 // Stephens 1970, and the other series of the same function
	for j := 1.0; j < 40; j += 2 {
		kolmogorov -= math.Sqrt(2*math.Pi) / x * math.Exp(-j*j*math.Pi*math.Pi/(8*x*x))
	}
	was, is := []float64{100, 60, 4, 25}, []float64{150, 160, 12, 66} // those unseen and those expected less than 5 times are one
	chi, apart := 0.0, 0.0
	for i := range was {
		a, b := (was[i]+is[i])*189/577, (was[i]+is[i])*388/577
		chi += (was[i]-a)*(was[i]-a)/a + (is[i]-b)*(is[i]-b)/b
	}
	for _, c := range [][2]float64{{100, 150}, {60, 160}, {4, 12}, {2, 8}, {2, 8}, {1, 0}, {20, 50}} {
		apart += math.Abs(c[0]/189-c[1]/388) / 2
	}
	three := math.Erfc(math.Sqrt(chi/2)) + math.Sqrt(2*chi/math.Pi)*math.Exp(-chi/2) // chi-squared of three degrees of freedom
	// 20 were unseen, and one id occurs once: as many are to be expected, and at most 21 of all 71 are the reference's with a
	// probability that is summed here; two ids that occur twice say how uncertain 21 is.
	sum := new(big.Int)
	for i := 0; i <= 21; i++ {
		sum.Add(sum, new(big.Int).Mul(choose(189, i), choose(388, 71-i)))
	}
	newer, _ := new(big.Rat).SetFrac(sum, choose(577, 71)).Float64()
	share := 71. / 577
	newer = max(newer, math.Erfc((50./388-21./189)/math.Sqrt(2*(share*(1-share)/388+(21+2*2)/(189.*189))))/2)
	want := [][]evaluate.Test{
		{{Of: "missing", Distance: 0.075, Was: 0.2, Is: 0.125, P: fisher(40, 200, 50, 400)}, {Of: "numbers", Distance: distance, P: kolmogorov}},
		{{Of: "missing", Distance: 0.025, Was: 0.055, Is: 0.03, P: fisher(11, 200, 12, 400)}, {Of: "unseen", Distance: 50./388 - 21./189, Was: 21. / 189, Is: 50. / 388, P: newer},
			{Of: "ids", Distance: apart, P: three}},
	}
	var all []float64
	for _, tests := range want {
		for _, x := range tests {
			all = append(all, x.P)
		}
	}
	slices.Sort(all)
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-9 }
	for k, tests := range want {
		if len(d.Places[k].Tests) != len(tests) {
			t.Fatalf("%+v", d.Places[k])
		}
		for i, x := range tests {
			for j, p := range all { // Holm 1979
				if p <= x.P {
					x.Adjusted = max(x.Adjusted, min(1, float64(len(all)-j)*p))
				}
			}
			got := d.Places[k].Tests[i]
			if got.Of != x.Of || !near(got.Distance, x.Distance) || !near(got.Was, x.Was) || !near(got.Is, x.Is) || !near(got.P, x.P) || !near(got.Adjusted, x.Adjusted) {
				t.Errorf("%s: %+v, want %+v", d.Places[k].Name, got, x)
			}
		}
	}
	stability := func(counts ...[2]float64) float64 {
		m, n, sum := 0.0, 0.0, 0.0
		for _, c := range counts {
			m, n = m+c[0], n+c[1]
		}
		for _, c := range counts {
			p, q := max(c[0], 0.5)/m, max(c[1], 0.5)/n
			sum += (q - p) * math.Log(q/p)
		}
		return sum
	}
	for k, want := range []float64{stability([2]float64{40, 70}, [2]float64{50, 70}, [2]float64{30, 100}, [2]float64{40, 110}),
		stability([2]float64{100, 150}, [2]float64{60, 160}, [2]float64{4, 12}, [2]float64{2, 8}, [2]float64{2, 8}, [2]float64{1, 0}, [2]float64{20, 50})} {
		if !near(d.Places[k].PSI, want) {
			t.Errorf("%s: the stability index is %v, want %v", d.Places[k].Name, d.Places[k].PSI, want)
		}
	}
	says := strings.Join(d.Moved, "\n")
	for _, want := range []string{"x: 12.5 % have no value, it was 20 %", "the quartiles are 2, 3, 4 m, they were 1, 2, 3 m (0.16 apart)", `"a" is 38.7 %, it was 52.9 %`} {
		if !strings.Contains(says, want) {
			t.Errorf("it does not say %q:\n%s", want, says)
		}
	}
	for want, in := range map[string]map[string]*ir.Tensor{
		"not as many rows": {"x": in["x"], "c": {DType: ir.I64, Shape: []int{1, 1}, I64: []int64{2}}},
		"or places":        {"x": {DType: ir.F32, Shape: []int{2, 0}}},
	} {
		if err := r.Begin().Add(in, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestConstantDrift: a column of one value that takes another is found on both sides.
func TestConstantDrift(t *testing.T) {
	net := doubled(t)
	of := func(v float32) *dataset.Table {
		return dataset.From(make([]struct{}, 300), func(_ struct{}, row dataset.Row) {
			row.F32("numeric", v, 1)
			row.I64("categorical", 2)
		}, flown(1, 1, change{}).Columns()...)
	}
	r := reference(t, net, of(5))
	for _, v := range []float32{3, 7} {
		d, err := r.Compare(t.Context(), net, of(v), evaluate.DriftOptions{})
		if err != nil || d.Status != evaluate.Moved || d.Places[0].Tests[0].Distance != 1 {
			t.Errorf("%v after 5: %+v, %v", v, d, err)
		}
	}
}

// TestReferenceRows: of many rows those that are looked at are spread over all, the same for every way of writing, and the counts are those of all
// numbers below.
func TestReferenceRows(t *testing.T) {
	net := doubled(t)
	r := reference(t, net, flown(3, 20000, change{}))
	if r.Rows != evaluate.ReferenceRows || r.Of != 20000 || r.Check() != nil || r.Fits(net) != nil {
		t.Fatalf("%d rows of %d, %v", r.Rows, r.Of, r.Check())
	}
	if p := r.Places[0]; p.Name != "distance" || p.Unit != "miles" || len(p.At) != 257 || math.Abs(p.At[128]) > 0.1 || p.To[256] != r.Rows-p.Missing {
		t.Errorf("distance is %+v", p)
	}
	if p := r.Places[1]; len(p.At) != 4 || p.Under[1] != p.To[0] {
		t.Errorf("wind is %+v", p)
	}
	if p := r.Places[2]; !p.Table || strings.Join(p.Texts, " ") != "AA UA DL rare" {
		t.Errorf("carrier is %+v", p)
	}
	a, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(reference(t, net, flown(3, 20000, change{})))
	if err != nil || string(a) != string(b) {
		t.Errorf("another time it is another: %v", err)
	}
}

// TestReferenceOfAll: rows to the last one, ids that are no table's, bytes, flags, infinities, and what is too wide or too much.
func TestReferenceOfAll(t *testing.T) {
	b := ir.NewBuilder("all")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(1)))
	wide := []*ir.Value{x, b.Op(ops.Cast{To: ir.F32}, b.Input("k", ir.T(ir.I64, ir.Rows(), ir.Fixed(1)))), b.Op(ops.Cast{To: ir.F32}, b.Input("b", ir.T(ir.U8, ir.Rows(), ir.Fixed(1))))}
	for i, n := range []int{257, 256, 256, 256, 251} { // with the others 1,024 places, and 1 more
		wide = append(wide, b.Input(fmt.Sprint("w", i), ir.T(ir.F32, ir.Rows(), ir.Fixed(n))))
	}
	square, flag := b.Op(ops.Mul{}, x, x), b.Op(ops.Greater{}, x, b.Const(ir.F32, 0))
	square.Name, flag.Name = "square", "flag"
	last := b.Op(ops.ReduceSum{Axes: ir.MakeAxes(1)}, b.Op(ops.Concat{Axis: 1}, wide...))
	last.Name = "last"
	b.Output(flag)
	b.Output(square)
	b.Output(last)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	p, err := compiler.CompileGraph(b.Graph, compiler.Options{Rows: 64})
	if err != nil {
		t.Fatal(err)
	}
	net, err := engine.NewNet(b.Graph, p, map[string][]float32{}, engine.Record{})
	if err != nil {
		t.Fatal(err)
	}
	var cols []dataset.Column
	for _, v := range net.Inputs() {
		d := map[ir.DType]dataset.DType{ir.F32: dataset.F32, ir.I64: dataset.I64, ir.U8: dataset.U8}[v.Type.DType]
		cols = append(cols, dataset.Column{Name: v.Name, DType: d, Shape: []int{v.Type.Last()}})
	}
	const n = 3 * evaluate.ReferenceRows
	r, err := evaluate.NewReference(t.Context(), net, numbered{cols, n})
	if err != nil {
		t.Fatal(err)
	}
	place := func(name string) evaluate.Spread {
		for _, p := range r.Places {
			if p.Name == name {
				return p
			}
		}
		t.Fatalf("no place %s", name)
		return evaluate.Spread{}
	}
	if x := place("x"); x.At[0] != 0 || x.At[255] < 0.99*n {
		t.Errorf("of %d rows those from %v to %v are looked at", n, x.At[0], x.At[255])
	}
	if k := place("k"); !slices.Equal(k.IDs, []int64{0, 1, 2}) || k.Missing != 0 {
		t.Errorf("ids are %+v", k)
	}
	if b := place("b"); len(b.IDs) != 0 || len(b.At) != 5 {
		t.Errorf("bytes are %+v", b)
	}
	if f := place("flag"); !slices.Equal(f.IDs, []int64{0, 1}) {
		t.Errorf("flags are %+v", f)
	}
	if s := place("square"); s.Missing != 1 {
		t.Errorf("%d squares are infinite", s.Missing)
	}
	if !slices.Equal(r.Skipped, []string{"w0", "last"}) || len(r.Places) != evaluate.ReferencePlaces {
		t.Errorf("%d places, without %v", len(r.Places), r.Skipped)
	}
	if _, err := r.Watch(doubled(t)); err == nil || !strings.Contains(err.Error(), "not those of the function") {
		t.Errorf("a reference of another function: %v", err)
	}
}

// numbered are rows of their numbers, the first of which is great.
type numbered struct {
	cols []dataset.Column
	n    int
}

func (s numbered) Len() int                  { return s.n }
func (s numbered) Columns() []dataset.Column { return s.cols }

func (s numbered) Row(i int, row dataset.Row) error {
	for _, c := range s.cols {
		switch {
		case c.DType == dataset.I64:
			row.I64(c.Name, int64(i/3%3))
		case c.DType == dataset.U8:
			row.U8(c.Name, uint8(i/3%5))
		case c.Name == "x" && i == 3:
			row.F32(c.Name, 1e30)
		case c.Name == "x":
			row.F32(c.Name, float32(i))
		default:
			row.F32Slice(c.Name)
		}
	}
	return nil
}

// TestReferenceCheck refuses counts that cannot be.
func TestReferenceCheck(t *testing.T) {
	for text, want := range map[string]string{
		`{"rows":200,"of":200,"places":[{"value":"x","at":[1,2],"under":[0,100],"to":[100,200]}]}`:  "",
		`{"rows":200,"of":200,"places":[{"value":"x","at":[1,2],"under":[50,100],"to":[100,200]}]}`: "do not add up",
		`{"rows":200,"of":200,"places":[{"value":"x","at":[1,2],"under":[0,100],"to":[100,199]}]}`:  "do not add up",
		`{"rows":200,"of":200,"places":[{"value":"x","at":[2,1],"under":[0,100],"to":[100,200]}]}`:  "do not ascend",
		`{"rows":200,"of":200,"places":[{"value":"c","ids":[0,2],"counts":[1,198],"missing":1}]}`:   "",
		`{"rows":200,"of":200,"places":[{"value":"c","ids":[0,2],"counts":[1,198]}]}`:               "do not add up",
		`{"rows":200,"of":200,"places":[{"value":"c","ids":[2,2],"counts":[100,100]}]}`:             "do not ascend",
		`{"rows":200,"of":200,"places":[{"value":"c","ids":[0,2],"counts":[0,200]}]}`:               "a count cannot be",
		`{"rows":200,"of":199,"places":[]}`:                                                         "too many rows",
		`{"rows":200,"of":200,"places":[{"value":"c","ids":[0,2],"counts":[1,199],"texts":["a"]}]}`: "not as many",
		`{"rows":200,"of":200,"places":[{"value":"c","missing":201}]}`:                              "more rows are missing",
		`{"rows":200,"of":200,"places":[{"value":"c","place":256,"ids":[0,2],"counts":[1,199]}]}`:   "its place cannot be",
	} {
		r := &evaluate.Reference{}
		if err := json.Unmarshal([]byte(text), r); err != nil {
			t.Fatal(err)
		}
		err := r.Check()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// FuzzReference: what was read from anywhere is refused, or compared without a panic.
func FuzzReference(f *testing.F) {
	for _, s := range []string{
		`{"rows":200,"of":200,"places":[{"name":"d","value":"numeric","place":0,"at":[1,2],"under":[0,100],"to":[100,200]}]}`,
		`{"rows":200,"of":200,"places":[{"name":"c","value":"categorical","place":0,"ids":[0,2],"counts":[1,199],"table":true}]}`,
		`{"rows":200,"of":200,"places":[{"value":"numeric","at":[2,1],"under":[0,100],"to":[100,200]}]}`,
		`{"rows":200,"of":200,"places":[{"value":"categorical","missing":200}]}`,
		`{"rows":1e3,"of":-1}`,
	} {
		f.Add([]byte(s))
	}
	in := map[string]*ir.Tensor{"numeric": {DType: ir.F32, Shape: []int{120, 2}, F32: make([]float32, 240)},
		"categorical": {DType: ir.I64, Shape: []int{120, 1}, I64: make([]int64, 120)}}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &evaluate.Reference{}
		if json.Unmarshal(b, r) != nil || r.Check() != nil {
			return
		}
		w := r.Begin()
		if w.Add(in, in) != nil {
			return
		}
		if _, err := w.Drift(evaluate.DriftOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// TestFalseAlarms: the share of clean rows above the threshold is as often in its interval as that says, and its mean is the rate.
func TestFalseAlarms(t *testing.T) {
	const draws, n, rate = 400, 500, 0.02
	sum, within := 0.0, 0
	for s := range uint64(draws) {
		key := random.New(s)
		scores := make([]float64, n)
		for i := range scores {
			scores[i] = key.Float64(uint64(i)) // so that the share above a threshold is known
		}
		a, err := evaluate.FalseAlarmsOf(scores, rate)
		if err != nil {
			t.Fatal(err)
		}
		share := 1 - a.Threshold
		if sum += share; share >= a.Low && share <= a.High {
			within++
		}
		if a.Rate > rate || a.Rows != n {
			t.Fatalf("%+v", a)
		}
	}
	if mean := sum / draws; math.Abs(mean-rate) > 0.002 {
		t.Errorf("the mean share of false alarms is %v", mean)
	}
	if within < 0.92*draws || within > 0.98*draws {
		t.Errorf("%d of %d shares are within their intervals of 95 %%", within, draws)
	}
	// By hand: of 9 scores the one at rank ⌈10·0.8⌉; the share above it has the distribution beta(2, 8), and 1-(1-x)^9-9x(1-x)^8.
	a, err := evaluate.FalseAlarmsOf([]float64{9, 1, 8, 2, 7, 3, 6, 4, 5}, 0.2)
	below := func(x float64) float64 { return 1 - math.Pow(1-x, 9) - 9*x*math.Pow(1-x, 8) }
	if err != nil || a.Threshold != 8 || math.Abs(a.Rate-0.2) > 1e-15 || math.Abs(below(a.Low)-0.025) > 1e-9 || math.Abs(below(a.High)-0.975) > 1e-9 {
		t.Errorf("%+v, %v", a, err)
	}
	for want, f := range map[string]func() (*evaluate.Alarm, error){
		"49 rows cannot promise a rate of 0.01: 99 are needed": func() (*evaluate.Alarm, error) { return evaluate.FalseAlarmsOf(make([]float64, 49), 0.01) },
		"between 0 and 1":          func() (*evaluate.Alarm, error) { return evaluate.FalseAlarmsOf(make([]float64, 49), 1) },
		"row 1: the score is NaN":  func() (*evaluate.Alarm, error) { return evaluate.FalseAlarmsOf([]float64{1, math.NaN()}, 0.5) },
		"row 0: the score is -Inf": func() (*evaluate.Alarm, error) { return evaluate.FalseAlarmsOf([]float64{math.Inf(-1), 1}, 0.5) },
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
