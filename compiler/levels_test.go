package compiler

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/lamina-ml/lamina/"

// levels is the rule of the house: a package imports only from lower levels.
// A name that ends in / stands for every package below it.
var levels = []struct {
	level int
	names string
}{
	{8, "cmd/ internal/lab/peers/ examples/ kernels/simd/gen runtime/dataset/digits/gen"},
	{7, "runtime/report export/reproduce spec/spectest internal/timing internal/command/commandtest"},
	{6, "export/bundle internal/lab/yardstick internal/command"},
	{5, "runtime/pretrain runtime/fewlabels export/verify/ort export/verify/native runtime/rates runtime/active"},
	{4, "export/verify runtime/train"},
	{3, "compiler export import runtime/evaluate"},
	{2, "spec runtime/engine runtime/checkpoint runtime/dataset/parquet runtime/report/page runtime/dataset/synthetic"},
	{1, "compiler/ops compiler/plan runtime/optim runtime/dataset runtime/picture internal/onnxfile"},
	{0, "compiler/ir kernels/simd internal/onnxpb runtime/dataset/digits"},
	{6, "internal/lab/opcase internal/lab/orttest internal/lab/randmodel internal/lab/randgraph internal/lab/consumer internal/lab/faults internal/lab/outside internal/lab/twoway"}, // for tests only
	// Anyone may import what else is internal.
	{-1, "internal/"},
	{-2, "compiler/random internal/atomicfile internal/regular internal/float16 internal/npyheader"},
}

// levelOf returns the level of a package by its path below the module.
func levelOf(name string) (int, bool) {
	best, level := 0, 0
	for _, l := range levels {
		for _, n := range strings.Fields(l.names) {
			if len(n) > best && (n == name || strings.HasSuffix(n, "/") && strings.HasPrefix(name, n)) {
				best, level = len(n), l.level
			}
		}
	}
	return level, best > 0
}

// TestLevels reads what every package of the module imports outside its tests.
func TestLevels(t *testing.T) {
	cmd := exec.Command("go", "list", "-e", "-deps", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		name, ours := strings.CutPrefix(fields[0], module)
		if !ours {
			continue
		}
		seen++
		level, ok := levelOf(name)
		if !ok {
			t.Errorf("package %s has no level: enter it in the table of this test and of the README", name)
			continue
		}
		for _, path := range fields[1:] {
			dep, ours := strings.CutPrefix(path, module)
			if !ours {
				continue
			}
			if below, ok := levelOf(dep); ok && below >= level {
				t.Errorf("%s (level %d) imports %s (level %d): only lower levels may be imported", name, level, dep, below)
			}
			if strings.HasPrefix(dep, "internal/lab/") && !strings.HasPrefix(name, "internal/lab/") && name != "cmd/laminabench" {
				t.Errorf("%s imports %s: the laboratory is for tests and for those who measure", name, dep)
			}
			if strings.HasPrefix(name, "examples/") && strings.HasPrefix(dep, "internal/") {
				t.Errorf("%s imports %s: an example must compile in a module of one's own", name, dep)
			}
		}
	}
	if seen < 3 {
		t.Errorf("go list named %d packages of the module", seen)
	}
}

func TestLevelOf(t *testing.T) {
	for name, want := range map[string]int{"compiler": 3, "compiler/ir": 0, "cmd/lamina": 8, "examples/quickstart": 8, "export/bundle": 6, "export/verify/ort": 5,
		"internal/npywrite": -1, "internal/lab/hostile": -1, "internal/lab/yardstick": 6, "runtime/picture": 1, "compiler/random": -2, "internal/onnxpb": 0} {
		if got, ok := levelOf(name); !ok || got != want {
			t.Errorf("level of %s is %d %v, want %d", name, got, ok, want)
		}
	}
	if _, ok := levelOf("utils"); ok {
		t.Error("a package that is in no row has a level")
	}
}
