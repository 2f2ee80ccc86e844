package yardstick

import (
	"strings"
	"testing"
)

// TestDrawn measures the recipe in small. An error of 90 % is that of a net that has learnt nothing.
func TestDrawn(t *testing.T) {
	how := drawn{Strokes: "strokes rows=300 seed=1 glyphs=15", Net: fewConv{Net: pictureNet{"conv", []int{4, 8}, 24}, Block: 4, Blank: 0.3, Noise: 0.2,
		Pretrain: rising{5, 10, 2e-3}, Updates: 150, Batch: 10, Rate: 3e-3, Drop: 0.2, Labels: []int{50}, Draws: 2}}
	n, err := how.measure(t.Context(), &input{digits: few(300, 200)})
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range drawnWays() {
		errors := drawsOf(n.also, way)
		if m := mean(errors); len(errors) != 2 || !(m > 8 && m < 60) {
			t.Errorf("%s: %v", way, errors)
		}
	}
	if n.value != mean(drawsOf(n.also, strokesRead)) || n.also["parameters"] == 0 {
		t.Errorf("%v of %v", n.value, n.also)
	}
	for _, bad := range []drawn{{Strokes: "dots rows=3", Net: how.Net}, {Strokes: how.Strokes, Net: fewConv{Net: how.Net.Net, Draws: 1}}} {
		if _, err := bad.measure(t.Context(), &input{digits: few(100, 50)}); err == nil {
			t.Errorf("%+v was measured", bad)
		}
	}
}

// TestSyntheticTable: differences are over the same draws, and positive where the way is better.
func TestSyntheticTable(t *testing.T) {
	r := Result{Name: synth, Machine: "M", Date: "D", Also: map[string]float64{}}
	for way, errors := range map[string][2]float64{fromScratch: {20, 30}, strokesRebu: {19, 31}, strokesRead: {10, 20}, digitsRebu: {9, 19}} {
		r.Also[way+" draw 0"], r.Also[way+" draw 1"] = errors[0], errors[1]
	}
	got := SyntheticTable(map[string]Result{synth: r})
	for _, want := range []string{"| nothing | 25.00 ±", "| strokes, glyphs named | 15.00 ± 63.53 | 10.00 ± 0.00 | -1.00 ± 0.00 | 2 of 2 |", "| strokes, autoencoder | 25.00 ± 76.24 | 0.00 ± 12.71 |", "| 1 of 2 |", "Measured on M, D."} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
	if got := SyntheticTable(nil); got != "Not measured yet.\n" {
		t.Errorf("%q", got)
	}
}
