package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/command/commandtest"
	"github.com/lamina-ml/lamina/internal/lab/yardstick"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
)

// writeDigits makes a folder of IDX files of a few of the embedded digits.
func writeDigits(t *testing.T, train, test int) string {
	t.Helper()
	dir, digits := t.TempDir(), dataset.Digits()
	write := func(name string, n int, dims []int, data []byte) {
		head := []byte{0, 0, 8, byte(1 + len(dims))}
		for _, d := range append([]int{n}, dims...) {
			head = binary.BigEndian.AppendUint32(head, uint32(d))
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(head, data...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	part := func(prefix string, rows *dataset.Table) {
		var x, y []byte
		for _, v := range rows.F32("x") {
			x = append(x, byte(v*255+0.5))
		}
		for _, v := range rows.I64("y") {
			y = append(y, byte(v))
		}
		write(prefix+"-images-idx3-ubyte", rows.Len(), []int{28, 28}, x)
		write(prefix+"-labels-idx1-ubyte", rows.Len(), nil, y)
	}
	part("train", digits.Train.Head(train))
	part("t10k", digits.Test.Head(test))
	return dir
}

// A row is measured, printed as JSON, kept, and then shown as it was kept.
func TestYardstick(t *testing.T) {
	dir, results := writeDigits(t, 300, 50), filepath.Join(t.TempDir(), "results")
	var out, errs strings.Builder
	if code := run([]string{"yardstick", "pca30", "--json", "--data", dir, "--results", results}, &out, &errs); code != 0 {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	var r yardstick.Result
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	if r.Name != "pca30" || !(r.Value > 10 && r.Value < 20) || r.Published != 13.87 || r.Seeds != 1 || r.Metric == "" || r.Machine == "" ||
		r.Reached == nil || *r.Reached != (r.Value <= float64(r.Target)) {
		t.Errorf("result %+v", r)
	}
	if !strings.HasPrefix(r.Data, "other digits ") || !strings.HasSuffix(r.Data, ", 300 rows to train and 50 to test") {
		t.Errorf("the data are %q", r.Data)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(out.String()), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"name", "metric", "value", "published", "target", "seeds", "std", "wall_s"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("no field %q in %s", name, out.String())
		}
	}
	out.Reset()
	if code := run([]string{"yardstick", "pca30", "--data", dir, "--results", results}, &out, &errs); code != 0 || !strings.Contains(out.String(), "as kept of") {
		t.Errorf("exit %d, %q: not the kept result", code, out.String())
	}
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("# Page\n<!-- yardsticks: written by laminabench yardstick --table -->\n<!-- end of yardsticks -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := run([]string{"yardstick", "--table", page, "--results", results}, &out, &errs); code != 0 {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "| `pca30` | 13.87 |") {
		t.Errorf("%v: page %s", err, text)
	}
}

// Every field is there, as null where nothing was published; the cores are those
// that worked; a name given twice is measured once.
func TestYardstickFields(t *testing.T) {
	dir := writeDigits(t, 300, 50)
	r := laminabench(t, nil, "yardstick", "keras-tied", "keras-tied", "--json", "--quiet", "--data", dir, "--workers", "1")
	var fields map[string]any
	if err := json.Unmarshal([]byte(r.Stdout), &fields); err != nil {
		t.Fatalf("%v in %s%s", err, r.Stdout, r.Stderr)
	}
	for _, name := range []string{"name", "metric", "value", "published", "target", "seeds", "std", "wall_s"} {
		if x, ok := fields[name]; !ok || (x == nil) != (name == "published") {
			t.Errorf("field %q is %v in %s", name, x, r.Stdout)
		}
	}
	if s, _ := fields["machine"].(string); !strings.Contains(s, ", 1 of ") && !strings.Contains(s, ", 1 cores") {
		t.Errorf("the machine is %q", s)
	}
	r = laminabench(t, nil, "yardstick", "--json")
	var list []map[string]any
	if err := json.Unmarshal([]byte(r.Stdout), &list); err != nil {
		t.Fatalf("%v in %s", err, r.Stdout)
	}
	for _, x := range list {
		for _, name := range []string{"name", "metric", "published", "target", "seeds"} {
			if _, ok := x[name]; !ok {
				t.Errorf("%v lacks %q", x, name)
			}
		}
	}
	if r = laminabench(t, nil, "yardstick"); strings.Contains(r.Stdout, "published 0") {
		t.Errorf("something was published that was not:\n%s", r.Stdout)
	}
}

// An interrupted run says how the next one would go on.
func TestYardstickInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	dir := writeDigits(t, 300, 50)
	for _, name := range []string{"pca30", "keras-tied"} {
		c := root()
		c.SetArgs([]string{"yardstick", name, "--quiet", "--data", dir})
		if err := c.ExecuteContext(ctx); !errors.Is(err, train.ErrInterrupted) || !strings.Contains(err.Error(), "--work") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestYardstickMistakes(t *testing.T) {
	t.Setenv("LAMINA_DATA", "")
	t.Setenv("LAMINA_DATASETS", "")
	commandtest.WantError(t, laminabench(t, nil, "yardstick", "fashion-resnet", "deepsvdd/fashion/cae"), "deepsvdd/fashion/cae is skipped", "fashion-resnet is skipped", "LAMINA_DATASETS", "dataset-fashion-mnist", "nothing was measured")
	r := laminabench(t, nil, "yardstick")
	if r.Status != 0 || !strings.Contains(r.Stdout, "sdae/rot/SDAE-3") {
		t.Errorf("the list: %+v", r)
	}
	commandtest.WantError(t, laminabench(t, nil, "yardstick", "pca30", "--within", "-1m"), "--within is a time such as 60m, got -1m0s")
	commandtest.WantError(t, laminabench(t, nil, "yardstick", "frob"), "frob", "pca30", "all")
	commandtest.WantError(t, laminabench(t, nil, "yardstick", "sdae/rot/SDAE-3"), "62000", "full MNIST")
	commandtest.WantError(t, laminabench(t, nil, "yardstick", "pca30", "--table", "x"), "pca30")
	commandtest.WantError(t, laminabench(t, nil, "yardstick", "--table", "x"), "--results")
	commandtest.WantError(t, laminabench(t, nil, "yardstick", "pca30", "--data", filepath.Join(t.TempDir(), "nowhere")), "nowhere")
}

// What --within leaves for later is told with its hours and its command.
func TestYardstickWithin(t *testing.T) {
	t.Setenv("LAMINA_DATA", "")
	t.Setenv("LAMINA_DATASETS", "")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ae30.json"), []byte(`[{"name": "ae30/rbm", "value": 2, "seeds": 2, "wall_s": 3600, "settings": {}}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	r := laminabench(t, nil, "yardstick", "ae30/rbm", "ae30/direct", "--within", "1ns", "--results", dir)
	want := "ae30/rbm is left for later: it takes about 2.0 hours: laminabench yardstick ae30/rbm --results " + strconv.Quote(dir) + "\n" +
		"ae30/direct is left for later: it is not known how long it takes: laminabench yardstick ae30/direct --results " + strconv.Quote(dir) + "\n"
	if r.Status != 0 || r.Stderr != want {
		t.Errorf("status %d, printed\n%s\nwant\n%s", r.Status, r.Stderr, want)
	}
}
