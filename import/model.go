package onnximport

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxfile"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// The opsets of the default domain and the IR versions that are read.
const (
	MinOpset = 13
	MaxOpset = 27
	minIR    = 3
	maxIR    = 13
)

// defaultDomain is the other name of the default domain "".
const defaultDomain = "ai.onnx"

// Model is an ONNX file as a graph.
type Model struct {
	// Graph has the file's names for inputs, outputs, initializers and the
	// results of its nodes. Float initializers with an axis or more are
	// parameters, everything else that is known is a constant. A node's Layer and
	// Pos are those that the exporter wrote, else Layer is the node's name.
	Graph  *ir.Graph
	Params map[string]*ir.Tensor // f32, by name, one for each of Graph.Params

	Inputs, Outputs []Port

	Opset    int64 // of the default domain
	IR       int64 // version of the file format
	Name     string
	Domain   string
	Version  int64 // model_version
	Producer string
	// ProducerVersion is the version of the tool that wrote the file.
	ProducerVersion string
	Doc             string            // doc_string of the model
	Docs            map[string]string // doc_string by name: a node's under its first output, and those of inputs and outputs
	Metadata        map[string]string // metadata_props
}

// Port is an input or an output as the file declares it.
type Port struct {
	Name string
	Elem string   // f32, f64, i64, i32, bool, …
	Dims []int64  // -1 where the length is open
	Syms []string // name of an open length, or ""
}

// ParamData returns the elements of the parameters by name, as engine.NewNet
// takes them.
func (m *Model) ParamData() map[string][]float32 {
	out := make(map[string][]float32, len(m.Params))
	for name, t := range m.Params {
		out[name] = t.F32
	}
	return out
}

// Open reads the model at path. With outputs named, only these are computed, and
// only what they need has to be supported; the model then has the inputs they
// need. Tensors that the file keeps outside itself are read from its folder, as
// ReadFile says.
//
// Errors: those of Decode and ReadFile.
func Open(path string, outputs ...string) (*Model, error) {
	l := Limits{}.withDefaults()
	data, err := onnxfile.Read(path, l.Bytes)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	folder, err := onnxfile.OpenFolder(path, l.Bytes)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	defer folder.Close()
	m, err := decode(context.Background(), data, l, folder, outputs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// ReadFile returns the model at path as bytes that need no other file, as Decode
// and a verify.Runtime take them. With outputs named, it is cut to what these
// need.
//
// Tensors that lie in other files are read from the model's folder and its
// subfolders, and from nowhere else, links included. Only a model that is itself
// a link, as download caches lay them out, may have its data in the folder that
// its link leads to.
//
// Errors: those of the file system; what is no ONNX model; a data file that is
// missing, short or outside the folder; an output that the model does not have.
func ReadFile(path string, outputs ...string) ([]byte, error) {
	f, err := onnxfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	defer f.Close()
	data, err := f.Alone(outputs...)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return data, nil
}

// Decode reads a serialized ModelProto, which may be hostile. With outputs named,
// it is read as by Open. Decode returns soon after ctx ends and keeps no part of
// data.
//
// Errors: *Unsupported with every operator that is not supported; bytes that
// are no model or exceed o; an opset below MinOpset or above MaxOpset; a name
// used twice, a value that nothing makes, a cycle; a tensor whose elements are
// not those its shape asks for, or lie outside the file; shapes that do not fit;
// an output that the model does not have.
func Decode(ctx context.Context, data []byte, o Limits, outputs ...string) (*Model, error) {
	return decode(ctx, data, o.withDefaults(), nil, outputs)
}

// decode reads tensors outside the model from the folder, which is nil for a
// model that came as bytes.
func decode(ctx context.Context, data []byte, l Limits, folder *onnxfile.Folder, outputs []string) (m *Model, err error) {
	// A panic of the code below is a mistake in it, never a caller's affair.
	defer func() {
		if r := recover(); r != nil {
			m, err = nil, fmt.Errorf("onnx: internal error: %v\n%s", r, debug.Stack())
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if int64(len(data)) > l.Bytes {
		return nil, fmt.Errorf("onnx: %d bytes, the limit is %d", len(data), l.Bytes)
	}
	if err := weigh(data); err != nil {
		return nil, fmt.Errorf("onnx: %w", onnxpb.NotModel(data, err))
	}
	p, err := onnxpb.UnmarshalModel(data)
	if err == nil && p.Graph == nil {
		err = onnxpb.NotModel(data, errors.New("the file has no graph"))
	}
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	if p.IrVersion < minIR || p.IrVersion > maxIR {
		return nil, fmt.Errorf("onnx: IR version %d, versions %d to %d are read", p.IrVersion, minIR, maxIR)
	}
	opset, err := opsetOf(p)
	if err != nil {
		return nil, err
	}
	im := &importer{ctx: ctx, limits: l, folder: folder, proto: p, g: p.Graph, opset: opset, maps: map[mapKey]*value{}}
	if m, err = im.model(outputs); err != nil {
		var u *Unsupported
		if errors.As(err, &u) || ctx.Err() != nil {
			return nil, err
		}
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return m, nil
}

// opsetOf returns the version of the default domain.
func opsetOf(p *onnxpb.ModelProto) (int64, error) {
	opset := int64(-1)
	for _, o := range p.OpsetImport {
		if o.Domain != "" && o.Domain != defaultDomain {
			continue
		}
		if opset >= 0 && o.Version != opset {
			return 0, fmt.Errorf("onnx: the default domain is imported at opsets %d and %d", opset, o.Version)
		}
		opset = o.Version
	}
	switch {
	case opset < 0:
		return 0, errors.New("onnx: the file imports no opset of the default domain")
	case opset < MinOpset:
		return 0, fmt.Errorf("onnx: opset %d is older than %d, the oldest that is read; convert the file with onnx.version_converter, or export it anew", opset, MinOpset)
	case opset > MaxOpset:
		return 0, fmt.Errorf("onnx: opset %d is newer than %d, the newest that is known; export the file at an older one", opset, MaxOpset)
	}
	return opset, nil
}
