package coherence

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// pin keeps the calling goroutine on a CPU until release is called.
func pin(cpu int) (release func(), err error) {
	runtime.LockOSThread()
	var before, set unix.CPUSet
	if err = unix.SchedGetaffinity(0, &before); err == nil {
		set.Set(cpu)
		err = unix.SchedSetaffinity(0, &set)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("coherence: CPU %d: %w", cpu, err)
	}
	return func() {
		if unix.SchedSetaffinity(0, &before) == nil {
			runtime.UnlockOSThread() // else the thread ends with its goroutine
		}
	}, nil
}

// allowed returns the CPUs that this process may use.
func allowed() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	var all []int
	for c := 0; len(all) < set.Count(); c++ {
		if set.IsSet(c) {
			all = append(all, c)
		}
	}
	return all
}

// siblings returns the CPUs on the core of one, as far as the system tells: a list such as
// 0,64 or 0-1.
func siblings(cpu int) []int {
	b, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu))
	if err != nil {
		return nil
	}
	var all []int
	for part := range strings.SplitSeq(strings.TrimSpace(string(b)), ",") {
		from, to, ok := strings.Cut(part, "-")
		if !ok {
			to = from
		}
		lo, err1 := strconv.Atoi(from)
		hi, err2 := strconv.Atoi(to)
		for c := lo; err1 == nil && err2 == nil && c <= hi; c++ {
			all = append(all, c)
		}
	}
	return all
}
