package yardstick

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
)

// Options says how to run cells.
type Options struct {
	Digits   *dataset.Split
	Data     string         // what the digits are, for the results
	Datasets string         // folder above the data sets of other cells; "" has none
	Machine  string         // for the results
	Results  string         // folder where results are kept and found; "" keeps none
	Work     string         // folder of trainings under way; "" keeps none
	Again    bool           // run also the cells that have a result
	Within   time.Duration  // leave cells for later that would take longer, as far as their kept results tell; 0 leaves none
	Workers  int            // goroutines; GOMAXPROCS
	Progress train.Progress // of trainings; nil is silent
	Report   func(r Result, kept bool)
	Skipped  func(cell string, why error)           // is told of cells whose data set or peer is absent, which give no result
	Later    func(cell string, about time.Duration) // and of those left for later, with what they took last time, 0 if that is not known
}

// Run measures cells, one after the other, and returns a result for each. With
// Results a cell that was measured with the same settings on the same data is not
// measured again, and each result is written when it is there. With Work a run that
// was interrupted or killed goes on in the middle of a training; what a cell left
// there is removed when its result is written, or without Results when all cells are
// measured. A cell named twice is measured once. A cell whose data set or peer is absent
// is skipped, and so is one that Within has no time for.
//
// Errors: those of the trainings, with the cell; a folder that cannot be read or
// written; train.ErrInterrupted, wrapped.
func Run(ctx context.Context, cells []Cell, o Options) ([]Result, error) {
	if o.Digits == nil {
		return nil, errors.New("yardstick: Options.Digits is nil")
	}
	known := map[string]Result{}
	if o.Results != "" {
		var err error
		if known, err = Load(o.Results); err != nil {
			return nil, err
		}
		// Not after hours of training.
		if err = os.MkdirAll(o.Results, 0o755); err == nil {
			err = atomicfile.Try(filepath.Join(o.Results, "results.json"))
		}
		if err != nil {
			return nil, fmt.Errorf("yardstick: results cannot be kept in %s: %w", o.Results, err)
		}
	}
	var list []Result
	var left []string
	begin := time.Now()
	seen, read := map[string]bool{}, map[string]rows{}
	for _, c := range cells {
		if seen[c.Name] {
			continue
		}
		seen[c.Name] = true
		data, err := o.rowsOf(c, read)
		if errors.Is(err, ErrAbsent) {
			if o.Skipped != nil {
				o.Skipped(c.Name, err)
			}
			continue
		}
		if err != nil {
			return list, fmt.Errorf("yardstick %s: %w", c.Name, err)
		}
		o := o
		o.Digits, o.Data = data.split, data.name
		r, kept := known[c.Name]
		about := time.Duration(float64(r.Seeds) * r.WallS * float64(time.Second))
		kept = kept && !o.Again && r.same(c, o.Data)
		if !kept && o.Within > 0 && time.Since(begin)+about >= o.Within {
			if o.Later != nil {
				o.Later(c.Name, about)
			}
			continue
		}
		if !kept {
			folder := o.folder(c)
			r, err = measure(ctx, c, o, folder)
			if errors.Is(err, ErrAbsent) { // a peer
				if o.Skipped != nil {
					o.Skipped(c.Name, err)
				}
				continue
			}
			if err != nil {
				return list, fmt.Errorf("yardstick %s: %w", c.Name, err)
			}
			if left = append(left, folder); o.Results != "" {
				if err := save(o.Results, r); err != nil {
					return list, err
				}
				if err := remove(left...); err != nil {
					return list, err
				}
				left = nil
			}
		}
		if o.Report != nil {
			o.Report(r, kept)
		}
		list = append(list, r)
	}
	return list, remove(left...) // what no file of results holds
}

// folder is where a cell's trainings are, "" for nowhere. Another recipe's
// checkpoints are another folder's.
func (o *Options) folder(c Cell) string {
	if o.Work == "" {
		return ""
	}
	sum := sha256.Sum256(append([]byte(o.Data), c.Settings()...))
	return filepath.Join(o.Work, strings.ReplaceAll(c.Name, "/", "-")+"-"+hex.EncodeToString(sum[:4]))
}

func remove(folders ...string) error {
	var errs []error
	for _, f := range folders {
		if f != "" {
			errs = append(errs, os.RemoveAll(f))
		}
	}
	return errors.Join(errs...)
}

// outcome is what one seed gave, as a file of the work folder holds it.
type outcome struct {
	Value float64            `json:"value"`
	Also  map[string]float64 `json:"also,omitempty"`
	WallS float64            `json:"wall_s"`
}

// measure runs every seed of a cell, in a folder if there is one.
func measure(ctx context.Context, c Cell, o Options, folder string) (Result, error) {
	r := Result{Name: c.Name, Seeds: c.Seeds, Also: map[string]float64{}, Settings: c.Settings(), Data: o.Data, Machine: o.Machine}
	var walls []float64
	also := map[string][]float64{}
	for seed := range c.Seeds {
		dir := ""
		if folder != "" {
			dir = filepath.Join(folder, fmt.Sprintf("seed%d", seed))
		}
		x, err := once(ctx, c, o, uint64(seed), dir)
		if err != nil {
			return r, fmt.Errorf("seed %d: %w", seed, err)
		}
		r.Values, walls = append(r.Values, x.Value), append(walls, x.WallS)
		for k, v := range x.Also {
			also[k] = append(also[k], v)
		}
	}
	for k, v := range also {
		r.Also[k] = median(v)
	}
	r.Value, r.Std, r.WallS = median(r.Values), deviation(r.Values), math.Round(10*median(walls))/10
	r.Date = time.Now().UTC().Format(time.DateOnly)
	r.declare(c)
	return r, nil
}

// once is one seed of a cell.
func once(ctx context.Context, c Cell, o Options, seed uint64, dir string) (x outcome, err error) {
	in := &input{digits: o.Digits, seed: seed, workers: o.Workers, progress: o.Progress}
	if c.Data != "" {
		in.folder = filepath.Join(o.Datasets, c.Data)
	}
	w := &watch{start: time.Now()}
	done := ""
	if dir != "" {
		done = filepath.Join(dir, "outcome.json")
		if raw, err := os.ReadFile(done); err == nil && json.Unmarshal(raw, &x) == nil {
			return x, nil
		}
		in.dir, w.path = filepath.Join(dir, "training"), filepath.Join(dir, "seconds.json")
		if err := w.load(); err != nil {
			return x, err
		}
		in.progress = w.progress(o.Progress)
	}
	n, err := c.how.measure(ctx, in)
	if err != nil && ctx.Err() != nil && !errors.Is(err, train.ErrInterrupted) { // between two trainings
		err = fmt.Errorf("%w: %w", train.ErrInterrupted, err)
	}
	if err != nil {
		return x, err
	}
	x = outcome{Value: rounded(n.value), Also: map[string]float64{}, WallS: w.seconds()}
	for k, v := range n.also {
		x.Also[k] = rounded(v)
	}
	if !finite(x) {
		return x, fmt.Errorf("a number is not finite: %+v", n)
	}
	if done != "" {
		raw, err := json.Marshal(x)
		if err != nil {
			return x, err
		}
		return x, atomicfile.WriteBytes(done, raw)
	}
	return x, nil
}

func finite(x outcome) bool {
	ok := !math.IsNaN(x.Value) && !math.IsInf(x.Value, 0)
	for _, v := range x.Also {
		ok = ok && !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	return ok
}

// watch counts the seconds of a seed over all the processes that worked on it: it
// writes them down at each epoch's end.
type watch struct {
	start time.Time
	past  float64
	path  string
}

func (w *watch) seconds() float64 { return w.past + time.Since(w.start).Seconds() }

func (w *watch) load() error {
	raw, err := os.ReadFile(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if json.Unmarshal(raw, &w.past) != nil || !(w.past >= 0) {
		return fmt.Errorf("%s does not hold seconds; delete the folder", w.path)
	}
	return nil
}

// progress adds the writing to what is reported.
func (w *watch) progress(p train.Progress) train.Progress {
	return func() train.Reporter {
		r := &counting{watch: w}
		if p != nil {
			r.next = p()
		}
		return r
	}
}

type counting struct {
	watch *watch
	next  train.Reporter
}

// Report implements [train.Reporter].
func (c *counting) Report(e train.Event) {
	if e.Done != nil {
		// A clock is not worth a training: what cannot be written is not counted.
		if raw, err := json.Marshal(c.watch.seconds()); err == nil {
			_ = atomicfile.WriteBytes(c.watch.path, raw)
		}
	}
	if c.next != nil {
		c.next.Report(e)
	}
}

// Close implements [train.Reporter].
func (c *counting) Close() {
	if c.next != nil {
		c.next.Close()
	}
}
