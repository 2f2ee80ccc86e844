package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/command/commandtest"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
)

// TestDemoLooksForOnnxruntimeFirst ends before it trains if it could not prove what
// it trained, unless that is wanted; promote proves it later.
func TestDemoLooksForOnnxruntimeFirst(t *testing.T) {
	orttest.Runtime(t)
	dir := t.TempDir()
	wrong := []string{"LAMINA_DATA=", "LAMINA_ONNXRUNTIME=" + filepath.Join(dir, "absent")}
	r := lamina(t, wrong, "demo", "--out", filepath.Join(dir, "demo"), "--epochs", "1")
	if r.Status != command.Unreadable || !strings.Contains(r.Stderr, "LAMINA_ONNXRUNTIME is set, but to no onnxruntime") || strings.Contains(r.Stderr, "epoch") {
		t.Errorf("%+v", r)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("it wrote %v, %v", entries, err)
	}
	r = lamina(t, []string{"LAMINA_DATA=", "LAMINA_ONNXRUNTIME=none"}, "demo", "--out", filepath.Join(dir, "demo"), "--epochs", "1")
	unverified := filepath.Join(dir, "demo", "encoder.unverified")
	if r.Status == 0 || !strings.Contains(r.Stderr, unverified) || !strings.Contains(r.Stderr, "lamina promote") {
		t.Errorf("%+v", r)
	}
	if r := lamina(t, nil, "promote", unverified); r.Status != 0 {
		t.Errorf("%+v", r)
	}
	if r := lamina(t, nil, "verify", filepath.Join(dir, "demo", "encoder")); r.Status != 0 {
		t.Errorf("%+v", r)
	}
}

func TestDemo(t *testing.T) {
	orttest.Runtime(t)
	t.Setenv("LAMINA_DATA", "")
	dir := t.TempDir()
	var out, errs bytes.Buffer
	if code := run([]string{"demo", "--out", dir, "--epochs", "2", "--json"}, &out, &errs); code != 0 {
		t.Fatalf("exit %d\n%s", code, errs.String())
	}
	var m demoMetrics
	if err := json.Unmarshal(out.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	if m.TrainRows != 8000 || m.TestRows != 2000 || !(m.TestMSE < 0.06) || m.Status != "holds" || !(m.Relative < 5e-5) || !(m.WorstAbs <= m.Tolerance) {
		t.Fatalf("metrics %+v", m)
	}
	if n := strings.Count(errs.String(), "\n"); n != 2 {
		t.Errorf("progress must be a line an epoch when not on a terminal, got\n%s", errs.String())
	}
	for _, f := range []string{"encoder/model.onnx", "reconstructions.png", "loss.png", "metrics.json"} {
		if st, err := os.Stat(filepath.Join(dir, f)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", f, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "training")); !os.IsNotExist(err) {
		t.Error("the checkpoint of a finished demo is left")
	}

	bundle := filepath.Join(dir, "encoder")
	out.Reset()
	if code := run([]string{"verify", bundle}, &out, &errs); code != 0 || !strings.Contains(out.String(), "computes what was trained") {
		t.Errorf("verify: exit %d, %q", code, out.String())
	}
	out.Reset()
	if code := run([]string{"reproduce", "--quiet", bundle}, &out, &errs); code != 0 || !strings.Contains(out.String(), "reproduced: 1 phase, 64 updates") {
		t.Errorf("reproduce: exit %d, %q, %s", code, out.String(), errs.String())
	}
	out.Reset()
	if code := run([]string{"reproduce", "--json", "--quiet", bundle}, &out, &errs); code != 0 || !strings.Contains(out.String(), `"same":true`) {
		t.Errorf("reproduce: exit %d, %q, %s", code, out.String(), errs.String())
	}
	model := filepath.Join(bundle, "model.onnx")
	b, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0x40 // inside the weights
	if err := os.WriteFile(model, b, 0o600); err != nil {
		t.Fatal(err)
	}
	checkVerdict(t, bundle, 1, "differs")
	if err := os.WriteFile(filepath.Join(bundle, "verification.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	checkVerdict(t, bundle, 2, "unreadable")
	checkVerdict(t, filepath.Join(dir, "nowhere"), 2, "unreadable")
}

// checkVerdict runs verify in words and as JSON.
func checkVerdict(t *testing.T, bundle string, code int, status string) {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run([]string{"verify", bundle}, &out, &errs); got != code || out.Len() > 0 || errs.Len() == 0 || strings.Count(errs.String(), "\n") > command.MaxErrorLines {
		t.Errorf("verify %s: exit %d, want %d; stdout %q, stderr %q", filepath.Base(bundle), got, code, out.String(), errs.String())
	}
	out.Reset()
	if got := run([]string{"verify", "--json", bundle}, &out, &errs); got != code {
		t.Errorf("verify --json %s: exit %d, want %d", filepath.Base(bundle), got, code)
	}
	var v map[string]any
	if err := json.Unmarshal(out.Bytes(), &v); err != nil || v["status"] != status {
		t.Errorf("verify --json %s: %v, %q", filepath.Base(bundle), err, out.String())
	}
}

// An interrupted demo writes a checkpoint, says how to go on, and goes on.
func TestDemoInterrupted(t *testing.T) {
	orttest.Runtime(t)
	if os.Getenv("LAMINA_TEST_DEMO") != "" {
		os.Exit(run([]string{"demo", "--out", os.Getenv("LAMINA_TEST_DEMO"), "--epochs", "400"}, os.Stdout, os.Stderr))
	}
	dir := t.TempDir()
	var errs bytes.Buffer
	c := exec.Command(os.Args[0], "-test.run=^TestDemoInterrupted$")
	c.Env = append(os.Environ(), "LAMINA_TEST_DEMO="+dir, "LAMINA_DATA=")
	c.Stderr = &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "training", "checkpoint.lamina")
	for range 6000 {
		if _, err := os.Stat(path); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil {
		t.Fatal("an interrupted demo must not exit with 0")
	}
	if s := errs.String(); !strings.Contains(s, path) || !strings.Contains(s, "run the same command again") {
		t.Fatalf("stderr %q", s)
	}
	var out bytes.Buffer
	errs.Reset()
	t.Setenv("LAMINA_DATA", "")
	f, err := checkpoint.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	epochs := strconv.Itoa(f.Cursor.Epoch + 1) // no fewer than were made
	if code := run([]string{"demo", "--out", dir, "--epochs", epochs}, &out, &errs); code != 0 {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	if want := "digits: going on at epoch " + epochs + " of " + epochs; !strings.Contains(errs.String(), want) {
		t.Fatalf("stderr %q, want %q", errs.String(), want)
	}
}

func TestUnknownKernel(t *testing.T) {
	r := lamina(t, []string{"LAMINA_KERNEL=frob"}, "demo", "--epochs", "1", "--out", t.TempDir())
	commandtest.WantError(t, r, "frob", "avx2")
}

func TestCommandLine(t *testing.T) {
	t.Setenv("LAMINA_DATA", "")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"help":            {[]string{"--help"}, 0, "verify"},
		"help of a verb":  {[]string{"verify", "--help"}, 0, "Exit status"},
		"ops":             {[]string{"ops"}, 0, "MatMul"},
		"ops json":        {[]string{"ops", "--json"}, 0, `"onnx":"MatMul"`},
		"cpu":             {[]string{"cpu"}, 0, "GFLOP/s"},
		"cpu and bf16":    {[]string{"cpu"}, 0, "\nbf16      products " + simd.BF16Speed() + "\n"},
		"bf16 json":       {[]string{"cpu", "--json"}, 0, `"bf16":"` + simd.BF16Speed() + `"`},
		"explain":         {[]string{"demo", "--explain", "--out", t.TempDir()}, 0, "GemmRelu"},
		"unknown verb":    {[]string{"frob"}, 2, "frob"},
		"unknown flag":    {[]string{"demo", "--frob"}, 2, "frob"},
		"no such data":    {[]string{"demo", "--data", filepath.Join(file, "x"), "--out", t.TempDir()}, 2, "train-images"},
		"folder":          {[]string{"demo", "--out", filepath.Join(file, "x"), "--quiet"}, 2, "folder"},
		"pass":            {[]string{"demo", "--dump", "frob", "--out", t.TempDir()}, 2, "frob"},
		"epochs":          {[]string{"demo", "--epochs", "-1", "--out", t.TempDir()}, 2, "Epochs"},
		"missing operand": {[]string{"verify"}, 2, "arg"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(c.args, &out, &errs)
			text := out.String() + errs.String()
			if code != c.code || !strings.Contains(text, c.want) {
				t.Fatalf("exit %d, want %d; %q is wanted in\n%s", code, c.code, c.want, text)
			}
			if code != 0 && strings.Count(errs.String(), "\n") > command.MaxErrorLines {
				t.Fatalf("more than %d lines:\n%s", command.MaxErrorLines, errs.String())
			}
		})
	}
}

func TestVersion(t *testing.T) {
	r := lamina(t, []string{"LAMINA_ONNXRUNTIME=none"}, "version")
	if r.Status != 0 || !containsAll(r.Stdout, "lamina "+command.Version(), runtime.GOOS+"/"+runtime.GOARCH, simd.Active()+" kernels", "LAMINA_ONNXRUNTIME=none") {
		t.Errorf("%+v", r)
	}
	var b map[string]string
	r = lamina(t, nil, "version", "--json")
	if err := json.Unmarshal([]byte(r.Stdout), &b); err != nil || b["version"] != command.Version() || (b["onnxruntime"] == "") != (b["missing"] != "") {
		t.Errorf("%v: %+v", err, r)
	}
}
