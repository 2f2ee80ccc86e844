package synthetic_test

import (
	"log/slog"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/dataset/synthetic"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestDecoded: rows that a variational autoencoder's decoder makes of drawn codes are those that it computes, whatever batch they
// come in, and look like what it was trained on.
func TestDecoded(t *testing.T) {
	rows := synthetic.Strokes(600, 1, synthetic.StrokeOptions{Height: 12, Width: 12, Glyphs: 1, Pen: synthetic.Range{Least: 1.5, Most: 1.5}})
	enc := spec.Sequential("encoder", spec.Dense(40), spec.ReLU())
	dec := spec.Sequential("decoder", spec.Dense(40), spec.ReLU(), spec.Dense(144))
	vae := spec.Variational("vae", spec.Input("x", 144), enc, 3, dec)
	fit, err := train.Fit(t.Context(), vae.Model, rows, train.Options{Optimizer: optim.Adam(5e-3), Epochs: 12, Batch: 20, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	net := fit.Net(spec.Input("z", 3).Then(dec, spec.Sigmoid()).Named("x"))
	made := synthetic.Decoded(net, 500, 7)
	d, err := dataset.Collect(made)
	if err != nil {
		t.Fatal(err)
	}
	if d.Columns()[0].String() != "x f32[144]" || d.Columns()[1].String() != "z f32[3]" || d.Len() != 500 {
		t.Fatalf("the columns are %v", d.Columns())
	}
	some := []int{499, 3, 3, 250}
	few, err := dataset.Collect(dataset.All(made).Select(some))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := d.Select(some), few; hashOf(t, a) != hashOf(t, b) {
		t.Error("a row depends on the batch that it comes in")
	}
	if one, err := dataset.Collect(each{made}); err != nil || hashOf(t, one) != hashOf(t, d) {
		t.Errorf("rows one by one are others: %v", err)
	}
	var mean, variance float64
	for _, z := range d.F32("z") {
		mean, variance = mean+float64(z)/1500, variance+float64(z)*float64(z)/1500
	}
	if math.Abs(mean) > 0.1 || math.Abs(variance-1) > 0.15 {
		t.Errorf("codes have the mean %v and the variance %v", mean, variance)
	}
	// The mean picture of what is made is that of the rows, far nearer than black is.
	real, err := dataset.Collect(rows)
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := real.Moments("x")
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := d.Moments("x")
	if err != nil {
		t.Fatal(err)
	}
	var apart, light float64
	for i := range want {
		apart, light = apart+(got[i]-want[i])*(got[i]-want[i]), light+want[i]*want[i]
	}
	if !(apart < 0.1*light) {
		t.Errorf("the mean picture differs by %v of %v", apart, light)
	}
	if g := dataset.GeneratorOf(d); !strings.HasPrefix(g, "decoded rows=500 seed=7 decoder=") || g != made.String() || dataset.SyntheticShare(d) != 1 {
		t.Errorf("the generator is %q", g)
	}
	if source, err := made.Stream().Source(t.Context()); err != nil || source != made.String() {
		t.Errorf("its stream comes from %q, %v", source, err)
	}
	other := synthetic.Decoded(fit.Net(spec.Input("z", 3).Then(dec).Named("x")), 500, 7)
	if other.String() == made.String() || synthetic.Decoded(net, 500, 8).String() == made.String() {
		t.Error("another decoder or seed has the same name")
	}

	moved := maps.Clone(net.Params())
	for name, v := range moved {
		moved[name] = append([]float32{v[0] + 1}, v[1:]...)
		break
	}
	if again := synthetic.Decoded(stranger{net, net.Graph(), moved}, 500, 7); again.Err() != nil || again.String() == made.String() {
		t.Errorf("a decoder with other weights has the same name; %v", again.Err())
	}
	together, err := ir.Parse("g (f32[N 3] z) => (x) {\n\tf32[1 3] m = ReduceMean<axes = [0], keepdims = true>(z)\n\tf32[N 3] x = Sub(z, m)\n}\n", ops.ByName)
	if err != nil {
		t.Fatal(err)
	}

	z := spec.Input("z", 3).Then(dec).Named("x")
	for want, err := range map[string]error{
		"the decoder is nil":                    synthetic.Decoded(nil, 5, 1).Err(),
		"the Net is nil":                        synthetic.Decoded((*engine.Net)(nil), 5, 1).Err(),
		"the rows must be 1 to":                 synthetic.Decoded(net, 0, 1).Err(),
		"has one input, the code, and this has": synthetic.Decoded(fit.Net(spec.Add(z, spec.Input("w", 144))), 5, 1).Err(),
		"depends on other rows of the batch":    synthetic.Decoded(stranger{net, together, nil}, 5, 1).Err(),
		"the rows are nil":                      (*synthetic.DecodedRows)(nil).Err(),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// stranger is a decoder of another graph and other weights.
type stranger struct {
	*engine.Net
	graph  *ir.Graph
	params map[string][]float32
}

func (s stranger) Graph() *ir.Graph             { return s.graph }
func (s stranger) Inputs() []*ir.Value          { return s.graph.Inputs }
func (s stranger) Params() map[string][]float32 { return s.params }

// each is a source without Rows.
type each struct{ dataset.Source }

func hashOf(t *testing.T, src dataset.Source) string {
	t.Helper()
	h, err := dataset.Hash(src)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
