package pretrain

import (
	"context"
	"errors"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
)

// measuredRows is how many rows, the first ones, a machine is measured on.
const measuredRows = 10000

// errEnough ends the reading of rows.
var errEnough = errors.New("enough rows")

// machineMetrics adds to the record of an RBM's stage what its machine is on the
// rows that it saw and on held-out ones, if there are any, under the names of the
// methods of Machine.
func (s *step) machineMetrics(ctx context.Context, e train.Earlier, rows, valid dataset.Source) error {
	m, err := machineOf(e, s.machine)
	if err != nil {
		return err
	}
	for prefix, src := range map[string]dataset.Source{"train/": rows, "valid/": valid} {
		if src == nil {
			continue
		}
		sums, err := m.measure(ctx, src, s.column, s.opt.Seed)
		if err != nil {
			return err
		}
		for name, x := range sums {
			e.Phase.Metrics[prefix+name] = x
		}
	}
	if valid != nil {
		e.Phase.Metrics["free_energy_gap"] = e.Phase.Metrics["valid/free_energy"] - e.Phase.Metrics["train/free_energy"]
	}
	return nil
}

// measure returns the means over the first rows, a part at a time.
func (m *Machine) measure(ctx context.Context, src dataset.Source, column string, seed uint64) (map[string]float64, error) {
	sums, n := map[string]float64{}, 0
	add := func(b dataset.Batch) error {
		x := b.F32(column)
		f, err := m.FreeEnergy(x)
		if err != nil {
			return err
		}
		for _, v := range f {
			sums["free_energy"] += v
		}
		r, err := m.ReconstructionError(x)
		if err != nil {
			return err
		}
		sums["reconstruction_error"] += r * float64(b.Rows)
		if !m.Gaussian {
			p, err := m.PseudoLikelihood(x, seed+uint64(n)) // other bits in each part
			if err != nil {
				return err
			}
			sums["pseudo_likelihood"] += p * float64(b.Rows)
		}
		if n += b.Rows; n >= measuredRows {
			return errEnough
		}
		return nil
	}
	if err := dataset.Each(ctx, src, codeRows, add); err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	for name := range sums {
		sums[name] /= float64(n)
	}
	return sums, nil
}
