package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/command/commandtest"
)

func TestDiff(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "b")
	if err := os.CopyFS(broken, os.DirFS(golden)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken, "data.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	times := func(k float32) func(string, []float32) {
		return func(_ string, w []float32) {
			for i := range w {
				w[i] *= k
			}
		}
	}
	for name, c := range map[string]struct {
		new    string
		status int
		out    []string // on stdout
		errs   string   // on stderr
		check  func(d bundleDiff) bool
	}{
		"itself": {golden, 0, []string{"same numbers in all 96 stored rows", "codes are interchangeable", "valid/loss"}, "",
			func(d bundleDiff) bool {
				a := d.Outputs[0]
				return d.Interchangeable && a.Equal == 1 && a.Overlap == 1 && a.MeanCosine == 1 && len(d.Metrics["valid/loss"]) == 2
			}},
		"rounding": {variant(t, times(1+1e-7)), 0, []string{"mean cosine 1.00000", "which is rounding", "codes are interchangeable", "changed"}, "",
			func(d bundleDiff) bool {
				a := d.Outputs[0]
				return a.Rounding && a.Equal < 1 && a.WorstAbs > 0 && a.WorstAbs < a.Tolerance
			}},
		"near": {variant(t, times(1.0001)), 0, []string{"mean cosine 1.00000", "codes are interchangeable"}, "",
			func(d bundleDiff) bool {
				a := d.Outputs[0]
				return !a.Rounding && a.Interchangeable && a.Overlap >= 0.99
			}},
		"of another length": {variant(t, times(2)), 3, []string{"mean cosine 1.00000"}, "must be recomputed",
			func(d bundleDiff) bool { a := d.Outputs[0]; return !d.SignatureChanged && a.Overlap < 0.99 }},
		"other weights": {variant(t, func(_ string, w []float32) {
			for i := range len(w) / 2 {
				w[i], w[len(w)-1-i] = w[len(w)-1-i], w[i]
			}
		}), 3, []string{"10 nearest"}, "codes are not interchangeable: stored codes must be recomputed",
			func(d bundleDiff) bool {
				a := d.Outputs[0]
				return a.MeanCosine < 0.99 && a.Overlap < 0.9 && d.Rows > 96
			}},
		"another signature": {pair(t), 1, []string{"a f32[N 2 3], b f32[N 2 3]", "changed"}, "the signature changed",
			func(d bundleDiff) bool { return d.SignatureChanged && len(d.Outputs) == 0 && d.Rows == 0 }},
		"broken":  {broken, 2, nil, "data.json is not the file", nil},
		"missing": {filepath.Join(broken, "no"), 2, nil, "cannot be read", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := lamina(t, nil, "diff", golden, c.new)
			if r.Status != c.status || !strings.Contains(r.Stderr, c.errs) || c.errs == "" && r.Stderr != "" {
				t.Errorf("%+v", r)
			}
			for _, w := range c.out {
				if !strings.Contains(r.Stdout, w) {
					t.Errorf("stdout does not say %q:\n%s", w, r.Stdout)
				}
			}
			j := lamina(t, nil, "diff", "--json", golden, c.new)
			if j.Status != c.status {
				t.Errorf("--json: exit status %d, want %d", j.Status, c.status)
			}
			if c.check == nil {
				commandtest.WantError(t, j, c.errs)
				return
			}
			var d bundleDiff
			if err := json.Unmarshal([]byte(j.Stdout), &d); err != nil {
				t.Fatal(err)
			}
			if !c.check(d) || d.Verdict == "" || d.Old.Opset < 13 || d.Old.Bytes == 0 || d.Old.Params != 81530 {
				t.Errorf("%s", j.Stdout)
			}
		})
	}
	commandtest.WantError(t, lamina(t, nil, "diff", golden), "arg")
	commandtest.WantError(t, lamina(t, nil, "diff", golden, golden, "--cosine", "2"), "--cosine")
	if r := lamina(t, nil, "diff", golden, variant(t, times(1.0001)), "--overlap", "1", "--cosine", "1"); r.Status != 3 {
		t.Errorf("nothing less than the same: %+v", r)
	}
}

func codesOf(width int, x ...float64) *ir.Tensor {
	return &ir.Tensor{DType: ir.F64, Shape: []int{len(x) / width, width}, F64: x}
}

func TestAgreement(t *testing.T) {
	old := codesOf(2, 1, 0, 0, 1, 3, 4, 0, 0)
	if a := agree(old, old, 0); a.Equal != 1 || a.MeanCosine != 1 || a.LeastCosine != 1 || a.Overlap != 1 || !a.Rounding || a.Neighbours != 3 {
		t.Errorf("%+v", a)
	}
	turned := agree(old, codesOf(2, 0, 1, 1, 0, 3, 4, 0, 0), 0.5)
	if turned.Equal != 0.5 || turned.MeanCosine != 0.5 || turned.LeastCosine != 0 || turned.WorstAbs != 1 || turned.Rounding {
		t.Errorf("%+v", turned)
	}
	nan := math.NaN()
	wild := agree(codesOf(1, nan, 1, math.Inf(1)), codesOf(1, nan, nan, 2), 1)
	if b, err := json.Marshal(wild); err != nil || wild.Rounding || wild.MeanCosine != 1./3 {
		t.Errorf("%s, %v", b, err)
	}
	labels := func(v ...int64) *ir.Tensor { return &ir.Tensor{DType: ir.I64, Shape: []int{len(v), 1}, I64: v} }
	if a := agree(labels(1, 2, 3, 4), labels(1, 2, 3, 5), 9); a.Equal != 0.75 || a.Rounding || a.Floats {
		t.Errorf("%+v", a)
	}
	if a := agree(codesOf(3), codesOf(3), 0); a.Equal != 1 {
		t.Errorf("no rows: %+v", a)
	}
}

// On a line, the two nearest of 0, 1, 3, 7 are counted by hand.
func TestOverlap(t *testing.T) {
	was := [][]float64{{0}, {1}, {3}, {7}}
	is := [][]float64{{0}, {1}, {6.5}, {7}}
	// The old neighbours are {1 2}, {0 2}, {1 0}, {2 1}; of 6.5 they are {3 1}.
	if got := overlap(was, is, 2); got != 7./8 {
		t.Errorf("overlap %v", got)
	}
}
