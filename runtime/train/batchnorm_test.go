package train

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// normed is a model with statistics of the batch in three places, one of them behind the
// other and one in its decoder.
func normed() *spec.Model {
	x := spec.Input("x", 12)
	code := x.Then(spec.Sequential("encoder", spec.Dense(20).NoBias(), spec.BatchNorm().Named("bn1"), spec.Tanh(), spec.Dense(6).NoBias(), spec.BatchNorm().Named("bn2").NoScale().Momentum(0.5)))
	y := code.Then(spec.Sequential("decoder", spec.Dense(8).NoBias(), spec.Reshape(2, 4), spec.BatchNorm().Named("channels").Axis(0), spec.Dropout(0.2), spec.Flatten(), spec.Dense(12))).Named("y")
	return spec.NewModel("normed", spec.MSE(y, x))
}

func normedOptions() Options {
	return Options{Optimizer: optim.Adam(1e-2), Epochs: 3, Batch: 48, Seed: 3}
}

// TestBatchNormOfRanks: k ranks make the bits of one, for every k that divides the shards,
// whatever the workers, also where a rank has no rows of an epoch's last update.
func TestBatchNormOfRanks(t *testing.T) {
	for _, n := range []int{147, 146, 150} { // the last update has 3 rows, 2, 6
		fit := func(ranks, shards, workers int) (map[string][]float32, string) {
			o := normedOptions()
			o.Shards, o.Workers, o.Valid = shards, workers, rows(40)
			if ranks > 1 {
				o.Cluster = Local(ranks)
			}
			tr, err := New(context.Background(), normed(), rows(n), o)
			if err != nil {
				t.Fatal(err)
			}
			all := finish(t, tr)
			if ranks > 1 {
				for i, other := range tr.crew.ranks {
					for _, s := range tr.store.States() {
						if got, want := other.store.State(s.Name), tr.store.State(s.Name); !reflect.DeepEqual(got, want) {
							t.Errorf("rank %d of %d has the state %s %v…, rank 0 has %v…", i+1, ranks, s.Name, got[0], want[0])
						}
					}
				}
			}
			r, err := tr.Done()
			if err != nil {
				t.Fatal(err)
			}
			return all, bits(r)
		}
		whole, _ := fit(1, 1, 1)
		want, wantBits := fit(1, 4, 1)
		for name, x := range want {
			for i, v := range x {
				if w := whole[name][i]; !(math.Abs(float64(v-w)) <= 2e-2*max(1, math.Abs(float64(w)))) {
					t.Fatalf("%s[%d] is %v with four shards, %v with one", name, i, v, w)
				}
			}
		}
		for _, c := range [][2]int{{1, 3}, {2, 1}, {2, 4}, {4, 4}} {
			got, gotBits := fit(c[0], 4, c[1])
			what := fmt.Sprintf("%d rows, %d ranks, %d workers", n, c[0], c[1])
			if !reflect.DeepEqual(got, want) {
				differ(t, what, got, want)
			}
			if gotBits != wantBits {
				t.Errorf("%s: other results", what)
			}
		}
	}
}

// TestBatchNormFolded: a Net whose BatchNorms are parts of products gives the rows of one
// that has them, but for rounding; which could not be folded is still there.
func TestBatchNormFolded(t *testing.T) {
	x := spec.Input("x", 12)
	front, behind, plain := spec.Dense(20).Named("front"), spec.Dense(7).Named("behind"), spec.Dense(6).NoBias().Named("plain")
	tied := spec.Dense(9).Named("pair")
	h := x.Then(front, spec.BatchNorm().Named("n1"), spec.Tanh(), spec.BatchNorm().Named("n2").NoScale(), behind, spec.Sigmoid(), plain, spec.BatchNorm().Named("n3").NoBias(),
		spec.ReLU(), tied, spec.BatchNorm().Named("n4"), spec.Tied(tied).Named("back"))
	y := h.Then(spec.Dense(12).Named("out")).Named("y")
	o := normedOptions()
	r, err := Fit(context.Background(), spec.NewModel("folds", spec.MSE(y, x)), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	count := func(net *engine.Net) map[string]int {
		ops := map[string]int{}
		if err := net.Err(); err != nil {
			t.Fatal(err)
		}
		for _, n := range net.Graph().Nodes {
			ops[n.Op.Name()]++
		}
		return ops
	}
	whole, folded := r.Net(y), r.Folded().Net(y)
	if n := count(whole)["BatchNorm"]; n != 4 {
		t.Fatalf("%d layers of 4 ship", n)
	}
	if ops := count(folded); ops["BatchNorm"] != 1 {
		t.Errorf("%d layers are left, want that beside tied weights:\n%v", ops["BatchNorm"], ir.Format(folded.Graph()))
	}
	in := map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{30, 12}, F32: rows(30).F32("x")}}
	want, err := whole.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := folded.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range want["y"].F32 {
		if w := got["y"].F32[i]; math.Abs(float64(v-w)) > 2e-5*max(1, math.Abs(float64(v))) {
			t.Fatalf("element %d is %v, folded %v", i, v, w)
		}
	}
}

// TestBatchNormMistakes: what BatchNorm cannot take is told with the layer, the line, and
// the way out.
func TestBatchNormMistakes(t *testing.T) {
	fit := func(n int, change func(*Options)) error {
		o := normedOptions()
		change(&o)
		_, err := New(context.Background(), normed(), rows(n), o)
		return err
	}
	err := fit(150, func(o *Options) { o.Accumulate = 2 })
	wantError(t, err, "Options.Accumulate is 2, but each of the batches has some rows of the update only")
	wantError(t, err, `layer "encoder/bn1"`)
	wantError(t, err, "batchnorm_test.go:")
	wantError(t, err, "GroupNorm")
	err = fit(97, func(o *Options) {})
	wantError(t, err, `layer "encoder/bn1"`)
	wantError(t, err, "its statistics want 2 rows or more, and of 97 rows in batches of 48 one has 1")
	err = fit(150, func(o *Options) { o.Batch = 1 })
	wantError(t, err, "one has 1")
}

// TestBatchNormOfOneRow: each channel of a picture has a variance of its own, also in a batch
// of one; a channel of one element has none.
func TestBatchNormOfOneRow(t *testing.T) {
	fit := func(kernel ...int) error {
		x := spec.Input("x", 12)
		y := x.Then(spec.Reshape(2, 3, 2), spec.Conv(2, kernel...), spec.BatchNorm().Axis(0).Named("normed"))
		o := normedOptions()
		o.Batch = 1
		_, err := Fit(context.Background(), spec.NewModel("m", spec.NewLoss("l", y.Then(spec.Shift(-1), spec.Abs()))), rows(6), o)
		return err
	}
	if err := fit(2, 2); err != nil {
		t.Error(err)
	}
	err := fit(3, 2)
	wantError(t, err, `layer "normed"`)
	wantError(t, err, "batchnorm_test.go:")
	wantError(t, err, "its statistics want 2 rows or more, and of 6 rows in batches of 1 one has 1")
}

// TestBatchNormFrozen: a layer whose statistics are named by Freeze normalises by what is
// running, which stays as it is, and may then be accumulated.
func TestBatchNormFrozen(t *testing.T) {
	o := normedOptions()
	m := normed()
	first, err := Fit(context.Background(), m, rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	old, err := NetTensors(first.Net(m.Tap("y")))
	if err != nil {
		t.Fatal(err)
	}
	o.Freeze, o.Accumulate, o.Batch = []string{"*/bn1", "*/bn2", "*/channels"}, 2, 24
	o.InitFrom = []From{{Tensors: old, Pattern: "*"}}
	tr, err := New(context.Background(), normed(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	all := finish(t, tr)
	for _, name := range []string{"encoder/bn1/mean", "encoder/bn1/variance", "encoder/bn2/mean", "decoder/channels/variance"} {
		_, want, ok := old.Tensor(name)
		if got := all["state/"+name]; !ok || !reflect.DeepEqual(got, want) || want[0] == 0 || want[0] == 1 {
			t.Errorf("%s is %v, was %v", name, got, want)
		}
	}
	o.Freeze = []string{"*/bn1/scale", "*/bn1/bias"} // the statistics go on
	o.Accumulate = 1
	if tr, err = New(context.Background(), normed(), rows(150), o); err != nil {
		t.Fatal(err)
	}
	if _, was, _ := old.Tensor("encoder/bn1/mean"); reflect.DeepEqual(finish(t, tr)["state/encoder/bn1/mean"], was) {
		t.Error("statistics that are not frozen stay as they were")
	}
}

// TestBatchNormPlaces: ranks make the bits of one wherever the statistics stand: of the
// input alone, so that all rows are read by one shard after the other; of what draws; of
// one branch of two, with tied weights behind; of an average's own rows.
func TestBatchNormPlaces(t *testing.T) {
	x := func() *spec.Value { return spec.Input("x", 12) }
	for name, declare := range map[string]func() *spec.Model{
		"input": func() *spec.Model {
			x := x()
			return spec.NewModel("m", spec.MSE(x.Then(spec.BatchNorm().NoScale().NoBias(), spec.Dense(5), spec.ReLU(), spec.Dense(12)), x))
		},
		"noise": func() *spec.Model {
			x := x()
			return spec.NewModel("m", spec.MSE(x.Then(spec.GaussianNoise(0.3), spec.BatchNorm(), spec.Dropout(0.3), spec.Dense(5).NoBias(), spec.BatchNorm(), spec.Dense(12)), x))
		},
		"branch": func() *spec.Model {
			x := x()
			d := spec.Dense(12).Named("pair")
			h := spec.Add(x.Then(spec.Dense(12)), x.Then(d, spec.BatchNorm(), spec.Tanh(), spec.Tied(d).Named("back")))
			return spec.NewModel("m", spec.MSE(h.Then(spec.Dense(12)), x), spec.L1(h).Weight(0.01))
		},
		"average": func() *spec.Model {
			x := x()
			enc := spec.Sequential("encoder", spec.Dense(8).NoBias(), spec.BatchNorm(), spec.ReLU(), spec.Dense(3))
			code := x.Then(enc)
			target := x.Then(spec.Average(enc, 0.9).Named("target"))
			return spec.NewModel("m", spec.MSE(code, target), spec.MSE(code.Then(spec.Dense(12)), x))
		},
	} {
		fit := func(ranks, workers int) map[string][]float32 {
			o := normedOptions()
			o.Shards, o.Workers, o.Epochs = 4, workers, 2
			if ranks > 1 {
				o.Cluster = Local(ranks)
			}
			tr, err := New(context.Background(), declare(), rows(146), o)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return finish(t, tr)
		}
		want := fit(1, 1)
		for _, ranks := range []int{1, 2, 4} {
			if got := fit(ranks, 2*ranks); !reflect.DeepEqual(got, want) {
				differ(t, fmt.Sprintf("%s, %d ranks", name, ranks), got, want)
			}
		}
	}
}

// TestBatchNormFails: a loss that is no number ends all ranks, with the layer that made it,
// and so does the end of the context in the middle of a run.
func TestBatchNormFails(t *testing.T) {
	o := normedOptions()
	o.Optimizer, o.Shards, o.Workers, o.Cluster = optim.SGD(1e25), 4, 2, Local(2)
	_, err := Fit(context.Background(), normed(), rows(147), o)
	wantError(t, err, "not finite")
	wantError(t, err, "layer")
	o.Optimizer = optim.Adam(1e-2)
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	o.AfterUpdate = func(Update) {
		if n++; n == 3 {
			cancel()
		}
	}
	_, err = Fit(ctx, normed(), rows(147), o)
	wantError(t, err, "interrupted")
}

// TestBatchNormOfWeightedRows: statistics of a batch go with a loss that divides by a sum of
// data, by which other rows are read at once, in one shard and in several, by ranks of which
// one has no rows of the last update.
func TestBatchNormOfWeightedRows(t *testing.T) {
	fit := func(shards, ranks int) (map[string][]float32, string) {
		t.Helper()
		x := spec.Input("x", 12)
		y := x.Then(spec.Dense(9).NoBias(), spec.BatchNorm(), spec.Tanh(), spec.Dense(12))
		m := spec.NewModel("m", spec.MSE(y, x).WeightedBy(spec.Input("w")))
		o := Options{Optimizer: optim.SGD(0.02).Momentum(0.9), Epochs: 3, Batch: 32, Shards: shards, Seed: 3, Valid: weightedRows(40), Workers: ranks}
		if ranks > 1 {
			o.Cluster = Local(ranks)
		}
		tr, err := New(context.Background(), m, weightedRows(66), o)
		if err != nil {
			t.Fatal(err)
		}
		all := finish(t, tr)
		r, err := tr.Done()
		if err != nil {
			t.Fatal(err)
		}
		return all, bits(r)
	}
	whole, _ := fit(1, 1)
	want, wantBits := fit(4, 1)
	for name, x := range want {
		for i, v := range x {
			if w := whole[name][i]; !(math.Abs(float64(v-w)) <= 1e-3*max(1, math.Abs(float64(w)))) {
				t.Fatalf("%s[%d] is %v with four shards, %v with one", name, i, v, w)
			}
		}
	}
	for _, ranks := range []int{2, 4} {
		got, gotBits := fit(4, ranks)
		if differ(t, fmt.Sprintf("%d ranks", ranks), got, want); gotBits != wantBits {
			t.Errorf("%d ranks: other results", ranks)
		}
	}
}

// TestGradOfBatchNorm: a gradient is by the statistics of the batch in a training, by the
// running ones where these are frozen, and in what ships, where differences find it.
func TestGradOfBatchNorm(t *testing.T) {
	for _, freeze := range [][]string{nil, {"norm"}} {
		x := spec.Input("x", 12)
		code := x.Then(spec.Dense(9), spec.BatchNorm().Named("norm"), spec.Tanh()).Named("code")
		slope := spec.Grad(code, x).Named("slope")
		loss := spec.MSE(code.Then(spec.Dense(12).Named("out")), x)
		losses := []*spec.Loss{loss}
		if freeze != nil {
			losses = append(losses, spec.NewLoss("slope", slope.Then(spec.Square(), spec.Sum(-1))).Weight(0.01))
		}
		o := normedOptions()
		o.Freeze, o.Valid, o.Metrics = freeze, rows(40), []Metric{{Name: "slope", Value: slope.Then(spec.Abs())}}
		r, err := Fit(context.Background(), spec.NewModel("m", losses...), rows(150), o)
		if err != nil {
			t.Fatal(err)
		}
		net := r.Net(code, slope)
		run := func(x []float32) map[string]*ir.Tensor {
			t.Helper()
			out, err := net.Run(context.Background(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{len(x) / 12, 12}, F32: x}})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		in := append([]float32{}, rows(5).F32("x")...)
		got, size := run(in)["slope"].F32, 0.0
		for i, g := range got {
			size += math.Abs(float64(g)) / float64(len(got))
			const h = 1e-2
			sum := func(d float32) (s float64) {
				y := append([]float32{}, in...)
				y[i] += d
				for _, v := range run(y)["code"].F32 {
					s += float64(v)
				}
				return s
			}
			if want := (sum(h) - sum(-h)) / (2 * h); math.Abs(want-float64(g)) > 2e-3*max(1, math.Abs(want)) {
				t.Fatalf("freeze %q: the slope at %d is %v, differences give %v", freeze, i, g, want)
			}
		}
		if m := r.Last().Valid.Metrics["slope"]; !(m > size/4 && m < size*4) {
			t.Errorf("freeze %q: the slope is %v on average in the validation, %v of other rows of what ships", freeze, m, size)
		}
	}
}

// TestGradOfBatchNormTwice: a loss of such a gradient is refused with the layer and the way out.
func TestGradOfBatchNormTwice(t *testing.T) {
	x := spec.Input("x", 12)
	code := x.Then(spec.Dense(9), spec.BatchNorm().Named("norm"), spec.Tanh())
	m := spec.NewModel("m", spec.NewLoss("slope", spec.Grad(code, x).Then(spec.Square(), spec.Sum(-1))))
	_, err := Fit(context.Background(), m, rows(150), normedOptions())
	if err == nil || !strings.Contains(err.Error(), "norm") || !strings.Contains(err.Error(), "Options.Freeze") {
		t.Errorf("error is %v", err)
	}
}
