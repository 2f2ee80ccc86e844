package spectest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
)

const (
	epochs   = 3
	workers  = 3
	maxBatch = 1 << 15
	maxElems = 1 << 21 // of a batch
)

// size chooses the rows of a batch so that there is a task for every worker: a
// small layer needs many. It returns the least batch if none does.
func (s *subject) size() (batch, tasks int, err error) {
	const least = 32
	width := ir.Elems(s.input) + ir.Elems(s.target)
	for batch = least; batch <= maxBatch && (batch == least || batch*width <= maxElems); batch *= 2 {
		p, err := compiler.Compile(s.model, compiler.Options{Rows: batch})
		if err != nil {
			return 0, 0, err
		}
		tasks = 0
		for _, phase := range p.Train.Phases {
			for _, g := range phase.Groups {
				tasks = max(tasks, g.Tasks(ir.RowsOf(batch)))
			}
		}
		if tasks >= workers {
			return batch, tasks, nil
		}
	}
	return least, 1, nil
}

// tensors returns rows of "input", normal, and of "target", from 0 to 1.
func (s *subject) tensors(rows int) map[string]*ir.Tensor {
	key := random.New(13)
	x := ir.NewTensor(ir.F64, append([]int{rows}, s.input...)...)
	for i := range x.F64 {
		x.F64[i] = float64(float32(key.Normal(uint64(i))))
	}
	t := ir.NewTensor(ir.F64, append([]int{rows}, s.target...)...)
	for i := range t.F64 {
		t.F64[i] = float64(float32(key.Derive(1).Float64(uint64(i))))
	}
	return map[string]*ir.Tensor{"input": x, "target": t}
}

// data are such rows as a table.
func (s *subject) data(rows int) (*dataset.Table, error) {
	in := s.tensors(rows)
	column := func(name string, dims []int) dataset.Data {
		return dataset.Data{Column: dataset.Column{Name: name, DType: dataset.F32, Shape: slices.Clone(dims)}, F32: in[name].To(ir.F32).F32}
	}
	return dataset.NewTable(column("input", s.input), column("target", s.target))
}

func options(batch, workers int) train.Options {
	return train.Options{Optimizer: optim.Adam(1e-2), Epochs: epochs, Batch: batch, Seed: 17, Workers: workers,
		KeepLast: true, Log: slog.New(slog.DiscardHandler)}
}

// training trains with 1 and 3 workers, and with an interruption, and returns
// the trained layer, nil for a loss and after a failure.
func (s *subject) training() *engine.Net {
	s.Helper()
	batch, tasks, err := s.size()
	if err != nil {
		s.Errorf("training: %v", err)
		return nil
	}
	rows, err := s.data(2*batch + batch/2 + 1) // the last batch is another one
	if err != nil {
		s.Error(err)
		return nil
	}
	s.Logf("training on %d rows in batches of %d, up to %d tasks at once", rows.Len(), batch, tasks)
	ctx := s.Context()
	one, err := train.Fit(ctx, s.model, rows, options(batch, 1))
	if err != nil {
		s.Errorf("training: %v", err)
		return nil
	}
	three, err := train.Fit(ctx, s.model, rows, options(batch, workers))
	if err != nil {
		s.Errorf("training with %d workers: %v", workers, err)
		return nil
	}
	want := s.bits(one)
	if d := difference(s.bits(three), want); d != "" {
		s.Errorf("%d workers give other bits than 1: %s", workers, d)
	}
	s.resume(rows, batch, want)
	if s.output == nil {
		return nil
	}
	net := one.Net(s.output)
	if err := net.Err(); err != nil {
		s.Errorf("the trained layer: %v", err)
		return nil
	}
	return net
}

// resume interrupts a training amid an epoch and goes on from its checkpoint.
func (s *subject) resume(rows *dataset.Table, batch int, want []string) {
	s.Helper()
	o := options(batch, 2)
	o.Dir, o.CheckpointEvery = s.TempDir(), 1
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	// Opening the training reads all rows once, for their hash.
	after := int64(2*rows.Len() + batch)
	_, err := train.Fit(ctx, s.model, &interrupting{Table: rows, after: after, stop: cancel}, o)
	if !errors.Is(err, train.ErrInterrupted) {
		s.Errorf("an interrupted training returned %v", err)
		return
	}
	t, err := train.New(s.Context(), s.model, rows, o)
	if err != nil {
		s.Errorf("the checkpoint of an interrupted training: %v", err)
		return
	}
	if _, ok := t.Resumed(); !ok {
		s.Error("an interrupted training left no checkpoint")
	}
	for range t.Epochs(s.Context()) {
	}
	r, err := t.Done()
	if err != nil {
		s.Errorf("after an interruption: %v", err)
		return
	}
	if d := difference(s.bits(r), want); d != "" {
		s.Errorf("a training that was interrupted ends with other bits: %s", d)
	}
}

// interrupting is a table that stops the training when so many rows were read.
type interrupting struct {
	*dataset.Table
	read, after int64
	stop        func()
}

// Row implements [dataset.Source].
func (i *interrupting) Row(n int, row dataset.Row) error {
	if atomic.AddInt64(&i.read, 1) == i.after {
		i.stop()
	}
	return i.Table.Row(n, row)
}

// bits lists what a training ends with.
func (s *subject) bits(r *train.Result) []string {
	var list []string
	for _, e := range r.History {
		list = append(list, fmt.Sprintf("epoch %d has loss %x", e.Number, e.Train.Loss))
	}
	for _, p := range s.model.Params() {
		for i, x := range r.Param(p.Name) {
			list = append(list, fmt.Sprintf("%s[%d] is %x", p.Name, i, x))
		}
	}
	return list
}

// difference returns the first place where two lists of bits differ, or "".
func difference(got, want []string) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d values, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			_, tail, _ := strings.Cut(want[i], " is ")
			return fmt.Sprintf("%s, want %s", got[i], tail)
		}
	}
	return ""
}
