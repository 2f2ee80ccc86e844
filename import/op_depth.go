package onnximport

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// depths lists the operators that move elements between the channels of a picture and its
// lengths.
func depths() map[string]row {
	return map[string]row{
		"DepthToSpace": {min: 1, max: 1, lower: depthToSpace},
		"SpaceToDepth": {min: 1, max: 1, lower: spaceToDepth},
	}
}

// picture returns x [N C H W] and the length of a block.
func (c *call) picture() (x *value, block ir.Dim) {
	x = c.x(0)
	n := c.int("blocksize", 0)
	switch {
	case c.err != nil:
	case rank(x) != 4:
		c.failf("x must have 4 axes, is %v", typ(x))
	case n < 1 || n > c.im.limits.Elements:
		c.failf("attribute blocksize must be from 1 to %d, got %d", c.im.limits.Elements, n)
	}
	return x, ir.Fixed(bounded(n))
}

// depthToSpace has the block of a channel before it (DCR) or behind it (CRD).
func depthToSpace(c *call) []*value {
	mode := c.str("mode", "DCR")
	if c.err == nil && mode != "DCR" && mode != "CRD" {
		return c.one(c.failf("attribute mode is %s, must be DCR or CRD", quote(mode)))
	}
	x, b := c.picture()
	if c.err != nil {
		return nil
	}
	s := typ(x).Shape
	square, ok := ir.Mul(b, b)
	channels, ok2 := ir.Div(s[1], square)
	h, ok3 := ir.Mul(s[2], b)
	w, ok4 := ir.Mul(s[3], b)
	if !ok || !ok2 || !ok3 || !ok4 {
		return c.one(c.failf("blocks of %v by %v cannot be made of x, which is %v", b, b, typ(x)))
	}
	parts, perm := ir.Shape{s[0], b, b, channels, s[2], s[3]}, ir.MakeAxes(0, 3, 4, 1, 5, 2)
	if mode == "CRD" {
		parts, perm = ir.Shape{s[0], channels, b, b, s[2], s[3]}, ir.MakeAxes(0, 1, 4, 2, 5, 3)
	}
	y := c.op(ops.Transpose{Perm: perm}, c.view(x, parts))
	return c.one(c.view(y, ir.Shape{s[0], channels, h, w}))
}

func spaceToDepth(c *call) []*value {
	x, b := c.picture()
	if c.err != nil {
		return nil
	}
	s := typ(x).Shape
	square, ok := ir.Mul(b, b)
	channels, ok2 := ir.Mul(s[1], square)
	h, ok3 := ir.Div(s[2], b)
	w, ok4 := ir.Div(s[3], b)
	if !ok || !ok2 || !ok3 || !ok4 {
		return c.one(c.failf("x, which is %v, does not divide into blocks of %v by %v", typ(x), b, b))
	}
	y := c.op(ops.Transpose{Perm: ir.MakeAxes(0, 3, 5, 1, 2, 4)}, c.view(x, ir.Shape{s[0], s[1], h, b, w, b}))
	return c.one(c.view(y, ir.Shape{s[0], channels, h, w}))
}
