// Package commandtest runs a command in tests as a process of its own: onnxruntime,
// once loaded, stays for the life of a process, and exit statuses are a process's.
package commandtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/command"
)

// asCommand makes the test binary the command.
const asCommand = "LAMINA_TEST_AS_COMMAND"

// Main is for the TestMain of a command's package, whose main, which ends the
// process, it is given: it returns the status of the tests.
func Main(m *testing.M, main func()) int {
	if os.Getenv(asCommand) == "1" {
		main()
	}
	return m.Run()
}

// Env returns this process's environment with variables added, in which the test
// binary is the command.
func Env(add ...string) []string { return append(os.Environ(), append(add, asCommand+"=1")...) }

// Result is how a command ended.
type Result struct {
	Status         int
	Stdout, Stderr string
}

// Run runs the command with variables added to the environment.
func Run(t *testing.T, env []string, args ...string) Result {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), exe, args...)
	c.Env = Env(env...)
	c.Stdout, c.Stderr = &stdout, &stderr
	err = c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return Result{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// WantError checks what every error of a command keeps to.
func WantError(t *testing.T, r Result, words ...string) {
	t.Helper()
	if r.Status != command.Unreadable {
		t.Errorf("exit status %d, want %d; stderr:\n%s", r.Status, command.Unreadable, r.Stderr)
	}
	if r.Stdout != "" {
		t.Errorf("an error printed to stdout: %q", r.Stdout)
	}
	if n := strings.Count(strings.TrimSpace(r.Stderr), "\n") + 1; n > command.MaxErrorLines || strings.Contains(r.Stderr, "goroutine ") {
		t.Errorf("%d lines on stderr:\n%s", n, r.Stderr)
	}
	for _, w := range words {
		if !strings.Contains(r.Stderr, w) {
			t.Errorf("stderr does not mention %q:\n%s", w, r.Stderr)
		}
	}
}
