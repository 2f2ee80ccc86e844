package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
)

// Files in Options.Dir.
const (
	checkpointName = "checkpoint.lamina"
	logName        = "log.jsonl" // one Epoch a line
	lockName       = ".lock"     // held while a training uses the folder
)

// openFolder makes Options.Dir this training's own until Close, clears it of
// what a killed one left, and tries to write there, so that a long training
// does not end at its first checkpoint.
func (t *Trainer) openFolder() error {
	dir := t.opt.Dir
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("train: the folder for checkpoints cannot be made: %w; choose another Options.Dir", err)
	}
	unlock, err := atomicfile.Lock(filepath.Join(dir, lockName))
	switch {
	case errors.Is(err, atomicfile.ErrLocked):
		return fmt.Errorf("train: another training uses the folder %s: it is %w; wait for its end (Trainer.Done or Close in this program) or choose another Options.Dir", dir, err)
	case errors.Is(err, errors.ErrUnsupported):
		t.opt.Log.Warn("train: the file system has no locks, so nothing keeps a second training out of the folder", "dir", dir)
	case err != nil:
		return unwritable(err)
	default:
		t.unlock = unlock
	}
	for _, name := range []string{checkpointName, logName} {
		path := filepath.Join(dir, name)
		if err := errors.Join(atomicfile.Clean(path), atomicfile.Try(path)); err != nil {
			return unwritable(err)
		}
	}
	return nil
}

func unwritable(err error) error {
	return fmt.Errorf("train: the folder for checkpoints cannot be written: %w; give the right to write there, make room, or choose another Options.Dir", err)
}

// write puts the checkpoint, and then the log, into Options.Dir. A process
// killed between the two leaves a log that is behind; load rewrites it.
func (t *Trainer) write(f *checkpoint.File) error {
	path := filepath.Join(t.opt.Dir, checkpointName)
	if err := t.writeCheckpoint(path, f); err != nil {
		return t.notWritten("checkpoint", f, err)
	}
	t.saved, t.savedEpoch = true, t.cursor.Epoch
	if err := writeLog(filepath.Join(t.opt.Dir, logName), t.state.History); err != nil {
		return t.notWritten("log", f, err)
	}
	return nil
}

// notWritten says what to do about a write that failed.
func (t *Trainer) notWritten(what string, f *checkpoint.File, err error) error {
	do := "mend this"
	if atomicfile.IsFull(err) {
		bytes := 0
		for _, x := range f.Tensors {
			bytes += 4 * len(x.Data)
		}
		do = fmt.Sprintf("the disk is full: free some %d kB", bytes/1000+64)
	}
	return fmt.Errorf("train: epoch %d: the %s cannot be written: %w; %s and run the same again%s", t.cursor.Epoch, what, err, do, t.lastGood())
}
