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

// packLayers returns an npz of the tensors, float32 whatever their dtype, under
// their layer's name.
func packLayers(layers []layer, values map[string]*ir.Tensor) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, l := range layers {
		f, err := w.Create(l.Name + ".npy")
		if err != nil {
			return nil, err
		}
		t := values[l.Name].To(ir.F32)
		if err := npywrite.Write(f, t.Shape, t.F32); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// unpackLayers reads an npz that may be hostile: the sizes its headers claim are
// held against limit and against what is there.
func unpackLayers(b []byte, limit int64) (map[string]*ir.Tensor, error) {
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
	if len(shape) > ir.MaxRank || r.Header.Descr.Type != "<f4" || r.Header.Descr.Fortran || elems*4 > int64(len(raw)) {
		return nil, 0, fmt.Errorf("shape %v of type %s does not fit the data", shape, r.Header.Descr.Type)
	}
	t = &ir.Tensor{DType: ir.F32, Shape: append([]int{}, shape...), F32: make([]float32, elems)}
	if elems > 0 {
		if err := r.Read(&t.F32); err != nil {
			return nil, 0, err
		}
	}
	return t, int64(len(raw)), t.Check()
}
