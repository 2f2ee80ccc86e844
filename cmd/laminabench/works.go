package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// work is a training whose steps are measured, the same in every framework.
type work struct {
	name  string
	about string
	width int // of a row
	batch int
	macs  int // multiply-adds of a training step, a row: products forward, weight gradients, input gradients but the first layer's
	model func() *spec.Model
	optim optim.Optimizer
}

// works is every work of laminabench train.
var works = []work{
	{"tied-ae", "784-100-30 and back with tied weights, ReLU but for the output, squared error, Adam", 784, 256,
		6*(784*100+100*30) - 784*100, func() *spec.Model {
			enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
			return spec.Autoencoder("tied-ae", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
		}, optim.Adam(1e-3)},
	{"deep-ae", "784-1000-500-250-30 and back, ReLU but for the code and the output, squared error, Adam", 784, 256,
		6*(784*1000+1000*500+500*250+250*30) - 784*1000, func() *spec.Model {
			enc := spec.Sequential("encoder", spec.Dense(1000), spec.ReLU(), spec.Dense(500), spec.ReLU(), spec.Dense(250), spec.ReLU(), spec.Dense(30))
			return spec.Autoencoder("deep-ae", spec.Input("x", 784), enc, spec.Mirror("decoder", enc))
		}, optim.Adam(1e-3)},
	{"tiny-ae", "32-16-4 and back, ReLU but for the output, squared error, Adam: shows the cost of a step itself", 32, 32,
		6*(32*16+16*4) - 32*16, func() *spec.Model {
			enc := spec.Sequential("encoder", spec.Dense(16), spec.ReLU(), spec.Dense(4), spec.ReLU())
			return spec.Autoencoder("tiny-ae", spec.Input("x", 32), enc, spec.Mirror("decoder", enc))
		}, optim.Adam(1e-3)},
	{"rbm", "a contrastive divergence step of a 784-500 RBM of bits, SGD", 784, 100,
		5 * 784 * 500, func() *spec.Model { return spec.RBMModel("rbm", spec.Input("x", 784), 500) }, optim.SGD(0.1)},
}

func findWork(name string) (*work, error) {
	var names []string
	for i := range works {
		if works[i].name == name {
			return &works[i], nil
		}
		names = append(names, works[i].name)
	}
	return nil, fmt.Errorf("--work is one of %s; got %q", strings.Join(names, ", "), command.Clean(name))
}

// memoryRows is how many rows lie in memory.
const memoryRows = 8192

// rows makes uniform numbers, as many rows as fill whole batches.
func (w *work) rows(batch int) (*dataset.Table, error) {
	n := max(memoryRows-memoryRows%batch, batch)
	x := make([]float32, n*w.width)
	r := rand.NewPCG(1, 2)
	for i := 0; i+1 < len(x); i += 2 { // two draws of 24 bits from one of 64
		u := r.Uint64()
		x[i], x[i+1] = float32(u>>40)*0x1p-24, float32(u<<32>>40)*0x1p-24
	}
	return dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{w.width}}, F32: x})
}
