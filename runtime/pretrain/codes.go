package pretrain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
)

// Files of codes in a phase's folder.
const (
	codesName = "codes.npy"
	validName = "codes-valid.npy"
)

// codeRows is the rows that are computed at a time.
const codeRows = 256

// codes are the rows of a stage: what the layers below give.
type codes struct {
	rows dataset.Source   // itself, since a wrapper would hide that it is a Table or a BatchSource
	file *dataset.NPYRows // nil in memory
	path string
}

// close removes the file, if there is one.
func (c *codes) close() error {
	if c == nil || c.file == nil {
		return nil
	}
	return errors.Join(c.file.Close(), os.Remove(c.path))
}

// below is the function that the layers below a stage are.
func (r *run) below(v *spec.Value) (*engine.Net, error) {
	g, params, err := spec.GraphOf("codes", v)
	if err != nil {
		return nil, err
	}
	values := map[string][]float32{}
	for _, p := range params {
		w, ok := r.value(p)
		if !ok {
			return nil, fmt.Errorf("parameter %q was not trained by a phase before", p.Name)
		}
		values[p.Name] = w
	}
	states, err := spec.StatesOf(v)
	if err != nil {
		return nil, err
	}
	for i, s := range states {
		x := r.state(s)
		if x == nil {
			return nil, fmt.Errorf("the state %q was not made by a phase before", s.Name)
		}
		values[g.State[i].In.Name] = x
	}
	compiler.StateAsParams(g)
	if g, err = compiler.Front(g, true); err != nil {
		return nil, err
	}
	pl, err := compiler.CompileGraph(g, compiler.Options{Rows: codeRows})
	if err != nil {
		return nil, err
	}
	var own []engine.Maker
	for i := range r.p.list {
		own = append(own, r.p.list[i].opt.Kernels...)
	}
	return engine.NewNet(g, pl, values, engine.Record{}, own...)
}

// codes computes the rows of a stage, once: in memory if they fit the budget, else
// in a file of that name in dir.
func (r *run) codes(ctx context.Context, st *step, rows dataset.Source, dir, name string) (*codes, error) {
	net, err := r.below(st.below)
	if err != nil {
		return nil, err
	}
	out := net.Graph().Outputs[0]
	shape := out.Type.Shape[1:].Lengths()
	width, n := ir.Elems(shape), rows.Len()
	if bytes := int64(n) * int64(width) * 4; bytes > r.opt.Memory {
		return r.codesFile(ctx, st, net, rows, dir, name, shape, bytes)
	}
	data := make([]float32, 0, n*width)
	err = each(ctx, net, rows, func(part []float32) error {
		data = append(data, part...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	t, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: st.column, DType: dataset.F32, Shape: shape}, F32: data})
	if err != nil {
		return nil, err
	}
	return &codes{rows: t}, nil
}

// codesFile is codes on disk. The file is whole or not there.
func (r *run) codesFile(ctx context.Context, st *step, net *engine.Net, rows dataset.Source, dir, name string, shape []int, bytes int64) (_ *codes, err error) {
	if dir == "" {
		if r.scratch == "" {
			if r.scratch, err = os.MkdirTemp("", "lamina-codes-*"); err != nil {
				return nil, err
			}
		}
		dir = r.scratch
	}
	path := filepath.Join(dir, name)
	var unread error // of the rows, not of the file
	err = r.write(path, func(w io.Writer) error {
		if err := npywrite.Begin[float32](w, append([]int{rows.Len()}, shape...)); err != nil {
			return err
		}
		var unwritten error
		err := each(ctx, net, rows, func(part []float32) error {
			unwritten = npywrite.Append(w, part)
			return unwritten
		})
		if unwritten == nil {
			unread = err
		}
		return err
	})
	switch {
	case unread != nil:
		return nil, unread
	case err != nil:
		do := "mend this, or raise Options.Memory"
		if atomicfile.IsFull(err) {
			do = fmt.Sprintf("the disk is full: free %d MB, or raise Options.Memory to keep them in memory", bytes>>20+1)
		}
		return nil, fmt.Errorf("the codes of %d rows, %d MB, cannot be written: %w; %s", rows.Len(), bytes>>20, err, do)
	}
	f, err := dataset.OpenNPY(path, st.column)
	if err != nil {
		return nil, err
	}
	return &codes{rows: f.Source(), file: f, path: path}, nil
}

// each runs the function over all rows, in order, a part at a time.
func each(ctx context.Context, net *engine.Net, rows dataset.Source, part func([]float32) error) error {
	return net.Each(ctx, rows, func(_ dataset.Batch, out map[string]*ir.Tensor) error {
		return part(out[net.Graph().Outputs[0].Name].F32)
	})
}
