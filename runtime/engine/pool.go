package engine

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// pool is the workers besides the caller of Run. They take tasks from one atomic
// word that holds the number of the job, its tasks and the next task, so a
// worker that comes late takes nothing and nobody waits for it.
type pool struct {
	word   atomic.Uint64 // job<<40 | tasks<<20 | next
	done   atomic.Int64
	closed atomic.Bool
	fn     func(c *ctx, i int)
	job    uint64
	sleep  []sleeper
	wg     sync.WaitGroup
}

type sleeper struct {
	asleep atomic.Bool
	wake   chan struct{}
	_      [48]byte // one cache line each
}

const (
	fieldBits = 20
	fieldMask = 1<<fieldBits - 1
	maxTasks  = fieldMask
	spins     = 4000 // plain loads before the first yield
	yields    = 200  // yields before parking
)

// start starts a goroutine for each context but the first.
func (p *pool) start(ctxs []*ctx) {
	p.sleep = make([]sleeper, len(ctxs)-1)
	for i := range p.sleep {
		p.sleep[i].wake = make(chan struct{}, 1)
		p.wg.Add(1)
		go p.work(ctxs[i+1], &p.sleep[i])
	}
}

func (p *pool) work(c *ctx, s *sleeper) {
	defer p.wg.Done()
	for !p.closed.Load() {
		w := p.word.Load()
		if i, ok := p.take(w); ok {
			p.fn(c, i)
			p.done.Add(1)
		} else if w == p.word.Load() {
			p.idle(w, s)
		}
	}
}

// take claims the next task of w, if there is one and w is still current.
func (p *pool) take(w uint64) (int, bool) {
	next, tasks := w&fieldMask, w>>fieldBits&fieldMask
	if next >= tasks || !p.word.CompareAndSwap(w, w+1) {
		return 0, false
	}
	return int(next), true
}

// idle returns when there is something other than w to do: it spins, then
// yields, then parks.
func (p *pool) idle(w uint64, s *sleeper) {
	if w&fieldMask < w>>fieldBits&fieldMask {
		return
	}
	for n := 0; n < spins+yields; n++ {
		if p.word.Load() != w || p.closed.Load() {
			return
		}
		if n >= spins {
			runtime.Gosched()
		}
	}
	s.asleep.Store(true)
	if p.word.Load() != w || p.closed.Load() {
		if s.asleep.CompareAndSwap(true, false) {
			return
		}
	}
	<-s.wake
}

// rouse wakes the workers that are parked.
func (p *pool) rouse() {
	for i := range p.sleep {
		if s := &p.sleep[i]; s.asleep.Load() && s.asleep.CompareAndSwap(true, false) {
			s.wake <- struct{}{}
		}
	}
}

// parallel calls fn for every task from 0 to total-1 and returns when all are
// done.
func (e *Engine) parallel(total int, fn func(c *ctx, i int)) {
	p := &e.pool
	if total <= 1 || len(p.sleep) == 0 || total > maxTasks {
		for i := range total {
			fn(e.ctxs[0], i)
		}
		return
	}
	p.fn = fn
	p.done.Store(0)
	p.job++
	p.word.Store(p.job<<(2*fieldBits) | uint64(total)<<fieldBits)
	p.rouse()
	for {
		w := p.word.Load()
		i, ok := p.take(w)
		if ok {
			fn(e.ctxs[0], i)
			p.done.Add(1)
		} else if w&fieldMask == w>>fieldBits&fieldMask {
			break
		}
	}
	for n := 0; p.done.Load() < int64(total); n++ {
		if n >= spins {
			runtime.Gosched()
		}
	}
}

func (p *pool) close() {
	if p.closed.Swap(true) {
		return
	}
	p.rouse()
	p.wg.Wait()
}
