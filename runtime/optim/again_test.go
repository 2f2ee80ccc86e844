package optim

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

// TestWithGroups: what is added counts after what there was, and the optimizer that was given stays as it is.
func TestWithGroups(t *testing.T) {
	o := AdamW(1e-3, 1e-2).Group("encoder", 0.5).GroupDecay("head", 0).Schedule(Cosine(2))
	was, _ := json.Marshal(o.Describe())
	more, err := WithGroups(o, Group{"encoder/dense1", 1.0 / 3}, Group{"head", 0})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]float64{"encoder/dense1/w": 1.0 / 3, "encoder/dense2": 0.5, "head": 0, "other": 1} {
		if got, _ := more.Factor(path); got != want {
			t.Errorf("the factor of %s is %v, want %v", path, got, want)
		}
	}
	if f, ok := more.DecayFactor("head"); f != 0 || !ok {
		t.Error("the decay's group is lost")
	}
	if is, _ := json.Marshal(o.Describe()); string(is) != string(was) {
		t.Errorf("the optimizer given became %s", is)
	}
	deep, err := WithLayerDecay(more, 0.75)
	if err != nil || deep.LayerFactor() != 0.75 || more.LayerFactor() != 1 || !reflect.DeepEqual(deep.Patterns(), more.Patterns()) {
		t.Errorf("by depth: %v, %v", deep, err)
	}
	for want, f := range map[string]func() (Optimizer, error){
		"no optimizer":        func() (Optimizer, error) { return WithGroups(nil) },
		"must be positive":    func() (Optimizer, error) { return WithGroups(Adam(-1), Group{"a", 1}) },
		"factor must be":      func() (Optimizer, error) { return WithGroups(Adam(1), Group{"a", -1}) },
		"pattern is empty":    func() (Optimizer, error) { return WithGroups(Adam(1), Group{"", 1}) },
		"must be in (0, 1]":   func() (Optimizer, error) { return WithLayerDecay(Adam(1), math.NaN()) },
		"not one of Lamina's": func() (Optimizer, error) { return WithGroups(&foreign{*Adam(1)}, Group{"a", 1}) },
	} {
		if o, err := f(); err == nil || o != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v, %v", want, o, err)
		}
	}
}

// foreign is an optimizer of another package.
type foreign struct{ AdamOptimizer }

func (*foreign) Describe() any { return "mine" }

// TestQuote: a path quoted matches itself and what is below it, and nothing else.
func TestQuote(t *testing.T) {
	for _, path := range []string{"encoder/dense1/w", "a*b", "layer[0].conv", "x[*]y"} {
		p := Quote(path)
		if err := CheckPattern(p); err != nil || !Match(p, path) || !Match(p, path+"/w") {
			t.Errorf("%q is quoted as %q: %v", path, p, err)
		}
	}
	if Match(Quote("a*b"), "axb") || Match(Quote("l[01]"), "l0") {
		t.Error("a quoted pattern matches another path")
	}
}
