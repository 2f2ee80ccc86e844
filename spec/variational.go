package spec

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// Reparameterize draws a code from a normal distribution, z = mean +
// exp(logvar/2)·ε with ε standard normal, so that gradients reach both (Kingma and
// Welling 2014, section 2.4). It draws in training only: what ships computes mean.
// Mistakes: the two have different types.
func Reparameterize(mean, logvar *Value) *Value {
	return join("Reparameterize", joinOp(ops.Reparameterize{}), mean, logvar)
}

// KLNormal is the divergence of a normal distribution with independent elements
// from the unit normal, ½·Σ(mean² + exp(logvar) - 1 - logvar): the sum over the
// elements of a code, mean over the rows (Kingma and Welling 2014, appendix B).
// Mistakes: the two have different types.
func KLNormal(mean, logvar *Value) *Loss {
	return penalty("KLNormal", func(b *Builder, x ...*ir.Value) *ir.Value {
		m, s := x[0], x[1]
		if !m.Type.Equal(s.Type) {
			return b.Errorf("mean and logvar must have one type, got %s and %s", m.Type, s.Type)
		}
		v := b.Op(ops.Sub{}, b.Op(ops.Exp{}, s), s)
		v = b.Op(ops.Add{}, b.Op(ops.Mul{}, m, m), b.Op(ops.Sub{}, v, b.Const(1)))
		return rowMean(b, b.Op(ops.Mul{}, v, b.Const(0.5)))
	}, mean, logvar)
}

// VariationalModel is a variational autoencoder, made by [Variational].
type VariationalModel struct {
	*Model
	made                   site
	likelihood, divergence *Loss
}

// Variational is the variational autoencoder of data in [0, 1] (Kingma and Welling
// 2014). Dense layers named mean and logvar, latent wide, are placed on the encoder; the
// decoder gives logits of the input's shape. The loss is the negative evidence lower
// bound of a row in nats: the cross-entropy summed over the elements, plus the divergence
// of the codes from the unit normal, which Beta weights.
//
// Its taps are "mean" and "logvar"; "code", which is drawn in training and is the mean
// elsewhere; and "reconstruction", in [0, 1]. Mistakes: latent is not positive.
func Variational(name string, input *Value, encoder Layer, latent int, decoder Layer) *VariationalModel {
	at := callers(0)
	input = whole(input, at, "Variational")
	h := input.Then(encoder)
	mean := h.Then(Dense(latent).Named("mean")).Named("mean")
	logvar := h.Then(Dense(latent).Named("logvar")).Named("logvar")
	z := Reparameterize(mean, logvar).Named("code")
	logits := z.Then(decoder)
	_ = logits.Then(Sigmoid()).Named("reconstruction")
	elems := 1.0
	if t := input.Type(); t.Rank() > 1 && t.Shape[1:].Symbolic() {
		input.sp.fail(&mistake{at: at, made: at, op: text("Variational"),
			rule: text("the input is %s, and the bound weighs the reconstruction by the elements of a row, which must be known", t)})
	} else if t.Rank() > 1 {
		elems = float64(t.Shape[1:].Count())
	}
	return variational(at, name, BinaryCrossEntropy(logits, input).Weight(elems), KLNormal(mean, logvar))
}

func variational(at site, name string, likelihood, divergence *Loss) *VariationalModel {
	// The model has copies, so that Beta finds losses that no model was given.
	a, b := *likelihood, *divergence
	return &VariationalModel{newModel(at, name, []*Loss{&a, &b}), at, likelihood, divergence}
}

// Beta returns the model with a weight on the divergence, 1 by default. Above 1 the
// elements of a code become less dependent on each other (Higgins et al. 2017).
// Mistakes: beta is negative or not finite.
func (m *VariationalModel) Beta(beta float64) *VariationalModel {
	if m == nil || m.divergence == nil {
		return m // reported by whoever takes the model
	}
	at := callers(0)
	if beta < 0 || finite("beta", beta) != "" {
		m.divergence.sp.fail(&mistake{at: at, made: at, op: text("Variational"), rule: text("beta must be finite and at least 0, got %v", beta)})
		return m
	}
	return variational(m.made, m.name, m.likelihood, m.divergence.Weight(beta))
}
