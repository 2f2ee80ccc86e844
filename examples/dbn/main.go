// Command dbn pretrains a stack as restricted Boltzmann machines, from the bottom up,
// unrolls the deep belief net into an autoencoder with untied weights, trains that
// further, and ships the encoder. It draws samples of digits from the top machine, the
// filters of its first layer, and reconstructions.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/picture"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func main() {
	digits := dataset.Digits()
	if err := run(train.SignalContext(), os.Stdout, "out/dbn", digits.Train, digits.Test, 20, 20, train.Bar); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, epochs, fine int, progress train.Progress) error {
	x := spec.Input("x", 784)
	enc := spec.Sequential("encoder",
		spec.Dense(500), spec.Sigmoid(), // hidden bits, as a Sigmoid says
		spec.Dense(250), spec.Sigmoid(),
		spec.Dense(30)) // linear units: the code

	bits := train.Options{Optimizer: optim.SGD(0.1).Momentum(0.9).EarlyMomentum(0.5, 5).Decay(2e-4), Epochs: epochs, Batch: 100, Progress: progress}
	linear := bits
	linear.Optimizer = optim.SGD(0.001).Momentum(0.9).EarlyMomentum(0.5, 5).Decay(2e-4)
	machines := pretrain.RBM(x, enc, rows, bits).Stage(3, linear)

	program := pretrain.NewProgram("dbn",
		machines,
		pretrain.EndToEnd(x, enc, rows, train.Options{Optimizer: optim.Adam(1e-3), Epochs: fine, Batch: 100, Progress: progress}).CrossEntropy().Untied())
	fmt.Fprintln(out, program)
	fit, err := program.Run(ctx, pretrain.Options{Dir: filepath.Join(dir, "training"), Needs: ort.Check})
	if err != nil {
		return err
	}
	net, err := machines.Machines(fit) // as they were before the net was trained further
	if err != nil {
		return err
	}
	if err := measure(ctx, out, dir, net, rows, test); err != nil {
		return err
	}
	if _, err := bundle.Write(ctx, filepath.Join(dir, "encoder"), fit.Net(x.Then(enc).Named("code")), test, ort.Runtime()); err != nil {
		return err
	}

	// Digits that were not trained on, over what the net makes of their codes.
	const n = 16
	in := test.Head(n).F32("x")
	y := x.Then(enc, spec.MirrorOf(enc, false), spec.Sigmoid()).Named("y")
	values, err := fit.Net(y).Run(ctx, map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{n, 784}, F32: in}})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "squared error of a digit from its code of 30 numbers: %.2f\n", distance(in, values["y"].F32)/n)
	return picture.Grid(filepath.Join(dir, "reconstructions.png"), 28, 28, pictures(in), pictures(values["y"].F32))
}

// measure says how well the first machine fits and draws what the net knows.
func measure(ctx context.Context, out io.Writer, dir string, net []*pretrain.Machine, rows, test *dataset.Table) error {
	first, n := net[0], min(500, rows.Len(), test.Len())
	seen, held := rows.Head(n).F32("x"), test.Head(n).F32("x")
	gap, err := first.FreeEnergyGap(seen, held)
	if err != nil {
		return err
	}
	pl, err := first.PseudoLikelihood(held, 1)
	if err != nil {
		return err
	}
	means := make([]float32, first.Visible) // of the digits: the estimate begins near them
	for i, v := range seen {
		means[i%first.Visible] += v / float32(n)
	}
	z, err := first.AIS(ctx, pretrain.AISOptions{Means: means, Chains: 40, Steps: 500})
	if err != nil {
		return err
	}
	ll, err := first.LogLikelihood(held, z.LogZ)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "first machine, digits not trained on: free energy %.1f above the others, log pseudo-likelihood %.0f, log likelihood at most about %.0f\n", gap, pl, ll)
	dreams, err := pretrain.Dream(net[:2], 16, 200, 1) // the machine below the code has bits, as the data have
	if err != nil {
		return err
	}
	return picture.Grid(filepath.Join(dir, "machines.png"), 28, 28, first.Filters(16), pictures(dreams))
}

func pictures(x []float32) (out [][]float32) {
	for ; len(x) > 0; x = x[784:] {
		out = append(out, x[:784])
	}
	return out
}

func distance(a, b []float32) (sum float64) {
	for i := range a {
		d := float64(a[i] - b[i])
		sum += d * d
	}
	return sum
}
