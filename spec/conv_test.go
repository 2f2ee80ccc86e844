package spec_test

import (
	"math"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// TestConvShapes holds the shapes of results and parameters to those that the documentation
// promises.
func TestConvShapes(t *testing.T) {
	for _, c := range []struct {
		in    []int
		layer spec.Layer
		out   string
		w     string
	}{
		{[]int{1, 28, 28}, spec.Conv(32, 3), "f32[N 32 26 26]", "f32[32 1 3 3]"},
		{[]int{1, 28, 28}, spec.Conv(32, 3).Same(), "f32[N 32 28 28]", "f32[32 1 3 3]"},
		{[]int{1, 28, 27}, spec.Conv(32, 3).Same().Stride(2), "f32[N 32 14 14]", "f32[32 1 3 3]"},
		{[]int{4, 9, 8}, spec.Conv(6, 3, 5).Stride(2, 1).Pad(1, 2).Groups(2), "f32[N 6 5 8]", "f32[6 2 3 5]"},
		{[]int{4, 9, 8}, spec.Conv(6, 2).Pad(1, 0, 0, 3), "f32[N 6 9 10]", "f32[6 4 2 2]"},
		{[]int{4, 9, 8}, spec.Conv(6, 3).Pad(1, 2).Valid(), "f32[N 6 7 6]", "f32[6 4 3 3]"},
		{[]int{3, 50}, spec.Conv(8, 5).Dilation(3), "f32[N 8 38]", "f32[8 3 5]"},
		{[]int{3, 5, 6, 7}, spec.Conv(2, 2), "f32[N 2 4 5 6]", "f32[2 3 2 2 2]"},
		{[]int{3, 8, 8}, spec.DepthwiseConv(2, 3).Same(), "f32[N 6 8 8]", "f32[6 1 3 3]"},
		{[]int{64, 7, 7}, spec.ConvTranspose(32, 3).Same().Stride(2).OutputPad(1), "f32[N 32 14 14]", "f32[64 32 3 3]"},
		{[]int{64, 7, 7}, spec.ConvTranspose(32, 3).Same().Stride(2), "f32[N 32 14 14]", "f32[64 32 3 3]"},
		{[]int{64, 7, 7}, spec.ConvTranspose(32, 1).Same().Stride(3), "f32[N 32 21 21]", "f32[64 32 1 1]"},
		{[]int{4, 5}, spec.ConvTranspose(6, 3).Stride(2).Groups(2).Pad(1).OutputPad(1), "f32[N 6 10]", "f32[4 3 3]"},
	} {
		x := spec.Input("x", c.in...)
		g, params, err := spec.GraphOf("g", x.Then(c.layer))
		if err != nil {
			t.Errorf("%s: %v", c.out, err)
			continue
		}
		if got := g.Outputs[0].Type.String(); got != c.out {
			t.Errorf("of %v %T makes %s, want %s", c.in, c.layer, got, c.out)
		}
		if got := g.Params[0].Type.String(); got != c.w || len(params) != 2 {
			t.Errorf("the filters are %s of %d parameters, want %s", got, len(params), c.w)
		}
	}
}

// TestConvMirror passes images of odd sizes through convolutions and their mirror images,
// which give back the shape, tied by the same filters.
func TestConvMirror(t *testing.T) {
	for _, tied := range []bool{false, true} {
		x := spec.Input("x", 3, 29, 18)
		stack := spec.Sequential("encoder",
			spec.Conv(8, 3).Same().Stride(2), spec.ReLU(),
			spec.Conv(8, 4).Stride(3, 1).Pad(0, 1, 2, 0).Groups(2), spec.ReLU(),
			spec.DepthwiseConv(2, 3).Dilation(2))
		mirror := spec.MirrorOf(stack, tied)
		y := x.Then(stack, mirror)
		g, params, err := spec.GraphOf("g", y)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Outputs[0].Type.String(); got != "f32[N 3 29 18]" {
			t.Errorf("the mirror image ends as %s", got)
		}
		want := 12 // three convolutions and three images, each with filters and a bias
		if tied {
			want = 9
		}
		if len(params) != want {
			t.Errorf("tied %v: %d parameters, want %d", tied, len(params), want)
		}
		var transposed int
		for _, n := range g.Nodes {
			if _, ok := n.Op.(ops.ConvTranspose); ok {
				transposed++
				if n.In[1].Kind != ir.ParamValue {
					t.Errorf("%s does not use the filters as they are", n.Layer)
				}
			}
		}
		if transposed != 3 {
			t.Errorf("%d transposed convolutions, want 3", transposed)
		}
	}
}

// TestConvTransposeTied shares filters with options of its own.
func TestConvTransposeTied(t *testing.T) {
	x := spec.Input("x", 4, 9, 8)
	conv := spec.Conv(6, 3, 2).Same().Stride(2, 1).Groups(2).NoBias()
	y := x.Then(conv, spec.ReLU(), spec.ConvTranspose(4, 3, 2).Tied(conv).Stride(2, 1).Groups(2).Pad(1, 0, 1, 1).BiasInit(spec.Constant(1)).Named("up"))
	g, params, err := spec.GraphOf("g", y)
	if err != nil {
		t.Fatal(err)
	}
	if len(params) != 2 || params[0].Name != "conv1/w" || params[1].Name != "up/b" || g.Outputs[0].Type.String() != "f32[N 4 9 8]" {
		t.Errorf("%v: %s", params, g.Outputs[0].Type)
	}
	for want, tie := range map[string]func(conv *spec.ConvLayer) spec.Layer{
		`the strides are [1 1], but those of the convolution it is tied to are [2 1], made at conv_test.go:`: func(conv *spec.ConvLayer) spec.Layer { return spec.ConvTranspose(4, 3, 2).Tied(conv).Groups(2) },
		`the dilations are [2 2], but those of the convolution it is tied to are [1 1]`: func(conv *spec.ConvLayer) spec.Layer {
			return spec.ConvTranspose(4, 3, 2).Tied(conv).Stride(2, 1).Dilation(2).Groups(2)
		},
		`it has 1 groups, but the convolution it is tied to has 2`: func(conv *spec.ConvLayer) spec.Layer { return spec.ConvTranspose(4, 3, 2).Tied(conv).Stride(2, 1) },
		`it needs filters f32[6 2 3 3], but those of the convolution it is tied to are f32[6 2 3 2]`: func(conv *spec.ConvLayer) spec.Layer {
			return spec.ConvTranspose(4, 3).Tied(conv).Stride(2, 1).Groups(2)
		},
		`it needs filters f32[6 4 3 2], but those of the convolution it is tied to are f32[6 2 3 2]`: func(conv *spec.ConvLayer) spec.Layer {
			return spec.ConvTranspose(8, 3, 2).Tied(conv).Stride(2, 1).Groups(2)
		},
		`the convolution to be tied to was not made by spec.Conv`: func(conv *spec.ConvLayer) spec.Layer { return spec.ConvTranspose(8, 3, 2).Tied(nil) },
		`was not placed yet, so it has no weights to tie to`:      func(conv *spec.ConvLayer) spec.Layer { return spec.ConvTranspose(8, 3, 2).Tied(spec.Conv(6, 3)) },
	} {
		x := spec.Input("x", 4, 9, 8)
		conv := spec.Conv(6, 3, 2).Same().Stride(2, 1).Groups(2).NoBias()
		err := x.Then(conv, tie(conv)).Err()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "conv_test.go:") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestConvMistakes names the layer and the rule.
func TestConvMistakes(t *testing.T) {
	image := func() *spec.Value { return spec.Input("x", 4, 9, 8) }
	for want, v := range map[string]*spec.Value{
		"Conv: the lengths of the kernel are missing":                                                        image().Then(spec.Conv(3)),
		"Conv: the number of filters must be positive, got 0":                                                image().Then(spec.Conv(0, 3)),
		"Conv: the kernel must be at least 1, got 0":                                                         image().Then(spec.Conv(3, 0)),
		"Conv: the stride must be at least 1, got -1":                                                        image().Then(spec.Conv(3, 3).Stride(-1)),
		"Conv: the pad must be at least 0, got -2":                                                           image().Then(spec.Conv(3, 3).Pad(-2)),
		"Conv: the stride must be at most 16777216, got 9223372036854775807":                                 image().Then(spec.Conv(3, 3).Stride(math.MaxInt)),
		"Conv: the pad must be at most 16777216, got 4611686018427387904":                                    image().Then(spec.Conv(3, 3).Pad(1 << 62)),
		"DepthwiseConv: the number of filters must be at most 16777216, got 4611686018427387904":             image().Then(spec.DepthwiseConv(1<<62, 3)),
		"ConvTranspose: the kernel must be at most 16777216, got 9223372036854775807":                        image().Then(spec.ConvTranspose(1, math.MaxInt)),
		"ConvTranspose: the output pad must be at most 16777216":                                             image().Then(spec.ConvTranspose(1, 3).OutputPad(1 << 40)),
		"Upsample: a factor must be at most 16777216, got 1099511627776":                                     image().Then(spec.Upsample(1 << 40)),
		"Upsample: axis 1 would have 16777216 times 9 elements, at most 16777216 are possible":               image().Then(spec.Upsample(1 << 24)),
		"Upsample: there are 3 factors, but x has 2 axes behind its channels (x is f32[N 4 9 8])":            image().Then(spec.Upsample(2, 2, 2)),
		"Upsample: Linear makes 2359296 elements of 9 on axis 1 by a table of their product":                 image().Then(spec.Upsample(1<<18, 1).Linear()),
		"Conv: Same and Pad are both given":                                                                  image().Then(spec.Conv(3, 3).Same().Pad(1)),
		"Conv: the kernel has 3 lengths, but x has 2 axes behind its channels":                               image().Then(spec.Conv(3, 3, 3, 3)),
		"Conv: the pad has 3 lengths":                                                                        image().Then(spec.Conv(3, 3).Pad(1, 2, 3)),
		"Conv: the kernel reaches over 10 elements of axis 1, which has 9 with its pads (x is f32[N 4 9 8])": image().Then(spec.Conv(3, 10, 3)),
		"Conv: 4 channels and 3 filters do not both divide into 2 groups":                                    image().Then(spec.Conv(3, 3).Groups(2)),
		"DepthwiseConv: the groups of a depthwise convolution are the channels of x":                         image().Then(spec.DepthwiseConv(1, 3).Groups(2)),
		"Conv: x must be f32[N C L], f32[N C H W] or f32[N C D H W], got f32[N 30]":                          spec.Input("x", 30).Then(spec.Conv(3, 3)),
		"ConvTranspose: the output pad of axis 1 is 2, it must be below its stride, 2":                       image().Then(spec.ConvTranspose(3, 3).Stride(2).OutputPad(2)),
		"ConvTranspose: of axis 1, 11 elements long, the pads cut off 12":                                    image().Then(spec.ConvTranspose(3, 3).Pad(6)),
		"ConvTranspose: 4 channels and 3 of the result do not both divide into 2 groups":                     image().Then(spec.ConvTranspose(3, 3).Groups(2)),
		"x must be what the convolution it undoes makes, f32[N 3 5 4], got f32[N 3 9 8]": func() *spec.Value {
			conv := spec.Conv(3, 3).Same().Stride(2)
			x := image()
			y := x.Then(conv)
			_ = y
			return x.Then(spec.Conv(3, 3).Same(), spec.Tied(conv))
		}(),
	} {
		refused(t, v, want)
	}
}

// refused checks the error of a value: its rule, the layer and the line.
func refused(t *testing.T, v *spec.Value, want string) {
	t.Helper()
	err := v.Err()
	for _, part := range []string{want, "conv_test.go:", `layer "`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want %q", err, part)
		}
	}
}

// TestPoolMistakes names the layer and the rule.
func TestPoolMistakes(t *testing.T) {
	image := func() *spec.Value { return spec.Input("x", 4, 9, 8) }
	for want, v := range map[string]*spec.Value{
		"MaxPool: the window is 9 long on axis 2, which has 8 with its pads (x is f32[N 4 9 8])":                  image().Then(spec.MaxPool(9)),
		"MaxPool: the pads of axis 1 are 2 and 2, but the window is 2 long: a place of it would lie outside of x": image().Then(spec.MaxPool(2).Pad(2)),
		"MaxPool: the lengths of the kernel are missing":                                                          image().Then(spec.MaxPool()),
		"MaxPool: the stride must be at least 1, got 0":                                                           image().Then(spec.MaxPool(2).Stride(0)),
		"MaxPool: CountPads is for an AveragePool":                                                                image().Then(spec.MaxPool(2).CountPads()),
		"AveragePool: the kernel must be at least 1, got -2":                                                      image().Then(spec.AveragePool(-2)),
		"AveragePool: the window is 10 long on axis 1, which has 9 with its pads":                                 image().Then(spec.AveragePool(10, 2)),
		"Upsample: a factor must be at least 1, got 0":                                                            image().Then(spec.Upsample(0)),
		"Upsample: the factor is missing":                                                                         image().Then(spec.Upsample()),
		"GlobalAveragePool: x must be f32[N C …] with axes behind its channels, got f32[N 3]":                     spec.Input("x", 3).Then(spec.GlobalAveragePool()),
	} {
		refused(t, v, want)
	}
}

// TestPools holds pools and what makes images larger to numbers worked out by hand.
func TestPools(t *testing.T) {
	in := []float32{1, 5, 2, 0, 3, -1, 4, 7, -2}
	for _, c := range []struct {
		layer spec.Layer
		shape string
		want  []float64
	}{
		{spec.MaxPool(2), "f32[N 1 1 1]", []float64{5}},
		{spec.MaxPool(2).Stride(1), "f32[N 1 2 2]", []float64{5, 5, 7, 7}},
		{spec.MaxPool(2).Same(), "f32[N 1 2 2]", []float64{5, 2, 7, -2}},
		{spec.AveragePool(2, 3).Stride(1), "f32[N 1 2 1]", []float64{10. / 6, 11. / 6}},
		{spec.AveragePool(2).Pad(1).Stride(2), "f32[N 1 2 2]", []float64{1, 3.5, 2, 1.75}},
		{spec.AveragePool(2).Pad(1).Stride(2).CountPads(), "f32[N 1 2 2]", []float64{0.25, 1.75, 1, 1.75}},
		{spec.GlobalAveragePool(), "f32[N 1]", []float64{19. / 9}},
		{spec.GlobalMaxPool(), "f32[N 1]", []float64{7}},
		{spec.Layers(spec.MaxPool(2).Same(), spec.Upsample(2, 1)), "f32[N 1 4 2]", []float64{5, 2, 5, 2, 7, -2, 7, -2}},
		{spec.Layers(spec.MaxPool(2).Same(), spec.Upsample(2).Linear()), "f32[N 1 4 4]",
			[]float64{5, 4.25, 2.75, 2, 5.5, 4.375, 2.125, 1, 6.5, 4.625, 0.875, -1, 7, 4.75, 0.25, -2}},
	} {
		x := spec.Input("x", 1, 3, 3)
		g, _, err := spec.GraphOf("g", x.Then(c.layer))
		if err != nil {
			t.Errorf("%s: %v", c.shape, err)
			continue
		}
		if got := g.Outputs[0].Type.String(); got != c.shape {
			t.Errorf("%T makes %s, want %s", c.layer, got, c.shape)
			continue
		}
		in64 := ir.NewTensor(ir.F64, 1, 1, 3, 3)
		for i, v := range in {
			in64.F64[i] = float64(v)
		}
		all, err := ir.Evaluate(g, &ir.Env{Binding: ir.RowsOf(1)}, map[string]*ir.Tensor{"x": in64})
		if err != nil {
			t.Errorf("%T: %v", c.layer, err)
			continue
		}
		out := all[g.Outputs[0]]
		for i, want := range c.want {
			if got := out.F64[i]; got-want > 1e-12 || want-got > 1e-12 {
				t.Errorf("%T: element %d is %v, want %v", c.layer, i, got, want)
			}
		}
	}
}

// TestPoolMirror passes images through pools and back.
func TestPoolMirror(t *testing.T) {
	x := spec.Input("x", 2, 12, 8)
	stack := spec.Sequential("encoder", spec.Conv(4, 3).Same(), spec.ReLU(), spec.MaxPool(2), spec.Conv(8, 3).Same(), spec.AveragePool(3, 2))
	g, _, err := spec.GraphOf("g", x.Then(stack, spec.MirrorOf(stack, true)))
	if err != nil {
		t.Fatal(err)
	}
	if got := g.Outputs[0].Type.String(); got != "f32[N 2 12 8]" {
		t.Errorf("the mirror image ends as %s", got)
	}
	odd := spec.Sequential("odd", spec.MaxPool(5))
	err = x.Then(odd, spec.MirrorOf(odd, false)).Err()
	if err == nil || !strings.Contains(err.Error(), "its places do not fill the axes") {
		t.Errorf("got %v", err)
	}
}
