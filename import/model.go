package onnximport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/internal/regular"
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

// Open reads a file. Tensors that the file keeps outside itself are read from
// its folder and from nowhere else.
//
// Errors: those of Decode, and of the file system.
func Open(path string) (*Model, error) {
	l := Limits{}.withDefaults()
	f, size, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	defer f.Close()
	if size > l.Bytes {
		return nil, fmt.Errorf("onnx: %s has %d bytes, the limit is %d", path, size, l.Bytes)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	m, err := decode(context.Background(), data, l, outside{root: root, left: l.Bytes})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Decode reads a serialized ModelProto, which may be hostile. It returns soon
// after ctx ends. It keeps no part of data.
//
// Errors: *Unsupported with every operator that is not supported; bytes that
// are no model or exceed o; an opset below MinOpset or above MaxOpset; a name
// used twice, a value that nothing makes, a cycle; a tensor whose elements are
// not those its shape asks for, or lie outside the file; shapes that do not fit.
func Decode(ctx context.Context, data []byte, o Limits) (*Model, error) {
	l := o.withDefaults()
	return decode(ctx, data, l, outside{left: l.Bytes})
}

func decode(ctx context.Context, data []byte, l Limits, files outside) (m *Model, err error) {
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
		return nil, fmt.Errorf("onnx: not an ONNX model: %w", err)
	}
	p, err := onnxpb.UnmarshalModel(data)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	if p.Graph == nil {
		return nil, errors.New("onnx: the file has no graph")
	}
	if p.IrVersion < minIR || p.IrVersion > maxIR {
		return nil, fmt.Errorf("onnx: IR version %d, versions %d to %d are read", p.IrVersion, minIR, maxIR)
	}
	opset, err := opsetOf(p)
	if err != nil {
		return nil, err
	}
	im := &importer{ctx: ctx, limits: l, files: files, proto: p, g: p.Graph, opset: opset}
	if m, err = im.model(); err != nil {
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
