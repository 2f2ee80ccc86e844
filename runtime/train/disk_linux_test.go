package train

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/smalldisk"
)

// A real disk that fills while a training runs, and then one that is read-only.
func TestRealDisk(t *testing.T) {
	disk := smalldisk.Mount(t)
	want := bits(mustFit(t, options()))
	o := options()
	o.Dir = filepath.Join(disk, "run")
	tr, err := New(context.Background(), model(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(disk, "filler")
	for range tr.Epochs(context.Background()) {
		if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); err == nil {
			t.Fatal("the disk did not fill")
		}
	}
	_, err = tr.Done()
	wantError(t, err, "the disk is full: free some", "run the same command again", "of epoch 1")
	if s := look(t, o.Dir); !s.exists || s.cursor.Epoch != 1 || s.behind || len(s.temps) > 0 {
		t.Fatalf("the folder holds %+v", s)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if got := bits(mustFit(t, o)); got != want {
		t.Fatal("other bits after the disk was full")
	}

	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err = New(context.Background(), model(), rows(150), o)
	wantError(t, err, "folder for checkpoints cannot be written", "read-only", "another Options.Dir")
	o.Dir = filepath.Join(disk, "new")
	_, err = New(context.Background(), model(), rows(150), o)
	wantError(t, err, "folder for checkpoints cannot be made", "another Options.Dir")
}
