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
	historyName    = "history.jsonl" // the finished epochs of the checkpoint, one a line
	logName        = "log.jsonl"     // the same to look at, to follow and to cut
	lockName       = ".lock"         // held while a training uses the folder
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
	t.files = newFiles(dir)
	for _, name := range []string{checkpointName, historyName, logName} {
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

// files are the two that grow with the training. The history is part of the
// checkpoint, which says how much of it counts; the log is a copy of it. An epoch is
// added to the history first, so that a process killed between two writes leaves a
// history that is ahead of the checkpoint, and is cut, or a log that is behind, and is
// made whole.
type files struct {
	history, log *checkpoint.Growing
	kept, logged int // epochs in each
	paths        [2]string
	begun        bool // whether the log is this training's
}

func newFiles(dir string) *files {
	f := &files{paths: [2]string{filepath.Join(dir, historyName), filepath.Join(dir, logName)}}
	f.history, f.log = checkpoint.NewGrowing(f.paths[0]), checkpoint.NewGrowing(f.paths[1])
	return f
}

// read returns what belongs to a checkpoint with this mark. Where one of the files
// was damaged the other one has it.
func (f *files) read(m checkpoint.Mark) ([]byte, error) {
	return checkpoint.ReadMarked(m, f.paths[0], f.paths[1])
}

// resume makes the log, and the history of a checkpoint that has one, hold this
// content, which is the history's.
func (f *files) resume(content []byte, history []Epoch, grown bool) error {
	if grown {
		if err := f.history.Restore(content); err != nil {
			return err
		}
		f.kept = len(history)
	}
	return f.restoreLog(content, len(history))
}

func (f *files) restoreLog(content []byte, epochs int) error {
	if err := f.log.Restore(content); err != nil {
		return err
	}
	f.begun, f.logged = true, epochs
	return nil
}

// keep adds the epochs that the history does not have.
func (f *files) keep(history []Epoch) error {
	b, err := lines(history[f.kept:])
	if err == nil {
		err = f.history.Append(b)
	}
	if err == nil {
		f.kept = len(history)
	}
	return err
}

// show adds the epochs that the log does not have. A log that somebody cut or removed
// meanwhile, or that is an earlier training's, is made anew.
func (f *files) show(history []Epoch) error {
	if f.begun && f.log.Intact() {
		b, err := lines(history[f.logged:])
		if err == nil {
			err = f.log.Append(b)
		}
		if err == nil {
			f.logged = len(history)
		}
		return err
	}
	content, err := f.read(f.history.Mark())
	if err != nil {
		return err
	}
	return f.restoreLog(content, len(history))
}

// write puts the history, the checkpoint and then the log into Options.Dir.
func (t *Trainer) write(f *checkpoint.File) error {
	if err := t.files.keep(t.state.History); err != nil {
		return t.notWritten("history", f, err)
	}
	f.Grown = t.files.history.Mark()
	if err := t.writeCheckpoint(filepath.Join(t.opt.Dir, checkpointName), f); err != nil {
		return t.notWritten("checkpoint", f, err)
	}
	t.saved, t.savedEpoch = true, t.cursor.Epoch
	if err := t.files.show(t.state.History); err != nil {
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
	return fmt.Errorf("train: epoch %d: the %s cannot be written: %w; %s and run the same command again%s", t.cursor.Epoch, what, err, do, t.lastGood())
}
