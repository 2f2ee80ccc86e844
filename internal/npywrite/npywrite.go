// Package npywrite writes arrays of any rank as .npy files.
//
// The npyio module writes slices, which have one axis, and matrices of float64.
package npywrite

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// Element is what an array may hold.
type Element interface {
	float32 | float64 | int64 | bool | uint8
}

// align is what the data's offset is a multiple of, so that they can be mapped.
const align = 64

const maxAxes = 64

// Write writes data, row-major, as an array of that shape in version 1.0 of the
// .npy format, little-endian. An empty shape is one number.
//
// Errors: the data do not fill the shape; more than 64 axes; those of w.
func Write[T Element](w io.Writer, shape []int, data []T) error {
	if err := check(shape); err != nil {
		return err
	}
	n := 1
	for _, d := range shape {
		n *= d
	}
	if n != len(data) {
		return fmt.Errorf("npy: shape %v holds %d elements, got %d", shape, n, len(data))
	}
	out := bufio.NewWriterSize(w, 1<<16)
	if _, err := out.Write(header(descr[T](), shape)); err != nil {
		return err
	}
	if err := elements(out, data); err != nil {
		return err
	}
	return out.Flush()
}

func descr[T Element]() string {
	var zero T
	kind := "i"
	switch any(zero).(type) {
	case bool:
		kind = "b"
	case float32, float64:
		kind = "f"
	case uint8:
		kind = "u"
	}
	return typeOf(kind, binary.Size(zero))
}

// typeOf is a type as NumPy writes it.
func typeOf(kind string, size int) string {
	if size == 1 {
		return "|" + kind + "1"
	}
	return fmt.Sprintf("<%s%d", kind, size)
}

// WriteRaw is Write of elements as they are in the file: of kind f, i or u, and size
// bytes, little-endian.
func WriteRaw(w io.Writer, shape []int, kind string, size int, data []byte) error {
	if err := check(shape); err != nil {
		return err
	}
	n := size
	for _, d := range shape {
		n *= d
	}
	if n != len(data) {
		return fmt.Errorf("npy: shape %v of %s is %d bytes, got %d", shape, typeOf(kind, size), n, len(data))
	}
	if _, err := w.Write(header(typeOf(kind, size), shape)); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

func header(descr string, shape []int) []byte {
	var dims strings.Builder
	for i, d := range shape {
		if i > 0 {
			dims.WriteByte(' ')
		}
		fmt.Fprintf(&dims, "%d,", d)
	}
	tuple := dims.String()
	if len(shape) > 1 {
		tuple = strings.TrimSuffix(tuple, ",") // as NumPy: only a tuple of one needs it
	}
	const fixed = 10 // magic, version, length
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, tuple)
	pad := (align - (fixed+len(dict)+1)%align) % align
	dict += strings.Repeat(" ", pad) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), 0, 0)
	binary.LittleEndian.PutUint16(b[8:], uint16(len(dict)))
	return append(b, dict...)
}

// elements writes in parts, so that the memory taken does not grow with data.
func elements[T Element](w io.Writer, data []T) error {
	const part = 1 << 13
	var buf []byte
	for len(data) > 0 {
		n := min(part, len(data))
		var err error
		if buf, err = binary.Append(buf[:0], binary.LittleEndian, data[:n]); err != nil {
			return err
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
