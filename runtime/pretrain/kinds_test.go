package pretrain

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// measured is a program with every phase that is no training: frozen layers, probes
// in the middle and at the end, emphasis and penalties.
func measured() *plan {
	p := &plan{x: spec.Input("x", 12)}
	p.enc = spec.Sequential("encoder", spec.Dense(9), spec.Sigmoid(), spec.Dense(5), spec.Sigmoid())
	code := p.x.Then(p.enc)
	p.logits = code.Then(spec.Dense(4).Named("head"))
	few, test := rows(400).Balanced("y", 40, 2), rows(200)
	classes := func(name string) *spec.Model {
		return spec.NewModel(name, spec.CrossEntropy(p.logits, spec.Labels("y", 4)))
	}
	o := options()
	o.Optimizer = optim.AdamW(3e-3, 0.1).Group("head", 2).GroupDecay("head", 0.5).LayerDecay(0.5).Schedule(optim.StepDecay(10, 0.5))
	p.program = NewProgram("measured",
		Greedy(p.x, p.enc, rows(100), options()).Corrupt(spec.MaskingNoise(0.25)).Emphasis(1, 0).
			Penalty(func(c *spec.Value) *spec.Loss { return spec.Contractive(c).Weight(0.1) }).
			Penalty(func(c *spec.Value) *spec.Loss { return spec.KLSparsity(c, 0.3).Weight(0.1) }),
		Probe(code, few, test),
		Freeze("encoder"),
		Fit(classes("top"), few, options()),
		Unfreeze("encoder"),
		Freeze("encoder/dense1", "head/b"),
		Fit(classes("classes"), few, o),
		Probe(code, few, test).Neighbours(3).L2(0.1))
	return p
}

func TestMeasuredTable(t *testing.T) {
	const want = `program measured
phase layers rows epochs optimizer noise frozen
1 encoder-stage1 encoder/dense1, encoder-mirror/tied2 100 2 adam 0.003 MaskingNoise(0.25), Emphasis(1, 0), contractive, klsparsity
2 encoder-stage2 encoder/dense2, encoder-mirror/tied1 100 codes 2 adam 0.003 MaskingNoise(0.25), Emphasis(1, 0), contractive, klsparsity encoder/dense1
3 probe1 encoder 40, tested on 200 label y, linear l2 0.001, 5 neighbours
freeze encoder
4 top head 40 2 adam 0.003 encoder
unfreeze encoder
freeze encoder/dense1, head/b
5 classes encoder, head 40 2 adamw 0.003, decay 0.1, step, head ×2, decay of head ×0.5, ×0.5 a layer encoder/dense1, head/b
6 probe2 encoder 40, tested on 200 label y, linear l2 0.1, 3 neighbours
`
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if got := measured().program.String(); squeeze(got) != squeeze(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	lines := strings.Split(measured().program.String(), "\n")
	if a, b := strings.Index(lines[1], "epochs"), strings.Index(lines[6], "2  "); a != b { // behind a note
		t.Errorf("the epochs of phase 4 stand at %d, their heading at %d:\n%s", b, a, strings.Join(lines, "\n"))
	}
}

// TestMeasured runs the program whole, and once more stopped after every epoch: the
// bits and the record are the same; what is frozen stays; the probe in the middle is
// of the codes of its time.
func TestMeasured(t *testing.T) {
	p := measured()
	r, err := p.program.Run(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := bits(t, p, r)
	phases, err := r.Phases()
	if err != nil {
		t.Fatal(err)
	}
	if len(phases) != 6 {
		t.Fatalf("%d phases", len(phases))
	}
	rec := r.Net(p.logits).Record()
	for i, k := range []int{2, 5} {
		ph := phases[k]
		if ph.Name != "probe"+string(rune('1'+i)) || len(ph.Chosen) != 40 || len(ph.Confusion) != 2 {
			t.Errorf("phase %d is %+v", k+1, ph)
		}
		for _, name := range []string{"linear", "knn"} {
			n, right := 0, 0
			for a, row := range ph.Confusion[name] {
				for b, c := range row {
					if n += c; a == b {
						right += c
					}
				}
			}
			if acc := ph.Metrics[name+"/accuracy"]; n != 200 || acc != float64(right)/200 || acc < 0.3 {
				t.Errorf("%s of %s: %d rows, %d right, accuracy %v", name, ph.Name, n, right, acc)
			}
		}
	}
	if rec.Metrics["linear/accuracy"] != phases[5].Metrics["linear/accuracy"] || rec.Metrics["train/loss"] == 0 || rec.Program != p.program.String() {
		t.Errorf("record is %+v", rec)
	}
	dir := t.TempDir()
	for n := 0; ; n++ {
		ctx, cancel := context.WithCancel(context.Background())
		more := 1
		q := measured()
		r, err := q.program.Run(ctx, Options{Dir: dir, Progress: func() train.Reporter { return counter{&more, cancel} }})
		cancel()
		if errors.Is(err, train.ErrInterrupted) && n < 50 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := bits(t, q, r); got != want {
			t.Errorf("stopped %d times:\n%s\nwant\n%s", n, got, want)
		}
		if n < 4 {
			t.Errorf("stopped %d times only", n)
		}
		break
	}
	top, last := left(t, dir, "04-top"), left(t, dir, "05-classes")
	stage := [2]map[string][]float32{{}, {}}
	for k, name := range []string{"01-encoder-stage1", "02-encoder-stage2"} {
		for _, x := range left(t, dir, name).Tensors {
			stage[k][x.Name] = x.Data
		}
	}
	if !slices.Equal(top.Tensor("encoder/dense1/w").Data, stage[0]["encoder/dense1/w"]) || !slices.Equal(top.Tensor("encoder/dense2/w").Data, stage[1]["encoder/dense2/w"]) {
		t.Error("the frozen encoder moved")
	}
	if !slices.Equal(last.Tensor("encoder/dense1/w").Data, stage[0]["encoder/dense1/w"]) || !slices.Equal(last.Tensor("head/b").Data, top.Tensor("head/b").Data) {
		t.Error("what was frozen at last moved")
	}
	if slices.Equal(last.Tensor("encoder/dense2/w").Data, stage[1]["encoder/dense2/w"]) {
		t.Error("what was not frozen any more stayed")
	}
	// A probe of other settings is another program, and the message says which phase.
	q := measured()
	q.program.list[2].probe.Neighbours(1)
	_, err = q.program.Run(context.Background(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "phase 3 of the program, probe1, has changed since it began: the probe's neighbours was 5, is 1") {
		t.Errorf("got %v", err)
	}
}

// TestStageLosses holds the loss of a stage's first update against one worked
// out here, from the codes it was given and the weights it started with.
func TestStageLosses(t *testing.T) {
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", spec.Dense(9), spec.Sigmoid())
	data := rows(32)
	var first float64
	o := options()
	o.Epochs, o.InOrder, o.CheckpointEvery = 1, true, 0
	o.AfterUpdate = func(u train.Update) { first = u.Loss }
	p := NewProgram("p", Greedy(x, enc, data, o).
		Penalty(func(c *spec.Value) *spec.Loss { return spec.L1(c).Weight(0.5) }).
		Penalty(func(c *spec.Value) *spec.Loss { return spec.Contractive(c).Weight(0.25) }))
	if _, err := p.Run(context.Background(), Options{}); err != nil {
		t.Fatal(err)
	}
	m := p.list[0].model
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	w := map[string][]float32{}
	for _, q := range m.Params() {
		w[q.Name] = q.Initial(random.New(o.Seed))
	}
	dw := w["encoder/dense1/w"]
	want := 0.0
	v := data.F32("x")
	for i := range 32 {
		h := make([]float64, 9)
		for j := range h {
			for k := range 12 {
				h[j] += float64(v[i*12+k]) * float64(dw[k*9+j])
			}
			h[j] = 1 / (1 + math.Exp(-h[j]))
			norm := 0.0
			for k := range 12 {
				norm += math.Pow(float64(dw[k*9+j]), 2)
			}
			want += (0.5*h[j] + 0.25*math.Pow(h[j]*(1-h[j]), 2)*norm) / 32
		}
		for k := range 12 {
			y := 0.0
			for j := range h {
				y += h[j] * float64(dw[k*9+j])
			}
			want += math.Pow(y-float64(v[i*12+k]), 2) / 12 / 32
		}
	}
	if math.Abs(first-want) > 1e-5*want {
		t.Errorf("the loss is %v, want %v\n%s", first, want, ir.Format(g))
	}
}

func TestDiff(t *testing.T) {
	a, b := declare().program, declare(func(p *plan, s *StackPhase) { s.opt.Epochs = 3 }).program
	if d := a.Diff(a); d != "" {
		t.Errorf("a program differs from itself: %s", d)
	}
	d := a.Diff(b)
	if strings.Count(d, "\n") != 6 || !strings.Contains(d, "- 2  encoder-stage2  encoder/dense2, encoder-mirror/tied2  100 codes  2  ") || !strings.Contains(d, "+ 2  encoder-stage2  encoder/dense2, encoder-mirror/tied2  100 codes  3  ") {
		t.Errorf("got\n%s", d)
	}
	wrong := declare(func(p *plan, s *StackPhase) { s.rows = nil }).program
	if d := a.Diff(wrong); !strings.Contains(d, "- 1  encoder-stage1  ") || !strings.Contains(d, "stage1: there are no rows: the source is nil") {
		t.Errorf("got\n%s", d)
	}
	if d := (*Program)(nil).Diff(wrong); !strings.Contains(d, "- pretrain: the program is nil") {
		t.Errorf("got\n%s", d)
	}
}

// TestKSparseStack pretrains and ships a stack of k-sparse codes.
func TestKSparseStack(t *testing.T) {
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", spec.Dense(9), spec.KSparse(4), spec.Dense(5), spec.KSparse(2))
	r, err := NewProgram("p", Greedy(x, enc, rows(64), options()), EndToEnd(x, enc, rows(64), options()).Untied()).Run(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Net(x.Then(enc).Named("code")).Run(context.Background(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{64, 12}, F32: rows(64).F32("x")}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 64 {
		kept := 0
		for _, v := range out["code"].F32[i*5:][:5] {
			if v != 0 {
				kept++
			}
		}
		if kept != 2 {
			t.Fatalf("row %d keeps %d", i, kept)
		}
	}
	if _, err := json.Marshal(r.Net(x.Then(enc)).Record()); err != nil {
		t.Error(err)
	}
}

// TestUntie goes on from tied stages with a mirror that has weights of its own: it
// starts as what the stages left, biases too, and then drifts apart.
func TestUntie(t *testing.T) {
	for name, apart := range map[string]bool{"start": false, "drift": true} {
		x := spec.Input("x", 12)
		enc := spec.Sequential("encoder", spec.Dense(9), spec.Sigmoid(), spec.Dense(5))
		tied := spec.Mirror("decoder", enc).Tied()
		code := x.Then(enc)
		code.Then(tied)
		free := spec.Untie("free", tied)
		m := spec.NewModel("whole", spec.MSE(code.Then(free), x))
		o := options()
		if o.Optimizer = optim.SGD(1e-30); apart {
			o.Optimizer = optim.SGD(0.1)
		}
		dir := t.TempDir()
		r, err := NewProgram("p", Greedy(x, enc, rows(64), options()).Decoder(tied), Fit(m, rows(64), o)).Run(context.Background(), Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		for k, of := range map[string]string{"free/dense2": "01-encoder-stage1", "free/dense1": "02-encoder-stage2"} {
			f := left(t, dir, of)
			var w, b []float32
			var shape []int
			for _, x := range f.Tensors {
				switch {
				case strings.HasPrefix(x.Name, "decoder/"):
					b = x.Data
				case strings.HasSuffix(x.Name, "/w"):
					w, shape = x.Data, x.Shape
				}
			}
			got, same := r.Param(k+"/w"), true
			for i := range shape[0] {
				for j := range shape[1] {
					same = same && got[j*shape[0]+i] == w[i*shape[1]+j]
				}
			}
			if same = same && slices.Equal(r.Param(k+"/b"), b); same == apart {
				t.Errorf("%s: %s is what %s left: %v", name, k, of, same)
			}
		}
	}
}
