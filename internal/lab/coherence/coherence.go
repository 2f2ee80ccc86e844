// Package coherence measures what a core pays for lines of memory that another core of the
// same machine changed last, against lines of its own caches. Workers of one training share
// weights and activations, so this is what tells how far they should keep to their own.
package coherence

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"time"
)

// State is who used a line last, before it is measured.
type State string

// The states, from the nearest to the farthest.
const (
	Own      State = "own second cache"      // this core wrote it
	Third    State = "third cache"           // this core wrote it, and then so much else that it had to leave
	Read     State = "read by the other"     // this core wrote it, then the other one read it
	Modified State = "modified by the other" // the other core wrote it
)

// States are all of them.
var States = []State{Own, Third, Read, Modified}

// Cost is nanoseconds for one line of 64 bytes.
type Cost struct {
	State State   `json:"state"`
	Chase float64 `json:"chase_ns"` // a load whose address the load before gave: the latency
	Read  float64 `json:"read_ns"`  // loads in ascending order, as many at once as the core can
	Write float64 `json:"write_ns"` // stores in ascending order
}

const (
	line   = 8       // words of a line
	span   = 1 << 15 // words that are measured: 256 KiB, a part of any second cache
	others = 1 << 20 // words that drive them out: 8 MiB, more than a second cache
)

// room is memory that both cores use. The first word of a line leads to the next one of a
// round through all lines in random order.
type room struct {
	lines []uint64
	far   []uint64
	sink  uint64
}

func newRoom() *room {
	m := &room{lines: make([]uint64, span), far: make([]uint64, others)}
	order := rand.New(rand.NewPCG(1, 2)).Perm(span / line)
	for i, at := range order {
		m.lines[at*line] = uint64(order[(i+1)%len(order)] * line)
	}
	return m
}

// chase follows the round once.
func (m *room) chase() {
	at := uint64(0)
	for range span / line {
		at = m.lines[at]
	}
	m.sink += at
}

// read loads a word of every line.
func (m *room) read() { m.sink += sum(m.lines) }

func sum(x []uint64) uint64 {
	var a, b uint64
	for len(x) >= 4*line {
		a += x[0] + x[2*line]
		b += x[line] + x[3*line]
		x = x[4*line:]
	}
	return a + b
}

// write stores a word in every line, beside the one that leads on.
func (m *room) write() {
	v := m.sink
	for x := m.lines; len(x) >= 4*line; x = x[4*line:] {
		x[1], x[line+1], x[2*line+1], x[3*line+1] = v, v, v, v
	}
}

// leave drives the lines out of the second cache.
func (m *room) leave() {
	for i := 0; i < len(m.far); i += line {
		m.far[i]++
	}
}

// peer does what it is told on the other core.
type peer struct {
	turn atomic.Int64 // odd while it works
	job  func()
	stop atomic.Bool
	err  chan error
}

func (p *peer) run(cpu int) {
	release, err := pin(cpu)
	p.err <- err
	if err != nil {
		return
	}
	defer release()
	for !p.stop.Load() {
		if p.turn.Load()&1 == 1 {
			p.job()
			p.turn.Add(1)
		}
	}
}

// do lets it work, and waits.
func (p *peer) do(job func()) {
	p.job = job
	p.turn.Add(1)
	for p.turn.Load()&1 == 1 {
	}
}

// Measure takes the costs of one core for the lines of another, each the least of as many
// samples as are taken in a time d: what else the machine does makes the others longer.
//
// Errors: CPUs that are the same or may not be used; a system other than Linux, where
// threads are not kept to CPUs.
func Measure(cpu, other int, d time.Duration) ([]Cost, error) {
	if cpu == other {
		return nil, errors.New("coherence: two CPUs are needed")
	}
	if runtime.GOMAXPROCS(0) < 2 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	}
	type result struct {
		costs []Cost
		err   error
	}
	done := make(chan result)
	go func() { // a goroutine of its own: its thread ends with it
		costs, err := measure(cpu, other, d)
		done <- result{costs, err}
	}()
	r := <-done
	return r.costs, r.err
}

func measure(cpu, other int, d time.Duration) ([]Cost, error) {
	release, err := pin(cpu)
	if err != nil {
		return nil, err
	}
	defer release()
	p := &peer{err: make(chan error)}
	go p.run(other)
	if err := <-p.err; err != nil {
		return nil, err
	}
	defer p.stop.Store(true)
	m := newRoom()
	costs := make([]Cost, len(States))
	for i, s := range States {
		costs[i].State = s
	}
	for end, n := time.Now().Add(d), 0; n < 3 || time.Now().Before(end); n++ {
		for i := range costs {
			c := &costs[i]
			for _, x := range []struct {
				least *float64
				run   func()
			}{{&c.Chase, m.chase}, {&c.Read, m.read}, {&c.Write, m.write}} {
				m.prepare(c.State, p)
				at := time.Now()
				x.run()
				if ns := float64(time.Since(at).Nanoseconds()) * line / span; *x.least == 0 || ns < *x.least {
					*x.least = ns
				}
			}
		}
	}
	return costs, nil
}

// prepare brings all lines into a state.
func (m *room) prepare(s State, p *peer) {
	switch s {
	case Own:
		m.write()
		m.chase()
	case Third:
		m.write()
		m.leave()
	case Read:
		m.write()
		p.do(m.read)
	case Modified:
		p.do(m.write)
	}
}

// Pair returns two CPUs that this process may use and that do not share a core, if the
// system tells: the first, and the next one that is on another core.
//
// Errors: fewer than two.
func Pair() (cpu, other int, err error) {
	all := allowed()
	if len(all) < 2 {
		return 0, 0, errors.New("coherence: this process may use one CPU only")
	}
	same := siblings(all[0])
	for _, c := range all[1:] {
		if !slices.Contains(same, c) {
			return all[0], c, nil
		}
	}
	return all[0], all[1], nil
}
