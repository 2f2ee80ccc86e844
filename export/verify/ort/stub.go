//go:build !cgo || windows

package ort

import (
	"fmt"
	"runtime"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
)

// Runtime returns a runtime whose every call fails with an error that wraps
// verify.ErrUnavailable: this build has no onnxruntime in it.
func Runtime() verify.Runtime { return absent{} }

type absent struct{}

func (absent) Name() string { return "onnxruntime" }

func (absent) Version() (string, error) { return "", unavailable() }

func (absent) Open([]byte) (verify.Session, error) { return nil, unavailable() }

func unavailable() error {
	if runtime.GOOS == "windows" {
		return fmt.Errorf("onnxruntime: %w: not supported on Windows; verify on Linux or macOS", verify.ErrUnavailable)
	}
	return fmt.Errorf("onnxruntime: %w: built without cgo; install a C compiler and build with CGO_ENABLED=1", verify.ErrUnavailable)
}

// Bound is a model with tensors of the caller's; this build cannot make one.
type Bound struct{}

// Bind fails with an error that wraps verify.ErrUnavailable.
func Bind([]byte, int, map[string]*ir.Tensor, map[string]*ir.Tensor) (*Bound, error) {
	return nil, unavailable()
}

// Run fails like Bind.
func (*Bound) Run() error { return unavailable() }

// Close does nothing.
func (*Bound) Close() error { return nil }
