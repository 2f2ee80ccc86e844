package randmodel

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

func TestModelsAreSoundAndVaried(t *testing.T) {
	names := map[string]bool{}
	for seed := range uint64(200) {
		m := New(seed)
		if err := m.Err(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		g, err := m.Graph()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		h, err := ir.Parse(ir.Format(g), ops.ByName)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if ir.Format(h) != ir.Format(g) {
			t.Fatalf("seed %d: the text form does not read back", seed)
		}
		for _, n := range g.Nodes {
			names[n.Op.Name()] = true
		}
	}
	if len(names) < 40 {
		t.Fatalf("only %d kinds of ops occur: %v", len(names), names)
	}
	for _, op := range []ir.Op{ops.Exp{}, ops.Log{}, ops.Sqrt{}, ops.Abs{}, ops.Div{}, ops.Pow{}, ops.Max{}, ops.Min{}, ops.Greater{}, ops.Where{},
		ops.ReduceSum{}, ops.ReduceMean{}, ops.ReduceMax{}, ops.Slice{}, ops.Concat{}, ops.Transpose{}, ops.OneHot{}} {
		if !names[op.Name()] {
			t.Errorf("no formula has %s", op.Name())
		}
	}
}

// TestImagesAreSoundAndVaried wants every kind of geometry among the models of images.
func TestImagesAreSoundAndVaried(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(200) {
		m := Images(seed)
		if err := m.Err(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		g, err := m.Graph()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, n := range g.Nodes {
			name := n.Op.Name()
			seen[name]++
			if name == "Conv" || name == "ConvTranspose" || name == "MaxPool" || name == "AveragePool" {
				seen[fmt.Sprintf("%s of %d axes", name, n.In[0].Type.Rank()-2)]++
			}
			above := func(what string, a ir.Axes, least int) {
				if slices.ContainsFunc(a.Slice(), func(v int) bool { return v > least }) {
					seen[name+" "+what]++
				}
			}
			switch op := n.Op.(type) {
			case ops.Conv:
				above("strides", op.Strides, 1)
				above("dilations", op.Dilations, 1)
				above("pads", op.Pads, 0)
				above("groups", ir.MakeAxes(op.Group), 1)
			case ops.ConvTranspose:
				above("strides", op.Strides, 1)
				above("dilations", op.Dilations, 1)
				above("pads", op.Pads, 0)
				above("groups", ir.MakeAxes(op.Group), 1)
				above("output padding", op.OutputPadding, 0)
			case ops.MaxPool:
				above("pads", op.Pads, 0)
			case ops.AveragePool:
				above("pads", op.Pads, 0)
				if op.CountPads {
					seen["AveragePool counted pads"]++
				}
			}
		}
		if m.Batch {
			seen["statistics of the batch"]++
		}
	}
	for _, what := range []string{"Conv of 1 axes", "Conv of 2 axes", "Conv of 3 axes", "Conv strides", "Conv dilations", "Conv pads", "Conv groups",
		"ConvTranspose of 1 axes", "ConvTranspose of 2 axes", "ConvTranspose of 3 axes", "ConvTranspose strides", "ConvTranspose dilations", "ConvTranspose pads",
		"ConvTranspose groups", "ConvTranspose output padding", "MaxPool of 1 axes", "MaxPool of 2 axes", "MaxPool of 3 axes", "MaxPool pads",
		"AveragePool of 1 axes", "AveragePool of 2 axes", "AveragePool of 3 axes", "AveragePool pads", "AveragePool counted pads", "BatchNormTraining", "InstanceNorm", "ChannelDropout",
		"ReduceMax", "ReduceMean", "Expand", "Concat", "statistics of the batch"} {
		if seen[what] < 3 {
			t.Errorf("%s occurs %d times", what, seen[what])
		}
	}
	t.Log(seen)
}
