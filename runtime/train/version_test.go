package train

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// firstRun is the training whose checkpoint testdata keeps. Its rows are exact on
// every machine, so that their hash is.
func firstRun() (*spec.Model, *dataset.Table, Options) {
	table := func(n, from int) *dataset.Table {
		i := from
		return dataset.From(make([]struct{}, n), func(_ struct{}, row dataset.Row) {
			x := row.F32Slice("x")
			for j := range x {
				x[j] = float32((i*7+j*j*3+i*j)%16) / 16
			}
			i++
		}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{8}})
	}
	x := spec.Input("x", 8)
	enc := spec.Sequential("encoder", spec.Dense(6), spec.Tanh(), spec.Dropout(0.1), spec.Dense(3))
	code := x.Then(enc).Named("code")
	m := spec.NewModel("first", spec.MSE(code.Then(spec.Mirror("decoder", enc).Tied()), x))
	rows := table(40, 0)
	return m, rows, Options{Optimizer: optim.Adam(1e-2).Schedule(optim.Plateau(1, 0.5)), Epochs: 4, Batch: 8, Seed: 3, Workers: 1,
		Valid: table(10, 40), Patience: 3, MinDelta: 1e-4, CheckpointEvery: 1, Log: slog.New(slog.DiscardHandler),
		InitFrom: []From{{Tensors: (&source{}).add("encoder/dense1/w", ramp(48), 8, 6), Pattern: "encoder", Partly: true}}}
}

// kept are the files of testdata/checkpoints of a version: the checkpoint and, from
// version 2 on, the history beside it.
func kept(version string) (lamina, history string) {
	base := filepath.Join("..", "..", "testdata", "checkpoints", version)
	return base + ".lamina", base + ".history.jsonl"
}

// TestWriteCheckpoint makes the files of testdata/checkpoints of this version, of a
// training stopped within its third epoch: LAMINA_WRITE_CHECKPOINT=vN.
func TestWriteCheckpoint(t *testing.T) {
	version := os.Getenv("LAMINA_WRITE_CHECKPOINT")
	if version == "" {
		t.Skip("LAMINA_WRITE_CHECKPOINT names no version")
	}
	m, rows, o := firstRun()
	o.Dir = t.TempDir()
	// 5 steps and a look behind them are an epoch: 2 of these, 3 steps, stop.
	ctx := &stopAfter{context.Background(), 1 << 30}
	tr, err := New(ctx, m, rows, o)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for e := range tr.Epochs(ctx) {
		if e.Number == 2 {
			ctx.n = 3
		}
	}
	if _, err := tr.Done(); !errors.Is(err, ErrInterrupted) || tr.cursor.Step == 0 {
		t.Fatalf("stopped at %+v: %v", tr.cursor, err)
	}
	lamina, history := kept(version)
	for from, to := range map[string]string{checkpointName: lamina, historyName: history} {
		b, err := os.ReadFile(filepath.Join(o.Dir, from))
		if err == nil {
			err = os.WriteFile(to, b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFirstVersion goes on from a checkpoint of version 1, which every later version
// must; testdata/checkpoints keeps one of each.
func TestFirstVersion(t *testing.T) { goOnFrom(t, "v1") }

// TestSecondVersion is the same for version 2, whose history is in a file of its own.
func TestSecondVersion(t *testing.T) { goOnFrom(t, "v2") }

func goOnFrom(t *testing.T, version string) {
	lamina, history := kept(version)
	b, err := os.ReadFile(lamina)
	if err != nil {
		t.Fatal(err)
	}
	m, rows, o := firstRun()
	o.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(o.Dir, checkpointName), b, 0o644); err != nil {
		t.Fatal(err)
	}
	if lines, err := os.ReadFile(history); err == nil {
		if err := os.WriteFile(filepath.Join(o.Dir, historyName), lines, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if version != "v1" {
		t.Fatal(err)
	}
	f, err := checkpoint.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := New(context.Background(), m, rows, o)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if epochs, ok := tr.Resumed(); !ok || epochs != 2 || tr.cursor != f.Cursor || len(tr.InitReports()) != 1 {
		t.Fatalf("resumed %v at %+v", ok, tr.cursor)
	}
	for _, p := range tr.prog.Params {
		for name, got := range map[string][]float32{p.Name: tr.store.Param(p.Name), "slot/m/" + p.Name: tr.store.Slot("m", p.Name),
			"slot/v/" + p.Name: tr.store.Slot("v", p.Name), "best/" + p.Name: tr.best.params[p.Name]} {
			x := f.Tensor(name)
			if x == nil {
				t.Fatalf("the checkpoint has no %q", name)
			}
			if d := cmp.Diff(x.Data, got); d != "" {
				t.Errorf("%s: %s", name, d)
			}
		}
	}
	before := append([]Epoch{}, tr.state.History...)
	for range tr.Epochs(context.Background()) {
	}
	r, err := tr.Done()
	if err != nil {
		t.Fatal(err)
	}
	if len(r.History) != 4 || cmp.Diff(before, r.History[:2]) != "" {
		t.Fatalf("the history is %+v", r.History)
	}
	// What version 1 went on to. Other kernels differ in the last bits.
	for i, want := range []Values{{Loss: 0.16495879888534545}, {Loss: 0.16192665100097656}} {
		if got := r.History[2+i].Valid.Loss; math.Abs(got-want.Loss) > 1e-4*want.Loss {
			t.Errorf("epoch %d has validation loss %v, version 1 had %v", 3+i, got, want.Loss)
		}
	}
}
