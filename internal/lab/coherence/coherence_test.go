package coherence

import (
	"runtime"
	"testing"
	"time"
)

// TestMeasure takes every cost; what they are depends on the machine.
func TestMeasure(t *testing.T) {
	a, b, err := Pair()
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("one CPU, or a system that does not keep threads to CPUs")
	}
	costs, err := Measure(a, b, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if len(costs) != len(States) {
		t.Fatalf("%d costs of %d states", len(costs), len(States))
	}
	for i, c := range costs {
		if c.State != States[i] || !(c.Chase > 0 && c.Read > 0 && c.Write > 0) {
			t.Errorf("%+v", c)
		}
	}
}

func TestMeasureRefuses(t *testing.T) {
	for _, c := range [][2]int{{0, 0}, {0, 1 << 20}, {-1, 0}} {
		if costs, err := Measure(c[0], c[1], time.Millisecond); err == nil {
			t.Errorf("CPUs %v: %v", c, costs)
		}
	}
}

// TestRoom holds the round of the lines and what is done to them against their number.
func TestRoom(t *testing.T) {
	m := newRoom()
	seen := map[uint64]bool{}
	for at := uint64(0); !seen[at]; at = m.lines[at] {
		seen[at] = true
		if at%line != 0 {
			t.Fatalf("word %d is not the first of its line", at)
		}
	}
	if len(seen) != span/line {
		t.Errorf("the round has %d lines of %d", len(seen), span/line)
	}
	if want := uint64(span/line) * uint64(span-line) / 2; sum(m.lines) != want {
		t.Errorf("the lines' sum is %d, want %d", sum(m.lines), want)
	}
	m.sink = 7
	m.write()
	for i := range m.lines {
		if i%line == 1 && m.lines[i] != 7 || i%line > 1 && m.lines[i] != 0 {
			t.Fatalf("word %d is %d", i, m.lines[i])
		}
	}
}
