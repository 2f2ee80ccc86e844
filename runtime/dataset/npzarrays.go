package dataset

import (
	"fmt"
	"slices"
)

// NPZArrays reads some arrays of an .npz file, each a column under its name, in this order. Arrays that are not named may
// have other numbers of rows, such as those of recordings beside those of their steps, and are not read.
// Errors: those of [NPZ]; no name; a name twice, or one that the file does not have.
func NPZArrays(path string, names ...string) (*Table, error) {
	if len(names) == 0 {
		return nil, fmt.Errorf("dataset: %s: no array is named; NPZ reads all", path)
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("dataset: %s: array %q is named twice", path, name)
		}
	}
	f, size, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := decodeNPZ(f, size, names)
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	own := make([]Data, len(names))
	for i, name := range names {
		j := slices.IndexFunc(data, func(d Data) bool { return d.Name == name })
		if j < 0 {
			return nil, fmt.Errorf("dataset: %s: it has no array %q", path, name)
		}
		own[i] = data[j]
	}
	return tableOf(path, own...)
}
