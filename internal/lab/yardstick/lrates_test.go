package yardstick

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/rates"
)

// smallRates learns shortly.
func smallRates() layerRates {
	return layerRates{Net: pictureNet{"dense", []int{32}, 16}, Mask: 0.3, Pretrain: rising{3, 50, 2e-3}, Labels: 60, Draws: 2, Tune: rising{25, 10, 5e-3}, Decay: 0.75}
}

// TestLayerRates: pretraining helps, each way has its error and its paired difference, and a run that goes on gives the same.
func TestLayerRates(t *testing.T) {
	digits := few(1500, 300)
	preset := presetRates{smallRates(), []float64{5e-3}}
	searched := searchedRates{smallRates(), 2, 4, 2, 1}
	for name, how := range map[string]recipe{lrInit: preset, lrSearch: searched} {
		work := t.TempDir()
		n, err := how.measure(t.Context(), &input{digits: digits, dir: work})
		if err != nil {
			t.Fatal(err)
		}
		t.Log(name, n.value, n.also)
		again, err := how.measure(t.Context(), &input{digits: digits, dir: work})
		if err != nil || !reflect.DeepEqual(n, again) {
			t.Errorf("%s: %v again, %v before: %v", name, again, n, err)
		}
		if !(n.value > 2 && n.value < 50) {
			t.Errorf("%s: the error is %v %%", name, n.value)
		}
		x := Result{Name: name, Also: n.also}
		table := map[string]func(map[string]Result) string{lrInit: RatesTable, lrSearch: SearchTable}[name](map[string]Result{name: x})
		if !strings.Contains(table, "from scratch, one rate") || strings.Contains(table, "NaN") {
			t.Errorf("%s:\n%s", name, table)
		}
	}
	n, err := preset.measure(t.Context(), &input{digits: digits})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range lrInits {
		name := fmt.Sprintf("%s %s %v", w.start, w.way, 5e-3)
		if e, ok := n.also[name+" error"]; !ok || !(e > 2 && e < 60) {
			t.Errorf("%s: the error is %v", name, e)
		}
		if more := n.also[name+" more"]; (w.way == uniformRates) != (more == 0) {
			t.Errorf("%s: %v more than with one rate", name, more)
		}
	}
	if e := searching(rates.Progress{Done: 2, Of: 9, Score: rates.Score{Folds: []float64{0.5, 1}}}); e.Epoch != 2 || e.Epochs != 9 || e.Done.Train.Losses[e.Shown] != 0.75 {
		t.Errorf("a set of folds is shown as %+v", e)
	}
	for rate, want := range map[float64]string{-1: "helps", 0: "no difference", 1: "harms"} {
		if got := helps(rate, 0.5); got != want {
			t.Errorf("a difference of %v ± 0.5: %s", rate, got)
		}
	}
	if _, err := (presetRates{layerRates: layerRates{Net: denseNet}}).measure(t.Context(), &input{digits: digits}); err == nil {
		t.Error("no draws")
	}
}
