package onnximport_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify/native"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
)

// imageForm is one form of an operator of images, given x f32 of a shape whose elements
// are 1, 2, 3, …
type imageForm struct {
	name  string
	opset int64
	shape []int
	f     func(*file) *file
	want  []float32
}

// imageForms have results that were worked out by hand.
func imageForms() []imageForm {
	scales := func(f *file, s ...float32) *file { return f.floats("s", []int64{int64(len(s))}, s...) }
	return []imageForm{
		{"Resize nearest", 13, []int{1, 1, 3}, func(f *file) *file { return scales(f, 1, 1, 2).node("y = Resize(x,,s)") }, []float32{1, 1, 2, 2, 3, 3}},
		{"Resize nearest, asymmetric and floor", 13, []int{1, 1, 2}, func(f *file) *file {
			return scales(f, 1, 1, 2.5).node("y = Resize(x,,s)", "coordinate_transformation_mode", "asymmetric", "nearest_mode", "floor")
		}, []float32{1, 1, 1, 2, 2}},
		{"Resize nearest, half", 18, []int{1, 1, 6}, func(f *file) *file {
			return f.ints("n", 3).node("y = Resize(x,,,n)", "axes", []int64{2}, "coordinate_transformation_mode", "asymmetric", "nearest_mode", "floor")
		}, []float32{1, 3, 5}},
		{"Resize nearest, irregular", 18, []int{1, 1, 5}, func(f *file) *file {
			return f.ints("n", 3).node("y = Resize(x,,,n)", "axes", []int64{2}, "coordinate_transformation_mode", "asymmetric", "nearest_mode", "floor")
		}, []float32{1, 2, 4}},
		{"Resize nearest of two axes", 18, []int{1, 2, 2}, func(f *file) *file {
			return scales(f, 2, 2).node("y = Resize(x,,s)", "axes", []int64{2, 1})
		}, []float32{1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4}},
		{"Resize linear", 13, []int{1, 1, 2}, func(f *file) *file { return scales(f, 1, 1, 2).node("y = Resize(x,,s)", "mode", "linear") }, []float32{1, 1.25, 1.75, 2}},
		{"Resize linear, align corners", 18, []int{1, 1, 2}, func(f *file) *file {
			return f.ints("n", 4).node("y = Resize(x,,,n)", "axes", []int64{-1}, "mode", "linear", "coordinate_transformation_mode", "align_corners")
		}, []float32{1, 4. / 3, 5. / 3, 2}},
		{"Resize linear, asymmetric", 13, []int{1, 1, 2, 1}, func(f *file) *file {
			return scales(f, 1, 1, 2, 1).node("y = Resize(x,,s)", "mode", "linear", "coordinate_transformation_mode", "asymmetric")
		}, []float32{1, 1.5, 2, 2}},
		{"Resize linear, as PyTorch", 18, []int{1, 1, 2, 2}, func(f *file) *file {
			return f.ints("n", 1, 4).node("y = Resize(x,,,n)", "axes", []int64{2, 3}, "mode", "linear", "coordinate_transformation_mode", "pytorch_half_pixel")
		}, []float32{1, 1.25, 1.75, 2}},
		{"Resize cubic", 13, []int{1, 1, 1, 4}, func(f *file) *file { // weights of Keys (1981) at 1/4 and 3/4, coefficient -0.75
			return scales(f, 1, 1, 1, 2).node("y = Resize(x,,s)", "mode", "cubic")
		}, []float32{.89453125, 1.1914062, 1.6679688, 2.296875, 2.703125, 3.3320312, 3.8085938, 4.1054688}},
		{"Resize smoothed", 18, []int{1, 1, 1, 4}, func(f *file) *file { // a triangle of twice the width at 1.5 and 3.5
			return scales(f, 1, 1, 1, .5).node("y = Resize(x,,s)", "mode", "linear", "antialias", 1)
		}, []float32{1.625, 3.375}},
		{"Resize not larger", 18, []int{1, 1, 2, 3}, func(f *file) *file {
			return f.ints("n", 4, 9).node("y = Resize(x,,,n)", "axes", []int64{2, 3}, "keep_aspect_ratio_policy", "not_larger")
		}, []float32{1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 4, 4, 5, 5, 6, 6}},
		{"DepthToSpace", 13, []int{1, 4, 1, 2}, func(f *file) *file { return f.node("y = DepthToSpace(x)", "blocksize", 2) }, []float32{1, 3, 2, 4, 5, 7, 6, 8}},
		{"DepthToSpace of runs", 13, []int{1, 8, 1, 1}, func(f *file) *file { return f.node("y = DepthToSpace(x)", "blocksize", 2) }, []float32{1, 3, 5, 7, 2, 4, 6, 8}},
		{"DepthToSpace CRD", 13, []int{1, 8, 1, 1}, func(f *file) *file { return f.node("y = DepthToSpace(x)", "blocksize", 2, "mode", "CRD") }, []float32{1, 2, 3, 4, 5, 6, 7, 8}},
		{"SpaceToDepth", 13, []int{1, 1, 2, 4}, func(f *file) *file { return f.node("y = SpaceToDepth(x)", "blocksize", 2) }, []float32{1, 3, 2, 4, 5, 7, 6, 8}},
		{"Pad edge", 13, []int{1, 1, 3}, func(f *file) *file { return f.ints("p", 0, 0, 2, 0, 0, 1).node("y = Pad(x,p)", "mode", "edge") }, []float32{1, 1, 1, 2, 3, 3}},
		{"Pad reflect", 13, []int{1, 2, 3}, func(f *file) *file { return f.ints("p", 0, 1, 2, 0, 0, 1).node("y = Pad(x,p)", "mode", "reflect") },
			[]float32{6, 5, 4, 5, 6, 5, 3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5}},
		{"Pad wrap", 19, []int{1, 1, 3}, func(f *file) *file { return f.ints("p", 0, 0, 2, 0, 0, 1).node("y = Pad(x,p)", "mode", "wrap") }, []float32{2, 3, 1, 2, 3, 1}},
		{"AveragePool dilated", 19, []int{1, 1, 4}, func(f *file) *file {
			return f.node("y = AveragePool(x)", "kernel_shape", []int64{2}, "dilations", []int64{2}, "pads", []int64{1, 0})
		}, []float32{2, 2, 3}},
		{"AveragePool dilated, pads counted", 19, []int{1, 2, 4}, func(f *file) *file {
			return f.node("y = AveragePool(x)", "kernel_shape", []int64{2}, "dilations", []int64{2}, "pads", []int64{1, 0}, "count_include_pad", 1)
		}, []float32{1, 2, 3, 3, 6, 7}},
		{"AveragePool over the end, pads counted", 19, []int{1, 1, 4}, func(f *file) *file { // the last place sees 4 and a pad
			return f.node("y = AveragePool(x)", "kernel_shape", []int64{3}, "strides", []int64{3}, "pads", []int64{0, 1}, "ceil_mode", 1, "count_include_pad", 1)
		}, []float32{2, 2}},
		{"LpPool", 18, []int{1, 1, 4}, func(f *file) *file { return f.node("y = LpPool(x)", "kernel_shape", []int64{2}, "strides", []int64{2}) }, []float32{2.236068, 5}},
		{"LpPool, p 1, pads", 18, []int{1, 1, 3}, func(f *file) *file {
			return f.node("y = LpPool(x)", "kernel_shape", []int64{2}, "strides", []int64{2}, "p", 1, "pads", []int64{1, 0})
		}, []float32{1, 5}},
		{"GlobalLpPool, p 3", 13, []int{1, 1, 2}, func(f *file) *file { return f.node("y = GlobalLpPool(x)", "p", 3) }, []float32{2.0800838}},
		{"LRN", 13, []int{1, 3, 1, 1}, func(f *file) *file { return f.node("y = LRN(x)", "size", 3, "alpha", 3.0, "beta", 0.5, "bias", 2.0) },
			[]float32{.37796447, .5, .7745967}},
		{"LRN of two", 13, []int{1, 3, 1, 1}, func(f *file) *file { return f.node("y = LRN(x)", "size", 2, "alpha", 2.0, "beta", 1.0, "bias", 0.0) },
			[]float32{.2, .15384615, .33333334}},
		{"MaxPool of bytes", 13, []int{1, 1, 4}, func(f *file) *file {
			return f.node("b = Cast(x)", "to", 2).node("m = MaxPool(b)", "kernel_shape", []int64{2}).node("y = Cast(m)", "to", 1)
		}, []float32{2, 3, 4}},
	}
}

func (c imageForm) file(t testing.TB) []byte {
	dims := []any{"N"}
	for _, n := range c.shape[1:] {
		dims = append(dims, n)
	}
	return c.f(newFile(c.opset).input("x", dims...)).bytes(t, "y")
}

func counting(shape ...int) *ir.Tensor {
	x := ir.NewTensor(ir.F32, shape...)
	for i := range x.F32 {
		x.F32[i] = float32(i + 1)
	}
	return x
}

// TestImageOperators holds the forms to their results, and onnxruntime too.
func TestImageOperators(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, c := range imageForms() {
		t.Run(c.name, func(t *testing.T) {
			in := map[string]*ir.Tensor{"x": counting(c.shape...)}
			s, err := native.Runtime().Open(c.file(t))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			out, err := s.Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			y := out["y"]
			if y == nil || y.Len() != len(c.want) {
				t.Fatalf("got %v, want %v", y, c.want)
			}
			if near := close32(y, &ir.Tensor{DType: ir.F32, Shape: y.Shape, F32: c.want}); near != nil {
				t.Errorf("%v: got %v, want %v", near, y.F32, c.want)
			}
			got, want, err := both(t, rt, c.file(t), in)
			if err == nil {
				agree(t, c.name, got, want)
			} else if c.name != "LRN of two" { // onnxruntime has none of an even size
				t.Errorf("onnxruntime: %v", err)
			}
		})
	}
}

// TestRandomResizes holds Resize and pools of random forms against onnxruntime where it
// follows the standard: where lengths are not whole multiples, it reads scales in its own way.
func TestRandomResizes(t *testing.T) {
	rt := orttest.Runtime(t)
	rng := rand.New(rand.NewPCG(51, 52))
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	compared, refused := map[string]int{}, 0
	for i := range 400 {
		h, w := 1+rng.IntN(7), 1+rng.IntN(7)
		f := newFile(19).input("x", "N", 2, h, w)
		what := ""
		switch i % 4 {
		case 0, 1:
			mode := pick("nearest", "linear", "cubic")
			how := pick("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
			to := []int64{int64(1 + rng.IntN(12)), int64(1 + rng.IntN(12))}
			attrs := []any{"mode", mode, "coordinate_transformation_mode", how, "axes", []int64{2, 3}}
			if mode == "nearest" {
				attrs = append(attrs, "nearest_mode", pick("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"))
			} else if rng.IntN(3) == 0 && how == "half_pixel" {
				attrs = append(attrs, "antialias", 1)
			}
			if mode == "cubic" && rng.IntN(2) == 0 {
				attrs = append(attrs, "cubic_coeff_a", -0.5, "exclude_outside", 1)
			}
			f = f.ints("n", to...).node("y = Resize(x,,,n)", attrs...)
			what = fmt.Sprintf("Resize of %dx%d to %v, %v", h, w, to, attrs)
		case 2:
			k := []int64{int64(1 + rng.IntN(3)), int64(1 + rng.IntN(3))}
			attrs := []any{"kernel_shape", k, "strides", []int64{int64(1 + rng.IntN(3)), int64(1 + rng.IntN(3))},
				"pads", []int64{rng.Int64N(k[0]), rng.Int64N(k[1]), rng.Int64N(k[0]), rng.Int64N(k[1])}, "ceil_mode", rng.IntN(2)}
			op := pick("MaxPool", "AveragePool", "LpPool")
			if op == "AveragePool" {
				attrs = append(attrs, "count_include_pad", rng.IntN(2))
			}
			f, what = f.node("y = "+op+"(x)", attrs...), fmt.Sprintf("%s of %dx%d, %v", op, h, w, attrs)
		default:
			p := []int64{0, 0, rng.Int64N(int64(h)), rng.Int64N(int64(w)), 0, 0, rng.Int64N(int64(h)), rng.Int64N(int64(w))}
			mode := pick("edge", "reflect", "wrap")
			f, what = f.ints("p", p...).node("y = Pad(x,p)", "mode", mode), fmt.Sprintf("Pad of %dx%d, %s %v", h, w, mode, p)
		}
		data := f.bytes(t, "y")
		if _, err := onnximport.Decode(t.Context(), data, onnximport.Limits{}); err != nil {
			if refused++; strings.Contains(err.Error(), "internal") {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		x := counting(3, 2, h, w)
		for k := range x.F32 {
			x.F32[k] = float32(rng.IntN(17)) - 8
		}
		got, want, err := both(t, rt, data, map[string]*ir.Tensor{"x": x})
		if err != nil {
			continue
		}
		agree(t, what, got, want)
		op, _, _ := strings.Cut(what, " ")
		compared[op]++
	}
	t.Logf("%v compared, %d refused", compared, refused)
	if compared["Resize"] < 120 || compared["Pad"] < 60 || compared["AveragePool"] < 15 || compared["LpPool"] < 15 || compared["MaxPool"] < 15 {
		t.Errorf("%v compared, %d refused", compared, refused)
	}
}

// TestHostileGeometry reads windows, pads, scales and blocks of lengths that overflow, that
// see nothing, or that would take memory or time without end: an error, or a graph that runs.
func TestHostileGeometry(t *testing.T) {
	rng := rand.New(rand.NewPCG(61, 62))
	wild := []int64{0, 1, 2, 3, 1 << 12, 1<<24 - 1, 1 << 24, 1<<24 + 1, 1 << 31, 1 << 62, math.MaxInt64, -1, math.MinInt64}
	tame := []int64{1, 1, 2, 3}
	accepted, ran := 0, 0
	for i := range 1500 {
		one := func() int64 {
			if rng.IntN(4) == 0 {
				return wild[rng.IntN(len(wild))]
			}
			return tame[rng.IntN(len(tame))]
		}
		axes := 1 + rng.IntN(3)
		list := func(n int) []int64 {
			out := make([]int64, n+max(0, rng.IntN(30)-28))
			for k := range out {
				out[k] = one()
			}
			return out
		}
		dims, kernel := []any{"N", int(max(0, one()%5))}, []int64{}
		for range axes {
			n := 1 + rng.IntN(6)
			if rng.IntN(12) == 0 {
				n = []int{0, 1 << 12, 1 << 20, 1 << 24}[rng.IntN(4)]
			}
			dims, kernel = append(dims, n), append(kernel, int64(1+rng.IntN(3)))
		}
		attrs := []any{}
		some := func(name string, v any) {
			if rng.IntN(2) == 0 {
				attrs = append(attrs, name, v)
			}
		}
		f := newFile(19).input("x", dims...)
		op := []string{"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "Resize", "Pad", "DepthToSpace", "SpaceToDepth", "LRN"}[i%10]
		args := "x"
		switch op {
		case "Conv", "ConvTranspose":
			c := max(0, dims[1].(int))
			shape := append([]int64{int64(c), int64(c)}, kernel...)
			n := int64(c * c)
			for _, k := range kernel {
				n *= k
			}
			f, args = f.floats("w", shape, make([]float32, n)...), "x,w"
			some("group", int(one()))
			if op == "ConvTranspose" {
				some("output_padding", list(axes))
				some("output_shape", list(axes))
			}
			fallthrough
		case "MaxPool", "AveragePool", "LpPool":
			if args == "x" {
				attrs = append(attrs, "kernel_shape", list(axes))
				some("ceil_mode", rng.IntN(2))
			}
			some("strides", list(axes))
			some("dilations", list(axes))
			if rng.IntN(4) == 0 {
				attrs = append(attrs, "auto_pad", []string{"SAME_UPPER", "SAME_LOWER", "VALID"}[rng.IntN(3)])
			} else {
				some("pads", list(2*axes))
			}
			if op == "AveragePool" {
				some("count_include_pad", 1)
			}
		case "Resize":
			some("mode", []string{"linear", "cubic", "nearest"}[rng.IntN(3)])
			some("antialias", 1)
			some("coordinate_transformation_mode", []string{"align_corners", "asymmetric", "tf_crop_and_resize", "half_pixel_symmetric"}[rng.IntN(4)])
			some("keep_aspect_ratio_policy", []string{"not_larger", "not_smaller"}[rng.IntN(2)])
			s := make([]float32, axes)
			for k := range s {
				s[k] = []float32{0.5, 2, 1, 1e-30, 1e30, float32(math.NaN()), float32(math.Inf(1)), -1, 0, 1 << 20, 1e-7}[rng.IntN(11)]
			}
			var on []int64
			for a := range axes {
				on = append(on, int64(2+a))
			}
			attrs = append(attrs, "axes", on)
			f = f.floats("roi", []int64{int64(2 * axes)}, append(append([]float32{}, s...), s...)...)
			if args = "x,roi,s"; rng.IntN(2) == 0 {
				f, args = f.ints("n", list(axes)...), "x,roi,,n"
			}
			f = f.floats("s", []int64{int64(axes)}, s...)
		case "Pad":
			f, args = f.ints("p", append(append([]int64{0}, list(1+axes)...), append([]int64{0}, list(1+axes)...)...)...), "x,p"
			some("mode", []string{"edge", "reflect", "wrap"}[rng.IntN(3)])
		case "LRN":
			attrs = append(attrs, "size", int(one()))
		default:
			attrs = append(attrs, "blocksize", int(one()))
		}
		f = f.node("y = "+op+"("+args+")", attrs...)
		data := f.bytes(t, "y")
		name := fmt.Sprintf("%s of %v, %v", op, dims, attrs)
		m := decodeBounded(t, name, data)
		if m == nil {
			continue
		}
		accepted++
		if small(m.Graph) {
			if err := runOnce(data, m); err != nil {
				t.Errorf("%s: %v", name, err)
			} else {
				ran++
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d of 1500 files were accepted, %d executed", accepted, ran)
	if accepted < 300 || ran < 250 {
		t.Errorf("%d of 1500 files were accepted, %d executed", accepted, ran)
	}
}
