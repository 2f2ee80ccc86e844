package optim

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// TestParse makes every optimizer and schedule again of what it says of itself.
func TestParse(t *testing.T) {
	for _, o := range []Optimizer{
		SGD(0.1), SGD(0.1).Momentum(0.9).Nesterov().Decay(1e-4).EarlyMomentum(0.5, 5).Schedule(StepDecay(3, 0.5)),
		Adam(1e-3), SGD(0.1).Schedule(Ramp(10, 20)), Adam(1e-3).Betas(0.8, 0.99).Epsilon(1e-6).Decay(0.1).Group("encoder", 0.5).GroupDecay("*", 0).LayerDecay(0.9).Schedule(Cosine(2)),
		Adam(1e-3).EpsilonHat(1e-7), AdamW(1e-3, 0.5).EpsilonHat(1e-4),
		AdamW(1e-3, 1e-2), AdamW(1e-3, 0.5).Betas(0.7, 0.9).Epsilon(1e-5).Schedule(Warmup(4)),
		RMSProp(1e-3), RMSProp(1e-3).Rho(0.5).Epsilon(1e-4).Decay(0.3).Schedule(Plateau(3, 0.1)),
	} {
		raw, err := json.Marshal(o.Describe())
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if !reflect.DeepEqual(back.Describe(), o.Describe()) {
			t.Errorf("%s: reads back as %+v", raw, back.Describe())
		}
		w, v := []float32{1, -2, 3}, []float32{1, -2, 3}
		slots := func() (s [][]float32) {
			for range o.Slots() {
				s = append(s, make([]float32, 3))
			}
			return s
		}
		o.Update(Step{LR: 0.1, Decay: true, T: 1}, w, []float32{0.5, 0.1, -1}, slots())
		back.Update(Step{LR: 0.1, Decay: true, T: 1}, v, []float32{0.5, 0.1, -1}, slots())
		if !reflect.DeepEqual(w, v) {
			t.Errorf("%s: updates to %v, want %v", raw, v, w)
		}
		if f := back.Plan().Factor(Progress{Update: 7, UpdatesPerEpoch: 2, Epoch: 3, Epochs: 9}); f != o.Plan().Factor(Progress{Update: 7, UpdatesPerEpoch: 2, Epoch: 3, Epochs: 9}) {
			t.Errorf("%s: the schedule gives %v", raw, f)
		}
	}
	for raw, want := range map[string]string{
		``:   "there is none",
		`{}`: `"" is not one of Lamina's own optimizers`,
		`{"name":"adam","rate":-1,"schedule":{"name":"constant"}}`:                                                            "must be positive",
		`{"name":"lion","rate":1,"schedule":{"name":"constant"}}`:                                                             `"lion" is not one of Lamina's own optimizers`,
		`{"name":"adam","rate":1,"schedule":"mine.Schedule"}`:                                                                 "schedule",
		`{"name":"sgd","rate":1,"options":{"momentum":0,"decay":0,"nesterov":0},"schedule":{"name":"moon"}}`:                  `"moon" is not one of Lamina's own schedules`,
		`{"name":"sgd","rate":1,"options":{"momentum":0,"decay":0,"nesterov":0},"schedule":{"name":"step","every":0}}`:        "every must be",
		`{"name":"sgd","rate":1,"options":{"momentum":0,"decay":0,"nesterov":0,"z":1},"schedule":{"name":"constant"}}`:        `which this version of Lamina does not know`,
		`{"name":"sgd","rate":1,"options":{"momentum":0,"decay":0,"nesterov":0},"schedule":{"name":"constant"},"later":true}`: `"later" is true`,
	} {
		if _, err := Parse([]byte(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", raw, err, want)
		}
	}
}
