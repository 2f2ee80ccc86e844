package spectest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec/spectest"
)

// squares is the square of each element and the sum of those of a row: an op of two
// results.
type squares struct{}

func (squares) Name() string { return "Squares" }

func (squares) Infer(in []ir.Type) ([]ir.Type, error) {
	if len(in) != 1 || in[0].Rank() != 2 {
		return nil, fmt.Errorf("takes a matrix, got %v", in)
	}
	return []ir.Type{in[0], ir.T(in[0].DType, in[0].Shape[0])}, nil
}

func (squares) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	x := in[0]
	y, sums := ir.NewTensor(ir.F64, x.Shape...), ir.NewTensor(ir.F64, x.Shape[0])
	for i, v := range x.F64 {
		y.F64[i] = v * v
		sums.F64[i/x.Shape[1]] += v * v
	}
	return []*ir.Tensor{y, sums}, nil
}

func (squares) Split([]ir.Type, ir.Type) ([]ir.Access, bool) { return []ir.Access{ir.Axis0}, true }

// kernelOf is a maker for squares.
func kernelOf(run func(s *engine.Slice)) engine.Maker {
	return func(op ir.Op, in, _ []ir.Type) *engine.Kernel {
		if op != (squares{}) || in[0].DType != ir.F32 {
			return nil
		}
		return &engine.Kernel{Name: "squares", Run: run, Scratch: func(at ir.Binding) int { return in[0].Shape[1].At(at) }}
	}
}

func square(s *engine.Slice) {
	n := s.In[0].Shape[1]
	for r := range s.In[0].Shape[0] {
		x, y, sum := s.In[0].F32[r*n:][:n], s.Out[0].F32[r*n:][:n], float32(0)
		copy(s.Scratch, x)
		for i, v := range s.Scratch[:n] {
			y[i] = v * v
			sum += y[i]
		}
		s.Out[1].F32[r] = sum
	}
}

func TestKernel(t *testing.T) {
	spectest.Kernel(t, kernelOf(square), squares{}, ir.T(ir.F32, ir.Rows(), ir.Fixed(5)))
	spectest.Kernel(t, kernelOf(square), squares{}, ir.T(ir.F32, ir.Fixed(6), ir.Fixed(5)))
}

// TestKernelFails holds that each thing looked at can fail.
func TestKernelFails(t *testing.T) {
	then := func(f func(s *engine.Slice)) engine.Maker {
		return kernelOf(func(s *engine.Slice) { square(s); f(s) })
	}
	var kept []float32
	for name, c := range map[string]struct {
		mk   engine.Maker
		want string
	}{
		"other meaning": {then(func(s *engine.Slice) {
			for i := range s.Out[1].F32 {
				s.Out[1].F32[i] *= 1.01
			}
		}), "are not what the reference means"},
		"the slice's place":   {then(func(s *engine.Slice) { s.Out[1].F32[0] *= 1 + float32(s.Lo)*0x1p-23 }), "must not depend on the slice"},
		"the slice's length":  {then(func(s *engine.Slice) { s.Out[1].F32[0] *= 1 + float32(s.Hi-s.Lo)*0x1p-23 }), "must not depend on the slice"},
		"changes its operand": {then(func(s *engine.Slice) { s.In[0].F32[0] = 7 }), "changes its operand in0"},
		"allocates":           {then(func(s *engine.Slice) { kept = make([]float32, 1+s.Hi) }), "allocates"},
		"leaves its slice":    {then(func(s *engine.Slice) { s.Out[1].F32[s.Hi-s.Lo] = 0 }), "index out of range"},
		"nothing for these":   {func(ir.Op, []ir.Type, []ir.Type) *engine.Kernel { return nil }, `run by the kernel "reference"`},
		"reserved name": {func(ir.Op, []ir.Type, []ir.Type) *engine.Kernel {
			return &engine.Kernel{Name: "reference", Run: square}
		}, "needs a function Run and a name"},
		"no function": {func(ir.Op, []ir.Type, []ir.Type) *engine.Kernel { return &engine.Kernel{Name: "squares"} }, "needs a function Run and a name"},
		"no maker":    {nil, "holds nil"},
	} {
		r := &recorder{TB: t}
		spectest.Kernel(r, c.mk, squares{}, ir.T(ir.F32, ir.Rows(), ir.Fixed(5)))
		if !strings.Contains(r.report.String(), c.want) {
			t.Errorf("%s: reported\n%s\nwant %q", name, r.report.String(), c.want)
		}
	}
	_ = kept
}

// halved is half of the transpose of a matrix.
type halved struct{}

func (halved) Name() string { return "Halved" }
func (halved) Infer(in []ir.Type) ([]ir.Type, error) {
	return []ir.Type{ir.T(in[0].DType, in[0].Shape[1], in[0].Shape[0])}, nil
}
func (halved) Eval(_ *ir.Env, in []*ir.Tensor) ([]*ir.Tensor, error) {
	n, m := in[0].Shape[0], in[0].Shape[1]
	y := ir.NewTensor(ir.F64, m, n)
	for i, x := range in[0].F64 {
		y.F64[i%m*n+i/m] = x / 2
	}
	return []*ir.Tensor{y}, nil
}
func (halved) Split([]ir.Type, ir.Type) ([]ir.Access, bool) { return []ir.Access{ir.Axis1}, true }
func (halved) Follow(_ []ir.Type, axis int) (ir.Track, bool) {
	return ir.Track{Axis: 1 - axis}, true
}

// TestKernelFollows takes a Follow that is right and tells of one that leaves a row, and
// of one that writes beside its slice.
func TestKernelFollows(t *testing.T) {
	move := func(s *engine.Slice, rows, cols [2]int, first int) {
		x, y := s.In[0], s.Out[0]
		n, m := x.Shape[0], x.Shape[1]
		for i := rows[0]; i < rows[1]; i++ {
			for j := cols[0]; j < cols[1]; j++ {
				y.F32[(j-first)*n+i] = x.F32[i*m+j] / 2
			}
		}
	}
	maker := func(lo, beside int) engine.Maker {
		return func(op ir.Op, _, _ []ir.Type) *engine.Kernel {
			return &engine.Kernel{Name: "halved", Run: func(s *engine.Slice) {
				move(s, [2]int{0, s.In[0].Shape[0]}, [2]int{s.Lo, s.Hi}, s.Lo)
			}, Follow: func(s *engine.Slice) {
				part, all := [2]int{s.Lo + lo, s.Hi}, [2]int{0, s.In[0].Shape[1-s.Axis]}
				if s.Axis == 0 {
					move(s, part, all, 0)
				} else {
					move(s, all, part, 0)
				}
				if beside > 0 && s.Lo > 0 {
					s.Out[0].F32[0] = 99
				}
			}}
		}
	}
	typ := ir.T(ir.F32, ir.Fixed(9), ir.Fixed(7))
	spectest.Kernel(t, maker(0, 0), halved{}, typ)
	for name, mk := range map[string]engine.Maker{"one row less": maker(1, 0), "one element more": maker(0, 1)} {
		r := &recorder{TB: t}
		spectest.Kernel(r, mk, halved{}, typ)
		if !strings.Contains(r.report.String(), "Follow of [") {
			t.Errorf("%s: %q", name, r.report.String())
		}
	}
}
