package train

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
)

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q is not in: %v", p, err)
		}
	}
}

func TestSecondTrainingInOneProcess(t *testing.T) {
	o := options()
	o.Dir = t.TempDir()
	first, err := New(context.Background(), model(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(context.Background(), model(), rows(150), o)
	wantError(t, err, "another training uses the folder "+o.Dir, "another Options.Dir")
	if !errors.Is(err, atomicfile.ErrLocked) {
		t.Fatalf("got %v", err)
	}
	first.Close()
	mustFit(t, o)
}

func TestSecondProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	p := start(t, "stopping", dir, slowed)
	p.expect(t, "at")
	m, data, o := crashRuns["stopping"]()
	o.Dir, o.Log = dir, slog.New(slog.DiscardHandler)
	_, err := New(context.Background(), m, data, o)
	if kerr := p.cmd.Process.Kill(); kerr != nil {
		t.Fatal(kerr)
	}
	if _, finished := p.end(t, true); finished {
		t.Fatal("the child ended before it was killed")
	}
	wantError(t, err, "another training uses the folder")
	tr, err := New(context.Background(), m, data, o)
	if err != nil {
		t.Fatalf("the lock of a killed process: %v", err)
	}
	tr.Close()
}

func TestTerminated(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
	c := &crashCase{run: "stopping", write: slowed}
	c.whole(t)
	dir := filepath.Join(t.TempDir(), "run")
	p := start(t, c.run, dir, c.write)
	p.expect(t, "at 0 0")
	for !look(t, dir).exists {
		time.Sleep(time.Millisecond)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	out, _ := p.end(t, false)
	wantError(t, errors.New(out), "interrupted in epoch", filepath.Join(dir, checkpointName), "run the same command again to resume")
	if _, err := os.Stat(dir + ".bits"); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("SIGTERM did not stop the training")
	}
	if !c.once(t, dir, 0) {
		t.Fatal("the second run did not end")
	}
	c.sameEnd(t, dir)
}

// What killed writers leave goes, and nothing else.
func TestLeftoversAreRemoved(t *testing.T) {
	o := options()
	o.Dir = t.TempDir()
	for _, name := range []string{"." + checkpointName + ".tmp-123", "." + logName + ".tmp-9", "mine.tmp-1", checkpointName + ".old"} {
		if err := os.WriteFile(filepath.Join(o.Dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustFit(t, o)
	if left := look(t, o.Dir).temps; strings.Join(left, " ") != checkpointName+".old mine.tmp-1" {
		t.Fatalf("left: %v", left)
	}
}

// A log that is behind, ahead, cut or gone is made to agree at resume.
func TestLogFollowsTheCheckpoint(t *testing.T) {
	o := options()
	o.Dir = t.TempDir()
	mustFit(t, o)
	path := filepath.Join(o.Dir, logName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string]string{
		"behind": string(whole[:strings.Index(string(whole), "\n")+1]), "ahead": string(whole) + string(whole), "cut": string(whole[:len(whole)-7]), "empty": "",
	} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		mustFit(t, o)
		if got, _ := os.ReadFile(path); string(got) != string(whole) {
			t.Errorf("%s: the log is\n%s", name, got)
		}
	}
}

// failing takes n bytes and then has no room.
type failing struct {
	io.Writer
	n int
}

func (f *failing) Write(b []byte) (int, error) {
	if f.n -= len(b); f.n < 0 {
		return 0, syscall.ENOSPC
	}
	return f.Writer.Write(b)
}

// A write that fails, wherever in the file, leaves the checkpoint before it, and
// the training goes on from there once there is room.
func TestDiskFull(t *testing.T) {
	whole := options()
	whole.Dir, whole.CheckpointEvery = t.TempDir(), 2
	want := bits(mustFit(t, whole))
	for _, room := range []int{0, 20, 2500} {
		o := whole
		o.Dir = t.TempDir()
		tr, err := New(context.Background(), model(), rows(150), o)
		if err != nil {
			t.Fatal(err)
		}
		writes := 0
		tr.writeCheckpoint = func(path string, f *checkpoint.File) error {
			if writes++; writes < 5 {
				return checkpoint.Write(path, f)
			}
			return atomicfile.Write(path, func(w io.Writer) error { return checkpoint.Encode(&failing{w, room}, f) })
		}
		for range tr.Epochs(context.Background()) {
		}
		_, err = tr.Done()
		wantError(t, err, "the disk is full: free some", "run the same command again", "the last good checkpoint is "+filepath.Join(o.Dir, checkpointName))
		if s := look(t, o.Dir); !s.exists || s.cursor != (checkpoint.Cursor{Epoch: 1, Step: 1, Update: 6}) || len(s.temps) > 0 {
			t.Fatalf("room for %d bytes: the folder holds %+v", room, s)
		}
		if got := bits(mustFit(t, o)); got != want {
			t.Fatal("other bits after the disk was full")
		}
		if readLog(t, o.Dir) != readLog(t, whole.Dir) {
			t.Fatal("another log after the disk was full")
		}
	}
}

func TestReadOnlyFolder(t *testing.T) {
	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		t.Skip("needs a user whom a folder's mode binds; on Linux TestRealDisk covers root")
	}
	o := options()
	o.Dir = t.TempDir()
	if err := os.Chmod(o.Dir, 0o555); err != nil {
		t.Fatal(err)
	}
	_, err := New(context.Background(), model(), rows(150), o)
	wantError(t, err, "folder for checkpoints cannot be written", "another Options.Dir")
}

// events keeps what a training reports.
type events struct{ all []Event }

func (e *events) Report(ev Event) { e.all = append(e.all, ev) }
func (e *events) Close()          {}

// A clock that jumps, stands or goes back changes neither bits nor reports to
// something impossible.
func TestClockGoesBackwards(t *testing.T) {
	want := bits(mustFit(t, options()))
	for name, jump := range map[string]func(i int) time.Duration{
		"stands":    func(int) time.Duration { return 0 },
		"backwards": func(int) time.Duration { return -time.Hour },
		"saw":       func(i int) time.Duration { return []time.Duration{150 * time.Millisecond, -time.Hour}[i%2] },
		"once back": func(i int) time.Duration {
			if i == 5 {
				return -24 * time.Hour
			}
			return 150 * time.Millisecond
		},
		"far": func(i int) time.Duration { return math.MaxInt64 / 4 },
	} {
		t.Run(name, func(t *testing.T) {
			o, seen := options(), &events{}
			o.Progress = func() Reporter { return seen }
			tr, err := New(context.Background(), model(), rows(150), o)
			if err != nil {
				t.Fatal(err)
			}
			now, reads := time.Unix(1e9, 0), 0
			tr.clock.read = func() time.Time {
				now = now.Add(jump(reads))
				reads++
				return now
			}
			for e := range tr.Epochs(context.Background()) {
				if !(e.Seconds >= 0) || !finite(e.Seconds) || !(e.RowsPerSecond >= 0) || !finite(e.RowsPerSecond) {
					t.Fatalf("epoch %+v", e)
				}
			}
			r, err := tr.Done()
			if err != nil {
				t.Fatal(err)
			}
			if bits(r) != want {
				t.Fatal("the clock changed the bits")
			}
			for _, e := range seen.all {
				if !(e.Rate >= 0) || !finite(e.Rate) || e.Left < 0 {
					t.Fatalf("event %+v", e)
				}
			}
			if len(seen.all) < 4 || name == "once back" && len(seen.all) < 20 {
				t.Fatalf("%d events: a jump back must not silence the reports", len(seen.all))
			}
		})
	}
}

func TestTimeFor(t *testing.T) {
	for _, c := range []struct {
		n    int64
		rate float64
		want time.Duration
	}{{10, 5, 2 * time.Second}, {-1, 5, 0}, {10, 0, 0}, {math.MaxInt64, 1e-300, math.MaxInt64}} {
		if got := timeFor(c.n, c.rate); got != c.want {
			t.Errorf("timeFor(%d, %g) = %v, want %v", c.n, c.rate, got, c.want)
		}
	}
}
