package ort_test

import (
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
)

// TestTransposedProducts holds that onnxruntime computes products of transposes,
// which it fuses, as they are meant. A MatMul of a transpose and a vector it does not.
func TestTransposedProducts(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, text := range []string{
		`vector (f32[N N] x, f32[N] v) => (y) {
			f32[N N] t = Transpose<perm = [1 0]>(x)
			f32[N] y = MatMul(t, v)
		}`,
		`shared (f32[N N] x, f32[N] v) => (t, y) {
			f32[N N] t = Transpose<perm = [1 0]>(x)
			f32[N] y = MatMul(t, v)
		}`,
		`weight (f32[4 N] x) => (y) <f32[4] w> {
			f32[N 4] t = Transpose<perm = [1 0]>(x)
			f32[N] y = MatMul(t, w)
		}`,
		`moved (f32[N N] x, f32[N] v) => (y) {
			f32[N N] t = Transpose<perm = [1 0]>(x)
			f32[N N] a = Tanh(t)
			f32[N N] b = Abs(a)
			f32[N] y = MatMul(b, v)
		}`,
		`stack (f32[N 3 3] x, f32[3] v) => (y) {
			f32[N 3 3] t = Transpose<perm = [0 2 1]>(x)
			f32[N 3] y = MatMul(t, v)
		}`,
		`stacks (f32[N T 3 3] x) => (y) <f32[3] w> lengths (T = 4) {
			f32[N T 3 3] t = Transpose<perm = [0 1 3 2]>(x)
			f32[N T 3] y = MatMul(t, w)
		}`,
		`left (f32[N N] x, f32[N] v) => (y) {
			f32[N N] t = Transpose<perm = [1 0]>(x)
			f32[N] y = MatMul(v, t)
		}`,
		`still (f32[N N] x, f32[N N] z, f32[N] v) => (y) {
			f32[N N] t = Transpose<perm = [0 1]>(x)
			f32[N N] m = MatMul(t, z)
			f32[N N] y = Add(m, v)
		}`,
		`right (f32[N N] x, f32[N N] z, f32[N] v) => (y) {
			f32[N N] t = Transpose<perm = [0 1]>(x)
			f32[N N] m = MatMul(z, t)
			f32[N N] y = Add(m, v)
		}`,
		`late (f32[N N] x, f32[N N] z, f32[N] v) => (y) {
			f32[N N] m = MatMul(z, x)
			f32[N N] a = Add(m, v)
			f32[N N] y = Transpose<perm = [0 1]>(a)
		}`,
	} {
		g, err := ir.Parse(text, ops.ByName)
		if err != nil {
			t.Fatal(err)
		}
		file, err := onnxexport.Export(g, weights(g, 1), onnxexport.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := rt.Open(file)
		if err != nil {
			t.Fatalf("%s: %v", g.Name, err)
		}
		for _, rows := range []int{1, 3, 5} {
			onFile(t, g.Name, s, g, ir.RowsOf(rows).With("T", 4), 1)
		}
		s.Close()
	}
}
