package engine_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// TestKernelSetsAgree trains a model of every activation, noise and loss with
// each kernel set and each optimizer: losses and parameters have the same bits.
func TestKernelSetsAgree(t *testing.T) {
	old := simd.Active()
	defer func() {
		if err := simd.Select(old); err != nil {
			t.Error(err)
		}
	}()
	x := spec.Input("x", 37)
	noisy := x.Then(spec.MaskingNoise(0.2), spec.GaussianNoise(0.1), spec.SaltAndPepper(0.1))
	norms := spec.Layers(spec.LayerNorm(), spec.HardSwish(), spec.RMSNorm(), spec.SiLU(), spec.Reshape(3, 11), spec.GroupNorm(1), spec.LayerNorm().NoBias(),
		spec.BatchNorm().Axis(0), spec.BatchNorm(), spec.InstanceNorm(), spec.Dropout(0.1).ByChannel(), spec.Flatten(), spec.GroupNorm(3))
	code := noisy.Then(spec.Dense(33), norms, spec.ReLU(), spec.Dense(21), spec.GELU(), spec.Dropout(0.2), spec.Dense(19), spec.Softplus(),
		spec.Dense(18), spec.ELU(), spec.Dense(17), spec.SELU(), spec.Dense(16), spec.LeakyReLU(), spec.Dense(15), spec.Tanh(), spec.Dense(9), spec.Softmax(-1))
	logits := code.Then(spec.Dense(37))
	labels := spec.Labels("y", 9)
	m := spec.NewModel("sets", spec.MSE(logits.Then(spec.Sigmoid()), x), spec.BinaryCrossEntropy(logits, x),
		spec.Huber(logits, x, 0.3), spec.CrossEntropy(code.Then(spec.Dense(9)), labels))
	const rows = 40
	p, err := compiler.Compile(m, compiler.Options{Rows: rows})
	if err != nil {
		t.Fatal(err)
	}
	in := engine.Feed{"x": rowsOf(rows, 37), "y": ir.NewTensor(ir.I64, rows)}
	for i := range in["x"].F32 {
		in["x"].F32[i] = min(in["x"].F32[i], 1)
	}
	for i := range in["y"].I64 {
		in["y"].I64[i] = int64(i % 9)
	}
	for _, opt := range []optim.Optimizer{optim.Adam(1e-2), optim.AdamW(1e-2, 0.1), optim.SGD(0.05), optim.SGD(0.05).Momentum(0.9).Nesterov().Decay(0.01), optim.RMSProp(1e-3)} {
		var want []float32
		for _, set := range simd.Available() {
			if err := simd.Select(set); err != nil {
				t.Fatal(err)
			}
			e, s := start(t, p.Train, 2, opt.Slots())
			var got []float32
			for i := range 4 {
				u := &engine.Update{Opt: opt, T: int64(i + 1), Rate: 1e-2, Seed: 3, Step: uint64(i)}
				if err := e.Run(in, rows, u); err != nil {
					t.Fatal(err)
				}
				got = append(got, e.Output("loss").F32[0])
			}
			e.Close()
			if got = append(got, s.All()...); want == nil {
				want = got
			}
			for i := range got {
				if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
					t.Errorf("%s: %s gives %v for value %d (four losses, then parameters), %s gives %v", opt.Name(), set, got[i], i, simd.Available()[0], want[i])
					break
				}
			}
			if fmt.Sprint(got[0]) == fmt.Sprint(got[3]) {
				t.Errorf("%s, %s: the loss stays %v", opt.Name(), set, got[0])
			}
		}
	}
}
