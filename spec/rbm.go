package spec

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// Boltzmann is a restricted Boltzmann machine (Smolensky 1986), made by [RBM] or
// [RBMs]. It has no weights of its own: W and the hidden biases belong to a Dense layer,
// the visible biases to the Tied layer that is its mirror image. Training the machine
// trains both layers.
//
// Visible and hidden units are bits (Bernoulli); visible ones may be real numbers
// with unit variance (Gaussian), hidden ones linear with unit variance (Linear).
// With x = v·W + c its free energy is
//
//	F(v) = -v·b - Σ softplus(x)    bits
//	F(v) = ½‖v-b‖² - Σ softplus(x)   Gaussian visible units
//	F(v) = -v·b - ½‖x‖²           linear hidden units
//
// Training makes the mean of F small on the data and large on the machine's own samples:
// the loss is F(v0) - F(vk), where vk is a constant (Hinton 2002).
type Boltzmann struct {
	hidden           *DenseLayer
	visible          *TiedLayer
	gaussian, linear bool
	sampled          bool
	steps            int
	chains           int // of persist
	persist          bool
	target, cost     float64
	sparse           bool
}

// RBM returns the machine of a Dense layer and a Tied layer of it, both with biases.
// Mistakes, reported by whatever the machine computes: the two do not belong together.
func RBM(hidden *DenseLayer, visible *TiedLayer) *Boltzmann {
	return &Boltzmann{hidden: hidden, visible: visible, steps: 1}
}

// with returns a copy of the machine in which set has set something.
func (m *Boltzmann) with(set func(m *Boltzmann)) *Boltzmann {
	if m == nil {
		return nil // a mistake of what the machine computes
	}
	c := *m
	set(&c)
	return &c
}

// Gaussian makes the visible units real numbers of unit variance. Each column of
// the data should have mean 0 and variance 1 (Hinton 2010, section 13.2).
func (m *Boltzmann) Gaussian() *Boltzmann {
	return m.with(func(m *Boltzmann) { m.gaussian = true })
}

// Linear makes the hidden units linear with unit variance, as for a code (Hinton and
// Salakhutdinov 2006). Their learning rate should be 0.01 to 0.001.
func (m *Boltzmann) Linear() *Boltzmann {
	return m.with(func(m *Boltzmann) { m.linear = true })
}

// Sampled makes the machine learn from bits that are drawn anew at each step from
// the probabilities that it is given.
func (m *Boltzmann) Sampled() *Boltzmann {
	return m.with(func(m *Boltzmann) { m.sampled = true })
}

// CD sets the number of Gibbs steps, from the data or of each chain; the default is 1.
// Hidden units are drawn. Visible units are their means, as in Hinton 2010, section 3,
// but drawn in a chain.
func (m *Boltzmann) CD(steps int) *Boltzmann {
	return m.with(func(m *Boltzmann) { m.steps = steps })
}

// Persistent takes vk from chains that continue from step to step instead of starting
// at the data (Tieleman 2008). The chains' hidden units are kept as state; they start
// at 0.
func (m *Boltzmann) Persistent(chains int) *Boltzmann {
	return m.with(func(m *Boltzmann) { m.chains, m.persist = chains, true })
}

// Sparse adds cost times [KLSparsity] of the hidden bits' probabilities. target is the
// share of the rows for which a bit should be 1 (Hinton 2010, section 11).
func (m *Boltzmann) Sparse(target, cost float64) *Boltzmann {
	return m.with(func(m *Boltzmann) { m.target, m.cost, m.sparse = target, cost, true })
}

// rule returns the rule that the machine breaks, or "".
func (m *Boltzmann) rule() string {
	switch {
	case m == nil || m.hidden == nil || m.hidden.st == nil || m.visible == nil || m.visible.st == nil:
		return "an RBM needs a Dense layer and a Tied layer of it, made by spec.Dense and spec.Tied"
	case m.visible.of != Layer(m.hidden):
		return "the Tied layer is one of another Dense layer, so the two have no weights in common"
	case m.hidden.noBias || m.visible.noBias:
		return "both layers need a bias: leave NoBias out"
	case m.steps < 1 || m.steps > 1000:
		return fmt.Sprintf("the number of Gibbs steps must be in [1, 1000], got %d", m.steps)
	case m.persist && (m.chains < 1 || m.chains > 1<<16):
		return fmt.Sprintf("the number of chains must be in [1, %d], got %d", 1<<16, m.chains)
	case m.gaussian && m.linear:
		return "visible and hidden units cannot both be real numbers: the energy of large weights has no lower bound; put a Sigmoid behind the layer"
	case m.sampled && m.gaussian:
		return "Sampled draws bits, but the visible units are real numbers"
	case m.sparse && m.linear:
		return "Sparse is for hidden bits, but the hidden units are linear"
	case m.sparse && !(m.target > 0 && m.target < 1):
		return fmt.Sprintf("the target of Sparse must be between 0 and 1, got %v", m.target)
	case m.sparse && (!(m.cost >= 0) || math.IsInf(m.cost, 0)):
		return fmt.Sprintf("the cost of Sparse must be finite and at least 0, got %v", m.cost)
	}
	return ""
}

// machineLayer is something that a machine computes. It has no weights of its own
// and no place among the names: its path is that of the Dense layer, with the kind.
type machineLayer struct {
	Base
	m     *Boltzmann
	build func(g *gibbs, x []*ir.Value) *ir.Value
}

// Build computes it.
func (l *machineLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if rule := l.m.rule(); rule != "" {
		return b.fail("RBM", text("%s", rule))
	}
	for _, v := range x {
		if v.Type.DType != ir.F32 || v.Type.Rank() != 2 {
			return b.fail("RBM", text("the units must be f32[N …] of rank 2, got %s", v.Type))
		}
	}
	hidden, visible := l.m.hidden.st, l.m.visible.st
	if len(hidden.places) == 0 || len(visible.places) == 0 {
		return b.fail("RBM", text("its layers were not placed yet: place the stack and its mirror on an input before"))
	}
	b.sp = union(union(hidden.sp, visible.sp), b.sp)
	b.sp.resolve()
	b.p.twice = true // the machine's layers stand several times in one chain
	l.st.path = hidden.path + "/" + l.st.lower()
	return l.build(&gibbs{b, l.m}, x)
}

func (m *Boltzmann) apply(at site, kind string, x []*Value, build func(g *gibbs, x []*ir.Value) *ir.Value) *Value {
	base := Base{&state{kind: kind, loss: true, made: at}}
	return apply(at, kind, &machineLayer{base, m, build}, x)
}

// Hidden returns the means of the hidden units: the probabilities of bits.
// Shapes: v f32[N visible], result f32[N hidden].
func (m *Boltzmann) Hidden(v *Value) *Value {
	return m.apply(callers(0), "Hidden", []*Value{v}, func(g *gibbs, x []*ir.Value) *ir.Value { return g.hidden(g.up(x[0])) })
}

// Visible returns the means of the visible units.
// Shapes: h f32[N hidden], result f32[N visible].
func (m *Boltzmann) Visible(h *Value) *Value {
	return m.apply(callers(0), "Visible", []*Value{h}, func(g *gibbs, x []*ir.Value) *ir.Value { return g.visible(x[0]) })
}

// FreeEnergy returns F of each row. Shapes: v f32[N visible], result f32[N].
func (m *Boltzmann) FreeEnergy(v *Value) *Value {
	return m.apply(callers(0), "FreeEnergy", []*Value{v}, func(g *gibbs, x []*ir.Value) *ir.Value {
		return g.b.Op(ops.Neg{}, g.goodness(x[0]))
	})
}

// Reconstruction returns the visible units after the machine's Gibbs steps from v. The
// last ones are means; in evaluations every unit is its mean.
// Shapes: v f32[N visible], result the same.
func (m *Boltzmann) Reconstruction(v *Value) *Value { return m.reconstruction(callers(0), v) }

func (m *Boltzmann) reconstruction(at site, v *Value) *Value {
	return m.apply(at, "Reconstruction", []*Value{v}, func(g *gibbs, x []*ir.Value) *ir.Value {
		w := x[0]
		for range m.steps {
			w = g.visible(g.draw(g.hidden(g.up(w)), m.linear))
		}
		return w
	})
}

// Losses returns the losses of a model of the machine: the contrast F(v0) - F(vk); the
// squared error of the reconstruction, averaged over units, unless there are chains
// (it has weight 0, so it is only reported); and, with Sparse, the cost. If v is an
// input, a model made of them has no parameters but those of the two layers. If v is
// computed, F(v0) would also train whatever computes it.
func (m *Boltzmann) Losses(v *Value) []*Loss {
	at := callers(0)
	if m.rule() == "" && m.sampled {
		v = m.apply(at, "Bits", []*Value{v}, func(g *gibbs, x []*ir.Value) *ir.Value { return g.draw(x[0], false) })
	}
	loss := func(kind string, w float64, x []*Value, build func(g *gibbs, x []*ir.Value) *ir.Value) *Loss {
		out := m.apply(at, kind, x, build)
		return &Loss{sp: out.sp, v: out.v, st: out.by, weight: w}
	}
	var list []*Loss
	if m != nil && m.persist {
		list = append(list, loss("Contrast", 1, []*Value{v}, (*gibbs).persistent))
	} else {
		vk := m.reconstruction(at, v)
		list = append(list, loss("Contrast", 1, []*Value{v, vk}, (*gibbs).contrast))
		list = append(list, loss("Reconstruction", 0, []*Value{v, vk}, func(g *gibbs, x []*ir.Value) *ir.Value {
			d := g.b.Op(ops.StopGradient{}, g.b.Op(ops.Sub{}, x[1], x[0]))
			return mean(g.b, g.b.Op(ops.Mul{}, d, d))
		}))
	}
	if m != nil && m.sparse {
		list = append(list, KLSparsity(m.Hidden(v), m.target).Weight(m.cost))
	}
	return list
}

// gibbs builds with a machine.
type gibbs struct {
	b *Builder
	m *Boltzmann
}

// up returns v·W + c.
func (g *gibbs) up(v *ir.Value) *ir.Value { return g.b.Layer(g.m.hidden, v) }

// down returns h·Wᵀ + b.
func (g *gibbs) down(h *ir.Value) *ir.Value { return g.b.Layer(g.m.visible, h) }

func (g *gibbs) hidden(x *ir.Value) *ir.Value {
	if g.m.linear {
		return x
	}
	return g.b.Op(ops.Sigmoid{}, x)
}

func (g *gibbs) visible(h *ir.Value) *ir.Value {
	y := g.down(h)
	if g.m.gaussian {
		return y
	}
	return g.b.Op(ops.Sigmoid{}, y)
}

// draw returns bits of probabilities, or normal draws around means.
func (g *gibbs) draw(p *ir.Value, normal bool) *ir.Value {
	if normal {
		return g.b.Op(ops.GaussianNoise{SD: 1}, p)
	}
	return g.b.Op(ops.Sample{}, p)
}

// bias returns the visible biases.
func (g *gibbs) bias() *ir.Value {
	p := g.m.visible.st.params["b"]
	if p == nil {
		g.b.failed = true // follows from a mistake in the layer
		return bad()
	}
	return g.b.lend(p)
}

func (g *gibbs) rows(x *ir.Value) *ir.Value {
	return g.b.Op(ops.ReduceSum{Axes: ir.MakeAxes(1)}, x)
}

func (g *gibbs) half(x *ir.Value) *ir.Value {
	return g.b.Op(ops.Mul{}, g.b.Op(ops.Mul{}, x, x), g.b.Const(0.5))
}

// units is the hidden units' part of -F for x = v·W + c.
func (g *gibbs) units(x *ir.Value) *ir.Value {
	if g.m.linear {
		return g.rows(g.half(x))
	}
	return g.rows(g.b.Op(ops.Softplus{}, x))
}

// goodness is -F of each row.
func (g *gibbs) goodness(v *ir.Value) *ir.Value {
	x, b := g.up(v), g.bias()
	var y *ir.Value
	if g.m.gaussian {
		d := g.b.Op(ops.Sub{}, v, b)
		y = g.b.Op(ops.Neg{}, g.rows(g.half(d)))
	} else {
		y = g.rows(g.b.Op(ops.Mul{}, v, b))
	}
	return g.b.Op(ops.Add{}, g.units(x), y)
}

// contrast is the mean of F(v0) - F(vk) for as many vk as there are v0: the
// biases' part needs the difference of the two alone.
func (g *gibbs) contrast(v []*ir.Value) *ir.Value {
	v0, vk := v[0], g.b.Op(ops.StopGradient{}, v[1])
	x0, xk := g.up(v0), g.up(vk)
	bias := g.rows(g.b.Op(ops.Mul{}, g.b.Op(ops.Sub{}, vk, v0), g.bias()))
	y := g.b.Op(ops.Add{}, g.b.Op(ops.Sub{}, g.units(xk), g.units(x0)), bias)
	if g.m.gaussian {
		y = g.b.Op(ops.Add{}, y, g.b.Op(ops.Sub{}, g.rows(g.half(v0)), g.rows(g.half(vk))))
	}
	return mean(g.b, y)
}

// persistent is the mean of F(v0) less that of F over the chains, which go on.
func (g *gibbs) persistent(v []*ir.Value) *ir.Value {
	m := g.m
	h := g.b.State("chains", Zeros(), m.chains, m.hidden.units)
	next := h
	var vk *ir.Value
	for range m.steps {
		vk = g.b.Op(ops.StopGradient{}, g.draw(g.visible(next), m.gaussian))
		next = g.draw(g.hidden(g.up(vk)), m.linear)
	}
	g.b.Becomes(h, next)
	return g.b.Op(ops.Sub{}, mean(g.b, g.goodness(vk)), mean(g.b, g.goodness(v[0])))
}

// Params returns the machine's parameters: W f32[visible hidden], the hidden biases and
// the visible biases. Mistakes: the layers were not placed.
func (m *Boltzmann) Params() (w, hidden, visible Param, err error) {
	if rule := m.rule(); rule != "" {
		return w, hidden, visible, &Error{Op: "RBM", Rule: rule}
	}
	find := func(st *state, name string) Param {
		p := st.params[name]
		if p == nil {
			pos := st.made.pos()
			err = &Error{Made: pos.Made, From: pos.From, Op: "RBM", Rule: "the layers of the machine were not placed yet, or with a mistake"}
			return Param{}
		}
		p.st.sp.find().resolve()
		return Param{Name: st.path + "/" + name, Type: p.v.Type, Init: p.init, Layer: st.path, Pos: st.made.pos(), Decay: p.v.Type.Rank() > 1, id: p}
	}
	w, hidden, visible = find(m.hidden.st, "w"), find(m.hidden.st, "b"), find(m.visible.st, "b")
	return w, hidden, visible, err
}

// Units reports whether the visible units are real numbers and the hidden ones
// linear; both are bits otherwise.
func (m *Boltzmann) Units() (gaussian, linear bool) { return m.gaussian, m.linear }
