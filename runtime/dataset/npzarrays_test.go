package dataset

import (
	"archive/zip"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestNPZArrays(t *testing.T) {
	ramp := make([]byte, 240)
	path := file(t, "x.npz", npz(t, zip.Deflate, map[string][]byte{
		"x.npy": npyFile("<f4", "True", "(3, 2)", little(1, 2, 3, 4, 5, 6)),
		"r.npy": npyFile("<i8", "False", "(3,)", ramp[:24]),
		"y.npy": npyFile("<i8", "False", "(2,)", ramp[:16]),
		"s.npy": npyFile("<U1", "False", "(5,)", ramp[:20]), // which nobody can read
	}))
	if _, err := NPZ(path); err == nil {
		t.Error("arrays of 2, 3 and 5 rows are one table")
	}
	tab, err := NPZArrays(path, "r", "x")
	if err != nil || tab.Len() != 3 || columnNames(tab.Columns()) != "r i64[], x f32[2]" || !slices.Equal(tab.F32("x"), []float32{1, 4, 2, 5, 3, 6}) || tab.File("x") != path {
		t.Errorf("%v, %v", tab, err)
	}
	if tab, err = NPZArrays(path, "x", "r"); err != nil || columnNames(tab.Columns()) != "x f32[2], r i64[]" {
		t.Errorf("%v, %v", tab, err)
	}
	if tab, err = NPZArrays(path, "y"); err != nil || tab.Len() != 2 {
		t.Errorf("%v, %v", tab, err)
	}
	for want, names := range map[string][]string{
		"no array is named":          nil,
		`array "x" is named twice`:   {"x", "x"},
		`it has no array "z"`:        {"x", "z"},
		`column "y" has 2 rows, but`: {"x", "y"},
		`array "s": its type`:        {"s"},
	} {
		_, err := NPZArrays(path, names...)
		wantError(t, err, "x.npz", want)
	}
	if _, err := NPZArrays(filepath.Join(t.TempDir(), "none"), "x"); !os.IsNotExist(unwrapped(err)) {
		t.Error(err)
	}
}

func unwrapped(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = u.Unwrap()
	}
}
