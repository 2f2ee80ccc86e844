//go:build !linux

package coherence

import "errors"

// pin keeps the calling goroutine on a CPU, which only Linux is asked to do.
func pin(int) (release func(), err error) {
	return nil, errors.New("coherence: threads are kept to CPUs on Linux only")
}

func allowed() []int     { return []int{0, 1} }
func siblings(int) []int { return nil }
