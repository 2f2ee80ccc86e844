package pretrain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// rows are points near a plane in the unit cube of twelve dimensions, in four
// classes.
func rows(n int) *dataset.Table {
	key := random.New(7)
	return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
		i := int(key.Uint64(0) % 4)
		key = key.Derive(1)
		a, b := key.Normal(0)+float64(i), key.Normal(1)
		x := row.F32Slice("x")
		for j := range x {
			x[j] = float32(1 / (1 + math.Exp(-math.Sin(a*float64(j)/5)-b*math.Cos(float64(j)))))
		}
		row.I64("y", int64(i))
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{12}}, dataset.Column{Name: "y", DType: dataset.I64})
}

func options() train.Options {
	return train.Options{Optimizer: optim.Adam(3e-3), Epochs: 2, Batch: 32, Seed: 5, Workers: 2, CheckpointEvery: 1,
		Log: slog.New(slog.DiscardHandler)}
}

// plan is what most tests run: a stack of three layers, pretrained, put together,
// and a classifier on it.
type plan struct {
	x       *spec.Value
	enc     *spec.SequentialLayer
	logits  *spec.Value
	program *Program
}

func declare(change ...func(*plan, *StackPhase)) *plan {
	p := &plan{x: spec.Input("x", 12)}
	p.enc = spec.Sequential("encoder", spec.Dense(9), spec.Sigmoid(), spec.Dropout(0.1), spec.Layers(spec.Dense(7), spec.Sigmoid()), spec.Dense(4))
	p.logits = p.x.Then(p.enc, spec.Dense(4).Named("head"))
	greedy := Greedy(p.x, p.enc, rows(100), options()).Corrupt(spec.MaskingNoise(0.25))
	for _, f := range change {
		f(p, greedy)
	}
	o := options()
	o.Optimizer = optim.Adam(1e-3).Group("encoder", 0.1)
	o.Freeze = []string{"encoder/dense1"}
	o.Valid, o.Patience = rows(140).Select([]int{120, 121, 122, 123}), 1
	classifier := spec.NewModel("classes", spec.CrossEntropy(p.logits, spec.Labels("y", 4)))
	p.program = NewProgram("few-labels", greedy,
		EndToEnd(p.x, p.enc, rows(100), options()).Corrupt(spec.GaussianNoise(0.1)),
		Fit(classifier, rows(60), o))
	return p
}

func TestTable(t *testing.T) {
	const want = `program few-labels
phase                     layers                                 rows       epochs  optimizer                noise                             frozen
1      encoder-stage1     encoder/dense1, encoder-mirror/tied3   100        2       adam 0.003               MaskingNoise(0.25), Dropout(0.1)
2      encoder-stage2     encoder/dense2, encoder-mirror/tied2   100 codes  2       adam 0.003               MaskingNoise(0.25)                encoder/dense1
3      encoder-stage3     encoder/dense3, encoder-mirror/tied1   100 codes  2       adam 0.003               MaskingNoise(0.25)                encoder/dense1, encoder/dense2
4      encoder-endtoend   encoder, encoder-mirror                100        2       adam 0.003               GaussianNoise(0.1), Dropout(0.1)
5      classes            encoder, head                          60         2, patience 1 adam 0.001, encoder ×0.1  Dropout(0.1)                      encoder/dense1
`
	got := declare().program.String()
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if squeeze(got) != squeeze(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func left(t *testing.T, dir, phase string) *checkpoint.File {
	t.Helper()
	f, err := checkpoint.Read(filepath.Join(dir, phase, leftName))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestStackIsWhatTheStagesTrained runs the stages alone. What each left is in the
// result, its rows were the clean codes of those below, and the stack computes one
// after the other, here worked out in float64 from the stages' files.
func TestStackIsWhatTheStagesTrained(t *testing.T) {
	p, dir, data := declare(), t.TempDir(), rows(100)
	program := NewProgram("stack", Greedy(p.x, p.enc, data, options()).Corrupt(spec.MaskingNoise(0.25)))
	res, err := program.Run(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	h := make([][]float64, data.Len())
	x := data.F32("x")
	for i := range h {
		for _, v := range x[i*12:][:12] {
			h[i] = append(h[i], float64(v))
		}
	}
	for k, l := range []string{"dense1", "dense2", "dense3"} {
		f := left(t, dir, fmt.Sprintf("%02d-encoder-stage%d", k+1, k+1))
		w, b := f.Tensor("encoder/"+l+"/w"), f.Tensor("encoder/"+l+"/b")
		if len(f.Tensors) != 3 {
			t.Errorf("stage %d left %d tensors, want weights and two biases", k+1, len(f.Tensors))
		}
		for i := range h {
			out := make([]float64, w.Shape[1])
			for j := range out {
				s := float64(b.Data[j])
				for q, v := range h[i] {
					s += v * float64(w.Data[q*w.Shape[1]+j])
				}
				if out[j] = s; k < 2 {
					out[j] = 1 / (1 + math.Exp(-s))
				}
			}
			h[i] = out
		}
	}
	net := res.Net(p.x.Then(p.enc).Named("code"))
	out, err := net.Run(context.Background(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{data.Len(), 12}, F32: x}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range h {
		for j, want := range h[i] {
			if got := float64(out["code"].F32[i*4+j]); math.Abs(got-want) > 1e-5 {
				t.Fatalf("row %d, code %d: the stack gives %v, the stages %v", i, j, got, want)
			}
		}
	}
	for k, l := range []string{"dense1", "dense2", "dense3"} {
		f := left(t, dir, fmt.Sprintf("%02d-encoder-stage%d", k+1, k+1))
		for _, q := range []string{"/w", "/b"} {
			if name := "encoder/" + l + q; !slices.Equal(net.Params()[name], f.Tensor(name).Data) {
				t.Errorf("what ships has another %s than stage %d left", name, k+1)
			}
		}
	}
	// The rows of the last stage, by the function of those below.
	code2 := res.Net(p.x.Then(leavesOf(p)...))
	small, err := code2.Run(context.Background(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{data.Len(), 12}, F32: x}})
	if err != nil {
		t.Fatal(err)
	}
	table, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "code", DType: dataset.F32, Shape: []int{7}},
		F32: small[code2.Graph().Outputs[0].Name].F32})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := table.Hash()
	if err != nil {
		t.Fatal(err)
	}
	rec := net.Record()
	if len(rec.Phases) != 3 || rec.Phases[2].DataHash != hash {
		t.Errorf("the last stage was trained on other rows than the clean codes: %+v", rec.Phases)
	}
	if _, ok := rec.Columns["x"]; !ok || rec.Rows != 100 {
		t.Errorf("the record is not of the rows of the program: %+v", rec)
	}
}

// leavesOf returns the layers below the last stage.
func leavesOf(p *plan) []spec.Layer {
	stack, err := spec.Divide(p.enc, mirrorOf(p))
	if err != nil {
		panic(err)
	}
	return append(slices.Clone(stack.Stages[0].Encode), stack.Stages[1].Encode...)
}

func mirrorOf(p *plan) *spec.MirrorLayer {
	m := spec.Mirror("another", p.enc)
	p.x.Then(p.enc, m)
	return m
}

// bits lists what a run gave, times left out.
func bits(t *testing.T, p *plan, r *train.Result) string {
	t.Helper()
	net := r.Net(p.logits.Named("logits"), p.x.Then(p.enc).Named("code"))
	if err := net.Err(); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, v := range net.Graph().Params {
		fmt.Fprintf(&b, "%s %x\n", v.Name, net.Params()[v.Name])
	}
	raw, err := json.MarshalIndent(net.Record(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return b.String() + string(raw)
}

func mustRun(t *testing.T, p *plan, o Options) string {
	t.Helper()
	r, err := p.program.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return bits(t, p, r)
}

// counter ends a context at an event.
type counter struct {
	left   *int
	cancel context.CancelFunc
}

func (c counter) Report(e train.Event) {
	if e.Done != nil {
		if *c.left--; *c.left == 0 {
			c.cancel()
		}
	}
}
func (counter) Close() {}

// TestResume stops the program after every epoch of every phase, and in one run
// after each of them, and wants the bits of a run never stopped.
func TestResume(t *testing.T) {
	want := mustRun(t, declare(), Options{})
	stopped := func(dir string, epochs int) bool {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		left := epochs
		_, err := declare().program.Run(ctx, Options{Dir: dir, Progress: func() train.Reporter { return counter{&left, cancel} }})
		if err != nil && !errors.Is(err, train.ErrInterrupted) {
			t.Fatal(err)
		}
		return err != nil
	}
	for n := 1; n <= 9; n += 2 {
		dir := t.TempDir()
		if !stopped(dir, n) {
			t.Fatalf("it was not stopped after epoch %d", n)
		}
		if got := mustRun(t, declare(), Options{Dir: dir}); got != want {
			t.Errorf("stopped after %d epochs (-want +got):\n%s", n, cmp.Diff(want, got))
		}
	}
	dir, stops := t.TempDir(), 0
	for stopped(dir, 1) {
		if stops++; stops > 30 {
			t.Fatal("it does not come to an end")
		}
	}
	if stops < 5 {
		t.Errorf("it was stopped %d times only", stops)
	}
	if got := mustRun(t, declare(), Options{Dir: dir}); got != want {
		t.Errorf("stopped after every epoch (-want +got):\n%s", cmp.Diff(want, got))
	}
	// Again: nothing is left to do.
	events := 0
	_, err := declare().program.Run(context.Background(), Options{Dir: dir, Progress: func() train.Reporter { return count{&events} }})
	if err != nil || events != 0 {
		t.Errorf("a finished program trained again: %d events, %v", events, err)
	}
}

type count struct{ n *int }

func (c count) Report(train.Event) { *c.n++ }
func (count) Close()               {}

// TestCodesOnDisk has no memory for codes: the bits are the same, and no file is
// left.
func TestCodesOnDisk(t *testing.T) {
	valid := func(p *plan, s *StackPhase) { s.opt.Valid = rows(120).Select([]int{100, 101, 102}) }
	want := mustRun(t, declare(valid), Options{})
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	for _, o := range []Options{{Memory: 1}, {Memory: 1, Dir: dir}} {
		if got := mustRun(t, declare(valid), o); got != want {
			t.Errorf("Dir %q (-memory +file):\n%s", o.Dir, cmp.Diff(want, got))
		}
	}
	for _, root := range []string{dir, os.Getenv("TMPDIR")} {
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if strings.Contains(path, "codes") {
				t.Errorf("%s is left", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestCodesFileIsShared hashes a file of codes from several goroutines at once.
func TestCodesFileIsShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	const n = 500
	data := make([]float32, n*3)
	for i := range data {
		data[i] = float32(i)
	}
	var b bytes.Buffer
	if err := npywrite.Write(&b, []int{n, 3}, data); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := dataset.OpenNPY(path, "x")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	src := f.Source()
	want, err := dataset.Hash(src)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if got, err := dataset.Hash(src); err != nil || got != want {
				t.Errorf("got %s, %v, want %s", got, err, want)
			}
		})
	}
	wg.Wait()
}

func TestFullDisk(t *testing.T) {
	p := declare()
	r := &run{p: p.program, opt: Options{Dir: t.TempDir(), Memory: 1}, mem: map[dataset.Source]string{},
		write: func(path string, _ func(io.Writer) error) error {
			return &os.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
		}}
	_, err := r.all(context.Background())
	for _, part := range []string{"phase 2 of 5, encoder-stage2", "the codes of 100 rows", "the disk is full: free 1 MB, or raise Options.Memory"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Fatalf("got %v, want %q", err, part)
		}
	}
}

// TestSharedStart looks at what later phases started from.
func TestSharedStart(t *testing.T) {
	p := declare()
	dir := t.TempDir()
	r, err := p.program.Run(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	rep := r.InitReports()
	if len(rep) != 1 || len(rep[0].Loaded) != 6 || fmt.Sprint(rep[0].Missing) != "[head/w head/b]" {
		t.Errorf("the classifier started from %v", rep)
	}
	// What is frozen is what the phase before left.
	before, after := left(t, dir, "04-encoder-endtoend"), left(t, dir, "05-classes")
	if len(before.Tensors) != 9 {
		t.Errorf("end to end left %d tensors, want those of the stages", len(before.Tensors))
	}
	for _, name := range []string{"encoder/dense1/w", "encoder/dense2/w"} {
		same := slices.Equal(before.Tensor(name).Data, after.Tensor(name).Data)
		if frozen := name == "encoder/dense1/w"; same != frozen {
			t.Errorf("%s is as before: %v, frozen: %v", name, same, frozen)
		}
	}
	for i, ph := range r.Net(p.logits.Named("logits")).Record().Phases {
		if want := p.program.list[i].name; ph.Name != want || ph.Epochs == 0 || ph.DataHash == "" || len(ph.Layers) == 0 || ph.Optimizer == nil || len(ph.Metrics) == 0 {
			t.Errorf("phase %d of the record is %+v", i+1, ph)
		}
	}
}

// TestChangedInitializer goes on with a layer that would start otherwise, which the
// graph of its model does not show.
func TestChangedInitializer(t *testing.T) {
	dir := t.TempDir()
	program := func(init spec.Init) *Program {
		x := spec.Input("x", 12)
		y := x.Then(spec.Dense(4).Init(init).Named("head"))
		return NewProgram("p", Fit(spec.NewModel("m", spec.CrossEntropy(y, spec.Labels("y", 4))), rows(10), options()))
	}
	if _, err := program(spec.He()).Run(context.Background(), Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	_, err := program(spec.Constant(0.5)).Run(context.Background(), Options{Dir: dir})
	if want := "phase 1 of the program, m, has changed since it began: the initializer of head/w was He, is Constant(0.5)"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestChanged goes on with another program in a folder.
func TestChanged(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, declare(), Options{Dir: dir})
	for name, c := range map[string]struct {
		change func(*plan, *StackPhase)
		want   string
	}{
		"noise":  {func(_ *plan, s *StackPhase) { s.Corrupt(spec.MaskingNoise(0.3)) }, "phase 1 of the program, encoder-stage1, has changed since it began: maskingnoise1 computed MaskingNoise<rate = 0.25, stream = 1>, computes MaskingNoise<rate = 0.3, stream = 1>"},
		"epochs": {func(_ *plan, s *StackPhase) { s.opt.Epochs = 3 }, "phase 1 of the program, encoder-stage1, has changed since it began: Epochs was 2, is 3"},
		"rows":   {func(_ *plan, s *StackPhase) { s.rows = rows(99) }, "the rows were 100, are 99"},
		"valid":  {func(_ *plan, s *StackPhase) { s.opt.Valid = rows(9) }, "the validation rows are new, 9 of them"},
		"seed":   {func(_ *plan, s *StackPhase) { s.opt.Seed = 6 }, "the seed was 5, is 6"},
	} {
		_, err := declare(c.change).program.Run(context.Background(), Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "use another Options.Dir") {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	// What no bit depends on may change.
	if _, err := declare(func(_ *plan, s *StackPhase) { s.opt.Workers = 1 }).program.Run(context.Background(), Options{Dir: dir, Memory: 1}); err != nil {
		t.Error(err)
	}
	x := spec.Input("x", 12)
	_, err := NewProgram("other", Fit(spec.NewModel("m", spec.MSE(x.Then(spec.Dense(12)), x)), rows(10), options())).
		Run(context.Background(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), `is of the program "few-labels", this one is "other"`) {
		t.Errorf("got %v", err)
	}
}

// TestChangedStart goes on from other tensors than a phase that is finished did.
func TestChangedStart(t *testing.T) {
	dir := t.TempDir()
	run := func(b float32, pattern string) error {
		x := spec.Input("x", 12)
		first, second := spec.Dense(12).Named("first"), spec.Dense(12).Named("second")
		o := options()
		o.InitFrom = []train.From{{Pattern: pattern, Partly: true, Tensors: &tensors{names: []string{"first/b"},
			shape: map[string][]int{"first/b": {12}}, data: map[string][]float32{"first/b": slices.Repeat([]float32{b}, 12)}}}}
		_, err := NewProgram("p", Fit(spec.NewModel("a", spec.MSE(x.Then(first), x)), rows(40), o),
			Fit(spec.NewModel("b", spec.MSE(x.Then(second), x)), rows(40), options())).Run(context.Background(), Options{Dir: dir})
		return err
	}
	if err := errors.Join(run(1, "first"), run(1, "first")); err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{`InitFrom[0] is another one, though "first" as before`: run(2, "first"), `InitFrom[0] was "first", is "*"`: run(1, "*")} {
		if err == nil || !strings.Contains(err.Error(), "phase 1 of the program, a, has changed since it began: "+want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestLeftoversAreRemoved has a folder as a process that was killed in a write may
// leave it, for a run that keeps its codes in memory.
func TestLeftoversAreRemoved(t *testing.T) {
	p, dir := measured(), t.TempDir()
	for _, name := range []string{".program.json.tmp-1", "01-encoder-stage1/.finished.lamina.tmp-2", "02-encoder-stage2/codes.npy",
		"02-encoder-stage2/.codes.npy.tmp-3", "02-encoder-stage2/.codes-valid.npy.tmp-4", "03-probe1/.finished.lamina.tmp-5"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("half"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.program.Run(context.Background(), Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t, dir); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}
