package onnxexport

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// TestColumns: every place of a table's columns has its name, and what is known of it; too many names are none.
func TestColumns(t *testing.T) {
	s := &dataset.Schema{Fields: []dataset.Field{
		{Name: "delay", Kind: dataset.Target, Unit: "min"}, {Name: "distance", Kind: dataset.Number, Unit: "miles"}, {Name: "id", Kind: dataset.Ignored},
		{Name: "day", Kind: dataset.Date, Format: "2006-01-02"}, {Name: "wind", Kind: dataset.Number}, {Name: "carrier", Kind: dataset.Category, Values: []string{"AA", "UA"}},
		{Name: "late", Kind: dataset.Label, Values: []string{"no", "yes"}}, {Name: "w", Kind: dataset.Weight}}}
	const want = `{"categorical":[{"name":"carrier","values":["AA","UA"]}],` +
		`"numeric":[{"name":"distance","unit":"miles"},{"name":"day.year"},{"name":"day.month.sin"},{"name":"day.month.cos"},{"name":"day.weekday.sin"},{"name":"day.weekday.cos"},{"name":"wind"}],` +
		`"target":[{"name":"delay","unit":"min"}],"y":[{"name":"late","values":["no","yes"]}]}`
	if got := Columns(engine.Record{Schema: s}); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got := provenance(engine.Record{Schema: s}, nil)["columns"]; got != want {
		t.Errorf("the file has %s", got)
	}
	s.Field("carrier").Values = []string{strings.Repeat("A", maxNamed)}
	if got := Columns(engine.Record{Schema: s}) + Columns(engine.Record{}); got != "" {
		t.Errorf("names of a mebibyte, and none, are %.40s", got)
	}
}

func at(line int) ir.Pos {
	return ir.Pos{Made: ir.Frame{File: "/home/someone/digits/main.go", Pkg: "example.com/digits", Line: line}}
}

// tied is an autoencoder whose decoder reads the encoder's weight transposed.
func tied() (*ir.Graph, map[string][]float32) {
	b := ir.NewBuilder("tied")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(4)))
	b.Input("target", ir.T(ir.F32, ir.Rows(), ir.Fixed(4)))
	w := b.Param("enc/w", ir.T(ir.F32, ir.Fixed(4), ir.Fixed(3)))
	eb := b.Param("enc/b", ir.T(ir.F32, ir.Fixed(3)))
	db := b.Param("dec/b", ir.T(ir.F32, ir.Fixed(4)))
	b.Param("unused/w", ir.T(ir.F32, ir.Fixed(9)))
	b.Layer, b.Pos = "enc", at(10)
	h := b.Op(ops.Add{}, b.Op(ops.MatMul{}, x, w), eb)
	b.Layer, b.Pos = "drop", at(11)
	h = b.Op(ops.Dropout{Rate: 0.5}, h)
	b.Layer, b.Pos = "relu", at(12)
	code := b.Op(ops.Relu{}, h)
	code.Name = "code"
	b.Layer, b.Pos = "dec", at(13)
	y := b.Op(ops.Add{}, b.Op(ops.MatMul{}, code, b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, w)), db)
	y.Name = "y"
	if err := b.Err(); err != nil {
		panic(err)
	}
	b.Output(code)
	b.Output(y)
	return b.Graph, fill(b.Graph)
}

func fill(g *ir.Graph) map[string][]float32 {
	p := map[string][]float32{}
	for _, v := range g.Params {
		x := make([]float32, v.Type.Shape.Count())
		for i := range x {
			x[i] = float32((i*37+11)%17)/17 - 0.5
		}
		p[v.Name] = x
	}
	return p
}

func export(t *testing.T, g *ir.Graph, p map[string][]float32, o Options) *onnxpb.ModelProto {
	t.Helper()
	raw, err := Export(g, p, o)
	if err != nil {
		t.Fatal(err)
	}
	m := &onnxpb.ModelProto{}
	if err := m.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	return m
}

// describe prints the nodes of a model, one a line.
func describe(m *onnxpb.ModelProto) string {
	var b strings.Builder
	for _, n := range m.Graph.Node {
		fmt.Fprintf(&b, "%s = %s(%s)", strings.Join(n.Output, ", "), n.OpType, strings.Join(n.Input, ", "))
		for _, a := range n.Attribute {
			switch a.Type {
			case onnxpb.AttributeProto_INT:
				fmt.Fprintf(&b, " %s=%d", a.Name, a.I)
			case onnxpb.AttributeProto_INTS:
				fmt.Fprintf(&b, " %s=%d", a.Name, a.Ints)
			case onnxpb.AttributeProto_FLOAT:
				fmt.Fprintf(&b, " %s=%g", a.Name, a.F)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestTied(t *testing.T) {
	g, p := tied()
	m := export(t, g, p, Options{Metadata: map[string]string{"seed": "1"}})
	want := `enc = Gemm(x, enc/w, enc/b)
code = Relu(enc)
y = Gemm(code, enc/w, dec/b) transB=1
`
	if got := describe(m); got != want {
		t.Errorf("nodes:\n%swant:\n%s", got, want)
	}
	var inits []string
	for _, i := range m.Graph.Initializer {
		inits = append(inits, i.Name)
	}
	if got := strings.Join(inits, " "); got != "enc/w enc/b dec/b" {
		t.Errorf("initializers: %s", got)
	}
	if len(m.Graph.Input) != 1 || m.Graph.Input[0].Name != "x" {
		t.Errorf("inputs: %v", m.Graph.Input)
	}
	if m.IrVersion != 8 || m.OpsetImport[0].Version != 17 || m.ProducerName != "lamina" {
		t.Errorf("versions: %d %v %s", m.IrVersion, m.OpsetImport, m.ProducerName)
	}
	if d := m.Graph.Node[2].DocString; d != "layer: dec\nat: example.com/digits/main.go:13" {
		t.Errorf("doc_string %q", d)
	}
	if d, ok := m.Graph.Input[0].Type.GetTensorType().Shape.Dim[0].Value.(*onnxpb.TensorShapeProto_Dimension_DimParam); !ok || d.DimParam != "N" {
		t.Errorf("batch: %v", m.Graph.Input[0])
	}
	raw, _ := m.Marshal()
	if bytes.Contains(raw, []byte("someone")) {
		t.Error("the file tells an absolute path")
	}
	if m.MetadataProps[1].Key != "lamina.seed" {
		t.Errorf("metadata: %v", m.MetadataProps)
	}
}

func TestEncoderAlone(t *testing.T) {
	g, p := tied()
	g.Outputs = g.Outputs[:1]
	delete(p, "dec/b")
	m := export(t, g, p, Options{})
	if got, want := describe(m), "enc = Gemm(x, enc/w, enc/b)\ncode = Relu(enc)\n"; got != want {
		t.Errorf("nodes:\n%swant:\n%s", got, want)
	}
	if len(m.Graph.Initializer) != 2 {
		t.Errorf("%d initializers", len(m.Graph.Initializer))
	}
}

func TestBuildTaps(t *testing.T) {
	g, p := tied()
	m, err := Build(g, p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, tap := range m.Taps {
		got += fmt.Sprintf("%s %s %s; ", tap.Layer, tap.Value, tap.IR.Def.Op.Name())
	}
	if want := "enc enc Add; relu code Relu; dec y Add; "; got != want {
		t.Errorf("taps %q, want %q", got, want)
	}
	l, err := Layers(m.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if len(l) != 3 || l[2].Layer != "dec" || l[2].Value != "y" || l[2].Pos != "example.com/digits/main.go:13" {
		t.Errorf("layers: %+v", l)
	}
}

func TestSameBytes(t *testing.T) {
	var first []byte
	for i := range 20 {
		g, p := tied()
		raw, err := Export(g, p, Options{Metadata: map[string]string{"a": "1", "b": "2", "c": "3"}})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = raw
		} else if !bytes.Equal(raw, first) {
			t.Fatal("the same graph gave other bytes")
		}
	}
}

// build makes a graph of one input x f32[N dims…] and outputs named a, b, ….
func build(f func(b *ir.Builder, x *ir.Value) []*ir.Value, dims ...int) *ir.Graph {
	b := ir.NewBuilder("g")
	s := ir.Shape{ir.Rows()}
	x := b.Input("x", ir.Type{DType: ir.F32, Shape: append(s, ir.ShapeOf(dims...)...)})
	b.Layer, b.Pos = "layer", at(7)
	for i, v := range f(b, x) {
		if v.Kind == ir.NodeOutput {
			v.Name = string(rune('a' + i))
		}
		b.Output(v)
	}
	if err := b.Err(); err != nil {
		panic(err)
	}
	return b.Graph
}

func TestLowering(t *testing.T) {
	one := func(op ir.Op) func(*ir.Builder, *ir.Value) []*ir.Value {
		return func(b *ir.Builder, x *ir.Value) []*ir.Value { return []*ir.Value{b.Op(op, x)} }
	}
	norm := func(op ir.Op, n int) func(*ir.Builder, *ir.Value) []*ir.Value {
		return func(b *ir.Builder, x *ir.Value) []*ir.Value {
			of := ir.T(ir.F32, ir.Fixed(n))
			return []*ir.Value{b.Op(op, x, b.Param("s", of), b.Param("b", of))}
		}
	}
	rows := func(dims ...int) ir.Dims { return ir.MakeDims(append(ir.Shape{ir.Rows()}, ir.ShapeOf(dims...)...)) }
	for _, c := range []struct {
		name  string
		opset int
		f     func(*ir.Builder, *ir.Value) []*ir.Value
		dims  []int
		want  string
	}{
		{"gelu 17", 17, one(ops.Gelu{}), []int{3}, `layer/Mul = Mul(x, layer/Mul/const)
layer/Erf = Erf(layer/Mul)
layer/Add = Add(layer/Erf, layer/Add/const)
layer/Mul_2 = Mul(x, layer/Mul_2/const)
a = Mul(layer/Mul_2, layer/Add)
`},
		{"gelu 20", 20, one(ops.Gelu{}), []int{3}, "a = Gelu(x)\n"},
		{"silu 23", 23, one(ops.Silu{}), []int{3}, "layer/Sigmoid = Sigmoid(x)\na = Mul(x, layer/Sigmoid)\n"},
		{"hard swish 14", 14, one(ops.HardSwish{}), []int{3}, "a = HardSwish(x)\n"},
		{"layer norm 17", 17, norm(ops.LayerNorm{Axis: 2, Epsilon: 0.5}, 3), []int{2, 3}, "a = LayerNormalization(x, s, b) axis=2 epsilon=0.5\n"},
		{"rms norm 23", 23, func(b *ir.Builder, x *ir.Value) []*ir.Value {
			return []*ir.Value{b.Op(ops.RMSNorm{Axis: 1, Epsilon: 0.5}, x, b.Param("s", ir.T(ir.F32, ir.Fixed(3))))}
		}, []int{3}, "a = RMSNormalization(x, s) axis=1 epsilon=0.5\n"},
		{"instance norm 13", 13, norm(ops.InstanceNorm{Epsilon: 0.5}, 2), []int{2, 3}, "a = InstanceNormalization(x, s, b) epsilon=0.5\n"},
		{"batch norm 13", 13, func(b *ir.Builder, x *ir.Value) []*ir.Value {
			of := ir.T(ir.F32, ir.Fixed(2))
			return []*ir.Value{b.Op(ops.BatchNorm{Axis: 1, Epsilon: 0.5}, x, b.Param("s", of), b.Param("b", of), b.Param("m", of), b.Param("v", of))}
		}, []int{2, 3}, "a = BatchNormalization(x, s, b, m, v) epsilon=0.5\n"},
		{"batch norm, channels last", 17, func(b *ir.Builder, x *ir.Value) []*ir.Value {
			of := ir.T(ir.F32, ir.Fixed(3))
			return []*ir.Value{b.Op(ops.BatchNorm{Axis: 2, Epsilon: 0.5}, x, b.Param("s", of), b.Param("b", of), b.Param("m", of), b.Param("v", of))}
		}, []int{2, 3}, `layer/Reshape = Reshape(x, layer/Reshape/shape)
layer/BatchNormalization = BatchNormalization(layer/Reshape, s, b, m, v) epsilon=0.5
a = Reshape(layer/BatchNormalization, layer/Reshape_2/shape)
`},
		{"group norm 23", 23, norm(ops.GroupNorm{Groups: 2, Epsilon: 0.5}, 4), []int{4, 3}, `layer/Reshape = Reshape(x, layer/Reshape/shape)
layer/Expand = Expand(layer/Expand/const, layer/Expand/shape)
layer/Expand_2 = Expand(layer/Expand_2/const, layer/Expand_2/shape)
layer/InstanceNormalization = InstanceNormalization(layer/Reshape, layer/Expand, layer/Expand_2) epsilon=0.5
layer/Reshape_2 = Reshape(layer/InstanceNormalization, layer/Reshape_2/shape)
layer/Reshape_3 = Reshape(s, layer/Reshape_3/shape)
layer/Mul = Mul(layer/Reshape_2, layer/Reshape_3)
layer/Reshape_4 = Reshape(b, layer/Reshape_4/shape)
a = Add(layer/Mul, layer/Reshape_4)
`},
		{"layer norm 16", 16, norm(ops.LayerNorm{Axis: 1, Epsilon: 0.5}, 3), []int{3}, `layer/ReduceMean = ReduceMean(x) axes=[1] keepdims=1
layer/Sub = Sub(x, layer/ReduceMean)
layer/Mul = Mul(layer/Sub, layer/Sub)
layer/ReduceMean_2 = ReduceMean(layer/Mul) axes=[1] keepdims=1
layer/Add = Add(layer/ReduceMean_2, layer/Add/const)
layer/Sqrt = Sqrt(layer/Add)
layer/Reciprocal = Reciprocal(layer/Sqrt)
layer/Mul_2 = Mul(layer/Sub, layer/Reciprocal)
layer/Mul_3 = Mul(layer/Mul_2, s)
a = Add(layer/Mul_3, b)
`},
		{"hard swish 13", 13, one(ops.HardSwish{}), []int{3}, `layer/Mul = Mul(x, layer/Mul/const)
layer/Add = Add(layer/Mul, layer/Add/const)
layer/Min = Min(layer/Add, layer/Min/const)
layer/Max = Max(layer/Min, layer/Max/const)
a = Mul(x, layer/Max)
`},
		{"sum 13", 13, one(ops.ReduceSum{Axes: ir.MakeAxes(1)}), []int{3}, "a = ReduceSum(x, layer/axes) keepdims=0\n"},
		{"mean 17", 17, one(ops.ReduceMean{Axes: ir.MakeAxes(1), Keep: true}), []int{3}, "a = ReduceMean(x) axes=[1] keepdims=1\n"},
		{"mean 18", 18, one(ops.ReduceMean{Axes: ir.MakeAxes(1), Keep: true}), []int{3}, "a = ReduceMean(x, layer/axes) keepdims=1\n"},
		{"reshape", 17, one(ops.Reshape{Shape: rows(2, 3)}), []int{6}, "a = Reshape(x, layer/shape)\n"},
		{"elu", 17, one(ops.Elu{Alpha: 0.5}), []int{6}, "a = Elu(x) alpha=0.5\n"},
		{"log softmax", 17, one(ops.LogSoftmax{Axis: 1}), []int{6}, "a = LogSoftmax(x) axis=1\n"},
		{"rank 3", 17, func(b *ir.Builder, x *ir.Value) []*ir.Value {
			w := b.Param("w", ir.T(ir.F32, ir.Fixed(3), ir.Fixed(5)))
			return []*ir.Value{b.Op(ops.Add{}, b.Op(ops.MatMul{}, x, w), b.Param("b", ir.T(ir.F32, ir.Fixed(5))))}
		}, []int{4, 3}, "layer/MatMul = MatMul(x, w)\na = Add(layer/MatMul, b)\n"},
		{"product read twice", 17, func(b *ir.Builder, x *ir.Value) []*ir.Value {
			p := b.Op(ops.MatMul{}, x, b.Param("w", ir.T(ir.F32, ir.Fixed(3), ir.Fixed(5))))
			return []*ir.Value{b.Op(ops.Add{}, p, b.Param("b", ir.T(ir.F32, ir.Fixed(5)))), b.Op(ops.Relu{}, p)}
		}, []int{3}, "layer/MatMul = MatMul(x, w)\na = Add(layer/MatMul, b)\nb_2 = Relu(layer/MatMul)\n"},
		{"gemm", 17, func(b *ir.Builder, x *ir.Value) []*ir.Value {
			w := b.Op(ops.Transpose{Perm: ir.MakeAxes(1, 0)}, b.Param("w", ir.T(ir.F32, ir.Fixed(3), ir.Fixed(5))))
			return []*ir.Value{b.Op(ops.Gemm{TransB: true}, x, w, b.Param("c", ir.T(ir.F32, ir.Fixed(5))))}
		}, []int{3}, "a = Gemm(x, w, c)\n"},
		{"stop gradient", 17, func(b *ir.Builder, x *ir.Value) []*ir.Value {
			return []*ir.Value{b.Op(ops.StopGradient{}, b.Op(ops.Relu{}, x))}
		}, []int{3}, "a = Relu(x)\n"},
		{"input as output", 17, one(ops.Identity{}), []int{3}, "a = Identity(x)\n"},
		{"one value, two names", 17, func(b *ir.Builder, x *ir.Value) []*ir.Value {
			r := b.Op(ops.Relu{}, x)
			return []*ir.Value{r, b.Op(ops.Identity{}, r)}
		}, []int{3}, "a = Relu(x)\nb = Identity(a)\n"},
		{"expand over the batch", 17, func(b *ir.Builder, x *ir.Value) []*ir.Value {
			return []*ir.Value{b.Op(ops.Expand{Shape: rows(3)}, b.Param("w", ir.T(ir.F32, ir.Fixed(3))))}
		}, []int{3}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := build(c.f, c.dims...)
			if c.name == "product read twice" {
				g.Outputs[1].Name = "b_2"
			}
			m, err := Export(g, fill(g), Options{Opset: c.opset})
			if c.want == "" {
				if err == nil || !strings.Contains(err.Error(), "no input of the file") {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			mp := &onnxpb.ModelProto{}
			if err := mp.Unmarshal(m); err != nil {
				t.Fatal(err)
			}
			if got := describe(mp); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

func TestFrozenBatch(t *testing.T) {
	g := build(func(b *ir.Builder, x *ir.Value) []*ir.Value {
		s := append(ir.Shape{ir.Rows()}, ir.ShapeOf(2, 3)...)
		return []*ir.Value{b.Op(ops.Reshape{Shape: ir.MakeDims(s)}, x)}
	}, 6)
	m := export(t, g, nil, Options{Batch: 4})
	dims := m.Graph.Output[0].Type.GetTensorType().Shape.Dim
	if d := dims[0].GetDimValue(); len(dims) != 3 || d != 4 {
		t.Errorf("output %v", dims)
	}
	if s := fmt.Sprint(m.Graph.Initializer[0].Int64Data); s != "[4 2 3]" {
		t.Errorf("shape %s", s)
	}
	m = export(t, g, nil, Options{})
	if s := fmt.Sprint(m.Graph.Initializer[0].Int64Data); s != "[0 2 3]" {
		t.Errorf("shape %s", s)
	}
}

func TestErrors(t *testing.T) {
	g := build(func(b *ir.Builder, x *ir.Value) []*ir.Value {
		return []*ir.Value{b.Op(ops.Bernoulli{}, x)}
	}, 3)
	_, err := Export(g, nil, Options{})
	var e *ir.Error
	if !errors.As(err, &e) || !strings.Contains(err.Error(), `main.go:7: layer "layer": Bernoulli`) {
		t.Errorf("training op: %v", err)
	}
	h, p := tied()
	for name, c := range map[string]struct {
		g    *ir.Graph
		p    map[string][]float32
		o    Options
		want string
	}{
		"opset":     {h, p, Options{Opset: 12}, "13 to 23"},
		"missing":   {h, nil, Options{}, `parameter "enc/w"`},
		"short":     {h, map[string][]float32{"enc/w": make([]float32, 3)}, Options{}, "12 elements, got 3"},
		"no output": {&ir.Graph{Name: "g"}, nil, Options{}, "no outputs"},
	} {
		if _, err := Export(c.g, c.p, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.Outputs = append(h.Outputs, h.Outputs[0])
	if _, err := Export(h, p, Options{}); err == nil || !strings.Contains(err.Error(), `"code"`) {
		t.Errorf("output twice: %v", err)
	}
}

// TestCheckFinds breaks a good model in one place at a time.
func TestCheckFinds(t *testing.T) {
	for name, c := range map[string]struct {
		f    func(m *onnxpb.ModelProto)
		want string
	}{
		"duplicate":       {func(m *onnxpb.ModelProto) { m.Graph.Node[1].Output[0] = "x" }, "not stated"},
		"order":           {func(m *onnxpb.ModelProto) { n := m.Graph.Node; n[0], n[1] = n[1], n[0] }, "nothing has made"},
		"undefined":       {func(m *onnxpb.ModelProto) { m.Graph.Node[1].Input[0] = "q" }, "nothing has made"},
		"node name":       {func(m *onnxpb.ModelProto) { m.Graph.Node[1].Name = "enc" }, "two nodes"},
		"unused weight":   {func(m *onnxpb.ModelProto) { m.Graph.Node[2].Input = m.Graph.Node[2].Input[:2] }, "is not read"},
		"short weight":    {func(m *onnxpb.ModelProto) { m.Graph.Initializer[0].RawData = make([]byte, 4) }, "needs 48 bytes"},
		"domain":          {func(m *onnxpb.ModelProto) { m.Graph.Node[1].Domain = "com.x" }, "domain"},
		"second domain":   {func(m *onnxpb.ModelProto) { m.OpsetImport = append(m.OpsetImport, m.OpsetImport[0]) }, "default domain"},
		"attribute type":  {func(m *onnxpb.ModelProto) { m.Graph.Node[2].Attribute[0].Type = 0 }, "has no type"},
		"no output node":  {func(m *onnxpb.ModelProto) { m.Graph.Output[0].Name = "x" }, "is not stated"},
		"dead node":       {func(m *onnxpb.ModelProto) { m.Graph.Node[2].Input[0] = "enc"; m.Graph.Output = m.Graph.Output[1:] }, ""},
		"initializer dup": {func(m *onnxpb.ModelProto) { m.Graph.Initializer[1].Name = "enc/w" }, "made twice"},
	} {
		g, p := tied()
		m := export(t, g, p, Options{})
		if err := Check(marshal(t, m)); err != nil {
			t.Fatal(err)
		}
		c.f(m)
		if err := Check(marshal(t, m)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTensorRoundTrip(t *testing.T) {
	for _, x := range []*ir.Tensor{
		{DType: ir.F32, Shape: []int{2, 2}, F32: []float32{1, -2, 0, 4}},
		{DType: ir.F64, Shape: []int{}, F64: []float64{3}},
		{DType: ir.I64, Shape: []int{2}, I64: []int64{-1, 1 << 40}},
		{DType: ir.Bool, Shape: []int{3}, Bool: []bool{true, false, true}},
		{DType: ir.F32, Shape: []int{0, 4}, F32: []float32{}},
		{DType: ir.U8, Shape: []int{2, 2}, Raw: []byte{0, 1, 200, 255}},
		{DType: ir.BF16, Shape: []int{1}, Raw: []byte{0x80, 0x3f}},
		ir.Scalar(-70000).To(ir.I32), ir.Scalar(1 << 63).To(ir.U64),
	} {
		raw, err := MarshalTensor("x", x)
		if err != nil {
			t.Fatal(err)
		}
		y, err := ParseTensor(raw)
		if err != nil || fmt.Sprint(y.DType, y.Shape, y.F32, y.F64, y.I64, y.Bool, y.Raw) != fmt.Sprint(x.DType, x.Shape, x.F32, x.F64, x.I64, x.Bool, x.Raw) {
			t.Errorf("%v came back as %v (%v)", x, y, err)
		}
	}
	for _, p := range []*onnxpb.TensorProto{
		{DataType: 2, Dims: []int64{2}, Int32Data: []int32{0, 255}},
		{DataType: 5, Dims: []int64{2}, Int32Data: []int32{-32768, 32767}},
		{DataType: 10, Dims: []int64{2}, Int32Data: []int32{0x3c00, 0xfc00}},
		{DataType: 13, Dims: []int64{2}, Uint64Data: []uint64{0, 1<<64 - 1}},
	} {
		listed, err := ParseTensor(marshal(t, p))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := MarshalTensor("", listed)
		if err != nil {
			t.Fatal(err)
		}
		if y, err := ParseTensor(raw); err != nil || fmt.Sprint(y) != fmt.Sprint(listed) || listed.At(1) == 0 {
			t.Errorf("%v from a list came back as %v (%v)", listed, y, err)
		}
	}
	for _, p := range []*onnxpb.TensorProto{
		{DataType: 1, Dims: []int64{1 << 40}},
		{DataType: 1, Dims: []int64{-1}},
		{DataType: 1, Dims: []int64{2}, RawData: make([]byte, 4)},
		{DataType: 1, Dims: []int64{1 << 20, 1 << 20, 1 << 30}},
		{DataType: 17, Dims: []int64{1}, RawData: make([]byte, 1)},
		{DataType: 2, Dims: []int64{1}, Int32Data: []int32{256}},
		{DataType: 3, Dims: []int64{2}, Int32Data: []int32{1}},
		{DataType: 12, Dims: []int64{1}, Uint64Data: []uint64{1 << 32}},
		{DataType: 10, Dims: []int64{1}, RawData: make([]byte, 3)},
		{DataType: 1, Dims: []int64{1}, DataLocation: onnxpb.TensorProto_EXTERNAL},
	} {
		if _, err := ParseTensor(marshal(t, p)); err == nil {
			t.Errorf("%v is accepted", p)
		}
	}
	if _, err := ParseTensor([]byte("nothing")); err == nil {
		t.Error("text is accepted")
	}
}

func marshal(t *testing.T, m interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
