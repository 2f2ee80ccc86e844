package bundle_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// table are rows with missing numbers, one column of which is the same everywhere, with ids
// of which 0 is a value never seen, and with labels.
func table(n int) *dataset.Table {
	key, i := random.New(3), 0
	return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
		k := key.Derive(uint64(i))
		x := row.F32Slice("numeric")
		x[0], x[1], x[2] = float32(250*math.Exp(k.Normal(0))), 7, float32(1e-3*k.Normal(1))
		for j := range x {
			if j != 1 && k.Uint64N(uint64(10+j), 5) == 0 {
				x[j] = float32(math.NaN())
			}
		}
		row.I64("categorical", int64(k.Uint64N(20, 4)+1), int64(k.Uint64N(21, 6)))
		row.I64("y", int64(k.Uint64N(22, 3)))
		i++
	}, dataset.Column{Name: "numeric", DType: dataset.F32, Shape: []int{3}, Missing: true},
		dataset.Column{Name: "categorical", DType: dataset.I64, Shape: []int{2}}, dataset.Column{Name: "y", DType: dataset.I64})
}

// TestTable: a model of numbers, some of which are missing, and of ids trains, ships as one
// file of two inputs with its constants inside, and holds on onnxruntime; what is opened
// takes NaN and a value never seen.
func TestTable(t *testing.T) {
	numeric, categorical := spec.Input("numeric", 3).Optional(), spec.Categories("categorical", 5, 6)
	scaled := numeric.Then(spec.LogScale(), spec.ClipQuantiles(0.02, 0.98), spec.Standardise())
	row := spec.Concat(0, scaled.Then(spec.FillMissing().With(0).Indicator()), numeric.Then(spec.FillMissing(), spec.MinMax(), spec.Clip(0, 1)), numeric.Then(spec.Present()),
		categorical.Then(spec.Embeddings([]int{5, 6}, 2, 3)), categorical.Then(spec.OneHotIDs(5, 6)), categorical.Then(spec.Ordinal(5, 6))).Named("row")
	h := row.Then(spec.Dense(12), spec.ReLU(), spec.Dropout(0.1))
	logits := h.Then(spec.Dense(3).Named("head")).Named("logits")
	m := spec.NewModel("table", spec.CrossEntropy(logits, spec.Labels("y", 3)), spec.MSE(h.Then(spec.Dense(3).Named("back")), scaled))
	rows := table(400)
	r, err := train.Fit(t.Context(), m, rows, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 4, Batch: 50, Valid: table(60)})
	if err != nil {
		t.Fatal(err)
	}
	net := r.Net(logits, logits.Then(spec.Softmax(-1)).Named("probability"), row)
	dir := filepath.Join(t.TempDir(), "table")
	rep, err := bundle.Write(t.Context(), dir, net, rows, orttest.Runtime(t))
	if err != nil {
		t.Fatal(err)
	}
	missing := false
	for _, s := range rep.Verification.Sets {
		if s.Name == "missing" {
			missing = s.Undetermined == 0 && !s.NotFinite
		}
	}
	if !missing {
		t.Errorf("rows with missing numbers were not compared: %+v", rep.Verification.Sets)
	}
	training, err := os.ReadFile(filepath.Join(dir, "training.json"))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(training); strings.Contains(s, "NaN") || !strings.Contains(s, "fitted(mean, 1, ") || !strings.Contains(s, "any or none") {
		t.Errorf("training.json has\n%.3000s", s)
	}
	v, err := bundle.Verify(t.Context(), dir, orttest.Runtime(t))
	if err != nil || v.Status != bundle.Holds {
		t.Fatal(v, err)
	}
	opened, err := bundle.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if in := verify.Inputs(opened.Graph()); len(in) != 2 || in[0].Type.String() != "f32[N 3]" || in[1].Type.String() != "i64[N 2]" {
		t.Errorf("the inputs are %v", in)
	}
	whole, err := bundle.Load(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range whole.Sets {
		if !slices.ContainsFunc(s.In["numeric"].F32, func(x float32) bool { return x != x }) {
			t.Errorf("the %s lack no number", s.Name)
		}
	}
	want, err := net.Over(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	got, err := opened.Over(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"logits", "probability", "row"} {
		for i, x := range want.F32(name) {
			if y := got.F32(name)[i]; !(math.Abs(float64(x-y)) <= 1e-5*(1+math.Abs(float64(x)))) {
				t.Fatalf("%s: element %d is %v, in the file %v", name, i, x, y)
			}
		}
	}
	nan := float32(math.NaN())
	out, err := opened.Run(t.Context(), map[string]*ir.Tensor{"numeric": {DType: ir.F32, Shape: []int{2, 3}, F32: []float32{nan, nan, nan, 1, nan, 2}}, "categorical": {DType: ir.I64, Shape: []int{2, 2}, I64: []int64{0, 0, 4, 0}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range out["probability"].F32 {
		if !(x >= 0 && x <= 1) {
			t.Errorf("a row without any number gives %v", out["probability"].F32)
		}
	}
	_, err = opened.Run(t.Context(), map[string]*ir.Tensor{"numeric": {DType: ir.F32, Shape: []int{1, 3}, F32: []float32{1, 2, 3}}, "categorical": {DType: ir.I64, Shape: []int{1, 2}, I64: []int64{0, 6}}})
	if err == nil || !strings.Contains(err.Error(), `row 0 of column 1 of input "categorical" is 6; the table has rows for 0 to 5`) {
		t.Errorf("an id outside the table: %v", err)
	}
}
