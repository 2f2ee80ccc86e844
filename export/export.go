package onnxexport

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"sort"
	"strconv"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// Producer is the producer_name of every file, Version its producer_version.
const (
	Producer = "lamina"
	Version  = "0.1.0"
)

// DefaultOpset is the opset written if Options names none: the newest that every reader
// since ONNX 1.12 accepts.
const DefaultOpset = 17

// MaxBytes bounds a file: readers in C++ refuse 2 GiB and more.
const MaxBytes = math.MaxInt32

// Options holds what the graph does not state.
type Options struct {
	Opset    int               // 13 to 23, 0 for DefaultOpset
	Name     string            // of the ONNX graph, empty for the graph's own
	Batch    int               // freezes the batch at this many rows, 0 keeps it symbolic
	Metadata map[string]string // metadata_props; "lamina." is put before each key
}

// Tap is a value of the graph that the file still computes: Value is its name
// there. Taps come in the order of the file's nodes.
type Tap struct {
	Layer string
	Pos   string // portable position
	Value string
	IR    *ir.Value // of the graph that was exported; nil when read from a file
}

// Model is an exported file with the place of each value in it.
type Model struct {
	Bytes []byte
	Taps  []Tap
}

// Export returns the serialized ModelProto of g. params holds the elements of
// parameters and state by name, row-major, as long as their types say; a
// parameter that no output needs may be absent.
//
// Errors: an op with no ONNX counterpart at this opset (an *ir.Error with layer
// and line), a missing or wrongly sized parameter, a name used twice, more than
// MaxBytes; and what Check finds.
func Export(g *ir.Graph, params map[string][]float32, o Options) ([]byte, error) {
	m, err := Build(g, params, o)
	if err != nil {
		return nil, err
	}
	return m.Bytes, nil
}

// Build is like Export but also says where the graph's values are in the file.
func Build(g *ir.Graph, params map[string][]float32, o Options) (*Model, error) {
	if o.Opset == 0 {
		o.Opset = DefaultOpset
	}
	if o.Opset < 13 || o.Opset > 23 {
		return nil, fmt.Errorf("export: opset must be 13 to 23, got %d", o.Opset)
	}
	if o.Batch < 0 {
		return nil, fmt.Errorf("export: batch must not be negative, got %d", o.Batch)
	}
	if o.Name == "" {
		o.Name = g.Name
	}
	if o.Name == "" {
		o.Name = "graph"
	}
	if len(g.Outputs) == 0 {
		return nil, errors.New("export: the graph has no outputs; name the values to export")
	}
	p, err := legalize(g, o.Opset)
	if err != nil {
		return nil, err
	}
	w := newWriter(p, params, o)
	gp, err := w.graph()
	if err != nil {
		return nil, err
	}
	m := &onnxpb.ModelProto{
		IrVersion:       irVersion(o.Opset),
		OpsetImport:     []*onnxpb.OperatorSetIdProto{{Version: int64(o.Opset)}},
		ProducerName:    Producer,
		ProducerVersion: Version,
		Graph:           gp,
		MetadataProps:   metadata(withCapacity(g, gp, o.Metadata)),
	}
	if n := m.Size(); n > MaxBytes {
		return nil, fmt.Errorf("export: the file would take %d bytes, above the %d that ONNX readers accept", n, MaxBytes)
	}
	if err := check(m); err != nil {
		return nil, fmt.Errorf("export: internal error: the model that was built breaks a rule: %w", err)
	}
	b, err := m.Marshal()
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return &Model{Bytes: b, Taps: w.taps()}, nil
}

// irVersion returns the oldest IR version that goes with an opset, from the
// release table of ONNX.
func irVersion(opset int) int64 {
	switch {
	case opset < 15:
		return 7
	case opset < 19:
		return 8
	case opset < 21:
		return 9
	case opset < 23:
		return 10
	}
	return 11
}

// CapacityKey followed by the name of a length, as in lamina.length.T, is the key in
// metadata_props for the length's capacity.
const CapacityKey = "length."

// withCapacity adds the capacities of the lengths that are in the file.
func withCapacity(g *ir.Graph, gp *onnxpb.GraphProto, m map[string]string) map[string]string {
	out := map[string]string{}
	for _, v := range gp.Input {
		for _, d := range v.GetType().GetTensorType().GetShape().GetDim() {
			for _, name := range g.Capacity.Free() {
				if n, _ := g.Capacity.Of(name); d.GetDimParam() == name {
					out[CapacityKey+name] = strconv.Itoa(n)
				}
			}
		}
	}
	maps.Copy(out, m)
	return out
}

func metadata(m map[string]string) []*onnxpb.StringStringEntryProto {
	out := []*onnxpb.StringStringEntryProto{{Key: "lamina.format", Value: "1"}}
	keys := make([]string, 0, len(m))
	for k := range m {
		if k != "format" {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		out = append(out, &onnxpb.StringStringEntryProto{Key: "lamina." + k, Value: m[k]})
	}
	return out
}
