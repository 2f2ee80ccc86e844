package atomicfile

import (
	"errors"
	"fmt"
	"os"

	"github.com/gofrs/flock"
)

// ErrLocked is returned by Lock for a lock that somebody has.
var ErrLocked = errors.New("locked by another process, or by another user in this one")

// Lock takes the lock of the file at path, which it makes if need be, and
// returns what gives it back. It does not wait. The operating system gives the
// lock of a process that ended back, however it ended, so the file itself says
// nothing and is never removed.
//
// Errors: ErrLocked; the file cannot be made, or is no regular file; errors.ErrUnsupported, wrapped,
// on a file system without locks.
func Lock(path string) (unlock func() error, err error) {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() { // opening a pipe would wait
		return nil, fmt.Errorf("cannot lock %s: not a regular file", path)
	}
	l := flock.New(path)
	ok, err := l.TryLock()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ErrLocked
	}
	return l.Unlock, nil
}
