package train

import (
	"maps"
	"slices"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// Earlier is what a phase of a longer program leaves to the phases after it.
type Earlier struct {
	Params []spec.Param
	States []spec.State         // those that phases carry on (see spec.State.Carried)
	Values map[string][]float32 // of Params and States, by name
	Phase  engine.Phase
}

// Earlier returns what r leaves to the phases after it. Names and shapes are those of
// the model; the values are copies.
func (r *Result) Earlier() (Earlier, error) {
	if r.err != nil {
		return Earlier{}, r.err
	}
	p, err := r.phase()
	if err != nil {
		return Earlier{}, err
	}
	e := Earlier{Params: slices.Clone(r.prog.Params), Values: map[string][]float32{}, Phase: p}
	for name, v := range r.params {
		e.Values[name] = slices.Clone(v)
	}
	for _, s := range r.model.States() {
		if s.Carried() {
			e.States = append(e.States, s)
			e.Values[s.Name] = slices.Clone(r.states[s.Name])
		}
	}
	return e, nil
}

// After returns r as the last training of a program. Its Nets also have the parameters
// that only other phases trained. Their record has the program's table and lists every
// phase, including r's own and those that followed it. rows are the data that the program
// was given, which may differ from those that r was trained on.
func (r *Result) After(program string, rows dataset.Source, phases ...Earlier) *Result {
	out := *r
	out.params = maps.Clone(r.params)
	out.earlier = slices.Clone(phases)
	out.program, out.rows = program, rows
	if !sameSource(rows, r.rows) {
		out.measured = &measured{hashes: map[dataset.Source]string{}}
	}
	return &out
}

// Phases returns the records of the program's phases, or only that of the training if
// there is no program.
//
// Errors: those of reading the rows.
func (r *Result) Phases() ([]engine.Phase, error) {
	var out []engine.Phase
	for _, e := range r.earlier {
		out = append(out, e.Phase)
	}
	if len(out) > 0 {
		return out, nil
	}
	p, err := r.phase()
	return []engine.Phase{p}, err
}

// Before returns what the phases of the program before this one left, in order.
func (r *Result) Before() []Earlier { return slices.Clone(r.earlier) }

// value returns the elements of a parameter: the result's own, else those of the
// last phase before that has it.
func (r *Result) value(p spec.Param) ([]float32, bool) {
	if w, ok := r.params[p.Name]; ok && same(r.prog.Params, p) {
		return w, true
	}
	for i := len(r.earlier) - 1; i >= 0; i-- {
		e := &r.earlier[i]
		if w, ok := e.Values[p.Name]; ok && same(e.Params, p) {
			return w, true
		}
	}
	return nil, false
}

// state returns what a variable was when the parameters of the result were, nil if no
// phase has it.
func (r *Result) state(s spec.State) []float32 {
	for _, own := range r.model.States() {
		if own.Same(s) {
			return r.states[own.Name]
		}
	}
	for i := len(r.earlier) - 1; i >= 0; i-- {
		for _, q := range r.earlier[i].States {
			if q.Same(s) {
				return r.earlier[i].Values[q.Name]
			}
		}
	}
	return nil
}

// same reports whether the parameter is one of these, not another layer's of the
// same name.
func same(params []spec.Param, p spec.Param) bool {
	return slices.ContainsFunc(params, func(q spec.Param) bool { return q.Name == p.Name && q.Same(p) })
}

// phase is the record of the training itself.
func (r *Result) phase() (engine.Phase, error) {
	hash, err := r.dataHash()
	var start []engine.Start
	for _, i := range r.starts {
		start = append(start, engine.Start{Pattern: i.Pattern, Loaded: i.Loaded, Hash: i.Hash, Phases: i.Phases})
	}
	recipe := r.recipe()
	precision := ""
	if r.opt.Precision.Narrow() {
		precision = r.opt.Precision.String()
	}
	average := 0.0
	if r.averaged {
		average = r.opt.Average
	}
	best := 0
	if r.opt.BestBy != (By{}) {
		best = r.Best
	}
	return engine.Phase{Name: r.prog.Name, BestBy: r.opt.BestBy.String(), Best: best, Average: average, Precision: precision, Epochs: len(r.History), Updates: r.Last().Updates, Batch: r.opt.Batch,
		Rows: r.rows.Len(), Chosen: dataset.Chosen(r.rows), DataHash: hash, Synthetic: dataset.SyntheticShare(r.rows), Seed: r.opt.Seed, Augment: r.opt.Augment.String(), Frozen: r.opt.Freeze,
		Optimizer: r.opt.Optimizer.Describe(), Metrics: r.metrics(), Start: start, Recipe: recipe}, err
}
