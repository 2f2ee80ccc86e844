package train

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// maxLocal is the most ranks of one process.
const maxLocal = 64

// Local returns a cluster of k ranks in this process. If Options.Cluster holds it, [New]
// also starts the other ranks, each in a goroutine with its own parameters and engine.
// They divide Options.Workers among them, with at least one each. A cluster may be used
// for any number of trainings.
func Local(k int) Cluster { return &local{size: k} }

func isLocal(c Cluster) bool {
	_, ok := c.(*local)
	return ok
}

// local is one rank of a process.
type local struct {
	rank, size int
	mesh       *mesh // nil of what Local returns: each training has its own
}

// mesh is what the ranks of a process have in common.
type mesh struct {
	sent  [][]chan []byte   // by receiver and sender
	taken [][]chan struct{} // by sender and receiver

	gone []chan struct{} // closed when that rank has failed
	why  atomic.Pointer[error]

	ended context.Context // when the first rank is closed
	end   context.CancelFunc
}

func newMesh(k int) *mesh {
	m := &mesh{sent: make([][]chan []byte, k), taken: make([][]chan struct{}, k)}
	m.ended, m.end = context.WithCancel(context.Background())
	for i := range k {
		m.gone = append(m.gone, make(chan struct{}))
		for range k {
			m.sent[i], m.taken[i] = append(m.sent[i], make(chan []byte, 1)), append(m.taken[i], make(chan struct{}, 1))
		}
	}
	return m
}

// Rank returns the number of the rank.
func (l *local) Rank() int { return l.rank }

// Size returns the number of ranks.
func (l *local) Size() int { return l.size }

// Exchange waits until peer has copied what is sent.
func (l *local) Exchange(ctx context.Context, peer int, send, receive []byte) error {
	m := l.mesh
	if err := put(ctx, m, peer, m.sent[peer][l.rank], send); err != nil {
		return err
	}
	got, err := take(ctx, m, peer, m.sent[l.rank][peer])
	if err != nil {
		return err
	}
	if len(got) != len(receive) {
		return fmt.Errorf("rank %d sends %d bytes, %d are wanted", peer, len(got), len(receive))
	}
	copy(receive, got)
	if err := put(ctx, m, peer, m.taken[peer][l.rank], struct{}{}); err != nil {
		return err
	}
	_, err = take(ctx, m, peer, m.taken[l.rank][peer])
	return err
}

// Broadcast shows the same memory to all ranks.
func (l *local) Broadcast(ctx context.Context, from int, data []byte) ([]byte, error) {
	m := l.mesh
	if l.rank != from {
		return take(ctx, m, from, m.sent[l.rank][from])
	}
	for i := range l.size {
		if i == from {
			continue
		}
		if err := put(ctx, m, i, m.sent[i][from], data); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// leave says that a rank has failed. What it sent before still arrives, so that how
// far the others come does not depend on how fast they are.
func (m *mesh) leave(rank int, err error) {
	err = fmt.Errorf("rank %d has failed: %w", rank, err)
	m.why.CompareAndSwap(nil, &err)
	close(m.gone[rank])
}

func put[T any](ctx context.Context, m *mesh, peer int, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-m.gone[peer]:
		return *m.why.Load()
	}
}

func take[T any](ctx context.Context, m *mesh, peer int, from <-chan T) (v T, err error) {
	select {
	case v = <-from:
		return v, nil
	case <-ctx.Done():
		return v, ctx.Err()
	case <-m.gone[peer]:
	}
	select {
	case v = <-from:
		return v, nil
	default:
		return v, *m.why.Load()
	}
}

// crew is the ranks behind the first of a process.
type crew struct {
	mesh  *mesh
	ranks []*Trainer
	begin sync.Once
	wg    sync.WaitGroup
}

// recruit returns the other ranks of this process, which fill makes, or nil if there
// are none, and the rows as several may read them. o becomes that of rank 0.
func recruit(o *Options, rows dataset.Source) (*crew, dataset.Source) {
	l, ok := o.Cluster.(*local)
	if !ok || l.mesh != nil || l.size == 1 {
		return nil, rows
	}
	c := &crew{mesh: newMesh(l.size)}
	o.Cluster = &local{0, l.size, c.mesh}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	o.Workers = max(1, o.Workers/l.size)
	_, table := rows.(*dataset.Table)
	if _, many := rows.(dataset.BatchSource); rows != nil && !table && !many {
		rows = &inTurn{Source: rows}
	}
	return c, rows
}

// fill makes the other ranks, which begin where the first one does.
func (c *crew) fill(ctx context.Context, m *spec.Model, rows dataset.Source, o Options) error {
	o.Progress, o.AfterUpdate, o.Needs, o.Dump, o.DumpAfter, o.Log = nil, nil, nil, nil, "", slog.New(slog.DiscardHandler)
	for i := 1; i < len(c.mesh.sent); i++ {
		o.Cluster = &local{i, len(c.mesh.sent), c.mesh}
		t, err := New(ctx, m, rows, o)
		if err != nil {
			return err
		}
		c.ranks = append(c.ranks, t)
	}
	return nil
}

// start makes the other ranks train.
func (c *crew) start() {
	c.begin.Do(func() {
		for _, t := range c.ranks {
			c.wg.Go(func() {
				for range t.Epochs(c.mesh.ended) {
				}
				if t.err != nil {
					c.mesh.leave(t.opt.Cluster.Rank(), t.err)
				}
			})
		}
	})
}

// close waits until they have ended, which they do by themselves after a training
// that has, and otherwise are told to.
func (c *crew) close(finished bool) {
	if !finished {
		c.mesh.end()
	}
	c.wg.Wait()
	c.mesh.end()
	for _, t := range c.ranks {
		t.Close()
	}
}

// inTurn lets several ranks read a source that gives one row at a time.
type inTurn struct {
	dataset.Source
	mu sync.Mutex
}

// Row waits for its turn.
func (s *inTurn) Row(i int, row dataset.Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Source.Row(i, row)
}
