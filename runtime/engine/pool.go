package engine

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

// pool is the workers besides the caller of Run. A job's tasks are divided among all
// workers beforehand. Each takes its own one after the other, the first first, and then
// the last of who has most left, until none is left: one that comes late finds its tasks
// done, and nobody waits for it.
type pool struct {
	job    atomic.Uint64 // number of the job whose spans are set
	_      [120]byte     // workers that wait read job all the time
	done   atomic.Int64
	_      [120]byte
	closed atomic.Bool
	fn     func(c *ctx, i int)
	total  int64 // tasks of the job under way
	spans  []span
	even   []int // ends of spans of the same size
	spin   int   // plain loads before the first yield
	yield  int   // yields before parking
	sleep  []sleeper
	caller sleeper
	wg     sync.WaitGroup
}

// span is the tasks of a job that one worker owns and nobody has taken yet, [next,end) in
// one word: end<<32 | next. Whoever takes one changes the word by compare-and-swap. The
// word says nothing of the job: a claim is good if the word is what it was, whenever it
// was read. A span has lines of the cache of its own, two for CPUs that fetch pairs.
type span struct {
	word atomic.Uint64
	_    [120]byte
}

func (s *span) set(next, end int) { s.word.Store(uint64(end)<<32 | uint64(next)) }

// left returns how many tasks are not taken.
func (s *span) left() int {
	w := s.word.Load()
	return int(w>>32) - int(w&math.MaxUint32)
}

// first takes the first task, for the owner.
func (s *span) first() (int, bool) {
	for {
		w := s.word.Load()
		next, end := w&math.MaxUint32, w>>32
		if next >= end {
			return 0, false
		}
		if s.word.CompareAndSwap(w, w+1) {
			return int(next), true
		}
	}
}

// last takes the last task, for others.
func (s *span) last() (int, bool) {
	for {
		w := s.word.Load()
		next, end := w&math.MaxUint32, w>>32
		if next >= end {
			return 0, false
		}
		if s.word.CompareAndSwap(w, w-1<<32) {
			return int(end) - 1, true
		}
	}
}

// sleeper is where one goroutine waits.
type sleeper struct {
	asleep atomic.Bool
	wake   chan struct{}
	_      [112]byte
}

const (
	maxTasks = math.MaxInt32
	spins    = 4000 // some microseconds
	yields   = 1000 // some hundred microseconds, if nothing else is to be run
)

// prepare makes room for so many workers.
func (p *pool) prepare(workers int, s Spin) {
	if s.spins(workers) {
		p.spin, p.yield = spins, yields
	}
	p.spans, p.even = make([]span, workers), make([]int, workers)
	p.caller.wake = make(chan struct{}, 1)
	p.sleep = make([]sleeper, workers-1)
	for i := range p.sleep {
		p.sleep[i].wake = make(chan struct{}, 1)
	}
}

// start starts the goroutine of a worker.
func (p *pool) start(c *ctx) {
	p.wg.Add(1)
	go p.work(c, &p.sleep[c.id-1])
}

func (p *pool) work(c *ctx, s *sleeper) {
	defer p.wg.Done()
	for !p.closed.Load() {
		job := p.job.Load() // before the spans, which are set before it
		for i, ok := p.take(c.id); ok; i, ok = p.take(c.id) {
			p.fn(c, i)
			if total := p.total; p.done.Add(1) == total { // read before: after the last Add it is the next job's
				p.caller.rouse()
			}
		}
		p.wait(s, func() bool { return p.job.Load() != job || p.closed.Load() })
	}
}

// take takes a task for a worker: one of its own, or of whoever has most left.
func (p *pool) take(worker int) (int, bool) {
	if i, ok := p.spans[worker].first(); ok {
		return i, true
	}
	for {
		from, most := -1, 0
		for w := range p.spans {
			if n := p.spans[w].left(); n > most {
				from, most = w, n
			}
		}
		if from < 0 {
			return 0, false
		}
		if i, ok := p.spans[from].last(); ok {
			return i, true
		}
	}
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
// done. Each worker owns as many as the others.
func (e *Engine) parallel(total int, fn func(c *ctx, i int)) {
	p := &e.pool
	for w := range p.even {
		p.even[w] = total * (w + 1) / len(p.even)
	}
	p.run(e.ctxs[0], p.even, fn)
}

// run calls fn for every task and returns when all are done. Worker w owns those from
// where the ones of the worker before end up to ends[w].
func (p *pool) run(c *ctx, ends []int, fn func(c *ctx, i int)) {
	total := ends[len(ends)-1]
	if total <= 1 || len(p.sleep) == 0 || total > maxTasks {
		for i := range total {
			fn(c, i)
		}
		return
	}
	p.fn, p.total = fn, int64(total)
	p.done.Store(0)
	next := 0
	for w, end := range ends {
		p.spans[w].set(next, end)
		next = end
	}
	p.job.Add(1)
	for i := range p.sleep {
		p.sleep[i].rouse()
	}
	for i, ok := p.take(c.id); ok; i, ok = p.take(c.id) {
		fn(c, i)
		p.done.Add(1)
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
