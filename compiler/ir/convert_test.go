package ir

import (
	"math"
	"strings"
	"testing"
)

// TestBitsOfFloats reads every number of the floats of two bytes and writes it
// back, and rounds what lies between two neighbours.
func TestBitsOfFloats(t *testing.T) {
	for _, d := range []DType{F16, BF16} {
		x := NewTensor(d, 1<<16)
		for i := range x.Len() {
			x.Raw[2*i], x.Raw[2*i+1] = byte(i), byte(i>>8)
		}
		wide, y := x.To(F64), NewTensor(d, 1)
		for i, v := range wide.F64 {
			y.Set(0, v)
			if v == v && (y.Raw[0] != byte(i) || y.Raw[1] != byte(i>>8)) || v != v && y.At(0) == y.At(0) {
				t.Fatalf("%v of bits %#x is %v, whose bits are %#x", d, i, v, y.Raw)
			}
			next := i + 1
			if i&0x7fff == 0x7fff || v != v || math.IsInf(v, 0) || math.IsInf(wide.F64[next], 0) {
				continue
			}
			mid := (v + wide.F64[next]) / 2
			even := i + i&1
			for _, c := range []struct {
				x    float64
				bits int
			}{{mid, even}, {math.Nextafter(mid, v), i}, {math.Nextafter(mid, wide.F64[next]), next}} {
				if y.Set(0, c.x); int(y.Raw[0])|int(y.Raw[1])<<8 != c.bits {
					t.Fatalf("%v: %v becomes %#x, want %#x", d, c.x, y.Raw, c.bits)
				}
			}
		}
	}
}

// TestElementsRoundTrip writes and reads constants of every element type.
func TestElementsRoundTrip(t *testing.T) {
	for _, d := range DTypes() {
		b := NewBuilder("g")
		x := NewTensor(d, 4)
		for i, v := range []float64{0, 1, -1.5, 250} {
			x.Set(i, v)
		}
		if d.Integer() {
			least, greatest := d.Range()
			x.SetInt(2, least)
			x.SetInt(3, int64(greatest))
		}
		b.Const(d, 1)
		b.Output(b.Op(pair{}, b.Data("c", d, x)))
		text := Format(b.Graph)
		g, err := Parse(text, byName)
		if err != nil {
			t.Fatalf("%v: %v\n%s", d, err, text)
		}
		if got := Format(g); got != text || Hash(g) != Hash(b.Graph) {
			t.Errorf("%v is read back as\n%s\nwant\n%s", d, got, text)
		}
		for v, y := range g.Data {
			if err := y.Check(); err != nil || v.Type.DType != d || y.DType != d.Reference() {
				t.Errorf("%v is read as %v of %v: %v", v.Type, y.DType, d, err)
			}
		}
	}
	for _, word := range []string{"u8 256", "u8 -1", "i8 128", "i16 -32769", "u64 18446744073709551616", "u32 1.5", "i32 x"} {
		d, w, _ := strings.Cut(word, " ")
		if _, err := Parse("g () => (c) <"+d+"[1] c = {"+w+"}> {\n}\n", byName); err == nil || !strings.Contains(err.Error(), "element of "+d) {
			t.Errorf("%s is accepted: %v", word, err)
		}
	}
}
