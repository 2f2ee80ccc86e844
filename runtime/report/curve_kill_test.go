//go:build unix

package report

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// killedEnv is the folder of a curve whose process kills itself, and killedAfter after how many points.
const killedEnv, killedAfter = "LAMINA_TEST_KILLED", "LAMINA_TEST_KILLED_AFTER"

// TestKilledCurve is the process that is killed.
func TestKilledCurve(t *testing.T) {
	dir := os.Getenv(killedEnv)
	if dir == "" {
		t.Skip("it is run by TestLabelCurveKilled")
	}
	after, err := strconv.Atoi(os.Getenv(killedAfter))
	if err != nil {
		t.Fatal(err)
	}
	o := killedOptions(t)
	o.Dir = dir
	o.Progress = func(p CurveProgress) {
		if p.Kept {
			return
		}
		if after--; after == 0 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	if _, err := LabelCurve(t.Context(), smallModel, o); err != nil {
		t.Fatal(err)
	}
}

func killedOptions(t *testing.T) CurveOptions {
	o := smallOptions(t)
	m := smallModel()
	o.Arms = append(quickArms(), DefaultArms(m, true)[4], DefaultArms(m, true)[6])
	return o
}

// TestLabelCurveKilled: a curve whose process is killed, with files half written lying about, ends as one that is not.
func TestLabelCurveKilled(t *testing.T) {
	o := killedOptions(t)
	want, err := LabelCurve(t.Context(), smallModel, o)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	killed := 0
	for _, after := range []int{3, 9, 1000} {
		c := exec.Command(os.Args[0], "-test.run=^TestKilledCurve$")
		c.Env = append(os.Environ(), killedEnv+"="+dir, killedAfter+"="+strconv.Itoa(after))
		out, err := c.CombinedOutput()
		if err == nil {
			break
		}
		if s, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGKILL {
			t.Fatalf("%v\n%s", err, out)
		}
		killed++
		if err := os.WriteFile(filepath.Join(dir, "points", ".settings.json.tmp-1"), []byte("{"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if killed != 2 {
		t.Errorf("it was killed %d times", killed)
	}
	b, err := os.ReadFile(filepath.Join(dir, jsonName))
	if err != nil {
		t.Fatal(err)
	}
	var got Curve
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if a, b := curveJSON(t, want), curveJSON(t, &got); a != b {
		t.Errorf("it differs: at once\n%s\nand killed\n%s", a, b)
	}
	files, err := filepath.Glob(filepath.Join(o.Dir, "draws", "*"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files of draws, %v", len(files), err)
	}
	for _, f := range files {
		a, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "draws", filepath.Base(f)))
		if err != nil || string(a) != string(b) {
			t.Errorf("%s differs: %v", filepath.Base(f), err)
		}
	}
}
