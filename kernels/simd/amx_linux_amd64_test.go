//go:build !noasm

package simd

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// useAMX skips a test where there is no AMX, and says why.
func useAMX(t *testing.T) {
	t.Helper()
	why := amxRefusal()
	if why != "" {
		t.Logf("AMX: %s; TestEmulatedAMX runs the text of its kernels", why)
	}
	use(t, amxRow, isaAMX.String(), why == "")
}

// TestAMX runs on the CPU what TestEmulatedAMX emulates.
func TestAMX(t *testing.T) {
	useAMX(t)
	rng := rand.New(rand.NewPCG(16, 16))
	amxCases(rng, 300, func(x *amxCase) {
		if !t.Failed() {
			x.check(t, rng, x.run)
		}
	})
}

// TestAMXPreempted holds tiles in more threads than there are cores while the collector stops them and signals arrive: what
// a thread has in its tiles must survive until the kernel releases them.
func TestAMXPreempted(t *testing.T) {
	useAMX(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4 * runtime.NumCPU()))
	var cases [16]*amxCase
	var wants [len(cases)][]float32
	rng := rand.New(rand.NewPCG(17, 17))
	for g := range cases {
		for cases[g] == nil || cases[g].accumulate {
			cases[g] = newAMXCase(rng, 150+g, 100, 300+g, false)
		}
		wants[g] = cases[g].want(t)
	}
	stop := make(chan struct{})
	time.AfterFunc(3*time.Second, func() { close(stop) })
	during := func(f func()) {
		for {
			select {
			case <-stop:
				return
			default:
				f()
			}
		}
	}
	var wg sync.WaitGroup
	var calls, signals atomic.Int64
	for g, x := range cases {
		tmp := make([]float32, amxScratch(x.m, x.n, x.k))
		wg.Go(func() {
			during(func() {
				x.run(calls.Add(1)%2 == 0, tmp)
				for i, v := range x.c.mid {
					if w := wants[g][i]; u32(v) != u32(w) && (v == v || w == w) {
						t.Errorf("goroutine %d: element %d is %g, want %g", g, i, v, w)
						return
					}
				}
			})
		})
	}
	wg.Go(func() { during(runtime.GC) })
	wg.Go(func() {
		during(func() {
			threads, err := os.ReadDir("/proc/self/task")
			if err != nil {
				t.Error(err)
				return
			}
			for _, thread := range threads {
				id, _ := strconv.Atoi(thread.Name())
				syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(id), uintptr(syscall.SIGURG)) // a thread may have ended
				signals.Add(1)
			}
			time.Sleep(200 * time.Microsecond)
		})
	})
	wg.Wait()
	t.Logf("%d products, %d signals", calls.Load(), signals.Load())
}
