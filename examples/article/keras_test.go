package main

import (
	"archive/zip"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
)

// most is by how much a loss may differ from Keras's.
const most = 1e-5

// recorded is what article.py --record writes.
type recorded struct {
	Keras   string    `json:"keras"`
	Backend string    `json:"backend"`
	Rows    int       `json:"rows"`
	Batch   int       `json:"batch"`
	Losses  []float64 `json:"losses"`
}

func readRecorded(t *testing.T, path string) recorded {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r recorded
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Losses) != 100 || r.Batch != 256 || r.Rows != 8000 {
		t.Fatalf("%d losses of batches of %d of %d rows", len(r.Losses), r.Batch, r.Rows)
	}
	return r
}

// number is that of article.py.
func number(i uint32) float64 {
	x := (i ^ i>>16) * 0x7feb352d
	x = (x ^ x>>15) * 0x846ca68b
	return float64((x^x>>16)>>8)/(1<<23) - 1
}

// sharedWeights writes what article.py calls so to an .npz file.
func sharedWeights(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weights.npz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, at := zip.NewWriter(f), uint32(0)
	for _, p := range stack().Params() {
		shape := p.Type.Shape.Lengths()
		x := make([]float32, ir.Elems(shape))
		if len(shape) == 2 {
			limit := math.Sqrt(6 / float64(shape[0]+shape[1]))
			for i := range x {
				x[i] = float32(number(at+uint32(i)) * limit)
			}
			at += uint32(len(x))
		}
		w, err := z.Create(p.Name + ".npy")
		if err == nil {
			err = npywrite.Write(w, shape, x)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// losses trains from weights as article.py --record does.
func losses(t *testing.T, weights string, r recorded) (list []float64) {
	t.Helper()
	start, err := train.FileTensors(weights)
	if err != nil {
		t.Fatal(err)
	}
	order := make([]int, len(r.Losses)*r.Batch)
	for i := range order {
		order[i] = i * 1009 % r.Rows
	}
	rows := dataset.Digits().Train.Reshape("x", 28, 28).Select(order)
	fit, err := train.Fit(t.Context(), stack(), rows, train.Options{
		Optimizer: optim.Adam(1e-3).EpsilonHat(1e-7), Epochs: 1, Batch: r.Batch, InOrder: true,
		InitFrom:    []train.From{{Tensors: start, Pattern: "*"}},
		AfterUpdate: func(u train.Update) { list = append(list, u.Loss) }})
	if err != nil {
		t.Fatal(err)
	}
	if report := fit.InitReports()[0]; len(report.Loaded) != 6 || len(report.Missing)+len(report.Skipped) > 0 {
		t.Fatalf("not everything starts from the file: %s", report)
	}
	return list
}

func compare(t *testing.T, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d losses, want %d", len(got), len(want))
	}
	worst := 0
	for i := range got {
		if !(math.Abs(got[i]-want[i]) <= math.Abs(got[worst]-want[worst])) {
			worst = i
		}
	}
	d := math.Abs(got[worst] - want[worst])
	if t.Logf("greatest difference %.2g, at step %d of %d: %.7f, Keras %.7f", d, worst+1, len(got), got[worst], want[worst]); !(d <= most) {
		t.Errorf("it is above %g", most)
	}
}

// The first 100 losses are those that Keras recorded from the same weights with the same batches.
func TestKerasRecorded(t *testing.T) {
	r := readRecorded(t, filepath.Join("testdata", "keras.json"))
	t.Logf("Keras %s, %s", r.Keras, r.Backend)
	if !(r.Losses[99] < 0.5*r.Losses[0]) {
		t.Errorf("Keras did not learn: %v to %v", r.Losses[0], r.Losses[99])
	}
	compare(t, losses(t, sharedWeights(t), r), r.Losses)
}

// Keras itself, where LAMINA_KERAS names a Python interpreter that has it, gives what was recorded, and the weights that it
// writes train to the same losses.
func TestKeras(t *testing.T) {
	python := os.Getenv("LAMINA_KERAS")
	if python == "" {
		t.Skip("LAMINA_KERAS is not set: name a Python interpreter that has Keras; TestKerasRecorded compares with what it gave before")
	}
	path := filepath.Join(t.TempDir(), "losses.json")
	c := exec.CommandContext(t.Context(), python, "article.py", "--record", path)
	c.Env = append(os.Environ(), "CUDA_VISIBLE_DEVICES=") // a GPU rounds in other ways
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := readRecorded(t, path)
	t.Logf("Keras %s, %s", r.Keras, r.Backend)
	kept := readRecorded(t, filepath.Join("testdata", "keras.json"))
	compare(t, kept.Losses, r.Losses)

	weights := filepath.Join(filepath.Dir(path), "losses.npz")
	ours, err := train.FileTensors(sharedWeights(t))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := train.FileTensors(weights)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range ours.Names() {
		_, x, _ := ours.Tensor(name)
		_, y, ok := theirs.Tensor(name)
		if !ok || !slices.Equal(x, y) {
			t.Errorf("%s: Python and Go make other weights", name)
		}
	}
	compare(t, losses(t, weights, r), r.Losses)
}
