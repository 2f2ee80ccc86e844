package onnxfile

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

// Inline reads every tensor that lies outside the model into it and reports
// whether there was one.
//
// Errors: those of Tensor, with the name; a tensor of strings.
func (f *Folder) Inline(m *onnxpb.ModelProto) (any bool, err error) {
	err = tensors(m, func(t *onnxpb.TensorProto) error {
		if t.GetDataLocation() != onnxpb.TensorProto_EXTERNAL {
			return nil
		}
		any = true
		n, ok := Bytes(t)
		if !ok {
			return fmt.Errorf("tensor %s lies outside the file and has no length by its type and shape", quote(t.Name))
		}
		b, err := f.Tensor(t, n)
		if err != nil {
			return fmt.Errorf("tensor %s %w", quote(t.Name), err)
		}
		t.RawData, t.DataLocation, t.ExternalData = b, onnxpb.TensorProto_DEFAULT, nil
		return nil
	})
	return any, err
}

// External returns an error if the model of these bytes keeps a tensor outside
// itself, which bytes alone cannot find.
func External(model []byte) error {
	if !bytes.Contains(model, []byte("location")) { // the key without which there is no place
		return nil
	}
	m, err := onnxpb.UnmarshalModel(model)
	if err != nil {
		return nil // whoever reads it says so
	}
	return tensors(m, func(t *onnxpb.TensorProto) error {
		if t.GetDataLocation() == onnxpb.TensorProto_EXTERNAL || len(t.GetExternalData()) > 0 {
			return fmt.Errorf("tensor %s %w", quote(t.Name), ErrOutside)
		}
		return nil
	})
}

// ErrOutside is the error for a tensor outside a model that came as bytes.
var ErrOutside = errors.New("lies outside the file: open the model by its path, so that its folder is known")

// tensors calls f with every tensor of a model, until it fails.
func tensors(m *onnxpb.ModelProto, f func(*onnxpb.TensorProto) error) error {
	if err := inGraph(m.GetGraph(), f); err != nil {
		return err
	}
	for _, fn := range m.GetFunctions() {
		if err := inNodes(fn.GetNode(), f); err != nil {
			return err
		}
	}
	return nil
}

func inGraph(g *onnxpb.GraphProto, f func(*onnxpb.TensorProto) error) error {
	list := append([]*onnxpb.TensorProto{}, g.GetInitializer()...)
	for _, s := range g.GetSparseInitializer() {
		list = append(list, s.GetValues(), s.GetIndices())
	}
	for _, t := range list {
		if err := f(t); err != nil {
			return err
		}
	}
	return inNodes(g.GetNode(), f)
}

func inNodes(nodes []*onnxpb.NodeProto, f func(*onnxpb.TensorProto) error) error {
	for _, n := range nodes {
		for _, a := range n.GetAttribute() {
			list := append([]*onnxpb.TensorProto{a.GetT()}, a.GetTensors()...)
			for _, s := range append([]*onnxpb.SparseTensorProto{a.GetSparseTensor()}, a.GetSparseTensors()...) {
				list = append(list, s.GetValues(), s.GetIndices())
			}
			for _, t := range list {
				if t == nil {
					continue
				}
				if err := f(t); err != nil {
					return err
				}
			}
			for _, g := range append([]*onnxpb.GraphProto{a.GetG()}, a.GetGraphs()...) {
				if err := inGraph(g, f); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Bits is the size of an element in raw_data, 0 where there is none.
func Bits(elem int32) int64 {
	switch onnxpb.TensorProto_DataType(elem) {
	case onnxpb.TensorProto_UINT2, onnxpb.TensorProto_INT2:
		return 2
	case onnxpb.TensorProto_UINT4, onnxpb.TensorProto_INT4, onnxpb.TensorProto_FLOAT4E2M1:
		return 4
	case onnxpb.TensorProto_FLOAT16, onnxpb.TensorProto_BFLOAT16, onnxpb.TensorProto_INT16, onnxpb.TensorProto_UINT16:
		return 16
	case onnxpb.TensorProto_FLOAT, onnxpb.TensorProto_INT32, onnxpb.TensorProto_UINT32:
		return 32
	case onnxpb.TensorProto_DOUBLE, onnxpb.TensorProto_INT64, onnxpb.TensorProto_UINT64, onnxpb.TensorProto_COMPLEX64:
		return 64
	case onnxpb.TensorProto_COMPLEX128:
		return 128
	case onnxpb.TensorProto_STRING, onnxpb.TensorProto_UNDEFINED:
		return 0
	}
	return 8
}

// Bytes returns the bytes of a tensor in raw_data by its type and shape, false
// where there is no such number.
func Bytes(t *onnxpb.TensorProto) (int64, bool) {
	n, ok := Elements(t.GetDims())
	b := Bits(t.GetDataType())
	hi, lo := bits.Mul64(uint64(n), uint64(b))
	if !ok || b == 0 || hi != 0 || lo > 1<<63-8 {
		return 0, false
	}
	return int64((lo + 7) / 8), true
}

// Elements returns the product of the lengths, if there is such a number.
func Elements(shape []int64) (int64, bool) {
	n := uint64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > 1<<63-1 {
			return 0, false
		}
		n = lo
	}
	return int64(n), true
}
