package yardstick

import (
	"context"
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
)

// input is what a recipe is measured on.
type input struct {
	digits    *dataset.Split // or those of the cell's data set; Test is nil if that has no rows of its own to test
	folder    string         // of the cell's data set, "" for the digits
	seed      uint64
	workers   int
	precision optim.Precision // of products in training
	dir       string          // of checkpoints, "" for none
	progress  train.Progress
}

// numbers are what a recipe gives: the cell's value, and others by name.
type numbers struct {
	value float64
	also  map[string]float64
}

// recipe measures one cell. It encodes to JSON, which is all that its numbers
// depend on besides the data and the seed.
type recipe interface {
	measure(ctx context.Context, in *input) (numbers, error)
}

// run runs a program of phases in the recipe's folder.
func (in *input) run(ctx context.Context, p *pretrain.Program) (*train.Result, error) {
	return p.Run(ctx, pretrain.Options{Dir: in.dir, Progress: in.progress})
}

// phase are the options of a phase of a program, which keeps the last weights. The program says where its checkpoints are.
func (in *input) phase(o optim.Optimizer, epochs, batch int) train.Options {
	return train.Options{Optimizer: o, Epochs: epochs, Batch: batch, Seed: in.seed, Workers: in.workers, Precision: in.precision, KeepLast: true}
}

// training are the options of a training by itself, in the recipe's folder.
func (in *input) training(o optim.Optimizer, epochs, batch int) train.Options {
	t := in.phase(o, epochs, batch)
	t.Dir, t.Progress = in.dir, in.progress
	return t
}

// each calls part with the outputs of the net for the rows of x, some at a time,
// in order.
func each(ctx context.Context, net *engine.Net, x []float32, part func(first int, y []float32)) error {
	const rows = 2000
	if err := net.Err(); err != nil {
		return err
	}
	width := ir.Elems(net.Inputs()[0].Type.Shape[1:].Lengths())
	name, out := net.Inputs()[0].Name, net.Graph().Outputs[0].Name
	for i := 0; i*width < len(x); i += rows {
		n := min(rows, len(x)/width-i)
		y, err := net.Run(ctx, map[string]*ir.Tensor{name: {DType: ir.F32, Shape: []int{n, width}, F32: x[i*width:][:n*width]}})
		if err != nil {
			return err
		}
		part(i, y[out].F32)
	}
	return nil
}

// errorRate is the percentage of rows whose greatest output is not that of the label.
func errorRate(ctx context.Context, net *engine.Net, rows *dataset.Table) (float64, error) {
	if err := net.Err(); err != nil {
		return 0, err
	}
	out, wrong := net.Graph().Outputs[0].Name, 0
	err := net.Each(ctx, rows, func(b dataset.Batch, y map[string]*ir.Tensor) error {
		labels := b.I64("y")
		if len(labels) != b.Rows {
			return fmt.Errorf("the rows have no labels; they have %v", rows.Columns())
		}
		classes := len(y[out].F32) / b.Rows
		for i, label := range labels {
			best, z := 0, y[out].F32[i*classes:][:classes]
			for j := range z {
				if z[j] > z[best] {
					best = j
				}
			}
			if int64(best) != label {
				wrong++
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("yardstick: %w", err)
	}
	return 100 * float64(wrong) / float64(rows.Len()), nil
}

// squaredError is the mean over rows of the squared differences between the net's
// outputs and its inputs, summed over a row.
func squaredError(ctx context.Context, net *engine.Net, rows *dataset.Table) (float64, error) {
	x, sum := rows.F32("x"), 0.0
	width := 0
	err := each(ctx, net, x, func(first int, y []float32) {
		if width == 0 {
			width = len(x) / rows.Len()
		}
		for i, v := range x[first*width:][:len(y)] {
			d := float64(v) - float64(y[i])
			sum += d * d
		}
	})
	return sum / float64(rows.Len()), err
}
