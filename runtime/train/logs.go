package train

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/regular"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// EpochLog is a file that gets each finished epoch: see [CSVLog] and [JSONLog]. An epoch is
// added and synced to disk when it ends. A training that goes on from a checkpoint first
// makes the file hold the epochs that are finished, so that each is there once, however
// often the training was interrupted or killed. One that begins anew begins the log anew.
//
// One training at a time has a log, by a lock on a file beside it, .run.csv.lock for run.csv.
//
// Errors, of New: a folder that cannot be written; a log that another training has; a file that
// is there and is no such log, which is left as it is.
type EpochLog struct {
	path   string
	format logFormat
}

// Path returns the path that the log was made with.
func (l EpochLog) Path() string { return l.path }

// At returns a log of the same kind at another path.
func (l EpochLog) At(path string) EpochLog { return EpochLog{path, l.format} }

// CSVLog is a log of comma-separated values (RFC 4180): a header, then a line per epoch.
// The columns are epoch, updates, rows, learning_rate, train/ and valid/ with loss and the
// names of losses and metrics, best, grad_norm, grad_norm_max, seconds, rows_per_second,
// memory in bytes and machine. A column that no epoch has anything in is left out. Numbers
// have all their digits; NaN, Infinity and -Infinity stand for what is not finite.
func CSVLog(path string) EpochLog { return EpochLog{path, csvFormat{}} }

// JSONLog is a log of JSON lines: an [Epoch] per line, as in log.jsonl of Options.Dir.
func JSONLog(path string) EpochLog { return EpochLog{path, jsonFormat{}} }

// logFormat is what a log looks like. Values must be comparable.
type logFormat interface {
	// columns are those that a log of these epochs needs, in order; nil if lines say
	// themselves what they have.
	columns(history []Epoch) []string
	// lines are the epochs as the log has them, below the header if there is one.
	lines(history []Epoch, columns []string) ([]byte, error)
	header(columns []string) []byte
	// is reports whether a file that begins like this is such a log.
	is(start []byte) bool
}

// checkLogs finds logs that would be written over each other.
func (o *Options) checkLogs(bad func(string, ...any)) {
	seen := map[string]bool{}
	for i, l := range o.Logs {
		clean := filepath.Clean(l.path)
		switch {
		case l.format == nil || l.path == "":
			bad("Options.Logs: log %d has no path; make it with CSVLog or JSONLog and the path of a file", i+1)
			continue
		case seen[clean]:
			bad("Options.Logs: two logs go to %s; give each a file of its own", l.path)
		case o.Dir != "" && filepath.Dir(clean) == filepath.Clean(o.Dir) && slices.Contains([]string{checkpointName, historyName, logName, lockName}, filepath.Base(clean)):
			bad("Options.Logs: %s is a file that Options.Dir has for itself; choose another name", l.path)
		}
		seen[clean] = true
	}
}

// logs are those of a training.
type logs []*epochLog

type epochLog struct {
	EpochLog
	file   *checkpoint.Growing
	cols   []string
	logged int
	unlock func() error // nil on a file system without locks
}

// openLogs makes the logs this training's own, clears them of what a killed one left and tries
// to write there. It refuses what is no log. What it returns is to be closed, also after an error.
func openLogs(list []EpochLog) (out logs, err error) {
	for _, l := range list {
		if err := os.MkdirAll(filepath.Dir(l.path), 0o777); err != nil {
			return out, l.unwritable(err)
		}
		if err := l.ours(); err != nil {
			return out, err
		}
		unlock, err := atomicfile.Lock(filepath.Join(filepath.Dir(l.path), "."+filepath.Base(l.path)+".lock"))
		switch {
		case errors.Is(err, atomicfile.ErrLocked):
			return out, fmt.Errorf("train: another training writes the log %s of Options.Logs: it is %w; wait for its end (Trainer.Done or Close in this program) or choose another path", l.path, err)
		case err != nil && !errors.Is(err, errors.ErrUnsupported):
			return out, l.unwritable(err)
		}
		out = append(out, &epochLog{EpochLog: l, file: checkpoint.NewGrowing(l.path), unlock: unlock})
		if err := errors.Join(atomicfile.Clean(l.path), atomicfile.Try(l.path)); err != nil {
			return out, l.unwritable(err)
		}
	}
	return out, nil
}

// close gives the logs to the next training.
func (ls logs) close() {
	for _, l := range ls {
		if l.unlock != nil {
			_ = l.unlock() // the system gives it back when the process ends
			l.unlock = nil
		}
	}
}

func (l EpochLog) unwritable(err error) error {
	return fmt.Errorf("train: the log %s of Options.Logs cannot be written: %w; give the right to write there, make room, or choose another path", l.path, err)
}

// ours reports an error if there is a file at the path that no training wrote.
func (l EpochLog) ours() error {
	f, size, err := regular.Open(l.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return l.unwritable(err)
	}
	defer f.Close()
	start := make([]byte, min(size, 1<<16))
	if _, err := io.ReadFull(f, start); err != nil {
		return l.unwritable(err)
	}
	if size > 0 && !l.format.is(start) {
		return fmt.Errorf("train: %s of Options.Logs is there and is no log of epochs, so it was left alone; move it away or choose another path", l.path)
	}
	return nil
}

// begin makes the logs hold these epochs and nothing else. What an earlier training left
// stays until the first epoch of this one is finished.
func (ls logs) begin(history []Epoch) error {
	if len(history) == 0 {
		return nil
	}
	for _, l := range ls {
		if err := l.whole(history); err != nil {
			return err
		}
	}
	return nil
}

// show adds the epochs that the logs do not have.
func (ls logs) show(history []Epoch) error {
	for _, l := range ls {
		if err := l.show(history); err != nil {
			return err
		}
	}
	return nil
}

func (l *epochLog) whole(history []Epoch) error {
	cols := l.format.columns(history)
	b, err := l.format.lines(history, cols)
	if err == nil {
		err = l.file.Restore(append(l.format.header(cols), b...))
	}
	if err != nil {
		return l.unwritable(err)
	}
	l.cols, l.logged = cols, len(history)
	return nil
}

// show appends, unless the log was changed by others or an epoch needs a column more: then
// the log is written anew.
func (l *epochLog) show(history []Epoch) error {
	added := history[l.logged:]
	for _, c := range l.format.columns(added) {
		if !slices.Contains(l.cols, c) {
			return l.whole(history)
		}
	}
	if l.logged == 0 || !l.file.Intact() {
		return l.whole(history)
	}
	b, err := l.format.lines(added, l.cols)
	if err == nil {
		err = l.file.Append(b)
	}
	if err != nil {
		return l.unwritable(err)
	}
	l.logged = len(history)
	return nil
}

type jsonFormat struct{}

func (jsonFormat) columns([]Epoch) []string                          { return nil }
func (jsonFormat) header([]string) []byte                            { return nil }
func (jsonFormat) lines(history []Epoch, _ []string) ([]byte, error) { return lines(history) }

func (jsonFormat) is(start []byte) bool {
	line, _, whole := bytes.Cut(start, []byte("\n"))
	if !whole { // the beginning of a line that a killed training wrote, or a very long one
		return bytes.HasPrefix(start, []byte(`{"epoch":`)) || bytes.HasPrefix([]byte(`{"epoch":`), start)
	}
	var e Epoch
	return json.Unmarshal(line, &e) == nil && e.Number > 0
}

type csvFormat struct{}

// The columns before and after the losses and metrics.
var (
	csvFirst = []string{"epoch", "updates", "rows", "learning_rate"}
	csvLast  = []string{"best", "grad_norm", "grad_norm_max", "seconds", "rows_per_second", "memory", "machine"}
)

func (csvFormat) columns(history []Epoch) []string {
	if len(history) == 0 {
		return nil
	}
	has, last := map[string]bool{}, map[string]bool{"best": true, "seconds": true, "rows_per_second": true}
	for i := range history {
		e := &history[i]
		e.Train.each("train/", func(name string, _ float64) { has[name] = true })
		if e.Validated {
			e.Valid.each("valid/", func(name string, _ float64) { has[name] = true })
		}
		for name, some := range map[string]bool{"grad_norm": e.GradNorm != 0, "grad_norm_max": e.GradNormMax != 0, "memory": e.Memory != 0, "machine": e.Machine != ""} {
			last[name] = last[name] || some
		}
	}
	out := slices.Clone(csvFirst)
	for _, part := range []string{"train/", "valid/"} { // the whole loss first
		if has[part+"loss"] {
			out = append(out, part+"loss")
			delete(has, part+"loss")
		}
		for _, name := range slices.Sorted(maps.Keys(has)) {
			if strings.HasPrefix(name, part) {
				out = append(out, name)
			}
		}
	}
	for _, name := range csvLast {
		if last[name] {
			out = append(out, name)
		}
	}
	return out
}

// each calls f with the losses and metrics.
func (v Values) each(prefix string, f func(name string, x float64)) {
	f(prefix+"loss", v.Loss)
	for _, m := range []engine.Metrics{v.Losses, v.Metrics} {
		for name, x := range m {
			f(prefix+name, x)
		}
	}
}

func (csvFormat) header(columns []string) []byte { return csvLine(columns) }

func (csvFormat) lines(history []Epoch, columns []string) ([]byte, error) {
	var out []byte
	for i := range history {
		e := &history[i]
		number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
		cells := map[string]string{"epoch": strconv.Itoa(e.Number), "updates": strconv.FormatInt(e.Updates, 10), "rows": strconv.Itoa(e.Rows), "learning_rate": number(e.Rate),
			"best": strconv.FormatBool(e.Best), "seconds": number(e.Seconds), "rows_per_second": number(e.RowsPerSecond), "machine": e.Machine}
		for name, x := range map[string]float64{"grad_norm": e.GradNorm, "grad_norm_max": e.GradNormMax} {
			if x != 0 {
				cells[name] = number(x)
			}
		}
		if e.Memory != 0 {
			cells["memory"] = strconv.FormatInt(e.Memory, 10)
		}
		add := func(name string, x float64) { cells[name] = spelled(number(x)) }
		e.Train.each("train/", add)
		if e.Validated {
			e.Valid.each("valid/", add)
		}
		line := make([]string, len(columns))
		for j, c := range columns {
			line[j] = cells[c]
		}
		out = append(out, csvLine(line)...)
	}
	return out, nil
}

// spelled is a number as JSON of this package has it.
func spelled(s string) string {
	switch s {
	case "+Inf":
		return "Infinity"
	case "-Inf":
		return "-Infinity"
	}
	return s
}

func csvLine(cells []string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(cells) // to memory
	w.Flush()
	return b.Bytes()
}

func (csvFormat) is(start []byte) bool {
	head := []byte(strings.Join(csvFirst, ",") + ",train/")
	return bytes.HasPrefix(start, head) || bytes.HasPrefix(head, start)
}
