package picture

import (
	"fmt"
	"math"
)

// Filters draws the filters w of a convolution, [O C KH KW] as a Conv keeps them, and
// writes the PNG whole or not at all. Each filter is divided by its greatest absolute
// weight: 0 is middle gray, positive weights are brighter, negative ones darker. Filters
// of one channel are gray and those of three are in colour, arranged in a square; any
// others take a line each, with a gray picture for each channel.
//
// Errors: the number of weights is not a multiple of channels*height*width; a weight is
// not finite; those of [Grid].
func Filters(path string, channels, height, width int, w []float32) error {
	each, err := planes(path, "the filters", channels, height, width, w)
	if err != nil {
		return err
	}
	var filters [][]float32
	n := channels * each
	for lo := 0; lo < len(w); lo += n {
		filters = append(filters, signed(w[lo:lo+n]))
	}
	if channels == 1 || channels == 3 {
		return arranged(path, height, width, filters)
	}
	lines := make([][][]float32, len(filters))
	for i, f := range filters {
		for lo := 0; lo < n; lo += each {
			lines[i] = append(lines[i], f[lo:lo+each])
		}
	}
	return enlarged(path, height, width, lines)
}

// FeatureMaps draws what a layer makes of one picture, [C H W], a gray picture for each
// channel, and writes the PNG whole or not at all. Each channel goes from black, its
// least value, to white, its greatest; a channel with only one value is black.
//
// Errors: the number of values is not channels*height*width; one is not finite; those of
// [Grid].
func FeatureMaps(path string, channels, height, width int, maps []float32) error {
	each, err := planes(path, "the feature maps", channels, height, width, maps)
	if err != nil {
		return err
	}
	if len(maps) != channels*each {
		return fmt.Errorf("picture %s: the feature maps must be those of one picture, %d values for [%d %d %d], got %d", path, channels*each, channels, height, width, len(maps))
	}
	var shown [][]float32
	for lo := 0; lo < len(maps); lo += each {
		shown = append(shown, stretched(maps[lo:lo+each]))
	}
	return arranged(path, height, width, shown)
}

// Reconstructions draws three lines of pictures, and writes the PNG whole or not at all:
// the inputs, what was made of them, and the absolute difference of each value, where
// white is a difference of 1 or more. Pictures are gray or in colour, as in [Grid].
//
// Errors: another number of outputs than inputs, or an output of another size than its
// input; those of [Grid].
func Reconstructions(path string, height, width int, inputs, outputs [][]float32) error {
	if len(inputs) != len(outputs) {
		return fmt.Errorf("picture %s: there must be an output for each of the %d inputs, got %d", path, len(inputs), len(outputs))
	}
	apart := make([][]float32, len(inputs))
	for i, x := range inputs {
		y := outputs[i]
		if len(x) != len(y) {
			return fmt.Errorf("picture %s: output %d has %d values, but its input has %d", path, i+1, len(y), len(x))
		}
		apart[i] = make([]float32, len(x))
		for j := range x {
			apart[i][j] = float32(math.Abs(float64(x[j]) - float64(y[j])))
		}
	}
	return Grid(path, height, width, inputs, outputs, apart)
}

// planes checks values that are whole pictures of a number of planes, and returns the
// values of a plane.
func planes(path, what string, channels, height, width int, v []float32) (int, error) {
	if channels <= 0 || height <= 0 || width <= 0 {
		return 0, fmt.Errorf("picture %s: %s must have positive lengths, got [%d %d %d]", path, what, channels, height, width)
	}
	n := uint64(len(v))
	// Each factor is compared by itself first: the product may overflow.
	if c, h, w := uint64(channels), uint64(height), uint64(width); n == 0 || c > n || h > n/c || w > n/c/h || n%(c*h*w) != 0 {
		return 0, fmt.Errorf("picture %s: %s must be one or more of [%d %d %d], got %d values", path, what, channels, height, width, len(v))
	}
	for i, x := range v {
		if x-x != 0 {
			return 0, fmt.Errorf("picture %s: %s must be finite, got %v at %d", path, what, x, i)
		}
	}
	return height * width, nil
}

// signed shows 0 as middle gray.
func signed(w []float32) []float32 {
	top := 0.0
	for _, x := range w {
		top = max(top, math.Abs(float64(x)))
	}
	out := make([]float32, len(w))
	for i, x := range w {
		out[i] = 0.5
		if top > 0 {
			out[i] = float32(0.5 + float64(x)/top/2)
		}
	}
	return out
}

// stretched shows the least value as black and the greatest as white.
func stretched(v []float32) []float32 {
	lo, hi := float64(v[0]), float64(v[0])
	for _, x := range v {
		lo, hi = min(lo, float64(x)), max(hi, float64(x))
	}
	out := make([]float32, len(v))
	if hi > lo {
		for i, x := range v {
			out[i] = float32((float64(x) - lo) / (hi - lo))
		}
	}
	return out
}

// arranged draws pictures in about as many lines as columns.
func arranged(path string, height, width int, p [][]float32) error {
	cols := int(math.Ceil(math.Sqrt(float64(len(p)))))
	var lines [][][]float32
	for lo := 0; lo < len(p); lo += cols {
		lines = append(lines, p[lo:min(lo+cols, len(p))])
	}
	return enlarged(path, height, width, lines)
}

// enlarged draws small pictures large enough to see their values.
func enlarged(path string, height, width int, lines [][][]float32) error {
	side := max(height, width)
	img, err := grid(path, height, width, max(zoom, (cell+side-1)/side), 0, lines)
	if err != nil {
		return err
	}
	return write(path, img)
}
