package pretrain

import (
	"context"
	"log/slog"
	"math"
	"testing"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestMachineMetrics compares what the record says of each stage with what its machine
// gives for the rows and their codes, more of them than are measured at a time.
func TestMachineMetrics(t *testing.T) {
	rows, held := patterns(2*codeRows+40), patterns(300).Select([]int{290, 291, 292, 293, 294})
	x, stack := spec.Input("x", 6), spec.Sequential("s", spec.Dense(5), spec.Sigmoid(), spec.Dense(4), spec.Sigmoid())
	o := train.Options{Optimizer: optim.SGD(0.1), Epochs: 2, Batch: 50, Seed: 2, Valid: held, Log: slog.New(slog.DiscardHandler)}
	phase := RBM(x, stack, rows, o)
	r, err := NewProgram("p", phase).Run(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := phase.Machines(r)
	if err != nil {
		t.Fatal(err)
	}
	phases, err := r.Phases()
	if err != nil {
		t.Fatal(err)
	}
	near := func(name string, got, want float64) {
		t.Helper()
		if !(math.Abs(got-want) <= 1e-5*(1+math.Abs(want))) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	parts := map[string][]float32{"train/": rows.F32("x"), "valid/": held.F32("x")}
	for k, m := range list {
		got := phases[k].Metrics
		for prefix, v := range parts {
			f, err := m.FreeEnergy(v)
			if err != nil {
				t.Fatal(err)
			}
			mean := 0.0
			for _, e := range f {
				mean += e / float64(len(f))
			}
			near(prefix+"free_energy", got[prefix+"free_energy"], mean)
			e, err := m.ReconstructionError(v)
			if err != nil {
				t.Fatal(err)
			}
			near(prefix+"reconstruction_error", got[prefix+"reconstruction_error"], e)
			sum := 0.0
			for n := 0; n < len(f); n += codeRows {
				end := min(n+codeRows, len(f))
				p, err := m.PseudoLikelihood(v[n*m.Visible:end*m.Visible], o.Seed+uint64(n))
				if err != nil {
					t.Fatal(err)
				}
				sum += p * float64(end-n)
			}
			near(prefix+"pseudo_likelihood", got[prefix+"pseudo_likelihood"], sum/float64(len(f)))
			if parts[prefix], err = m.HiddenMeans(v); err != nil {
				t.Fatal(err)
			}
		}
		near("free_energy_gap", got["free_energy_gap"], got["valid/free_energy"]-got["train/free_energy"])
		if got["free_energy_gap"] == 0 {
			t.Error("the gap is 0")
		}
	}
}
