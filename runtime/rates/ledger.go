package rates

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
)

const (
	ledgerName = "search.json"
	lockName   = "search.lock"
	mostKept   = 64 << 20 // bytes of a ledger
)

// ledger holds what sets of folds gave, in memory and, if it has a path, in a file that is written whole after each.
type ledger struct {
	path   string
	unlock func() error
	found  map[string]Score
	file   ledgerFile
}

type ledgerFile struct {
	Decides checkpoint.Facts `json:"decides"`
	Scores  []Score          `json:"scores"`
}

// open reads what an earlier run kept.
//
// Errors: the folder cannot be written, or another search has it; its file is damaged or of another search.
func (s *search) open(ctx context.Context, d Declared) (err error) {
	s.kept = &ledger{found: map[string]Score{}}
	if s.Dir == "" {
		return nil
	}
	l := s.kept
	l.path = filepath.Join(s.Dir, ledgerName)
	if l.file.Decides, err = s.decides(ctx, d); err != nil {
		return err
	}
	if err := os.MkdirAll(s.Dir, 0o777); err != nil {
		return fmt.Errorf("rates: the folder of the search cannot be made: %w", err)
	}
	if l.unlock, err = atomicfile.Lock(filepath.Join(s.Dir, lockName)); err != nil {
		return fmt.Errorf("rates: the folder %s is in use or cannot be locked: %w", s.Dir, err)
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if err := errors.Join(atomicfile.Clean(l.path), atomicfile.Try(l.path)); err != nil {
		return fmt.Errorf("rates: scores cannot be kept in %s: %w", s.Dir, err)
	}
	return l.read(s.Folds)
}

func (l *ledger) read(folds int) error {
	st, err := os.Stat(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("rates: %w", err)
	case !st.Mode().IsRegular() || st.Size() > mostKept:
		return fmt.Errorf("rates: %s is no file of a search", l.path)
	}
	raw, err := os.ReadFile(l.path)
	if err != nil {
		return fmt.Errorf("rates: %w", err)
	}
	var was ledgerFile
	if err := json.Unmarshal(raw, &was); err != nil {
		return fmt.Errorf("rates: %s is damaged: %w; remove it to search anew", l.path, err)
	}
	if err := was.Decides.Differ(l.file.Decides); err != nil {
		return fmt.Errorf("rates: %s is of another search: %w: use another Dir, or what it was begun with", l.path, err)
	}
	l.file.Scores = was.Scores
	for _, x := range was.Scores {
		if x.Diverged != "" && len(x.Folds) == 0 || len(x.Folds) == folds {
			l.found[x.key()] = x
			continue
		}
		return fmt.Errorf("rates: %s is damaged: a score has %d folds of %d; remove it to search anew", l.path, len(x.Folds), folds)
	}
	return nil
}

// find returns what is kept of a set of folds. It looks at what was read, which does not change.
func (l *ledger) find(key string) (Score, bool) {
	x, ok := l.found[key]
	return x, ok
}

// add keeps what a set of folds gave.
func (l *ledger) add(x Score) error {
	if l.path == "" {
		return nil
	}
	l.file.Scores = append(l.file.Scores, x)
	raw, err := json.MarshalIndent(l.file, "", " ")
	if err == nil {
		err = atomicfile.WriteBytes(l.path, append(raw, '\n'))
	}
	if err != nil {
		return fmt.Errorf("rates: a score cannot be kept: %w", err)
	}
	return nil
}

func (l *ledger) close() {
	if l.unlock != nil {
		_ = l.unlock() // the system gives it back when the process ends
		l.unlock = nil
	}
}
