package train

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

func l1Norms(t *testing.T, o Options, updates int) []GradientNorm {
	t.Helper()
	list, err := GradientNorms(t.Context(), model(), rows(150), o, updates)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestGradientNorms: descent with the rate 1 goes as far as the gradient, with the same rows and the same dropout; tied
// weights count once.
func TestGradientNorms(t *testing.T) {
	o := options()
	o.Optimizer, o.Batch = optim.SGD(1), 150
	went := moved(t, o)
	got := l1Norms(t, o, 0)
	if len(got) != len(went) {
		t.Fatalf("%d norms of %d parameters: %+v", len(got), len(went), got)
	}
	for _, n := range got {
		want := 0.0
		for _, d := range went[n.Name] {
			want += math.Abs(d)
		}
		if !(n.L1 > 0) || math.Abs(n.L1-want) > 1e-4*want {
			t.Errorf("%s: the L1 norm is %v, an update goes %v", n.Name, n.L1, want)
		}
		if n.Decay != strings.HasSuffix(n.Name, "/w") || !strings.HasPrefix(n.Name, n.Layer+"/") {
			t.Errorf("%+v", n)
		}
	}
}

// TestGradientNormsAreFixed: the weights stay, so that two epochs of rows in order and without noise have twice the norms of
// one; the bits do not depend on workers, and a folder, validation and averages have no part in it.
func TestGradientNormsAreFixed(t *testing.T) {
	o := options()
	one := l1Norms(t, o, 3)
	o.Workers, o.Cluster, o.Dir, o.Average, o.ValidAverage, o.Valid, o.Patience = 1, nil, t.TempDir(), 0.9, true, rows(20), 2
	o.Metrics, o.BestBy = nil, Least("loss")
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	if again := l1Norms(t, o, 3); !reflect.DeepEqual(again, one) {
		t.Errorf("with one worker and a folder: %v, want %v", again, one)
	}
	if list, err := os.ReadDir(o.Dir); err != nil || len(list) > 0 {
		t.Errorf("the folder has %v (%v)", list, err)
	}
	x := spec.Input("x", 12)
	m := spec.NewModel("plain", spec.MSE(x.Then(spec.Dense(5), spec.Tanh(), spec.Dense(12)), x))
	o = Options{Optimizer: optim.Adam(1), Epochs: 1, Batch: 40, InOrder: true, Freeze: []string{"dense2/b"}}
	first, err := GradientNorms(t.Context(), m, rows(150), o, 0)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := GradientNorms(t.Context(), m, rows(150), o, 8)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 3 {
		t.Errorf("norms of %v, although dense2/b is frozen", first)
	}
	for i, n := range first {
		if math.Abs(twice[i].L1-2*n.L1) > 1e-9*n.L1 {
			t.Errorf("%s: %v in an epoch, %v in two", n.Name, n.L1, twice[i].L1)
		}
	}
}

// TestGradientNormsMistakes: what cannot be measured is an error, and a context that ends stops it.
func TestGradientNormsMistakes(t *testing.T) {
	if _, err := GradientNorms(t.Context(), model(), rows(150), options(), -1); err == nil || !strings.Contains(err.Error(), "must be positive") {
		t.Errorf("a negative number of updates: %v", err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if _, err := GradientNorms(ended, model(), rows(150), options(), 0); !errors.Is(err, ErrInterrupted) {
		t.Errorf("a context that ended: %v", err)
	}
	x := spec.Input("x", 12)
	root := spec.NewModel("root", spec.MSE(x.Then(spec.Dense(12)), x))
	far := dataset.From(make([]struct{}, 8), func(_ struct{}, row dataset.Row) {
		for j := range row.F32Slice("x") {
			row.F32Slice("x")[j] = math.MaxFloat32
		}
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{12}})
	o := options()
	if _, err := GradientNorms(t.Context(), root, far, o, 0); !errors.Is(err, ErrNotFinite) {
		t.Errorf("numbers far out: %v", err)
	}
}

// TestErrNotFinite: a training whose rate is far too large says that it went out of bounds.
func TestErrNotFinite(t *testing.T) {
	o := options()
	o.Optimizer = optim.SGD(1e30)
	if _, err := Fit(t.Context(), model(), rows(150), o); !errors.Is(err, ErrNotFinite) {
		t.Errorf("%v", err)
	}
}

// TestByOf reads the numbers of an epoch.
func TestByOf(t *testing.T) {
	e := Epoch{Validated: true, Train: Values{Loss: 7}, Valid: Values{Loss: 2, Losses: map[string]float64{"loss/mse1": 1.5}, Metrics: map[string]float64{"accuracy": 0.75}}}
	for _, c := range []struct {
		by       By
		of, cost float64
	}{{By{}, 2, 2}, {Least("loss/mse1"), 1.5, 1.5}, {Greatest("accuracy"), 0.75, -0.75}} {
		if c.by.Of(e) != c.of || c.by.Cost(e) != c.cost {
			t.Errorf("%q: %v and %v, want %v and %v", c.by, c.by.Of(e), c.by.Cost(e), c.of, c.cost)
		}
	}
}
