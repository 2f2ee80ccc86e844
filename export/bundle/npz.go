package bundle

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/sbinet/npyio/npy"
)

// arrays are the tensors of an npz in their order.
type arrays struct {
	names   []string
	tensors []*ir.Tensor
}

func (a *arrays) add(name string, t *ir.Tensor) {
	a.names, a.tensors = append(a.names, name), append(a.tensors, t)
}

// npyTypes are the types of what an npz here holds.
var npyTypes = map[ir.DType]string{ir.F32: "<f4", ir.I64: "<i8", ir.Bool: "|b1", ir.U8: "|u1"}

// pack returns the npz, float64 stored as float32.
func (a *arrays) pack() ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i, t := range a.tensors {
		f, err := w.Create(a.names[i] + ".npy")
		if err != nil {
			return nil, err
		}
		switch t.DType {
		case ir.I64:
			err = npywrite.Write(f, t.Shape, t.I64)
		case ir.Bool:
			err = npywrite.Write(f, t.Shape, t.Bool)
		case ir.U8:
			err = npywrite.Write(f, t.Shape, t.Raw)
		default:
			t = t.To(ir.F32)
			err = npywrite.Write(f, t.Shape, t.F32)
		}
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", a.names[i], err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// unpack reads an npz that may be hostile: the sizes its headers claim are
// held against limit and against what is there.
func unpack(b []byte, limit int64) (map[string]*ir.Tensor, error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	if len(z.File) > maxFiles*100 {
		return nil, fmt.Errorf("%d arrays are too many", len(z.File))
	}
	out := map[string]*ir.Tensor{}
	for _, f := range z.File {
		t, n, err := unpackArray(f, limit)
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", f.Name, err)
		}
		limit -= n
		name := f.Name
		if len(name) > 4 && name[len(name)-4:] == ".npy" {
			name = name[:len(name)-4]
		}
		out[name] = t
	}
	return out, nil
}

func unpackArray(f *zip.File, limit int64) (t *ir.Tensor, n int64, err error) {
	defer func() {
		if p := recover(); p != nil { // npyio is not written for hostile headers
			err = fmt.Errorf("malformed: %v", p)
		}
	}()
	rc, err := f.Open()
	if err != nil {
		return nil, 0, err
	}
	defer rc.Close()
	raw, err := io.ReadAll(io.LimitReader(rc, limit+1))
	if err != nil {
		return nil, 0, err
	}
	if int64(len(raw)) > limit {
		return nil, 0, fmt.Errorf("is larger than the limit")
	}
	r, err := npy.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, 0, err
	}
	shape := r.Header.Descr.Shape
	elems := int64(1)
	for _, d := range shape {
		if d < 0 || d > 0 && elems > int64(len(raw))/int64(d) {
			return nil, 0, fmt.Errorf("shape %v is larger than the data", shape)
		}
		elems *= int64(d)
	}
	kind := ir.Invalid
	for d, name := range npyTypes {
		if name == r.Header.Descr.Type {
			kind = d
		}
	}
	if len(shape) > ir.MaxRank || kind == ir.Invalid || r.Header.Descr.Fortran || elems*int64(kind.Size()) > int64(len(raw)) {
		return nil, 0, fmt.Errorf("shape %v of type %s does not fit the data", shape, r.Header.Descr.Type)
	}
	t = ir.NewTensor(kind, append([]int{}, shape...)...)
	if elems > 0 {
		switch kind {
		case ir.F32:
			err = r.Read(&t.F32)
		case ir.I64:
			err = r.Read(&t.I64)
		case ir.U8:
			err = r.Read(&t.Raw)
		default:
			err = r.Read(&t.Bool)
		}
		if err != nil {
			return nil, 0, err
		}
	}
	return t, int64(len(raw)), t.Check()
}
