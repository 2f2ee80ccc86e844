package npywrite

import (
	"fmt"
	"io"
)

// Begin writes what comes before the elements of an array of that shape; Append
// writes them, in as many parts as one likes.
//
// Errors: more than 64 axes; a negative length; those of w.
func Begin[T Element](w io.Writer, shape []int) error {
	if err := check(shape); err != nil {
		return err
	}
	_, err := w.Write(header(descr[T](), shape))
	return err
}

// Append writes elements as Write does. Its memory does not grow with data.
func Append[T Element](w io.Writer, data []T) error { return elements(w, data) }

// check returns an error for a shape that no file has.
func check(shape []int) error {
	if len(shape) > maxAxes {
		return fmt.Errorf("npy: %d axes; NumPy reads at most %d", len(shape), maxAxes)
	}
	for _, d := range shape {
		if d < 0 {
			return fmt.Errorf("npy: shape %v has a negative length", shape)
		}
	}
	return nil
}
