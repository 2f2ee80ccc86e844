package spec_test

import (
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// TestMachineMistakes declares machines that cannot be.
func TestMachineMistakes(t *testing.T) {
	dense := spec.Dense(3)
	x := spec.Input("x", 5)
	tied := spec.Tied(dense)
	x.Then(dense, tied)
	bare := spec.Dense(3).NoBias()
	x.Then(bare, spec.Tied(bare))
	for name, c := range map[string]struct {
		m    *spec.Boltzmann
		want string
	}{
		"nil":       {spec.RBM(nil, nil), "needs a Dense layer and a Tied layer of it"},
		"others":    {spec.RBM(spec.Dense(3), tied), "the Tied layer is one of another Dense layer"},
		"no bias":   {spec.RBM(bare, spec.Tied(bare)), "both layers need a bias"},
		"unplaced":  {spec.RBM(dense, spec.Tied(dense)), "were not placed yet"},
		"steps":     {spec.RBM(dense, tied).CD(0), "Gibbs steps must be in [1, 1000], got 0"},
		"chains":    {spec.RBM(dense, tied).Persistent(0), "chains must be in [1, 65536], got 0"},
		"all real":  {spec.RBM(dense, tied).Gaussian().Linear(), "cannot both be real numbers"},
		"real bits": {spec.RBM(dense, tied).Gaussian().Sampled(), "Sampled draws bits"},
		"target":    {spec.RBM(dense, tied).Sparse(1, 1), "target of Sparse must be between 0 and 1, got 1"},
		"cost":      {spec.RBM(dense, tied).Sparse(0.1, math.Inf(1)), "cost of Sparse must be finite"},
		"linear":    {spec.RBM(dense, tied).Linear().Sparse(0.1, 1), "Sparse is for hidden bits"},
	} {
		in := spec.Input("v", 5)
		for what, err := range map[string]error{"losses": spec.NewModel("m", c.m.Losses(in)...).Err(), "energy": c.m.FreeEnergy(in).Err()} {
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "rbm_test.go:") || strings.Count(err.Error(), c.want) > 2 {
				t.Errorf("%s, %s: got %v, want %q", name, what, err, c.want)
			}
		}
	}
	if err := spec.RBM(dense, tied).FreeEnergy(spec.Input("v", 5, 2)).Err(); err == nil || !strings.Contains(err.Error(), "the units must be f32[N …] of rank 2, got f32[N 5 2]") {
		t.Errorf("got %v", err)
	}
	if m := spec.RBMModel("m", spec.Input("v", 5), 0); m.Err() == nil || !strings.Contains(m.Err().Error(), "units must be positive, got 0") {
		t.Errorf("got %v", m.Err())
	}
}

// TestRBMStacks declares stacks that are no deep belief nets.
func TestRBMStacks(t *testing.T) {
	for name, c := range map[string]struct {
		layers []spec.Layer
		untied bool
		want   string
	}{
		"rectified":    {[]spec.Layer{spec.Dense(4), spec.ReLU()}, false, "ReLU follows it; the hidden units of an RBM are bits, with one Sigmoid"},
		"two":          {[]spec.Layer{spec.Dense(4), spec.Sigmoid(), spec.Dropout(0.1)}, false, "Sigmoid and Dropout follows it"},
		"above linear": {[]spec.Layer{spec.Dense(4), spec.Dense(2), spec.Sigmoid()}, false, "the units below it, of above-linear/dense1, are linear"},
		"untied":       {[]spec.Layer{spec.Dense(4), spec.Sigmoid()}, true, "so the mirror must be Tied"},
		"none":         {[]spec.Layer{spec.Sigmoid()}, false, "no layer that has a mirror image"},
		"reshaped":     {[]spec.Layer{spec.Dense(4), spec.Sigmoid(), spec.Reshape(2, 2), spec.Dense(3)}, false, `the stage begins with a layer of kind Reshape, but an RBM is one of a Dense layer`},
	} {
		x := spec.Input("x", 6) // a mistake stays with what it was made of
		stack := spec.Sequential(strings.ReplaceAll(name, " ", "-"), c.layers...)
		mirror := spec.MirrorOf(stack, !c.untied)
		err := x.Then(stack, mirror).Err()
		if err == nil {
			_, err = spec.RBMs(stack, mirror)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "rbm_test.go:") {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if _, err := spec.RBMs(nil, nil); err == nil {
		t.Error("no stack is no mistake")
	}
	stack := spec.Sequential("encoder", spec.Dense(4), spec.Sigmoid(), spec.Dense(3))
	mirror := spec.Mirror("decoder", stack).Tied()
	spec.Input("v", 6).Then(stack, mirror)
	list, err := spec.RBMs(stack, mirror)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	if _, linear := list[0].Units(); linear {
		t.Error("the units before a Sigmoid are linear")
	}
	if _, linear := list[1].Units(); !linear {
		t.Error("the units of the code are no linear ones")
	}
	w, h, v, err := list[1].Params()
	if err != nil || w.Name != "encoder/dense2/w" || h.Name != "encoder/dense2/b" || v.Name != "decoder/tied1/b" {
		t.Errorf("the parameters are %q, %q, %q, %v", w.Name, h.Name, v.Name, err)
	}
	var names []string
	for _, p := range spec.NewModel("m", list[1].Losses(spec.Input("code", 4))...).Params() {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "encoder/dense2/w encoder/dense2/b decoder/tied1/b" {
		t.Errorf("a machine trains %s", got)
	}
}

// TestState declares state variables of a layer of one's own.
func TestState(t *testing.T) {
	x := spec.Input("x", 3)
	m := spec.NewModel("m", spec.NewLoss("mean", x.Then(&counter{Base: spec.Here("counter")}, spec.Dense(2))))
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	states := m.States()
	if len(states) != 1 || states[0].Name != "counter1/n" || states[0].Type.String() != "f32[1 3]" {
		t.Fatalf("the states are %+v", states)
	}
	if !strings.Contains(m.String(), "state (f32[1 3] counter1/n => ") || g.State[0].Out == g.State[0].In {
		t.Errorf("the graph is\n%s", m)
	}
	for bad, want := range map[string]string{
		"twice": "given a next value twice", "type": "is f32[1 3], its next value f32[N 3]", "other": "is not a state variable",
		"name": "state: a name is a letter", "length": "lengths must be positive", "self": "its next value must be computed",
	} {
		err := spec.Input("x", 3).Then(&counter{Base: spec.Here("counter"), bad: bad}).Err()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "rbm_test.go:") {
			t.Errorf("%s: got %v, want %q", bad, err, want)
		}
	}
}

// counter adds to its operand how often it ran.
type counter struct {
	spec.Base
	bad string
}

func (c *counter) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	name, n := "n", 3
	switch c.bad {
	case "name":
		name = "no name"
	case "length":
		n = -1
	}
	s := b.State(name, spec.Zeros(), 1, n)
	next := b.Op(ops.Add{}, s, b.Const(1))
	switch c.bad {
	case "twice":
		b.Becomes(s, next)
	case "type":
		next = x[0]
	case "other":
		s = x[0]
	case "self":
		next = s
	}
	b.Becomes(s, next)
	return b.Op(ops.Add{}, x[0], s)
}
