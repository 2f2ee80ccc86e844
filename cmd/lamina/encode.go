package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

type encodeFlags struct {
	inputs  []string
	data    []string
	outputs []string
	every   int64
	quiet   bool
}

func encodeCommand() *cobra.Command {
	var f encodeFlags
	c := &cobra.Command{
		Use:   "encode BUNDLE --input x.npy --output z.npy",
		Short: "Encode any number of rows with a bundle, from and to .npy files",
		Long: `Runs the rows of an .npy file through a bundle's model on Lamina's own engine.
The bundle's files are held against their hashes and its stored test sets are
replayed first.

The first axis of the file is the rows, in any number: they are read in parts,
so the memory does not grow with them. Floats of 16, 32 and 64 bits are encoded
as float32; every value must be finite. A free length, as that of sequences, is what
the file has, up to the bundle's capacity for it. An output appears whole or not at all.
Until then the rows that are done are in the folder OUTPUT.partial of each, with
a record of what they were made of; the same command goes on from there after an
interruption, a kill or a crash, and begins anew, saying why, if anything differs.

--data takes rows in other forms in the place of --input. They are held in memory, and
nothing is kept of a call that is interrupted. ` + dataHelp + `
Numbers that are missing may be in a column whose input says what that means.`,
		Example: `  lamina encode out/demo/encoder --input x.npy --output z.npy
  lamina encode pair --input a=left.npy --input b=right.npy --output score=s.npy
  lamina encode out/tabular --data new.csv --output score=s.npy
  lamina encode vae --input x.npy --output mean=m.npy --output logvar=v.npy`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return encode(c, args[0], f) },
	}
	c.Flags().StringArrayVar(&f.inputs, "input", nil, "`[NAME=]FILE` to read; repeat it when there are several")
	c.Flags().StringArrayVar(&f.data, "data", nil, dataUsage+"; in the place of --input")
	c.Flags().StringArrayVar(&f.outputs, "output", nil, "`[NAME=]FILE` to write; repeat it for several")
	c.Flags().Int64Var(&f.every, "every", 0, "rows between two records of how far it is; 0 is about one a second")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "no progress line")
	return c
}

func encode(c *cobra.Command, dir string, f encodeFlags) error {
	if f.every < 0 {
		return fmt.Errorf("--every is %d; give a number of rows, or 0", f.every)
	}
	o, err := bundle.Load(c.Context(), dir)
	if err != nil {
		return err
	}
	if len(f.data) > 0 {
		return encodeData(c, o.Net, f)
	}
	e := &encoder{net: o.Net, every: f.every, progress: newMeter(c.ErrOrStderr(), f.quiet)}
	defer e.close()
	if err := e.bind(f); err != nil {
		return err
	}
	if !f.quiet {
		tellSlow(c, o.Net)
	}
	p, err := openPartial(e.out, e.facts(o.Digest), e.rows)
	if err != nil {
		return err
	}
	defer p.close()
	if err := e.resume(c.Context(), p); err != nil {
		return err
	}
	if err := e.run(c.Context(), p); err != nil {
		if c.Context().Err() != nil && errors.Is(err, c.Context().Err()) {
			return fmt.Errorf("interrupted; %d of %d rows are kept in %s: run the same command again to resume", p.state.Rows, e.rows, p.dir())
		}
		return err
	}
	if err := p.finish(); err != nil {
		return err
	}
	for _, out := range e.out {
		t := out.v.Type
		fmt.Fprintf(c.OutOrStdout(), "%s: %s%v %s\n", out.path, t.DType, ir.ShapeOf(shapeOf(t, e.rows)...), command.Clean(out.v.Name))
	}
	return nil
}

// facts is what the bits of the outputs depend on, but for the inputs' elements.
// The digest is the bundle's.
func (e *encoder) facts(digest string) checkpoint.Facts {
	var outputs []string
	for _, out := range e.out {
		outputs = append(outputs, command.Clean(out.v.Name))
	}
	l := checkpoint.Facts{
		{Name: "the bundle", SHA256: digest},
		{Name: "the version of lamina", Value: command.Version()},
		{Name: "the kernel set", Value: simd.Active()},
		{Name: "the outputs", Verb: checkpoint.Are, Value: strings.Join(outputs, ", ")},
	}
	for _, in := range e.in {
		name := command.Clean(in.port)
		l = append(l,
			checkpoint.Fact{Name: fmt.Sprintf("the type of input %q", name), Value: in.rows.Type()},
			checkpoint.Fact{Name: fmt.Sprintf("the number of rows of input %q", name), Value: fmt.Sprint(in.rows.Len())})
	}
	return l
}

// encoder runs files through a Net.
type encoder struct {
	net      *engine.Net
	in       []encodedInput
	out      []encodedOutput // in the model's order
	all      []*ir.Value     // every output, with the lengths that the files give
	rows     int64
	every    int64
	part     int // rows of one call
	progress *meter

	feed, codes map[string]*ir.Tensor
}

// encodedInput is an input and the file that feeds it.
type encodedInput struct {
	port  string
	file  string
	rows  *dataset.NPYRows
	raw   []byte     // of the rows of one call
	whole *ir.Tensor // room for them
}

// encodedOutput is an output and the file that it becomes.
type encodedOutput struct {
	v    *ir.Value
	path string
}

// files names what is being written.
func (e *encoder) files() string {
	var paths []string
	for _, out := range e.out {
		paths = append(paths, out.path)
	}
	return strings.Join(paths, ", ")
}

// maxPart bounds the bytes of the inputs and outputs of one call.
const maxPart = 16 << 20

// bind opens the files and holds them against the signature.
func (e *encoder) bind(f encodeFlags) error {
	ins, outs := netPorts(e.net)
	from, err := assign("input", f.inputs, ins)
	if err != nil {
		return err
	}
	if len(from) < len(ins) {
		return fmt.Errorf("%d of the model's %d inputs are given; it has %s", len(from), len(ins), portNames(ins))
	}
	if len(f.outputs) == 0 {
		return errors.New("nowhere to write: give --output FILE.npy")
	}
	to, err := assign("output", f.outputs, outs)
	if err != nil {
		return err
	}
	for _, a := range to {
		if err := mayWrite(a.file, from); err != nil {
			return err
		}
	}
	inputs := e.net.Inputs()
	var cols []dataset.Column
	for _, v := range inputs {
		if !v.Type.Shape.RowWise() {
			return fmt.Errorf("input %q is %s: rows cannot be encoded in parts", command.Clean(v.Name), v.Type)
		}
		in := encodedInput{port: v.Name}
		for _, a := range from {
			if a.port.Name == v.Name {
				in.file = a.file
			}
		}
		if in.rows, err = openRows(in.file, v); err != nil {
			return err
		}
		e.in = append(e.in, in)
		if n := in.rows.Len(); len(e.in) > 1 && n != e.rows {
			return fmt.Errorf("%s has %d rows, %s has %d; all inputs must have as many", in.file, n, e.in[0].file, e.rows)
		}
		e.rows = in.rows.Len()
		c := in.rows.Column()
		c.Name = v.Name
		cols = append(cols, c)
	}
	at, err := engine.ColumnLengths(inputs, cols, e.net.Graph().Capacity)
	if err != nil {
		return err
	}
	rowBytes := 0
	for i, v := range inputs {
		if err := fits(e.in[i].file, v, e.in[i].rows, at); err != nil {
			return err
		}
		rowBytes += v.Type.Shape.ElemsAt(at.WithRows(1)) * v.Type.DType.Size()
	}
	for _, v := range e.net.Graph().Outputs {
		if !v.Type.Shape.RowWise() {
			return fmt.Errorf("output %q is %s: rows cannot be encoded in parts", command.Clean(v.Name), v.Type)
		}
		v = &ir.Value{Name: v.Name, Type: settled(v.Type, at)}
		for _, a := range to {
			if a.port.Name == v.Name {
				e.out = append(e.out, encodedOutput{v, a.file})
			}
		}
		e.all = append(e.all, v)
		rowBytes += v.Type.Shape.Least() * v.Type.DType.Size()
	}
	if len(e.in) == 0 {
		return errors.New("the model has no input, so there are no rows to encode")
	}
	e.part = min(e.net.Capacity()*runtime.GOMAXPROCS(0), max(maxPart/rowBytes, 1))
	e.feed, e.codes = map[string]*ir.Tensor{}, map[string]*ir.Tensor{}
	for i, v := range e.net.Inputs() {
		e.in[i].whole = ir.NewTensor(v.Type.DType, v.Type.Shape.At(at.WithRows(e.part))...)
		e.feed[v.Name] = &ir.Tensor{}
	}
	return nil
}

// settled is a row-wise type whose free lengths are known.
func settled(t ir.Type, at ir.Binding) ir.Type {
	s := append(ir.Shape{ir.Rows()}, ir.ShapeOf(t.Shape[1:].At(at)...)...)
	return ir.Type{DType: t.DType, Shape: s}
}

// openRows opens a file of rows.
func openRows(file string, v *ir.Value) (*dataset.NPYRows, error) {
	r, err := dataset.OpenNPY(file, v.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no such file", file)
	}
	return r, err
}

// fits returns an error unless the rows of a file are those of an input.
func fits(file string, v *ir.Value, r *dataset.NPYRows, at ir.Binding) (err error) {
	c := r.Column()
	switch {
	case !engine.ColumnFits(v, c, at):
		err = fmt.Errorf("%s: its rows have the shape %v, but those of input %q have %v", file, c.Shape, command.Clean(v.Name), v.Type.Shape[1:])
	case v.Type.DType == ir.F32 && c.DType != dataset.F32:
		err = fmt.Errorf("%s: it holds integers (%s), but input %q is f32; save it as float32", file, r.Type(), command.Clean(v.Name))
	case v.Type.DType == ir.I64 && c.DType != dataset.I64:
		err = fmt.Errorf("%s: it holds floats (%s), but input %q is i64; save it as integers", file, r.Type(), command.Clean(v.Name))
	case v.Type.DType == ir.U8:
		if err = r.Bytes(); err != nil {
			err = fmt.Errorf("%w, but input %q is u8; save it as uint8", err, command.Clean(v.Name))
		}
	case v.Type.DType != ir.F32 && v.Type.DType != ir.I64:
		err = fmt.Errorf("%s: input %q is %s, which this command cannot give; f32, i64 and u8 it can", file, command.Clean(v.Name), v.Type.DType)
	}
	return err
}

// netPorts returns a Net's inputs and outputs as assign wants them.
func netPorts(net *engine.Net) (ins, outs []verify.Port) {
	list := func(values []*ir.Value) (ports []verify.Port) {
		for _, v := range values {
			ports = append(ports, verify.Port{Name: v.Name, Elem: v.Type.DType.String()})
		}
		return ports
	}
	return list(net.Inputs()), list(net.Graph().Outputs)
}

func (e *encoder) close() {
	for _, in := range e.in {
		in.rows.Close()
	}
}

// resume reads the rows that are done once more and begins anew if they are
// others.
func (e *encoder) resume(ctx context.Context, p *partial) error {
	if p.anew != "" {
		e.progress.say("%s: begins anew: %s", e.files(), p.anew)
	}
	if p.state.Rows == 0 {
		return nil
	}
	e.progress.say("%s: goes on after row %d of %d", e.files(), p.state.Rows, e.rows)
	for at := int64(0); at < p.state.Rows; {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("interrupted: run the same command again to resume: %w", err)
		}
		n := int(min(int64(e.part), p.state.Rows-at))
		for _, in := range e.in {
			b, err := in.rows.Read(n, nil, nil)
			if err != nil {
				return err
			}
			p.seen(in.port, b)
		}
		at += int64(n)
	}
	why := p.resumes()
	if why == "" {
		return nil
	}
	e.progress.say("%s: begins anew: %s", e.files(), why)
	for _, in := range e.in {
		if err := in.rows.SeekRow(0); err != nil {
			return err
		}
	}
	return p.restart()
}

// run encodes the rows that are not done.
func (e *encoder) run(ctx context.Context, p *partial) error {
	files := e.files()
	for at := p.state.Rows; at < e.rows; {
		n := int(min(int64(e.part), e.rows-at))
		err := ctx.Err()
		if err == nil {
			err = e.read(n)
		}
		if err == nil {
			err = e.call(ctx, n)
		}
		if err != nil {
			return errors.Join(err, p.record(at)) // what is done is not lost
		}
		for i := range e.in {
			p.seen(e.in[i].port, e.in[i].raw)
		}
		for i, out := range e.out {
			if err := p.out[i].add(e.codes[out.v.Name]); err != nil {
				return err
			}
		}
		at += int64(n)
		if e.every > 0 && at-p.state.Rows >= e.every || e.every == 0 && p.due() {
			if err := p.record(at); err != nil {
				return err
			}
		}
		e.progress.rows(files, at, e.rows)
	}
	return nil
}

// read reads the next n rows of every input.
func (e *encoder) read(n int) (err error) {
	for i := range e.in {
		in := &e.in[i]
		t := in.whole.Rows(0, n)
		e.feed[in.port] = t
		if in.raw, err = in.rows.Read(n, t.F32, t.I64); err != nil {
			return err
		}
		copy(t.Raw, in.raw) // bytes are as they are in the file
	}
	return nil
}

// call runs n rows into the outputs, which stay from call to call.
func (e *encoder) call(ctx context.Context, n int) error {
	for _, v := range e.all {
		if t := e.codes[v.Name]; t == nil || t.Shape[0] != n {
			e.codes[v.Name] = ir.NewTensor(v.Type.DType, v.Type.Shape.At(ir.RowsOf(n))...)
		}
	}
	return e.net.RunInto(ctx, e.feed, e.codes)
}

// shapeOf is a row-wise type's shape for that many rows.
func shapeOf(t ir.Type, rows int64) []int { return t.Shape.At(ir.RowsOf(int(rows))) }
