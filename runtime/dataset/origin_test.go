package dataset

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// Errors name the file that is wrong: of labels theirs, not that of the pictures.
func TestErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, part := range []string{"train", "t10k"} {
		put(part+"-images-idx3-ubyte", idx(0x08, make([]byte, 784), 1, 28, 28))
		put(part+"-labels-idx1-ubyte", idx(0x08, []byte{10}, 1))
	}
	_, err := MNIST(dir)
	wantError(t, err, "train-labels-idx1-ubyte: the label of row 0 is 10")
	nan := float32(math.NaN())
	_, err = IDX(put("x.idx", idx(0x0D, []byte{0x7f, 0x80, 0, 1}, 1)), "")
	wantError(t, err, "x.idx: row 0", "NaN")
	_, err = NPY(put("x.npy", npyFile("<f4", "False", "(1, 1)", little(nan))), "x")
	wantError(t, err, "x.npy: row 0", "NaN")
	_, err = NPZ(put("x.npz", npz(t, 0, map[string][]byte{"x.npy": npyFile("<f4", "False", "(1, 1)", little(nan))})))
	wantError(t, err, "x.npz: row 0", "NaN")

	tab, err := CSV(put("x.csv", []byte("x,y\n1,0\n2,1\n3,1\n")), CSVOptions{Label: "y"})
	if err != nil {
		t.Fatal(err)
	}
	csv := filepath.Join(dir, "x.csv")
	wantError(t, tab.Balanced("y", 6, 1).Err(), `"y" of `+csv+` is 0 in 1 rows`)
	_, second := tab.SplitBy("y", 0.5, 1)
	wantError(t, second.Err(), `"y" of `+csv+` is 0 in one row only`)
	wantError(t, tab.Float("y", math.MaxFloat64).Err(), "row 1", `"y" of `+csv, "1 times 1.79", "overflows float32")
}

func TestPlace(t *testing.T) {
	tab := numbers(t, 5, 3).readFrom("five.npy")
	npy, err := OpenNPY(saved(t, []int{2}, float32(1), 2), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer npy.Close()
	for want, got := range map[string]string{
		`row 2: column "x" (of five.npy)`:         Place(tab, 2, "x"),
		`row 1: column "y" (row 4 of five.npy)`:   Place(tab.Select([]int{0, 4}), 1, "y"),
		`row 0: column "y" (of five.npy)`:         Place(tab.Select([]int{0, 4}), 0, "y"),
		`row 2: column "z" (of five.npy)`:         Place(tab.Rename("x", "z"), 2, "z"),
		`row 1: column "x"`:                       Place(tab.Select([]int{0, 4}).Join(numbers(t, 2, 2).Rename("x", "a").Rename("y", "b")), 1, "x"),
		`row 2: column "q"`:                       Place(tab, 2, "q"),
		`row 3: column "x"`:                       Place(plain{tab}, 3, "x"),
		`row 1: column "x" (of ` + npy.path + `)`: Place(npy.Source(), 1, "x"),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
