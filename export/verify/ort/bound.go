//go:build cgo && !windows

package ort

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/lamina-ml/lamina/compiler/ir"
	onnxruntime "github.com/yalue/onnxruntime_go"
)

// Bound is a model with tensors of the caller's for its inputs and outputs, so
// that a run costs no more than onnxruntime's own. It is for one goroutine.
type Bound struct {
	s     *onnxruntime.AdvancedSession
	ports []onnxruntime.Value
	pin   runtime.Pinner
}

// Bind opens a model for runs on so many threads, which read the inputs and write
// the outputs in place. Names, dtypes and shapes must be the model's; outputs are
// float32. The Bound must be closed.
//
// Errors: verify.ErrUnavailable; a model that onnxruntime refuses; tensors that
// do not fit.
func Bind(model []byte, threads int, in, out map[string]*ir.Tensor) (b *Bound, err error) {
	if _, err := load(); err != nil {
		return nil, err
	}
	b = &Bound{}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("onnxruntime: binding the model: internal error: %v", r)
		}
		if err != nil {
			b.Close()
			b = nil
		}
	}()
	s, err := open(model)
	if err != nil {
		return b, err
	}
	defer s.Close()
	if err := s.check(in); err != nil {
		return b, fmt.Errorf("onnxruntime: %w", err)
	}
	bind := func(ports []onnxruntime.InputOutputInfo, tensors map[string]*ir.Tensor, what string) error {
		for _, p := range ports {
			t := tensors[p.Name]
			if t == nil {
				return fmt.Errorf("onnxruntime: %s %q has no tensor", what, p.Name)
			}
			v, err := toValue(t, p.DataType, &b.pin)
			if err != nil {
				return fmt.Errorf("onnxruntime: %s %q: %w", what, p.Name, err)
			}
			b.ports = append(b.ports, v)
		}
		return nil
	}
	if err := errors.Join(bind(s.inputs, in, "input"), bind(s.outputs, out, "output")); err != nil {
		return b, err
	}
	for _, p := range s.outputs {
		// Of another dtype toValue would have bound a copy.
		if p.DataType != onnxruntime.TensorElementDataTypeFloat || out[p.Name].DType != ir.F32 {
			return b, fmt.Errorf("onnxruntime: output %q is %s, and only float32 outputs can be bound", p.Name, elem(p))
		}
		if in[p.Name] != nil { // the library has nothing to write there
			return b, fmt.Errorf("onnxruntime: output %q is an input, which has its value", p.Name)
		}
	}
	opts, err := options()
	if err != nil {
		return b, fmt.Errorf("onnxruntime: session options: %w", err)
	}
	defer opts.Destroy()
	if err := opts.SetIntraOpNumThreads(threads); err != nil {
		return b, fmt.Errorf("onnxruntime: session options: %w", err)
	}
	n := len(s.inputs)
	b.s, err = onnxruntime.NewAdvancedSessionWithONNXData(model, portNames(s.inputs), portNames(s.outputs), b.ports[:n], b.ports[n:], opts)
	if err != nil {
		return b, refused(err)
	}
	return b, nil
}

// Run computes the outputs.
func (b *Bound) Run() error { return b.s.Run() }

// Close frees what onnxruntime holds.
func (b *Bound) Close() error {
	var err error
	if b.s != nil {
		err = b.s.Destroy()
		b.s = nil
	}
	destroy(b.ports)
	b.ports = nil
	b.pin.Unpin()
	return err
}
