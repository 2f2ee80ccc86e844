package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/regular"
	"github.com/lamina-ml/lamina/runtime/active"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// labelRows are rows to be labelled.
type labelRows struct {
	*dataset.Table
	of      active.Data
	labels  []int64         // -1 for none; nil if none were named
	groups  []int64         // nil if none were named
	classes []string        // that the labels of a table have, nil if they are numbers
	schema  *dataset.Schema // of a table that is read without a bundle
	id      func(row int) string
}

// labelSource says what rows to read.
type labelSource struct {
	data                           []string
	option, labels, groups, schema string // labels and groups are files or columns; option is what that of labels is called
}

// files are those that are read, besides the rows.
func (f labelSource) files() (from []assignment) {
	for name, file := range map[string]string{f.option: f.labels, "groups": f.groups, "schema": f.schema} {
		from = append(from, assignment{verify.Port{Name: name}, file})
	}
	return from
}

// readLabelRows reads rows for a net or, if that is nil, as they are: a table by its schema.
func readLabelRows(ctx context.Context, net *engine.Net, f labelSource) (*labelRows, error) {
	if len(f.data) == 0 {
		return nil, errors.New("which rows? give --data FILE, or the folder of PNG and JPEG files")
	}
	ports := []verify.Port{{Name: "x"}}
	var schema *dataset.Schema
	var inputs []*ir.Value
	if net != nil {
		ports, _ = netPorts(net)
		schema, inputs = net.Record().Schema, net.Inputs()
	}
	r := &labelRows{}
	var truth *dataset.Table
	var err error
	from := dataFiles(f.data, ports) // with INPUT= and without
	base := filepath.Base(from[0].file)
	r.id = func(row int) string { return base + "#" + strconv.Itoa(row) }
	table, ok := ofTable(f.data, ports)
	switch st, e := os.Stat(from[0].file); {
	case ok && net == nil:
		err = r.readTable(ctx, table, f)
	case f.schema != "":
		return nil, errors.New("--schema: it is for a table that no bundle reads: a .csv, .jsonl or .parquet file, alone and without a bundle")
	case e == nil && st.IsDir() && len(f.data) == 1:
		r.Table, r.id, err = readPictures(from[0].file, inputOf(from[0].port, ports), inputs)
	default:
		r.Table, truth, err = readRows(ctx, schema, ports, f.data, f.labels)
	}
	if err != nil {
		return nil, err
	}
	r.of = active.Data{Rows: r.Len()}
	if r.of.Mark, err = markOf(ctx, f.data, ports); err != nil {
		return nil, err
	}
	if f.labels != "" && r.labels == nil {
		if r.labels, err = r.wholeNumbers(f.option, f.labels, truth); err != nil {
			return nil, err
		}
	}
	if f.groups != "" && r.groups == nil {
		if r.groups, err = r.wholeNumbers("groups", f.groups, nil); err != nil {
			return nil, err
		}
	}
	if net != nil {
		r.Table, err = fitted(r.Table, inputs)
	}
	return r, err
}

// wholeNumbers are a number for each row, of a column, which is taken out of the rows, or of a file. The truth is the column, if it
// was read by itself.
func (r *labelRows) wholeNumbers(option, from string, truth *dataset.Table) ([]int64, error) {
	var err error
	column := slices.Contains(columnNames(r.Table), from)
	switch {
	case truth != nil:
	case column:
		truth, err = only(r.Table, from)
	default:
		truth, err = readTruth(option, from, r.Table)
	}
	if err != nil {
		return nil, err
	}
	list, err := classLabels(option, from, truth, r.Len())
	if err != nil {
		return nil, err
	}
	if column { // what is to be found out is not looked at
		r.Table = r.Without(from)
		return list, r.Err()
	}
	return list, r.checkHeading(option, from)
}

// checkHeading refuses a file of labels whose heading says that it is of other data.
func (r *labelRows) checkHeading(option, from string) error {
	if extension(from) != ".csv" {
		return nil
	}
	l, err := active.ReadLabels(from)
	if err != nil || l.Of.Mark == "" || l.Of.Mark == r.of.Mark { // another table of numbers, which says nothing
		return nil
	}
	return fmt.Errorf("--%s %s: its heading says that it is of other data: %s, and --data are %s", option, command.Clean(from), l.Of, r.of)
}

// mayReplace returns an error if path cannot be written, or is read as data or labels, or has answers that are not among the
// labels of the rows yet, or is something else.
func (r *labelRows) mayReplace(path string, classes []string, from []assignment) error {
	if err := mayWrite(path, from); err != nil {
		return err
	}
	l := active.NewLabels(r.of)
	if r.labels != nil {
		l.Y = r.labels
	}
	switch n, err := active.Unmerged(path, l, classes); {
	case err != nil:
		return fmt.Errorf("%s: what is there would be lost, and is no ranking with answers that are merged: name another --out: %w", path, err)
	case n > 0:
		return fmt.Errorf("%s: it has %s that these labels do not have, which would be lost: take them in by lamina label merge and give the merged labels, or name another --out", path, plainly(n, "answer"))
	}
	return nil
}

// inputOf is the input that pictures become: the one that is named, or the only one.
func inputOf(named verify.Port, ports []verify.Port) string {
	if slices.ContainsFunc(ports, func(p verify.Port) bool { return p.Name == named.Name }) || len(ports) == 0 {
		return named.Name
	}
	return ports[0].Name
}

// readPictures reads a folder of pictures, whatever folders they are in, for an input.
func readPictures(dir, input string, inputs []*ir.Value) (*dataset.Table, func(int) string, error) {
	o := dataset.ImageOptions{Unlabelled: true}
	for _, v := range inputs {
		if v.Name != input {
			continue
		}
		o.Bytes = v.Type.DType == ir.U8
		if row, ok := v.Type.Shape[1:].Fixed(); ok && len(row) == 3 {
			o.Channels, o.Height, o.Width = row[0], row[1], row[2]
		}
	}
	pictures, err := dataset.Images(dir, o)
	if err != nil {
		return nil, nil, err
	}
	t, err := dataset.Collect(pictures)
	if err != nil {
		return nil, nil, err
	}
	if names := columnNames(t); names[0] != input {
		t = t.Rename(names[0], input)
	}
	return t, func(row int) string {
		name, err := filepath.Rel(dir, pictures.Path(row))
		if err != nil {
			return pictures.Path(row)
		}
		return filepath.ToSlash(name)
	}, t.Err()
}

// classLabels are labels of classes, one for each row.
func classLabels(option, from string, truth *dataset.Table, rows int) ([]int64, error) {
	e := &evaluated{truth: truth, from: from}
	whole, ok := e.whole()
	switch {
	case !ok || e.width() != 1:
		return nil, fmt.Errorf("--%s %s: labels are one whole number for each row, -1 for none", option, command.Clean(from))
	case len(whole) != rows:
		return nil, fmt.Errorf("--%s %s: there are %d labels, but %d rows of --data", option, command.Clean(from), len(whole), rows)
	}
	out := make([]int64, rows)
	for i, y := range whole {
		if y < evaluate.None {
			return nil, fmt.Errorf("--%s %s: the label of row %d is %d; they are whole numbers from 0, and -1 is none", option, command.Clean(from), i, y)
		}
		out[i] = int64(y)
	}
	return out, nil
}

// markOf tells the files of --data from others: a hash of their bytes, and of the names and bytes of all files in a folder.
func markOf(ctx context.Context, data []string, ports []verify.Port) (string, error) {
	sum := sha256.New()
	add := func(name, path string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, size, err := regular.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		fmt.Fprintf(sum, "%q %d\n", name, size)
		_, err = io.Copy(sum, f)
		return err
	}
	for _, d := range data {
		file := dataFiles([]string{d}, ports)[0].file
		st, err := os.Stat(file)
		if err == nil && st.IsDir() {
			err = filepath.WalkDir(file, func(path string, e fs.DirEntry, err error) error {
				if err != nil || !e.Type().IsRegular() {
					return err
				}
				name, err := filepath.Rel(file, path)
				if err != nil {
					return err
				}
				return add(filepath.ToSlash(name), path)
			})
		} else if err == nil {
			err = add("", file)
		}
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// classNames are the names of the classes of a net's record, or their numbers.
func classNames(net *engine.Net, classes int) []string {
	if names := net.Record().Classes; len(names) == classes {
		return names
	}
	return numbered(classes)
}

func numbered(classes int) []string {
	names := make([]string, classes)
	for k := range names {
		names[k] = strconv.Itoa(k)
	}
	return names
}

// scoreOutputs returns the output of probabilities and the one of codes, "" for none: those that are named, or what their ops
// and number tell.
func scoreOutputs(net *engine.Net, output, code string) (probabilities, codes string, err error) {
	var likely, other []string
	for _, v := range net.Graph().Outputs {
		t := v.Type
		if t.DType != ir.F32 || !t.Shape.RowWise() || t.Shape[1:].Symbolic() {
			continue
		}
		if v.Name == output || output == "" && v.Name != code && madeBy(v) == evaluate.Probabilities {
			likely = append(likely, v.Name)
		} else if v.Name == code || code == "" {
			other = append(other, v.Name)
		}
	}
	list := func() string {
		var names []string
		for _, v := range net.Graph().Outputs {
			names = append(names, fmt.Sprintf("%q (%s)", command.Clean(v.Name), v.Type))
		}
		return strings.Join(names, ", ")
	}
	switch {
	case output != "" && len(likely) == 0:
		return "", "", fmt.Errorf("--output %s: the outputs are %s", command.Clean(output), list())
	case code != "" && !slices.Contains(other, code):
		return "", "", fmt.Errorf("--code %s: the outputs are %s", command.Clean(code), list())
	case len(likely) > 1:
		return "", "", fmt.Errorf("which output has the probabilities? give --output NAME: %s", list())
	}
	if len(likely) == 1 {
		probabilities = likely[0]
	}
	if len(other) == 1 {
		codes = other[0]
	}
	return probabilities, codes, nil
}
