package spectest

import (
	"errors"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// subject is a model around what is tested.
type subject struct {
	testing.TB
	model *spec.Model
	// output is what ships; nil for a loss.
	output *spec.Value
	input  []int // lengths of a row of "input"
	target []int // of "target"
}

// Layer tests a layer of one's own that takes one operand, on rows f32[N dims…].
// newLayer is the constructor's call and is made several times.
//
// The layer must: be declared without a mistake; give f32[N …] of the type it
// declares, each row independent of the others when it ships; have the gradient
// that differences find, for its parameters and its input; share its weights at a
// second place; train to the same bits with 1 and 3 workers, and after an
// interruption; be read back from its text form; compute the same on onnxruntime;
// report its mistakes at the line of the constructor's call.
//
// A layer that is a [spec.Mirrored] is also put into an encoder with its mirror, tied
// and not. There the type that came in must come out; gradient, training and export must
// hold; a mirror that is parted from the tied one must start as that one; and
// [spec.Divide] must find a stage for each parameter. What the layer says has no image
// is left out with a line in the log.
//
// Without onnxruntime that part is left out with a line in the log, unless
// LAMINA_REQUIRE_ORT is 1, or LAMINA_ONNXRUNTIME is set to what is none: then it
// fails.
func Layer(t testing.TB, newLayer func() spec.Layer, dims ...int) {
	t.Helper()
	s := layerSubject(t, newLayer, dims)
	if s == nil {
		return
	}
	again := layerSubject(t, newLayer, dims)
	if again == nil {
		return
	}
	if s.model.Hash() != again.model.Hash() {
		t.Errorf("the second call of newLayer gives another layer:\n%s\nthe first:\n%s", again.model, s.model)
	}
	s.shared(newLayer)
	s.position(newLayer)
	s.text()
	s.gradient()
	net := s.training()
	if net == nil {
		return
	}
	s.rows(net)
	s.export(net)
	s.image(newLayer)
}

// offset adds a parameter to a value, so that the value has a gradient and every
// model something to train.
type offset struct{ spec.Base }

// Build returns the sum.
func (*offset) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	var dims []int
	for _, d := range x[0].Type.Shape[1:] {
		dims = append(dims, d.Length())
	}
	return b.Op(ops.Add{}, x[0], b.Param("offset", spec.Zeros(), dims...))
}

// layerSubject makes the model; after a mistake it reports and returns nil.
func layerSubject(t testing.TB, newLayer func() spec.Layer, dims []int) *subject {
	t.Helper()
	x := spec.Input("input", dims...)
	moved := x.Then(&offset{spec.Here("input")})
	y := moved.Then(newLayer()).Named("output")
	if err := y.Err(); err != nil {
		t.Errorf("the declaration has mistakes:\n%v", err)
		return nil
	}
	if u := y.Type(); u.DType != ir.F32 || !u.Shape.RowWise() {
		t.Errorf("the layer gives %s: a layer is tested with a result f32[N …]", u)
		return nil
	}
	s := &subject{TB: t, output: y, input: dims}
	for i := range y.Type().Shape[1:] {
		s.target = append(s.target, y.Dim(i))
	}
	// The second loss reaches the offset whatever the layer does to its input.
	s.model = spec.NewModel("spectest", spec.MSE(y, spec.Input("target", s.target...)), spec.MSE(moved, x).Weight(0.1))
	if err := s.model.Err(); err != nil {
		t.Errorf("the declaration has mistakes:\n%v", err)
		return nil
	}
	return s
}

// shared places one layer on two values.
func (s *subject) shared(newLayer func() spec.Layer) {
	s.Helper()
	count := func(n int) int {
		l := newLayer()
		var values []*spec.Value
		for _, name := range []string{"a", "b"}[:n] {
			values = append(values, spec.Input(name, s.input...).Then(l).Named("of_"+name))
		}
		_, params, err := spec.GraphOf("shared", values...)
		if err != nil {
			s.Errorf("placed on %d values:\n%v", n, err)
		}
		return len(params)
	}
	if one, two := count(1), count(2); one != two {
		s.Errorf("the layer has %d parameters, placed on two values %d: Build must ask for the same at each place", one, two)
	}
}

// position makes a mistake that every layer can have and looks where it is said
// to be.
func (s *subject) position(newLayer func() spec.Layer) {
	s.Helper()
	err := spec.Apply(newLayer()).Err()
	var e *spec.Error
	if !errors.As(err, &e) {
		s.Errorf("a layer placed on nothing is not a mistake: %v", err)
		return
	}
	f := runtime.FuncForPC(reflect.ValueOf(newLayer).Pointer())
	if f == nil {
		return
	}
	file, _ := f.FileLine(f.Entry())
	if e.Made.File != file && e.From.File != file {
		s.Errorf("a mistake names %s and not %s, where the constructor is called: call spec.Here in the constructor itself, not in a helper of it", e.Made, filepath.Base(file))
	}
}

// text reads the model back from its text form.
func (s *subject) text() {
	s.Helper()
	g, err := s.model.Graph()
	if err != nil {
		s.Error(err)
		return
	}
	text := ir.Format(g)
	// An op of one's own is known by the graph itself.
	own := map[string]ir.Op{}
	for _, n := range g.Nodes {
		own[n.Op.Name()] = reflect.New(reflect.TypeOf(n.Op)).Elem().Interface().(ir.Op)
	}
	back, err := ir.Parse(text, func(name string) (ir.Op, bool) {
		if op, ok := ops.ByName(name); ok {
			return op, true
		}
		op, ok := own[name]
		return op, ok
	})
	switch {
	case err != nil:
		s.Errorf("the text form cannot be read: %v\n%s", err, text)
	case ir.Format(back) != text || ir.Hash(back) != ir.Hash(g):
		s.Errorf("the text form reads back as\n%s\nbut was\n%s", ir.Format(back), text)
	default:
		for i, n := range g.Nodes {
			switch op := back.Nodes[i].Op; {
			case !reflect.TypeOf(n.Op).Comparable():
				s.Errorf("op %s is not a comparable struct, as an ir.Op must be", n.Op.Name())
			case op != n.Op:
				s.Errorf("op %s has attributes that its text form, %s, does not hold: give each field a tag attr", n.Op.Name(), ir.FormatOp(n.Op))
			}
		}
	}
}
