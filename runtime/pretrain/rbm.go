package pretrain

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// RBMPhase is made by [RBM].
type RBMPhase struct {
	at       ir.Pos
	x        *spec.Value
	stack    *spec.SequentialLayer
	rows     dataset.Source
	opt      train.Options
	stages   map[int]train.Options
	decoder  *spec.MirrorLayer
	gaussian bool
	sampled  bool
	gibbs    int
	chains   int
	persist  bool
	target   float64
	cost     float64
	sparse   bool
}

// RBM trains a stack layer by layer as restricted Boltzmann machines (Hinton 2002;
// Hinton, Osindero and Teh 2006): a deep belief net. Stage k trains the weights and
// hidden biases of the k-th Dense layer and the biases of its image in the stack's own
// tied mirror. Its data are the codes that the stages below give for x, computed once
// when the stage begins. Hidden units are bits where a Sigmoid follows the layer, and linear where
// nothing does; visible units are bits, whose data are probabilities in [0, 1].
//
// Afterwards Fit trains a classifier on the stack, and EndToEnd the unrolled
// autoencoder, with tied weights or, with Untied, weights of its own that start from these.
//
// Options apply to each stage; Stage gives one its own. The loss F(v0) - F(vk) does not
// say how far the training has come, so the last weights are kept instead of those with
// the best validation loss. Look at loss/reconstruction1, and at a stage's record when it
// ends: free energy, reconstruction error and pseudo-likelihood of the first rows and of
// the validation rows, and the gap between the free energies.
// Mistakes: those of spec.RBMs.
func RBM(x *spec.Value, stack *spec.SequentialLayer, rows dataset.Source, o train.Options) *RBMPhase {
	return &RBMPhase{at: here(), x: x, stack: stack, rows: rows, opt: o, gibbs: 1, stages: map[int]train.Options{}}
}

// Stage sets the options of stage k, from 1: linear units need a rate a hundredth of
// that of bits.
func (s *RBMPhase) Stage(k int, o train.Options) *RBMPhase {
	return s.set(func() { s.stages[k] = o })
}

// Gaussian makes the visible units of the first stage real numbers of unit variance
// (see spec.Boltzmann.Gaussian).
func (s *RBMPhase) Gaussian() *RBMPhase { return s.set(func() { s.gaussian = true }) }

// Sampled makes the stages above the first learn from bits, drawn anew at each step
// from the probabilities that the stages below give.
func (s *RBMPhase) Sampled() *RBMPhase { return s.set(func() { s.sampled = true }) }

// CD sets the number of Gibbs steps; the default is 1.
func (s *RBMPhase) CD(steps int) *RBMPhase { return s.set(func() { s.gibbs = steps }) }

// Persistent makes each stage keep that many chains (Tieleman 2008).
func (s *RBMPhase) Persistent(chains int) *RBMPhase {
	return s.set(func() { s.chains, s.persist = chains, true })
}

// Sparse sets a target for the mean of hidden bits (see spec.Boltzmann.Sparse).
func (s *RBMPhase) Sparse(target, cost float64) *RBMPhase {
	return s.set(func() { s.target, s.cost, s.sparse = target, cost, true })
}

// Decoder makes the stages train the biases of the given mirror of the stack, which
// must be tied.
func (s *RBMPhase) Decoder(mirror *spec.MirrorLayer) *RBMPhase {
	return s.set(func() { s.decoder = mirror })
}

func (s *RBMPhase) set(f func()) *RBMPhase {
	if s != nil {
		f()
	}
	return s
}

func (s *RBMPhase) made() ir.Pos {
	if s == nil {
		return ir.Pos{}
	}
	return s.at
}

// steps declares the models of the stages.
func (s *RBMPhase) steps(p *Program) []step {
	switch {
	case s == nil:
		p.fail("an RBM phase is nil")
		return nil
	case s.x == nil || s.stack == nil:
		p.fail("RBM: the value and the stack must not be nil")
		return nil
	}
	code := s.x.Then(s.stack)
	if p.add(code.Err()) {
		return nil
	}
	mirror := s.mirror()
	if p.add(code.Then(mirror).Err()) {
		return nil
	}
	machines, err := s.machines()
	if p.add(err) {
		return nil
	}
	stack, err := spec.Divide(s.stack, mirror)
	if p.add(err) {
		return nil
	}
	for k := range s.stages {
		if k < 1 || k > len(machines) {
			p.fail("RBM: Stage: the stack has stages 1 to %d, got %d", len(machines), k)
		}
	}
	below := s.x.Then(stack.Before...)
	var under []string
	var out []step
	for k, stage := range stack.Stages {
		o, own := s.stages[k+1]
		if !own {
			o = s.opt
		}
		st := step{name: s.name(k), rows: s.rows, opt: o, below: below, column: "code",
			under: slices.Clone(under), layers: stage.Name + ", " + stage.Mirror}
		if in := inputOf(below); in != "" {
			st.below, st.column = nil, in
		}
		t := below.Type()
		if t.DType != ir.F32 || t.Rank() != 2 || t.Shape[1:].Symbolic() {
			p.fail("RBM: stage %d: its input must be f32[N …] of rank 2, got %s; put a spec.Flatten before the first Dense layer", k+1, t)
			return nil
		}
		m := machines[k]
		st.machine, st.how = m, fmt.Sprintf("CD-%d", s.gibbs)
		if s.persist {
			st.how = fmt.Sprintf("PCD-%d, %d chains", s.gibbs, s.chains)
		}
		if s.sampled && k > 0 {
			st.how += ", sampled"
		}
		if s.gaussian && k == 0 {
			st.how += ", Gaussian"
		}
		if _, linear := m.Units(); s.sparse && !linear {
			st.how += fmt.Sprintf(", Sparse(%v, %v)", s.target, s.cost)
		}
		st.scaled, st.bits = k == 0 && s.gaussian, k == 0 && !s.gaussian
		if !s.fits(p, k, &st) {
			return nil
		}
		v := spec.Input(st.column, t.Shape[1:].Lengths()...)
		st.model = spec.NewModel(st.name, m.Losses(v)...)
		if p.add(st.model.Err()) {
			return nil
		}
		out = append(out, st)
		below = below.Then(stage.Encode...)
		under = append(under, stage.Name)
	}
	return out
}

// name is that of stage k, from 0.
func (s *RBMPhase) name(k int) string { return fmt.Sprintf("%s-rbm%d", spec.NameOf(s.stack), k+1) }

func (s *RBMPhase) mirror() *spec.MirrorLayer {
	if s.decoder != nil {
		return s.decoder
	}
	return spec.MirrorOf(s.stack, true)
}

// machines returns the machines of the stages, which must have been placed.
func (s *RBMPhase) machines() ([]*spec.Boltzmann, error) {
	list, err := spec.RBMs(s.stack, s.mirror())
	for k, m := range list {
		m = m.CD(s.gibbs)
		if s.persist {
			m = m.Persistent(s.chains)
		}
		if _, linear := m.Units(); s.sparse && !linear {
			m = m.Sparse(s.target, s.cost)
		}
		if s.sampled && k > 0 {
			m = m.Sampled()
		}
		if s.gaussian && k == 0 {
			m = m.Gaussian()
		}
		list[k] = m
	}
	return list, err
}

// fits refuses options that an RBM cannot honour, and makes it keep the last
// weights and show what says something.
func (s *RBMPhase) fits(p *Program, k int, st *step) bool {
	o := &st.opt
	switch {
	case len(o.Freeze) > 0:
		p.fail("RBM: Options.Freeze is %q, but a stage trains one layer; leave it out", o.Freeze)
	case len(o.Metrics) > 0:
		p.fail("RBM: Options.Metrics must be empty: the rows of a stage are codes")
	case len(o.InitFrom) > 0:
		p.fail("RBM: Options.InitFrom must be empty; put a Fit or EndToEnd that has it before")
	case o.Patience > 0:
		p.fail("RBM: Options.Patience is %d, but the loss of an RBM does not say when it is best; set Epochs", o.Patience)
	default:
		o.KeepLast = true
		if o.Show == "" { // the loss goes either way however well it trains
			o.Show = "loss/reconstruction1"
			if s.persist {
				o.Show = "loss/contrast1"
			}
		}
		return true
	}
	return false
}
