package simd

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkBF16 prints the least time of a float32 product and of the same in bf16, in the set LAMINA_KERNEL names: packed
// right operand, and B as it lies. They alternate in samples of 1.5 ms, each of which counts only between two measurements of the
// FMA peak that are 97 % of the best one or more, so that other programs disturb them least. LAMINA_SHAPES picks shapes by
// part of their names.
func BenchmarkBF16(b *testing.B) {
	type shape struct {
		m, n, k int
		layout  string
	}
	shapes := []shape{
		{256, 100, 784, "NN"}, {256, 784, 100, "NT"}, {64, 100, 784, "NN"}, {64, 784, 100, "NT"}, {64, 100, 784, "NT"}, {256, 30, 100, "NN"}, {256, 100, 30, "NT"},
		{784, 100, 256, "TN"}, {100, 784, 256, "TN"}, {100, 30, 256, "TN"}, {256, 1000, 784, "NN"}, {256, 500, 1000, "NN"}, {64, 500, 1000, "NN"}, {256, 1000, 500, "NT"},
		{64, 1000, 500, "NT"}, {256, 250, 500, "NN"}, {784, 1000, 256, "TN"}, {1000, 500, 256, "TN"}, {500, 250, 256, "TN"}, {1024, 1024, 1024, "NN"}, {32, 32, 16, "NN"}, {1, 784, 100, "NN"},
	}
	only := os.Getenv("LAMINA_SHAPES")
	for _, s := range shapes {
		name := fmt.Sprintf("%dx%dx%d%s", s.m, s.n, s.k, s.layout)
		if !strings.Contains(name, only) {
			continue
		}
		b.Run(fmt.Sprintf("%s/%s", name, Active()), func(b *testing.B) {
			m, n, k := s.m, s.n, s.k
			x, y, yt, z := make([]float32, m*k), make([]float32, k*n), make([]float32, k*n), make([]float32, m*n)
			for i := range x {
				x[i] = float32(i%61)/61 - 0.3
			}
			for i := range y {
				y[i] = float32(i%53)/53 - 0.6
			}
			xb, yb := make([]uint16, m*k), make([]uint16, k*n)
			ToBF16(xb, x)
			ToBF16(yb, y)
			tiles, tmp := make([]uint16, BF16Tiles(k, n)), make([]float32, BF16Scratch(m, n, k))
			rsa, csa, rsb, csb := k, 1, n, 1
			switch s.layout {
			case "TN":
				rsa, csa = 1, m
			case "NT":
				rsb, csb = 1, k
			}
			PackBF16Tiles(tiles, k, n, y, rsb, csb, 0, k, 0, n)
			copy(yt, y) // the float32 product has its transposed twin ready
			variants := []func(){
				func() { Gemm(m, n, k, x, rsa, csa, yt, n, z, n, false, Epilogue{}) },
				func() { GemmBF16(m, n, k, xb, rsa, csa, yb, rsb, csb, z, n, false, Epilogue{}, tmp) },
				func() { GemmBF16Tiles(m, n, k, xb, rsa, csa, tiles, z, n, false, Epilogue{}, tmp) },
			}
			flops := 2 * float64(m*n*k)
			quiet := 0.0
			for range 30 {
				quiet = max(quiet, PeakFMA(time.Millisecond/4))
			}
			times := make([][]float64, len(variants))
			for b.Loop() {
				for v, f := range variants {
					f()
					before, calls, start := PeakFMA(time.Millisecond/8), 0, time.Now()
					for time.Since(start) < 1500*time.Microsecond {
						f()
						calls++
					}
					took := float64(time.Since(start).Nanoseconds()) / float64(calls)
					if after := PeakFMA(time.Millisecond / 8); min(before, after) >= 0.97*quiet {
						times[v] = append(times[v], took)
					}
				}
			}
			b.ReportMetric(0, "ns/op")
			for v, name := range []string{"f32", "bf16", "tiles"} {
				if len(times[v]) < 3 {
					b.Fatalf("only %d quiet samples", len(times[v]))
				}
				slices.Sort(times[v])
				took := times[v][len(times[v])/20]
				b.ReportMetric(took/1e3, name+"-us")
				b.ReportMetric(100*flops/took/quiet, name+"-%peak")
				if v > 0 {
					b.ReportMetric(times[0][len(times[0])/20]/took, name+"-x")
				}
			}
		})
	}
}

// BenchmarkBF16Vector prints nanoseconds per element of roundings and packings, of the fastest call.
func BenchmarkBF16Vector(b *testing.B) {
	const k, n = 784, 100
	x, y := make([]float32, k*n), make([]uint16, k*n)
	for i := range x {
		x[i] = float32(i%37)/10 - 1.8
	}
	tiles := make([]uint16, max(BF16Tiles(k, n), BF16Tiles(n, k)))
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"round", func() { ToBF16(y, x) }},
		{"widen", func() { FromBF16(x, y) }},
		{"pack784x100", func() { PackBF16Tiles(tiles, k, n, x, n, 1, 0, k, 0, n) }},
		{"pack100x784", func() { PackBF16Tiles(tiles, n, k, x, k, 1, 0, n, 0, k) }},
		{"pack784x100turned", func() { PackBF16Tiles(tiles, k, n, x, 1, k, 0, k, 0, n) }},
		{"pack100x784turned", func() { PackBF16Tiles(tiles, n, k, x, 1, n, 0, n, 0, k) }},
	} {
		b.Run(fmt.Sprintf("%s/%s", c.name, Active()), func(b *testing.B) {
			best := time.Hour
			for b.Loop() {
				start := time.Now()
				c.f()
				best = min(best, time.Since(start))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(best.Nanoseconds())/(k*n), "ns/element")
		})
	}
}
