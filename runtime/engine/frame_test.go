package engine

import (
	"math"
	"testing"
)

// TestFrames puts images into frames whose memory held something else: around each image
// there are zeros, and nothing is left of what was there.
func TestFrames(t *testing.T) {
	for _, c := range []struct{ ih, iw, c, top, left, h, w int }{
		{3, 4, 2, 1, 1, 5, 6}, {3, 4, 1, 0, 2, 3, 9}, {3, 4, 2, 2, 0, 4, 3}, {1, 1, 3, 5, 5, 2, 2}, {3, 4, 1, 1, 3, 2, 4},
	} {
		f := newFrame(c.ih, c.iw, c.c, c.top, c.left, c.h, c.w)
		mem, x := make([]float32, f.size()), make([]float32, c.ih*c.iw*c.c)
		for i := range mem {
			mem[i] = float32(math.NaN())
		}
		for i := range x {
			x[i] = float32(i + 1)
		}
		f.border(mem)
		mem = f.of(mem, x)
		for i, v := range mem {
			y, px, ch := i/c.c/c.w-c.top, i/c.c%c.w-c.left, i%c.c
			want := float32(0)
			if y >= 0 && y < c.ih && px >= 0 && px < c.iw {
				want = x[(y*c.iw+px)*c.c+ch]
			}
			if v != want {
				t.Fatalf("%+v: element %d is %v, want %v", c, i, v, want)
			}
		}
	}
}
