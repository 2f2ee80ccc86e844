package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/onnxfile"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

type modelReport struct {
	Graph        string            `json:"graph"`
	IR           int64             `json:"ir_version"`
	Opsets       map[string]int64  `json:"opsets"` // by domain; the default one is ai.onnx
	Producer     string            `json:"producer,omitempty"`
	Inputs       []portReport      `json:"inputs"`
	Outputs      []portReport      `json:"outputs"`
	Nodes        int               `json:"nodes"` // those of subgraphs and functions included
	Ops          map[string]int    `json:"ops"`
	Functions    int               `json:"functions,omitempty"`
	Initializers []tensorReport    `json:"initializers"`
	Elements     int64             `json:"initializer_elements"`
	WeightBytes  int64             `json:"initializer_bytes"`
	Beside       []fileReport      `json:"data_files,omitempty"`
	Metadata     map[string]string `json:"metadata"`
	Doc          string            `json:"doc,omitempty"`
}

type portReport struct {
	Name  string   `json:"name"`
	Elem  string   `json:"elem"`
	Shape []string `json:"shape"` // lengths, names of symbols, ? for neither
}

type tensorReport struct {
	Name     string   `json:"name"`
	Elem     string   `json:"elem"`
	Shape    []string `json:"shape"`
	Elements int64    `json:"elements"` // as the shape says
	Bytes    int64    `json:"bytes"`    // held in this file, or in the external one
	External string   `json:"external,omitempty"`
	Problem  string   `json:"problem,omitempty"`
}

func (t tensorReport) typ() string { return typeText(t.Elem, t.Shape) }

func (t tensorReport) note() string {
	switch {
	case t.Problem != "":
		return "  " + command.Clean(t.Problem)
	case t.External != "":
		return "  in " + command.Clean(t.External)
	}
	return ""
}

func typeText(elem string, shape []string) string {
	const most = 16
	if len(shape) > most {
		shape = append(slices.Clone(shape[:most]), "…")
	}
	return elem + "[" + command.Clean(strings.Join(shape, " ")) + "]"
}

func dims[T int | int64](shape []T) []string {
	s := make([]string, len(shape))
	for i, d := range shape {
		s[i] = strconv.FormatInt(int64(d), 10)
	}
	return s
}

func reportModel(m *onnxpb.ModelProto) *modelReport {
	g := m.Graph
	r := &modelReport{
		Graph: g.Name, IR: m.IrVersion, Opsets: map[string]int64{}, Doc: m.DocString,
		Producer: strings.TrimSpace(m.ProducerName + " " + m.ProducerVersion),
		Inputs:   []portReport{}, Outputs: []portReport{}, Initializers: []tensorReport{},
		Ops: map[string]int{}, Metadata: map[string]string{}, Functions: len(m.Functions),
	}
	for _, o := range m.OpsetImport {
		r.Opsets[cmp.Or(o.GetDomain(), "ai.onnx")] = o.GetVersion()
	}
	for _, p := range m.MetadataProps {
		r.Metadata[p.GetKey()] = p.GetValue()
	}
	stored := map[string]bool{}
	for _, t := range g.Initializer {
		stored[t.GetName()] = true
		r.add(reportTensor(t))
	}
	for _, s := range g.SparseInitializer {
		t := reportTensor(s.GetValues())
		stored[t.Name] = true
		t.Shape, t.Problem = dims(s.GetDims()), ""
		r.add(t)
	}
	for _, v := range g.Input {
		// Before IR 4 every initializer was also listed as an input.
		if !stored[v.GetName()] {
			r.Inputs = append(r.Inputs, reportPort(v))
		}
	}
	for _, v := range g.Output {
		r.Outputs = append(r.Outputs, reportPort(v))
	}
	r.count(g.Node)
	for _, f := range m.Functions {
		r.count(f.GetNode())
	}
	return r
}

// beside counts the tensors that lie in other files, says what is wrong with one
// that cannot be read, and returns the bytes of those files.
func (r *modelReport) beside(f *onnxfile.File) (bytes int64) {
	files := map[string]int64{}
	for i, p := range f.Model.Graph.Initializer {
		if p.GetDataLocation() != onnxpb.TensorProto_EXTERNAL {
			continue
		}
		t := &r.Initializers[i]
		n, ok := onnxfile.Bytes(p)
		if !ok {
			continue // its type or shape says so
		}
		at, err := f.Folder.Find(p, n)
		if err != nil {
			t.Problem = err.Error()
			continue
		}
		t.Bytes = n
		r.WeightBytes += n
		files[at.File] = at.Size
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		r.Beside = append(r.Beside, fileReport{name, files[name]})
		bytes += files[name]
	}
	return bytes
}

func (r *modelReport) add(t tensorReport) {
	r.Initializers = append(r.Initializers, t)
	r.Elements = sum(r.Elements, t.Elements)
	r.WeightBytes += t.Bytes
}

// sum adds what shapes say, and stays at the largest number.
func sum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// count counts nodes and those of their subgraphs, nested as deep as the
// decoder let them be.
func (r *modelReport) count(nodes []*onnxpb.NodeProto) {
	for _, n := range nodes {
		op := n.GetOpType()
		if d := n.GetDomain(); d != "" && d != "ai.onnx" {
			op = d + "." + op
		}
		r.Nodes++
		r.Ops[op]++
		for _, a := range n.GetAttribute() {
			r.count(a.GetG().GetNode())
			for _, g := range a.GetGraphs() {
				r.count(g.GetNode())
			}
		}
	}
}

func reportPort(v *onnxpb.ValueInfoProto) portReport {
	p := portReport{Name: v.GetName(), Shape: []string{}}
	t := v.GetType().GetTensorType()
	if t == nil {
		p.Elem = "not a tensor"
		return p
	}
	p.Elem = elemName(t.ElemType)
	if t.Shape == nil {
		p.Shape = []string{"…"} // of any rank
	}
	for _, d := range t.Shape.GetDim() {
		switch d := d.GetValue().(type) {
		case *onnxpb.TensorShapeProto_Dimension_DimValue:
			p.Shape = append(p.Shape, strconv.FormatInt(d.DimValue, 10))
		case *onnxpb.TensorShapeProto_Dimension_DimParam:
			p.Shape = append(p.Shape, d.DimParam)
		default:
			p.Shape = append(p.Shape, "?")
		}
	}
	return p
}

// elemNames are the names of the text form, extended to what it does not have.
var elemNames = map[onnxpb.TensorProto_DataType]string{
	onnxpb.TensorProto_FLOAT: "f32", onnxpb.TensorProto_DOUBLE: "f64", onnxpb.TensorProto_FLOAT16: "f16",
	onnxpb.TensorProto_BFLOAT16: "bf16", onnxpb.TensorProto_INT8: "i8", onnxpb.TensorProto_INT16: "i16",
	onnxpb.TensorProto_INT32: "i32", onnxpb.TensorProto_INT64: "i64", onnxpb.TensorProto_UINT8: "u8",
	onnxpb.TensorProto_UINT16: "u16", onnxpb.TensorProto_UINT32: "u32", onnxpb.TensorProto_UINT64: "u64",
}

func elemName(d int32) string {
	t := onnxpb.TensorProto_DataType(d)
	if n, ok := elemNames[t]; ok {
		return n
	}
	return strings.ToLower(t.String())
}

func reportTensor(t *onnxpb.TensorProto) tensorReport {
	r := tensorReport{Name: t.GetName(), Elem: elemName(t.GetDataType()), Shape: dims(t.GetDims())}
	n, ok := onnxfile.Elements(t.GetDims())
	if !ok {
		r.Problem = "its shape is impossible"
	}
	r.Elements = n
	if t == nil {
		return r
	}
	if t.DataLocation == onnxpb.TensorProto_EXTERNAL {
		for _, e := range t.ExternalData {
			if e.GetKey() == "location" {
				r.External = e.GetValue()
			}
		}
		return r
	}
	var typed bool
	r.Bytes, typed = held(t)
	if onnxfile.Bits(t.DataType) > 0 && ok && !typed {
		if want, ok := onnxfile.Bytes(t); !ok || want != r.Bytes {
			r.Problem = fmt.Sprintf("its shape does not fit these %d bytes", r.Bytes)
		}
	}
	return r
}

// held returns the bytes of a tensor's elements in memory, and whether they are
// in a typed field, whose elements may be wider than the tensor's.
func held(t *onnxpb.TensorProto) (n int64, typed bool) {
	n = 4*int64(len(t.FloatData)+len(t.Int32Data)) + 8*int64(len(t.Int64Data)+len(t.DoubleData)+len(t.Uint64Data))
	for _, s := range t.StringData {
		n += int64(len(s))
	}
	return n + int64(len(t.RawData)), n > 0
}

func (r *modelReport) print(w io.Writer) {
	row(w, "graph", "%s", command.Clean(r.Graph))
	var sets []string
	for _, d := range slices.Sorted(maps.Keys(r.Opsets)) {
		sets = append(sets, fmt.Sprintf("%s %d", command.Clean(d), r.Opsets[d]))
	}
	row(w, "opset", "%s, IR %d", strings.Join(sets, ", "), r.IR)
	if r.Producer != "" {
		row(w, "producer", "%s", command.Clean(r.Producer))
	}
	printPorts(w, "input", r.Inputs)
	printPorts(w, "output", r.Outputs)
	row(w, "nodes", "%d", r.Nodes)
	names := slices.Collect(maps.Keys(r.Ops))
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Ops[b], r.Ops[a]), cmp.Compare(a, b))
	})
	for i, op := range names {
		if i == maxLines {
			fmt.Fprintf(w, "    … and %d more; --json has all\n", len(names)-i)
			break
		}
		fmt.Fprintf(w, "    %s\t%d\n", command.Clean(op), r.Ops[op])
	}
	printTensors(w, "initializers", r.Initializers)
	for i, f := range r.Beside {
		if i == maxLines {
			fmt.Fprintf(w, "    … and %d more; --json has all\n", len(r.Beside)-i)
			break
		}
		row(w, "data file", "%s, %s", command.Clean(f.Name), size(f.Bytes))
	}
	if r.Doc != "" {
		row(w, "doc", "%s", command.Clean(r.Doc))
	}
	for i, k := range slices.Sorted(maps.Keys(r.Metadata)) {
		if i == maxLines {
			fmt.Fprintf(w, "    … and %d more; --json has all\n", len(r.Metadata)-i)
			break
		}
		row(w, command.Clean(k), "%s", command.Clean(r.Metadata[k]))
	}
}

func printPorts(w io.Writer, key string, list []portReport) {
	for i, p := range list {
		if i == maxLines {
			fmt.Fprintf(w, "    … and %d more; --json has all\n", len(list)-i)
			return
		}
		row(w, key, "%s %s", typeText(p.Elem, p.Shape), command.Clean(p.Name))
	}
}
