package engine

import (
	"errors"
	"sync/atomic"
)

// Live holds the Net that is in service. Any number of goroutines may call Load and Swap
// at once: a call that began with the Net that Load returned finishes with that Net, even
// if it is swapped meanwhile. A Net that is no longer used is collected with all its
// memory.
type Live struct{ net atomic.Pointer[Net] }

// NewLive returns a Live that holds n.
//
// Errors: the mistake that n was made with.
func NewLive(n *Net) (*Live, error) {
	l := &Live{}
	if _, err := l.Swap(n); err != nil {
		return nil, err
	}
	return l, nil
}

// Load returns the Net in service. For a Live that never had one it is a Net that holds
// that mistake.
func (l *Live) Load() *Net {
	if n := l.net.Load(); n != nil {
		return n
	}
	return ErrNet(errors.New("engine: no Net is in service yet"))
}

// Swap puts n into service and returns the previous Net, nil for the first. Calls in
// progress keep the old one.
//
// Errors: the mistake that n was made with; the old Net stays in service.
func (l *Live) Swap(n *Net) (old *Net, err error) {
	if err := n.Err(); err != nil {
		return nil, err
	}
	return l.net.Swap(n), nil
}
