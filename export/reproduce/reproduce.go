// Package reproduce trains a bundle's model again, from the record in the bundle, and
// says whether the result has the same bytes.
//
// The record holds everything that decides the bits except the rows, which are found by
// their hash, and the user's own Go code, such as an initializer: the record says what
// it lacks. Of a metric of train.OverRows by which the best epoch was chosen it has the
// numbers, and these choose again.
package reproduce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
)

// ErrCannot is wrapped by the error for a bundle that cannot be trained again here.
var ErrCannot = errors.New("it cannot be trained again")

// Options say how to train again. No result depends on them.
type Options struct {
	Tables   []*dataset.Table                                // rows beside the embedded digits,
	Read     func(*dataset.Schema) ([]*dataset.Table, error) // and others, read with the schema of the record, which may be nil
	Dir      string                                          // folder to resume from after an interruption; "" keeps nothing
	Progress train.Progress                                  // nil is silent
	Begin    func(*pretrain.Program)
}

// Verdict is what came of it.
type Verdict struct {
	Same    bool   `json:"same"`              // the bytes of model.onnx are
	Phases  int    `json:"phases"`            // that were trained
	Updates int64  `json:"updates"`           // in all of them
	Bytes   int    `json:"bytes"`             // of model.onnx
	Kernels string `json:"kernels"`           // that the bundle was trained with,
	Here    string `json:"here"`              // and now
	Phase   string `json:"phase,omitempty"`   // the first that differs
	Agreed  int64  `json:"agreed,omitempty"`  // the last of its updates whose loss agrees with the record,
	Differs int64  `json:"differs,omitempty"` // and the first that is known not to
	Reason  string `json:"reason,omitempty"`
	Given   string `json:"given,omitempty"` // what was not computed again but taken from the record, in words
}

// Bundle trains what the bundle in dir ships, and compares.
//
// Errors: those of bundle.Shipped; one that wraps ErrCannot for a record that does not say
// how, rows that are not at hand, or a program of which only Go code knows something; those
// of the training.
func Bundle(ctx context.Context, dir string, o Options) (*Verdict, error) {
	model, rec, err := bundle.Shipped(ctx, dir)
	if err != nil {
		return nil, err
	}
	rows := &finder{ctx: ctx, tables: o.Tables, found: map[string]dataset.Source{}}
	if o.Read != nil {
		read, err := o.Read(rec.Schema)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", dir, ErrCannot, err)
		}
		rows.tables = slices.Concat(rows.tables, read)
	}
	again, err := pretrain.Again(rec, rows.find)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", dir, ErrCannot, err)
	}
	if o.Begin != nil {
		o.Begin(again.Program)
	}
	run := pretrain.Options{Dir: o.Dir, Progress: o.Progress}
	if o.Progress == nil {
		run.Log = slog.New(slog.DiscardHandler)
	}
	result, err := again.Program.Run(ctx, run)
	if err != nil {
		return nil, err
	}
	net := again.Net(result)
	if err := net.Err(); err != nil {
		return nil, err
	}
	now := net.Record()
	v := &Verdict{Bytes: len(model), Kernels: rec.Kernels, Here: now.Kernels, Phases: len(now.Phases), Given: given(rec)}
	for _, p := range now.Phases {
		v.Updates += p.Updates
	}
	m, err := onnxexport.BuildNet(net, onnxexport.Options{Metadata: like(rec)})
	if err != nil {
		return nil, err
	}
	if v.Same = bytes.Equal(m.Bytes, model); !v.Same {
		v.part(rec, now)
	}
	return v, nil
}

// like is what the file says of the record and need not be the same here: the kernels
// and the versions that took part, the rows that a program was given, and what their columns were read by.
func like(rec engine.Record) map[string]string {
	m := map[string]string{"kernels": rec.Kernels, "data_hash": rec.DataHash}
	if s := onnxexport.Columns(rec); s != "" {
		m["columns"] = s
	}
	for name, v := range rec.Versions {
		m["version."+name] = v
	}
	return m
}

// part finds where two trainings parted.
func (v *Verdict) part(was, now engine.Record) {
	trained := slices.DeleteFunc(slices.Clone(was.Phases), func(p engine.Phase) bool { return p.Probe != "" })
	for i, p := range now.Phases {
		if i >= len(trained) || p.Recipe == nil {
			break
		}
		q := trained[i]
		if len(q.Recipe.Trail) == 0 || p.Epochs == 0 {
			continue
		}
		agreed, differ, ok := train.Parted(q.Recipe.Trail, p.Recipe.Trail, q.Recipe.Epochs(), int(q.Updates)/max(q.Epochs, 1))
		if !ok {
			continue
		}
		v.Phase, v.Agreed, v.Differs = q.Name, agreed, differ
		v.Reason = fmt.Sprintf("phase %d of %d, %s, differs: the loss of update %d is another", i+1, len(trained), q.Name, differ)
		if agreed+1 < differ {
			v.Reason = fmt.Sprintf("phase %d of %d, %s, differs: the loss is another at an update from %d to %d", i+1, len(trained), q.Name, agreed+1, differ)
		}
		if v.Kernels != v.Here {
			v.Reason += fmt.Sprintf("; it was trained by the kernels %s, and now by %s", v.Kernels, v.Here)
		}
		return
	}
	v.Phase = trained[len(trained)-1].Name
	v.Reason = fmt.Sprintf("all losses of all phases are the same, so what differs is made after the last update of %s", v.Phase)
	if was, is := version(was), version(now); was != is {
		v.Reason += fmt.Sprintf(", or is how Lamina writes a file: it was version %s, this is %s", was, is)
	}
}

// given says which metrics were taken from the record: what Go code computes over all rows has no graph.
func given(rec engine.Record) string {
	var of []string
	for _, p := range rec.Phases {
		if p.Recipe == nil || p.Recipe.Judge == nil || len(p.Recipe.Judge.Values) == 0 {
			continue
		}
		of = append(of, fmt.Sprintf("%q of %s", p.Recipe.Judge.Name, p.Name))
	}
	if len(of) == 0 {
		return ""
	}
	return "the best epoch was chosen by the numbers of the record, since Go code computes the metric " + strings.Join(of, ", ")
}

func version(r engine.Record) string { return r.Versions["lamina"] }
