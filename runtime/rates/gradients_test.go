package rates

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

const (
	width   = 4
	hidden  = 3
	classes = 2
)

// points are rows of two classes, some of them noise.
func points(n int) *dataset.Table {
	key := random.New(11)
	return dataset.From(make([]int, n), func(_ int, row dataset.Row) {
		y := int64(key.Uint64(0) % classes)
		for j := range row.F32Slice("x") {
			row.F32Slice("x")[j] = float32(0.7*key.Normal(uint64(1+j)) + float64(y)*float64(j%2))
		}
		row.I64("y", y)
		row.I64("person", int64(key.Uint64(9)%7))
		key = key.Derive(1)
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{width}}, dataset.Column{Name: "y", DType: dataset.I64}, dataset.Column{Name: "person", DType: dataset.I64})
}

// tied is a classifier whose decoder shares its encoder's weights.
func tied() *spec.Model {
	x := spec.Input("x", width)
	enc := spec.Sequential("encoder", spec.Dense(hidden), spec.Tanh())
	code := x.Then(enc)
	logits := code.Then(spec.Dense(classes).Named("head"))
	return spec.NewModel("tied", spec.MSE(code.Then(spec.Mirror("decoder", enc).Tied()), x), spec.CrossEntropy(logits, spec.Labels("y", classes)))
}

// lossOf is the loss of some rows of that model, in float64.
func lossOf(w map[string][]float64, x [][]float64, y []int64) float64 {
	sum := 0.0
	for r := range x {
		h := make([]float64, hidden)
		for k := range h {
			for j := range width {
				h[k] += x[r][j] * w["encoder/dense1/w"][j*hidden+k]
			}
			h[k] = math.Tanh(h[k] + w["encoder/dense1/b"][k])
		}
		for j := range width {
			v := w["decoder/tied1/b"][j]
			for k := range h {
				v += h[k] * w["encoder/dense1/w"][j*hidden+k]
			}
			sum += (v - x[r][j]) * (v - x[r][j]) / width
		}
		z, total := make([]float64, classes), 0.0
		for c := range z {
			z[c] = w["head/b"][c]
			for k := range h {
				z[c] += h[k] * w["head/w"][k*classes+c]
			}
			total += math.Exp(z[c])
		}
		sum += math.Log(total) - z[y[r]]
	}
	return sum / float64(len(x))
}

// byDifferences sums the L1 norms of gradients over batches in order, each by differences.
func byDifferences(m *spec.Model, rows *dataset.Table, seed uint64, batch int) map[string]float64 {
	w := map[string][]float64{}
	for _, p := range m.Params() {
		for _, v := range p.Initial(random.New(seed)) {
			w[p.Name] = append(w[p.Name], float64(v))
		}
	}
	norms := map[string]float64{}
	for lo := 0; lo < rows.Len(); lo += batch {
		hi := min(lo+batch, rows.Len())
		var x [][]float64
		for r := lo; r < hi; r++ {
			x = append(x, nil)
			for _, v := range rows.F32("x")[r*width : (r+1)*width] {
				x[r-lo] = append(x[r-lo], float64(v))
			}
		}
		y := rows.I64("y")[lo:hi]
		for name := range w {
			for i, was := range w[name] {
				const h = 1e-5
				w[name][i] = was + h
				up := lossOf(w, x, y)
				w[name][i] = was - h
				norms[name] += math.Abs(up-lossOf(w, x, y)) / (2 * h)
				w[name][i] = was
			}
		}
	}
	return norms
}

func options() train.Options {
	return train.Options{Optimizer: optim.SGD(0.1), Epochs: 3, Batch: 8, Seed: 3, InOrder: true, Log: slog.New(slog.DiscardHandler)}
}

// TestFromGradients holds the factors of a net with tied weights against those of gradients by differences in float64.
func TestFromGradients(t *testing.T) {
	rows, m := points(30), tied()
	want := byDifferences(m, rows, 3, 8)
	for _, p := range []float64{0.5, 1} {
		o := options()
		var table *Table
		var err error
		if o.Optimizer, table, err = (Gradients{Power: p}).Measure(t.Context(), m, rows, o); err != nil {
			t.Fatal(err)
		}
		a, b := want["encoder/dense1/w"], want["head/w"] // the matrices
		first := math.Pow(math.Sqrt(a*b)/a, p)
		factors := map[string]float64{"encoder/dense1/w": first, "encoder/dense1/b": first, "decoder/tied1/b": first, "head/w": 1 / first, "head/b": 1 / first}
		if len(table.Rows) != len(factors) {
			t.Fatalf("%d rows:\n%s", len(table.Rows), table)
		}
		for _, r := range table.Rows {
			if math.Abs(r.Gradient-want[r.Param]) > 1e-4*want[r.Param] {
				t.Errorf("the gradient of %s is %v, by differences %v", r.Param, r.Gradient, want[r.Param])
			}
			if math.Abs(r.Factor-factors[r.Param]) > 1e-3*r.Factor {
				t.Errorf("p = %v: the factor of %s is %v, want %v", p, r.Param, r.Factor, factors[r.Param])
			}
			if got, _ := o.Optimizer.Factor(r.Param); got != r.Factor {
				t.Errorf("the optimizer multiplies %s by %v, the table says %v", r.Param, got, r.Factor)
			}
			if !strings.Contains(table.String(), r.Param) {
				t.Errorf("the table lacks %s:\n%s", r.Param, table)
			}
		}
		if first > 0.95 && first < 1.05 {
			t.Errorf("the factors are all about 1 (%v), which shows little", first)
		}
	}
}

// TestFromGradientsIsOfRecord: factors are in what decides a training and in the description that a record has, from which the same optimizer is
// made; they do not depend on workers, and the training that follows goes on after a second measurement.
func TestFromGradientsIsOfRecord(t *testing.T) {
	rows, m := points(60), tied()
	o := options()
	o.InOrder, o.Dir, o.Optimizer = false, t.TempDir(), optim.AdamW(1e-2, 0.01).Group("head", 0.5).LayerDecay(0.9)
	start := o
	var tables []*Table
	for _, workers := range []int{1, 3} {
		o = start
		o.Workers = workers
		with, table, err := FromGradients(t.Context(), m, rows, o)
		if err != nil {
			t.Fatal(err)
		}
		o.Optimizer = with
		tables = append(tables, table)
		fit, err := train.Fit(t.Context(), m, rows, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(fit.History) != o.Epochs {
			t.Errorf("%d epochs", len(fit.History))
		}
		o.Epochs++ // goes on
		start.Epochs++
	}
	if !reflect.DeepEqual(tables[0], tables[1]) {
		t.Errorf("one worker and three:\n%s%s", tables[0], tables[1])
	}
	raw, err := json.Marshal(o.Optimizer.Describe())
	if err != nil {
		t.Fatal(err)
	}
	back, err := optim.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range tables[0].Rows {
		was := 1.0
		if r.Layer == "head" {
			was = 0.5
		}
		if f, _ := back.Factor(r.Param); f != was*r.Factor {
			t.Errorf("the record multiplies %s by %v, want %v times %v", r.Param, f, was, r.Factor)
		}
	}
	if back.LayerFactor() != 0.9 {
		t.Error("LayerDecay is lost")
	}
	facts, err := o.Decides(m)
	if err != nil {
		t.Fatal(err)
	}
	before, err := start.Decides(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := before.Differ(facts); err == nil || !strings.Contains(err.Error(), "groups") {
		t.Errorf("factors do not decide a training: %v", err)
	}
}

// TestLayers: vectors take their layer's factor, a normalisation that of the layer before it, frozen parameters none; the
// geometric mean over matrices is 1, and none is beyond the bounds.
func TestLayers(t *testing.T) {
	x := spec.Input("x", width)
	h := x.Then(spec.LayerNorm().Named("first"), spec.Dense(5).Named("a"), spec.LayerNorm().Named("norm"), spec.ReLU(), spec.Dense(5).Named("b"), spec.ReLU(), spec.Dense(3).Named("c"))
	m := spec.NewModel("norms", spec.CrossEntropy(h.Then(spec.Scale(1e-6), spec.Dense(classes).Named("far")), spec.Labels("y", classes)))
	o := options()
	o.Freeze = []string{"b"}
	_, table, err := Gradients{Power: 1, Updates: 2}.Measure(t.Context(), m, points(40), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	f, product, n := map[string]float64{}, 1.0, 0.0
	for _, r := range table.Rows {
		if f[r.Param] = r.Factor; strings.HasSuffix(r.Param, "/w") {
			product, n = product*r.Factor, n+1
		}
	}
	if math.Abs(math.Pow(product, 1/n)-1) > 1e-3 {
		t.Errorf("the geometric mean is %v", math.Pow(product, 1/n))
	}
	for name := range maps.Keys(f) {
		layer, _, _ := strings.Cut(name, "/")
		like := map[string]string{"norm": "a", "first": "a"}[layer]
		if like == "" {
			like = layer
		}
		if layer == "b" || f[name] != f[like+"/w"] {
			t.Errorf("the factor of %s is %v, of %s/w %v", name, f[name], like, f[like+"/w"])
		}
	}
}

// TestBounds: factors are kept within their bounds, and then multiplied so that their geometric mean is 1; a tensor without a
// gradient has no part in it.
func TestBounds(t *testing.T) {
	of := func(gradients ...float64) (factors []float64) {
		var norms []train.GradientNorm
		var order []string
		uses := map[string][]string{}
		for i, g := range gradients {
			layer := string(rune('a' + i))
			norms = append(norms, train.GradientNorm{Name: layer + "/w", Layer: layer, Decay: true, L1: g})
			order, uses[layer] = append(order, layer), []string{layer + "/w"}
		}
		rows, err := byGradients(norms, order, uses, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			factors = append(factors, r.Factor)
		}
		return factors
	}
	// Of the second, within the bounds they are 32, 1/32 and 1/32, whose geometric mean is 32^(-1/3).
	third := math.Cbrt(most)
	for _, c := range []struct{ gradients, want []float64 }{
		{[]float64{1e-9, 1, 1e9, 0, 1}, []float64{most, 1, 1. / most, 1, 1}},
		{[]float64{1e-9, 1, 1}, []float64{most * third, third / most, third / most}},
		{[]float64{2, 8}, []float64{2, 0.5}},
	} {
		for i, got := range of(c.gradients...) {
			if math.Abs(got-c.want[i]) > 1e-3*c.want[i] {
				t.Errorf("gradients %v: factor %d is %v, want %v", c.gradients, i, got, c.want[i])
			}
		}
	}
}

// TestWarning: without anything that was pretrained there is a warning, with it there is none.
func TestWarning(t *testing.T) {
	for _, pretrained := range []bool{false, true} {
		var log bytes.Buffer
		o := options()
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		if pretrained {
			net := train.Untrained(5, spec.Input("x", width).Then(spec.Sequential("encoder", spec.Dense(hidden))))
			tensors, err := train.NetTensors(net)
			if err != nil {
				t.Fatal(err)
			}
			o.InitFrom = []train.From{{Tensors: tensors, Pattern: "encoder"}}
		}
		if _, _, err := FromGradients(t.Context(), tied(), points(30), o); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log.String(), "InitFrom is empty") == pretrained {
			t.Errorf("pretrained %v: the log is %q", pretrained, log.String())
		}
	}
}

// foreign is an optimizer of another package.
type foreign struct{ *optim.SGDOptimizer }

func (foreign) Describe() any { return "mine" }

func TestGradientMistakes(t *testing.T) {
	still := func() *spec.Model {
		x := spec.Input("x", width)
		return spec.NewModel("still", spec.MSE(x.Then(spec.Dense(width), spec.Scale(0)), x))
	}
	for want, c := range map[string]struct {
		g      Gradients
		m      *spec.Model
		change func(*train.Options)
	}{
		"above 0 and at most 4": {Gradients{Power: math.NaN()}, tied(), func(*train.Options) {}},
		"must be positive":      {Gradients{Updates: -1}, tied(), func(*train.Options) {}},
		"is required":           {Gradients{}, tied(), func(o *train.Options) { o.Optimizer = nil }},
		"not one of Lamina's":   {Gradients{}, tied(), func(o *train.Options) { o.Optimizer = foreign{optim.SGD(1)} }},
		"other than 0":          {Gradients{}, still(), func(*train.Options) {}},
		"the model is nil":      {Gradients{}, nil, func(*train.Options) {}},
	} {
		o := options()
		c.change(&o)
		got, table, err := c.g.Measure(t.Context(), c.m, points(20), o)
		if err == nil || got != nil || table != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
