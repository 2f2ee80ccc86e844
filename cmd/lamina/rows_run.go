package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

var errBothInputs = errors.New("the rows are given twice: give either --input or --data")

// dataFiles are the files that --data names, as what must not be written to.
func dataFiles(data []string, ports []verify.Port) (list []assignment) {
	for _, d := range data {
		for _, p := range ports {
			if rest, ok := strings.CutPrefix(d, p.Name+"="); ok {
				list = append(list, assignment{p, rest})
			}
		}
		list = append(list, assignment{verify.Port{Name: "data"}, d})
	}
	return list
}

// encodeData is encode of rows that --data names.
func encodeData(c *cobra.Command, net *engine.Net, f encodeFlags) error {
	if len(f.inputs) > 0 {
		return errBothInputs
	}
	ins, outs := netPorts(net)
	to, err := assign("output", f.outputs, outs)
	if err != nil {
		return err
	}
	if len(to) == 0 {
		return errors.New("nowhere to write: give --output FILE.npy")
	}
	for _, a := range to {
		if err := mayWrite(a.file, dataFiles(f.data, ins)); err != nil {
			return err
		}
	}
	rows, _, err := readRows(c.Context(), net.Record().Schema, ins, f.data, "")
	if err != nil {
		return err
	}
	if rows, err = fitted(rows, net.Inputs()); err != nil {
		return err
	}
	if !f.quiet {
		tellSlow(c, net)
	}
	codes := map[string]*ir.Tensor{}
	err = net.Each(c.Context(), rows, func(b dataset.Batch, out map[string]*ir.Tensor) error {
		for _, a := range to {
			t, all := out[a.port.Name], codes[a.port.Name]
			if len(t.Shape) == 0 || t.Shape[0] != b.Rows {
				return fmt.Errorf("output %q is %s: rows cannot be encoded in parts", command.Clean(a.port.Name), t.Type())
			}
			if all == nil {
				all = &ir.Tensor{DType: t.DType, Shape: slices.Clone(t.Shape)}
				all.Shape[0], codes[a.port.Name] = 0, all
			}
			all.Shape[0] += b.Rows
			all.F32, all.F64, all.I64 = append(all.F32, t.F32...), append(all.F64, t.F64...), append(all.I64, t.I64...)
			all.Bool, all.Raw = append(all.Bool, t.Bool...), append(all.Raw, t.Raw...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeOutputs(c, to, codes)
}

// runRows are the inputs of lamina run that --data names, for a bundle's folder or a file.
func runRows(ctx context.Context, path string, data []string, ports, needed []verify.Port) (map[string]*ir.Tensor, error) {
	schema, err := schemaBeside(path)
	if err != nil {
		return nil, err
	}
	rows, _, err := readRows(ctx, schema, ports, data, "")
	if err != nil {
		return nil, err
	}
	in := map[string]*ir.Tensor{}
	for _, p := range needed {
		i := slices.IndexFunc(rows.Columns(), func(c dataset.Column) bool { return c.Name == p.Name })
		if i < 0 {
			return nil, fmt.Errorf("input %q has no column; the data have %s", command.Clean(p.Name), strings.Join(columnNames(rows), ", "))
		}
		c := rows.Columns()[i]
		t := &ir.Tensor{DType: ir.F32, Shape: append([]int{rows.Len()}, c.Shape...), F32: rows.F32(p.Name)}
		switch c.DType {
		case dataset.I64:
			t.DType, t.F32, t.I64 = ir.I64, nil, rows.I64(p.Name)
		case dataset.U8:
			t.DType, t.F32, t.Raw = ir.U8, nil, rows.U8(p.Name)
		}
		want := ir.ParseDType(p.Elem)
		if t.DType != want && !(want == ir.F64 && t.DType == ir.F32) {
			return nil, fmt.Errorf("input %q is %s, but the column of that name is %s", command.Clean(p.Name), p.Elem, c)
		}
		if t.DType != want {
			t = t.To(want)
		}
		if row, known := rowOf(p); known && ir.Elems(row) == c.Width() {
			t.Shape = append([]int{rows.Len()}, row...)
		}
		in[p.Name] = t
	}
	return in, nil
}

// rowOf is the shape of a row of an input, if that is known.
func rowOf(p verify.Port) (row []int, known bool) {
	if len(p.Dims) == 0 {
		return nil, false
	}
	for _, d := range p.Dims[1:] {
		if d < 0 {
			return nil, false
		}
		row = append(row, int(d))
	}
	return row, true
}

// schemaBeside is the schema in the folder of a bundle, nil where there is none.
func schemaBeside(path string) (*dataset.Schema, error) {
	if fi, err := os.Stat(path); err != nil || !fi.IsDir() {
		return nil, err
	}
	record, err := readRecord(filepath.Join(path, "training.json"))
	if err != nil {
		return nil, err
	}
	v, ok := record["schema"].(map[string]any)
	if !ok {
		return nil, nil
	}
	return schemaIn(v)
}
