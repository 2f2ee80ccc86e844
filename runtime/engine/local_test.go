package engine_test

import (
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/spec"
)

// pooled compiles a convolutional autoencoder with pools.
func pooled(t *testing.T) *plan.Plan {
	t.Helper()
	x := spec.Input("x", 1, 28, 28)
	enc := spec.Sequential("encoder", spec.Conv(16, 3).Same(), spec.ReLU(), spec.MaxPool(2), spec.Conv(20, 3).Same(), spec.ReLU(), spec.MaxPool(3).Stride(2), spec.Flatten(), spec.Dense(20))
	y := x.Then(enc).Then(spec.Sequential("decoder", spec.Dense(784), spec.Reshape(1, 28, 28)))
	prog, err := compiler.Compile(spec.NewModel("m", spec.MSE(y, x)), compiler.Options{Rows: 64})
	if err != nil {
		t.Fatal(err)
	}
	return prog.Train
}

// TestPooledIsLocal: what is pooled is in the worker's memory, and not beside what is made when it has been
// pooled.
func TestPooledIsLocal(t *testing.T) {
	p := pooled(t)
	x := ir.NewTensor(ir.F32, 64, 1, 28, 28)
	for i := range x.F32 {
		x.F32[i] = float32(i*i%97)/48 - 1
	}
	in := map[string]*ir.Tensor{"x": x}
	var want []float32
	for _, workers := range []int{1, 2, 3} {
		e, _, u := stepper(t, p, workers)
		locals, pools := e.Locals(), 0
		for i := range p.Steps {
			s := &p.Steps[i]
			if s.Op == nil || s.Op.Name() != "MaxPoolWinnersLast" {
				continue
			}
			pools++
			if name := p.Buffers[s.In[0]].Name; workers > 1 && !slices.Contains(locals, name) {
				t.Errorf("%s is pooled and not local; local are %v", name, locals)
			}
		}
		if pools != 2 {
			t.Fatalf("%d pools remember their winners", pools)
		}
		for range 2 {
			if err := e.Run(in, 64, u); err != nil {
				t.Fatal(err)
			}
			u.T++
		}
		if all := e.Store().All(); want == nil {
			want = slices.Clone(all)
		} else if !equal(all, want) {
			t.Errorf("%d workers: other bits", workers)
		}
	}
}

// TestLocalsShare: values that a step needs at the same time lie apart in a worker's memory, and others share it.
func TestLocalsShare(t *testing.T) {
	for _, p := range []*plan.Plan{pooled(t), autoencoder(t, 784, 100, 30, compiler.Options{Rows: 256}).Train} {
		e, _, _ := stepper(t, p, 2)
		shared := 0
		for i := range p.Phases {
			for j := range p.Phases[i].Groups {
				g := &p.Phases[i].Groups[j]
				spots := e.Spots(g)
				for a, x := range spots {
					for b, y := range spots {
						if a >= b || x.End <= y.At || y.End <= x.At {
							continue
						}
						if p.Buffers[a].Offset == p.Buffers[b].Offset {
							continue // one is made in the place of the other
						}
						shared++
						firstX, lastX := uses(p, g, a)
						firstY, lastY := uses(p, g, b)
						if firstX <= lastY && firstY <= lastX {
							t.Errorf("%s: %s is needed from step %d to %d, %s from %d to %d, and they lie in one place", p.Name, p.Buffers[a].Name, firstX, lastX, p.Buffers[b].Name, firstY, lastY)
						}
					}
				}
			}
		}
		if shared == 0 {
			t.Errorf("%s: no values share memory", p.Name)
		}
	}
}

// uses returns the first and the last step, of those of a group, that uses a buffer.
func uses(p *plan.Plan, g *plan.Group, buffer int) (first, last int) {
	first = len(g.Steps)
	for i, id := range g.Steps {
		if slices.Contains(p.Steps[id].In, buffer) || slices.Contains(p.Steps[id].Out, buffer) {
			first, last = min(first, i), i
		}
	}
	return first, last
}
