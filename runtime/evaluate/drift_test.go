package evaluate_test

import (
	"encoding/json"
	"math"
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
	if _, err := r.Compare(t.Context(), net, flown(8, 200, change{}), evaluate.DriftOptions{Level: 2}); err == nil {
		t.Error("a level of 2 was taken")
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
	for want, f := range map[string]func() (*evaluate.Alarm, error){
		"49 rows cannot promise a rate of 0.01: 99 are needed": func() (*evaluate.Alarm, error) { return evaluate.FalseAlarmsOf(make([]float64, 49), 0.01) },
		"between 0 and 1":         func() (*evaluate.Alarm, error) { return evaluate.FalseAlarmsOf(make([]float64, 49), 1) },
		"row 1: the score is NaN": func() (*evaluate.Alarm, error) { return evaluate.FalseAlarmsOf([]float64{1, math.NaN()}, 0.5) },
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
