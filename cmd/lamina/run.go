package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/npywrite"
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
.npy file is the batch. Floating-point files go to inputs of float32, files of
integers and booleans to the others; every value of an .npy file must be finite.
Outputs are written whole or not at all.`,
		Example: `  lamina run model.onnx --input x.npy --output y.npy
  lamina run model.onnx --input a=left.npy --input b=right.npy --output score=s.npy`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runModel(c, args[0], f) },
	}
	c.Flags().StringVar(&f.engine, "engine", onORT, "onnxruntime, lamina or both")
	c.Flags().StringVar(&f.all, "all", "", "`FILE.npz` for every value that the model computes")
	c.Flags().StringArrayVar(&f.inputs, "input", nil, "`[NAME=]FILE` to read; repeat it when there are several")
	c.Flags().StringArrayVar(&f.outputs, "output", nil, "`[NAME=]FILE` to write; repeat it for several")
	return c
}

// ported is a session that says what its inputs and outputs are.
type ported interface {
	verify.Session
	verify.Inspector
}

type runFlags struct {
	inputs, outputs []string
	engine, all     string
}

func runModel(c *cobra.Command, path string, f runFlags) (err error) {
	engines, err := engines(f.engine)
	if err != nil {
		return err
	}
	model, err := modelPath(path)
	if err != nil {
		return err
	}
	proto, b, err := readModel(model)
	if err != nil {
		return err
	}
	opened, err := engines[0].Open(b)
	if err != nil {
		return fmt.Errorf("%s: %w", model, err)
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	s, ok := opened.(ported)
	if !ok {
		return fmt.Errorf("%s: the runtime does not say what the inputs are", model)
	}
	from, err := assign("input", f.inputs, s.Inputs())
	if err != nil {
		return err
	}
	to, err := assign("output", f.outputs, s.Outputs())
	if err != nil {
		return err
	}
	if len(from) < len(s.Inputs()) {
		return fmt.Errorf("%d of the model's %d inputs are given; it has %s", len(from), len(s.Inputs()), portNames(s.Inputs()))
	}
	if len(to) == 0 && f.all == "" {
		return errors.New("nowhere to write: give --output FILE.npy, or --all FILE.npz")
	}
	in := map[string]*ir.Tensor{}
	for _, a := range from {
		if in[a.port.Name], err = readInput(a.file, a.port); err != nil {
			return err
		}
	}
	out, err := s.Run(c.Context(), in)
	if err != nil {
		return err
	}
	if len(engines) > 1 {
		if err := runSecond(c, engines, b, in, out); err != nil {
			return err
		}
	}
	if f.all != "" {
		if err := writeAll(c, engines[0], proto, in, f.all); err != nil {
			return err
		}
	}
	for _, a := range to {
		t := out[a.port.Name]
		if err := atomicfile.Write(a.file, func(w io.Writer) error { return writeNPY(w, t) }); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "%s: %s %s\n", a.file, t.Type(), clean(a.port.Name))
	}
	return nil
}

// assignment is a port and the file for it.
type assignment struct {
	port verify.Port
	file string
}

// assign reads the values of a flag: NAME=FILE, or FILE alone for the only
// port.
func assign(flag string, values []string, ports []verify.Port) ([]assignment, error) {
	var list []assignment
	for _, v := range values {
		name, file, named := strings.Cut(v, "=")
		i := slices.IndexFunc(ports, func(p verify.Port) bool { return named && p.Name == name })
		if i < 0 {
			if len(ports) != 1 {
				return nil, fmt.Errorf("--%s %s: which %s? write NAME=FILE; the model has %s", flag, clean(v), flag, portNames(ports))
			}
			i, file = 0, v
		}
		if file == "" {
			return nil, fmt.Errorf("--%s %q names no file", flag, v)
		}
		if slices.ContainsFunc(list, func(a assignment) bool { return a.port.Name == ports[i].Name }) {
			return nil, fmt.Errorf("--%s %s: %s %q has a file already", flag, clean(v), flag, clean(ports[i].Name))
		}
		if slices.ContainsFunc(list, func(a assignment) bool { return a.file == file }) && flag == "output" {
			return nil, fmt.Errorf("--output %s: the file is another output's already", clean(v))
		}
		list = append(list, assignment{ports[i], file})
	}
	return list, nil
}

func portNames(ports []verify.Port) string {
	var names []string
	for i, p := range ports {
		if i == maxLines {
			names = append(names, "…")
			break
		}
		names = append(names, fmt.Sprintf("%q", clean(p.Name)))
	}
	return strings.Join(names, ", ")
}

// readInput reads a file as what the port wants.
func readInput(file string, p verify.Port) (*ir.Tensor, error) {
	read := readNPY
	if strings.HasSuffix(file, ".pb") {
		read = readPB
	}
	t, err := read(file)
	if err != nil {
		return nil, err
	}
	switch {
	case p.Elem == "bool" && t.DType == ir.Bool:
		return t, nil
	case p.Elem == "f32" && t.DType == ir.F32, isInteger(p.Elem) && t.DType == ir.I64:
		return t, nil
	case p.Elem == "bool" && t.DType == ir.I64:
		if i := slices.IndexFunc(t.I64, func(x int64) bool { return x != 0 && x != 1 }); i >= 0 {
			return nil, fmt.Errorf("%s: input %q is bool, and element %d is %d", file, clean(p.Name), i, t.I64[i])
		}
		return t.To(ir.Bool), nil
	case p.Elem == "f32":
		return nil, fmt.Errorf("%s: it holds integers, but input %q is f32; save it as float32", file, clean(p.Name))
	case isInteger(p.Elem) || p.Elem == "bool":
		return nil, fmt.Errorf("%s: it holds floats, but input %q is %s; save it as integers", file, clean(p.Name), p.Elem)
	}
	return nil, fmt.Errorf("%s: input %q is %s, which this command cannot give; f32, integers and bool it can", file, clean(p.Name), p.Elem)
}

func isInteger(elem string) bool {
	return len(elem) >= 2 && (elem[0] == 'i' || elem[0] == 'u') && elem[1] >= '0' && elem[1] <= '9'
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
	}
	return fmt.Errorf("an output of type %s cannot be written", t.DType)
}
