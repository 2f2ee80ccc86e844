package train

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

// Rows of a folder train like those in memory, and a training that stopped goes on with them to the same bits, whoever
// reads them.
func TestSpooledRows(t *testing.T) {
	ctx := context.Background()
	src, err := dataset.Spool(ctx, filepath.Join(t.TempDir(), "rows"), dataset.StreamOf(rows(150)))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	want := bits(mustFit(t, steady()))
	for _, workers := range []int{1, 3} {
		o := steady()
		o.Workers, o.Dir = workers, t.TempDir()
		for _, epochs := range []int{2, 4} {
			o.Epochs = epochs
			r, err := Fit(ctx, model(), src, o)
			if err != nil {
				t.Fatal(err)
			}
			if got := bits(r); epochs == 4 && got != want {
				t.Errorf("%d workers: other bits than of rows in memory", workers)
			}
		}
	}
}
