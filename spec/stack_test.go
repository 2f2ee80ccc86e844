package spec_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/spec"
)

func kinds(list []spec.Layer) string {
	var b strings.Builder
	for _, l := range list {
		fmt.Fprintf(&b, "%s ", strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", l), "*spec."), "Layer"))
	}
	return strings.TrimSpace(b.String())
}

// TestDivide cuts a stack with containers inside, something before the first
// stage, and noise.
func TestDivide(t *testing.T) {
	x := spec.Input("x", 2, 6)
	enc := spec.Sequential("encoder", spec.Flatten(), spec.MaskingNoise(0.1),
		spec.Sequential("low", spec.Dense(8), spec.ReLU(), spec.Dropout(0.2)), spec.Layers(spec.Dense(4), spec.Tanh()))
	dec := spec.Mirror("decoder", enc).Tied()
	y := x.Then(enc, dec)
	s, err := spec.Divide(enc, dec)
	if err != nil {
		t.Fatal(err)
	}
	if got := kinds(s.Before); got != "Flatten MaskingNoise" {
		t.Errorf("before the stages: %s", got)
	}
	var got []string
	for _, st := range s.Stages {
		got = append(got, fmt.Sprintf("%s | %s | %s | %s", st.Name, st.Mirror, kinds(st.Encode), kinds(st.Decode)))
	}
	want := []string{
		"encoder/low/dense1 | decoder/tied2 | Dense Activation Dropout | Tied",
		"encoder/dense1 | decoder/tied1 | Dense Activation | Tied Activation",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// A stage has the stack's parameters under the stack's names.
	in := spec.Input("code", 8)
	m := spec.NewModel("stage", spec.MSE(in.Then(s.Stages[1].Encode...).Then(s.Stages[1].Decode...), in))
	if err := m.Err(); err != nil {
		t.Fatal(err)
	}
	whole := spec.NewModel("whole", spec.MSE(y, x.Then(spec.Flatten(), spec.Reshape(2, 6))))
	if err := whole.Err(); err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Params() {
		same := 0
		for _, q := range whole.Params() {
			if q.Name == p.Name && q.Same(p) {
				same++
			}
		}
		if same != 1 {
			t.Errorf("%s is %d parameters of the whole", p.Name, same)
		}
	}
	if len(m.Params()) != 3 {
		t.Errorf("the stage has %d parameters, want weights and two biases", len(m.Params()))
	}
}

func TestDivideMistakes(t *testing.T) {
	x := spec.Input("x", 4)
	enc, other := spec.Sequential("encoder", spec.Dense(3)), spec.Sequential("other", spec.Dense(3))
	dec := spec.Mirror("decoder", enc)
	refused := func(what string, s *spec.SequentialLayer, m *spec.MirrorLayer) {
		t.Helper()
		_, err := spec.Divide(s, m)
		if err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "stack_test.go:") {
			t.Errorf("got %v, want %q", err, what)
		}
	}
	refused("must have been placed", enc, dec)
	refused("are needed", nil, dec)
	refused("are needed", enc, nil)
	refused("are needed", &spec.SequentialLayer{}, &spec.MirrorLayer{})
	x.Then(enc, dec)
	refused("the mirror is one of another layer", other, dec)
	if _, err := spec.Divide(enc, dec); err != nil {
		t.Error(err)
	}
}

// TestOwnMirror asks for a stack's own mirror twice.
func TestOwnMirror(t *testing.T) {
	enc := spec.Sequential("encoder", spec.Dense(3))
	tied, untied := spec.MirrorOf(enc, true), spec.MirrorOf(enc, false)
	if tied == untied || spec.MirrorOf(enc, true) != tied || spec.MirrorOf(enc, false) != untied {
		t.Error("a stack has one mirror of each kind")
	}
	if a, b, c := spec.NameOf(tied), spec.NameOf(untied), spec.NameOf(nil); a != "encoder-mirror" || b != "encoder-mirror-untied" || c != "" {
		t.Errorf("names are %q, %q, %q", a, b, c)
	}
	x := spec.Input("x", 4)
	for l, want := range map[spec.Layer]int{tied: 3, untied: 4} { // tied: no weights of its own
		m := spec.NewModel("m", spec.MSE(x.Then(enc, l), x))
		if err := m.Err(); err != nil || len(m.Params()) != want {
			t.Errorf("%d parameters, want %d; %v", len(m.Params()), want, err)
		}
	}
	if err := x.Then(spec.MirrorOf(nil, true)).Err(); err == nil {
		t.Error("the mirror of nothing was accepted")
	}
}
