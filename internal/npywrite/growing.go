package npywrite

import (
	"bytes"
	"io"
	"math"
	"slices"
)

// BeginRows is Begin of an array of which the length of the first axis is not known yet; dims are the other axes. The
// header has room for any length, which EndRows writes.
//
// Errors: those of Begin.
func BeginRows[T Element](w io.Writer, dims []int) error {
	return Begin[T](w, slices.Concat([]int{math.MaxInt64}, dims))
}

// EndRows writes the length of the first axis to a file that BeginRows began.
//
// Errors: a negative length; those of w.
func EndRows[T Element](w io.WriterAt, rows int, dims []int) error {
	shape := slices.Concat([]int{rows}, dims)
	if err := check(shape); err != nil {
		return err
	}
	room := len(header(descr[T](), slices.Concat([]int{math.MaxInt64}, dims)))
	h := header(descr[T](), shape)
	// Blanks before the end of the line make it as long.
	h = slices.Concat(bytes.TrimSuffix(h, []byte("\n")), bytes.Repeat([]byte(" "), room-len(h)), []byte("\n"))
	const fixed = 10 // magic, version, length
	h[8], h[9] = byte(room-fixed), byte((room-fixed)>>8)
	_, err := w.WriteAt(h, 0)
	return err
}
