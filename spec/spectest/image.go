package spectest

import (
	"math"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/spec"
)

// shift adds a parameter. It stands before and behind the layer that is tested, so
// that its mirror has something to undo whatever becomes of the layer.
type shift struct{ spec.Base }

func newShift() *shift { return &shift{spec.Here("shift")} }

// Build returns the sum.
func (*shift) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	dims := x[0].Type.Shape[1:].Lengths()
	return b.Op(ops.Add{}, x[0], b.Param("by", spec.Zeros(), dims...))
}

// Image is another shift.
func (*shift) Image(ir.Type, bool) spec.Image { return spec.UndoneBy(newShift()) }

// image tests what the layer becomes in a mirror, if it says so.
func (s *subject) image(newLayer func() spec.Layer) {
	s.Helper()
	if _, ok := newLayer().(spec.Mirrored); !ok {
		return
	}
	executed := false
	for _, tied := range []bool{true, false} {
		how := "the untied mirror image: "
		if tied {
			how = "the tied mirror image: "
		}
		pair := func() (*spec.SequentialLayer, *spec.MirrorLayer) {
			enc := spec.Sequential("encoder", newShift(), newLayer(), newShift())
			dec := spec.Mirror("decoder", enc)
			if tied {
				dec = dec.Tied()
			}
			return enc, dec
		}
		enc, dec := pair()
		x := spec.Input("input", s.input...)
		y := x.Then(enc, dec)
		if err := y.Err(); err != nil {
			if strings.Contains(err.Error(), "has no mirror image") {
				s.Logf("%snone: %v", how, err)
			} else {
				s.Errorf("%s%v", how, err)
			}
			continue
		}
		if !y.Type().Equal(x.Type()) {
			s.Errorf("%sit gives %s where %s came in", how, y.Type(), x.Type())
			continue
		}
		s.divided(how, x, enc, dec)
		if tied {
			s.parted(x.Then(enc), dec)
		}
		both := layerSubject(s.TB, func() spec.Layer {
			enc, dec := pair()
			return spec.Layers(enc, dec)
		}, s.input)
		if both == nil {
			continue
		}
		both.gradient()
		if executed {
			continue // it is made of the same ops
		}
		executed = true
		if net := both.training(); net != nil {
			both.rows(net)
			both.export(net)
		}
	}
}

// divided looks for the stage of each parameter.
func (s *subject) divided(how string, x *spec.Value, enc *spec.SequentialLayer, dec *spec.MirrorLayer) {
	s.Helper()
	stack, err := spec.Divide(enc, dec)
	if err != nil {
		s.Logf("%sno stack can be made of it: %v", how, err)
		return
	}
	_, params, err := spec.GraphOf("divided", x.Then(enc, dec).Named("output"))
	if err != nil {
		s.Error(err)
		return
	}
	for _, p := range params {
		n := 0
		for _, st := range stack.Stages {
			if st.Encodes(p) {
				n++
			}
			if st.Decodes(p) {
				n++
			}
		}
		if n != 1 {
			s.Errorf("%sparameter %q belongs to %d stages of the stack", how, p.Name, n)
		}
	}
}

// parted compares a mirror that starts as the tied one with that one.
func (s *subject) parted(code *spec.Value, tied *spec.MirrorLayer) {
	s.Helper()
	free := code.Then(spec.Untie("parted", tied))
	if free.Err() != nil {
		return // told of the untied image
	}
	const rows = 3
	run := func(v *spec.Value) []float64 {
		g, params, err := spec.GraphOf("parted", v.Named("output"))
		if err != nil {
			s.Error(err)
			return nil
		}
		in := map[string]*ir.Tensor{"input": s.tensors(rows)["input"]}
		for _, p := range params {
			in[p.Name] = &ir.Tensor{DType: ir.F32, Shape: p.Type.Shape.Lengths(), F32: p.Initial(random.New(14))}
		}
		states, err := spec.StatesOf(v)
		if err != nil {
			s.Error(err)
			return nil
		}
		feedStates(in, g, states)
		vals, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(rows), UpdateRows: rows, Seed: 11, Update: 1}, in)
		if err != nil {
			s.Error(err)
			return nil
		}
		return vals[g.Outputs[0]].F64
	}
	a, b := run(code.Then(tied)), run(free)
	for i := range min(len(a), len(b)) {
		if d := math.Abs(a[i] - b[i]); d > 1e-9*(1+math.Abs(a[i])) {
			s.Errorf("the untied mirror image does not start as the tied one: element %d is %v and %v; its Build should call StartTransposed or StartAs", i, b[i], a[i])
			return
		}
	}
}

// feedStates gives the state of g what it begins with.
func feedStates(in map[string]*ir.Tensor, g *ir.Graph, states []spec.State) {
	for i, v := range states {
		in[g.State[i].In.Name] = &ir.Tensor{DType: ir.F32, Shape: v.Type.Shape.Lengths(), F32: v.Initial(random.New(14))}
	}
}
