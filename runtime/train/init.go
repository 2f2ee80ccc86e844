package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// Tensors are named arrays that parameters may start from, such as those of
// CheckpointTensors, NetTensors and FileTensors. They are only read, and only by New.
type Tensors interface {
	Names() []string
	// Tensor returns an array in row-major order, or false if there is none with that
	// name.
	Tensor(name string) (shape []int, data []float32, ok bool)
}

// From makes the parameters that Pattern names (see optim.Match; "*" is all) start
// from tensors of the same names instead of from their initializers. A layer's running
// statistics belong to its parameters and are loaded too, and so are constants that it would
// fit to the rows, which it then does not. The optimizer's state starts
// from zero.
//
//	old, err := train.NetTensors(net) // of bundle.Open
//	train.Options{InitFrom: []train.From{{Tensors: old, Pattern: "encoder"}}}
//
// It is an error if, of a layer's parameters that Pattern names, some have a fitting
// tensor and others do not, since the layer would be half trained. Partly allows it.
type From struct {
	Tensors Tensors
	Pattern string
	Partly  bool
}

// InitReport says what one From of Options.InitFrom did. Names are in the model's order,
// followed by names that the model does not have, in the source's order.
type InitReport struct {
	Pattern string    `json:"pattern"`
	Loaded  []string  `json:"loaded"`            // parameters that start from the source
	Skipped []Skipped `json:"skipped,omitempty"` // tensors of the source that match the pattern but fit no parameter
	Missing []string  `json:"missing,omitempty"` // parameters that match the pattern but are not in the source
	Hash    string    `json:"hash"`              // SHA-256 of the loaded tensors: names, shapes, bits

	Phases []engine.Phase `json:"phases,omitempty"` // phases that trained the source, if it is from NetTensors
}

// Skipped is a tensor that was not loaded.
type Skipped struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// String returns the report in one line for each list.
func (r InitReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q: %d loaded: %s", r.Pattern, len(r.Loaded), strings.Join(r.Loaded, ", "))
	if len(r.Skipped) > 0 {
		fmt.Fprintf(&b, "\n%d skipped: %s", len(r.Skipped), skips(r.Skipped))
	}
	if len(r.Missing) > 0 {
		fmt.Fprintf(&b, "\n%d missing: %s", len(r.Missing), strings.Join(r.Missing, ", "))
	}
	return b.String()
}

func skips(list []Skipped) string {
	var s []string
	for _, x := range list {
		s = append(s, fmt.Sprintf("%q (%s)", x.Name, x.Why))
	}
	return strings.Join(s, ", ")
}

// InitReports says what Options.InitFrom did, with one report for each entry. For a
// resumed training they are those of its start.
func (t *Trainer) InitReports() []InitReport { return slices.Clone(t.state.InitFrom) }

// InitReports returns those of the Trainer.
func (r *Result) InitReports() []InitReport { return slices.Clone(r.starts) }

// load is what a parameter starts from.
type load struct {
	name string
	src  []float32
}

// initFrom loads what Options.InitFrom asks for, in order; a later entry wins. A
// parameter that starts as the copy of one that is loaded, and is not itself,
// follows it. It changes no parameter unless all entries can be loaded.
//
// Errors: those of Options.starts.
func (t *Trainer) initFrom() error {
	reports, loads, err := t.opt.starts(t.model)
	if err != nil {
		return err
	}
	t.state.InitFrom = reports
	loaded := map[string]bool{}
	t.running = map[string][]float32{}
	for _, m := range loads {
		if loaded[m.name] = true; t.store.Param(m.name) == nil {
			t.running[m.name] = m.src // set when the states start
			continue
		}
		copy(t.store.Param(m.name), m.src)
	}
	for more := true; more; { // a mirror starts as its encoder does, and its own mirror too
		more = false
		for _, p := range t.prog.Params {
			if of, ok := p.Like(); ok && loaded[of.Name] && !loaded[p.Name] {
				copy(t.store.Param(p.Name), p.FromLike(t.store.Param(of.Name)))
				loaded[p.Name], more = true, true
			}
		}
	}
	t.store.Touch()
	return nil
}

// starts finds what the parameters start from.
//
// Errors: no source; a pattern that is malformed, or by which nothing is loaded; a
// source whose data do not fill their shape or are not finite; a layer that would
// be loaded in part.
func (o *Options) starts(m *spec.Model) (reports []InitReport, loads []load, err error) {
	if len(o.InitFrom) == 0 {
		return nil, nil, nil
	}
	g, err := m.Graph()
	if err != nil {
		return nil, nil, err
	}
	params, ties := targets(m), tiesOf(g, m.Params())
	wrong := func(i int, err error) error {
		return fmt.Errorf("train: Options.InitFrom[%d], %q: %w", i, o.InitFrom[i].Pattern, err)
	}
	loaded := map[string]bool{}
	for i, f := range o.InitFrom {
		if f.Tensors == nil {
			return nil, nil, wrong(i, errors.New("it has no tensors"))
		}
		if err := optim.CheckPattern(f.Pattern); err != nil {
			return nil, nil, wrong(i, err)
		}
		report, src, err := matching(params, ties, f)
		if err != nil {
			return nil, nil, wrong(i, err)
		}
		for k, name := range report.Loaded {
			loads = append(loads, load{name, src[k]})
			loaded[name] = true
		}
		report.Phases = phasesOf(f.Tensors)
		reports = append(reports, report)
	}
	for i, f := range o.InitFrom {
		if err := whole(params, f, reports[i], loaded); err != nil && !f.Partly {
			return nil, nil, wrong(i, err)
		}
	}
	return reports, loads, nil
}

// target is what may start from a tensor: a parameter, running statistics, which belong
// to the parameters of their layer, or constants that would be fitted.
type target struct {
	name, layer string
	shape       []int
	like        string // parameter as which it starts otherwise, "" for none
}

func targets(m *spec.Model) (all []target) {
	for _, p := range m.Params() {
		t := target{name: p.Name, layer: p.Layer, shape: p.Type.Shape.Lengths()}
		if of, ok := p.Like(); ok {
			t.like = of.Name
		}
		all = append(all, t)
	}
	for _, s := range m.States() {
		if s.Carried() {
			layer, _, _ := cutLast(s.Name)
			all = append(all, target{name: s.Name, layer: layer, shape: s.Type.Shape.Lengths()})
		}
	}
	return all
}

// whole refuses layers of which an entry loads one parameter, while another that it
// names comes from nowhere.
func whole(params []target, f From, r InitReport, loaded map[string]bool) error {
	why := map[string]string{}
	for _, s := range r.Skipped {
		why[s.Name] = s.Why
	}
	took := map[string]bool{}
	for _, name := range r.Loaded {
		took[name] = true
	}
	fits := map[string]string{} // a parameter of each layer that is loaded
	for _, p := range params {
		if took[p.name] {
			fits[p.layer] = p.name
		}
	}
	var errs []error
	for _, p := range params {
		if fits[p.layer] == "" || loaded[p.name] || p.like != "" && loaded[p.like] || !optim.Match(f.Pattern, p.name) {
			continue
		}
		reason := why[p.name]
		if reason == "" {
			reason = "the source has none of this name"
		}
		errs = append(errs, fmt.Errorf("layer %q would start half from the source: %q fits, %q does not (%s); mend the source, give a pattern that names less, or set Partly to take what fits",
			p.layer, fits[p.layer], p.name, reason))
	}
	return errors.Join(errs...)
}

// matching finds the source's tensor for every parameter that the pattern names.
func matching(params []target, ties map[string][]string, f From) (InitReport, [][]float32, error) {
	r := InitReport{Pattern: f.Pattern}
	var data [][]float32
	sum := sha256.New()
	own := map[string]bool{}
	matched := 0
	for _, p := range params {
		own[p.name] = true
		if !optim.Match(f.Pattern, p.name) {
			continue
		}
		matched++
		want := p.shape
		got, err := loadFrom(f.Tensors, p.name, want)
		shape, x := got.shape, got.data
		switch {
		case err != nil:
			return r, nil, err
		case !got.ok:
			r.Missing = append(r.Missing, p.name)
			continue
		case got.why != "":
			r.Skipped = append(r.Skipped, Skipped{p.name, got.why})
			continue
		case !slices.Equal(shape, want):
			r.Skipped = append(r.Skipped, Skipped{p.name, fmt.Sprintf("its shape is %v, the parameter's %v", shape, want)})
			continue
		case len(x) != ir.Elems(want):
			return r, nil, fmt.Errorf("tensor %q of shape %v holds %d elements", p.name, shape, len(x))
		}
		fmt.Fprintf(sum, "%q %v\n", p.name, shape)
		for i, v := range x {
			if !finite(float64(v)) {
				return r, nil, fmt.Errorf("tensor %q is not finite: element %d is %v", p.name, i, v)
			}
		}
		hashFloats(sum.Write, x)
		r.Loaded, data = append(r.Loaded, p.name), append(data, x)
	}
	there := 0
	for _, name := range f.Tensors.Names() {
		if !optim.Match(f.Pattern, name) {
			continue
		}
		there++
		if !own[name] {
			own[name] = true // once, if the source has it twice
			why := "the model has no parameter of this name"
			if layer, _, ok := cutLast(name); ok && len(ties[layer]) > 0 {
				why += fmt.Sprintf(": %s uses %s", layer, strings.Join(ties[layer], ", "))
			}
			r.Skipped = append(r.Skipped, Skipped{name, why})
		}
	}
	r.Hash = hex.EncodeToString(sum.Sum(nil))
	switch {
	case matched == 0 && there == 0:
		return r, nil, errors.New("the pattern matches no parameter of the model and no tensor of the source; parameters are named as in Model.Summary")
	case matched == 0:
		return r, nil, fmt.Errorf("the pattern matches no parameter of the model; the source has %s", few(skips(r.Skipped)))
	case there == 0:
		return r, nil, fmt.Errorf("the pattern matches no tensor of the source, which has %s; the model has %s: Renamed gives tensors the model's names",
			few(strings.Join(f.Tensors.Names(), ", ")), few(strings.Join(r.Missing, ", ")))
	case len(r.Loaded) == 0:
		return r, nil, fmt.Errorf("nothing that matches can be loaded; skipped: %s", few(skips(r.Skipped)))
	}
	return r, data, nil
}

// few cuts a list for a message.
func few(s string) string {
	const most = 500
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func hashFloats(write func([]byte) (int, error), data []float32) {
	var buf [4096]byte
	for len(data) > 0 {
		n := min(len(data), len(buf)/4)
		for i, x := range data[:n] {
			binary.LittleEndian.PutUint32(buf[4*i:], math.Float32bits(x))
		}
		_, _ = write(buf[:4*n]) // a hash returns no error
		data = data[n:]
	}
}

// CheckpointTensors returns the parameters and the state in a checkpoint, from the best
// epoch if the checkpoint keeps them: what its training would have shipped.
func CheckpointTensors(f *checkpoint.File) Tensors {
	all := map[string]*checkpoint.Tensor{}
	if f == nil {
		f = &checkpoint.File{}
	}
	for i := range f.Tensors {
		all[f.Tensors[i].Name] = &f.Tensors[i]
	}
	out := &named{byName: map[string]*checkpoint.Tensor{}}
	for i := range f.Tensors {
		x := &f.Tensors[i]
		if of := stateOf(x.Name); of != "" && all[of] != nil {
			continue
		}
		name := x.Name
		if of, ok := strings.CutPrefix(name, statePrefix); ok {
			if b := all[bestStatePrefix+of]; b != nil {
				x = b
			}
			name = of
		} else if b := all[bestPrefix+name]; b != nil {
			x = b
		}
		out.names = append(out.names, name)
		out.byName[name] = x
	}
	return out
}

// stateOf returns the parameter that a tensor of a checkpoint belongs to, "" if it
// is none of the optimizer's and of the best epoch's.
func stateOf(name string) string {
	if of, ok := strings.CutPrefix(name, bestPrefix); ok {
		return of
	}
	if of, ok := strings.CutPrefix(name, bestStatePrefix); ok {
		return statePrefix + of
	}
	if slot, ok := strings.CutPrefix(name, slotPrefix); ok {
		_, of, _ := strings.Cut(slot, "/")
		return of
	}
	return ""
}

// NetTensors returns the parameters of a trained function, such as one that
// bundle.Open read. The record of a training that starts from them has the function's
// phases.
//
// Errors: that of the Net.
func NetTensors(n *engine.Net) (Tensors, error) {
	if err := n.Err(); err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	out := &named{byName: map[string]*checkpoint.Tensor{}, phases: n.Record().Phases}
	data := n.Params()
	for _, v := range n.Graph().Params {
		if x, ok := data[v.Name]; ok && v.Type.DType == ir.F32 {
			out.names = append(out.names, v.Name)
			out.byName[v.Name] = &checkpoint.Tensor{Name: v.Name, Shape: v.Type.Shape.Lengths(), Data: x}
		}
	}
	return out, nil
}

// phasesOf are those that trained a source, if it is of NetTensors.
func phasesOf(src Tensors) []engine.Phase {
	switch s := src.(type) {
	case *named:
		return s.phases
	case *renamed:
		return phasesOf(s.src)
	}
	return nil
}

// named is Tensors by a map.
type named struct {
	names  []string
	byName map[string]*checkpoint.Tensor
	phases []engine.Phase
}

func (s *named) Names() []string { return slices.Clone(s.names) }

func (s *named) Tensor(name string) (shape []int, data []float32, ok bool) {
	x := s.byName[name]
	if x == nil {
		return nil, nil, false
	}
	return x.Shape, x.Data, true
}
