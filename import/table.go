package onnximport

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// row says how an operator of the default domain is read. What differs between
// opsets is decided by its lower, by the opset of the call.
type row struct {
	min, max int   // operands; max -1 for any number
	since    int64 // the first opset that has the operator, 0 for one not above MinOpset
	until    int64 // the last, 0 for none
	lower    func(c *call) []*value
}

func (r row) arity() string {
	switch {
	case r.max < 0:
		return fmt.Sprintf("%d or more are needed", r.min)
	case r.min == r.max:
		return fmt.Sprintf("%d are needed", r.min)
	}
	return fmt.Sprintf("%d to %d are needed", r.min, r.max)
}

// table returns the rows by operator: each family lists its own.
var table = sync.OnceValue(func() map[string]row {
	all := map[string]row{}
	for _, family := range []map[string]row{
		arithmetic(), comparisons(), unaries(), activations(), shapes(), parts(), joins(), depths(), reductions(), products(), convolutions(), resizes(), norms(), constants(), selections(),
	} {
		for name, r := range family {
			all[name] = r
		}
	}
	return all
})

// Operators returns the operators of the default domain that can be read, sorted.
func Operators() []string {
	return slices.Sorted(maps.Keys(table()))
}

// plain is the lower of an operator that is an op of one float operand under its
// own name. op holds the defaults; attributes are matched by the tags of op's
// fields.
func plain(op ir.Op) func(c *call) []*value {
	return func(c *call) []*value {
		x := c.floats(0)
		return c.one(c.op(c.tagged(op, rank(x)), x))
	}
}

// tagged returns op with the node's attributes. An axis below 0 counts from the
// end.
func (c *call) tagged(op ir.Op, rank int) ir.Op {
	v := reflect.New(reflect.TypeOf(op)).Elem()
	v.Set(reflect.ValueOf(op))
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("attr")
		if name == "" {
			continue
		}
		switch f := v.Field(i); x := f.Interface().(type) {
		case int:
			n := c.int(name, int64(x))
			if name == "axis" {
				n = int64(c.axis(n, rank))
			}
			f.SetInt(n)
		case bool:
			f.SetBool(c.flag(name, x))
		case float64:
			f.SetFloat(c.float(name, x))
		case string:
			f.SetString(c.str(name, x))
		default:
			c.failf("internal error: field %s of %s has no form as an attribute", name, op.Name())
		}
	}
	return v.Interface().(ir.Op)
}

// tensorAttr returns the elements of an attribute, or nil.
func (c *call) tensorAttr(name string) *ir.Tensor {
	a := c.attr(name, onnxpb.AttributeProto_TENSOR)
	if a == nil {
		return nil
	}
	t, err := c.im.tensor(a.T)
	if err != nil {
		if u, ok := err.(*notSupported); ok {
			c.fail(u)
		} else {
			c.failf("attribute %s %w", quote(name), err)
		}
		return nil
	}
	return t
}
