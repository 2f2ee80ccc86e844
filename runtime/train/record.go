package train

import (
	"maps"
	"math"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"

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
	columns, err := r.columns()
	if err != nil {
		return engine.Record{}, err
	}
	metrics := r.metrics()
	for i := len(phases) - 1; i >= 0 && phases[i].Probe != ""; i-- { // of the same parameters
		maps.Copy(metrics, phases[i].Metrics)
	}
	executable := ""
	for _, p := range phases {
		if p.Recipe != nil && len(p.Recipe.Lacks) > 0 && executable == "" {
			executable = programHash()
		}
	}
	schema, classes := dataset.SchemaOf(r.rows), r.opt.Classes
	if named := schema.Classes(); len(classes) == 0 && checkClasses(named, r.model.Limits()) == nil {
		classes = named
	}
	return engine.Record{
		Schema:   schema,
		Averaged: r.averaged, Folded: r.folded, Executable: executable,
		Seed: r.opt.Seed, DataHash: hash, Rows: r.rows.Len(), Columns: columns, Metrics: metrics,
		Classes: classes, Program: r.program,
		Phases:   phases,
		SpecText: ir.File(r.prog.Graph), ModelHash: r.prog.Hash, Kernels: r.kernels,
		Versions: map[string]string{"lamina": moduleVersion()},
	}, nil
}

// measured is what a result says of its rows: read once, when first needed, however
// many Nets and phases ask.
type measured struct {
	mu      sync.Mutex
	hashes  map[dataset.Source]string
	columns map[string]engine.Range
}

func newMeasured(t *Trainer) *measured {
	m := &measured{hashes: map[dataset.Source]string{}}
	if t.opt.Valid != nil {
		m.keep(t.opt.Valid, t.validHash)
	}
	m.keep(t.rows, t.hash)
	return m
}

// keep remembers a hash, of a source that can be told from others.
func (m *measured) keep(src dataset.Source, hash string) {
	if hash != "" && reflect.ValueOf(src).Comparable() {
		m.hashes[src] = hash
	}
}

// dataHash is the hash of the rows.
func (r *Result) dataHash() (string, error) { return r.measured.hashOf(r.rows) }

// hashOf is the hash of rows.
func (m *measured) hashOf(src dataset.Source) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if reflect.ValueOf(src).Comparable() {
		if h, ok := m.hashes[src]; ok {
			return h, nil
		}
	}
	h, err := dataset.Hash(src)
	if err == nil {
		m.keep(src, h)
	}
	return h, err
}

// columns are the ranges of the rows.
func (r *Result) columns() (map[string]engine.Range, error) {
	r.measured.mu.Lock()
	defer r.measured.mu.Unlock()
	if r.measured.columns == nil {
		ranges, err := dataset.Ranges(r.rows)
		if err != nil {
			return nil, err
		}
		r.measured.columns = map[string]engine.Range{}
		for _, c := range ranges {
			r.measured.columns[c.Column] = engine.Range{Min: alike(c.Min), Max: alike(c.Max)}
		}
	}
	return maps.Clone(r.measured.columns), nil
}

// alike returns one number for all, if all are the same.
func alike(x []float64) []float64 {
	for _, v := range x {
		if math.Float64bits(v) != math.Float64bits(x[0]) {
			return x
		}
	}
	return x[:min(len(x), 1):min(len(x), 1)]
}

// sameSource reports whether two sources are one.
func sameSource(a, b dataset.Source) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	return x.IsValid() && y.IsValid() && x.Comparable() && y.Comparable() && a == b
}

// metrics are those of the weights that the result has.
func (r *Result) metrics() engine.Metrics {
	last := r.shipped()
	metrics := engine.Metrics{"train/loss": last.Train.Loss}
	own := r.averaged == r.opt.ValidAverage // what was measured are the parameters of this result
	add := func(prefix string, v Values) {
		for name, x := range v.Losses {
			metrics[prefix+name] = x
		}
		for name, x := range v.Metrics {
			if own {
				metrics[prefix+name] = x
			}
		}
	}
	add("train/", last.Train)
	if last.Validated && own {
		metrics["valid/loss"] = last.Valid.Loss
		add("valid/", last.Valid)
	}
	return metrics
}

// shipped returns the epoch whose weights the result has.
func (r *Result) shipped() Epoch {
	if !r.opt.KeepLast && r.Best > 0 && r.Best <= len(r.History) && r.Last().Validated {
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
