package train

import (
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// twoViews are digits twice, the second with other columns moved in.
func twoViews() *dataset.Table {
	return dataset.Digits().Train.Head(120).Views("x", "x", "other")
}

// TestBetween: what is made again between two values trains to the bits of the layers
// placed again, plain, averaged, and through weights that are tied.
func TestBetween(t *testing.T) {
	declare := func(between bool, average bool) (*spec.Model, *spec.Value) {
		x, other := spec.Input("x", 784), spec.Input("other", 784)
		enc := spec.Sequential("encoder", spec.Dense(20), spec.Tanh(), spec.Dense(6))
		net := spec.Sequential("net", enc, spec.Mirror("decoder", enc).Tied(), spec.Dense(10).Named("head"))
		logits := x.Then(net)
		var again spec.Layer = net
		if between {
			again = spec.Between("again", x, logits)
		}
		if average {
			again = spec.Average(again, 0.9).Named("slow")
		}
		second := other.Then(again)
		y := spec.Labels("y", 10)
		return spec.NewModel("views", spec.CrossEntropy(logits, y), spec.MSE(second, logits).Weight(0.3)), second
	}
	for _, average := range []bool{false, true} {
		var made [2]map[string][]float32
		var ships [2][]float32
		for k, between := range []bool{false, true} {
			m, second := declare(between, average)
			r, err := Fit(t.Context(), m, twoViews(), Options{Optimizer: optim.Adam(1e-2), Epochs: 2, Batch: 32, Seed: 5})
			if err != nil {
				t.Fatal(err)
			}
			made[k] = r.params
			out, err := r.Net(second.Named("second")).Over(t.Context(), twoViews())
			if err != nil {
				t.Fatal(err)
			}
			ships[k] = out.F32("second")
		}
		for name, w := range made[0] {
			if !slices.Equal(w, made[1][name]) {
				t.Errorf("average %v: %s ends otherwise than with the layers placed again", average, name)
			}
		}
		if !slices.Equal(ships[0], ships[1]) {
			t.Errorf("average %v: what ships is not the same", average)
		}
	}
}

// TestBetweenKinds: noise draws anew, and running statistics are those of the first place.
func TestBetweenKinds(t *testing.T) {
	x, other := spec.Input("x", 784), spec.Input("other", 784)
	logits := x.Then(spec.Dense(12), spec.BatchNorm(), spec.ReLU(), spec.Dropout(0.5), spec.Dense(10)).Named("logits")
	again := other.Then(spec.Between("again", x, logits))
	m := spec.NewModel("views", spec.CrossEntropy(logits, spec.Labels("y", 10)), spec.NewLoss("apart", spec.Sub(again, logits).Then(spec.Square())))
	r, err := Fit(t.Context(), m, twoViews(), Options{Optimizer: optim.Adam(1e-2), Epochs: 2, Batch: 32, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	if apart := r.Last().Train.Losses["loss/apart1"]; !(apart > 0) {
		t.Errorf("views with one set of values are %v apart, want more than 0, as Dropout draws anew", apart)
	}
	out, err := r.Net(logits, again.Named("again")).Over(t.Context(), twoViews())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(out.F32("logits"), out.F32("again")) {
		t.Error("what ships computes one function of two equal views otherwise")
	}
}

// TestBetweenMistakes: what cannot be made again is said, with the line.
func TestBetweenMistakes(t *testing.T) {
	x := spec.Input("x", 4)
	y := x.Then(spec.Dense(3))
	for name, c := range map[string]struct {
		v    *spec.Value
		want string
	}{
		"other way round": {spec.Input("a", 3).Then(spec.Between("a", y, x)), "y must be computed from x"},
		"itself":          {spec.Input("b", 4).Then(spec.Between("b", x, x)), "y must be computed from x"},
		"another type":    {spec.Input("c", 5).Then(spec.Between("c", x, y)), "must have the type of x, f32[N 4], got f32[N 5]"},
		"nil":             {spec.Input("d", 5).Then(spec.Between("d", nil, y)), "the value is nil"},
	} {
		if err := c.v.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
