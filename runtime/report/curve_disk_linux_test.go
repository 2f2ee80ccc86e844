package report

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/lab/smalldisk"
)

// TestLabelCurveDisk: a disk that is full, or may only be read, is told as such; the curve goes on when there is room.
func TestLabelCurveDisk(t *testing.T) {
	disk := smalldisk.Mount(t)
	o := smallOptions(t)
	o.Arms, o.Dir = quickArms(), filepath.Join(disk, "curve")
	filled := false
	o.Progress = func(CurveProgress) {
		if filled {
			return
		}
		filled = true
		f, err := os.Create(filepath.Join(disk, "ballast"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
	}
	if _, err := LabelCurve(t.Context(), smallModel, o); err == nil || !atomicfile.IsFull(err) {
		t.Fatalf("a full disk: %v", err)
	}
	if !filled {
		t.Fatal("it was never filled")
	}
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := LabelCurve(t.Context(), smallModel, o); err == nil || !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "CurveOptions.Dir: ") {
		t.Errorf("a disk that may only be read: %v", err)
	}
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, "size=4m"); err != nil {
		t.Fatal(err)
	}
	kept := 0
	o.Progress = func(p CurveProgress) {
		if p.Kept {
			kept++
		}
	}
	if _, err := LabelCurve(t.Context(), smallModel, o); err != nil || kept == 0 {
		t.Errorf("with room: %v, %d points were there", err, kept)
	}
}
