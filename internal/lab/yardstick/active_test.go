package yardstick

import (
	"strings"
	"testing"
)

// TestActive measures one strategy of each kind in small, and a way that does not end before its most labels.
func TestActive(t *testing.T) {
	digits := few(1500, 300)
	how := asking{Channels: []int{8}, Units: 32, Drop: 0.5, Draws: 3, Updates: 60, Batch: 25, Rate: 5e-3, Start: 20, Step: 40, Pool: 200, Error: 40, Most: 260}
	for _, s := range []string{"random", "margin+coreset", "dropout"} {
		how.Strategy = s
		n, err := how.measure(t.Context(), &input{digits: digits})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %v %v", s, n.value, n.also)
		if !(n.value >= 20 && n.value < 260) || !(n.also["error 100"] < 60) || !(n.also["error 180"] < 60) || n.also["missed"] != 0 {
			t.Errorf("%s: %v %v", s, n.value, n.also)
		}
		again, err := how.measure(t.Context(), &input{digits: digits, workers: 1})
		if err != nil || again.value != n.value || again.also["error 180"] != n.also["error 180"] {
			t.Errorf("%s, once more: %v %v %v", s, again.value, again.also, err)
		}
	}
	how.Strategy, how.Error, how.Most = "random", 0, 60
	if n, err := how.measure(t.Context(), &input{digits: digits}); err != nil || n.value != 60 || n.also["missed"] != 1 {
		t.Errorf("%v %v %v", n.value, n.also, err)
	}
	for _, wrong := range []asking{{}, {Strategy: "frob"}, {Strategy: "margin", Start: 10, Step: 10, Pool: 100, Updates: 1, Batch: 1, Most: 1500}} {
		if _, err := wrong.measure(t.Context(), &input{digits: digits}); err == nil {
			t.Errorf("%+v was measured", wrong)
		}
	}
	r := Result{Values: []float64{300, 340}, Also: map[string]float64{"error 100": 9.25, "error 180": 6.5}, Machine: "a machine", Date: "a day", WallS: 3}
	control := r
	control.Values = []float64{500, 600}
	table := ActiveTable(map[string]Result{"active/random": control, "active/margin": r})
	for _, want := range []string{"| `random`, rows at random | 550 ± 635 |  | 835 | 9.2 | 6.5 | 3 |", "| `margin`, smallest margin | 320 ± 254 | 230 ± 381 |  |", "Measured on a machine"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
}
