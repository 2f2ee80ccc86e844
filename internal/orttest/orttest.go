// Package orttest gives tests the real onnxruntime.
package orttest

import (
	"os"
	"testing"

	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/ort"
)

// Runtime returns onnxruntime. Where it cannot be had the test is skipped with a
// line that says what to install; with LAMINA_REQUIRE_ORT=1 it fails.
func Runtime(t testing.TB) verify.Runtime {
	t.Helper()
	rt := ort.Runtime()
	if _, err := rt.Version(); err != nil {
		if os.Getenv("LAMINA_REQUIRE_ORT") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return rt
}
