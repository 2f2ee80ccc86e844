package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// work is a training whose steps are measured, the same in every framework.
type work struct {
	name  string
	about string
	shape []int // of a row
	batch int
	macs  int // multiply-adds of a training step, a row: products forward, weight gradients, input gradients but the first layer's
	model func() *spec.Model
	optim optim.Optimizer

	classes int // of the labels, random ones; 0 for no labels
}

// width is the number of elements of a row.
func (w *work) width() int { return ir.Elems(w.shape) }

// works is every work of laminabench train.
var works = []work{
	{"tied-ae", "784-100-30 and back with tied weights, ReLU but for the output, squared error, Adam", []int{784}, 256,
		6*(784*100+100*30) - 784*100, func() *spec.Model {
			enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
			return spec.Autoencoder("tied-ae", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
		}, optim.Adam(1e-3), 0},
	{"deep-ae", "784-1000-500-250-30 and back, ReLU but for the code and the output, squared error, Adam", []int{784}, 256,
		6*(784*1000+1000*500+500*250+250*30) - 784*1000, func() *spec.Model {
			enc := spec.Sequential("encoder", spec.Dense(1000), spec.ReLU(), spec.Dense(500), spec.ReLU(), spec.Dense(250), spec.ReLU(), spec.Dense(30))
			return spec.Autoencoder("deep-ae", spec.Input("x", 784), enc, spec.Mirror("decoder", enc))
		}, optim.Adam(1e-3), 0},
	{"tiny-ae", "32-16-4 and back, ReLU but for the output, squared error, Adam: shows the cost of a step itself", []int{32}, 32,
		6*(32*16+16*4) - 32*16, func() *spec.Model {
			enc := spec.Sequential("encoder", spec.Dense(16), spec.ReLU(), spec.Dense(4), spec.ReLU())
			return spec.Autoencoder("tiny-ae", spec.Input("x", 32), enc, spec.Mirror("decoder", enc))
		}, optim.Adam(1e-3), 0},
	{"rbm", "a contrastive divergence step of a 784-500 RBM of bits, SGD", []int{784}, 100,
		5 * 784 * 500, func() *spec.Model { return spec.RBMModel("rbm", spec.Input("x", 784), 500) }, optim.SGD(0.1), 0},
	{"conv-ae", "1x28x28 to 32 numbers and back: two 3x3 convolutions with ReLU and pooling, two transposed ones of 2x2, squared error, Adam", []int{1, 28, 28}, 256,
		2*784*9*16 + 3*(196*144*32+2*1568*32+49*32*64+196*16*4), convAutoencoder, optim.Adam(1e-3), 0},
	{"resnet20", "the residual net of 20 layers for 3x32x32 with 1x1 projections (He et al. 2016), batch normalisation, cross-entropy, SGD with momentum", []int{3, 32, 32}, 128,
		3*resnetMACs - 1024*27*16, resnet20, optim.SGD(0.1).Momentum(0.9), 10},
}

// convAutoencoder is the work conv-ae.
func convAutoencoder() *spec.Model {
	enc := spec.Sequential("encoder",
		spec.Conv(16, 3).Same(), spec.ReLU(), spec.MaxPool(2),
		spec.Conv(32, 3).Same(), spec.ReLU(), spec.MaxPool(2),
		spec.Flatten(), spec.Dense(32))
	dec := spec.Sequential("decoder", spec.Dense(1568), spec.ReLU(), spec.Reshape(32, 7, 7),
		spec.ConvTranspose(16, 2).Stride(2), spec.ReLU(), spec.ConvTranspose(1, 2).Stride(2))
	return spec.Autoencoder("conv-ae", spec.Input("x", 1, 28, 28), enc, dec)
}

// resnetMACs are the multiply-adds of resnet20 forward, a row: the stem, the blocks of
// 16, 32 and 64 channels, two projections and the classifier.
const resnetMACs = 1024*27*16 + 6*1024*144*16 + 256*144*32 + 5*256*288*32 + 64*288*64 + 5*64*576*64 +
	256*16*32 + 64*32*64 + 64*10

// resnet20 is the work of that name.
func resnet20() *spec.Model {
	logits := spec.Input("x", 3, 32, 32).Then(spec.ResNet20("net", spec.ProjectedShortcuts).Head(10)).Named("logits")
	return spec.NewModel("resnet20", spec.CrossEntropy(logits, spec.Labels("y", 10)))
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

// rows makes uniform numbers, and labels where the work has them, as many rows as fill
// whole batches.
func (w *work) rows(batch int) (*dataset.Table, error) {
	n := max(memoryRows-memoryRows%batch, batch)
	x := make([]float32, n*w.width())
	r := rand.NewPCG(1, 2)
	for i := 0; i+1 < len(x); i += 2 { // two draws of 24 bits from one of 64
		u := r.Uint64()
		x[i], x[i+1] = float32(u>>40)*0x1p-24, float32(u<<32>>40)*0x1p-24
	}
	data := []dataset.Data{{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: w.shape}, F32: x}}
	if w.classes > 0 {
		y := make([]int64, n)
		for i := range y {
			y[i] = int64(r.Uint64() % uint64(w.classes))
		}
		data = append(data, dataset.Data{Column: dataset.Column{Name: "y", DType: dataset.I64}, I64: y})
	}
	return dataset.NewTable(data...)
}
