package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/command/commandtest"
	"github.com/lamina-ml/lamina/internal/timing"
)

// TestBench times the calls of a file and of a bundle; what measures Lamina itself is
// another command.
func TestBench(t *testing.T) {
	for _, path := range []string{save(t, linear()), "../../testdata/bundles/demo-v1"} {
		r := lamina(t, []string{"LAMINA_ONNXRUNTIME=none"}, "bench", path, "--batch", "3", "--seconds", "0.01", "--json")
		var got timing.ModelResult
		if err := json.Unmarshal([]byte(r.Stdout), &got); r.Status != 0 || err != nil || got.Runtime != "lamina" || got.Batch != 3 || !(got.US > 0) {
			t.Errorf("%s: %v, %+v", path, err, r)
		}
		if !strings.Contains(r.Stderr, "onnxruntime") {
			t.Errorf("%s: nothing is said of the missing onnxruntime: %q", path, r.Stderr)
		}
	}
	commandtest.WantError(t, lamina(t, nil, "bench", "train"), "train", "no such file")
	commandtest.WantError(t, lamina(t, nil, "yardstick"), `unknown command "yardstick"`)
}
