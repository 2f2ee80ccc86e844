package main

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler/ir"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/native"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/onnxfile"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// The values of --engine.
const (
	onORT    = "onnxruntime"
	onLamina = "lamina"
	onBoth   = "both"
)

// engines returns the runtimes of --engine; the first one's outputs are written.
func engines(name string) ([]verify.Runtime, error) {
	switch name {
	case onORT:
		return []verify.Runtime{ort.Runtime()}, nil
	case onLamina:
		return []verify.Runtime{native.Runtime()}, nil
	case onBoth:
		return []verify.Runtime{ort.Runtime(), native.Runtime()}, nil
	}
	return nil, fmt.Errorf("--engine is %s, %s or %s, got %q", onORT, onLamina, onBoth, command.Clean(name))
}

// runSecond runs the model on the second engine and prints how far its outputs
// are from those of the first.
func runSecond(c *cobra.Command, engines []verify.Runtime, model []byte, in, first map[string]*ir.Tensor) error {
	second, err := runOnce(c, engines[1], model, in)
	if err != nil {
		return err
	}
	for _, name := range sortedNames(first) {
		a, b := first[name], second[name]
		if b == nil || !slices.Equal(a.Shape, b.Shape) {
			return &command.Exit{Status: command.Differs, Err: fmt.Errorf("output %q has another shape on %s than on %s", command.Clean(name), engines[1].Name(), engines[0].Name())}
		}
		worst, at := 0.0, 0
		for i := range a.Len() {
			x, y := a.At(i), b.At(i)
			if d := math.Abs(x - y); d > worst || math.IsNaN(x) != math.IsNaN(y) {
				worst, at = d, i
			}
		}
		fmt.Fprintf(c.OutOrStdout(), "%s: %s and %s differ by at most %.3g, in element %d\n", command.Clean(name), engines[0].Name(), engines[1].Name(), worst, at)
	}
	return nil
}

func runOnce(c *cobra.Command, rt verify.Runtime, model []byte, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	s, err := rt.Open(model)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	tellSlow(c, s)
	return s.Run(c.Context(), in)
}

// slowly is what has steps that may have no kernel.
type slowly interface{ Slow() engine.Slow }

// tellSlow says beside the output which ops have no fast kernel, if s runs on
// Lamina's engine and they cost something.
func tellSlow(c *cobra.Command, s any) {
	if s, ok := s.(slowly); ok && s.Slow().Share > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "some steps have no fast kernel and are run by the slow reference: %s\n", s.Slow())
	}
}

func sortedNames(m map[string]*ir.Tensor) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// writeAll writes every value that the nodes make as arrays of an .npz file.
func writeAll(c *cobra.Command, rt verify.Runtime, f *onnxfile.File, in map[string]*ir.Tensor, file string) error {
	if _, err := f.Folder.Inline(f.Model); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	g := f.Model.GetGraph()
	typed := map[string]bool{"": true} // an output left out
	for _, x := range g.GetValueInfo() {
		typed[x.Name] = true
	}
	var taps []onnxexport.Tap
	for _, n := range g.GetNode() {
		for _, v := range n.Output {
			taps = append(taps, onnxexport.Tap{Layer: n.Name, Value: v})
			if !typed[v] { // the engines infer the type
				typed[v] = true
				g.ValueInfo = append(g.ValueInfo, &onnxpb.ValueInfoProto{Name: v})
			}
		}
	}
	model, err := f.Model.Marshal()
	if err != nil {
		return err
	}
	values, err := verify.Values(c.Context(), rt, model, in, taps)
	if err != nil {
		return err
	}
	err = atomicfile.Write(file, func(w io.Writer) error {
		z := zip.NewWriter(w)
		for _, name := range sortedNames(values) {
			f, err := z.Create(arrayName(name) + ".npy")
			if err != nil {
				return err
			}
			if err := writeNPY(f, values[name]); err != nil {
				return fmt.Errorf("value %q: %w", command.Clean(name), err)
			}
		}
		return z.Close()
	})
	if err != nil {
		return err
	}
	what := "values"
	if len(values) == 1 {
		what = "value"
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: %d %s\n", file, len(values), what)
	return nil
}

// arrayName is a value's name without what would lead out of a folder that the
// archive is unpacked in.
func arrayName(name string) string {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '\\' })
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "." || p == ".." })
	return strings.Join(parts, "/")
}

func readNPY(file string) (*ir.Tensor, error) {
	const column = "x"
	table, err := dataset.NPY(file, column)
	if err != nil {
		return nil, err
	}
	c := table.Columns()[0]
	t := &ir.Tensor{DType: ir.F32, Shape: append([]int{table.Len()}, c.Shape...)}
	if c.DType == dataset.I64 {
		t.DType = ir.I64
	}
	engine.SetColumn(t, table, column)
	return t, nil
}

// readDoubles reads an .npy file, float64 without rounding.
func readDoubles(file string) (*ir.Tensor, error) {
	r, err := dataset.OpenNPY(file, "x")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if !strings.HasSuffix(r.Type(), "f8") || r.Len() == 0 {
		return readNPY(file)
	}
	return elements(r, file)
}

// elements reads all rows of a file, float64 without rounding.
func elements(r *dataset.NPYRows, file string) (*ir.Tensor, error) {
	n := int(r.Len())
	shape := append([]int{n}, r.Column().Shape...)
	if !strings.HasSuffix(r.Type(), "f8") {
		t := ir.NewTensor(ir.F32, shape...)
		if r.Column().DType == dataset.I64 {
			t = ir.NewTensor(ir.I64, shape...)
		}
		_, err := r.Read(n, t.F32, t.I64)
		return t, err
	}
	raw, err := r.Read(n, nil, nil)
	if err != nil {
		return nil, err
	}
	var order binary.ByteOrder = binary.NativeEndian
	switch r.Type()[0] {
	case '<':
		order = binary.LittleEndian
	case '>':
		order = binary.BigEndian
	}
	t := ir.NewTensor(ir.F64, shape...)
	for i := range t.F64 {
		t.F64[i] = math.Float64frombits(order.Uint64(raw[8*i:]))
		if x := t.F64[i]; math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("%s: element %d is %v; every value must be finite", file, i, x)
		}
	}
	return t, nil
}

// isNumber reports whether an .npy file holds one number without an axis.
func isNumber(file string) bool {
	r, err := dataset.OpenNPYNumber(file, "x")
	if err != nil {
		return false
	}
	r.Close()
	return true
}

// readNumber reads an .npy file of one number, float64 without rounding.
func readNumber(file string) (*ir.Tensor, error) {
	r, err := dataset.OpenNPYNumber(file, "x")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	t, err := elements(r, file)
	if err == nil {
		t.Shape = []int{}
	}
	return t, err
}

// maxPB bounds a tensor file, before it is read.
const maxPB = 1 << 30

func readPB(file string) (*ir.Tensor, error) {
	b, err := onnxfile.Read(file, maxPB)
	if err != nil {
		return nil, err
	}
	t, err := onnxexport.ParseTensor(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}
