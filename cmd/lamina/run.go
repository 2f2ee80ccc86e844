package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/internal/onnxfile"
)

func runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run MODEL --input FILE --output FILE.npy",
		Short: "Run an ONNX model on onnxruntime or Lamina's own engine",
		Long: `Runs an ONNX file, or the model of a bundle's folder, on onnxruntime, on Lamina's
own importer and engine, or on both; then the outputs are onnxruntime's and the
greatest difference of each is printed.

Inputs are .npy files, or .pb files as in an ONNX test set. The first axis of an
.npy file is the batch. Lengths that the model leaves open are those of the files;
inputs that share one by name must have the same. Floating-point files go to inputs of float32 and float64,
files of integers and booleans to the others; every value of an .npy file must be
finite. Outputs are written whole or not at all.

--data takes rows in other forms in the place of --input. ` + dataHelp + `

Only what the outputs asked for need has to be supported, and only the inputs
they need have to be given. Weights in files beside the model are read from its
folder and from nowhere else.`,
		Example: `  lamina run model.onnx --input x.npy --output y.npy
  lamina run out/tabular --data new.csv --engine both --output score=s.npy
  lamina run model.onnx --input a=left.npy --input b=right.npy --output score=s.npy`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runModel(c, args[0], f) },
	}
	c.Flags().StringVar(&f.engine, "engine", onORT, "onnxruntime, lamina or both")
	c.Flags().StringVar(&f.all, "all", "", "`FILE.npz` for every value that the model computes")
	c.Flags().StringArrayVar(&f.inputs, "input", nil, "`[NAME=]FILE` to read; repeat it when there are several")
	c.Flags().StringArrayVar(&f.data, "data", nil, dataUsage+"; in the place of --input")
	c.Flags().StringArrayVar(&f.outputs, "output", nil, "`[NAME=]FILE` to write; repeat it for several")
	return c
}

type runFlags struct {
	inputs, data, outputs []string
	engine, all           string
}

// apart returns an error unless everything that is written has a place of its own.
func (f runFlags) apart(model string, from, to []assignment) error {
	from = append(slices.Clone(from), assignment{verify.Port{Name: "model"}, model})
	for _, a := range to {
		if err := mayWrite(a.file, from); err != nil {
			return err
		}
		if f.all != "" && samePath(a.file, f.all) {
			return fmt.Errorf("--all %s: the file is an output's already", command.Clean(f.all))
		}
	}
	if f.all == "" {
		return nil
	}
	return mayWrite(f.all, from)
}

func runModel(c *cobra.Command, path string, f runFlags) (err error) {
	engines, err := engines(f.engine)
	if err != nil {
		return err
	}
	dir := path
	path, err = command.ModelPath(path)
	if err != nil {
		return err
	}
	file, err := onnxfile.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	ins, outs := modelPorts(file.Model)
	from, err := assign("input", f.inputs, ins)
	if err != nil {
		return err
	}
	if len(f.inputs) > 0 && len(f.data) > 0 {
		return errBothInputs
	}
	to, err := assign("output", f.outputs, outs)
	if err != nil {
		return err
	}
	if len(to) == 0 && f.all == "" {
		return errors.New("nowhere to write: give --output FILE.npy, or --all FILE.npz")
	}
	if err := f.apart(path, append(slices.Clone(from), dataFiles(f.data, ins)...), to); err != nil {
		return err
	}
	var wanted []string // none stands for all
	if f.all == "" {
		for _, a := range to {
			wanted = append(wanted, a.port.Name)
		}
	}
	model, err := file.Alone(wanted...)
	if err != nil {
		return err
	}
	s, err := engines[0].Open(model)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	tellSlow(c, s)
	needed, ok := s.(verify.Inspector)
	if !ok {
		return fmt.Errorf("%s: the runtime does not say what the inputs are", path)
	}
	in := map[string]*ir.Tensor{}
	given := 0
	if len(f.data) > 0 {
		if in, err = runRows(c.Context(), dir, f.data, ins, needed.Inputs()); err != nil {
			return err
		}
		given = len(in)
	}
	for _, p := range needed.Inputs() {
		i := slices.IndexFunc(from, func(a assignment) bool { return a.port.Name == p.Name })
		if i < 0 {
			continue
		}
		if in[p.Name], err = readInput(from[i].file, p); err != nil {
			return err
		}
		given++
	}
	if n := len(needed.Inputs()); given < n {
		return fmt.Errorf("%d of the model's %d inputs are given; it has %s", given, n, portNames(needed.Inputs()))
	}
	if err := sameLengths(reportModel(file.Model).Inputs, from, in); err != nil {
		return err
	}
	out, err := s.Run(c.Context(), in)
	if err != nil {
		return err
	}
	if len(engines) > 1 {
		if err := runSecond(c, engines, model, in, out); err != nil {
			return err
		}
	}
	if f.all != "" {
		if err := writeAll(c, engines[0], file, in, f.all); err != nil {
			return err
		}
	}
	return writeOutputs(c, to, out)
}

// writeOutputs writes each output to the file that it is assigned to, and says so.
func writeOutputs(c *cobra.Command, to []assignment, out map[string]*ir.Tensor) error {
	for _, a := range to {
		t := out[a.port.Name]
		if err := atomicfile.Write(a.file, func(w io.Writer) error { return writeNPY(w, t) }); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "%s: %s %s\n", a.file, t.Type(), command.Clean(a.port.Name))
	}
	return nil
}

// sameLengths returns an error if two files give a length that their inputs share by name two
// values.
func sameLengths(inputs []portReport, from []assignment, in map[string]*ir.Tensor) error {
	type given struct {
		file string
		axis int
		n    int
	}
	first := map[string]given{}
	for _, p := range inputs {
		t := in[p.Name]
		if t == nil || len(t.Shape) != len(p.Shape) {
			continue // which the engine tells
		}
		i := slices.IndexFunc(from, func(a assignment) bool { return a.port.Name == p.Name })
		for axis, name := range p.Shape {
			if _, err := strconv.Atoi(name); err == nil || name == "?" || i < 0 {
				continue
			}
			here := given{from[i].file, axis, t.Shape[axis]}
			if old, ok := first[name]; ok && old.n != here.n {
				return fmt.Errorf("%s: axis %d, which the model calls %s, is %d long, but axis %d of %s, which has that name too, is %d", here.file, axis, command.Clean(name), here.n, old.axis, old.file, old.n)
			} else if !ok {
				first[name] = here
			}
		}
	}
	return nil
}

// readInput reads a file as what the port wants.
func readInput(file string, p verify.Port) (*ir.Tensor, error) {
	read := readNPY
	switch {
	case strings.HasSuffix(file, ".pb"):
		read = readPB
	case len(p.Dims) == 0 && isNumber(file):
		read = readNumber
	case p.Elem == "f64":
		read = readDoubles
	}
	t, err := read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no such file", file)
	}
	if err != nil {
		return nil, err
	}
	wants := func(what string) error {
		return fmt.Errorf("%s: it holds %s, but input %q is %s; save it as %s", file, holds(t.DType), command.Clean(p.Name), p.Elem, what)
	}
	d := ir.ParseDType(p.Elem)
	switch {
	case d == ir.Invalid:
		return nil, fmt.Errorf("%s: input %q is %s, which this command cannot give; numbers and bool it can", file, command.Clean(p.Name), p.Elem)
	case t.DType == d:
		return t, nil
	case d == ir.Bool && !t.DType.Integer():
		return nil, wants("booleans or integers")
	case d.Integer() && !t.DType.Integer():
		return nil, wants("integers")
	case d.Float() && (!t.DType.Float() || d == ir.F32):
		return nil, wants("float" + strconv.Itoa(8*d.Size()))
	}
	c := t.To(d)
	for i := range t.Len() {
		switch {
		case d.Float() && !math.IsInf(c.At(i), 0), !d.Float() && t.Text(i) == strings.NewReplacer("true", "1", "false", "0").Replace(c.Text(i)):
		default:
			return nil, fmt.Errorf("%s: input %q is %s, and element %d is %s", file, command.Clean(p.Name), p.Elem, i, t.Text(i))
		}
	}
	return c, nil
}

func holds(d ir.DType) string {
	switch {
	case d.Integer():
		return "integers"
	case d == ir.Bool:
		return "booleans"
	case d == ir.F64:
		return "float64"
	}
	return "floats"
}

func writeNPY(w io.Writer, t *ir.Tensor) error {
	switch t.DType {
	case ir.F32:
		return npywrite.Write(w, t.Shape, t.F32)
	case ir.F64:
		return npywrite.Write(w, t.Shape, t.F64)
	case ir.I64:
		return npywrite.Write(w, t.Shape, t.I64)
	case ir.Bool:
		return npywrite.Write(w, t.Shape, t.Bool)
	case ir.BF16: // NumPy has no such type
		return npywrite.Write(w, t.Shape, t.To(ir.F32).F32)
	}
	kind := "f"
	switch {
	case t.DType.Signed():
		kind = "i"
	case t.DType.Integer():
		kind = "u"
	}
	return npywrite.WriteRaw(w, t.Shape, kind, t.DType.Size(), t.Raw)
}
