// Package report writes what one decides by: pages in HTML (package page), with the same
// numbers as JSON and CSV beside them.
package report

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/regular"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/train"
)

// Run is what a folder has of a training, or of a program of phases, and of the bundles
// that were made of it. Its JSON is the file beside the page.
type Run struct {
	Name     string     `json:"name"` // of the folder
	Trained  []Trained  `json:"trained,omitempty"`
	Exported []Exported `json:"exported,omitempty"`
}

// Trained is a training, by its checkpoint and finished epochs.
type Trained struct {
	Name       string            `json:"name"` // of the folder
	Model      string            `json:"model"`
	Optimizer  string            `json:"optimizer"`
	Seed       uint64            `json:"seed"`
	Kernels    string            `json:"kernels"`
	Machines   []string          `json:"machines,omitempty"` // on which it was trained, in order
	Parameters int64             `json:"parameters"`         // numbers that were learned
	Best       int               `json:"best"`               // number of the best epoch
	Seconds    float64           `json:"seconds"`            // of all epochs, without validation
	Memory     int64             `json:"memory,omitempty"`   // bytes, the most of any epoch
	Facts      []checkpoint.Fact `json:"facts,omitempty"`    // what decided the result
	History    []train.Epoch     `json:"history"`

	tensors train.Tensors
}

// Exported is a bundle.
type Exported struct {
	Name    string         `json:"name"`            // of the folder
	Fault   string         `json:"fault,omitempty"` // why it cannot be opened; then the rest is empty
	Seed    uint64         `json:"seed"`
	Kernels string         `json:"kernels,omitempty"`
	Rows    int            `json:"rows,omitempty"` // of the training data
	Metrics engine.Metrics `json:"metrics,omitempty"`
	Phases  []engine.Phase `json:"phases,omitempty"`

	record engine.Record
	opened *bundle.Opened
}

const (
	verificationName = "verification.json" // by which a bundle is known
	maxEntries       = 10_000              // of a folder that is looked through
)

// ReadRun reads the folder of a training (train.Options.Dir), of a program of phases
// (pretrain.Options.Dir), of a bundle, or one that has such folders in it. Bundles are
// opened and replayed; one that cannot be is reported in Exported.Fault. It changes nothing,
// and a training may still be going on.
//
// Errors: nothing of this kind is there; a checkpoint or its history is damaged; that of
// ctx.
func ReadRun(ctx context.Context, dir string) (*Run, error) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	r := &Run{Name: filepath.Base(at)}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("report: %w: give the folder of a training or of a bundle", err)
	}
	if len(entries) > maxEntries {
		return nil, fmt.Errorf("report: %s has more than %d entries: give the folder of a training or of a bundle", dir, maxEntries)
	}
	places := []string{dir}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			places = append(places, filepath.Join(dir, e.Name()))
		}
	}
	for i, place := range places {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("report: %w", err)
		}
		name := filepath.Base(place)
		if i == 0 {
			name = r.Name
		}
		if err := r.add(ctx, name, place); err != nil {
			return nil, err
		}
	}
	if len(r.Trained)+len(r.Exported) == 0 {
		return nil, fmt.Errorf("report: %s has neither a training nor a bundle, and no folder in it has: give the Dir of train.Options or of pretrain.Options, a bundle, or the folder above them", dir)
	}
	return r, nil
}

// add takes what a folder is, if it is something.
func (r *Run) add(ctx context.Context, name, dir string) error {
	f, err := train.ReadFolder(dir)
	switch {
	case err == nil:
		r.Trained = append(r.Trained, trained(name, f))
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("report: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, verificationName)); err != nil {
		return nil
	}
	e := Exported{Name: name}
	e.opened, err = bundle.Load(ctx, dir)
	if ctx.Err() != nil {
		return fmt.Errorf("report: %w", ctx.Err())
	}
	if err != nil {
		e.Fault = err.Error()
	} else {
		e.record = e.opened.Net.Record()
		e.Seed, e.Kernels, e.Rows, e.Metrics, e.Phases = e.record.Seed, e.record.Kernels, e.record.Rows, e.record.Metrics, e.record.Phases
	}
	r.Exported = append(r.Exported, e)
	return nil
}

func trained(name string, f *train.Folder) Trained {
	c := f.Checkpoint
	t := Trained{Name: name, Model: c.Model, Optimizer: c.Optimizer, Seed: c.Seed, Kernels: c.Kernels, Best: f.Best, Parameters: f.Parameters(), Facts: c.Facts, History: f.History,
		tensors: train.CheckpointTensors(c)}
	for _, e := range f.History {
		t.Seconds += e.Seconds
		t.Memory = max(t.Memory, e.Memory)
		if e.Machine != "" && !slices.Contains(t.Machines, e.Machine) {
			t.Machines = append(t.Machines, e.Machine)
		}
	}
	return t
}

// Write writes the page to path, which ends in .html, and beside it the run as JSON and its
// epochs as CSV, under the same name. Each file is written whole or not at all, the page
// last.
//
// Errors: another ending; a place within a bundle, which must stay as it is; a .json or .csv
// file of that name which no run was written to, such as data; a file that cannot be written.
func (r *Run) Write(path string) error {
	base, ok := strings.CutSuffix(path, ".html")
	if !ok || filepath.Base(path) == ".html" {
		return fmt.Errorf("report: the page is to be written to %q, which must end in .html", path)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), verificationName)); err == nil {
		return fmt.Errorf("report: %s lies within a bundle, which must stay as it was written: choose another place", path)
	}
	if err := own(base+".json", ofRunJSON); err != nil {
		return err
	}
	if err := own(base+".csv", ofRunCSV); err != nil {
		return err
	}
	p, err := r.Page()
	if err != nil {
		return err
	}
	j, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	c, err := r.csv()
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := atomicfile.WriteBytes(base+".json", append(j, '\n')); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := atomicfile.WriteBytes(base+".csv", c); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := p.Write(path); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// mostOwn bounds what is read of a file to tell whether it is a report.
const mostOwn = 256 << 20

// own refuses to write over a file that is none of a run's report.
func own(path string, of func(b []byte) bool) error {
	if _, err := os.Stat(path); err != nil { // nothing is there, or the writing says why not
		return nil
	}
	f, _, err := regular.Open(path)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, mostOwn))
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if !of(b) {
		return fmt.Errorf("report: %s is there and is no report of a run, so it is not written over: choose another place for the page", path)
	}
	return nil
}

// ofRunJSON and ofRunCSV tell files that [Run.Write] wrote.
func ofRunJSON(b []byte) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(b, &fields) != nil {
		return false
	}
	return fields["name"] != nil && (fields["trained"] != nil || fields["exported"] != nil)
}

func ofRunCSV(b []byte) bool {
	return bytes.HasPrefix(b, []byte("training,")) || string(b) == "training\n"
}

// csv has a line per epoch of every training, as train.CSVLog has them, behind the name of
// the training's folder.
func (r *Run) csv() ([]byte, error) {
	columns := []string{"training"}
	var lines []map[string]string
	for i := range r.Trained {
		b, err := train.EncodeCSV(r.Trained[i].History)
		if err != nil {
			return nil, err
		}
		all, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
		if err != nil {
			return nil, err
		}
		if len(all) == 0 {
			continue
		}
		for _, c := range all[0] {
			if !slices.Contains(columns, c) {
				columns = append(columns, c)
			}
		}
		for _, cells := range all[1:] {
			line := map[string]string{"training": r.Trained[i].Name}
			for j, c := range all[0] {
				line[c] = cells[j]
			}
			lines = append(lines, line)
		}
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	cells := make([]string, len(columns))
	for _, line := range append([]map[string]string{nil}, lines...) {
		for j, c := range columns {
			if cells[j] = line[c]; line == nil {
				cells[j] = c
			}
		}
		if err := w.Write(cells); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return out.Bytes(), w.Error()
}
