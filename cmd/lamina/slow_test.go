package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/export/bundle"
)

// Who runs a model is told which of its ops have no fast kernel, and what share of the
// work that is; nobody is told of a model that has none such.
func TestSlowOpsAreTold(t *testing.T) {
	b := ir.NewBuilder("slow")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(2), ir.Fixed(3)))
	y := b.Op(ops.Softmax{Axis: 1}, x)
	y.Name = "y"
	b.Output(y)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	g, err := compiler.Front(b.Graph, true)
	if err != nil {
		t.Fatal(err)
	}
	dir := ship(t, g, nil)
	net, err := bundle.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	slow := net.Slow()
	if slow.Share == 0 {
		t.Fatal("everything here has a kernel: give this test an op that has none")
	}
	in := saveNPY(t, []int{2, 2, 3}, make([]float32, 12)...)
	out := filepath.Join(t.TempDir(), "y.npy")
	for _, args := range [][]string{
		{"run", dir, "--engine", onLamina, "--input", in, "--output", out},
		{"run", dir, "--engine", onBoth, "--input", in, "--output", out},
		{"encode", dir, "--input", in, "--output", out},
	} {
		if r := lamina(t, nil, args...); r.Status != 0 || strings.Count(r.Stderr, slow.String()) != 1 {
			t.Errorf("%v: wanted %q once: %+v", args, slow, r)
		}
	}
	for _, args := range [][]string{
		{"run", dir, "--engine", onORT, "--input", in, "--output", out},
		{"encode", dir, "--quiet", "--input", in, "--output", out},
		{"run", save(t, linear()), "--engine", onLamina, "--input", saveNPY(t, []int{1, 2}, float32(1), 2), "--output", out},
	} {
		if r := lamina(t, nil, args...); r.Status != 0 || r.Stderr != "" {
			t.Errorf("%v: %+v", args, r)
		}
	}
}
