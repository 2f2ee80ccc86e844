package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lamina-ml/lamina/runtime/checkpoint"
)

// Folder is what a training left in Options.Dir, or has there so far.
type Folder struct {
	Checkpoint *checkpoint.File // of the last save
	History    []Epoch          // the finished epochs of the checkpoint
	Best       int              // number of the best epoch, 0 before the first
}

// Parameters returns how many numbers are learned.
func (f *Folder) Parameters() (n int64) {
	for _, x := range f.Checkpoint.Tensors {
		own := true
		for _, prefix := range []string{slotPrefix, bestPrefix, statePrefix, bestStatePrefix} {
			own = own && !strings.HasPrefix(x.Name, prefix)
		}
		if own {
			n += int64(len(x.Data))
		}
	}
	return n
}

// ReadFolder reads the folder of a training, which may still be going on. It changes
// nothing and takes no lock.
//
// Errors: os.ErrNotExist, wrapped, if there is no checkpoint; checkpoint.ErrNotCheckpoint,
// wrapped, if the checkpoint or the finished epochs are damaged.
func ReadFolder(dir string) (*Folder, error) {
	path := filepath.Join(dir, checkpointName)
	f, err := checkpoint.Read(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("train: %s is no folder of a training: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	var s firstState
	if err := json.Unmarshal(f.Trainer, &s); err != nil {
		return nil, fmt.Errorf("train: %s: %w: trainer record: %v", path, checkpoint.ErrNotCheckpoint, err)
	}
	out := &Folder{Checkpoint: f, History: s.History, Best: s.Best}
	if f.Facts == nil { // version 1 has the history in its record
		return out, nil
	}
	b, err := newFiles(dir).read(f.Grown)
	if err == nil {
		out.History, err = parseLines(b)
	}
	if err != nil {
		return nil, fmt.Errorf("train: %s: its finished epochs are kept beside it, and are damaged: %w", path, err)
	}
	return out, nil
}

// EncodeCSV returns epochs as a [CSVLog] has them, with the header; nothing if there are
// none.
func EncodeCSV(history []Epoch) ([]byte, error) {
	if len(history) == 0 {
		return nil, nil
	}
	f := csvFormat{}
	cols := f.columns(history)
	b, err := f.lines(history, cols)
	return append(f.header(cols), b...), err
}
