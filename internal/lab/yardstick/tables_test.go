package yardstick

import (
	"compress/gzip"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// someFlights writes a table of flights in the form of the real one. Those of one carrier
// are late, and one in ten does not arrive, which its tail number tells.
func someFlights(t *testing.T, days int) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), flights)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, flightsFile))
	if err != nil {
		t.Fatal(err)
	}
	w, key := gzip.NewWriter(f), random.New(5)
	fmt.Fprintln(w, "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour")
	for i := range 40 * days {
		day := i / 40
		carrier, arrival, tail := "UA", fmt.Sprint(i%61-30), fmt.Sprint("N", i%7)
		if key.Float64(uint64(i)) < 0.4 {
			carrier, arrival = "EV", fmt.Sprint(31+i%50)
		}
		if i%10 == 9 {
			arrival, tail = "NA", "NA"
		}
		month, date := 1+day/28, 1+day%28
		fmt.Fprintf(w, "2013,%d,%d,517,515,2,830,%d,%s,%s,%d,%s,%s,%s,227,%d,%d,15,2013-%02d-%02dT10:00:00Z\n", month, date, 700+i%60, arrival, carrier, i, tail,
			[]string{"EWR", "LGA"}[i%2], []string{"IAH", "MIA", "BOS"}[i%3], 200+i%900, 5+i%18, month, date)
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestFlights: what is known before departure, and nothing else, is what a net gets; a
// flight that did not arrive has no label; no day is on both sides.
func TestFlights(t *testing.T) {
	dir := someFlights(t, 30)
	rows, err := readFlights(t.Context(), filepath.Join(dir, flightsFile))
	if err != nil {
		t.Fatal(err)
	}
	if rows.Len() != 1200 || len(rows.Columns()) != 4 {
		t.Fatalf("%d rows of %v", rows.Len(), rows.Columns())
	}
	x, ids, y := rows.F32("numeric"), rows.I64("categorical"), rows.I64("y")
	// Row 61 is the 22nd of the second day, Wednesday, January 2.
	if got := x[3*61 : 3*62]; got[0] != 5+61%18+0.25 || math.Abs(float64(got[1])-(7+1.0/60)) > 1e-6 || got[2] != 261 {
		t.Errorf("numbers %v", got)
	}
	if got := ids[5*61 : 5*62]; got[0] != 0 || got[1] != 3 {
		t.Errorf("month and day of the week %v", got)
	}
	carriers := map[int64]bool{}
	for i, v := range y {
		switch {
		case (v == -1) != (i%10 == 9):
			t.Fatalf("row %d has the label %d", i, v)
		case v == 1:
			carriers[ids[5*i+2]] = true
		case v == 0 && i%61-30 > late:
			t.Fatalf("row %d is late", i)
		}
	}
	if len(carriers) != 1 {
		t.Errorf("carriers of late flights: %v", carriers)
	}
	split, err := byDay(rows)
	if err != nil {
		t.Fatal(err)
	}
	if err := dataset.Disjoint("day", split.Train, split.Test); err != nil {
		t.Error(err)
	}
	if slices.Contains(split.Test.I64("y"), -1) || !slices.Contains(split.Train.I64("y"), -1) || split.Train.Len() != 960 {
		t.Errorf("%d rows to train on, test labels %v", split.Train.Len(), split.Test.I64("y")[:9])
	}
	if got := cardinalities(split.Train, split.Test); got[1] != 7 || got[2] < 4 || got[2] > 5 {
		t.Errorf("numbers of ids %v", got)
	}
	if _, err := readFlights(t.Context(), filepath.Join(dir, "none.csv")); err == nil {
		t.Error("no file")
	}
}

// smallFlights learns shortly.
func smallFlights() delayed {
	return delayed{draws: draws{Labels: []int{60, 120}, Draws: 2, Folds: 3, Measured: 100}, Units: []int{16, 8}, Mask: 0.2, Pretrain: rising{2, 50, 1e-3}, Batch: 20, Drop: 0.1, Updates: 8,
		Choices: []choice{{"linear", 1e-2, 0.5}, {"deep", 5e-3, 0.1}, {"wide", 5e-3, 0.2}}}
}

// TestDelayed: a net finds the late carrier from few labels, and a run that goes on gives
// the same numbers as one that is not interrupted.
func TestDelayed(t *testing.T) {
	dir := someFlights(t, 30)
	split, err := sets[flights].read(dir)
	if err != nil {
		t.Fatal(err)
	}
	how, work := smallFlights(), t.TempDir()
	n, err := how.measure(t.Context(), &input{digits: split, dir: work})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(n.value, n.also)
	for _, k := range []string{"scratch 60", "scratch 120", "pretrained 60", "pretrained 120"} {
		if area := n.also[k+" area"]; !(area > 90 && area <= 100) || !(n.also[k+" half"] >= 0) {
			t.Errorf("%s: %v ± %v", k, area, n.also[k+" half"])
		}
	}
	if err := os.Remove(filepath.Join(work, "pretrained 120", "outcome.json")); err != nil {
		t.Fatal(err)
	}
	again, err := how.measure(t.Context(), &input{digits: split, dir: work})
	if err != nil || again.value != n.value || again.also["pretrained 120 area"] != n.also["pretrained 120 area"] || again.also["scratch 60 s"] != n.also["scratch 60 s"] {
		t.Errorf("again %v %v: %v", again.value, again.also, err)
	}
	how.Choices = nil
	if _, err := how.measure(t.Context(), &input{digits: split}); err == nil {
		t.Error("nothing to choose among")
	}
}

// TestIndices: a peer's files name rows of the file: those of the draws are labelled and on
// training days, and those that are held back are in no fitted-N.
func TestIndices(t *testing.T) {
	folder, dir := someFlights(t, 30), t.TempDir()
	file := filepath.Join(folder, flightsFile)
	p := flightPeers{draws: draws{Labels: []int{80}, Draws: 2, Folds: 4, Measured: 60}}
	if err := p.indices(t.Context(), file, dir); err != nil {
		t.Fatal(err)
	}
	rows, err := readFlights(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	of := func(name string) []int {
		x, err := dataset.ReadIndex(filepath.Join(dir, name+".index"))
		if err != nil {
			t.Fatal(err)
		}
		chosen, err := x.Of(rows)
		if err != nil {
			t.Fatal(err)
		}
		return chosen
	}
	tested := map[int64]bool{}
	for _, i := range of("test") {
		tested[rows.I64("day")[i]] = true
	}
	for draw := range 2 {
		all := of(fmt.Sprint("all-80-", draw))
		if len(all) != 80 {
			t.Errorf("%d rows", len(all))
		}
		for _, i := range all {
			if tested[rows.I64("day")[i]] || rows.I64("y")[i] < 0 {
				t.Errorf("row %d of day %d, label %d", i, rows.I64("day")[i], rows.I64("y")[i])
			}
		}
		held, fold := map[int]int{}, 0
		for ; ; fold++ {
			if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf("fitted-80-%d-%d.index", draw, fold))); err != nil {
				break
			}
			fitted, days := of(fmt.Sprintf("fitted-80-%d-%d", draw, fold)), map[int64]bool{}
			for _, i := range fitted {
				if days[rows.I64("day")[i]] = true; !slices.Contains(all, i) {
					t.Errorf("row %d is not of the draw", i)
				}
			}
			for _, i := range all {
				if slices.Contains(fitted, i) {
					continue
				}
				if held[i]++; held[i] > 1 || days[rows.I64("day")[i]] {
					t.Errorf("row %d is held back %d times, or of a day that is fitted", i, held[i])
				}
			}
		}
		if fold < 3 || fold > 4 || len(held) < 60 || fold == 4 && len(held) != 80 {
			t.Errorf("%d folds hold back %d rows, want no more than it takes for 60", fold, len(held))
		}
	}
	// Scores that the script would write are measured by the row's own function.
	split, err := byDay(rows)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.join(split.Test, dir); err == nil {
		t.Error("no scores")
	}
}

// TestSklearn runs the script on made-up flights where scikit-learn is installed; elsewhere
// a cell is skipped with what to do.
func TestSklearn(t *testing.T) {
	installed := os.Getenv("LAMINA_SKLEARN")
	t.Setenv("LAMINA_SKLEARN", filepath.Join(t.TempDir(), "none"))
	said := ""
	o := Options{Digits: few(100, 50), Datasets: filepath.Dir(someFlights(t, 30)), Skipped: func(cell string, why error) { said += cell + ": " + why.Error() }}
	peers := flightPeers{draws{Labels: []int{200}, Draws: 2, Folds: 4, Measured: 100}, "sklearn_flights.py"}
	cells := []Cell{{Name: "tabular/sklearn", Data: flights, Seeds: 1, how: peers}, {Name: "tabular/reading", Data: flights, Seeds: 1, how: flightReading{1, peers.Script}}}
	list, err := Run(t.Context(), cells, o)
	if err != nil || len(list) != 0 || !strings.Contains(said, "tabular/sklearn: ") || !strings.Contains(said, "make peer-sklearn") {
		t.Fatalf("%v %q: %v", list, said, err)
	}
	t.Setenv("LAMINA_SKLEARN", installed)
	if _, err := sklearn(peers.Script); errors.Is(err, ErrAbsent) {
		t.Skip(err)
	}
	if list, err = Run(t.Context(), cells, o); err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	for _, model := range flightModels {
		if area := list[0].Also[model+" 200 area"]; !(area > 90 && area <= 100) {
			t.Errorf("%s: %v", model, area)
		}
	}
	if x := list[1].Also; !(x["read"] > 0 && x["pandas"] > 0 && x["inferred"] < x["read"]) {
		t.Errorf("reading: %v", x)
	}
}

// someWindows are windows of ten people and seven exercises, each a wave of its own length.
func someWindows(t *testing.T) *dataset.Table {
	t.Helper()
	const people, each, channels, steps = 10, 3, 2, 40
	var x []float32
	var y, subject []int64
	key := random.New(3)
	for i := range people * exercises * each {
		person, exercise := i%people, i/people%exercises
		for c := range channels {
			for s := range steps {
				noise := 0.1 * key.Normal(uint64(len(x)))
				x = append(x, float32(math.Sin(float64(s)*float64(1+exercise)/6+float64(c))+float64(exercise)/5*float64(c)+noise))
			}
		}
		y, subject = append(y, int64(exercise)), append(subject, int64(person+1))
	}
	rows, err := dataset.NewTable(
		dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{channels, steps}}, F32: x},
		dataset.Data{Column: dataset.Column{Name: "y", DType: dataset.I64}, I64: y},
		dataset.Data{Column: dataset.Column{Name: "subject", DType: dataset.I64}, I64: subject})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestWearer: both cells of sensor in small. No person is on both sides of a fold, and the
// people of a draw are among those of a greater one.
func TestWearer(t *testing.T) {
	rows := someWindows(t)
	how := wearer{Folds: 2, Channels: []int{8, 8}, Pools: []int{2}, Kernel: 5, Drop: 0.1, Updates: 90, Batch: 10, Rate: 5e-3, Inner: 2,
		Motions: []motion{{}, {Scale: 0.05}}, L2: []float64{0.01, 0.1}}
	few := how
	few.Motions, few.L2 = []motion{{Scale: 0.05}}, []float64{0.01}
	few.People, few.Draws, few.Updates = []int{1, 2}, 1, 60
	few.Mask, few.Block, few.Pretrain = 0.3, 5, rising{3, 20, 2e-3}
	folds, err := how.folds(rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folds {
		if len(f.people) != 5 || f.train.Len() != 105 || f.test.Len() != 105 {
			t.Errorf("people %v, %d and %d windows", f.people, f.train.Len(), f.test.Len())
		}
		one, err1 := f.some(1, 4)
		two, err2 := f.some(2, 4)
		if err1 != nil || err2 != nil || one.Len() != 21 || two.Len() != 42 || !slices.Contains(two.I64("subject"), one.I64("subject")[0]) {
			t.Errorf("%d and %d windows: %v, %v", one.Len(), two.Len(), err1, err2)
		}
		if _, err := f.some(6, 4); err == nil {
			t.Error("six people of five")
		}
	}
	for _, c := range []struct {
		how   wearer
		least map[string]float64
	}{
		{how, map[string]float64{"scratch ": 80, "logistic ": 50}},
		{few, map[string]float64{"scratch 1 ": 40, "some 1 ": 40, "whole 1 ": 40, "logistic 1 ": 40, "some 2 ": 50, "whole 2 ": 50}},
	} {
		in := &input{digits: &dataset.Split{Train: rows}, dir: t.TempDir()}
		n, err := c.how.measure(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(n.value, n.also)
		for k, least := range c.least {
			if v := n.also[k+"right"]; !(v > least && v <= 100) || n.also[k+"least"] > v {
				t.Errorf("%s: %v, want more than %v", k, v, least)
			}
		}
		again, err := c.how.measure(t.Context(), in) // all is there
		if err != nil || again.value != n.value || again.value == 0 {
			t.Errorf("again %v, was %v: %v", again.value, n.value, err)
		}
	}
	how.Pools = nil
	if _, err := how.measure(t.Context(), &input{digits: &dataset.Split{Train: rows}}); err == nil {
		t.Error("no pool between two convolutions")
	}
}

// TestChoose: what is chosen goes by people of the rows alone, none of whom is on both sides.
func TestChoose(t *testing.T) {
	how := wearer{Folds: 5, Inner: 2}
	folds, err := how.folds(someWindows(t))
	if err != nil {
		t.Fatal(err)
	}
	tested := map[int64]bool{}
	best, err := how.choose(folds[0].train, 3, func(choice int, rows, others *dataset.Table) (float64, error) {
		if rows.Len()+others.Len() != folds[0].train.Len() {
			t.Errorf("%d and %d rows of %d", rows.Len(), others.Len(), folds[0].train.Len())
		}
		for _, person := range others.I64("subject") {
			tested[person] = true
		}
		return []float64{50, 70, 60}[choice], errors.Join(dataset.Disjoint("subject", rows, others), dataset.Disjoint("subject", rows, folds[0].test), dataset.Disjoint("subject", others, folds[0].test))
	})
	if err != nil || best != 1 || len(tested) != len(folds[0].people) {
		t.Errorf("chose %d by people %v: %v", best, tested, err)
	}
	if _, err := how.choose(folds[0].train, 2, func(int, *dataset.Table, *dataset.Table) (float64, error) { return 0, errors.ErrUnsupported }); err == nil {
		t.Error("a choice that fails")
	}
}

// TestMotion: the other arm has mirrored signs, and turning adds the cross product.
func TestMotion(t *testing.T) {
	x, sign, angle := spec.Input("x", 6, 1), spec.Input("sign", 1, 1), spec.Input("angle", 3, 1)
	in := map[string]*ir.Tensor{
		"x":     {DType: ir.F32, Shape: []int{1, 6, 1}, F32: []float32{1, 2, 3, 4, 5, 6}},
		"sign":  {DType: ir.F32, Shape: []int{1, 1, 1}, F32: []float32{-1}},
		"angle": {DType: ir.F32, Shape: []int{1, 3, 1}, F32: []float32{0.5, 0, 0.25}},
	}
	for _, c := range []struct {
		name string
		of   *spec.Value
		want []float64
	}{
		{"mirrored", mirrored(x, sign), []float64{-1, 2, 3, 4, -5, -6}},
		{"turned", turned(x, angle), []float64{1 - 0.5, 2 + 0.25 - 1.5, 3 + 1, 4 - 1.25, 5 + 1 - 3, 6 + 2.5}},
		{"in training", motion{true, 0.3, 0.15}.of(x), []float64{1, 2, 3, 4, 5, 6}},
	} {
		g, err := spec.NewModel("motion", spec.NewLoss("mean", c.of.Named("moved"))).Graph()
		if err != nil {
			t.Fatal(c.name, err)
		}
		given := map[string]*ir.Tensor{}
		for _, v := range g.Inputs {
			given[v.Name] = in[v.Name]
		}
		values, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(1), UpdateRows: 1}, given)
		if err != nil {
			t.Fatal(c.name, err)
		}
		for v, got := range values {
			if v.Name == "moved" && slices.Equal(got.F64, c.want) == (c.name == "in training") {
				t.Errorf("%s: %v, %v given", c.name, got.F64, c.want)
			}
		}
	}
}

// TestDenseAnomaly: a dense autoencoder of one digit tells others from it.
func TestDenseAnomaly(t *testing.T) {
	how := oneClass{Net: &pictureNet{"dense", []int{64, 48}, 16}, Classes: 2, Encoding: falling{20, 2e-3, 10, 0}}
	n, err := how.measure(t.Context(), &input{digits: few(300, 200)})
	if err != nil || !(n.value > 75 && n.value <= 100) {
		t.Errorf("%v %v: %v", n.value, n.also, err)
	}
	how.Net.Kind = "frob"
	if _, err := how.measure(t.Context(), &input{digits: few(100, 50)}); err == nil {
		t.Error("a net that nobody knows")
	}
}

// TestSpread: a mean with the interval of Student's t: 2.776 deviations of the mean of five.
func TestSpread(t *testing.T) {
	if mean, half := spread([]float64{1, 2, 3, 4, 5}); mean != 3 || math.Abs(half-2.776445*math.Sqrt(2.5/5)) > 1e-5 {
		t.Errorf("%v ± %v", mean, half)
	}
	if mean, half := spread([]float64{2}); mean != 2 || half != 0 {
		t.Errorf("%v ± %v", mean, half)
	}
}

// TestTablesOfTables: each figure stands in its column, and the best way is named, also if
// it is not ours.
func TestTablesOfTables(t *testing.T) {
	all := map[string]Result{}
	put := func(name string, value float64, also map[string]float64) {
		all[name] = Result{Name: name, Value: value, Also: also, Machine: "here", Date: "2026-01-02", Published: 87.3, Target: 90, Reached: new(bool)}
	}
	put("tabular/lamina", 64, map[string]float64{"pretrained 500 area": 64, "pretrained 500 half": 1, "scratch 500 area": 63, "scratch 500 half": 2, "pretrained 2000 area": 70, "scratch 2000 area": 66,
		"pretraining s": 9, "scratch 500 s": 3, "pretrained 500 s": 4, "scratch 500 linear": 2, "pretrained 500 linear": 1})
	put("tabular/sklearn", 65, map[string]float64{"trees 500 area": 65, "trees 500 half": 0.5, "logistic 500 area": 62, "logistic 500 half": 0.25, "trees 2000 area": 69, "logistic 2000 area": 60, "s": 77})
	put("tabular/reading", 1e6, map[string]float64{"read": 1e6, "least read": 9e5, "most read": 11e5, "inferred": 6e5, "pandas": 4e5, "least pandas": 3e5, "most pandas": 5e5})
	put("sensor/all", 90, map[string]float64{"scratch right": 90, "scratch deviation": 3, "logistic right": 70, "logistic deviation": 4, "parameters": 12, "scratch s": 8, "scratch choice 1": 4})
	put("sensor/people", 60, map[string]float64{"some 1 right": 60, "some 1 deviation": 1, "whole 1 right": 61, "whole 1 deviation": 2, "scratch 1 right": 50, "scratch 1 deviation": 3, "logistic 1 right": 40, "logistic 1 deviation": 4})
	put("anomaly-dense", 89, map[string]float64{"0": 99, "9": 88})
	page := TabularTable(all) + SensorTable(all) + DenseAnomalyTable(all)
	for _, want := range []string{"| 500 | 64.00 ± 1.00 | 63.00 ± 2.00 | 65.00 ± 0.50 | 62.00 ± 0.25 | gradient boosted trees |", "| 2000 | 70.00 ± 0.00 | 66.00 ± 0.00 | 69.00 ± 0.00 | 60.00 ± 0.00 | pretrained |",
		"chosen in 2 and 1 of the five draws of 500 labels, 0 and 0", "moved windows were chosen in 4 folds", "scikit-learn took 77 s", "| Lamina, by a schema | 1000000 | 900000–1100000 |", "| pandas | 400000 | 300000–500000 |", "| 1 | 60.0 ± 1.0 | 61.0 ± 2.0 | 50.0 ± 3.0 | 40.0 ± 4.0 | |",
		"| all | | | 90.0 ± 3.0 | 70.0 ± 4.0 | 87.3 |", "| 99.0 | 0.0 |", "88.0 | 89.0 | ≥ 90, missed |"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	delete(all, "tabular/sklearn")
	if got := TabularTable(all); !strings.Contains(got, "| 500 | 64.00 ± 1.00 | 63.00 ± 2.00 | | | pretrained |") {
		t.Error(got)
	}
	for _, got := range []string{TabularTable(nil), SensorTable(nil), DenseAnomalyTable(nil)} {
		if got != notMeasured {
			t.Errorf("of nothing: %q", got)
		}
	}
}
