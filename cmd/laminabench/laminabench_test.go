package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/timing"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// TestWorks: the multiply-adds that rates are turned into GFLOP/s with are
// those of the compiled step's products.
func TestWorks(t *testing.T) {
	for _, w := range works {
		p, err := compiler.Compile(w.model(), compiler.Options{Rows: w.batch})
		if err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
		macs := int64(0)
		for i := range p.Train.Steps {
			op := p.Train.Steps[i].Op
			if op == nil { // an update of weights
				continue
			}
			if name := op.Name(); strings.HasPrefix(name, "Gemm") || strings.HasPrefix(name, "Conv") {
				flops, _ := p.Train.Cost(i)
				macs += flops / 2
			}
		}
		want := int64(w.macs) * int64(w.batch)
		if macs < want || float64(macs) > 1.03*float64(want) { // biases and masks are counted there
			t.Errorf("%s: the plan's products are %d multiply-adds, the table says %d", w.name, macs, want)
		}
		rows, err := w.rows(100)
		if err != nil || rows.Len() != 8100 {
			t.Errorf("%s: %d rows for batches of 100 (%v)", w.name, rows.Len(), err)
		}
	}
}

// decodeLines decodes one JSON object a line, and refuses fields that are not of T.
func decodeLines[T any](t *testing.T, s string) (all []T) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(s))
	d.DisallowUnknownFields()
	for d.More() {
		var v T
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v\n%s", err, s)
		}
		all = append(all, v)
	}
	return all
}

func TestTrain(t *testing.T) {
	for _, w := range works {
		if w.name == "deep-ae" && testing.Short() {
			continue
		}
		r := laminabench(t, nil, "train", "--work", w.name, "--threads", "2", "--batch", "32", "--seconds", "0.1", "--json")
		if r.Status != 0 {
			t.Fatalf("%s: exit %d: %s", w.name, r.Status, r.Stderr)
		}
		got := decodeLines[trainResult](t, r.Stdout)
		if len(got) != 1 {
			t.Fatalf("%s: %d lines", w.name, len(got))
		}
		b := got[0]
		if b.Peer != "lamina" || b.Work != w.name || b.Threads != 2 || b.Batch != 32 || b.Precision != "fp32" || b.Mode != simd.Active() {
			t.Errorf("%s: %+v", w.name, b)
		}
		if !(b.SamplesPerS > 0 && b.Best >= b.SamplesPerS && b.GFLOPS > 0 && b.FirstStepS > 0 && b.PeakRSSMB > 1) {
			t.Errorf("%s: %+v", w.name, b)
		}
		learnt := b.Loss[1] < b.Loss[0]
		if w.classes > 0 { // there is nothing to learn in random labels within some steps
			learnt = b.Loss[1] != b.Loss[0] && b.Loss[1] < 10
		}
		if !learnt {
			t.Errorf("%s: the loss went from %v to %v", w.name, b.Loss[0], b.Loss[1])
		}
		if d := b.USPerStep * b.SamplesPerS / 32e6; d < 0.999 || d > 1.001 {
			t.Errorf("%s: %v us a step and %v samples/s are not one", w.name, b.USPerStep, b.SamplesPerS)
		}
	}
}

// TestTrainLow: --precision bf16 trains with other products, and says so; a work too
// narrow for them has the losses that it has in float32.
func TestTrainLow(t *testing.T) {
	first := func(work, precision string) float64 {
		t.Helper()
		r := laminabench(t, nil, "train", "--work", work, "--threads", "1", "--batch", "32", "--seconds", "0.01", "--precision", precision, "--json")
		if r.Status != 0 {
			t.Fatalf("%s in %s: exit %d: %s", work, precision, r.Status, r.Stderr)
		}
		got := decodeLines[trainResult](t, r.Stdout)[0]
		if got.Precision != precision || !(got.SamplesPerS > 0 && got.Loss[1] < got.Loss[0]) {
			t.Errorf("%s in %s: %+v", work, precision, got)
		}
		return got.Loss[0]
	}
	if a, b := first("tied-ae", "fp32"), first("tied-ae", "bf16"); a == b || math.Abs(a-b) > 1e-2*a {
		t.Errorf("the first losses of tied-ae are %v in float32 and %v in bf16", a, b)
	}
	if a, b := first("tiny-ae", "fp32"), first("tiny-ae", "bf16"); a != b {
		t.Errorf("the first losses of tiny-ae are %v in float32 and %v in bf16", a, b)
	}
	if a, b := first("conv-ae", "fp32"), first("conv-ae", "bf16"); a == b || math.Abs(a-b) > 1e-2*a {
		t.Errorf("the first losses of conv-ae are %v in float32 and %v in bf16", a, b)
	}
	for work, kernel := range map[string]string{"tied-ae": "gemm_bf16", "conv-ae": "conv_transpose_bf16", "resnet20": "conv_filter_grad_bf16"} {
		r := laminabench(t, nil, "train", "--profile", "--work", work, "--batch", "32", "--threads", "1", "--seconds", "0.01", "--precision", "bf16")
		if r.Status != 0 || !strings.Contains(r.Stdout, work+" in bf16") || !strings.Contains(r.Stdout, kernel) {
			t.Errorf("exit %d: %s%s", r.Status, r.Stdout, r.Stderr)
		}
	}
}

func TestProfile(t *testing.T) {
	r := laminabench(t, nil, "train", "--profile", "--work", "tiny-ae", "--threads", "1", "--seconds", "0.05", "--json")
	if r.Status != 0 {
		t.Fatalf("exit %d: %s", r.Status, r.Stderr)
	}
	p := decodeLines[profile](t, r.Stdout)[0]
	share := 0.0
	for _, s := range p.Steps {
		share += s.Share
		if s.Kernel == "" || s.Result == "" || s.FLOPs < 0 || s.Bytes < 0 {
			t.Errorf("%+v", s)
		}
	}
	if share < 0.999 || share > 1.001 || p.US <= 0 {
		t.Errorf("the shares sum to %v of %v us", share, p.US)
	}
	if r = laminabench(t, nil, "train", "--profile", "--work", "tiny-ae", "--seconds", "0.02"); r.Status != 0 || !strings.Contains(r.Stdout, "GFLOP/s") {
		t.Errorf("exit %d: %s%s", r.Status, r.Stdout, r.Stderr)
	}
}

func TestGEMM(t *testing.T) {
	for _, threads := range []string{"1", "3"} {
		r := laminabench(t, nil, "gemm", "--shapes", "ae32", "--threads", threads, "--seconds", "0.001", "--json")
		if r.Status != 0 {
			t.Fatalf("exit %d: %s", r.Status, r.Stderr)
		}
		got := decodeLines[gemmResult](t, r.Stdout)
		if len(got) != 11 {
			t.Errorf("%d shapes, want 11", len(got))
		}
		for _, g := range got {
			if !(g.US > 0 && g.GFLOPS > 0) || g.Kernel != simd.Active() || fmt.Sprint(g.Threads) != threads {
				t.Errorf("%+v", g)
			}
		}
	}
}

// TestGEMMShapes: the bands of a team make the product that one thread makes, and
// that a plain loop makes, in every orientation.
func TestGEMMShapes(t *testing.T) {
	team := newTeam(3)
	defer team.stop()
	alone := newTeam(1)
	for _, s := range gemmShapes() {
		if s.m*s.n*s.k > 1<<22 {
			continue
		}
		a, b := operand(s.m*s.k), operand(s.k*s.n)
		turned := make([]float32, s.k*s.n)
		c, d := make([]float32, s.m*s.n), make([]float32, s.m*s.n)
		s.run(team, a, b, c, turned)
		s.run(alone, a, b, d, turned)
		if !slices.Equal(c, d) {
			t.Errorf("%s: three threads make other bits than one", s.name)
		}
		for _, at := range [][2]int{{0, 0}, {s.m - 1, s.n - 1}, {s.m / 2, s.n / 3}} {
			want := 0.0
			for k := range s.k {
				x, y := a[at[0]*s.k+k], b[k*s.n+at[1]]
				if s.op == "TN" {
					x = a[k*s.m+at[0]]
				}
				if s.op == "NT" {
					y = b[at[1]*s.k+k]
				}
				want += float64(x) * float64(y)
			}
			if got := float64(c[at[0]*s.n+at[1]]); got-want > 1e-3 || want-got > 1e-3 {
				t.Errorf("%s at %v: %v, want %v", s.name, at, got, want)
			}
		}
	}
}

func TestEncode(t *testing.T) {
	r := laminabench(t, nil, "encode", "../../testdata/bundles/demo-v1", "--batch", "1,3,300", "--threads", "2", "--seconds", "0.01", "--json")
	if r.Status != 0 {
		t.Fatalf("exit %d: %s", r.Status, r.Stderr)
	}
	var seen []string
	for _, e := range decodeLines[timing.ModelResult](t, r.Stdout) {
		seen = append(seen, fmt.Sprint(e.Runtime, " ", e.Batch))
		if !(e.US > 0 && e.BestUS <= e.US) || e.Threads != 2 {
			t.Errorf("%+v", e)
		}
	}
	want := []string{"lamina 1", "lamina 3", "lamina 300"}
	if _, err := ort.Runtime().Version(); err == nil {
		want = []string{"lamina 1", "onnxruntime 1", "lamina 3", "onnxruntime 3", "lamina 300", "onnxruntime 300"}
	} else if !strings.Contains(r.Stderr, "onnxruntime") {
		t.Errorf("nothing is said of the missing onnxruntime: %q", r.Stderr)
	}
	if !slices.Equal(seen, want) {
		t.Errorf("measured %q, want %q", seen, want)
	}
}

// TestExport: the net of a work is written as it ships, without its batch
// normalisations, and encode measures it.
func TestExport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resnet20.onnx")
	if r := laminabench(t, nil, "export", "resnet20", file); r.Status != 0 {
		t.Fatalf("exit %d: %s", r.Status, r.Stderr)
	}
	b, err := os.ReadFile(file)
	if err != nil || bytes.Contains(b, []byte("BatchNormalization")) || !bytes.Contains(b, []byte("logits")) {
		t.Errorf("%d bytes, with batch normalisations or without logits: %v", len(b), err)
	}
	r := laminabench(t, nil, "encode", file, "--batch", "2", "--seconds", "0.01", "--json")
	if list := decodeLines[timing.ModelResult](t, r.Stdout); r.Status != 0 || len(list) == 0 || list[0].Runtime != "lamina" || !(list[0].US > 0) {
		t.Errorf("exit %d: %s%s", r.Status, r.Stdout, r.Stderr)
	}
}

func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"work":      {[]string{"train", "--work", "conv\x1b[31m"}, []string{"--work", "tied-ae", "tiny-ae"}},
		"batch":     {[]string{"train", "--batch", "8193"}, []string{"--batch", "8192", "8193"}},
		"precision": {[]string{"train", "--precision", "fp8"}, []string{"--precision", "bf16", "fp8"}},
		"threads":   {[]string{"train", "--threads", "0"}, []string{"--threads", "0"}},
		"seconds":   {[]string{"gemm", "--seconds", "NaN"}, []string{"--seconds"}},
		"shapes":    {[]string{"gemm", "--shapes", "zz"}, []string{"zz", "laminabench gemm"}},
		"rows":      {[]string{"encode", "../../testdata/bundles/demo-v1", "--batch", "0"}, []string{"--batch", "0"}},
		"net":       {[]string{"export", "rbm", "x.onnx"}, []string{"rbm", "no net"}},
		"model":     {[]string{"encode", "absent.onnx"}, []string{"absent.onnx"}},
	} {
		r := laminabench(t, nil, c.args...)
		if r.Status == 0 || strings.Contains(r.Stderr, "\x1b") {
			t.Errorf("%s: exit %d: %q", name, r.Status, r.Stderr)
		}
		for _, w := range c.want {
			if !strings.Contains(r.Stderr, w) {
				t.Errorf("%s: %q does not mention %q", name, r.Stderr, w)
			}
		}
	}
}

func TestTeamCoversOnce(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7} {
		team := newTeam(size)
		for _, n := range []int{1, 5, 16, 17, 100} {
			hits := make([]int32, n)
			team.do(n, 16, func(lo, hi int) {
				for i := lo; i < hi; i++ {
					hits[i]++ // bands do not overlap, or the race detector says so
				}
			})
			for i, h := range hits {
				if h != 1 {
					t.Fatalf("team of %d: element %d of %d was done %d times", size, i, n, h)
				}
			}
		}
		team.stop()
	}
}

func TestStarted(t *testing.T) {
	at, ok := processStart()
	if ok && (at.After(initialized) || initialized.Sub(at).Seconds() > 60) {
		t.Errorf("the process started %v before its code began", initialized.Sub(at))
	}
	t.Setenv("PEER_STARTED", "1700000000.25")
	if got := started().UnixMilli(); got != 1700000000250 {
		t.Errorf("PEER_STARTED is read as %d", got)
	}
}
