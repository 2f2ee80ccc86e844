package dataset

import (
	"math"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
)

// TestChannelMoments holds one pass over rows to two passes over their values.
func TestChannelMoments(t *testing.T) {
	const rows, channels, pixels = 5000, 3, 77 // more than are read at once
	b := make([]uint8, rows*channels*pixels)
	f := make([]float32, len(b))
	s := random.New(5)
	for i := range b {
		c := i / pixels % channels
		b[i], f[i] = uint8(s.Uint64(uint64(i))>>uint(56+c)), float32(1000+s.Float64(uint64(i))*float64(c+1))
		if c == 2 {
			b[i], f[i] = 51, -0.3 // the same everywhere
		}
	}
	want := func(value func(i int) float64) (mean, deviation []float64) {
		for c := range channels {
			n, sum, squares := 0.0, 0.0, 0.0
			for i := range b {
				if i/pixels%channels == c {
					sum, n = sum+value(i), n+1
				}
			}
			for i := range b {
				if i/pixels%channels == c {
					squares += (value(i) - sum/n) * (value(i) - sum/n)
				}
			}
			mean, deviation = append(mean, sum/n), append(deviation, math.Sqrt(squares/n))
		}
		deviation[2] = 1
		return mean, deviation
	}
	table, err := NewTable(Data{Column: Column{Name: "b", DType: U8, Shape: []int{channels, 7, 11}}, U8: b},
		Data{Column: Column{Name: "f", DType: F32, Shape: []int{channels, pixels}}, F32: f},
		Data{Column: Column{Name: "y", DType: I64}, I64: make([]int64, rows)},
		Data{Column: Column{Name: "z", DType: F32}, F32: make([]float32, rows)})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]func(i int) float64{
		"b": func(i int) float64 { return float64(b[i]) / 255 },
		"f": func(i int) float64 { return float64(f[i]) },
	} {
		m, d := want(value)
		var first [2][]float64
		for k, src := range []Source{table, plain{table}} {
			mean, deviation, err := ChannelMoments(src, name)
			if err != nil {
				t.Fatal(err)
			}
			for c := range channels {
				if math.Abs(mean[c]-m[c]) > 1e-9*math.Abs(m[c]) || math.Abs(deviation[c]-d[c]) > 1e-9 {
					t.Errorf("%s, channel %d: %v and %v, want %v and %v", name, c, mean[c], deviation[c], m[c], d[c])
				}
			}
			if k == 0 {
				first = [2][]float64{mean, deviation}
			} else if !slices.Equal(first[0], mean) || !slices.Equal(first[1], deviation) {
				t.Errorf("%s: from memory and from a source they differ", name)
			}
		}
	}
	for _, name := range []string{"y", "z", "w"} {
		_, _, err := ChannelMoments(table, name)
		wantError(t, err, `no column "`+name+`" of f32[C`, "b u8[3 7 11]")
	}
	_, _, err = ChannelMoments(nil, "x")
	wantError(t, err, "the source is nil")
}
