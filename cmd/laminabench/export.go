package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func exportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "export WORK FILE",
		Short: "Write the net of a work as an ONNX file, for encode",
		Long: `Trains a work on a few batches of random rows, so that its batch statistics are
those of data, and writes the net as an ONNX file as one would ship it: batch
normalisation is folded into the convolutions. It is verified nowhere, and is
good for nothing but measuring its calls.`,
		Example: `  laminabench export resnet20 out/resnet20.onnx
  laminabench encode out/resnet20.onnx --batch 1,32`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error { return exportWork(c.Context(), args[0], args[1]) },
	}
	return c
}

// outputs are the values that a work's net computes, by the names they may have.
var outputs = []string{"logits", "reconstruction"}

func exportWork(ctx context.Context, name, path string) error {
	w, err := findWork(name)
	if err != nil {
		return err
	}
	m := w.model()
	var out *spec.Value
	for _, tap := range outputs {
		if v := m.Tap(tap); v.Err() == nil {
			out = v
		}
	}
	if out == nil {
		return fmt.Errorf("%s has no net to write", w.name)
	}
	const batches, rows = 3, 16
	table, err := w.rows(rows)
	if err != nil {
		return err
	}
	fit, err := train.Fit(ctx, m, table.Head(batches*rows), train.Options{Optimizer: w.optim, Epochs: 1, Batch: rows, KeepLast: true})
	if err != nil {
		return err
	}
	file, err := onnxexport.ExportNet(fit.Folded().Net(out), onnxexport.Options{})
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, file)
}
