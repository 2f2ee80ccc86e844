package train

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// panelled is a model whose training keeps a transpose and whose evaluation keeps panels.
func panelled() *spec.Model {
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", spec.Dense(140), spec.Tanh(), spec.Dense(3))
	y := x.Then(enc, spec.Mirror("decoder", enc).Tied())
	return spec.NewModel("wide", spec.MSE(y, x))
}

// TestDerivedAfterEveryChange changes the parameters of a training in each way that
// there is, and holds engines which have run before, the trainer's evaluation among them,
// against those that begin anew: nothing that is derived from the parameters is stale.
func TestDerivedAfterEveryChange(t *testing.T) {
	ctx := context.Background()
	o := options()
	o.Valid, o.Average = rows(40), 0.9
	o.InitFrom = []From{{Tensors: (&source{}).add("encoder/dense1/w", ramp(12*140), 12, 140), Pattern: "encoder/dense1/w"}}
	tr, err := New(ctx, panelled(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	plans := []*plan.Plan{tr.prog.Train, tr.prog.Eval}
	begin := func(p *plan.Plan) *engine.Engine {
		e, err := engine.New(p, tr.store, engine.Options{Workers: 2})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		return e
	}
	var old []*engine.Engine
	for _, p := range plans {
		if len(p.Derivations()) == 0 {
			t.Fatalf("nothing is derived:\n%s", plan.Format(p))
		}
		old = append(old, begin(p))
	}
	feed := engine.Feed{"x": &ir.Tensor{DType: ir.F32, Shape: []int{32, 12}, F32: ramp(32 * 12)}}
	loss := func(e *engine.Engine) string {
		if err := e.Run(feed, 32, &engine.Update{}); err != nil { // which updates nothing
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", math.Float32bits(e.Output("loss").F32[0]))
	}
	last := ""
	check := func(what string, changes bool) {
		t.Helper()
		now := ""
		for i, p := range plans {
			a, b := loss(old[i]), loss(begin(p))
			if now += b; a != b {
				t.Errorf("%s: plan %q gives %s, a new engine %s", what, p.Name, a, b)
			}
		}
		if changes == (now == last) {
			t.Errorf("%s: the parameters change: %v", what, !changes)
		}
		last = now
		fresh, err := newEvaluation(tr, o.Valid, true)
		if err != nil {
			t.Fatal(err)
		}
		defer fresh.close()
		a, errA := tr.eval.run(ctx)
		b, errB := fresh.run(ctx)
		if errA != nil || errB != nil || a.Loss != b.Loss {
			t.Errorf("%s: the evaluation gives %v, a new one %v (%v, %v)", what, a.Loss, b.Loss, errA, errB)
		}
	}
	epoch := func() {
		t.Helper()
		for e := range tr.Epochs(ctx) {
			_ = e
			return
		}
		t.Fatal(tr.err)
	}
	check("as it begins", true)
	epoch()
	check("after updates", true)
	check("after an evaluation", false)
	record, err := tr.file(tr.state)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string][]float32{}
	for i := range record.Tensors { // which are those of the store
		x := &record.Tensors[i]
		name := x.Name
		for _, prefix := range []string{slotPrefix + "m/", slotPrefix + "v/", bestPrefix, statePrefix, bestStatePrefix} {
			name = strings.TrimPrefix(name, prefix)
		}
		if tr.store.Param(name) == nil && tr.store.State(name) == nil {
			t.Errorf("the checkpoint holds %s", x.Name)
		}
		x.Data = append([]float32(nil), x.Data...)
		kept[x.Name] = x.Data
	}
	epoch()
	check("after more updates", true)
	if err := tr.adopt("checkpoint", record, tr.state, nil); err != nil {
		t.Fatal(err)
	}
	check("after a checkpoint was adopted", true)
	if err := tr.initFrom(); err != nil {
		t.Fatal(err)
	}
	check("after InitFrom", true)
	tr.store.Param("encoder/dense2/w")[3] += 0.5
	check("after a parameter was written", true)
	all := tr.store.All()
	for i := range all {
		all[i] *= 1.25
	}
	check("after all were written", true)
	tr.average(tr.store)
	check("after the averages were promoted", true)
	for _, p := range tr.prog.Params { // as the best epoch is
		copy(tr.store.Param(p.Name), kept[p.Name])
	}
	check("after an epoch was put back", true)
}

// TestDerivedResumes trains a model with derived values at once, and in two
// runs of which the second resumes, to the same bits. ValidAverage evaluates a store that
// is written for each evaluation.
func TestDerivedResumes(t *testing.T) {
	ctx := context.Background()
	o := options()
	o.Valid, o.Average, o.ValidAverage, o.Dir = rows(40), 0.9, true, t.TempDir()
	whole, err := Fit(ctx, panelled(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Dir = t.TempDir()
	first, err := New(ctx, panelled(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range first.Epochs(ctx) {
		if n++; n == 2 {
			break
		}
	}
	first.Close()
	second, err := Fit(ctx, panelled(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	if bits(second) != bits(whole) {
		t.Error("a training that was resumed has other bits")
	}
}
