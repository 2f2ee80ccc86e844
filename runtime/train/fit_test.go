package train

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// tableRows are rows of a table: four numbers, of which the first is wide and often missing,
// the second the same everywhere, and the last small; two columns of ids; and labels.
func tableRows(n int) *dataset.Table {
	key, i := random.New(11), 0
	return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
		k := key.Derive(uint64(i))
		x := row.F32Slice("numeric")
		x[0], x[1], x[2], x[3] = float32(1e3*k.Normal(0)), 4.25, float32(k.Normal(1)), float32(1e-3*k.Normal(2))
		if k.Uint64N(3, 4) == 0 {
			x[0] = float32(math.NaN())
		}
		if i%7 == 3 {
			x[2] = float32(math.NaN())
		}
		row.I64("category", int64(k.Uint64N(4, 4)), int64(k.Uint64N(5, 6)))
		row.I64("y", int64(k.Uint64N(6, 3)))
		i++
	}, dataset.Column{Name: "numeric", DType: dataset.F32, Shape: []int{4}, Missing: true},
		dataset.Column{Name: "category", DType: dataset.I64, Shape: []int{2}}, dataset.Column{Name: "y", DType: dataset.I64})
}

// tabular is a model of both, with a chain of layers that are fitted one after the other,
// and a masked loss.
func tabular() *spec.Model {
	numeric, category := spec.Input("numeric", 4).Optional(), spec.Categories("category", 4, 6)
	scale := spec.Standardise().Named("scale")
	scaled := numeric.Then(spec.ClipQuantiles(0.05, 0.95).Named("clip"), scale)
	row := spec.Concat(0, scaled.Then(spec.FillMissing().Indicator().Named("fill")), category.Then(spec.Embeddings([]int{4, 6}, 2, 3)), category.Then(spec.OneHotIDs(4, 6)))
	h := row.Then(spec.Dense(9), spec.Standardise().Named("inner"), spec.Tanh(), spec.Dropout(0.1)).Named("h") // by the first weights
	return spec.NewModel("table", spec.MSE(h.Then(spec.Dense(4).Named("back")), scaled), spec.CrossEntropy(h.Then(spec.Dense(3).Named("head")).Named("logits"), spec.Labels("y", 3)))
}

func tabularOptions() Options {
	return Options{Optimizer: optim.Adam(1e-2), Epochs: 3, Batch: 32, Seed: 5, Log: slog.New(slog.DiscardHandler)}
}

// stateBits writes what the state is, too.
func stateBits(r *Result) string {
	s := bits(r)
	for _, v := range r.model.States() {
		s += fmt.Sprintf("%s %x\n", v.Name, r.states[v.Name])
	}
	return s
}

// TestFitted holds constants to statistics of the rows that are worked out here.
func TestFitted(t *testing.T) {
	rows := tableRows(500)
	r, err := Fit(t.Context(), tabular(), rows, tabularOptions())
	if err != nil {
		t.Fatal(err)
	}
	columns := make([][]float64, 4)
	for i, v := range rows.F32("numeric") {
		if v == v {
			columns[i%4] = append(columns[i%4], float64(v))
		}
	}
	quantile := func(x []float64, q float64) float64 {
		x = slices.Sorted(slices.Values(x))
		at := q * float64(len(x)-1)
		lo, hi := int(at), min(int(at)+1, len(x)-1)
		return x[lo] + (x[hi]-x[lo])*(at-float64(lo))
	}
	want := map[string][]float64{}
	for _, x := range columns {
		low, high := quantile(x, 0.05), quantile(x, 0.95)
		want["clip/low"], want["clip/high"] = append(want["clip/low"], low), append(want["clip/high"], high)
		mean, square := 0.0, 0.0
		clipped := make([]float64, len(x))
		for i, v := range x {
			clipped[i] = min(max(v, low), high)
			mean += clipped[i] / float64(len(x))
		}
		for _, v := range clipped {
			square += (v - mean) * (v - mean) / float64(len(x))
		}
		deviation := math.Sqrt(square)
		if low == high {
			deviation = 1
		}
		for i, v := range clipped {
			clipped[i] = (v - mean) / deviation
		}
		want["scale/mean"], want["scale/deviation"] = append(want["scale/mean"], mean), append(want["scale/deviation"], deviation)
		want["fill/fill"] = append(want["fill/fill"], quantile(clipped, 0.5))
	}
	for name, w := range want {
		got := r.states[name]
		for j := range w {
			if !(math.Abs(float64(got[j])-w[j]) <= 1e-5*(1e-3+math.Abs(w[j]))) {
				t.Errorf("%s is %v, want %v", name, got, w)
				break
			}
		}
	}
	if d := r.states["scale/deviation"]; d[1] != 1 {
		t.Errorf("the deviation of a column of one value is %v", d[1])
	}
	if first, last := r.History[0].Train.Loss, r.Last().Train.Loss; !(last < first) || !finite(last) {
		t.Errorf("the loss goes from %v to %v", first, last)
	}
	logits := r.Net(r.model.Tap("logits"))
	missing := &ir.Tensor{DType: ir.F32, Shape: []int{1, 4}, F32: []float32{float32(math.NaN()), 1, float32(math.NaN()), 0}}
	out, err := logits.Run(t.Context(), map[string]*ir.Tensor{"numeric": missing, "category": {DType: ir.I64, Shape: []int{1, 2}, I64: []int64{0, 0}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range out["logits"].F32 {
		if v-v != 0 {
			t.Errorf("a row without numbers gives %v", out["logits"].F32)
		}
	}
}

// TestFittedBits: the same bits for any workers, ranks and parts, any kind of source, and
// for quantiles that are kept or counted.
func TestFittedBits(t *testing.T) {
	fit := func(src dataset.Source, change func(o *Options)) string {
		o := tabularOptions()
		o.Shards = 4
		change(&o)
		r, err := Fit(t.Context(), tabular(), src, o)
		if err != nil {
			t.Fatal(err)
		}
		return stateBits(r)
	}
	rows := tableRows(300)
	want := fit(rows, func(*Options) {})
	for name, c := range map[string]struct {
		src    dataset.Source
		change func(o *Options)
	}{
		"workers":      {rows, func(o *Options) { o.Workers = 3 }},
		"ranks":        {rows, func(o *Options) { o.Cluster = Local(2) }},
		"four ranks":   {rows, func(o *Options) { o.Cluster = Local(4) }},
		"parts":        {rows, func(o *Options) { o.Batch, o.Accumulate = 16, 2 }},
		"row by row":   {plainSource{rows}, func(*Options) {}},
		"chosen twice": {rows.Select(rows.Rows()), func(*Options) {}},
	} {
		if got := fit(c.src, c.change); got != want {
			t.Errorf("%s: other bits", name)
		}
	}
	defer func(numbers, bytes int) { keptNumbers, countedBytes = numbers, bytes }(keptNumbers, countedBytes)
	keptNumbers, countedBytes = 0, 3*8<<11 // three at a time
	if fit(rows, func(*Options) {}) != want {
		t.Error("quantiles that are counted have other bits than those that are kept")
	}
}

// TestFittedGoesOn: an interruption anywhere, before the first update too, changes nothing,
// and a training that goes on does not fit again.
func TestFittedGoesOn(t *testing.T) {
	o := tabularOptions()
	o.CheckpointEvery, o.Valid = 1, tableRows(40)
	rows := tableRows(150)
	r, err := Fit(context.Background(), tabular(), rows, o)
	if err != nil {
		t.Fatal(err)
	}
	want := stateBits(r)
	o.Dir = t.TempDir()
	for looks := int64(3); looks < 12; looks += 4 { // before an update
		if _, err := Fit(stopping(looks), tabular(), rows, o); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("after %d looks at the context: %v", looks, err)
		}
	}
	for stops := 0; ; stops++ {
		o.Workers = 1 + 2*(stops%2)
		ctx, cancel := context.WithCancel(context.Background())
		o.AfterUpdate = func(u Update) {
			if u.Number%4 == 3 && u.Number < 14 {
				cancel()
			}
		}
		r, err := Fit(ctx, tabular(), rows, o)
		cancel()
		if err == nil {
			if got := stateBits(r); got != want || stops != 3 {
				t.Fatalf("after %d interruptions: other bits", stops)
			}
			break
		}
		if !errors.Is(err, ErrInterrupted) || stops > 3 {
			t.Fatal(err)
		}
	}
}

// TestFittedIsTaken: InitFrom gives constants, and Freeze has no bearing on them.
func TestFittedIsTaken(t *testing.T) {
	o := tabularOptions()
	first, err := Fit(t.Context(), tabular(), tableRows(200), o)
	if err != nil {
		t.Fatal(err)
	}
	net, err := NetTensors(first.Net(first.model.Tap("logits")))
	if err != nil {
		t.Fatal(err)
	}
	other := tableRows(900).Select(rowsFrom(500, 900))
	for _, c := range []struct {
		from   []From
		freeze []string
		same   bool
	}{
		{[]From{{Tensors: net, Pattern: "*"}}, nil, true}, {[]From{{Tensors: net, Pattern: "scale"}, {Tensors: net, Pattern: "clip"}, {Tensors: net, Pattern: "fill"}}, []string{"dense1"}, true},
		{[]From{{Tensors: net, Pattern: "head"}}, nil, false}, {nil, []string{"dense1", "embeddings1"}, false},
	} {
		o.InitFrom, o.Freeze = c.from, c.freeze
		r, err := Fit(t.Context(), tabular(), other, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range r.model.States() {
			if s.Name == "scale/mean" && slices.Equal(r.states[s.Name], first.states[s.Name]) != c.same {
				t.Errorf("%v: %s is %v, it was %v", c, s.Name, r.states[s.Name], first.states[s.Name])
			}
		}
	}
}

func rowsFrom(lo, hi int) (list []int) {
	for i := lo; i < hi; i++ {
		list = append(list, i)
	}
	return list
}

// TestFitMistakes names what cannot be fitted, and rows that a model does not take.
func TestFitMistakes(t *testing.T) {
	x := func(v ...float32) dataset.Data {
		return dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{2}, Missing: true}, F32: v}
	}
	nan := float32(math.NaN())
	ids := dataset.Data{Column: dataset.Column{Name: "k", DType: dataset.I64, Shape: []int{2}}, I64: []int64{1, 2, 0, 5}}
	input := func() *spec.Value { return spec.Input("x", 2) }
	loss := func(v *spec.Value) *spec.Model { return spec.NewModel("m", spec.L1(v.Then(spec.Dense(2)))) }
	undone := func() *spec.Model {
		l := spec.Standardise().Named("scale")
		input().Then(l)
		return loss(spec.Input("x", 2).Then(spec.Mirror("back", l)))
	}
	for want, c := range map[string]struct {
		model *spec.Model
		data  []dataset.Data
	}{
		`"standardise1/mean" cannot be fitted: column 1 has no value in any of the 2 training rows`:    {loss(input().Optional().Then(spec.Standardise(), spec.FillMissing())), []dataset.Data{x(1, nan, 2, nan)}},
		`row 1: column "x" is missing at 0; the model's input takes every number: declare it Optional`: {loss(input().Then(spec.Standardise())), []dataset.Data{x(1, 2, nan, 3)}},
		`"minmax1/range" cannot be fitted: column 0 goes from -3e+38 to 3e+38`:                         {loss(input().Then(spec.MinMax())), []dataset.Data{x(-3e38, 1, 3e38, 2)}},
		`"standardise1/mean" cannot be fitted: row 1 has +Inf in column 0`:                             {loss(input().Then(spec.Exp(), spec.Standardise())), []dataset.Data{x(1, 1, 1e3, 2)}},
		`row 1: column "k" is 5 at 1; the model's input takes 0 to 3`:                                  {loss(spec.Categories("k", 2, 4).Then(spec.Embeddings([]int{2, 4}, 2))), []dataset.Data{ids}},
		`"scale/mean" is fitted to rows, but no layer here does so`:                                    {undone(), []dataset.Data{x(1, 2, 3, 4)}},
		`row 0: column "t" is 2 at 1; it is the target of a cross-entropy, which is a probability`: {spec.NewModel("m", spec.BinaryCrossEntropy(input().Then(spec.Dense(2)), spec.Input("t", 2).Optional())),
			[]dataset.Data{x(1, 2, 3, 4), {Column: dataset.Column{Name: "t", DType: dataset.F32, Shape: []int{2}, Missing: true}, F32: []float32{nan, 2, 0, 1}}}},
	} {
		src, err := dataset.NewTable(c.data...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Fit(t.Context(), c.model, src, tabularOptions()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	wide, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "w", DType: dataset.F32, Shape: []int{2, 3}}, F32: []float32{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1e3}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Fit(t.Context(), spec.NewModel("m", spec.L1(spec.Input("w", 2, 3).Then(spec.Exp(), spec.Standardise().Axis(0), spec.Flatten(), spec.Dense(2)))), wide, tabularOptions())
	if err == nil || !strings.Contains(err.Error(), "row 1 has +Inf in column 1") {
		t.Errorf("got %v", err)
	}
	if err := Untrained(1, tabular().Tap("h")).Err(); err == nil || !strings.Contains(err.Error(), "of training rows, and without a training there are none: take the Net of a training") || !strings.Contains(err.Error(), "spec.Data") {
		t.Errorf("got %v", err)
	}
	src, err := dataset.NewTable(x(1, 2, 3, 4))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Fit(t.Context(), loss(input().Then(spec.Standardise())), src, tabularOptions())
	if err != nil { // a column that may lack numbers, and has them all
		t.Fatal(err)
	}
	gap, err := dataset.NewTable(x(1, 2, 3, nan))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Net(input().Then(spec.Abs()).Named("a")).Over(t.Context(), gap); err == nil || !strings.Contains(err.Error(), `row 1: column "x" is missing at 1; input "x" of "m" takes every number`) {
		t.Errorf("got %v", err)
	}
}

// counted puts, where there is no number, how many rows have none.
type counted struct{ spec.Base }

func (*counted) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	there := b.Present(x[0])
	return b.Op(ops.Where{}, there, x[0], b.Fit("missing", x[0], spec.FitMissing(), 1))
}

// TestFittedMissing counts the rows without a number, of which all may be.
func TestFittedMissing(t *testing.T) {
	nan := float32(math.NaN())
	rows, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{3}, Missing: true}, F32: []float32{1, nan, 2, nan, nan, 3, 4, nan, 5, 6, nan, 7}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Fit(t.Context(), spec.NewModel("m", spec.L1(spec.Input("x", 3).Optional().Then(&counted{spec.Here("counted")}, spec.Dense(2)))), rows, tabularOptions())
	if err != nil {
		t.Fatal(err)
	}
	if got := r.states["counted1/missing"]; !slices.Equal(got, []float32{1, 4, 0}) {
		t.Errorf("of four rows %v have no number", got)
	}
}

// TestFaultIsNotAMissingNumber: a loss that is not finite is laid to what made it so, and not
// to the numbers that are missing.
func TestFaultIsNotAMissingNumber(t *testing.T) {
	x := spec.Input("numeric", 4).Optional()
	scaled := x.Then(spec.Standardise())
	y := scaled.Then(spec.FillMissing(), spec.Dense(4), spec.Log().Named("wrong"))
	_, err := Fit(t.Context(), spec.NewModel("m", spec.MSE(y, scaled)), tableRows(64), tabularOptions())
	if err == nil || !strings.Contains(err.Error(), `is made by layer "wrong"`) {
		t.Errorf("got %v", err)
	}
}

// TestFittedOfSequences fits along the last axis of sequences of an open length, over rows
// and steps, and bytes by their channels.
func TestFittedOfSequences(t *testing.T) {
	key, i := random.New(2), 0
	rows := dataset.From(make([]struct{}, 30), func(_ struct{}, row dataset.Row) {
		k := key.Derive(uint64(i))
		for j, dst := 0, row.F32Slice("s"); j < len(dst); j++ {
			dst[j] = float32(k.Normal(uint64(j))) + 10*float32(j%2)
		}
		for j, dst := 0, row.U8Slice("b"); j < len(dst); j++ {
			dst[j] = uint8(k.Uint64N(uint64(100+j), 256))
		}
		i++
	}, dataset.Column{Name: "s", DType: dataset.F32, Shape: []int{5, 2}}, dataset.Column{Name: "b", DType: dataset.U8, Shape: []int{3, 2, 2}})
	s, b := spec.Input("s", 9, 2).Free("T"), spec.Bytes("b", 3, 2, 2).Then(spec.Floats().Times(1.0/255))
	r, err := Fit(t.Context(), spec.NewModel("m", spec.MSE(s.Then(spec.Standardise().Named("steps"), spec.Dense(2)), s), spec.L1(b.Then(spec.MinMax().Axis(0).Named("pixels"), spec.Flatten(), spec.Dense(3)))), rows, tabularOptions())
	if err != nil {
		t.Fatal(err)
	}
	mean := [2]float64{}
	for i, v := range rows.F32("s") {
		mean[i%2] += float64(v) / float64(rows.Len()*5)
	}
	for j, m := range r.states["steps/mean"] {
		if math.Abs(float64(m)-mean[j]) > 1e-5 {
			t.Errorf("the means of the steps are %v, want %v", r.states["steps/mean"], mean)
		}
	}
	least := [3]uint8{255, 255, 255}
	for i, v := range rows.U8("b") {
		least[i/4%3] = min(least[i/4%3], v)
	}
	for j, v := range r.states["pixels/least"] {
		if v != float32(float64(least[j])/255) && v != float32(least[j])*float32(1.0/255) {
			t.Errorf("the least pixels are %v, want %v/255", r.states["pixels/least"], least)
		}
	}
}

// TestEmbeddingInParts: an update in parts leaves the bits of one in one go in tables of
// embeddings too, whose gradients are chains over the rows.
func TestEmbeddingInParts(t *testing.T) {
	var want string
	for _, parts := range []int{1, 2, 4} {
		x := spec.Categories("category", 4, 6)
		h := x.Then(spec.Embeddings([]int{4, 6}, 3, 9)).Named("h")
		m := spec.NewModel("m", spec.CrossEntropy(h.Then(spec.Dense(3).NoBias().Init(spec.Constant(0.1))), spec.Labels("y", 3)), spec.MSE(h, spec.Input("h0", 12)))
		rows := tableRows(128)
		i := 0
		rows = rows.Join(dataset.From(make([]struct{}, 128), func(_ struct{}, row dataset.Row) {
			for j, dst := 0, row.F32Slice("h0"); j < len(dst); j++ {
				dst[j] = float32(random.New(uint64(i)).Normal(uint64(j)))
			}
			i++
		}, dataset.Column{Name: "h0", DType: dataset.F32, Shape: []int{12}}))
		r, err := Fit(t.Context(), m, rows, Options{Optimizer: optim.SGD(0.1), Epochs: 2, Batch: 32 / parts, Accumulate: parts, Seed: 3, ClipNorm: 100, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%x %x", r.params["embeddings1/table0"], r.params["embeddings1/table1"])
		if want == "" {
			want = got
		} else if got != want {
			t.Errorf("%d parts give other tables than one", parts)
		}
	}
}
