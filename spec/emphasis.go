package spec

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// emphasisLayer weighs the elements of a loss.
type emphasisLayer struct {
	Base
	hit, rest float64
	elems     *ir.Value
}

// Build takes the elements of the loss and the corrupted value.
func (l *emphasisLayer) Build(b *Builder, x ...*ir.Value) *ir.Value {
	if rule := finite("the weight of corrupted elements", l.hit); rule != "" || l.hit < 0 {
		return b.Errorf("the weight of corrupted elements must be finite and at least 0, got %v", l.hit)
	}
	if rule := finite("the weight of the others", l.rest); rule != "" || l.rest < 0 {
		return b.Errorf("the weight of the others must be finite and at least 0, got %v", l.rest)
	}
	if l.hit == 0 && l.rest == 0 {
		return b.Errorf("the weights are both 0, so nothing would be trained")
	}
	elems, noisy := x[0], x[1]
	rate, rule := corruption(noisy)
	if rule != "" {
		return b.Errorf("%s", rule)
	}
	if !reaches([]*ir.Value{elems}, []*ir.Value{noisy}) {
		return b.Errorf("the loss does not depend on the corrupted value")
	}
	if !elems.Type.Equal(noisy.Type) {
		return b.Errorf("the loss has elements %s but the corrupted value is %s, so they do not belong together", elems.Type, noisy.Type)
	}
	v := b.Op(ops.Emphasis{Hit: l.hit, Rest: l.rest, Rate: rate}, elems, noisy.Def.In[0])
	if !isBad(v) {
		b.sp.find().follows[v.Def] = noisy.Def
	}
	l.elems = v
	return mean(b, v)
}

// corruption returns the share of the elements that a noise changes.
func corruption(noisy *ir.Value) (rate float64, rule string) {
	if noisy.Def != nil {
		switch op, ok := noisy.Def.Op.(ir.Corrupter); {
		case ok && op.Corrupts() < 1:
			return op.Corrupts(), ""
		case ok:
			return 0, noisy.Def.Op.Name() + " corrupts every element, so there are none to tell apart: leave Emphasis out"
		}
	}
	return 0, fmt.Sprintf("the corrupted value must be the result of MaskingNoise, SaltAndPepper or Dropout, got %s", origin(noisy))
}

// Emphasis multiplies the loss of an element by alpha where the noise corrupted it and
// by beta where it did not (Vincent, Larochelle and others 2010); beta 0 is full
// emphasis. Whether an element is corrupted is decided by the noise's draw, even if the
// element already had the value it was set to. noisy is the result of the noise and has
// the loss's shape. In evaluations there is no noise, and the loss is the plain mean.
// Mistakes: noisy is not the result of MaskingNoise, SaltAndPepper or Dropout, has
// another shape than the loss, or is not part of it; a weight is negative, or both are 0;
// the loss was already given to a model, or is a penalty.
func (l *Loss) Emphasis(noisy *Value, alpha, beta float64) *Loss {
	at, rule := callers(0), ""
	switch {
	case l == nil:
	case l.elems == nil && !isBad(l.v):
		rule = "Emphasis of a loss that has no elements"
	case l.weights != nil:
		rule = "Emphasis of a loss that has weights: write Emphasis before WeightedBy"
	case l.layer != nil && l.layer.optional:
		rule = "Emphasis of a loss whose target may lack values"
	}
	return l.option("Emphasis", rule, func(c *Loss) {
		base := c.again(at)
		elems := &Value{sp: c.sp, v: c.elems}
		if c.elems == nil {
			elems.v = bad()
		}
		layer := &emphasisLayer{Base: base, hit: alpha, rest: beta}
		v := apply(at, "Emphasis", layer, []*Value{elems, noisy})
		c.sp, c.v, c.st, c.emphasised = v.sp, v.v, base.st, layer.elems
	})
}
