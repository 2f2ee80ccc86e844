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
	_      [56]byte      // workers that wait read word all the time
	done   atomic.Int64
	closed atomic.Bool
	fn     func(c *ctx, i int)
	job    uint64
	total  int64 // tasks of the job under way
	spin   int   // plain loads before the first yield
	yield  int   // yields before parking
	sleep  []sleeper
	caller sleeper
	wg     sync.WaitGroup
}

// sleeper is where one goroutine waits.
type sleeper struct {
	asleep atomic.Bool
	wake   chan struct{}
	_      [48]byte // one cache line each
}

const (
	fieldBits = 20
	fieldMask = 1<<fieldBits - 1
	maxTasks  = fieldMask
	spins     = 4000 // some microseconds
	yields    = 1000 // some hundred microseconds, if nothing else is to be run
)

// start starts a goroutine for each context but the first.
func (p *pool) start(ctxs []*ctx, s Spin) {
	if s.spins(len(ctxs)) {
		p.spin, p.yield = spins, yields
	}
	p.caller.wake = make(chan struct{}, 1)
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
			if total := p.total; p.done.Add(1) == total { // read before: after the last Add it is the next job.s
				p.caller.rouse()
			}
		} else if next, tasks := w&fieldMask, w>>fieldBits&fieldMask; next >= tasks {
			p.wait(s, func() bool { return p.word.Load() != w || p.closed.Load() })
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

// wait returns when there is news: it spins, then yields, then parks.
func (p *pool) wait(s *sleeper, news func() bool) {
	for n := 0; n < p.spin+p.yield; n++ {
		if news() {
			return
		}
		if n >= p.spin {
			runtime.Gosched()
		}
	}
	for !news() {
		s.asleep.Store(true)
		if news() && s.asleep.CompareAndSwap(true, false) {
			return
		}
		<-s.wake
	}
}

// rouse wakes the goroutine if it is parked.
func (s *sleeper) rouse() {
	if s.asleep.Load() && s.asleep.CompareAndSwap(true, false) {
		s.wake <- struct{}{}
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
	p.fn, p.total = fn, int64(total)
	p.done.Store(0)
	p.job++
	p.word.Store(p.job<<(2*fieldBits) | uint64(total)<<fieldBits)
	for i := range p.sleep {
		p.sleep[i].rouse()
	}
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
	p.wait(&p.caller, func() bool { return p.done.Load() == int64(total) })
}

func (p *pool) close() {
	if p.closed.Swap(true) {
		return
	}
	for i := range p.sleep {
		p.sleep[i].rouse()
	}
	p.wg.Wait()
}
