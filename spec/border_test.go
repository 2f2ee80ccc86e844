package spec_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/spec"
)

// ramp is f32[1 dims…] with the elements 1, 2, 3, …
func ramp(dims ...int) *ir.Tensor {
	x := ir.NewTensor(ir.F64, append([]int{1}, dims...)...)
	for i := range x.F64 {
		x.F64[i] = float64(i + 1)
	}
	return x
}

// TestBorders holds pads and crops to numbers worked out by hand.
func TestBorders(t *testing.T) {
	for _, c := range []struct {
		layer spec.Layer
		in    []int
		shape string
		want  []float64
	}{
		{spec.Pad(1), []int{1, 1, 2}, "f32[N 1 3 4]", []float64{0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0}},
		{spec.Pad(0, 1), []int{1, 1, 2}, "f32[N 1 1 4]", []float64{0, 1, 2, 0}},
		{spec.Pad(0, 1, 1, 0), []int{1, 1, 2}, "f32[N 1 2 3]", []float64{0, 1, 2, 0, 0, 0}},
		{spec.Pad().Channels(1, 0), []int{1, 1, 2}, "f32[N 2 1 2]", []float64{0, 0, 1, 2}},
		{spec.Pad(2).Reflect(), []int{1, 3}, "f32[N 1 7]", []float64{3, 2, 1, 2, 3, 2, 1}},
		{spec.Pad(1, 0, 0, 1).Reflect(), []int{1, 2, 2}, "f32[N 1 3 3]", []float64{3, 4, 3, 1, 2, 1, 3, 4, 3}},
		{spec.Pad(), []int{1, 3}, "f32[N 1 3]", []float64{1, 2, 3}},
		{spec.Crop(1), []int{1, 3, 3}, "f32[N 1 1 1]", []float64{5}},
		{spec.Crop(0, 1, 2, 0), []int{1, 3, 3}, "f32[N 1 1 2]", []float64{2, 3}},
		{spec.Crop(1, 0), []int{2, 3, 1}, "f32[N 2 1 1]", []float64{2, 5}},
		{spec.Layers(spec.Pad(2, 1, 0, 3), spec.Crop(2, 1, 0, 3)), []int{1, 1, 2}, "f32[N 1 1 2]", []float64{1, 2}},
		{spec.DepthToSpace(2), []int{8, 1, 1}, "f32[N 2 2 2]", []float64{1, 3, 5, 7, 2, 4, 6, 8}},
		{spec.DepthToSpace(2).ByChannel(), []int{8, 1, 1}, "f32[N 2 2 2]", []float64{1, 2, 3, 4, 5, 6, 7, 8}},
		{spec.DepthToSpace(2), []int{4, 1, 2}, "f32[N 1 2 4]", []float64{1, 3, 2, 4, 5, 7, 6, 8}},
		{spec.DepthToSpace(3), []int{3, 2}, "f32[N 1 6]", []float64{1, 3, 5, 2, 4, 6}},
		{spec.SpaceToDepth(2), []int{2, 2, 2}, "f32[N 8 1 1]", []float64{1, 5, 2, 6, 3, 7, 4, 8}},
		{spec.SpaceToDepth(2).ByChannel(), []int{2, 2, 2}, "f32[N 8 1 1]", []float64{1, 2, 3, 4, 5, 6, 7, 8}},
	} {
		x := spec.Input("x", c.in...)
		y := x.Then(c.layer).Named("y")
		if err := y.Err(); err != nil {
			t.Errorf("%T: %v", c.layer, err)
			continue
		}
		if got := y.Type().String(); got != c.shape {
			t.Errorf("%T of %v makes %s, want %s", c.layer, c.in, got, c.shape)
		}
		if got := shippedValues(t, 1, map[string]*ir.Tensor{"x": ramp(c.in...)}, y)["y"].F64; !slices.Equal(got, c.want) {
			t.Errorf("%T of %v gives %v, want %v", c.layer, c.in, got, c.want)
		}
	}
}

// TestDepthUndone moves elements there and back, by the layer and by its mirror image.
func TestDepthUndone(t *testing.T) {
	for _, crd := range []bool{false, true} {
		for _, in := range [][]int{{8, 2, 3}, {16, 2, 4, 2}, {2, 4}} {
			there, back := spec.DepthToSpace(2), spec.SpaceToDepth(2)
			if crd {
				there, back = there.ByChannel(), back.ByChannel()
			}
			x := spec.Input("x", in...)
			stack := spec.Sequential("there", there)
			h := x.Then(stack)
			got := shippedValues(t, 1, map[string]*ir.Tensor{"x": ramp(in...)}, h.Then(back).Named("y"), h.Then(spec.Mirror("back", stack)).Named("z"), h.Named("h"))
			for _, name := range []string{"y", "z"} {
				if !slices.Equal(got[name].F64, ramp(in...).F64) {
					t.Errorf("%s of %v, by channel %v: %v", name, in, crd, got[name].F64)
				}
			}
			if slices.Equal(got["h"].F64, ramp(in...).F64) && !(crd && len(in) == 2) {
				t.Errorf("%v stays as it was", in)
			}
		}
	}
}

// TestBorderMirror passes images through borders and their mirror images.
func TestBorderMirror(t *testing.T) {
	x := spec.Input("x", 4, 6, 8)
	stack := spec.Sequential("encoder", spec.Pad(1, 0, 2, 3).Channels(0, 2), spec.Crop(0, 1), spec.Pad(1).Reflect(), spec.Conv(3, 3))
	y := x.Then(stack, spec.Mirror("decoder", stack))
	if got := y.Type().String(); got != "f32[N 4 6 8]" {
		t.Errorf("the mirror image ends as %s (%v)", got, y.Err())
	}
}

func TestBorderMistakes(t *testing.T) {
	image := func() *spec.Value { return spec.Input("x", 4, 9, 8) }
	for want, v := range map[string]*spec.Value{
		"Pad: a width must be at least 0, got -1":                                                          image().Then(spec.Pad(-1)),
		"Pad: a width must be at least 0, got -2":                                                          image().Then(spec.Pad().Channels(0, -2)),
		"Pad: 3 widths are given, but x has 2 axes behind its channels (x is f32[N 4 9 8])":                image().Then(spec.Pad(1, 2, 3)),
		"Pad: channels are added as zeros: Reflect and Channels are both given":                            image().Then(spec.Pad(1).Channels(1, 1).Reflect()),
		"Pad: axis 2 has 8 elements, of which at most 7 can be reflected, not 8 (x is f32[N 4 9 8])":       image().Then(spec.Pad(0, 8).Reflect()),
		"Pad: x must be [N C …] with axes behind its channels, got f32[N 3]":                               spec.Input("x", 3).Then(spec.Pad(1)),
		"Pad: axis 0 of x must have a known length, x is f32[N T 3]":                                       spec.Input("x", 5, 3).Free("T").Then(spec.Pad(1)),
		"Crop: a width must be at least 0, got -1":                                                         image().Then(spec.Crop(1, -1)),
		"Crop: 4 and 4 elements cannot be cut off axis 2, which has 8 (x is f32[N 4 9 8])":                 image().Then(spec.Crop(4)),
		"DepthToSpace: the block must be at least 1, got 0":                                                image().Then(spec.DepthToSpace(0)),
		"DepthToSpace: 4 channels do not divide into blocks of 9 (x is f32[N 4 9 8])":                      image().Then(spec.DepthToSpace(3)),
		"DepthToSpace: a block of 100000 on 2 axes has more than 2^31 elements":                            image().Then(spec.DepthToSpace(100000)),
		"SpaceToDepth: axis 1 has 9 elements, which do not divide into blocks of 2 (x is f32[N 4 9 8])":    image().Then(spec.SpaceToDepth(2)),
		"SpaceToDepth: x must be f32[N C L], f32[N C H W] or f32[N C D H W], got f32[N 3]":                 spec.Input("x", 3).Then(spec.SpaceToDepth(2)),
		"Residual: layers and shortcut must make values of one type, but the layers make f32[N 6 9 8] and": image().Then(spec.Residual("r", spec.Conv(6, 3).Same()).Shortcut(spec.Conv(5, 1))),
		"hint: give the block a Shortcut that makes the same of its input":                                 image().Then(spec.Residual("r", spec.Conv(6, 3).Same())),
		"layer \"r/shortcut/conv1\": Conv: the number of filters must be positive, got 0":                  image().Then(spec.Residual("r", spec.Conv(6, 3).Same()).Shortcut(spec.Sequential("shortcut", spec.Conv(0, 1)))),
	} {
		err := v.Err()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "border_test.go:") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestShortcut adds what the shortcut makes of the input.
func TestShortcut(t *testing.T) {
	x := spec.Input("x", 1, 2)
	y := x.Then(spec.Residual("r", spec.Layers(spec.Scale(10), spec.Pad().Channels(1, 0))).Shortcut(spec.Pad().Channels(0, 1), spec.Scale(2))).Named("y")
	got := shippedValues(t, 1, map[string]*ir.Tensor{"x": ramp(1, 2)}, y)["y"].F64
	if want := []float64{2, 4, 10, 20}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// The shortcut's layers have names behind those of the block, and a copy has its own.
	block := spec.Residual("s", spec.Conv(3, 1))
	_, params, err := spec.GraphOf("g", x.Then(block.Shortcut(spec.Conv(3, 1))))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range params {
		names = append(names, p.Name)
	}
	if got := fmt.Sprint(names); got != "[s/conv1/w s/conv1/b s/conv2/w s/conv2/b]" {
		t.Errorf("parameters are %s", got)
	}
}

// TestDropout2D drops channels as ByChannel does, and a mirror leaves it out.
func TestDropout2D(t *testing.T) {
	for _, l := range []*spec.DropoutLayer{spec.Dropout2D(0.5), spec.Dropout(0.5).ByChannel()} {
		x := spec.Input("x", 4, 3, 3)
		m := spec.NewModel("m", spec.MSE(x.Then(l.Named("drop")), x))
		if m.Err() != nil || !strings.Contains(m.String(), "f32[N 4 3 3] drop = ChannelDropout<rate = 0.5, stream = 1>(x)") {
			t.Errorf("%v: %s", m.Err(), m)
		}
	}
	x := spec.Input("x", 4, 3, 3)
	stack := spec.Sequential("s", spec.Dropout2D(0.5), spec.Conv(2, 3))
	if y := x.Then(stack, spec.Mirror("t", stack)); y.Err() != nil || y.Type().String() != "f32[N 4 3 3]" {
		t.Errorf("the mirror image makes %s (%v)", y.Type(), y.Err())
	}
}
