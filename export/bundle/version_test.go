package bundle_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
)

// TestFirstVersion verifies the bundle of format version 1 where it lies, which
// every later version must.
func TestFirstVersion(t *testing.T) {
	rt := orttest.Runtime(t)
	v, err := bundle.Verify(context.Background(), filepath.Join("..", "..", "testdata", "bundles", "demo-v1"), rt)
	if err != nil {
		t.Fatal(err)
	}
	if v.Status != bundle.Holds || len(v.Sets) != 2 || v.Sets[0].Rows != 64 || v.Reason != "" {
		t.Errorf("%+v", v)
	}
}
