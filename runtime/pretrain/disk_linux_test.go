package pretrain

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/smalldisk"
	"github.com/lamina-ml/lamina/spec"
)

// TestRealDisk has codes that are larger than the disk: the program says so, leaves
// nothing of them, and goes on with the same bits when there is room, or memory.
func TestRealDisk(t *testing.T) {
	disk := smalldisk.Mount(t)
	wide := func() *plan {
		p := &plan{x: spec.Input("x", 12)}
		p.enc = spec.Sequential("encoder", spec.Dense(100), spec.Sigmoid(), spec.Dense(4))
		p.logits = p.x.Then(p.enc)
		o := options()
		o.Batch, o.CheckpointEvery = 500, 0
		p.program = NewProgram("wide", Greedy(p.x, p.enc, rows(3000), o))
		return p
	}
	want := mustRun(t, wide(), Options{})
	for name, mend := range map[string]func(*Options) error{
		"memory": func(o *Options) error { o.Memory = 0; return nil },
		"room":   func(*Options) error { return syscall.Mount("", disk, "", syscall.MS_REMOUNT, "size=8m") },
	} {
		if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, "size=1m"); err != nil {
			t.Fatal(err)
		}
		o := Options{Dir: filepath.Join(disk, name), Memory: 1}
		_, err := wide().program.Run(context.Background(), o)
		for _, part := range []string{"phase 2 of 2, encoder-stage2", "the disk is full: free 2 MB, or raise Options.Memory"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Fatalf("%s: got %v, want %q", name, err, part)
			}
		}
		if left := leftovers(t, o.Dir); len(left) > 0 {
			t.Fatalf("%s: left are %v", name, left)
		}
		if err := mend(&o); err != nil {
			t.Fatal(err)
		}
		if got := mustRun(t, wide(), o); got != want {
			t.Errorf("%s: other bits after the disk was full", name)
		}
	}
}
