package train

import (
	"maps"
	"runtime/debug"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// newRecord returns the facts of the training that ship with it.
func newRecord(r *Result) (engine.Record, error) {
	hash, err := r.dataHash()
	if err != nil {
		return engine.Record{}, err
	}
	phases, err := r.Phases()
	if err != nil {
		return engine.Record{}, err
	}
	ranges, err := dataset.Ranges(r.rows)
	if err != nil {
		return engine.Record{}, err
	}
	columns := map[string]engine.Range{}
	for _, c := range ranges {
		columns[c.Column] = engine.Range{Min: c.Min, Max: c.Max}
	}
	metrics := r.metrics()
	for i := len(phases) - 1; i >= 0 && phases[i].Probe != ""; i-- { // of the same parameters
		maps.Copy(metrics, phases[i].Metrics)
	}
	return engine.Record{
		Seed: r.settings.Seed, DataHash: hash, Rows: r.rows.Len(), Columns: columns, Metrics: metrics,
		Classes: r.settings.Classes, Program: r.program,
		Phases:   phases,
		SpecText: ir.File(r.prog.Graph), ModelHash: r.prog.Hash, Kernels: kernels(),
		Versions: map[string]string{"lamina": moduleVersion()},
	}, nil
}

// dataHash is the hash of the rows, computed when first needed.
func (r *Result) dataHash() (string, error) {
	if r.hash == "" {
		h, err := dataset.Hash(r.rows)
		if err != nil {
			return "", err
		}
		r.hash = h
	}
	return r.hash, nil
}

// metrics are those of the weights that the result has.
func (r *Result) metrics() map[string]float64 {
	last := r.shipped()
	metrics := map[string]float64{"train/loss": last.Train.Loss}
	add := func(prefix string, v Values) {
		for name, x := range v.Losses {
			metrics[prefix+name] = x
		}
		for name, x := range v.Metrics {
			metrics[prefix+name] = x
		}
	}
	add("train/", last.Train)
	if last.Validated {
		metrics["valid/loss"] = last.Valid.Loss
		add("valid/", last.Valid)
	}
	return metrics
}

// shipped returns the epoch whose weights the result has.
func (r *Result) shipped() Epoch {
	if !r.settings.KeepLast && r.Best > 0 && r.Best <= len(r.History) && r.Last().Validated {
		return r.History[r.Best-1]
	}
	return r.Last()
}

// moduleVersion returns the version of Lamina that the program was built with.
func moduleVersion() string {
	const module = "github.com/lamina-ml/lamina"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	v := ""
	if info.Main.Path == module {
		v = info.Main.Version
	}
	for _, d := range info.Deps {
		if d.Path == module {
			v = d.Version
		}
	}
	if v = strings.Trim(v, "()"); v == "" {
		return "devel"
	}
	return v
}
