// Package orttest gives tests the real onnxruntime.
package orttest

import (
	"errors"
	"os"
	"testing"

	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/ort"
)

// Runtime returns onnxruntime. Where it cannot be had the test is skipped with a
// line that says what to install; with LAMINA_REQUIRE_ORT=1, or if
// LAMINA_ONNXRUNTIME is set to what is none, it fails.
func Runtime(t testing.TB) verify.Runtime {
	t.Helper()
	rt := ort.Runtime()
	if _, err := rt.Version(); err != nil {
		if os.Getenv("LAMINA_REQUIRE_ORT") == "1" || errors.Is(err, ort.ErrSetting) {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return rt
}
