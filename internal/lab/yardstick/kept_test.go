package yardstick

import (
	"os"
	"path/filepath"
	"testing"
)

// keptData is what the kept results are of.
const keptData = "MNIST, 60000 rows to train and 10000 to test"

// keptOf is what the kept results of a data set are of.
func keptOf(set string) string {
	switch set {
	case fashion:
		return "Fashion-MNIST, 60000 rows to train and 10000 to test"
	case cifar:
		return "CIFAR-10 as JPEG, 50000 rows to train and 10000 to test"
	case flights:
		return "flights of 2013, 269509 rows to train and 65322 to test"
	case watches:
		return "windows of the watch, 2229 rows"
	}
	return keptData
}

// The kept results are of the cells as they are, on the full MNIST, and the pages show them.
func TestKeptResults(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	all, err := Load(filepath.Join(root, "testdata", "yardsticks"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rows() {
		for _, c := range r.Cells {
			x, ok := all[c.Name]
			switch {
			case !ok:
				t.Logf("%s has no result: run make yardstick", c.Name)
			case !x.same(c, keptOf(c.Data)):
				t.Errorf("%s has a result of other settings, %s, or data, %s: run make yardstick", c.Name, x.Settings, x.Data)
			case len(x.Values) != c.Seeds || x.Value != median(x.Values) || x.Std != deviation(x.Values) || !(x.WallS > 0) || x.Machine == "" || x.Date == "":
				t.Errorf("%s is not as it was measured: %+v", c.Name, x)
			}
			delete(all, c.Name)
		}
	}
	if len(all) > 0 {
		t.Errorf("results of no cell: %v", all)
	}
	if all, err = Load(filepath.Join(root, "testdata", "yardsticks")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cmd/laminabench/README.md", "runtime/rates/README.md"} {
		page, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		if want, err := Place(page, all); err != nil || string(want) != string(page) {
			t.Errorf("%s shows other yardsticks than testdata/yardsticks holds (%v): run laminabench yardstick --table %s --results testdata/yardsticks", name, err, name)
		}
	}
}
