package pretrain

import (
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// Phase is a part of a program: made by [Greedy], [RBM], [EndToEnd], [Fit], [Freeze],
// [Unfreeze] or [Probe].
type Phase interface {
	// steps returns the trainings that the phase is, in order.
	steps(p *Program) []step
	// made is where the user wrote it.
	made() ir.Pos
}

// step is one training.
type step struct {
	name   string
	model  *spec.Model
	rows   dataset.Source
	opt    train.Options
	below  *spec.Value // what the training's rows are made of; nil for rows as they are
	column string      // that below becomes
	layers string      // for the table
	unit   string      // input whose values must be in [0, 1], "" for none
	under  []string    // layers of the stack that have been trained before

	probe   *ProbePhase     // what is measured instead of a training; nil for one
	extra   []string        // kinds of the losses beside the reconstruction's
	how     string          // of an RBM, in place of noise
	machine *spec.Boltzmann // of an RBM's stage
	bits    bool            // the rows' values must be in [0, 1]
	scaled  bool            // they should have mean 0 and variance 1
}

// FitPhase is made by [Fit].
type FitPhase struct {
	at    ir.Pos
	model *spec.Model
	rows  dataset.Source
	opt   train.Options
}

// Fit trains a model on rows, as train.Fit does, from what the phases before left
// of its parameters, which comes before Options.InitFrom. Options.Dir must be empty: it is
// the program's, as Progress is without one here.
func Fit(model *spec.Model, rows dataset.Source, o train.Options) *FitPhase {
	return &FitPhase{here(), model, rows, o}
}

func (f *FitPhase) steps(p *Program) []step {
	if f == nil {
		p.fail("a Fit phase is nil")
		return nil
	}
	if f.model == nil {
		p.fail("Fit: the model is nil")
		return nil
	}
	return []step{{name: f.model.Name(), model: f.model, rows: f.rows, opt: f.opt, layers: tops(f.model, f.opt.Freeze)}}
}

// StackPhase is made by [Greedy] and [EndToEnd].
type StackPhase struct {
	at      ir.Pos
	greedy  bool
	x       *spec.Value
	stack   *spec.SequentialLayer
	rows    dataset.Source
	opt     train.Options
	noise   spec.Layer
	corrupt bool
	untied  bool
	alpha   float64 // of Emphasis
	beta    float64
	weighs  bool
	penalty []func(code *spec.Value) *spec.Loss
	loss    func(prediction, target *spec.Value) *spec.Loss
	cross   bool
	decoder *spec.MirrorLayer
}

// Greedy trains a stack layer by layer (Bengio, Lamblin, Popovici and Larochelle
// 2007; with Corrupt: Vincent, Larochelle and others 2010): stage k is an
// autoencoder of the k-th layer with weights, such as Dense or one of your own that is a
// spec.Mirrored, with what belongs to it, and its mirror image (see spec.Divide).
// Its rows are the codes that the stages below give for x without noise, computed
// once when the stage begins; they are its target too, so that the noise is on its
// own input alone. Options hold for each stage.
//
// The decoder is the layer's transpose, tied, with a bias of its own, followed by
// the activations of the stage below; the first one is linear. The loss is
// spec.MSE. Mistakes: a layer has no mirror image; those of spec.Divide.
func Greedy(x *spec.Value, stack *spec.SequentialLayer, rows dataset.Source, o train.Options) *StackPhase {
	return &StackPhase{at: here(), greedy: true, x: x, stack: stack, rows: rows, opt: o, loss: spec.MSE}
}

// EndToEnd trains a stack and its mirror at once, as one autoencoder. After Greedy
// of the same stack, tied or not as this, it goes on with the decoders that the
// stages trained: pretraining, unrolling and fine-tuning of Hinton and
// Salakhutdinov 2006.
func EndToEnd(x *spec.Value, stack *spec.SequentialLayer, rows dataset.Source, o train.Options) *StackPhase {
	return &StackPhase{at: here(), x: x, stack: stack, rows: rows, opt: o, loss: spec.MSE}
}

// Corrupt puts noise on the input of each stage: spec.MaskingNoise,
// spec.GaussianNoise, spec.SaltAndPepper or spec.Dropout. The target stays clean.
func (s *StackPhase) Corrupt(noise spec.Layer) *StackPhase {
	return s.set(func() { s.noise, s.corrupt = noise, true })
}

// Emphasis multiplies the loss of the elements that the noise corrupted by alpha, and
// of the others by beta (Vincent, Larochelle and others 2010); beta 0 is
// full emphasis. It needs Corrupt with a noise that leaves some elements alone; see
// spec.Loss.Emphasis.
func (s *StackPhase) Emphasis(alpha, beta float64) *StackPhase {
	return s.set(func() { s.alpha, s.beta, s.weighs = alpha, beta, true })
}

// Penalty adds a loss of the code to that of the reconstruction: of each stage's in
// Greedy, of the whole stack's in EndToEnd. It may be given several times.
//
//	Penalty(func(code *spec.Value) *spec.Loss { return spec.KLSparsity(code, 0.05).Weight(0.1) })
func (s *StackPhase) Penalty(f func(code *spec.Value) *spec.Loss) *StackPhase {
	return s.set(func() { s.penalty = append(s.penalty, f) })
}

// Untied gives the decoders weights of their own. In EndToEnd, after RBM or Greedy
// trained tied ones, they start from these: the transposed weights and the decoders'
// biases (Hinton and Salakhutdinov 2006, unrolling; see spec.Untie).
func (s *StackPhase) Untied() *StackPhase { return s.set(func() { s.untied = true }) }

// Decoder makes the stages train the layers of this mirror of the stack, so that a
// model declared with it finds them trained. Tied or not is the mirror's.
func (s *StackPhase) Decoder(mirror *spec.MirrorLayer) *StackPhase {
	return s.set(func() { s.decoder = mirror })
}

// Loss sets the loss of prediction and target, which is spec.MSE if not set.
func (s *StackPhase) Loss(f func(prediction, target *spec.Value) *spec.Loss) *StackPhase {
	return s.set(func() { s.loss, s.cross = f, false })
}

// CrossEntropy sets the loss to the cross-entropy of the target and the sigmoid of
// the decoder before its activations (Vincent et al. 2010). Targets must be in [0, 1]:
// the rows, and the codes of a stage below, which must end in a Sigmoid.
func (s *StackPhase) CrossEntropy() *StackPhase {
	return s.set(func() { s.loss, s.cross = spec.BinaryCrossEntropy, true })
}

// set changes a phase that is not nil; NewProgram tells of one that is.
func (s *StackPhase) set(f func()) *StackPhase {
	if s != nil {
		f()
	}
	return s
}

func (f *FitPhase) made() ir.Pos {
	if f == nil {
		return ir.Pos{}
	}
	return f.at
}

func (s *StackPhase) made() ir.Pos {
	if s == nil {
		return ir.Pos{}
	}
	return s.at
}

// here is where the user wrote the call under way.
func here() ir.Pos {
	return ir.Here(func(f string) bool { return strings.HasPrefix(f, "github.com/lamina-ml/lamina/runtime/pretrain.") })
}
