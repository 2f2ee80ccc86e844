package compiler

import (
	"encoding/binary"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// cseConstLimit is the number of elements up to which equal constants are
// merged; comparing more costs more than it saves.
const cseConstLimit = 4096

// cse merges nodes that apply the same op to the same operands. Ops are
// comparable, so the op itself is the key: random draws of different streams
// differ in their attributes and stay apart. The node of the smallest ID stays,
// with its layer and position.
func cse(g *ir.Graph, _ *state) error {
	if err := sortNodes(g); err != nil {
		return err
	}
	number := map[*ir.Value]int{}
	same := map[*ir.Value]*ir.Value{} // constant to the first of its kind
	consts := map[string]*ir.Value{}
	for _, v := range g.DataValues() {
		key, ok := constKey(v, g.Data[v])
		if !ok {
			continue
		}
		if first := consts[key]; first != nil {
			same[v] = first
		} else {
			consts[key] = v
		}
	}
	num := func(v *ir.Value) int {
		i, ok := number[v]
		if !ok {
			i = len(number)
			number[v] = i
		}
		return i
	}
	type key struct {
		op ir.Op
		in string
	}
	made := map[key]*ir.Node{}
	_, err := rewrite(g, func(_ *ir.Builder, n *ir.Node) []*ir.Value {
		in := make([]byte, 0, 4*len(n.In))
		for i, v := range n.In {
			if first := same[v]; first != nil {
				n.In[i] = first
			}
			in = binary.AppendUvarint(in, uint64(num(n.In[i])))
		}
		k := key{n.Op, string(in)}
		first := made[k]
		if first == nil {
			made[k] = n
			return nil
		}
		return first.Out
	})
	sweep(g)
	return err
}

// constKey returns what two equal constants share.
func constKey(v *ir.Value, t *ir.Tensor) (string, bool) {
	if t.Len() > cseConstLimit {
		return "", false
	}
	b := append([]byte(v.Type.String()), 0)
	for i := range t.Len() {
		if t.DType.Integer() {
			b = binary.LittleEndian.AppendUint64(b, uint64(t.Int(i)))
		} else {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(t.At(i)))
		}
	}
	return string(b), true
}
