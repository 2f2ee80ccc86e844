package bundle_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// training.json is for people: a range of features that are alike is one number, the
// rows that were chosen are beside it, and whoever opens the bundle has both.
func TestRecordIsShort(t *testing.T) {
	rt := orttest.Runtime(t)
	all := dataset.From(make([]struct{}, 90), func() func(struct{}, dataset.Row) {
		i := -1
		return func(_ struct{}, row dataset.Row) {
			i++
			x := row.F32Slice("x")
			for j := range x {
				x[j] = float32(i % 5)
			}
			row.I64("y", int64(i%3))
		}
	}(), dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{6}}, dataset.Column{Name: "y", DType: dataset.I64})
	few := all.Balanced("y", 12, 1)
	logits := spec.Input("x", 6).Then(spec.Dense(3)).Named("logits")
	fit, err := train.Fit(t.Context(), spec.NewModel("m", spec.CrossEntropy(logits, spec.Labels("y", 3))), few, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 1})
	if err != nil {
		t.Fatal(err)
	}
	net, dir := fit.Net(logits), filepath.Join(t.TempDir(), "b")
	if _, err := bundle.Write(t.Context(), dir, net, all, rt); err != nil {
		t.Fatal(err)
	}
	training, err := os.ReadFile(filepath.Join(dir, "training.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(training), "chosen") || !regexp.MustCompile(`"x": \{\s*"min": \[\d\],\s*"max": \[\d\]`).Match(training) {
		t.Errorf("training.json is\n%s", training)
	}
	opened, err := bundle.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	got, want := opened.Record(), net.Record()
	if d := cmp.Diff(want.Columns, got.Columns); d != "" || len(got.Phases) != 1 || !cmp.Equal(got.Phases[0].Chosen, few.Rows()) {
		t.Errorf("opened: %s, %+v", d, got.Phases)
	}
	path := filepath.Join(dir, "rows.json")
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), `"/phases/0"`) {
		t.Fatalf("rows.json is %s, %v", b, err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Open(t.Context(), dir); !errors.Is(err, bundle.ErrDiffers) || !strings.Contains(err.Error(), "rows.json") {
		t.Errorf("an altered rows.json: %v", err)
	}
	if v, err := bundle.Verify(t.Context(), dir, rt); err != nil || v.Status != bundle.Differs {
		t.Errorf("an altered rows.json: %+v, %v", v, err)
	}
}
