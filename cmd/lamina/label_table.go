package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/dataset/parquet"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// schemaHelp says how a table is read where there is no bundle.
const schemaHelp = `Without a bundle a table is read by --schema, which dataset.Schema writes, or by what is
found in it; fields that are no number, no category and no date are left out.`

// inferred is the schema of what a table holds.
func inferred(ctx context.Context, file string, options ...dataset.InferOption) (*dataset.Schema, error) {
	var s *dataset.Schema
	var err error
	if extension(file) == ".parquet" {
		s, err = dataset.InferRecords(ctx, parquet.Records(file), options...)
	} else {
		s, err = dataset.Infer(ctx, file, options...)
	}
	return s, absent(file, err)
}

// inferredWith infers a schema with fields of these kinds. A name that may be a file too, and is no field, is left to be one.
func inferredWith(ctx context.Context, file string, labels, groups string) (*dataset.Schema, error) {
	var first error
	for _, as := range [][2]string{{labels, groups}, {labels, ""}, {"", groups}, {"", ""}} {
		if labels != as[0] && !isFile(labels) || groups != as[1] && !isFile(groups) {
			continue
		}
		var options []dataset.InferOption
		if as[0] != "" {
			options = append(options, dataset.Label.Of(as[0]))
		}
		if as[1] != "" {
			options = append(options, dataset.Group.Of(as[1]))
		}
		s, err := inferred(ctx, file, options...)
		if err == nil || ctx.Err() != nil {
			return s, err
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func isFile(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.Mode().IsRegular()
}

// readTable reads a table without a bundle. Labels and groups that are fields of it are taken out.
func (r *labelRows) readTable(ctx context.Context, file string, f labelSource) error {
	var s *dataset.Schema
	var err error
	if f.schema != "" {
		if s, err = dataset.ReadSchema(f.schema); err != nil {
			return fmt.Errorf("--schema: %w", err)
		}
	} else if s, err = inferredWith(ctx, file, f.labels, f.groups); err != nil {
		return err
	}
	s = s.Clone()
	asked := map[string]dataset.Kind{f.labels: dataset.Label, f.groups: dataset.Group}
	for i := range s.Fields {
		x := &s.Fields[i]
		kind, ok := asked[x.Name]
		switch {
		case ok && x.Name != "" && kind != x.Kind:
			return fmt.Errorf("%s: the schema has %q as a %s, and not as a %s", command.Clean(f.schema), command.Clean(x.Name), x.Kind, kind)
		case ok && x.Name != "", x.Kind == dataset.Number, x.Kind == dataset.Category, x.Kind == dataset.Date:
		default:
			x.Kind, x.Unit = dataset.Ignored, ""
		}
	}
	if r.Table, err = bySchema(ctx, s, file); err != nil {
		return absent(file, err)
	}
	r.schema = s
	if s.Field(f.labels) != nil && f.labels != "" {
		r.classes, r.labels = s.Classes(), slices.Clone(r.I64(s.Column(dataset.Label)))
		r.noClass()
		r.Table = r.Without(s.Column(dataset.Label))
	}
	if s.Field(f.groups) != nil && f.groups != "" {
		r.groups = slices.Clone(r.I64(s.Column(dataset.Group)))
		r.Table = r.Without(s.Column(dataset.Group))
	}
	return r.Err()
}

// noClass makes labels -1 that are written so, where all are whole numbers: a class of that name is none.
func (r *labelRows) noClass() {
	none := slices.Index(r.classes, strconv.Itoa(evaluate.None))
	for k, name := range r.classes {
		if _, err := strconv.Atoi(name); err != nil && k != none {
			return
		}
	}
	for i, y := range r.labels {
		if y == int64(none) {
			r.labels[i] = evaluate.None
		}
	}
}
