package float16

import (
	"math"
	"testing"
)

// TestOfBits holds the conversions by bits against those by arithmetic: around every
// number of 16 bits, halfway to the next and beside that.
func TestOfBits(t *testing.T) {
	check := func(x float32) {
		if a, b := HalfOf(x), HalfBits(float64(x)); a != b {
			t.Fatalf("%v (%x) is %x as a half, want %x", x, math.Float32bits(x), a, b)
		}
		if a, b := BrainOf(x), BrainBits(float64(x)); a != b {
			t.Fatalf("%v (%x) is %x as a bfloat16, want %x", x, math.Float32bits(x), a, b)
		}
	}
	for i := range 1 << 16 {
		for _, x := range []float32{Half(uint16(i)), Brain(uint16(i))} {
			for _, more := range []uint32{0, 1, 0xfff, 0x1000, 0x1001, 0x1fff, 0x7fff, 0x8000, 0x8001, 0xffff} {
				check(math.Float32frombits(math.Float32bits(x) + more))
			}
		}
	}
	for b := uint32(0); b < 1<<32-1009; b += 1009 {
		check(math.Float32frombits(b))
	}
}
