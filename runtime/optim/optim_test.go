package optim_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	. "github.com/lamina-ml/lamina/runtime/optim"
)

// reference updates one weight in float64; state has one value a slot.
type reference func(s Step, w, g float64, state []float64) float64

// moment is what is stored of x.
func moment(x float64) float64 {
	if math.Abs(x) < 0x1p-126 {
		return 0
	}
	return x
}

// cases pairs each optimizer with its definition, written out again from its paper.
func cases() map[string]struct {
	o   Optimizer
	ref reference
} {
	type c = struct {
		o   Optimizer
		ref reference
	}
	adam := func(b1, b2, eps, l2, decoupled float64) reference {
		return func(s Step, w, g float64, st []float64) float64 {
			lr := float64(s.LR)
			if s.Decay {
				g += l2 * w
				w -= lr * decoupled * w
			}
			st[0] = moment(b1*st[0] + (1-b1)*g)
			st[1] = moment(b2*st[1] + (1-b2)*g*g)
			m := st[0] / (1 - math.Pow(b1, float64(s.T)))
			v := st[1] / (1 - math.Pow(b2, float64(s.T)))
			return w - lr*m/(math.Sqrt(v)+eps)
		}
	}
	hat := func(b1, b2, eps, l2, decoupled float64) reference { // as Keras 3 writes it
		return func(s Step, w, g float64, st []float64) float64 {
			if s.Decay {
				g += l2 * w
				w -= float64(s.LR) * decoupled * w
			}
			alpha := float64(s.LR) * math.Sqrt(1-math.Pow(b2, float64(s.T))) / (1 - math.Pow(b1, float64(s.T)))
			st[0] = moment(st[0] + (g-st[0])*(1-b1))
			st[1] = moment(st[1] + (g*g-st[1])*(1-b2))
			return w - st[0]*alpha/(math.Sqrt(st[1])+eps)
		}
	}
	sgd := func(mu, l2 float64, nesterov bool) reference {
		return func(s Step, w, g float64, st []float64) float64 {
			if s.Decay {
				g += l2 * w
			}
			if mu == 0 {
				return w - float64(s.LR)*g
			}
			st[0] = moment(mu*st[0] + g)
			if nesterov {
				return w - float64(s.LR)*(g+mu*st[0])
			}
			return w - float64(s.LR)*st[0]
		}
	}
	rms := func(rho, eps, l2 float64) reference {
		return func(s Step, w, g float64, st []float64) float64 {
			if s.Decay {
				g += l2 * w
			}
			st[0] = moment(rho*st[0] + (1-rho)*g*g)
			return w - float64(s.LR)*g/(math.Sqrt(st[0])+eps)
		}
	}
	return map[string]c{
		"adam":          {Adam(1e-2), adam(0.9, 0.999, 1e-8, 0, 0)},
		"adam options":  {Adam(1e-2).Betas(0.8, 0.95).Epsilon(1e-3).Decay(0.1), adam(0.8, 0.95, 1e-3, 0.1, 0)},
		"adamw":         {AdamW(1e-2, 0.3), adam(0.9, 0.999, 1e-8, 0, 0.3)},
		"adamw options": {AdamW(1e-2, 0.3).Betas(0.8, 0.95).Epsilon(1e-3), adam(0.8, 0.95, 1e-3, 0, 0.3)},
		"adam hat":      {Adam(1e-2).EpsilonHat(0.1).Decay(0.1), hat(0.9, 0.999, 0.1, 0.1, 0)},
		"adamw hat":     {AdamW(1e-2, 0.3).Betas(0.8, 0.95).EpsilonHat(0.01), hat(0.8, 0.95, 0.01, 0, 0.3)},
		"hat taken off": {Adam(1e-2).EpsilonHat(0.1).Epsilon(1e-8), adam(0.9, 0.999, 1e-8, 0, 0)},
		"sgd":           {SGD(1e-2), sgd(0, 0, false)},
		"sgd decay":     {SGD(1e-2).Decay(0.1), sgd(0, 0.1, false)},
		"momentum":      {SGD(1e-2).Momentum(0.9).Decay(0.1), sgd(0.9, 0.1, false)},
		"nesterov":      {SGD(1e-2).Momentum(0.9).Nesterov(), sgd(0.9, 0, true)},
		"rmsprop":       {RMSProp(1e-2), rms(0.9, 1e-8, 0)},
		"rmsprop opts":  {RMSProp(1e-2).Rho(0.8).Epsilon(1e-3).Decay(0.1), rms(0.8, 1e-3, 0.1)},
	}
}

func makeSlots(o Optimizer, n int) [][]float32 {
	s := make([][]float32, len(o.Slots()))
	for i := range s {
		s[i] = make([]float32, n)
	}
	return s
}

func TestAgainstReference(t *testing.T) {
	const n, updates = 67, 40
	for name, c := range cases() {
		t.Run(name, func(t *testing.T) {
			if err := c.o.Err(); err != nil {
				t.Fatal(err)
			}
			k := random.New(1)
			w, g := make([]float32, n), make([]float32, n)
			k.FillNormal32(w, 0)
			slots := makeSlots(c.o, n)
			want, state := make([]float64, n), make([][]float64, n)
			for i := range want {
				want[i], state[i] = float64(w[i]), make([]float64, len(slots))
			}
			for u := range updates {
				k.Derive(uint64(u)).FillNormal32(g, 0)
				s := Step{LR: 1e-2 / float32(1+u%3), Decay: u%4 != 0, T: int64(u + 1), Scale: 1 / float32(1+u%2)}
				c.o.Update(s, w, g, slots)
				for i := range want {
					want[i] = c.ref(s, want[i], float64(g[i])*float64(s.Scale), state[i])
				}
			}
			for i := range want {
				if d := math.Abs(float64(w[i]) - want[i]); d > 5e-6 {
					t.Errorf("weight %d is %v after %d updates, want %v", i, w[i], updates, want[i])
				}
			}
		})
	}
}

func TestByHand(t *testing.T) {
	for _, c := range []struct {
		name  string
		o     Optimizer
		s     Step
		w, g  float32
		wants []float64 // the weight after each update with the same gradient
	}{
		// Adam's first steps are the rate itself: both means are corrected to g and g².
		{"adam", Adam(0.1), Step{LR: 0.1}, 1, 4, []float64{0.9, 0.8}},
		{"adamw", AdamW(0.1, 0.5), Step{LR: 0.1, Decay: true}, 1, 4, []float64{0.85, 0.85*0.95 - 0.1}},
		{"sgd", SGD(0.5), Step{LR: 0.5}, 1, 2, []float64{0, -1}},
		{"sgd, scaled", SGD(0.5), Step{LR: 0.5, Scale: 0.5}, 1, 2, []float64{0.5, 0}},
		{"momentum", SGD(0.5).Momentum(0.5), Step{LR: 0.5}, 1, 2, []float64{0, -1.5}},                      // u = 2, 3
		{"nesterov", SGD(0.5).Momentum(0.5).Nesterov(), Step{LR: 0.5}, 1, 2, []float64{-0.5, -0.5 - 1.75}}, // g + u/2 = 3, 3.5
		{"rmsprop", RMSProp(0.1).Rho(0.75), Step{LR: 0.1}, 1, 4, []float64{0.8, 0.8 - 0.4/math.Sqrt(7)}},   // v = 4, 7
	} {
		w, slots := []float32{c.w}, makeSlots(c.o, 1)
		for i, want := range c.wants {
			c.s.T = int64(i + 1)
			c.o.Update(c.s, w, []float32{c.g}, slots)
			if math.Abs(float64(w[0])-want) > 1e-6 {
				t.Errorf("%s: weight %v after update %d, want %v", c.name, w[0], i+1, want)
			}
		}
	}
}

func TestSplitAnywhereSameBits(t *testing.T) {
	const n = 53
	k := random.New(2)
	w0, g := make([]float32, n), make([]float32, n)
	k.FillNormal32(w0, 0)
	k.FillNormal32(g, 1000)
	for name, c := range cases() {
		update := func(cuts ...int) []float32 {
			w, slots := slices.Clone(w0), makeSlots(c.o, n)
			for u := range 3 {
				lo := 0
				for _, hi := range append(cuts, n) {
					part := make([][]float32, len(slots))
					for i := range slots {
						part[i] = slots[i][lo:hi]
					}
					c.o.Update(Step{LR: 0.01, Decay: true, T: int64(u + 1), Scale: 1}, w[lo:hi], g[lo:hi], part)
					lo = hi
				}
			}
			return w
		}
		want := update()
		for cut := range n + 1 {
			if !slices.Equal(update(cut), want) {
				t.Errorf("%s: other bits when cut at %d", name, cut)
			}
		}
		if !slices.Equal(update(1, 2, 5, 21, 38), want) {
			t.Errorf("%s: other bits when cut in six", name)
		}
	}
}

func TestUpdateDoesNotAllocate(t *testing.T) {
	w, g := make([]float32, 100), make([]float32, 100)
	for name, c := range cases() {
		slots := makeSlots(c.o, 100)
		if n := testing.AllocsPerRun(20, func() { c.o.Update(Step{LR: 1, T: 1, Scale: 1}, w, g, slots) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestMistakes(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		o    Optimizer
		want []string
	}{
		{Adam(0), []string{"learning rate must be positive and finite, got 0"}},
		{SGD(-1), []string{"learning rate must be positive and finite, got -1"}},
		{RMSProp(nan), []string{"learning rate must be positive and finite, got NaN"}},
		{AdamW(inf, 0.1), []string{"learning rate", "rate times decay"}},
		{AdamW(0.1, -1), []string{"decay must be zero or positive"}},
		{AdamW(2, 1), []string{"rate times decay must be at most 1"}},
		{Adam(1).Betas(1, -0.1).Epsilon(0).Decay(nan), []string{"beta1 must be in [0, 1), got 1", "beta2", "epsilon", "decay"}},
		{Adam(1).EpsilonHat(0), []string{"epsilon hat must be positive"}},
		{SGD(1).Momentum(1), []string{"momentum must be in [0, 1)"}},
		{SGD(1).Nesterov(), []string{"Nesterov needs a momentum"}},
		{RMSProp(1).Rho(2).Group("", 1).Group("a[", 1).Group("a", nan), []string{"rho", "the pattern is empty", "a [ has no ]", "the factor"}},
		{Adam(1).Schedule(nil), []string{"the schedule is nil"}},
		{Adam(1).Schedule(StepDecay(0, 0.5)), []string{"every must be"}},
		{Adam(1).Schedule(StepDecay(1, 0)), []string{"factor must be"}},
		{Adam(1).Schedule(Cosine(-1)), []string{"Cosine: the warm-up"}},
		{Adam(1).Schedule(Ramp(-1, 5)), []string{"Ramp: it must begin at update 0"}},
		{Adam(1).Schedule(Ramp(6, 5)), []string{"got updates 6 to 5"}},
		{Adam(1).Schedule(Warmup(-1)), []string{"Warmup: the warm-up"}},
		{Adam(1).Schedule(Plateau(0, 0.5)), []string{"patience"}},
		{Adam(1).Schedule(Plateau(1, 1)), []string{"between 0 and 1"}},
	} {
		err := c.o.Err()
		if err == nil {
			t.Errorf("no error, want %q", c.want)
			continue
		}
		errs := err.(interface{ Unwrap() []error }).Unwrap()
		if len(errs) != len(c.want) {
			t.Errorf("%d errors, want %d: %v", len(errs), len(c.want), err)
			continue
		}
		for i, want := range c.want {
			var e *ir.Error
			if !strings.Contains(errs[i].Error(), want) || !errors.As(errs[i], &e) {
				t.Errorf("error %q, want an *ir.Error with %q", errs[i], want)
			}
		}
	}
	if err := SGD(1).Momentum(0.9).Nesterov().Err(); err != nil {
		t.Error(err)
	}
	if err := SGD(1).Nesterov().Momentum(0.9).Err(); err != nil {
		t.Error(err)
	}
}

func TestMistakesNameTheLine(t *testing.T) {
	_, _, line, _ := runtime.Caller(0)
	o := SGD(0).
		Momentum(2)
	for i, err := range o.Err().(interface{ Unwrap() []error }).Unwrap() {
		e := err.(*ir.Error)
		if e.Made.Line != line+1+i || !strings.HasSuffix(e.Made.File, "optim_test.go") {
			t.Errorf("mistake %d at %s, want line %d", i, e.Made, line+1+i)
		}
	}
}

func TestOptionsReturnTheReceiver(t *testing.T) {
	for _, o := range []Optimizer{Adam(1), AdamW(1, 0), SGD(1), RMSProp(1)} {
		typ := reflect.TypeOf(o)
		for i := range typ.NumMethod() {
			m := typ.Method(i)
			switch m.Name {
			case "Name", "Err", "Slots", "Update", "Rate", "Plan", "Factor", "DecayFactor", "LayerFactor", "Decays", "Flushes", "Patterns", "Describe":
				continue
			}
			if m.Type.NumOut() != 1 || m.Type.Out(0) != typ {
				t.Errorf("%v.%s does not return its receiver's type", typ, m.Name)
			}
		}
		for _, need := range []string{"Schedule", "Group", "GroupDecay", "LayerDecay"} {
			if _, ok := typ.MethodByName(need); !ok {
				t.Errorf("%v has no %s", typ, need)
			}
		}
	}
}

func TestFactorAndDescribe(t *testing.T) {
	o := Adam(1e-3).Group("encoder", 0.1).Group("encoder/dense2", 0).Schedule(Cosine(5))
	for _, c := range []struct {
		layer string
		want  float64
		ok    bool
	}{{"encoder/dense1/w", 0.1, true}, {"encoder/dense2/w", 0, true}, {"encoder/dense20", 0.1, true}, {"head", 1, false}} {
		if f, ok := o.Factor(c.layer); f != c.want || ok != c.ok {
			t.Errorf("Factor(%q) = %v, %v, want %v, %v", c.layer, f, ok, c.want, c.ok)
		}
	}
	got, err := json.Marshal(o.Describe())
	want := `{"name":"adam","rate":0.001,"options":{"beta1":0.9,"beta2":0.999,"decay":0,"epsilon":1e-8},` +
		`"schedule":{"name":"cosine","warmup":5},"groups":[{"pattern":"encoder","factor":0.1},{"pattern":"encoder/dense2","factor":0}]}`
	if err != nil || string(got) != want {
		t.Errorf("Describe gives %s, %v, want %s", got, err, want)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"encoder", "encoder", true},
		{"encoder", "encoder/dense1/w", true},
		{"encoder", "encoder2", false},
		{"encoder/dense1", "encoder/dense12", false},
		{"dense1", "encoder/dense1", false},
		{"*", "anything/at/all", true},
		{"*/w", "a/w", true},
		{"*/w", "a/wide", false},
		{"block*/attn", "block3/attn/q", true},
		{"layer4.*", "layer4.0.conv1.weight", true},
		{"layer[123].*", "layer2.0.conv", true},
		{"layer[123].*", "layer4.0.conv", false},
		{"layer[1-3]", "layer3", true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false},
		{"", "", false},
		{"[", "[", false},
		{strings.Repeat("*a", 60), strings.Repeat("a", 59) + "b", false},
	} {
		if got := Match(c.pattern, c.path); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.path, got)
		}
	}
}

func ExampleAdamW() {
	o := AdamW(1e-3, 1e-2).Group("encoder", 0.1).Schedule(Cosine(5))
	fmt.Println(o.Name(), o.Rate(), o.Err())
	fmt.Println(o.Factor("encoder/dense1"))
	// Output:
	// adamw 0.001 <nil>
	// 0.1 true
}
