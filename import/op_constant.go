package onnximport

import (
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// constants lists the operators whose result the file tells.
func constants() map[string]row {
	return map[string]row{
		"Constant":        {min: 0, max: 0, lower: constant},
		"ConstantOfShape": {min: 1, max: 1, lower: constantOfShape},
		"Range":           {min: 3, max: 3, lower: rangeOf},
	}
}

// constant has its elements in one of several attributes.
func constant(c *call) []*value {
	if len(c.n.Attribute) != 1 {
		return c.one(c.failf("has %d attributes, must have one", len(c.n.Attribute)))
	}
	var t *ir.Tensor
	switch a := c.n.Attribute[0]; a.Name {
	case "value":
		t = c.tensorAttr("value")
	case "value_float":
		t = &ir.Tensor{DType: ir.F32, Shape: []int{}, F32: []float32{float32(c.float("value_float", 0))}}
	case "value_floats":
		if a := c.attr("value_floats", onnxpb.AttributeProto_FLOATS); a != nil {
			t = &ir.Tensor{DType: ir.F32, Shape: []int{len(a.Floats)}, F32: a.Floats}
		}
	case "value_int":
		t = &ir.Tensor{DType: ir.I64, Shape: []int{}, I64: []int64{c.int("value_int", 0)}}
	case "value_ints":
		list := c.list("value_ints")
		t = &ir.Tensor{DType: ir.I64, Shape: []int{len(list)}, I64: list}
	case "value_string", "value_strings", "sparse_value":
		return c.one(c.cannot("attribute %s", a.Name))
	}
	if c.err != nil {
		return nil
	}
	if t == nil {
		return c.one(c.failf("has no value"))
	}
	return c.one(&value{t: t})
}

func constantOfShape(c *call) []*value {
	fill := c.tensorAttr("value")
	s := c.lengthsOf(0, "the shape")
	if c.err != nil {
		return nil
	}
	if fill == nil {
		fill = ir.NewTensor(ir.F32, 1)
	}
	if fill.Len() != 1 {
		return c.one(c.failf("value has %d elements, must have one", fill.Len()))
	}
	one := fill.Part(0, 1)
	one.Shape = []int{}
	return c.one(c.expandTo(&value{t: one}, s))
}

// rangeOf is integers that are known, or from 0 up to an open length.
func rangeOf(c *call) []*value {
	if end := c.x(1); end.dims != nil && end.rank0 {
		if start, step := c.known(0, "the start"), c.known(2, "the step"); c.err == nil && (start != 0 || step != 1) {
			return c.one(c.cannot("from %v by %v up to an open length", start, step))
		}
		return c.one(&value{count: end.dims[0], shape: ir.Shape{end.dims[0]}})
	}
	var n [3]int64
	for i := range n {
		if d := typ(c.x(i)).DType; c.err == nil && !d.Integer() {
			return c.one(c.cannot("elements are %v", d))
		} else if first := typ(c.x(0)).DType; c.err == nil && d != first {
			return c.one(c.failf("bounds are %v and %v, must be of one type", first, d))
		}
		n[i] = int64(c.known(i, "a bound"))
	}
	start, limit, delta := n[0], n[1], n[2]
	if c.err != nil {
		return nil
	}
	if delta == 0 {
		return c.one(c.failf("delta is 0"))
	}
	for _, x := range n {
		if x < -maxInteger || x > maxInteger {
			return c.one(c.failf("a bound is %d", x))
		}
	}
	count := max(0, (limit-start+delta-sign(delta))/delta)
	if !c.spend(count) {
		return nil
	}
	t := ir.NewTensor(typ(c.x(0)).DType, int(count))
	for i := range t.Len() {
		t.SetInt(i, start+int64(i)*delta)
	}
	return c.one(&value{t: t})
}

func sign(n int64) int64 {
	if n < 0 {
		return -1
	}
	return 1
}
