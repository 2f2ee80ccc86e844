package compiler

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
)

// convolutions are graphs of images with a loss, of one to three axes.
func convolutions() []*ir.Graph {
	var all []*ir.Graph
	for axes := 1; axes <= 3; axes++ {
		list := func(v ...int) ir.Axes { return ir.MakeAxes(v[:axes]...) }
		pads := append([]int{1, 0, 2}[:axes:axes], []int{0, 1, 1}[:axes]...)
		b := ir.NewBuilder("images")
		shape := append(ir.Shape{ir.Rows(), ir.Fixed(2)}, ir.ShapeOf([]int{6, 5, 4}[:axes]...)...)
		kernel := func(o, c int) ir.Type {
			return ir.T(ir.F32, ir.ShapeOf(append([]int{o, c}, []int{3, 2, 2}[:axes]...)...)...)
		}
		x := b.Input("x", ir.Type{DType: ir.F32, Shape: shape})
		w, v := b.Param("w", kernel(4, 1)), b.Param("v", kernel(4, 2))
		b.Layer = "layer"
		y := b.Op(ops.Conv{Strides: list(2, 1, 1), Dilations: list(1, 2, 1), Pads: ir.MakeAxes(pads...), Group: 2}, x, w, b.Param("b", ir.T(ir.F32, ir.Fixed(4))))
		y = b.Op(ops.MaxPool{Kernel: list(2, 1, 2), Pads: ir.MakeAxes(append(make([]int, axes), []int{1, 0, 0}[:axes]...)...)}, y)
		y = b.Op(ops.ConvTranspose{Strides: list(3, 2, 1), OutputPadding: list(2, 1, 0), Group: 1}, y, v)
		y = b.Op(ops.AveragePool{Kernel: list(2, 2, 1), CountPads: true}, y)
		loss := b.Op(ops.ReduceMean{}, b.Op(ops.Mul{}, y, y))
		loss.Name = lossName
		b.Output(loss)
		if err := b.Err(); err != nil {
			panic(err)
		}
		all = append(all, b.Graph)
	}
	return all
}

// FuzzCompile compiles graphs as they may come from a file: whatever is wrong
// with one is an error of the user's, never an internal one.
func FuzzCompile(f *testing.F) {
	files, _ := filepath.Glob(filepath.Join(goldenDir, "*", "*.txt"))
	for _, file := range files {
		f.Add(readGolden(f, file).before)
	}
	for seed := range uint64(5) {
		f.Add(ir.Format(randomModel(seed)))
		g, _ := randgraph.New(seed, randgraph.Options{Noise: true})
		f.Add(ir.Format(g))
	}
	for _, g := range convolutions() {
		f.Add(ir.Format(g))
	}
	f.Fuzz(func(t *testing.T, src string) {
		g, err := ir.Parse(src, ops.ByName)
		if err != nil {
			return
		}
		want := ir.Format(g)
		var internal *InternalError
		if _, err := CompileGraph(g, Options{Rows: 3, Lengths: map[string]int{"T": 4, "U": 2}}); errors.As(err, &internal) {
			t.Error(err, internal.Stack)
		}
		if _, err := Gradient(g, lossName); errors.As(err, &internal) {
			t.Error(err, internal.Stack)
		}
		if got := ir.Format(g); got != want {
			t.Errorf("the graph given was changed:\n%s\nfrom\n%s", got, want)
		}
	})
}
