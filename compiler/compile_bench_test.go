package compiler_test

import (
	"fmt"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/spec"
)

// BenchmarkCompile compiles the training and the evaluation of a deep residual net.
func BenchmarkCompile(b *testing.B) {
	x := spec.Input("x", 32)
	y := x
	for i := range 400 {
		y = y.Then(spec.Residual(fmt.Sprintf("block%d", i), spec.Dense(32), spec.ReLU(), spec.Dense(32)))
	}
	m := spec.NewModel("residual", spec.MSE(y, x))
	if err := m.Err(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := compiler.Compile(m, compiler.Options{Rows: 32}); err != nil {
			b.Fatal(err)
		}
	}
}
