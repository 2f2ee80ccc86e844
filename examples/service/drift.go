package main

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// lately counts the rows that came lately, of one bundle.
type lately struct {
	net    *engine.Net
	ref    *evaluate.Reference
	window int

	mu     sync.Mutex
	now    *evaluate.Watch // fewer rows than the window
	before *evaluate.Watch // the window before, nil at first
}

// newLately returns nil for a bundle without a reference.
func newLately(o *bundle.Opened, window int) *lately {
	if o.Reference == nil {
		return nil
	}
	return &lately{net: o.Net, ref: o.Reference, window: window, now: o.Reference.Begin()}
}

// add counts the rows of a request that this bundle has answered.
func (l *lately) add(net *engine.Net, in, out map[string]*ir.Tensor) error {
	if l == nil || l.net != net {
		return nil // replaced meanwhile
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.now.Add(in, out)
	if l.now.Rows() >= l.window {
		l.before, l.now = l.now, l.ref.Begin()
	}
	return err
}

// drift compares the last whole window, or what has come if there is none.
func (l *lately) drift() (*evaluate.Drift, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.before
	if w == nil {
		w = l.now
	}
	return w.Drift(evaluate.DriftOptions{})
}

// drift answers how the rows that came lately compare with those that the bundle was written with.
func (s *server) drift(w http.ResponseWriter, _ *http.Request) {
	l := s.lately.Load()
	if l == nil {
		s.refuse(w, fail(http.StatusNotFound, "the bundle does not say how its rows were distributed"))
		return
	}
	d, err := l.drift()
	if err != nil {
		s.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", jsonType)
	json.NewEncoder(w).Encode(d)
}
