package compiler

import (
	"fmt"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

// TestGrainOfRows holds the rows of a task against the weights that it reads.
func TestGrainOfRows(t *testing.T) {
	for _, c := range []struct {
		hidden, rows, want int
	}{
		{100, 256, 64},
		{100, 96, 48},
		{1600, 256, 128}, // 784 by 1600, and its twin: 10 MB
		{1600, 4096, 512},
		{1600, 200, 104},
		{1600, 100, 56},
	} {
		enc := spec.Sequential("encoder", spec.Dense(c.hidden), spec.ReLU())
		m := spec.Autoencoder("m", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
		p, err := Compile(m, Options{Rows: c.rows})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, ph := range p.Train.Phases {
			for _, g := range ph.Groups {
				if g.Length == ir.Rows() {
					got = fmt.Sprint(g.Grain)
				}
			}
		}
		if got != fmt.Sprint(c.want) {
			t.Errorf("hidden %d, %d rows: %s a task, want %d", c.hidden, c.rows, got, c.want)
		}
	}
}
