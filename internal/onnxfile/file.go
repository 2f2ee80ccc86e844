// Package onnxfile reads ONNX models by path, with the tensors that lie in files beside
// them, and cuts them down to what some of their outputs need.
//
// The path matters: a model names its data files relative to its own folder, and bytes
// alone have no folder. Whoever is handed only bytes calls External first, since a
// runtime would look for the data in the working folder.
package onnxfile

import (
	"errors"
	"fmt"
	"io"

	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/internal/regular"
)

// MaxBytes is what a protobuf message can hold.
const MaxBytes = 1<<31 - 1

// File is a model and the folder it lies in.
type File struct {
	Path   string
	Data   []byte // the file as it is
	Model  *onnxpb.ModelProto
	Folder *Folder
}

// Open reads the model at path. What it keeps in other files is not read yet. The
// File is to be closed.
//
// Errors: those of Read and OpenFolder; what is no ONNX model, with what it is
// instead where that can be told.
func Open(path string) (*File, error) {
	data, err := Read(path, MaxBytes)
	if err != nil {
		return nil, err
	}
	m, err := onnxpb.UnmarshalModel(data)
	// Protobuf skips fields it does not know, so other files decode to nothing.
	if err == nil && (m.Graph == nil || m.IrVersion <= 0) {
		err = onnxpb.NotModel(data, errors.New("it has no graph or no IR version"))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	folder, err := OpenFolder(path, MaxBytes)
	if err != nil {
		return nil, err
	}
	return &File{Path: path, Data: data, Model: m, Folder: folder}, nil
}

// Close closes the folder.
func (f *File) Close() error { return f.Folder.Close() }

// Alone returns the model as bytes that need no other file and compute the named
// outputs, or all of them if none is named. Without either change they are the
// file's own.
//
// Errors: an output that the model does not have; a tensor whose data file is
// missing, short or outside the folder; more than MaxBytes.
func (f *File) Alone(outputs ...string) ([]byte, error) {
	m := f.Model
	if len(outputs) > 0 {
		g, err := Cut(m.Graph, outputs)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		if g != m.Graph {
			m = with(m, g)
		}
	}
	inlined, err := f.Folder.Inline(m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	if !inlined && m == f.Model {
		return f.Data, nil
	}
	if n := m.Size(); n > MaxBytes {
		return nil, fmt.Errorf("%s: with the tensors beside it the model has %d bytes, at most %d are possible", f.Path, n, MaxBytes)
	}
	return m.Marshal()
}

// with returns a copy of m that has graph g.
func with(m *onnxpb.ModelProto, g *onnxpb.GraphProto) *onnxpb.ModelProto {
	out := *m
	out.Graph = g
	return &out
}

// Read returns the bytes of a regular file.
//
// Errors: a file that is absent, no regular file, empty, or longer than limit.
func Read(path string, limit int64) ([]byte, error) {
	f, length, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if length == 0 {
		return nil, fmt.Errorf("%s: the file is empty", path)
	}
	if length > limit {
		return nil, fmt.Errorf("%s: it has %d bytes, at most %d can be read", path, length, limit)
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}
