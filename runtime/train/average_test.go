package train

import (
	"context"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// averaging are options of a training that makes averages of all its parameters.
func averaging() Options {
	o := momentumOptions()
	o.Average, o.Valid, o.Freeze = 0.8, rows(40), []string{"encoder/dense2/b"}
	return o
}

// TestAveraged ships the averages of all parameters: they are those of the best epoch,
// leave the parameters' own bits alone, and are the same in parts and after an end.
func TestAveraged(t *testing.T) {
	without := averaging()
	without.Average = 0
	plain, err := Fit(context.Background(), newMomentum().Model, rows(150), without)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, plain.Averaged().Net(newMomentum().code).Err(), "no averages were made: set Options.Average")
	o, m := averaging(), newMomentum()
	tr, err := New(context.Background(), m.Model, rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	want, best := map[string][]float32{}, map[string][]float32{}
	for _, name := range tr.store.Names() {
		want[name] = slices.Clone(tr.store.Param(name))
	}
	tr.opt.AfterUpdate = func(Update) {
		for name, a := range want {
			for i, x := range tr.store.Param(name) {
				a[i] = float32(float64(a[i]) + float64(float32(1-0.8))*float64(x-a[i]))
			}
		}
	}
	for e := range tr.Epochs(context.Background()) {
		if e.Best {
			for name, a := range want {
				best[name] = slices.Clone(a)
			}
		}
	}
	r, err := tr.Done()
	if err != nil {
		t.Fatal(err)
	}
	for name := range best {
		if got := r.Averaged().Param(name); !slices.Equal(got, best[name]) {
			t.Errorf("the average of %s is %v…, want %v…", name, got[:2], best[name][:2])
		}
		if !slices.Equal(r.Param(name), plain.Param(name)) {
			t.Errorf("%s itself is another with averages", name)
		}
	}
	net := r.Averaged().Net(m.code)
	if net.Err() != nil || !slices.Equal(net.Params()["encoder/dense1/w"], best["encoder/dense1/w"]) {
		t.Fatalf("the Net: %v", net.Err())
	}
	if rec := net.Record(); rec.Phases[0].Average != 0.8 || rec.Metrics["valid/loss"] != 0 {
		t.Errorf("the record has what was measured of other parameters: %+v", rec.Metrics)
	}
	if rec := r.Net(m.code).Record(); rec.Phases[0].Average != 0 || rec.Metrics["valid/loss"] == 0 {
		t.Errorf("the record of the parameters themselves: %+v", rec)
	}

	o.Valid = nil
	o.ClipNorm = 1e9
	whole := trainedState(t, newMomentum().Model, o)
	if len(whole["state/average/encoder/dense1/w"]) != 240 || whole["state/average/encoder/dense2/b"] != nil {
		t.Error("what is averaged is not what is trained")
	}
	o.ClipNorm, o.Workers = 0, 2
	if got := trainedState(t, newMomentum().Model, o); !reflect.DeepEqual(got, whole) {
		differ(t, "fused", got, whole)
	}
	o.Batch, o.Accumulate, o.Dir = 16, 2, t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	o.AfterUpdate = func(u Update) {
		if u.Number == 8 {
			cancel()
		}
	}
	first, err := New(ctx, newMomentum().Model, rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	for range first.Epochs(ctx) {
	}
	first.Close()
	o.AfterUpdate = nil
	if got := trainedState(t, newMomentum().Model, o); !reflect.DeepEqual(got, whole) {
		differ(t, "in two parts, with an end", got, whole)
	}
}

// TestValidAverage measures the averages instead of the parameters.
func TestValidAverage(t *testing.T) {
	m := func() (*spec.Model, *spec.Value) {
		x := spec.Input("x", 12)
		y := x.Then(spec.Dense(12)).Named("y")
		return spec.NewModel("line", spec.MSE(y, x)), y
	}
	o := momentumOptions()
	o.Average, o.ValidAverage, o.KeepLast = 0.95, true, true
	o.Valid = rows(40)
	model, y := m()
	r, err := Fit(context.Background(), model, rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	net := r.Averaged().Net(y)
	x := &ir.Tensor{DType: ir.F32, Shape: []int{40, 12}, F32: rows(40).F32("x")}
	out, err := net.Run(context.Background(), map[string]*ir.Tensor{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, v := range out["y"].F32 {
		sum += math.Pow(float64(v-x.F32[i]), 2)
	}
	if got, want := r.Last().Valid.Loss, sum/480; math.Abs(got-want) > 1e-5*want {
		t.Errorf("the validation loss is %v, that of the averages %v", got, want)
	}
	if rec := net.Record(); rec.Metrics["valid/loss"] != r.Last().Valid.Loss {
		t.Errorf("the record: %+v", rec.Metrics)
	}
	o.Average = 0
	if _, err := Fit(context.Background(), model, rows(150), o); err == nil || !strings.Contains(err.Error(), "ValidAverage needs Options.Average") {
		t.Error(err)
	}
	o.Average = 1
	if _, err := Fit(context.Background(), model, rows(150), o); err == nil || !strings.Contains(err.Error(), "below 1, got 1") {
		t.Error(err)
	}
}

// TestAverageSchedule: the momentum of the averages follows its schedule, the same in
// parts, by ranks and after an end; mistakes are told.
func TestAverageSchedule(t *testing.T) {
	o := momentumOptions()
	o.Average, o.AverageSchedule, o.KeepLast = 0.8, optim.Cosine(0), true
	tr, err := New(context.Background(), following(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]float32{}
	for _, name := range tr.store.Names() {
		want[name] = slices.Clone(tr.store.Param(name))
	}
	shares := map[float32]bool{}
	tr.opt.AfterUpdate = func(u Update) {
		p := tr.progress()
		p.Update = u.Number - 1
		share := float32((1 - o.Average) * o.AverageSchedule.Factor(p))
		shares[share] = true
		for name, a := range want {
			for i, x := range tr.store.Param(name) {
				a[i] = float32(float64(a[i]) + float64(share)*float64(x-a[i]))
			}
		}
	}
	for range tr.Epochs(context.Background()) {
	}
	r, err := tr.Done()
	if err != nil {
		t.Fatal(err)
	}
	if len(shares) < 5 {
		t.Errorf("the averages moved by %v", shares)
	}
	for name := range want {
		if got := r.Averaged().Param(name); !slices.Equal(got, want[name]) {
			t.Errorf("the average of %s is %v…, want %v…", name, got[:2], want[name][:2])
		}
	}
	o.Shards = 2
	whole := trainedState(t, following(), o)
	o.Cluster, o.Workers = Local(2), 2
	if got := trainedState(t, following(), o); !reflect.DeepEqual(got, whole) {
		differ(t, "two ranks", got, whole)
	}
	for want, change := range map[string]func(*Options){
		"AverageSchedule needs Options.Average": func(o *Options) { o.Average = 0 },
		"AverageSchedule depends on losses":     func(o *Options) { o.AverageSchedule = optim.Plateau(1, 0.5) },
		"every must be a positive number":       func(o *Options) { o.AverageSchedule = optim.StepDecay(0, 0.5) },
	} {
		bad := o
		change(&bad)
		_, err := New(context.Background(), following(), rows(150), bad)
		wantError(t, err, want)
	}
}
