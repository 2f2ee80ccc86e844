package simd

import (
	"fmt"
	"testing"
	"time"
)

// tapsShape is one of a convolution's products for one image, with the lengths of its operands.
type tapsShape struct {
	name string
	Taps
	a, b, c    int
	accumulate bool
}

// tapsShapes are the convolutions of ResNet-20 and of a convolutional autoencoder of 28 x 28 pixels: forward, the gradient
// of the input and that of the filters. A window of kernel by kernel pixels moves by stride; images have a border of zeros.
func tapsShapes() (all []tapsShape) {
	add := func(name string, p Taps, a, b, c int, accumulate bool) {
		all = append(all, tapsShape{name, p, a, b, c, accumulate})
	}
	conv := func(name string, size, in, out, kernel, stride int) {
		pad := kernel / 2
		places, wide := size/stride, size+2*pad
		image, dy := wide*wide*in, places*places*out
		var at []int
		for y := range kernel {
			at = append(at, y*wide*in)
		}
		add(name+"/fwd", Taps{Lines: places, M: places, N: out, K: kernel * in, LineA: stride * wide * in, RowA: stride * in, ColA: 1,
			At: at, LDB: out, LineC: places * out, LDC: out}, image, kernel*kernel*in*out, dy, false)
		if stride == 1 {
			at = nil
			for y := range kernel {
				at = append(at, y*wide*out)
			}
			add(name+"/dx", Taps{Lines: places, M: places, N: in, K: kernel * out, LineA: wide * out, RowA: out, ColA: 1,
				At: at, LDB: in, LineC: places * in, LDC: in}, wide*wide*out, kernel*kernel*in*out, places*places*in, false)
		} else { // the places that lie under one row and one column of the window of 3 by 3, and under two of each
			wide := places + 1
			for even := range 2 {
				at := []int{0, wide * out}[:1+even]
				add(fmt.Sprintf("%s/dx%d", name, even), Taps{Lines: places, M: places, N: in, K: (1 + even) * out, LineA: wide * out, RowA: out, ColA: 1,
					At: at, LDB: in, LineC: 2 * size * in, LDC: 2 * in}, wide*wide*out, (1+even)*(1+even)*out*in, size*size*in, false)
			}
		}
		at = nil
		for y := range places {
			at = append(at, y*stride*wide*in)
		}
		add(name+"/dw", Taps{Lines: kernel, M: kernel * in, N: out, K: places, LineA: wide * in, RowA: 1, ColA: stride * in,
			At: at, LDB: out, LineC: kernel * in * out, LDC: out}, image, dy, kernel*kernel*in*out, true)
	}
	turned := func(name string, size, in, out int) { // a transposed convolution, 2 x 2, stride 2; forward is one line of the filters
		add(name+"/fwd", Taps{Lines: size, M: size, N: 2 * out, K: in, LineA: size * in, RowA: in, ColA: 1,
			At: []int{0}, LDB: 2 * out, LineC: 4 * size * out, LDC: 2 * out}, size*size*in, 2*in*out, 4*size*size*out, false)
		add(name+"/dx", Taps{Lines: size, M: size, N: in, K: 2 * out, LineA: 4 * size * out, RowA: 2 * out, ColA: 1,
			At: []int{0, 2 * size * out}, LDB: in, LineC: size * in, LDC: in}, 4*size*size*out, 4*out*in, size*size*in, false)
		var at []int
		for y := range size {
			at = append(at, 4*size*out*y)
		}
		add(name+"/dw", Taps{Lines: 2, M: 2 * out, N: in, K: size, LineA: 2 * size * out, RowA: 1, ColA: 2 * out,
			At: at, LDB: in, LineC: 2 * out * in, LDC: in}, 4*size*size*out, size*size*in, 4*out*in, true)
	}
	conv("32x32x16-16", 32, 16, 16, 3, 1)
	conv("16x16x32-32", 16, 32, 32, 3, 1)
	conv("8x8x64-64", 8, 64, 64, 3, 1)
	conv("32x32x16-32/2", 32, 16, 32, 3, 2)
	conv("16x16x32-64/2", 16, 32, 64, 3, 2)
	conv("32x32x3-16", 32, 3, 16, 3, 1) // whose input gradient nobody asks for, and so below
	conv("28x28x1-16", 28, 1, 16, 3, 1)
	conv("14x14x16-32", 14, 16, 32, 3, 1)
	conv("28x28x16-1", 28, 16, 1, 3, 1)
	conv("32x32x16-3", 32, 16, 3, 3, 1)
	turned("7x7x32-16", 7, 32, 16)
	turned("14x14x16-1", 14, 16, 1)
	return all
}

// BenchmarkTaps prints the share of the FMA peak, measured beside each product, in the set LAMINA_KERNEL names, and that of
// a Gemm for each line and tap. Both rates are of the fastest of many samples, which alternate.
func BenchmarkTaps(b *testing.B) {
	for _, s := range tapsShapes() {
		b.Run(fmt.Sprintf("%s/%s", s.name, Active()), func(b *testing.B) {
			x, y, z := make([]float32, s.a), make([]float32, s.b), make([]float32, s.c)
			flops := 2 * float64(s.Lines*s.M*s.N*s.K*len(s.At))
			calls := 1 + int(20e3*40/flops)
			set := selected.Load()
			peak, best, loop := 0.0, time.Hour, time.Hour
			for b.Loop() {
				peak = max(peak, PeakFMA(time.Millisecond/4))
				start := time.Now()
				for range calls {
					GemmTaps(&s.Taps, x, y, z, s.accumulate, Epilogue{})
				}
				best = min(best, time.Since(start))
				start = time.Now()
				for range calls {
					tapsLoop(set, &s.Taps, x, y, z, s.accumulate, Epilogue{})
				}
				loop = min(loop, time.Since(start))
			}
			share := func(d time.Duration) float64 { return 100 * flops * float64(calls) / float64(d.Nanoseconds()) / peak }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(share(best), "%peak")
			b.ReportMetric(share(loop), "%peak-loop")
			b.ReportMetric(float64(best.Nanoseconds())/1e3/float64(calls), "us")
		})
	}
}

// BenchmarkTapsStream is of 128 images one after the other, which the caches do not hold: each is copied between borders of
// zeros, then convolved (fwd), or multiplied with a gradient as long as the result (dw). It prints the share of peak, which
// counts no copy as work, without and with fetching ahead.
func BenchmarkTapsStream(b *testing.B) {
	const images = 128
	for _, s := range tapsShapes() {
		fwd, dw := s.Lines == s.M && s.ColA == 1, s.RowA == 1 && s.Lines == 3 && s.accumulate
		if !fwd && !dw || s.N < 16 || s.Lines*s.M*s.N*s.K*len(s.At) < 1e5 {
			continue
		}
		b.Run(fmt.Sprintf("%s/%s", s.name, Active()), func(b *testing.B) {
			second := s.c // what is written, or the gradient
			if dw {
				second = s.b
			}
			x, y, w := make([]float32, images*s.a), make([]float32, images*second), make([]float32, max(s.b, s.c))
			frame := make([]float32, s.a)
			flops := images * 2 * float64(s.Lines*s.M*s.N*s.K*len(s.At))
			peak, best := 0.0, [2]time.Duration{time.Hour, time.Hour}
			for b.Loop() {
				peak = max(peak, PeakFMA(time.Millisecond/2))
				for ahead := range best {
					start := time.Now()
					for i := range images {
						next := (i + 1) % images
						copy(frame, x[i*s.a:])
						var first, then []float32
						if ahead == 1 {
							first, then = x[next*s.a:][:s.a], y[next*second:][:second]
						}
						if dw {
							GemmTapsAhead(&s.Taps, frame, y[i*second:], w, i > 0, Epilogue{}, first, then)
						} else {
							GemmTapsAhead(&s.Taps, frame, w, y[i*second:], false, Epilogue{}, first, then)
						}
					}
					best[ahead] = min(best[ahead], time.Since(start))
				}
			}
			share := func(d time.Duration) float64 { return 100 * flops / float64(d.Nanoseconds()) / peak }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(share(best[0]), "%peak")
			b.ReportMetric(share(best[1]), "%peak-ahead")
			b.ReportMetric(float64(best[1].Nanoseconds())/1e3/images, "us/image")
		})
	}
}
