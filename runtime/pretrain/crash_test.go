package pretrain

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// Environment of a child process: where it runs the program, with how many workers.
const (
	childDir     = "LAMINA_PRETRAIN_CHILD_DIR"
	childWorkers = "LAMINA_PRETRAIN_CHILD_WORKERS"
	killsEnv     = "LAMINA_KILLS"
)

// everyPhase is a program with a phase of each kind.
func everyPhase(workers int) *plan {
	p := &plan{x: spec.Input("x", 12)}
	p.enc = spec.Sequential("encoder", spec.Dense(64), spec.Sigmoid(), spec.Dense(32), spec.Sigmoid())
	code := p.x.Then(p.enc)
	p.logits = code.Then(spec.Dense(4).Named("head"))
	o := options()
	o.Workers, o.Batch = workers, 16
	stopping := o
	stopping.Valid, stopping.Patience, stopping.Epochs = rows(140).Select([]int{120, 121, 122, 123}), 1, 3
	bits := o
	bits.Optimizer = optim.SGD(0.1).Momentum(0.5)
	few := rows(60)
	p.program = NewProgram("every",
		RBM(p.x, p.enc, rows(100), bits).Persistent(8).Sampled(),
		Greedy(p.x, p.enc, rows(100), stopping).Corrupt(spec.MaskingNoise(0.25)),
		Probe(code, few, rows(80)),
		EndToEnd(p.x, p.enc, rows(100), o).Corrupt(spec.GaussianNoise(0.1)).Untied(),
		Freeze("encoder/dense1"),
		Fit(spec.NewModel("classes", spec.CrossEntropy(p.logits, spec.Labels("y", 4))), few, stopping),
		Probe(code, few, rows(80)))
	return p
}

// child runs the program in a process of its own, its codes on disk.
func child(t *testing.T, dir string) {
	workers, err := strconv.Atoi(os.Getenv(childWorkers))
	if err != nil {
		t.Fatal(err)
	}
	got := mustRun(t, everyPhase(workers), Options{Dir: dir, Memory: 1})
	if err := os.WriteFile(dir+".bits", []byte(got), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestKilledAndResumed kills the process of a program at random moments, with one
// worker and with two, and starts it again until it ends. It wants the bits of a
// program never killed, with the codes in memory, and a folder without leftovers.
// LAMINA_KILLS is the number of kills.
func TestKilledAndResumed(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		child(t, dir)
		return
	}
	kills := 6
	if s := os.Getenv(killsEnv); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil || kills < 0 {
			t.Fatalf("%s=%q is no number", killsEnv, s)
		}
	}
	want := mustRun(t, everyPhase(1), Options{})
	top, key, where := t.TempDir(), random.New(8), map[string]int{}
	var span time.Duration
	for run, done := 0, 0; run == 0 || done < kills; run++ {
		dir := filepath.Join(top, strconv.Itoa(run))
		for try := 0; ; try++ {
			var delay time.Duration
			if run > 0 && done < kills {
				delay = 1 + time.Duration(key.Float64(uint64(1000*run+try))*0.8*float64(span))
			}
			began := time.Now()
			if once(t, dir, strconv.Itoa(1+try%2), delay) {
				if run == 0 {
					span = time.Since(began)
				}
				break
			}
			done++
			where[lastPhase(t, dir)]++
		}
		got, err := os.ReadFile(dir + ".bits")
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Fatalf("run %d: other bits than a program never killed", run)
		}
		if s := leftovers(t, dir); len(s) > 0 {
			t.Fatalf("run %d: left are %v", run, s)
		}
	}
	t.Logf("killed in %v", where)
}

// once runs a child, kills it after the delay, if one is given, and reports whether
// it ended by itself.
func once(t *testing.T, dir, workers string, delay time.Duration) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledAndResumed$")
	cmd.Env = append(os.Environ(), childDir+"="+dir, childWorkers+"="+workers)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if delay > 0 {
		time.Sleep(delay)
		_ = cmd.Process.Kill() // fails when the child has ended
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if delay > 0 && errors.As(err, &exit) && exit.ExitCode() == -1 {
		return false
	}
	if err != nil {
		t.Fatalf("the child failed: %v\n%s", err, out.String())
	}
	return true
}

// lastPhase is the phase that a killed program was in.
func lastPhase(t *testing.T, dir string) string {
	t.Helper()
	phases, err := filepath.Glob(filepath.Join(dir, "[0-9]*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(phases) == 0 {
		return "the start"
	}
	return filepath.Base(slices.Max(phases))
}

// leftovers lists the files of codes and the temporary ones in a folder.
func leftovers(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && (strings.Contains(d.Name(), "codes") || strings.Contains(d.Name(), ".tmp-")) {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
