package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// meter shows how many rows are done: as a live line on a terminal, else as a line
// now and then.
type meter struct {
	w     io.Writer
	live  bool
	quiet bool
	every time.Duration

	first, last time.Time
	from        int64 // rows that were done before the first call
}

func newMeter(w io.Writer, quiet bool) *meter {
	m := &meter{w: w, quiet: quiet, every: 10 * time.Second}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		m.live, m.every = true, 200*time.Millisecond
	}
	return m
}

// say prints a line of its own.
func (m *meter) say(format string, a ...any) {
	if !m.quiet {
		fmt.Fprintf(m.w, format+"\n", a...)
	}
}

// rows shows that done of all rows are done.
func (m *meter) rows(name string, done, all int64) {
	now := time.Now()
	if m.first.IsZero() {
		m.first, m.last, m.from = now, now, done
	}
	if m.quiet || done < all && now.Sub(m.last) < m.every {
		return
	}
	m.last = now
	line := fmt.Sprintf("%s: %d of %d rows, %d%%", name, done, all, int(float64(done)/float64(all)*100))
	if s := now.Sub(m.first).Seconds(); s > 0 && done > m.from {
		rate := float64(done-m.from) / s
		line += fmt.Sprintf(", %.0f a second", rate)
		if done < all {
			line += ", " + time.Duration(float64(all-done)/rate*float64(time.Second)).Round(time.Second).String() + " left"
		}
	}
	switch {
	case !m.live:
		fmt.Fprintln(m.w, line)
	case done < all:
		fmt.Fprintf(m.w, "\r\x1b[K%s", line)
	default:
		fmt.Fprintf(m.w, "\r\x1b[K%s\n", line)
	}
}
