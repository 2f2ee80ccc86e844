package pretrain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// ending is a source that ends a context at one of its rows. It cannot be compared.
type ending struct {
	dataset.Source
	left   *atomic.Int64
	cancel context.CancelFunc
	_      []int
}

func (e ending) Row(i int, row dataset.Row) error {
	if e.left.Add(-1) == 0 {
		e.cancel()
	}
	return e.Source.Row(i, row)
}

// TestInterruptedBetweenTrainings ends the context at any row that is read, the rows
// that are hashed, looked at or coded among them. The codes are on disk.
func TestInterruptedBetweenTrainings(t *testing.T) {
	run := func(dir string, at int64) (string, error) {
		p := &plan{x: spec.Input("x", 12)}
		p.enc = spec.Sequential("encoder", spec.Dense(6), spec.Sigmoid(), spec.Dense(3), spec.Sigmoid())
		p.logits = p.x.Then(p.enc)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var left atomic.Int64
		left.Store(at)
		src := ending{rows(100), &left, cancel, nil}
		o := options()
		o.Epochs = 1
		p.program = NewProgram("p", Greedy(p.x, p.enc, src, o).CrossEntropy(), RBM(p.x, p.enc, src, o), Probe(p.x.Then(p.enc), src, src))
		r, err := p.program.Run(ctx, Options{Dir: dir, Memory: 1})
		if err != nil {
			return "", err
		}
		return bits(t, p, r), nil
	}
	want, err := run(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	stops, last := 0, ""
	for at := int64(1); ; at += 311 {
		dir := t.TempDir()
		_, err := run(dir, at)
		if err == nil {
			break
		}
		if !errors.Is(err, train.ErrInterrupted) || !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "cannot be written") {
			t.Fatalf("row %d: %v", at, err)
		}
		if left := leftovers(t, dir); len(left) > 0 {
			t.Fatalf("row %d: left are %v", at, left)
		}
		if stops, last = stops+1, err.Error(); stops%4 != 0 {
			continue
		}
		if got, err := run(dir, 0); err != nil || got != want {
			t.Fatalf("row %d: other bits than a program never stopped, %v", at, err)
		}
	}
	if !strings.Contains(last, "probe1") {
		t.Errorf("the last of %d stops was %s", stops, last)
	}
}

// TestDamagedFolder alters and removes files of a finished program. It is told what
// to do, and doing it gives the same bits.
func TestDamagedFolder(t *testing.T) {
	want := mustRun(t, declare(), Options{})
	for name, damage := range map[string]func(dir string) error{
		"no left":      func(dir string) error { return os.Remove(filepath.Join(dir, "02-encoder-stage2", leftName)) },
		"short left":   func(dir string) error { return os.Truncate(filepath.Join(dir, "02-encoder-stage2", leftName), 100) },
		"empty record": func(dir string) error { return os.Truncate(filepath.Join(dir, recordName), 0) },
		"odd record": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, recordName), []byte(`{"program":"few-labels","finished":9}`), 0o600)
		},
	} {
		dir := t.TempDir()
		mustRun(t, declare(), Options{Dir: dir})
		if err := damage(dir); err != nil {
			t.Fatal(err)
		}
		_, err := declare().program.Run(context.Background(), Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), "and the phases resume from their checkpoints") {
			t.Fatalf("%s: got %v", name, err)
		}
		if err := os.Remove(filepath.Join(dir, recordName)); err != nil {
			t.Fatal(err)
		}
		events := 0
		p := declare()
		r, err := p.program.Run(context.Background(), Options{Dir: dir, Progress: func() train.Reporter { return count{&events} }})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := bits(t, p, r); got != want {
			t.Errorf("%s: other bits", name)
		}
		if events > 0 {
			t.Errorf("%s: it trained again", name)
		}
	}
}

// TestPlainRowsProbe has a probe that no layer is below.
func TestPlainRowsProbe(t *testing.T) {
	p := declare()
	r, err := NewProgram("p", Greedy(p.x, p.enc, rows(60), options()), Probe(p.x, rows(60), rows(60))).Run(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	phases, err := r.Phases()
	if err != nil || len(phases) != 4 || phases[3].Layers != nil || len(phases[2].Layers) != 2 {
		t.Errorf("got %v, %v", fmt.Sprintf("%+v", phases), err)
	}
}
