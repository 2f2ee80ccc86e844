package evaluate

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// TestQuantizer cuts two dimensions into four cells each: from 0 to 8, and one that does
// not vary.
func TestQuantizer(t *testing.T) {
	known := []float32{0, 5, 8, 5, 3, 5, 3.5, 5}
	q, err := NewQuantizer(known, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	s, err := q.Symbols([]float32{0, 5, 1.9, 4, 2, 5, 7.9, 6, 8, 5, -1, 5, 100, 5})
	if want := []uint16{0, 0, 0, 0, 1, 0, 3, 0, 3, 0, 0, 0, 3, 0}; err != nil || !slices.Equal(s, want) {
		t.Errorf("symbols %v, want %v (%v)", s, want, err)
	}
	c, err := q.Codes([]uint16{0, 0, 1, 3, 2, 0, 3, 0})
	if want := []float32{1, 5, 3, 5, 5, 5, 7, 5}; err != nil || !slices.Equal(c, want) {
		t.Errorf("codes %v, want %v (%v)", c, want, err)
	}
	// The training rows have the symbols 0, 3, 1, 1 in the first dimension, and 0 in the
	// other, so with one more of each: 2, 3, 1, 2 and 5, 1, 1, 1, of 8.
	n, err := q.Length([]uint16{1, 0, 2, 1})
	near(t, "length", (math.Log2(8./3)+math.Log2(8./5)+math.Log2(8)+math.Log2(8))/2, 1e-15)(n, err)

	// Whatever the bits, no code of the training rows is off by more than half a cell, and
	// their symbols are the cells of what they become.
	rough := []float32{-3, 0.1, 17.25, 1e-3, 2, 5, 5.5, -2.125, 16.9, 4}
	for bits := 1; bits <= maxBits; bits++ {
		q, err := NewQuantizer(rough, 1, bits)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := q.Symbols(rough)
		c, _ := q.Codes(s)
		for i := range c {
			if d := math.Abs(float64(c[i] - rough[i])); d > 20.25/float64(int(2)<<bits)*(1+1e-5) {
				t.Errorf("%d bits: %v becomes %v", bits, rough[i], c[i])
			}
		}
		if again, _ := q.Symbols(c); !slices.Equal(again, s) {
			t.Errorf("%d bits: %v become %v", bits, s, again)
		}
	}

	nan := float32(math.NaN())
	for _, c := range []struct {
		want string
		of   func() error
	}{
		{"bits must be from 1 to 12, got 13", func() error { _, err := NewQuantizer(known, 2, 13); return err }},
		{"bits must be from 1 to 12, got 0", func() error { _, err := NewQuantizer(known, 2, 0); return err }},
		{"a code must have an element or more, got 0", func() error { _, err := NewQuantizer(known, 0, 2); return err }},
		{"1000000 elements of 12 bits have more than 2^26 cells", func() error { _, err := NewQuantizer(known, 1e6, 12); return err }},
		{"there are no codes to find the range of", func() error { _, err := NewQuantizer(nil, 2, 2); return err }},
		{"there must be whole codes of 3 elements, got 8 elements", func() error { _, err := NewQuantizer(known, 3, 2); return err }},
		{"the code of row 1 is NaN at 0, must be finite", func() error { _, err := NewQuantizer([]float32{1, 2, nan, 1}, 2, 2); return err }},
		{"the code of row 0 is NaN at 1, must be finite", func() error { _, err := q.Symbols([]float32{0, nan}); return err }},
		{"there must be whole codes of 2 elements, got 1 elements", func() error { _, err := q.Symbols([]float32{0}); return err }},
		{"symbol 1 of row 0 is 4, must be below 4", func() error { _, err := q.Codes([]uint16{0, 4}); return err }},
		{"there must be whole codes of 2 symbols, got 1 symbols", func() error { _, err := q.Length([]uint16{0}); return err }},
		{"there are no symbols", func() error { _, err := q.Length(nil); return err }},
		{"entropy: there must be whole codes of 2 symbols, got 0 symbols", func() error { _, err := Entropy(nil, 2); return err }},
		{"entropy: there must be whole codes of 2 symbols, got 3 symbols", func() error { _, err := Entropy([]uint16{1, 2, 3}, 2); return err }},
	} {
		if err := c.of(); err == nil || !strings.HasPrefix(err.Error(), "evaluate: ") || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// TestEntropy knows the answers: four symbols alike are 2 bits, one alone is none.
func TestEntropy(t *testing.T) {
	e, err := Entropy([]uint16{0, 7, 65535, 7, 2, 7, 3, 7, 0, 7, 65535, 7, 2, 7, 3, 7}, 2)
	if err != nil || !slices.Equal(e.Dims, []float64{2, 0}) || math.Signbit(e.Dims[1]) || e.Code != 2 || e.Symbol != 1 {
		t.Errorf("got %+v, %v", e, err)
	}
	e, err = Entropy([]uint16{1, 1, 1, 9}, 1)
	near(t, "entropy of 3:1", 2-0.75*math.Log2(3), 1e-15)(e.Code, err)
}

// function compiles a function of an input f32[N 1 2 2] or f32[N 4].
func function(t *testing.T, name string, dims []int, build func(b *ir.Builder, x *ir.Value) *ir.Value) *engine.Net {
	t.Helper()
	b := ir.NewBuilder(name)
	shape := ir.Shape{ir.Rows()}
	for _, d := range dims {
		shape = append(shape, ir.Fixed(d))
	}
	v := build(b, b.Input(name+"/in", ir.Type{DType: ir.F32, Shape: shape}))
	v.Name = name + "/out"
	b.Output(v)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	p, err := compiler.CompileGraph(b.Graph, compiler.Options{Rows: 2})
	if err != nil {
		t.Fatal(err)
	}
	n, err := engine.NewNet(b.Graph, p, nil, engine.Record{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRates compresses pictures by codes that are twice their pixels, so that nothing but
// the rounding is lost.
func TestRates(t *testing.T) {
	half := func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Mul{}, x, b.Const(ir.F32, 0.5)) }
	encoder := function(t, "e", []int{1, 2, 2}, func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Add{}, x, x) })
	decoder := function(t, "d", []int{1, 2, 2}, half)
	rows := func(v ...float32) *dataset.Table {
		table, err := dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "e/in", DType: dataset.F32, Shape: []int{1, 2, 2}}, F32: v})
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	train := rows(0, 0, 0, 0, 1, 1, 1, 1)
	test := rows(0, 1, 0.25, 0.75, 0.5, 0, 0.4, 1, 1, 1, 1, 1)
	got, err := Rates(t.Context(), encoder, decoder, train, test, 1, 1, 2)
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	// One bit: pixels become 0.25 or 0.75. Every symbol is as frequent as the other.
	var sum float64
	for _, v := range []float64{0, 1, 0.25, 0.75, 0.5, 0, 0.4, 1, 1, 1, 1, 1} {
		w := 0.25
		if v >= 0.5 {
			w = 0.75
		}
		sum += (v - w) * (v - w)
	}
	r := got[0]
	if r.Bits != 1 || r.Length != 4 || r.PerPixel != 1 || len(r.Entropy.Dims) != 4 {
		t.Errorf("one bit: %+v", r)
	}
	near(t, "PSNR", 10*math.Log10(12/sum), 1e-6)(r.PSNR, nil)
	near(t, "entropy", math.Log2(3)-2./3, 1e-15)(r.Entropy.Dims[0], nil) // 0, 1, 1
	// Two bits: of 4 symbols and 2 rows of training, 0 and 3 have 2 of 6, the others 1. Of
	// the 12 elements 0, 0, 1, 1, 1, 1, 1, 1 and 0.75 are at the ends.
	r = got[1]
	near(t, "length", (9*math.Log2(3)+3*math.Log2(6))/3, 1e-12)(r.Length, nil)
	near(t, "rate", r.Length/4, 0)(r.PerPixel, nil)

	flat := function(t, "d", []int{4}, half)
	if again, err := Rates(t.Context(), encoder, flat, train, test, 1, 1); err != nil || again[0].PSNR != got[0].PSNR {
		t.Errorf("a decoder that takes the numbers in another shape: %v, %v", again, err)
	}
	two := function(t, "d", []int{2}, half)
	wide := function(t, "d", []int{4}, func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ops.Concat{Axis: 1}, x, x) })
	inf := rows(0, 0, 0, float32(math.MaxFloat32))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		want string
		of   func() ([]Rate, error)
	}{
		{`the decoder's input "d/in" must take the 4 numbers of a code "e/out", got f32[N 2]`, func() ([]Rate, error) { return Rates(t.Context(), encoder, two, train, test, 1, 1) }},
		{`the decoder's output "d/out" must have the 4 numbers of a picture "e/in", got f32[N 8]`, func() ([]Rate, error) { return Rates(t.Context(), encoder, wide, train, test, 1, 1) }},
		{"the data are empty", func() ([]Rate, error) { return Rates(t.Context(), encoder, decoder, train, none{test}, 1, 1) }},
		{"the data are empty", func() ([]Rate, error) { return Rates(t.Context(), encoder, decoder, none{test}, test, 1, 1) }},
		{"the code of row 0 is +Inf at 3", func() ([]Rate, error) { return Rates(t.Context(), encoder, decoder, inf, test, 1, 1) }},
		{"bits must be from 1 to 12, got 20", func() ([]Rate, error) { return Rates(t.Context(), encoder, decoder, train, test, 1, 20) }},
		{"the peak must be positive", func() ([]Rate, error) { return Rates(t.Context(), encoder, decoder, train, test, 0, 1) }},
		{`needs a column of that name`, func() ([]Rate, error) {
			return Rates(t.Context(), encoder, decoder, train.Rename("e/in", "z"), test, 1, 1)
		}},
		{"context canceled", func() ([]Rate, error) { return Rates(ended, encoder, decoder, train, test, 1, 1) }},
	} {
		if _, err := c.of(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// none is a source without rows.
type none struct{ *dataset.Table }

func (none) Len() int { return 0 }

// TestMosaic compares with files made here, in gray and in colour, where the last mosaic is
// not full.
func TestMosaic(t *testing.T) {
	const h, w = 8, 12
	for _, channels := range []int{1, 3} {
		m := Mosaic{Channels: channels, Height: h, Width: w, Across: 3}
		var pictures []float32 // thirteen: nine, then four in two lines
		for p := range 13 {
			for c := range channels {
				for i := range h * w {
					pictures = append(pictures, float32((p+c+i%w)*(i/w+1)%32)/31)
				}
			}
		}
		bits, sum := 0, 0.0
		for first, high := range map[int]int{0: 3 * h, 9: 2 * h} {
			img := image.NewRGBA(image.Rect(0, 0, 3*w, high))
			gray := image.NewGray(img.Rect)
			place := func(x, y int) (p, i int) { return first + y/h*3 + x/w, y%h*w + x%w }
			at := func(x, y, c int) float64 {
				if p, i := place(x, y); p < 13 {
					return float64(pictures[(p*channels+c)*h*w+i])
				}
				return 0
			}
			level := func(v float64) uint8 { return uint8(math.Round(255 * v)) }
			for y := range high {
				for x := range 3 * w {
					gray.Pix[y*3*w+x] = level(at(x, y, 0))
					img.Set(x, y, color.RGBA{level(at(x, y, 0)), level(at(x, y, channels/2)), level(at(x, y, channels-1)), 255})
				}
			}
			var file bytes.Buffer
			var from image.Image = gray
			if channels == 3 {
				from = img
			}
			if err := jpeg.Encode(&file, from, &jpeg.Options{Quality: 40}); err != nil {
				t.Fatal(err)
			}
			bits += 8 * file.Len()
			back, err := jpeg.Decode(&file)
			if err != nil {
				t.Fatal(err)
			}
			for y := range high {
				for x := range 3 * w {
					if p, _ := place(x, y); p >= 13 {
						continue
					}
					c := color.NRGBAModel.Convert(back.At(x, y)).(color.NRGBA)
					for k, v := range []uint8{c.R, c.G, c.B}[:channels] {
						d := float64(v)/255 - at(x, y, k)
						sum += d * d
					}
				}
			}
		}
		rate, ratio, err := m.JPEG(pictures, 40)
		near(t, "bits per pixel", float64(bits)/(13*h*w), 1e-12)(rate, err)
		near(t, "PSNR", 10*math.Log10(float64(len(pictures))/sum), 1e-5)(ratio, err)
		low, worse, err := m.JPEG(pictures, 5)
		if err != nil || !(low < rate && worse < ratio) {
			t.Errorf("quality 5: %v bits per pixel, %v dB (%v), at 40 it is %v and %v", low, worse, err, rate, ratio)
		}
	}
	m := Mosaic{Channels: 1, Height: 2, Width: 2, Across: 16}
	four := make([]float32, 4)
	if _, ratio, err := m.JPEG(four, 90); err != nil || !math.IsInf(ratio, 1) {
		t.Errorf("a black picture: %v, %v", ratio, err)
	}
	for want, f := range map[string]func() (float64, float64, error){
		"the quality must be from 1 to 100, got 0":                    func() (float64, float64, error) { return m.JPEG(four, 0) },
		"a picture must have 1 channel for gray or 3 for colour, got": func() (float64, float64, error) { return Mosaic{2, 2, 2, 1}.JPEG(four, 9) },
		"a mosaic must have positive lengths, got 0 across, of 2x2":   func() (float64, float64, error) { return Mosaic{1, 2, 2, 0}.JPEG(four, 9) },
		"40000 pictures of 2x2 beside each other are more than":       func() (float64, float64, error) { return Mosaic{1, 2, 2, 40000}.JPEG(four, 9) },
		"there are no pictures":                                       func() (float64, float64, error) { return m.JPEG(nil, 9) },
		"there must be whole pictures of [1 2 2], got 3 values":       func() (float64, float64, error) { return m.JPEG(four[:3], 9) },
		"pixels must be finite, got +Inf":                             func() (float64, float64, error) { return m.JPEG([]float32{0, 0, 0, float32(math.Inf(1))}, 9) },
	} {
		if _, _, err := f(); err == nil || !strings.HasPrefix(err.Error(), "evaluate: JPEG: "+want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
