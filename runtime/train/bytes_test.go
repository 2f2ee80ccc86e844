package train

import (
	"context"
	"fmt"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// TestBytesTrainAsFloats trains on bytes as they are, from memory and from a
// source, and gets the bits of a training on the same numbers as floats; so does
// the trained function.
func TestBytesTrainAsFloats(t *testing.T) {
	const n, width = 90, 12
	pixels, floats := make([]uint8, n*width), make([]float32, n*width)
	for i := range pixels {
		pixels[i] = uint8(i * i % 251)
		floats[i] = float32(pixels[i]) * float32(1.0/255)
	}
	table := func(d dataset.Data) *dataset.Table {
		d.Name, d.Shape = "x", []int{width}
		t1, err := dataset.NewTable(d)
		if err != nil {
			t.Fatal(err)
		}
		return t1
	}
	bytesIn := table(dataset.Data{Column: dataset.Column{DType: dataset.U8}, U8: pixels})
	floatsIn := table(dataset.Data{Column: dataset.Column{DType: dataset.F32}, F32: floats})
	var want string
	var codes *dataset.Table
	for _, c := range []struct {
		name string
		in   func() *spec.Value
		src  dataset.Source
	}{
		{"floats", func() *spec.Value {
			return spec.Input("x", width)
		}, floatsIn},
		{"bytes", func() *spec.Value {
			return spec.Bytes("x", width).Then(spec.Floats().Times(1.0 / 255))
		}, bytesIn},
		{"bytes of a source", func() *spec.Value {
			return spec.Bytes("x", width).Then(spec.Floats().Times(1.0 / 255))
		}, plainSource{bytesIn}},
	} {
		x := c.in()
		enc := spec.Sequential("encoder", spec.Dense(8), spec.Tanh(), spec.Dense(3))
		code := x.Then(enc).Named("code")
		m := spec.NewModel("pixels", spec.MSE(code.Then(spec.Mirror("decoder", enc).Tied()), x))
		r, err := Fit(context.Background(), m, c.src, options())
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		net := r.Net(code)
		out, err := net.Over(context.Background(), c.src)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if want == "" {
			want, codes = bits(r), out
			continue
		}
		if got := bits(r); got != want {
			t.Errorf("%s: the training is not that of floats", c.name)
		}
		if fmt.Sprint(out.F32("code")) != fmt.Sprint(codes.F32("code")) {
			t.Errorf("%s: the codes are not those of floats", c.name)
		}
		if in := net.Inputs(); len(in) != 1 || in[0].Type.DType != ir.U8 {
			t.Errorf("%s: the function takes %v", c.name, in)
		}
		if slow := net.Slow(); len(slow.Ops) > 0 {
			t.Errorf("%s: %v has no kernel", c.name, slow)
		}
		one, err := net.Run(context.Background(), map[string]*ir.Tensor{"x": {DType: ir.U8, Shape: []int{2, width}, Raw: pixels[:2*width]}})
		if err != nil || fmt.Sprint(one["code"].F32) != fmt.Sprint(codes.F32("code")[:6]) {
			t.Errorf("%s: two rows give %v (%v)", c.name, one, err)
		}
	}
}

// plainSource hides that rows lie in memory.
type plainSource struct{ t *dataset.Table }

func (s plainSource) Len() int                         { return s.t.Len() }
func (s plainSource) Columns() []dataset.Column        { return s.t.Columns() }
func (s plainSource) Row(i int, row dataset.Row) error { return s.t.Row(i, row) }
