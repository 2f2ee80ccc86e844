package spec

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// melFloor is added to the power in a band, so that silence has a logarithm.
const melFloor = 1e-6

// LogMel makes of signals sampled at rate Hz how strong each of a number of frequency bands
// is in each frame: the logarithm of a mel spectrogram. Nothing in it is trained. A frame is
// a window of so many samples, the next one begins hop samples later, and none reaches
// beyond the signal. It is weighted by a periodic Hann window and its DFT is taken, of the
// window's length; the powers |X|² are added up by bands and become log(power + 1e-6).
//
// The bands are triangles of height 1 that are equally wide, and overlap by half, on the mel
// scale of HTK, 2595·log10(1 + f/700), from 0 to rate/2 (Young et al., The HTK Book; Davis and
// Mermelstein 1980). That is torchaudio's MelSpectrogram with center=False and its default
// norm and mel_scale.
//
// Shapes: x f32[N samples] or f32[N channels samples], y f32[N channels frames bands] with 1
// channel for the former and 1 + ⌊(samples-window)/hop⌋ frames. Conv with fixed filters, one
// for the cosine and one for the sine of each frequency, Slice, Mul, Add, Transpose, MatMul
// with a fixed matrix and Log of ONNX. It has no mirror image. Mistakes: a number is not
// positive; a band has no frequency of the DFT, as there are too many for the window; x has
// another type, is shorter than the window or of an open length.
func LogMel(rate float64, window, hop, bands int) *FormulaLayer {
	l := &FormulaLayer{Base: newBase("LogMel"), rule: melRule(rate, window, hop, bands)}
	l.build = func(b *Builder, x *ir.Value) *ir.Value {
		t := x.Type
		if t.DType != ir.F32 || t.Rank() != 2 && t.Rank() != 3 || !rowsFirst(t.Shape) {
			return b.Errorf("x must be signals, f32[N samples] or f32[N channels samples], got %s", t)
		}
		samples, known := t.Shape[t.Rank()-1].Known()
		if !known || t.Rank() == 3 && t.Shape[1].Symbolic() {
			return b.Errorf("the lengths of a signal must be known, x is %s", t)
		}
		if samples < window {
			return b.Errorf("the signal has %d samples, which are fewer than the window's %d (x is %s)", samples, window, t)
		}
		channels := ir.Fixed(1)
		if t.Rank() == 3 {
			channels = t.Shape[1]
		}
		bins := window/2 + 1
		waves := b.constants([]int{2 * bins, 1, 1, window}, dft(window))
		x = b.Op(ops.Reshape{Shape: ir.MakeDims(ir.Shape{t.Shape[0], ir.Fixed(1), channels, ir.Fixed(samples)})}, x)
		y := b.Op(ops.Conv{Strides: ir.MakeAxes(1, hop), Group: 1}, x, waves)
		part := func(from, to int) *ir.Value {
			v := b.Op(ops.Slice{Axis: 1, Start: ir.Fixed(from), End: ir.Fixed(to)}, y)
			return b.Op(ops.Mul{}, v, v)
		}
		power := b.Op(ops.Add{}, part(0, bins), part(bins, 2*bins))
		power = b.Op(ops.Transpose{Perm: ir.MakeAxes(0, 2, 3, 1)}, power)
		mel := b.Op(ops.MatMul{}, power, b.constants([]int{bins, bands}, melBands(rate, window, bands)))
		return b.Op(ops.Log{}, b.Op(ops.Add{}, mel, b.Const(melFloor)))
	}
	return l
}

// maxWindow bounds a window: its DFT is a matrix of as many rows and columns.
const maxWindow = 1 << 13

func melRule(rate float64, window, hop, bands int) string {
	switch {
	case !(rate > 0) || rate-rate != 0:
		return fmt.Sprintf("the rate must be positive, in samples a second, got %v", rate)
	case window < 2 || window > maxWindow:
		return fmt.Sprintf("the window must be from 2 to %d samples, got %d", maxWindow, window)
	case hop < 1 || bands < 1 || bands > window:
		return fmt.Sprintf("hop and bands must be positive, and not more bands than samples in the window, got %d and %d", hop, bands)
	}
	weights := melBands(rate, window, bands)
	for m := range bands {
		sum := 0.0
		for k := m; k < len(weights); k += bands {
			sum += weights[k]
		}
		if sum == 0 {
			return fmt.Sprintf("band %d of %d has no frequency of the DFT of %d samples: take fewer bands or a longer window", m, bands, window)
		}
	}
	return ""
}

// dft returns the filters of the cosines, then of the sines, [2·bins window], weighted by the
// window of Hann.
func dft(window int) []float64 {
	bins := window/2 + 1
	out := make([]float64, 2*bins*window)
	for k := range bins {
		for n := range window {
			hann := 0.5 - float64(0.5*math.Cos(2*math.Pi*float64(n)/float64(window)))
			sin, cos := math.Sincos(2 * math.Pi * float64(k*n%window) / float64(window))
			out[k*window+n], out[(bins+k)*window+n] = settled(hann*cos), settled(-hann*sin)
		}
	}
	return out
}

// settled makes 0 of what is not 0 by rounding alone, which differs from one processor to the
// next.
func settled(x float64) float64 {
	if math.Abs(x) < 1e-12 {
		return 0
	}
	return x
}

// melBands returns the weights of frequencies in bands, [bins bands].
func melBands(rate float64, window, bands int) []float64 {
	mel := func(f float64) float64 { return 2595 * math.Log10(1+f/700) }
	edges := make([]float64, bands+2)
	for i := range edges {
		edges[i] = 700 * (math.Pow(10, mel(rate/2)*float64(i)/float64(bands+1)/2595) - 1)
	}
	out := make([]float64, (window/2+1)*bands)
	for k := range window/2 + 1 {
		f := float64(k) * rate / float64(window)
		for m := range bands {
			up, down := (f-edges[m])/(edges[m+1]-edges[m]), (edges[m+2]-f)/(edges[m+2]-edges[m+1])
			out[k*bands+m] = max(0, min(up, down))
		}
	}
	return out
}

// constants returns a constant f32 array.
func (b *Builder) constants(shape []int, values []float64) *ir.Value {
	if b.failed {
		return bad()
	}
	return b.sp.array(ir.T(ir.F32, ir.ShapeOf(shape...)...), floatsOf(shape, values))
}
