// Package regular opens files that hold data, and nothing else.
package regular

import (
	"errors"
	"fmt"
	"os"
)

// ErrNot is wrapped by the error for a folder, a pipe or a device.
var ErrNot = errors.New("not a regular file")

// Open opens a regular file and tells its size. Anything else is refused before
// it is opened: opening a named pipe waits for somebody to write to it.
func Open(path string) (*os.File, int64, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !st.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s: %w", path, ErrNot)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	if st, err = f.Stat(); err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}
