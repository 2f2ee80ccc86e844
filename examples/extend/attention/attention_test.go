package attention_test

import (
	"math"
	"strings"
	"testing"

	"example.com/extend/attention"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

func TestAttention(t *testing.T) {
	spectest.Layer(t, func() spec.Layer { return attention.New(4, 2) }, 3, 4) // on f32[N 3 4]
}

// TestValue works one head of two steps out, and a free length beside a known one.
func TestValue(t *testing.T) {
	const steps, d = 2, 3
	for _, free := range []bool{false, true} {
		x := spec.Input("x", steps, d)
		if free {
			x = x.Free("T")
		}
		g, params, err := spec.GraphOf("g", x.Then(attention.New(d, 1)).Named("y"))
		if err != nil {
			t.Fatal(err)
		}
		in := []float64{1, -2, 0.5, 0, 1, 0.25}
		given := map[string]*ir.Tensor{"x": {DType: ir.F64, Shape: []int{1, steps, d}, F64: in}}
		for _, p := range params {
			w := ir.NewTensor(ir.F64, p.Type.Shape.Lengths()...)
			for i, v := range p.Initial(random.New(1)) {
				w.F64[i] = float64(v)
			}
			given[p.Name] = w
		}
		dense := func(x []float64, name string) []float64 {
			w, out := given["attention/"+name+"/w"].F64, make([]float64, len(x))
			for i := range x {
				for k := range d {
					out[i] += x[i/d*d+k] * w[k*d+i%d]
				}
			}
			return out
		}
		q, k, v := dense(in, "q"), dense(in, "k"), dense(in, "v")
		mixed := make([]float64, len(in))
		for i := range steps {
			var weight [steps]float64
			sum := 0.0
			for j := range steps {
				for c := range d {
					weight[j] += q[i*d+c] * k[j*d+c]
				}
				weight[j] = math.Exp(weight[j] / math.Sqrt(d))
				sum += weight[j]
			}
			for j := range steps {
				for c := range d {
					mixed[i*d+c] += weight[j] / sum * v[j*d+c]
				}
			}
		}
		env := &ir.Env{Binding: ir.RowsOf(1)}
		if free {
			env.Binding = env.Binding.With("T", steps)
		}
		vals, err := ir.Evaluate(g, env, given)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range dense(mixed, "out") {
			if got := vals[g.Outputs[0]].F64[i]; math.Abs(got-want) > 1e-9 {
				t.Errorf("free %v: element %d is %v, want %v", free, i, got, want)
			}
		}
	}
}

func TestMistake(t *testing.T) {
	err := spec.Input("x", 3, 4).Then(attention.New(4, 3)).Err()
	if err == nil || !strings.Contains(err.Error(), `layer "attention/reshape1": Reshape: 12 elements a row cannot become [0 3 1], which are 9 (x is f32[N 3 4])`) {
		t.Errorf("got %v", err)
	}
}
