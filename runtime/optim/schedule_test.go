package optim

import (
	"math"
	"testing"
)

func TestSchedules(t *testing.T) {
	at := func(epoch, step int) Progress { // 10 updates an epoch, 20 epochs
		return Progress{Update: int64(10*epoch + step), UpdatesPerEpoch: 10, Epoch: epoch, Epochs: 20}
	}
	for _, c := range []struct {
		name string
		s    Schedule
		p    Progress
		want float64
	}{
		{"constant", Constant(), at(7, 3), 1},
		{"step", StepDecay(5, 0.5), at(4, 9), 1},
		{"step", StepDecay(5, 0.5), at(5, 0), 0.5},
		{"step", StepDecay(5, 0.5), at(19, 0), 0.125},
		{"warmup", Warmup(2), at(0, 0), 1. / 20},
		{"warmup", Warmup(2), at(1, 8), 19. / 20},
		{"warmup", Warmup(2), at(1, 9), 1},
		{"warmup", Warmup(2), at(9, 9), 1},
		{"warmup 0", Warmup(0), at(0, 0), 1},
		{"ramp, before it", Ramp(15, 35), at(1, 5), 0},
		{"ramp", Ramp(15, 35), at(2, 0), 0.25},
		{"ramp, behind it", Ramp(15, 35), at(3, 5), 1},
		{"ramp of no length", Ramp(0, 0), at(0, 0), 1},
		{"cosine 0", Cosine(0), at(0, 0), 1},
		{"cosine 0", Cosine(0), at(5, 0), 0.5 * (1 + math.Sqrt(0.5))},
		{"cosine 0", Cosine(0), at(10, 0), 0.5},
		{"cosine 0, after the end", Cosine(0), at(20, 0), 0},
		{"cosine", Cosine(10), at(0, 0), 0.01},
		{"cosine", Cosine(10), at(10, 0), 1},
		{"cosine", Cosine(10), at(15, 0), 0.5},
		{"cosine, warm-up only", Cosine(20), at(19, 9), 1},
		{"cosine, warm-up longer", Cosine(40), at(19, 9), 0.5},
	} {
		if got := c.s.Factor(c.p); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s at %+v: %v, want %v", c.name, c.p, got, c.want)
		}
	}
	last := 2.
	for u := range 200 {
		f := Cosine(0).Factor(at(u/10, u%10))
		if !(f > 0 && f < last) {
			t.Fatalf("cosine at update %d: %v after %v", u, f, last)
		}
		last = f
	}
}

func TestPlateau(t *testing.T) {
	s := Plateau(2, 0.5)
	losses := []float64{1, 0.9, 0.9, 0.89999, 0.8, math.NaN(), math.Inf(1), 0.9, 0.9, 0.7}
	wants := []float64{1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125}
	resumed := s.Start()
	for i, l := range losses {
		s.Observe(l)
		if got := s.Factor(Progress{}); got != wants[i] {
			t.Errorf("factor %v after loss %d, want %v", got, i, wants[i])
		}
		// The same through a checkpoint after every epoch.
		resumed.Observe(l)
		state, err := resumed.MarshalState()
		if err != nil {
			t.Fatal(err)
		}
		resumed = s.Start()
		if got := resumed.Factor(Progress{}); got != 1 {
			t.Errorf("a fresh start has factor %v", got)
		}
		if err := resumed.UnmarshalState(state); err != nil {
			t.Fatal(err)
		}
		if got := resumed.Factor(Progress{}); got != wants[i] {
			t.Errorf("factor %v after loss %d and a resume, want %v", got, i, wants[i])
		}
	}
	for _, bad := range []string{"", "{", `{"factor":2}`, `{"factor":1,"bad":-1}`, `{"factor":"x"}`} {
		if err := s.UnmarshalState([]byte(bad)); err == nil {
			t.Errorf("state %q was taken", bad)
		}
	}
}
