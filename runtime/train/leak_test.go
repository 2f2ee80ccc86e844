package train

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/spec"
)

// A training that New refuses, however late, leaves no goroutine behind.
func TestRefusedNewLeavesNoGoroutines(t *testing.T) {
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, checkpointName), []byte("LAMINACK"), 0o600); err != nil {
		t.Fatal(err)
	}
	stranger := spec.Input("x", 12).Then(spec.Dense(2))
	strange := []Metric{{Name: "strange", Value: stranger}}
	lacking := []Metric{{Name: "lacking", Value: spec.Input("z", 12)}}
	for name, change := range map[string]func(*Options){
		"metric of another model":          func(o *Options) { o.Valid, o.Metrics = rows(40), strange },
		"metric without rows":              func(o *Options) { o.Valid, o.Metrics = rows(40), lacking },
		"metric without rows for training": func(o *Options) { o.Metrics = lacking },
		"validation without a column":      func(o *Options) { o.Valid = rows(40).Rename("x", "z") },
		"tensors":                          func(o *Options) { o.Valid, o.InitFrom = rows(40), []From{{Tensors: &source{}, Pattern: "*"}} },
		"checkpoint":                       func(o *Options) { o.Valid, o.Dir = rows(40), damaged },
		"loss to show":                     func(o *Options) { o.Valid, o.Show = rows(40), "loss/none" },
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			o.Workers = 3
			change(&o)
			before := runtime.NumGoroutine()
			for range 20 {
				if tr, err := New(context.Background(), model(), rows(150), o); err == nil {
					tr.Close()
					t.Fatal("it was accepted")
				}
			}
			for wait := time.Millisecond; runtime.NumGoroutine() > before && wait < 4*time.Second; wait *= 2 {
				time.Sleep(wait) // a worker that was told to end may not have yet
			}
			if n := runtime.NumGoroutine(); n > before {
				t.Errorf("%d goroutines became %d", before, n)
			}
		})
	}
}
