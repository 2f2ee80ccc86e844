package main

import (
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/internal/lab/coherence"
)

// TestWorkers compares one worker with several.
func TestWorkers(t *testing.T) {
	r := laminabench(t, nil, "workers", "--work", "tiny-ae,rbm", "--threads", "3", "--seconds", "0.05", "--json")
	if r.Status != 0 {
		t.Fatalf("%+v", r)
	}
	all := decodeLines[workersResult](t, r.Stdout)
	if len(all) != 2 || all[0].Work != "tiny-ae" || all[1].Work != "rbm" {
		t.Fatalf("%+v", all)
	}
	for _, w := range all {
		if w.CPU == "" || len(w.Rows) != 3 {
			t.Errorf("%+v", w)
		}
		for i, row := range w.Rows {
			if row.Workers != 1+i || row.Samples < 3 || row.Counted > row.Samples || !(row.Least > 0 && row.Least <= row.Tenth && row.Tenth <= row.Median) {
				t.Errorf("%s: %+v", w.Work, row)
			}
			if got := w.Rows[0].Tenth / row.Tenth; math.Abs(got-row.Faster) > 1e-9 {
				t.Errorf("%s: %d workers are %v times as fast, %v by their times", w.Work, row.Workers, row.Faster, got)
			}
		}
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--threads", "1"}, "--threads must be at least 2"},
		{[]string{"--work", "tied-ae,tide-ae"}, `"tide-ae"`},
		{[]string{"--seconds", "0"}, "--seconds"},
	} {
		if r := laminabench(t, nil, append([]string{"workers"}, c.args...)...); r.Status == 0 || !strings.Contains(r.Stderr, c.says) {
			t.Errorf("%v: %+v", c.args, r)
		}
	}
}

// TestCounted leaves out samples that others disturbed.
func TestCounted(t *testing.T) {
	quiet, slow := rates{100, 80}, rates{100, 60}
	c := crew{workers: 2, samples: []crewSample{{us: 10, around: quiet}, {us: 5, around: slow}, {us: 7, around: quiet, queued: 0.2}, {us: 12, around: quiet}}}
	if r := c.row(rates{101, 81}); r.Counted != 2 || r.Samples != 4 || r.Least != 10 || r.Median != 11 || r.Any != 8.5 {
		t.Errorf("%+v", r)
	}
	c.samples = c.samples[1:2]
	if r := c.row(rates{101, 81}); r.Counted != 0 || r.Least != 5 {
		t.Errorf("none counts: %+v", r)
	}
	before := map[string]threadTime{"1": {0, 0}, "2": {time.Second, time.Second}, "3": {0, 0}}
	after := map[string]threadTime{"1": {time.Second, time.Millisecond}, "2": {time.Second, 9 * time.Second}, "4": {time.Second, time.Microsecond}}
	if got := queued(before, after, time.Second); got != time.Millisecond+time.Microsecond {
		t.Errorf("threads that work waited for %v", got)
	}
}

// TestCoherence measures lines of another core, where there is one.
func TestCoherence(t *testing.T) {
	_, _, err := coherence.Pair()
	r := laminabench(t, nil, "coherence", "--seconds", "0.02", "--json")
	if runtime.GOOS != "linux" || err != nil {
		if r.Status == 0 {
			t.Errorf("%+v", r)
		}
		return
	}
	if r.Status != 0 {
		t.Fatalf("%+v", r)
	}
	if all := decodeLines[coherenceResult](t, r.Stdout); len(all) != 1 || len(all[0].Costs) != len(coherence.States) || all[0].CPU == "" {
		t.Errorf("%+v", all)
	}
	if r := laminabench(t, nil, "coherence", "--cpus", "0"); r.Status == 0 || !strings.Contains(r.Stderr, "--cpus takes two") {
		t.Errorf("%+v", r)
	}
}
