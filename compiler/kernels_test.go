package compiler

import (
	"fmt"
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/opcase"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// TestKernels runs the case files of all ops, one node each, through lower and
// the engine, by whatever kernel the engine has, and compares with the reference
// meaning of the rounded operands.
func TestKernels(t *testing.T) {
	cases, err := opcase.Load("../testdata/ops")
	if err != nil || len(cases) == 0 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	fast := map[string]bool{}
	for _, c := range cases {
		if c.Error != "" {
			continue
		}
		t.Run(c.File+"/"+c.Name, func(t *testing.T) {
			g, err := c.Graph(ops.ByName)
			if err != nil {
				t.Fatal(err)
			}
			env := c.Env
			if env.Binding.Rows() == 0 {
				env.Binding = ir.RowsOf(1)
			}
			fed, oracle := engine.Feed{}, map[string]*ir.Tensor{}
			for i, v := range g.Inputs {
				x := c.In[i].Tensor.To(v.Type.DType)
				fed[v.Name], oracle[v.Name] = x, x
			}
			if env.UpdateRows == 0 {
				env.UpdateRows = env.Binding.Rows()
			}
			vals, err := ir.Evaluate(g, &env, oracle)
			if err != nil {
				t.Fatal(err)
			}
			p, err := lower(g, lowerOptions{capacity: roomier(env.Binding)})
			if err != nil {
				t.Fatal(err)
			}
			for _, grain := range []int{1, 100} {
				q := cutBy(p, grain)
				e, _ := engineOf(t, q, fed, 2)
				for id := range q.Steps {
					if k := e.Kernel(id); k != "reference" {
						fast[c.File] = true
					}
				}
				u := &engine.Update{UpdateRows: env.UpdateRows, FirstRow: env.FirstRow, Seed: env.Seed, Step: env.Update}
				if err := e.RunAt(fed, env.Binding, u); err != nil {
					t.Fatal(err)
				}
				for _, v := range g.Outputs {
					if d := differs(e.Output(v.Name), vals[v]); d != "" {
						t.Errorf("%s with tasks of %d: %s", v.Name, grain, d)
					}
				}
			}
		})
	}
	if len(fast) < 60 {
		t.Errorf("only %d ops have a kernel", len(fast))
	}
}

// differs compares a result in its dtype with the oracle's.
func differs(got, want *ir.Tensor) string {
	if got == nil || fmt.Sprint(got.Shape) != fmt.Sprint(want.Shape) {
		return fmt.Sprintf("got %+v, want shape %v", got, want.Shape)
	}
	want = want.To(got.DType)
	for i := range want.Len() {
		if got.DType.Integer() && got.Int(i) != want.Int(i) {
			return fmt.Sprintf("element %d: got %s, want %s", i, got.Text(i), want.Text(i))
		}
		a, b := got.At(i), want.At(i)
		if a == b || a != a && b != b || math.Abs(a-b) <= 4e-6*math.Max(math.Abs(b), 1e-3) {
			continue
		}
		return fmt.Sprintf("element %d: got %v, want %v", i, a, b)
	}
	return ""
}

// roomier is a capacity above the lengths of a run.
func roomier(b ir.Binding) ir.Binding {
	for _, name := range append([]string{ir.Batch}, b.Free()...) {
		n, _ := b.Of(name)
		b = b.With(name, n+3)
	}
	return b
}
