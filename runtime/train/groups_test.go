package train

import (
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// moved trains one update of gradient descent and returns, for each parameter, how
// far it went.
func moved(t *testing.T, o Options) map[string][]float64 {
	t.Helper()
	o.Epochs, o.Batch = 1, 150
	r := mustFit(t, o)
	out := map[string][]float64{}
	for _, p := range r.prog.Params {
		start := p.Initial(random.New(o.Seed))
		for i, w := range r.Param(p.Name) {
			out[p.Name] = append(out[p.Name], float64(w)-float64(start[i]))
		}
	}
	return out
}

// TestGroups holds one update with groups against one without: each parameter goes
// as far as its factor says.
func TestGroups(t *testing.T) {
	with := func(o optim.Optimizer) Options {
		x := options()
		x.Optimizer = o
		return x
	}
	plain := moved(t, with(optim.SGD(0.5)))
	for name, c := range map[string]struct {
		o      optim.Optimizer
		factor map[string]float64 // 1 for others
	}{
		"by name": {optim.SGD(0.5).Group("encoder", 0.5).Group("encoder/dense2/b", 0.25).Group("head", 0),
			map[string]float64{"encoder/dense1/w": 0.5, "encoder/dense1/b": 0.5, "encoder/dense2/w": 0.5, "encoder/dense2/b": 0.25, "head/w": 0, "head/b": 0}},
		// The model uses encoder/dense1, encoder/dense2, decoder/tied1, decoder/tied2 and head, in this order.
		"by depth": {optim.SGD(0.5).LayerDecay(0.5).Group("decoder/tied1", 3),
			map[string]float64{"encoder/dense1/w": 1. / 16, "encoder/dense1/b": 1. / 16, "encoder/dense2/w": 1. / 8, "encoder/dense2/b": 1. / 8,
				"decoder/tied1/b": 3. / 4, "decoder/tied2/b": 1. / 2}},
		// The only update of one epoch is the first of two that warm up.
		"with a schedule": {optim.SGD(1).Group("encoder", 0.5).Schedule(optim.Warmup(2)),
			map[string]float64{"encoder/dense1/w": 0.5, "encoder/dense1/b": 0.5, "encoder/dense2/w": 0.5, "encoder/dense2/b": 0.5}},
	} {
		got := moved(t, with(c.o))
		for p, d := range plain {
			f, ok := c.factor[p]
			if !ok {
				f = 1
			}
			for i := range d {
				if math.Abs(got[p][i]-f*d[i]) > 2e-7*(1+math.Abs(d[i])) {
					t.Fatalf("%s: %s[%d] went %v, %v times %v is wanted", name, p, i, got[p][i], f, d[i])
				}
			}
		}
	}
	// Decay: w goes -rate·l2·factor·w farther; biases have none.
	const l2 = 0.3
	got := moved(t, with(optim.SGD(0.5).Decay(l2).GroupDecay("encoder/dense1", 0.5).GroupDecay("head", 0)))
	for _, p := range mustFit(t, with(optim.SGD(0.5))).prog.Params {
		f := map[string]float64{"encoder/dense1/w": 0.5, "encoder/dense2/w": 1}[p.Name]
		for i, w := range p.Initial(random.New(5)) {
			if want := plain[p.Name][i] - 0.5*l2*f*float64(w); math.Abs(got[p.Name][i]-want) > 1e-6 {
				t.Fatalf("decay: %s[%d] went %v, want %v", p.Name, i, got[p.Name][i], want)
			}
		}
	}
}

// TestGroupsResume stops after two epochs and goes on to the same bits, and not
// with other factors; the checkpoint holds them.
func TestGroupsResume(t *testing.T) {
	o := options()
	o.Optimizer = optim.AdamW(3e-3, 0.1).Group("encoder", 0.1).GroupDecay("head", 0.5).LayerDecay(0.8)
	want := bits(mustFit(t, o))
	o.Dir, o.CheckpointEvery = t.TempDir(), 1
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tr, err := New(ctx, model(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	for e := range tr.Epochs(ctx) {
		if e.Number == 2 {
			cancel()
		}
	}
	if _, err := tr.Done(); err == nil {
		t.Fatal("it was not interrupted")
	}
	f, err := checkpoint.Read(filepath.Join(o.Dir, checkpointName))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"groups": "encoder ×0.1", "decay groups": "head ×0.5", "layer factor": "0.8"} {
		if got := f.Facts.Value("AdamW's " + name); got != want {
			t.Errorf("the checkpoint has the %s %q, want %q", name, got, want)
		}
	}
	r := mustFit(t, o)
	if got := bits(r); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	record, err := newRecord(r)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(record)
	if err != nil || !strings.Contains(string(raw), `"layer_factor":0.8`) {
		t.Errorf("training.json lacks the factors: %s, %v", raw, err)
	}
	o.Optimizer = optim.AdamW(3e-3, 0.1).Group("encoder", 0.1).GroupDecay("head", 0.5).LayerDecay(0.9)
	_, err = Fit(context.Background(), model(), rows(150), o)
	wantError(t, err, "AdamW's layer factor was 0.8, is 0.9", "use another Dir")
}

func TestGroupMistakes(t *testing.T) {
	for _, c := range []struct {
		o    optim.Optimizer
		want string
	}{
		{optim.Adam(1e-3).Group("enc", 2), `group "enc" matches no layer; the layers are those of Model.Summary, such as "encoder/dense1/w"`},
		{optim.Adam(1e-3).Decay(1).GroupDecay("nobody", 2), `group "nobody" matches no layer`},
		{optim.Adam(1e-3).GroupDecay("encoder", 2), `GroupDecay of "encoder": the optimizer adam has no weight decay to multiply`},
		{optim.Adam(1e-3).Group("*", 0), "have the factor 0 for every parameter that is not frozen"},
		{optim.Adam(1e-3).LayerDecay(0), "groups_test.go:"},
		{optim.Adam(1e-3).LayerDecay(1.5), "the factor of a layer must be in (0, 1], got 1.5"},
		{optim.Adam(1e-3).Group("encoder", -1), `group "encoder": the factor must be zero or positive, and finite, got -1`},
		{optim.AdamW(1e-1, 1).GroupDecay("encoder", 100), `rate times decay must be at most 1`},
		{optim.AdamW(1e-1, 1).Group("encoder", 100), `group "encoder": rate times decay must be at most 1, got 0.1 times 100 times 1`},
	} {
		o := options()
		o.Optimizer = c.o
		_, err := Fit(context.Background(), model(), rows(150), o)
		wantError(t, err, c.want)
	}
	o := options()
	o.Optimizer, o.Freeze = optim.Adam(1e-3).Group("encoder", 0), []string{"decoder", "head"}
	_, err := Fit(context.Background(), model(), rows(150), o)
	wantError(t, err, "nothing is left to train")
}

// TestMirrorFollows starts an untied mirror as its encoder, also when that is
// loaded, and lets the two drift apart.
func TestMirrorFollows(t *testing.T) {
	declare := func() *spec.Model {
		x := spec.Input("x", 12)
		enc := spec.Sequential("encoder", spec.Dense(5), spec.Tanh())
		return spec.Autoencoder("m", x, enc, spec.Mirror("decoder", enc))
	}
	o := options()
	apart := func(r *Result) int {
		w, v, n := r.Param("encoder/dense1/w"), r.Param("decoder/dense1/w"), 0
		for i := range 12 {
			for j := range 5 {
				if w[i*5+j] != v[j*12+i] {
					n++
				}
			}
		}
		return n
	}
	o.Optimizer = optim.SGD(1e-30)
	r, err := Fit(context.Background(), declare(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	if n := apart(r); n != 0 {
		t.Errorf("%d of 60 weights differ at the start", n)
	}
	w := make([]float32, 60)
	random.New(3).FillNormal32(w, 0)
	o.InitFrom = []From{{Tensors: &named{names: []string{"encoder/dense1/w"},
		byName: map[string]*checkpoint.Tensor{"encoder/dense1/w": {Shape: []int{12, 5}, Data: w}}}, Pattern: "encoder/dense1/w"}}
	if r, err = Fit(context.Background(), declare(), rows(150), o); err != nil {
		t.Fatal(err)
	}
	if n := apart(r); n != 0 || !slices.Equal(r.Param("encoder/dense1/w"), w) {
		t.Errorf("%d of 60 weights differ after the encoder was loaded", n)
	}
	o.Optimizer = optim.SGD(0.1)
	if r, err = Fit(context.Background(), declare(), rows(150), o); err != nil {
		t.Fatal(err)
	}
	if n := apart(r); n < 50 {
		t.Errorf("only %d of 60 weights drift apart", n)
	}
}

// TestMirrorOfMirrorFollows loads an encoder whose mirror has a mirror: both start
// from what was loaded, a mirror that was loaded itself does not, and its own mirror
// follows it.
func TestMirrorOfMirrorFollows(t *testing.T) {
	declare := func() *spec.Model {
		x := spec.Input("x", 12)
		enc := spec.Sequential("encoder", spec.Dense(5), spec.Tanh())
		dec := spec.Mirror("decoder", enc)
		restored := x.Then(enc, dec)
		again := restored.Then(spec.Mirror("again", dec))
		return spec.NewModel("m", spec.MSE(restored, x), spec.MSE(again, x.Then(enc)))
	}
	w, v := make([]float32, 60), make([]float32, 60)
	random.New(3).FillNormal32(w, 0)
	random.New(4).FillNormal32(v, 0)
	turned := func(x []float32, rows, cols int) []float32 {
		y := make([]float32, len(x))
		for i := range rows {
			for j := range cols {
				y[j*rows+i] = x[i*cols+j]
			}
		}
		return y
	}
	start := func(from ...From) *Trainer {
		o := options()
		o.InitFrom = from
		tr, err := New(context.Background(), declare(), rows(150), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(tr.Close)
		return tr
	}
	encoder := From{Tensors: (&source{}).add("encoder/dense1/w", w, 12, 5), Pattern: "*", Partly: true}
	decoder := From{Tensors: (&source{}).add("decoder/dense1/w", v, 5, 12), Pattern: "*", Partly: true}
	check := func(tr *Trainer, name string, want []float32) {
		t.Helper()
		if !slices.Equal(tr.store.Param(name), want) {
			t.Errorf("%s does not start as it must", name)
		}
	}
	tr := start(encoder)
	check(tr, "encoder/dense1/w", w)
	check(tr, "decoder/dense1/w", turned(w, 12, 5))
	check(tr, "again/dense1/w", w)
	tr = start(encoder, decoder)
	check(tr, "encoder/dense1/w", w)
	check(tr, "decoder/dense1/w", v)
	check(tr, "again/dense1/w", turned(v, 5, 12))
}

// TestTargetsOutside names the row of a target that is no probability.
func TestTargetsOutside(t *testing.T) {
	x := spec.Input("x", 12)
	m := spec.NewModel("m", spec.BinaryCrossEntropy(x.Then(spec.Dense(12)), x))
	data := func(bad int, v float32) *dataset.Table {
		i := -1
		return dataset.From(make([]struct{}, 100), func(_ struct{}, row dataset.Row) {
			i++
			s := row.F32Slice("x")
			for j := range s {
				s[j] = float32(j) / 11
			}
			if i == bad {
				s[4] = v
			}
		}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{12}})
	}
	o := options()
	_, err := Fit(context.Background(), m, data(77, 1.5), o)
	wantError(t, err, `row 77: column "x" is 1.5 at 4`, "probability in [0, 1]", "scale the data")
	o.Valid = data(33, -0.25)
	_, err = Fit(context.Background(), m, data(-1, 0), o)
	wantError(t, err, `row 33: column "x" is -0.25 at 4`)
	o.Valid = nil
	if _, err = Fit(context.Background(), m, data(-1, 0), o); err != nil {
		t.Error(err)
	}
}

// TestDrawAndClasses keeps the numbers of the rows that were drawn and the names of
// the classes in the record.
func TestDrawAndClasses(t *testing.T) {
	o := options()
	o.Classes = []string{"north", "east", "south", "west"}
	few := rows(400).Balanced("y", 40, 3)
	r, err := Fit(context.Background(), model(), few, o)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := newRecord(r)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(rec.Classes, o.Classes) || len(rec.Phases) != 1 || !slices.Equal(rec.Phases[0].Chosen, few.Rows()) || len(few.Rows()) != 40 {
		t.Errorf("record is %+v", rec)
	}
	if rec, err = newRecord(mustFit(t, options())); err != nil || rec.Phases[0].Chosen != nil {
		t.Errorf("all rows are %v, %v", rec.Phases[0].Chosen, err)
	}
	for want, names := range map[string][]string{
		`has 3 names, but the model has no labels of as many values: "y" has 4`: {"a", "b", "c"},
		`two classes are named "a"`:     {"a", "b", "a", "c"},
		"name 1 needs to be plain text": {"a", "\n", "b", "c"},
	} {
		o.Classes = names
		_, err := Fit(context.Background(), model(), rows(150), o)
		wantError(t, err, want)
	}
}

// TestMixedRowsAccumulate refuses a mean over the rows of a part of an update.
func TestMixedRowsAccumulate(t *testing.T) {
	x := spec.Input("x", 12)
	h := x.Then(spec.Dense(4), spec.Sigmoid())
	m := spec.NewModel("m", spec.MSE(h.Then(spec.Dense(12)), x), spec.KLSparsity(h, 0.1).Weight(0.1))
	o := options()
	o.Accumulate = 2
	_, err := Fit(context.Background(), m, rows(150), o)
	wantError(t, err, `Options.Accumulate is 2, but the parts of an update would not add up to it: groups_test.go:320: layer "loss/klsparsity1": Max: it is not linear in a sum or mean over the rows (ReduceMean)`)
}
