// Package consumer gives tests the programs of examples/consumers, which read what Lamina
// exports and know nothing of it.
package consumer

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// root is the folder of the module.
func root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("the place of this file is not known")
	}
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// Python returns the interpreter that make deps sets up. Without it the test is skipped,
// with LAMINA_REQUIRE_PYTHON=1 it fails.
func Python(t testing.TB) string {
	t.Helper()
	path := filepath.Join(root(t), ".cache", "python", "bin", "python")
	if _, err := os.Stat(path); err != nil {
		const advice = "no Python environment in .cache/python; run make deps"
		if os.Getenv("LAMINA_REQUIRE_PYTHON") == "1" {
			t.Fatal(advice)
		}
		t.Skip(advice)
	}
	return path
}

// Script returns a program of examples/consumers/python.
func Script(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(root(t), "examples", "consumers", "python", name)
}

// Missing skips the test for lack of a tool. With LAMINA_REQUIRE_CPP=1 it fails.
func Missing(t testing.TB, advice string) {
	t.Helper()
	if os.Getenv("LAMINA_REQUIRE_CPP") == "1" {
		t.Fatal(advice)
	}
	t.Skip(advice)
}

// library returns onnxruntime's shared library.
func library(t testing.TB) string {
	t.Helper()
	at := os.Getenv("LAMINA_ONNXRUNTIME")
	if at == "" {
		at = filepath.Join(root(t), ".cache", "python")
	}
	at, err := filepath.Abs(at)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(at); err == nil && !info.IsDir() {
		return at
	}
	for _, folder := range []string{"", "lib", "capi", "lib/python*/site-packages/onnxruntime/capi"} {
		for _, name := range []string{"libonnxruntime.so*", "libonnxruntime*.dylib"} {
			if found, err := filepath.Glob(filepath.Join(at, folder, name)); err == nil && len(found) > 0 {
				return found[0]
			}
		}
	}
	Missing(t, "no onnxruntime library in "+at+"; run make deps")
	return ""
}

// CPP builds the programs of examples/consumers/cpp with cmake and the sanitizers, and
// returns their folder. Without the tools the test is skipped as Missing says.
func CPP(t testing.TB) (dir string) {
	t.Helper()
	for _, tool := range []string{"cmake", "c++"} {
		if _, err := exec.LookPath(tool); err != nil {
			Missing(t, "the C++ consumers need cmake and a C++ compiler: "+err.Error())
		}
	}
	lib := library(t)
	header, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil || strings.TrimSpace(string(header)) == "" {
		t.Fatalf("the module with onnxruntime's header: %v", err)
	}
	dir = t.TempDir()
	for _, args := range [][]string{
		{"-S", filepath.Join(root(t), "examples", "consumers", "cpp"), "-B", dir, "-DSANITIZE=ON", "-DCMAKE_BUILD_TYPE=Debug",
			"-DORT_INCLUDE=" + strings.TrimSpace(string(header)), "-DORT_LIBRARY=" + lib},
		{"--build", dir, "--parallel", "2"},
	} {
		if out, err := exec.CommandContext(t.Context(), "cmake", args...).CombinedOutput(); err != nil {
			t.Fatalf("cmake %v: %v\n%s", args, err, out)
		}
	}
	return dir
}

// Run runs a program and returns its exit status and what it printed.
func Run(t testing.TB, name string, args ...string) (status int, out string) {
	t.Helper()
	b, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, string(b)
	case errors.As(err, &exit):
		return exit.ExitCode(), string(b)
	}
	t.Fatal(err)
	return 0, ""
}
