package compiler

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// remembering returns a model of a weight [width 3] with every kind of state: an
// average of the weight, the square of the weight as the update leaves it, a queue of
// five codes, the weight as the update found it, and two variables that change places.
func remembering(width int) *ir.Graph {
	b := ir.NewBuilder("remembering")
	state := func(name string, when ir.Moment, dims ...int) *ir.Value {
		v := &ir.Value{Name: name, Type: ir.T(ir.F32, ir.ShapeOf(dims...)...), Kind: ir.StateValue}
		b.Graph.State = append(b.Graph.State, ir.StateVar{In: v, When: when})
		return v
	}
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(width)))
	w := b.Param("w", ir.T(ir.F32, ir.Fixed(width), ir.Fixed(3)))
	average := state("average", ir.AfterUpdate, width, 3)
	state("square", ir.AfterUpdate, width, 3)
	queue := state("queue", ir.EachStep, 5, 3)
	state("before", ir.EachStep, width, 3)
	left, right := state("left", ir.EachStep, 2), state("right", ir.EachStep, 2)
	share := state("share", ir.EachStep)
	code := b.Op(ops.MatMul{}, x, w)
	twice := b.Op(ops.Mul{}, w, w) // of the loss and of the state
	loss := b.Op(ops.ReduceMean{}, b.Op(ops.Mul{}, code, code))
	loss = b.Op(ops.Add{}, loss, b.Op(ops.Mul{}, b.Op(ops.ReduceSum{}, twice), b.Const(ir.F32, 0.01)))
	loss.Name = "loss"
	b.Output(loss)
	next := []*ir.Value{b.Op(ops.Lerp{}, average, w, share), twice, b.Op(ops.Push{}, queue, code), b.Op(ops.Identity{}, w),
		b.Op(ops.Identity{}, right), b.Op(ops.Identity{}, left), share}
	for i, v := range next {
		b.Graph.State[i].Out = v
	}
	return b.Graph
}

// TestStateOfAnUpdate trains with state that changes after the update and with the
// update, from stored gradients or not, in one part and in several, by one worker and
// by two, with tasks of every size: the state is what its definition says, and its bits
// are the same.
func TestStateOfAnUpdate(t *testing.T) {
	const rows, updates, width = 8, 3, 300
	weights, data := make([]float32, 3*width), make([]float32, rows*width)
	for i := range weights {
		weights[i] = float32(i%17)/16 - 0.5
	}
	for i := range data {
		data[i] = float32(i%23)/64 - 0.2
	}
	var first map[string][]float32
	for _, c := range []struct {
		store, spread bool
		parts         int
	}{{}, {spread: true}, {store: true}, {store: true, spread: true}, {store: true, parts: 2}, {store: true, spread: true, parts: 4}} {
		g := remembering(width)
		tw, err := compileTwin(g, segmentsOf(g), Options{Rows: rows, StoreGrads: c.store, spread: c.spread})
		if err != nil {
			t.Fatal(err)
		}
		for _, workers := range []int{1, 2} {
			for _, grain := range []int{1, 48, 1 << 20} {
				name := fmt.Sprintf("%+v, %d workers, grain %d", c, workers, grain)
				e, s := engineOf(t, cutBy(tw.train, grain), engine.Feed{"w": {F32: weights}}, workers)
				copy(s.State("left"), []float32{1, 2})
				copy(s.State("right"), []float32{3, 4})
				copy(s.State("share"), []float32{0.25})
				average, queue := make([]float32, 3*width), []float32{}
				opt := optim.SGD(0.5)
				for n := range updates {
					was := slices.Clone(s.Param("w"))
					size := rows / max(c.parts, 1)
					for from := 0; from < rows; from += size {
						u := &engine.Update{Opt: opt, T: int64(n + 1), Rate: 0.5, UpdateRows: rows, FirstRow: from, Accumulate: from > 0}
						in := engine.Feed{"x": {DType: ir.F32, Shape: []int{size, width}, F32: data[from*width : (from+size)*width]}}
						held := slices.Clone(s.State("queue"))
						if err := e.Run(in, size, u); err != nil {
							t.Fatal(err)
						}
						if c.store && !slices.Equal(held, s.State("queue")) {
							t.Fatalf("%s: the queue changes before the update", name)
						}
						if from+size == rows && c.store {
							if _, err := e.Apply(u, 0); err != nil {
								t.Fatal(err)
							}
						}
					}
					now := s.Param("w")
					if slices.Equal(was, now) {
						t.Fatalf("%s: nothing was updated", name)
					}
					held := slices.Clone(s.State("queue"))
					if err := e.Run(engine.Feed{"x": {DType: ir.F32, Shape: []int{rows, width}, F32: data}}, rows, nil); err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(held, s.State("queue")) {
						t.Fatalf("%s: an evaluation changes the queue", name)
					}
					if !slices.Equal(s.State("before"), was) {
						t.Fatalf("%s: update %d: the weight before the update is another", name, n)
					}
					for i, x := range now {
						d := x - average[i]
						average[i] = float32(float64(average[i]) + 0.25*float64(d))
						if s.State("average")[i] != average[i] || s.State("square")[i] != x*x {
							t.Fatalf("%s: update %d: average[%d] is %v, want %v; square %v, want %v", name, n, i, s.State("average")[i], average[i], s.State("square")[i], x*x)
						}
					}
					swapped := []float32{3, 4, 1, 2}[2*(n%2):][:2]
					if !slices.Equal(s.State("left"), swapped) || s.State("share")[0] != 0.25 {
						t.Fatalf("%s: update %d: left is %v, share %v", name, n, s.State("left"), s.State("share"))
					}
					for r := rows - 5; r < rows; r++ {
						for j := range 3 {
							sum := 0.0
							for k := range width {
								sum += float64(data[r*width+k]) * float64(was[3*k+j])
							}
							queue = append(queue, float32(sum))
						}
					}
					queue = queue[len(queue)-15:]
					for i, x := range s.State("queue") {
						if !close32(x, float64(queue[i]), 30) {
							t.Fatalf("%s: update %d: the queue is %v, want %v", name, n, s.State("queue"), queue)
						}
					}
				}
				all := map[string][]float32{}
				for _, st := range s.States() {
					all[st.Name] = s.State(st.Name)
				}
				if first == nil {
					first = all
				}
				for name2, x := range all {
					if !slices.Equal(x, first[name2]) && c.parts <= 1 {
						t.Errorf("%s: the bits of %s are others", name, name2)
					}
				}
			}
		}
	}
}

// TestAverageIsFused looks at the plan: the average is made where it is, in the tasks
// that update the parameter.
func TestAverageIsFused(t *testing.T) {
	g := remembering(300)
	tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 8, spread: true})
	if err != nil {
		t.Fatal(err)
	}
	text := plan.Format(tw.train)
	at := strings.Index(text, "w = Update(")
	if at < 0 {
		t.Fatal(text)
	}
	rest := text[at:]
	if i, j := strings.Index(rest, "average = Lerp(average:axis0, w:axis0, share) after the update"), strings.Index(rest, "phase"); i < 0 || j >= 0 && j < i {
		t.Errorf("the average is not made with the update:\n%s", text)
	}
	for id := range tw.train.Steps {
		p := cutBy(tw.train, 8)
		p.Steps = slices.Clone(p.Steps)
		if s := &p.Steps[id]; s.After && s.Op == (ops.Lerp{}) {
			s.After = false
			if err := plan.Verify(p); err == nil {
				t.Error("an average that is no part of the update is taken")
			}
		}
	}
}

// TestStateReadsStateAsItWas makes a difference from an average that changes in the same
// update: it is that from the average before.
func TestStateReadsStateAsItWas(t *testing.T) {
	g := remembering(300)
	b := ir.Extend(g)
	off := &ir.Value{Name: "off", Type: g.Params[0].Type, Kind: ir.StateValue}
	g.State = append(g.State, ir.StateVar{In: off, Out: b.Op(ops.Sub{}, g.Params[0], g.State[0].In), When: ir.AfterUpdate})
	for _, store := range []bool{false, true} {
		tw, err := compileTwin(g, segmentsOf(g), Options{Rows: 8, StoreGrads: store, spread: true})
		if err != nil {
			t.Fatal(err)
		}
		w := make([]float32, 900)
		for i := range w {
			w[i] = float32(i)
		}
		e, s := engineOf(t, cutBy(tw.train, 8), engine.Feed{"w": {F32: w}}, 2)
		s.State("share")[0] = 0.5
		in := engine.Feed{"x": {DType: ir.F32, Shape: []int{8, 300}, F32: make([]float32, 2400)}}
		for n := range 3 {
			was := slices.Clone(s.State("average"))
			u := &engine.Update{Opt: optim.SGD(0.5), T: int64(n + 1), Rate: 0.5}
			if err := e.Run(in, 8, u); err != nil {
				t.Fatal(err)
			}
			if store {
				if _, err := e.Apply(u, 0); err != nil {
					t.Fatal(err)
				}
			}
			for i, x := range s.Param("w") {
				if got := s.State("off")[i]; got != x-was[i] {
					t.Fatalf("stored %v, update %d: off[%d] is %v, want %v", store, n, i, got, x-was[i])
				}
			}
		}
	}
}

// TestStateOfRows refuses state that would need the rows after the update.
func TestStateOfRows(t *testing.T) {
	g := remembering(4)
	g.State[2].When = ir.AfterUpdate
	_, err := compileTwin(g, segmentsOf(g), Options{Rows: 8})
	if err == nil || !strings.Contains(err.Error(), "must follow from parameters and state alone") {
		t.Errorf("a queue after the update: %v", err)
	}
}
