package compiler

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
)

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
