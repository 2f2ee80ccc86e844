package pretrain

import (
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// Phase is a part of a program. It is made by [Greedy], [RBM], [EndToEnd], [Fit],
// [Freeze], [Unfreeze] or [Probe].
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

// Fit trains a model on rows, as train.Fit does. Its parameters start from what earlier
// phases left, which takes precedence over Options.InitFrom. Options.Dir must be empty,
// since the program sets it; Progress is the program's unless given here.
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
// autoencoder of the k-th layer with weights, such as Dense or your own spec.Mirrored,
// with the layers that belong to it, and its mirror image (see spec.Divide). Its rows are
// the codes that the stages below give for x without noise, computed once when the stage
// begins. They are its target too, so noise is on the stage's own input alone. Options
// apply to each stage.
//
// The decoder is the layer's transpose, tied, with its own bias, followed by the
// activations of the stage below; the first decoder is linear. The loss is spec.MSE. Mistakes: a layer has no mirror image; those of spec.Divide.
func Greedy(x *spec.Value, stack *spec.SequentialLayer, rows dataset.Source, o train.Options) *StackPhase {
	return &StackPhase{at: here(), greedy: true, x: x, stack: stack, rows: rows, opt: o, loss: spec.MSE}
}

// EndToEnd trains a stack and its mirror at once, as one autoencoder. After a Greedy of
// the same stack, equally tied or untied, it continues with the decoders that the stages
// trained: the pretraining, unrolling and fine-tuning of Hinton and Salakhutdinov 2006.
func EndToEnd(x *spec.Value, stack *spec.SequentialLayer, rows dataset.Source, o train.Options) *StackPhase {
	return &StackPhase{at: here(), x: x, stack: stack, rows: rows, opt: o, loss: spec.MSE}
}

// Corrupt puts noise on the input of each stage: spec.MaskingNoise,
// spec.GaussianNoise, spec.SaltAndPepper or spec.Dropout. The target stays clean.
func (s *StackPhase) Corrupt(noise spec.Layer) *StackPhase {
	return s.set(func() { s.noise, s.corrupt = noise, true })
}

// Emphasis multiplies the loss of the elements that the noise corrupted by alpha, and
// that of the others by beta (Vincent, Larochelle and others 2010); beta 0 is full
// emphasis. It needs Corrupt with a noise that leaves some elements unchanged; see
// spec.Loss.Emphasis.
func (s *StackPhase) Emphasis(alpha, beta float64) *StackPhase {
	return s.set(func() { s.alpha, s.beta, s.weighs = alpha, beta, true })
}

// Penalty adds a loss on the code to that of the reconstruction: on each stage's code in
// Greedy, on the whole stack's in EndToEnd. It may be given several times.
//
//	Penalty(func(code *spec.Value) *spec.Loss { return spec.KLSparsity(code, 0.05).Weight(0.1) })
func (s *StackPhase) Penalty(f func(code *spec.Value) *spec.Loss) *StackPhase {
	return s.set(func() { s.penalty = append(s.penalty, f) })
}

// Untied gives the decoders weights of their own. In EndToEnd, if RBM or Greedy trained
// tied ones before, they start from the transposed weights and the decoders' biases
// (Hinton and Salakhutdinov 2006, unrolling; see spec.Untie).
func (s *StackPhase) Untied() *StackPhase { return s.set(func() { s.untied = true }) }

// Decoder makes the stages train the layers of the given mirror of the stack, so that a
// model declared with it finds them trained. The mirror decides whether they are tied.
func (s *StackPhase) Decoder(mirror *spec.MirrorLayer) *StackPhase {
	return s.set(func() { s.decoder = mirror })
}

// Loss sets the loss of prediction and target; the default is spec.MSE.
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
