package fewlabels

import (
	"math"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// plainTask is a linear net of 2x2 pictures, whose pixels are all equal, so that moving one changes
// nothing.
func plainTask(dims ...int) Task {
	x := spec.Input("x", dims...)
	code := x.Then(spec.Flatten(), spec.Dense(3).Named("below"))
	return Task{Input: x, Code: code, Logits: code.Then(spec.Dense(3).Named("above")).Named("logits"), Label: "y", Classes: []string{"a", "b", "c"}}
}

func plainRows(t *testing.T, n int, key uint64) *dataset.Table {
	t.Helper()
	x, y := make([]float32, 4*n), make([]int64, n)
	for i := range n {
		v := float32(3*random.New(key).Float64(uint64(i)) - 1.5)
		for j := range 4 {
			x[4*i+j] = v
		}
		y[i] = int64(i % 3)
	}
	table, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{1, 2, 2}}, F32: x},
		dataset.Data{Column: dataset.Column{Name: "y", DType: dataset.I64}, I64: y})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// wide are weights in float64.
func wide(w map[string][]float32) map[string][]float64 {
	out := map[string][]float64{}
	for name, x := range w {
		for _, v := range x {
			out[name] = append(out[name], float64(v))
		}
	}
	return out
}

// pixels are the pictures of rows.
func pixels(rows *dataset.Table) (x [][]float64) {
	for i := range rows.Len() {
		x = append(x, wide(map[string][]float32{"x": rows.F32("x")[4*i : 4*i+4]})["x"])
	}
	return x
}

// affine is a layer of three units.
func affine(w map[string][]float64, name string, x [][]float64) (y [][]float64) {
	for _, row := range x {
		z := slices.Clone(w[name+"/b"])
		for j := range z {
			for i, v := range row {
				z[j] += v * w[name+"/w"][3*i+j]
			}
		}
		y = append(y, z)
	}
	return y
}

// forward computes the probabilities of rows in float64 by the weights of plainTask.
func forward(w map[string][]float64, rows *dataset.Table) [][]float64 {
	return through(w, pixels(rows))
}

func through(w map[string][]float64, x [][]float64) [][]float64 {
	return softmax(affine(w, "above", affine(w, "below", x)))
}

func softmax(z [][]float64) [][]float64 {
	for _, row := range z {
		sum := 0.0
		for j := range row {
			row[j] = math.Exp(row[j])
			sum += row[j]
		}
		for j := range row {
			row[j] /= sum
		}
	}
	return z
}

func supervised(p [][]float64, rows *dataset.Table) (loss float64) {
	for i, y := range rows.I64("y") {
		loss -= math.Log(p[i][y]) / float64(len(p))
	}
	return loss
}

func greatest(p []float64) (best int) {
	for c, v := range p {
		if v > p[best] {
			best = c
		}
	}
	return best
}

// TestLossesByHand: the loss of the second update of each way is what its formula gives in
// float64. All rows are in each update, and but for the mean teacher the weights hardly move.
func TestLossesByHand(t *testing.T) {
	few, rest := plainRows(t, 6, 1), plainRows(t, 10, 2)
	run := func(way Way, rate float64, epochs int) (losses []float64, l *Learned) {
		o := train.Options{Optimizer: optim.SGD(rate), Epochs: epochs, Seed: 4, AfterUpdate: func(u train.Update) { losses = append(losses, u.Loss) }}
		l, err := way.Train(t.Context(), plainTask(1, 2, 2), few, rest, o)
		if err != nil {
			t.Fatal(err)
		}
		return losses, l
	}
	check := func(name string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 2e-6*math.Abs(want) {
			t.Errorf("%s: the loss is %.9g, want %.9g", name, got, want)
		}
	}
	logits := plainTask(1, 2, 2).Logits
	start := wide(train.Untrained(4, logits).Params())
	p, q := forward(start, few), forward(start, rest)

	losses, _ := run(PseudoLabels{Labelled: 6, Unlabelled: 10, Height: 0.7, From: 0, To: 1}, 1e-20, 2)
	guess := 0.0
	for _, r := range q {
		guess -= math.Log(r[greatest(r)]) / 10
	}
	check("pseudo-labels, at the start of the ramp", losses[0], supervised(p, few))
	check("pseudo-labels, behind the ramp", losses[1], supervised(p, few)+0.7*guess)

	threshold := 0.0 // so that about half of the rows are above it
	for _, r := range q {
		threshold += r[greatest(r)] / 10
	}
	losses, _ = run(FixMatch{Labelled: 6, Unlabelled: 10, Threshold: threshold, Weight: 1.3, Weak: dataset.Augment().Shift(1), Strong: dataset.Augment().Shift(1)}, 1e-20, 2)
	sure, n := 0.0, 0
	for _, r := range q {
		if v := r[greatest(r)]; v >= threshold {
			sure, n = sure-math.Log(v)/10, n+1
		}
	}
	if n == 0 || n == 10 {
		t.Fatalf("%d of 10 rows are above the threshold; the test wants some", n)
	}
	check("FixMatch", losses[1], supervised(p, few)+1.3*sure)

	way := MeanTeacher{Labelled: 6, Unlabelled: 10, Momentum: 0.6, Weight: 5, From: 0, To: 1}
	_, l := run(way, 0.5, 1)
	moved := wide(trained(l, start))
	teacher := average(start, moved, 0.6)
	p, q = forward(moved, few), forward(moved, rest)
	tp, tq := forward(teacher, few), forward(teacher, rest)
	far := apart(append(append([][]float64{}, p...), q...), append(append([][]float64{}, tp...), tq...))
	losses, _ = run(way, 0.5, 2)
	check("mean teacher", losses[1], supervised(p, few)+5*far)
	shipped, err := l.Predict(t.Context(), rest)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range tq {
		for c, v := range r {
			if got := shipped[3*i+c]; math.Abs(got-v) > 1e-6 {
				t.Fatalf("mean teacher: row %d ships %v, the teacher has %v", i, got, v)
			}
		}
	}
}
