package engine_test

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// TestNoSlots trains a decoder alone, on a store that keeps slots for everything
// and on one that keeps them for the decoder: the bits agree, and the second has
// memory for no more.
func TestNoSlots(t *testing.T) {
	enc := spec.Sequential("encoder", spec.Dense(30), spec.ReLU(), spec.Dense(7), spec.ReLU())
	m := spec.Autoencoder("m", spec.Input("x", 40), enc, spec.Mirror("decoder", enc))
	frozen, left := map[string]bool{}, 0
	for _, p := range m.Params() {
		if frozen[p.Name] = strings.HasPrefix(p.Name, "encoder/"); !frozen[p.Name] {
			left += (p.Type.Shape.Count() + 15) / 16 * 16
		}
	}
	p, err := compiler.Compile(m, compiler.Options{Rows: 24, Frozen: frozen})
	if err != nil {
		t.Fatal(err)
	}
	want := train(t, p.Train, 2, 5)
	opt := optim.Adam(1e-3)
	s := engine.NewStore(p.Train.Segments, opt.Slots())
	s.NoSlots(frozen)
	for _, name := range s.Names() {
		fill(name, s.Param(name), 0.05)
	}
	e, err := engine.New(p.Train, s, engine.Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var got []float32
	for i := range 5 {
		rows := 24 - 5*(i%2)
		if err := e.Run(engine.Feed{"x": rowsOf(rows, 40)}, rows, &engine.Update{Opt: opt, T: int64(i + 1), Rate: 1e-3}); err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Output("loss").F32[0])
	}
	if !equal(append(got, s.All()...), want) {
		t.Error("other bits than with slots for every parameter")
	}
	for _, name := range s.Names() {
		for _, slot := range opt.Slots() {
			if got := s.Slot(slot, name); (got == nil) != frozen[name] {
				t.Errorf("slot %s of %s has %d elements", slot, name, len(got))
			}
		}
	}
	if n := s.SlotElems(); n > 2*left {
		t.Errorf("the slots have %d elements, those of the decoder's parameters %d", n, 2*left)
	}

	all, err := compiler.Compile(m, compiler.Options{Rows: 24})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.New(all.Train, s, engine.Options{Workers: 1}); err == nil || !strings.Contains(err.Error(), `"encoder/dense1/`) {
		t.Errorf("an engine that updates what has no slots: %v", err)
	}
}
