package onnximport_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// mutation changes a model in a way a hostile or broken file may.
type mutation struct {
	name string
	do   func(r *rand.Rand, m *onnxpb.ModelProto)
}

// onBytes are mutations of an encoded file.
var onBytes = []struct {
	name string
	do   func(r *rand.Rand, b []byte) []byte
}{
	{"bit flip", func(r *rand.Rand, b []byte) []byte {
		for range 1 + r.IntN(8) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		return b
	}},
	{"byte", func(r *rand.Rand, b []byte) []byte {
		b[r.IntN(len(b))] = []byte{0, 1, 0x7f, 0x80, 0xff}[r.IntN(5)]
		return b
	}},
	{"truncation", func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b))] }},
	{"hole", func(r *rand.Rand, b []byte) []byte {
		at := r.IntN(len(b))
		return slices.Delete(b, at, min(len(b), at+1+r.IntN(64)))
	}},
	{"repeated part", func(r *rand.Rand, b []byte) []byte {
		at := r.IntN(len(b))
		part := slices.Clone(b[at:min(len(b), at+1+r.IntN(512))])
		return slices.Insert(b, r.IntN(len(b)), part...)
	}},
	{"noise", func(r *rand.Rand, b []byte) []byte {
		at := r.IntN(len(b))
		for i := at; i < min(len(b), at+16); i++ {
			b[i] = byte(r.Uint32())
		}
		return b
	}},
	{"tail", func(r *rand.Rand, b []byte) []byte {
		for range r.IntN(64) {
			b = append(b, byte(r.Uint32()))
		}
		return b
	}},
}

var sizes = []int64{-1, 0, 1, 2, 1 << 20, 1 << 31, 1 << 40, math.MaxInt64, math.MinInt64}

func pick[T any](r *rand.Rand, list []T) (x T) {
	if len(list) > 0 {
		x = list[r.IntN(len(list))]
	}
	return x
}

func node(r *rand.Rand, m *onnxpb.ModelProto) *onnxpb.NodeProto {
	if n := pick(r, m.Graph.Node); n != nil {
		return n
	}
	return &onnxpb.NodeProto{Output: []string{""}, Input: []string{""}}
}

func initializer(r *rand.Rand, m *onnxpb.ModelProto) *onnxpb.TensorProto {
	if t := pick(r, m.Graph.Initializer); t != nil {
		return t
	}
	return &onnxpb.TensorProto{}
}

func anyName(r *rand.Rand, m *onnxpb.ModelProto) string {
	if r.IntN(3) == 0 {
		return initializer(r, m).Name
	}
	return pick(r, node(r, m).Output)
}

func dimsOf(v *onnxpb.ValueInfoProto) []*onnxpb.TensorShapeProto_Dimension {
	return v.GetType().GetTensorType().GetShape().GetDim()
}

// onModels are mutations of a decoded file.
var onModels = []mutation{
	{"cycle", func(r *rand.Rand, m *onnxpb.ModelProto) {
		n := node(r, m)
		if len(n.Input) > 0 {
			n.Input[r.IntN(len(n.Input))] = pick(r, node(r, m).Output)
		}
	}},
	{"own output", func(r *rand.Rand, m *onnxpb.ModelProto) {
		n := node(r, m)
		n.Input = []string{n.Output[0], n.Output[0]}
	}},
	{"duplicate name", func(r *rand.Rand, m *onnxpb.ModelProto) { node(r, m).Output[0] = anyName(r, m) }},
	{"duplicate initializer", func(r *rand.Rand, m *onnxpb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, initializer(r, m))
	}},
	{"duplicate node", func(r *rand.Rand, m *onnxpb.ModelProto) { m.Graph.Node = append(m.Graph.Node, node(r, m)) }},
	{"missing initializer", func(r *rand.Rand, m *onnxpb.ModelProto) {
		if k := len(m.Graph.Initializer); k > 0 {
			i := r.IntN(k)
			m.Graph.Initializer = slices.Delete(m.Graph.Initializer, i, i+1)
		}
	}},
	{"missing node", func(r *rand.Rand, m *onnxpb.ModelProto) {
		if k := len(m.Graph.Node); k > 0 {
			i := r.IntN(k)
			m.Graph.Node = slices.Delete(m.Graph.Node, i, i+1)
		}
	}},
	{"shuffled nodes", func(r *rand.Rand, m *onnxpb.ModelProto) {
		g := m.Graph
		r.Shuffle(len(g.Node), func(i, j int) { g.Node[i], g.Node[j] = g.Node[j], g.Node[i] })
	}},
	{"initializer dims", func(r *rand.Rand, m *onnxpb.ModelProto) {
		t := initializer(r, m)
		for range 1 + r.IntN(3) {
			if len(t.Dims) > 0 && r.IntN(2) == 0 {
				t.Dims[r.IntN(len(t.Dims))] = pick(r, sizes)
			} else {
				t.Dims = append(t.Dims, pick(r, sizes))
			}
		}
	}},
	{"many axes", func(r *rand.Rand, m *onnxpb.ModelProto) {
		t := initializer(r, m)
		t.Dims = append(make([]int64, 0), slices.Repeat([]int64{1}, 9+r.IntN(2000))...)
	}},
	{"input dims", func(r *rand.Rand, m *onnxpb.ModelProto) {
		if d := pick(r, dimsOf(pick(r, m.Graph.Input))); d != nil {
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: pick(r, sizes)}
		}
	}},
	{"input symbol", func(r *rand.Rand, m *onnxpb.ModelProto) {
		if d := pick(r, dimsOf(pick(r, m.Graph.Input))); d != nil {
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: pick(r, []string{"", "N", "T", "2*N", "\xff"})}
		}
	}},
	{"no input type", func(r *rand.Rand, m *onnxpb.ModelProto) { pick(r, m.Graph.Input).Type = nil }},
	{"input of another kind", func(r *rand.Rand, m *onnxpb.ModelProto) {
		pick(r, m.Graph.Input).Type = &onnxpb.TypeProto{Value: &onnxpb.TypeProto_SequenceType{SequenceType: &onnxpb.TypeProto_Sequence{ElemType: &onnxpb.TypeProto{}}}}
	}},
	{"element type", func(r *rand.Rand, m *onnxpb.ModelProto) {
		k := int32(r.IntN(30) - 1)
		if r.IntN(2) == 0 {
			initializer(r, m).DataType = k
		} else if t := pick(r, m.Graph.Input).GetType().GetTensorType(); t != nil {
			t.ElemType = k
		}
	}},
	{"another list", func(r *rand.Rand, m *onnxpb.ModelProto) {
		t := initializer(r, m)
		if r.IntN(2) == 0 {
			t.RawData = nil
		}
		switch r.IntN(4) {
		case 0:
			t.FloatData = make([]float32, r.IntN(50))
		case 1:
			t.Int64Data = make([]int64, r.IntN(50))
		case 2:
			t.Int32Data = slices.Repeat([]int32{math.MaxInt32}, r.IntN(50))
		case 3:
			t.StringData = [][]byte{nil, {0xff}}
		}
	}},
	{"integer constants", func(r *rand.Rand, m *onnxpb.ModelProto) {
		for _, t := range m.Graph.Initializer {
			if t.DataType != int32(onnxpb.TensorProto_INT64) {
				continue
			}
			n := 1 + r.IntN(4)
			t.Dims, t.RawData, t.Int64Data = []int64{int64(n)}, nil, nil
			for range n {
				t.Int64Data = append(t.Int64Data, pick(r, sizes))
			}
		}
	}},
	{"external data", func(r *rand.Rand, m *onnxpb.ModelProto) {
		t := initializer(r, m)
		t.DataLocation = onnxpb.TensorProto_EXTERNAL
		t.ExternalData = []*onnxpb.StringStringEntryProto{{Key: "location", Value: pick(r, []string{"../../etc/passwd", "/etc/passwd", "x", ""})},
			{Key: "offset", Value: pick(r, []string{"-1", "9223372036854775807", "x"})}}
		if r.IntN(2) == 0 {
			t.RawData = nil
		}
	}},
	{"attribute", func(r *rand.Rand, m *onnxpb.ModelProto) {
		n := node(r, m)
		a := &onnxpb.AttributeProto{Name: pick(r, []string{"axis", "axes", "perm", "keepdims", "alpha", "transB", "to", "value", "shape", ""}),
			Type: onnxpb.AttributeProto_AttributeType(r.IntN(16) - 1), I: pick(r, sizes), Ints: []int64{pick(r, sizes), pick(r, sizes)}}
		if r.IntN(3) == 0 {
			a.T = initializer(r, m)
		}
		if r.IntN(3) == 0 {
			a.G = &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{{OpType: "Relu", Input: []string{"x"}, Output: []string{"y"}}}}
		}
		n.Attribute = append(n.Attribute, a)
	}},
	{"attribute type", func(r *rand.Rand, m *onnxpb.ModelProto) {
		for _, n := range m.Graph.Node {
			for _, a := range n.Attribute {
				a.Type = onnxpb.AttributeProto_AttributeType(r.IntN(16))
			}
		}
	}},
	{"attribute values", func(r *rand.Rand, m *onnxpb.ModelProto) {
		for _, n := range m.Graph.Node {
			for _, a := range n.Attribute {
				a.I, a.F = pick(r, sizes), float32(math.NaN())
				a.Ints = append(a.Ints, pick(r, sizes))
			}
		}
	}},
	{"operator", func(r *rand.Rand, m *onnxpb.ModelProto) {
		node(r, m).OpType = pick(r, []string{"", "Split", "Softmax", "Gather", "Slice", "Pad", "DepthToSpace", "SpaceToDepth", "Reshape", "Expand", "Constant", "ConstantOfShape", "Gemm",
			"OneHot", "Tile", "If", "Loop", "LayerNormalization", "BatchNormalization", "ReduceSum", "ArgMax", "Concat", "Range", "Where", "\xff", strings.Repeat("x", 1<<16)})
	}},
	{"domain", func(r *rand.Rand, m *onnxpb.ModelProto) {
		node(r, m).Domain = pick(r, []string{"ai.onnx", "com.microsoft", "\xff"})
	}},
	{"fewer operands", func(r *rand.Rand, m *onnxpb.ModelProto) { node(r, m).Input = nil }},
	{"more operands", func(r *rand.Rand, m *onnxpb.ModelProto) {
		n := node(r, m)
		for range r.IntN(20) {
			n.Input = append(n.Input, anyName(r, m))
		}
	}},
	{"operand left out", func(r *rand.Rand, m *onnxpb.ModelProto) {
		if n := node(r, m); len(n.Input) > 0 {
			n.Input[r.IntN(len(n.Input))] = ""
		}
	}},
	{"more outputs", func(r *rand.Rand, m *onnxpb.ModelProto) {
		n := node(r, m)
		for i := range r.IntN(6000) {
			n.Output = append(n.Output, fmt.Sprint("more", i))
		}
	}},
	{"no outputs", func(r *rand.Rand, m *onnxpb.ModelProto) { node(r, m).Output = nil }},
	{"outputs times inputs", func(r *rand.Rand, m *onnxpb.ModelProto) {
		n := &onnxpb.NodeProto{OpType: "Concat"}
		for i := range 3000 {
			n.Input, n.Output = append(n.Input, "x"), append(n.Output, fmt.Sprint("o", i))
		}
		m.Graph.Node = append(m.Graph.Node, n)
	}},
	{"graph output", func(r *rand.Rand, m *onnxpb.ModelProto) {
		pick(r, m.Graph.Output).Name = pick(r, []string{"", "nothing", anyName(r, m), m.Graph.Input[0].Name})
	}},
	{"declared output", func(r *rand.Rand, m *onnxpb.ModelProto) {
		if d := pick(r, dimsOf(pick(r, m.Graph.Output))); d != nil {
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: pick(r, sizes)}
		}
	}},
	{"bad names", func(r *rand.Rand, m *onnxpb.ModelProto) {
		old, now := initializer(r, m).Name, pick(r, []string{"\xff\xfe", "", strings.Repeat("n", 1<<17), "a\x00b"})
		for _, t := range m.Graph.Initializer {
			if t.Name == old {
				t.Name = now
			}
		}
		for _, n := range m.Graph.Node {
			for i := range n.Input {
				if n.Input[i] == old {
					n.Input[i] = now
				}
			}
		}
	}},
	{"opset", func(r *rand.Rand, m *onnxpb.ModelProto) { m.OpsetImport[0].Version = int64(r.IntN(40) - 3) }},
	{"no opset", func(r *rand.Rand, m *onnxpb.ModelProto) { m.OpsetImport = nil }},
	{"IR version", func(r *rand.Rand, m *onnxpb.ModelProto) { m.IrVersion = pick(r, sizes) }},
	{"no graph", func(r *rand.Rand, m *onnxpb.ModelProto) { m.Graph = nil }},
	{"empty graph", func(r *rand.Rand, m *onnxpb.ModelProto) { m.Graph = &onnxpb.GraphProto{} }},
	{"swapped operands", func(r *rand.Rand, m *onnxpb.ModelProto) {
		if n := node(r, m); len(n.Input) > 1 {
			n.Input[0], n.Input[1] = n.Input[1], n.Input[0]
		}
	}},
	{"function", func(r *rand.Rand, m *onnxpb.ModelProto) {
		m.Functions = append(m.Functions, &onnxpb.FunctionProto{Name: node(r, m).OpType, Node: slices.Clone(m.Graph.Node)})
	}},
	{"empty messages", func(r *rand.Rand, m *onnxpb.ModelProto) {
		for range 1 + r.IntN(100000) {
			m.Graph.ValueInfo = append(m.Graph.ValueInfo, &onnxpb.ValueInfoProto{})
		}
	}},
	{"long chain", func(r *rand.Rand, m *onnxpb.ModelProto) {
		last := m.Graph.Output[0].Name
		for i := range 1000 + r.IntN(4000) {
			next := fmt.Sprint("chain", i)
			m.Graph.Node = append(m.Graph.Node, &onnxpb.NodeProto{OpType: "Relu", Input: []string{last}, Output: []string{next}})
			last = next
		}
		m.Graph.Output[0] = &onnxpb.ValueInfoProto{Name: last}
	}},
	{"doubling", func(r *rand.Rand, m *onnxpb.ModelProto) {
		last := m.Graph.Output[0].Name
		for i := range 10 + r.IntN(60) {
			next := fmt.Sprint("twice", i)
			m.Graph.Node = append(m.Graph.Node, &onnxpb.NodeProto{OpType: "Concat", Input: []string{last, last}, Output: []string{next},
				Attribute: []*onnxpb.AttributeProto{{Name: "axis", Type: onnxpb.AttributeProto_INT, I: 1}}})
			last = next
		}
		m.Graph.Output[0] = &onnxpb.ValueInfoProto{Name: last}
	}},
	{"constants that grow", func(r *rand.Rand, m *onnxpb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, &onnxpb.TensorProto{Name: "grow", DataType: 7, Dims: []int64{2}, Int64Data: []int64{1 << 10, 1 << 18}})
		for i := range 1 + r.IntN(200) {
			m.Graph.Node = append(m.Graph.Node, &onnxpb.NodeProto{OpType: "ConstantOfShape", Input: []string{"grow"}, Output: []string{fmt.Sprint("grown", i)},
				Attribute: []*onnxpb.AttributeProto{{Name: "value", Type: onnxpb.AttributeProto_TENSOR,
					T: &onnxpb.TensorProto{DataType: 7, Dims: []int64{1}, Int64Data: []int64{3}}}}})
		}
	}},
	{"nested attributes", func(r *rand.Rand, m *onnxpb.ModelProto) {
		g := &onnxpb.GraphProto{}
		for range r.IntN(200) {
			g = &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{{OpType: "If", Attribute: []*onnxpb.AttributeProto{{Name: "then_branch", Type: onnxpb.AttributeProto_GRAPH, G: g}}}}}
		}
		node(r, m).Attribute = []*onnxpb.AttributeProto{{Name: "body", Type: onnxpb.AttributeProto_GRAPH, G: g}}
	}},
}

// mutated returns mutated file number i, the same in every run, and the name of
// its mutation.
func mutated(t testing.TB, seeds [][]byte, i int) (string, []byte) {
	r := rand.New(rand.NewPCG(uint64(i), 4))
	data := slices.Clone(pick(r, seeds))
	if i%3 == 0 {
		k := pick(r, onBytes)
		return k.name, k.do(r, data)
	}
	m, err := onnxpb.UnmarshalModel(data)
	if err != nil {
		t.Fatal(err)
	}
	k := onModels[i%len(onModels)]
	k.do(r, m)
	if m.Graph != nil && r.IntN(4) == 0 && len(m.Graph.Node) > 0 && len(m.Graph.Input) > 0 && len(m.Graph.Output) > 0 && len(m.OpsetImport) > 0 {
		second := pick(r, onModels[:30])
		if ok := try(func() { second.do(r, m) }); ok {
			k.name += " and " + second.name
		}
	}
	out, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return k.name, out
}

// try reports whether f returned; a second mutation may not go with the first.
func try(f func()) (ok bool) {
	defer func() { ok = recover() == nil }()
	f()
	return true
}
