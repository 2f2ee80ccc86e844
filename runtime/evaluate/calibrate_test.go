package evaluate_test

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// guesses are rows of logits and classes drawn by the probabilities that the logits have at a temperature.
func guesses(key random.Key, rows, classes int, temperature float64) (logits []float64, y []int) {
	logits = make([]float64, rows*classes)
	for i := range logits {
		logits[i] = 2 * key.Derive(1).Normal(uint64(i))
	}
	z := make([]float64, len(logits))
	for i, x := range logits {
		z[i] = x / temperature
	}
	p, _ := evaluate.Softmax(z, classes)
	for i := range rows {
		u, k := key.Derive(2).Float64(uint64(i)), 0
		for ; k < classes-1 && u >= p[i*classes+k]; k++ {
			u -= p[i*classes+k]
		}
		y = append(y, k)
	}
	return logits, y
}

// TestTemperature finds the temperature that the classes were drawn by, and the least log loss.
func TestTemperature(t *testing.T) {
	for _, want := range []float64{0.5, 1, 2.5} {
		logits, y := guesses(random.New(7), 20000, 4, want)
		y[3] = evaluate.None
		got, err := evaluate.TemperatureOf(logits, 4, y)
		if err != nil || math.Abs(got/want-1) > 0.04 {
			t.Fatalf("the temperature is %v, %v, want %v", got, err, want)
		}
		loss := func(temperature float64) float64 {
			z := make([]float64, len(logits))
			for i, x := range logits {
				z[i] = x / temperature
			}
			p, err := evaluate.Softmax(z, 4)
			if err != nil {
				t.Fatal(err)
			}
			l, err := evaluate.LogLoss(p, 4, y)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		if best := loss(got); loss(got*1.001) <= best || loss(got/1.001) <= best {
			t.Errorf("at %v the loss is %v, but beside it %v and %v", got, best, loss(got/1.001), loss(got*1.001))
		}
	}
	for want, c := range map[string]struct {
		logits []float64
		y      []int
	}{
		"the greatest logit is right in every row": {[]float64{1, 0, 0, 2}, []int{0, 1}},
		"no better than guessing":                  {[]float64{1, 0, 0, 2}, []int{1, 0}},
		"no row has a label":                       {[]float64{1, 0, 0, 2}, []int{-1, -1}},
		"the label of row 1 is 2":                  {[]float64{1, 0, 0, 2}, []int{0, 2}},
		"a logit of row 0 is -Inf":                 {[]float64{math.Inf(-1), 0, 0, 2}, []int{0, 1}},
		"logits of two classes or more, got 1":     {[]float64{1, 0}, []int{0, 0}},
	} {
		if _, err := evaluate.TemperatureOf(c.logits, len(c.logits)/2, c.y); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestConformalCovers draws held and new rows many times: new rows are covered as often as was asked for, though the
// probabilities are far from true, and no more often than ties and the number of rows allow.
func TestConformalCovers(t *testing.T) {
	const classes, held, fresh, trials = 5, 199, 400, 150
	for _, coverage := range []float64{0.8, 0.95} {
		covered := 0.0
		for trial := range trials {
			logits, y := guesses(random.New(uint64(trial)), held+fresh, classes, 3) // the logits are much too sure
			p, err := evaluate.Softmax(logits, classes)
			if err != nil {
				t.Fatal(err)
			}
			sets, err := evaluate.ConformalOf(p[:held*classes], classes, y[:held], coverage)
			if err != nil {
				t.Fatal(err)
			}
			share, sizes, err := evaluate.Covered(p[held*classes:], classes, y[held:], sets.Threshold)
			if err != nil {
				t.Fatal(err)
			}
			rows := 0
			for _, n := range sizes {
				rows += n
			}
			if rows != fresh || sets.Rows != held {
				t.Fatalf("%d rows have a set, %d were held", rows, sets.Rows)
			}
			covered += share / trials
		}
		// The share of a trial varies by the threshold and by the rows: four deviations of the mean of all.
		deviation := math.Sqrt(coverage * (1 - coverage) * (1./(held+2) + 1./fresh) / trials)
		if covered < coverage-4*deviation || covered > coverage+1./(held+1)+4*deviation {
			t.Errorf("%v of the new rows are covered, want %v ± %v", covered, coverage, 4*deviation)
		}
	}
}

// TestConformalByHand takes the rank with the correction for few rows.
func TestConformalByHand(t *testing.T) {
	p := []float64{0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.6, 0.4, 0.5, 0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9, 0.1, 0.9}
	y := []int{0, 0, 0, 0, 0, 0, 0, 0, 0, evaluate.None} // with probabilities 0.9, 0.8, … 0.1
	for coverage, want := range map[float64]float64{0.5: 0.5, 0.51: 0.4, 0.7: 0.3, 0.9: 0.1} {
		got, err := evaluate.ConformalOf(p, 2, y, coverage)
		if err != nil || got.Threshold != want || got.Rows != 9 {
			t.Errorf("coverage %v: %+v, %v, want %v", coverage, got, err, want)
		}
		if coverage == 0.51 && (got.Sizes[0] != 0 || got.Sizes[1] != 6 || got.Sizes[2] != 3) {
			t.Errorf("sizes are %v", got.Sizes)
		}
	}
	if share, _, err := evaluate.Covered(p, 2, y, 0.5); err != nil || math.Abs(share-5./9) > 1e-15 {
		t.Errorf("0.9 to 0.5 are at least 0.5, which is five of nine: %v, %v", share, err)
	}
	// 100·0.07 is 7.000000000000001, and means 7.
	many, all := make([]float64, 0, 198), make([]int, 99)
	for i := range all {
		many = append(many, float64(i)/128, 1-float64(i)/128)
	}
	if got, err := evaluate.ConformalOf(many, 2, all, 0.07); err != nil || got.Threshold != 92./128 {
		t.Errorf("the seventh of 99 is 92/128, got %+v, %v", got, err)
	}
	for want, f := range map[string]func() (*evaluate.Sets, error){
		"9 rows with a label cannot promise a coverage of 0.95: 19 are needed": func() (*evaluate.Sets, error) { return evaluate.ConformalOf(p, 2, y, 0.95) },
		"the coverage must be between 0 and 1, got 1":                          func() (*evaluate.Sets, error) { return evaluate.ConformalOf(p, 2, y, 1) },
		"a probability of row 0 is 3":                                          func() (*evaluate.Sets, error) { return evaluate.ConformalOf([]float64{3, -2}, 2, []int{0}, 0.5) },
		"no row has a label":                                                   func() (*evaluate.Sets, error) { return evaluate.ConformalOf(p[:2], 2, []int{-1}, 0.5) },
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// clouds are rows around a centre for each of three classes, some without a label.
func clouds(seed uint64, rows int) *dataset.Table {
	key := random.New(seed)
	i := -1
	return dataset.From(make([]struct{}, rows), func(_ struct{}, row dataset.Row) {
		i++
		y := int(key.Derive(1).Uint64N(uint64(i), 3))
		x := row.F32Slice("x")
		key.Derive(2, uint64(i)).FillNormal32(x, 0)
		x[y] += 1.5
		if i%20 == 3 {
			y = evaluate.None
		}
		row.I64("y", int64(y))
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{4}}, dataset.Column{Name: "y", DType: dataset.I64})
}

// TestHeadsShip fits a temperature and a threshold after the training, declares what ships with them on the same layers, and
// ships it: onnxruntime computes the same probabilities, flags and sizes.
func TestHeadsShip(t *testing.T) {
	rt := orttest.Runtime(t)
	few, held, test := clouds(1, 40), clouds(2, 400), clouds(3, 300)
	x, y := spec.Input("x", 4), spec.Labels("y", 3).Optional()
	logits := x.Then(spec.Dense(32), spec.ReLU(), spec.Dense(3))
	fit, err := train.Fit(t.Context(), spec.NewModel("m", spec.CrossEntropy(logits, y)), few, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 60, Batch: 20})
	if err != nil {
		t.Fatal(err)
	}
	temperature, err := evaluate.Temperature(t.Context(), fit.Net(logits), held, "y")
	if err != nil || temperature < 1.2 {
		t.Fatalf("the temperature of an overfitted net is %v, %v", temperature, err)
	}
	p := logits.Then(spec.Scale(1/temperature), spec.Softmax(-1)).Named("probabilities")
	sets, err := evaluate.Conformal(t.Context(), fit.Net(p), held, "y", 0.9)
	if err != nil {
		t.Fatal(err)
	}
	unsure := p.Then(spec.Unsure(sets.Threshold)).Named("unsure")
	size := p.Then(spec.PredictionSet(sets.Threshold), spec.Floats(), spec.Sum(-1)).Named("size")
	dir := filepath.Join(t.TempDir(), "b")
	report, err := bundle.Write(t.Context(), dir, fit.Net(p, unsure, size), test, rt)
	if err != nil || report.Verification.Status != bundle.Holds {
		t.Fatalf("%v, %+v", err, report)
	}
	net, err := bundle.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	n, before := test.Len(), fit.Net(logits.Then(spec.Softmax(-1)).Named("before"))
	in := map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{n, 4}, F32: test.F32("x")}}
	out, err := net.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	old, err := before.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	double := func(x []float32) (d []float64) {
		for _, v := range x {
			d = append(d, float64(v))
		}
		return d
	}
	var labels []int
	for _, y := range test.I64("y") {
		labels = append(labels, int(y))
	}
	cool, hot := double(out["probabilities"].F32), double(old["before"].F32)
	a, err := evaluate.LogLoss(cool, 3, labels)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := evaluate.LogLoss(hot, 3, labels); err != nil || a >= b {
		t.Errorf("the log loss is %v with the temperature, %v without, %v", a, b, err)
	}
	share, sizes, err := evaluate.Covered(cool, 3, labels, sets.Threshold)
	if err != nil || share < 0.9-4*math.Sqrt(0.09*(1./400+1./285)) {
		t.Errorf("%v of the new rows are covered, %v", share, err)
	}
	counted, all := make([]int, 4), 0
	for i, s := range out["size"].F32 {
		if out["unsure"].Bool[i] != (s != 1) {
			t.Fatalf("row %d: a set of %v, unsure is %v", i, s, out["unsure"].Bool[i])
		}
		if labels[i] != evaluate.None {
			counted[int(s)]++
			all++
		}
	}
	for k := range sizes {
		if sizes[k] != counted[k] {
			t.Errorf("the file has sets of sizes %v, evaluate %v", counted, sizes)
			break
		}
	}
	// The class at the threshold itself is in its set, in the file's float32 too.
	heldOut, err := net.Over(t.Context(), held)
	if err != nil {
		t.Fatal(err)
	}
	inFile, y64 := make([]int, 4), held.I64("y")
	for i, s := range heldOut.F32("size") {
		if y64[i] != evaluate.None {
			inFile[int(s)]++
		}
	}
	for k := range inFile {
		if inFile[k] != sets.Sizes[k] {
			t.Errorf("of the rows held back the file has sets of sizes %v, Conformal %v", inFile, sets.Sizes)
			break
		}
	}
	if counted[1] == all || counted[1] == 0 {
		t.Errorf("sets of sizes %v tell nothing", counted)
	}
}

// TestHeadsRefuse names what is wrong with the rows.
func TestHeadsRefuse(t *testing.T) {
	x, y := spec.Input("x", 4), spec.Labels("y", 3).Optional()
	logits := x.Then(spec.Dense(3)).Named("logits")
	fit, err := train.Fit(t.Context(), spec.NewModel("m", spec.CrossEntropy(logits, y)), clouds(1, 40), train.Options{Optimizer: optim.Adam(1e-2), Epochs: 1})
	if err != nil {
		t.Fatal(err)
	}
	other := dataset.From([]int64{0, 3}, func(y int64, row dataset.Row) { row.F32("x", 1, 2, 3, 4); row.I64("y", y) })
	less := dataset.From([]int64{0, -2}, func(y int64, row dataset.Row) { row.F32("x", 1, 2, 3, 4); row.I64("y", y) })
	for want, f := range map[string]func() error{
		`column "y" has the label 3, but the output "logits" has 3 classes`:            func() error { _, err := evaluate.Temperature(t.Context(), fit.Net(logits), other, "y"); return err },
		`row 1: column "y" is the label -2, it must be from 0 to 4095, or -1 for none`: func() error { _, err := evaluate.Conformal(t.Context(), fit.Net(logits), less, "y", 0.5); return err },
		`it must be from 0 to 1, as Softmax makes of logits`: func() error {
			_, err := evaluate.Conformal(t.Context(), fit.Net(logits), clouds(2, 50), "y", 0.5)
			return err
		},
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
