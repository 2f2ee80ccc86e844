//go:build !cgo || windows

package ort_test

import (
	"errors"
	"testing"

	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/ort"
)

func TestAbsent(t *testing.T) {
	r := ort.Runtime()
	if _, err := r.Version(); !errors.Is(err, verify.ErrUnavailable) {
		t.Errorf("Version: got %v", err)
	}
	if _, err := r.Open(mlp(t)); !errors.Is(err, verify.ErrUnavailable) {
		t.Errorf("Open: got %v", err)
	}
}
