package random

import (
	"math"
	"slices"
	"testing"
)

// The known answers published with Random123 (kat_vectors, philox4x32 10).
func TestPhiloxKnownAnswers(t *testing.T) {
	pair := func(lo, hi uint32) uint64 { return uint64(lo) | uint64(hi)<<32 }
	for _, c := range []struct{ ctr, key, want [4]uint32 }{
		{want: [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{
			ctr:  [4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
			key:  [4]uint32{0xffffffff, 0xffffffff},
			want: [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		},
		{
			ctr:  [4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
			key:  [4]uint32{0xa4093822, 0x299f31d0},
			want: [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	} {
		a, b := philox(pair(c.ctr[0], c.ctr[1]), pair(c.ctr[2], c.ctr[3]), pair(c.key[0], c.key[1]))
		if a != pair(c.want[0], c.want[1]) || b != pair(c.want[2], c.want[3]) {
			t.Errorf("philox(%x, %x) = %x %x, want %x", c.ctr, c.key, a, b, c.want)
		}
	}
}

func TestDerive(t *testing.T) {
	k := New(7)
	if k.Derive(1, 2) != k.Derive(1).Derive(2) {
		t.Error("Derive(1, 2) differs from Derive(1).Derive(2)")
	}
	if k.Derive() != k {
		t.Error("Derive() is not the key itself")
	}
	seen := map[Key]string{New(0): "0", New(1): "1", k: "7"}
	add := func(name string, k Key) {
		if old, ok := seen[k]; ok {
			t.Errorf("%s and %s are one key", name, old)
		}
		seen[k] = name
	}
	add("1,2", k.Derive(1, 2))
	add("2,1", k.Derive(2, 1))
	add("0", k.Derive(0))
	add("0,0", k.Derive(0, 0))
	for _, s := range []string{"", "\x00", "\x00\x00", "a", "ab", "abcdefgh", "abcdefghi", "abcdefgh\x00"} {
		add("string "+s, k.DeriveString(s))
	}
}

func TestFillEqualsDraws(t *testing.T) {
	k := New(3)
	for n := range 12 {
		for _, i := range []uint64{0, 1, 2, 3, 5, 1 << 40} {
			u, z := make([]float32, n), make([]float32, n)
			k.FillFloat32(u, i)
			k.FillNormal32(z, i)
			for j := range u {
				if want := k.Float32(i + uint64(j)); u[j] != want {
					t.Fatalf("FillFloat32(%d values from %d)[%d] = %v, want %v", n, i, j, u[j], want)
				}
				if want := float32(k.Normal32(i + uint64(j))); z[j] != want {
					t.Fatalf("FillNormal32(%d values from %d)[%d] = %v, want %v", n, i, j, z[j], want)
				}
			}
		}
	}
}

func TestDistributions(t *testing.T) {
	const n = 200_000
	k := New(11)
	var u, u32 float64
	var m [2][5]float64 // sums of powers of Normal and Normal32, the last of the product of neighbours
	for i := range uint64(n) {
		f, g := k.Float64(i), k.Float32(i)
		if f < 0 || f >= 1 || g < 0 || g >= 1 {
			t.Fatalf("draw %d: %v, %v outside [0, 1)", i, f, g)
		}
		u, u32 = u+f, u32+float64(g)
		for j, normal := range []func(uint64) float64{k.Normal, k.Normal32} {
			z := normal(i)
			m[j][0], m[j][1], m[j][2], m[j][3] = m[j][0]+z, m[j][1]+z*z, m[j][2]+z*z*z, m[j][3]+z*z*z*z
			m[j][4] += z * normal(i+1)
		}
	}
	type moment struct {
		name      string
		got, want float64
		deviation float64 // of one draw
	}
	checks := []moment{
		{"mean of Float64", u / n, 0.5, math.Sqrt(1. / 12)},
		{"mean of Float32", u32 / n, 0.5, math.Sqrt(1. / 12)},
	}
	for j, name := range []string{"Normal", "Normal32"} {
		checks = append(checks,
			moment{"mean of " + name, m[j][0] / n, 0, 1},
			moment{"variance of " + name, m[j][1] / n, 1, math.Sqrt2},
			moment{"third moment of " + name, m[j][2] / n, 0, math.Sqrt(15)},
			moment{"fourth moment of " + name, m[j][3] / n, 3, math.Sqrt(96)},
			moment{"correlation of neighbours of " + name, m[j][4] / n, 0, 1})
	}
	for _, c := range checks {
		if tol := 4 * c.deviation / math.Sqrt(n); math.Abs(c.got-c.want) > tol {
			t.Errorf("%s = %v, want %v ± %v", c.name, c.got, c.want, tol)
		}
	}
}

// TestPermDraws holds Perm against its definition: element i changes places with
// one of those up to it, by draw i, from the last down.
func TestPermDraws(t *testing.T) {
	for n := range 40 {
		k := New(uint64(n))
		want := make([]int, n)
		for i := range want {
			want[i] = i
		}
		for i := n - 1; i > 0; i-- {
			j := k.Uint64N(uint64(i), uint64(i)+1)
			want[i], want[j] = want[j], want[i]
		}
		if got := k.Perm(n); !slices.Equal(got, want) {
			t.Errorf("Perm(%d) is %v, want %v", n, got, want)
		}
	}
}

func TestPerm(t *testing.T) {
	k := New(5)
	for _, n := range []int{-1, 0, 1, 2, 100} {
		seen := make([]bool, max(n, 0))
		for _, v := range k.Perm(n) {
			if seen[v] {
				t.Fatalf("Perm(%d) holds %d twice", n, v)
			}
			seen[v] = true
		}
	}
	// Each of the 6 orders of 3 about equally often: chi-square with 5 degrees of freedom, 0.1% point 20.5.
	counts := map[[3]int]float64{}
	const draws = 6000
	for i := range uint64(draws) {
		counts[[3]int(k.Derive(i).Perm(3))]++
	}
	var chi float64
	for _, c := range counts {
		chi += (c - draws/6) * (c - draws/6) / (draws / 6)
	}
	if len(counts) != 6 || chi > 20.5 {
		t.Errorf("orders of Perm(3): %v, chi-square %.1f", counts, chi)
	}
}

func TestNoAllocation(t *testing.T) {
	k, p, f := New(1), make([]int, 50), make([]float32, 50)
	if n := testing.AllocsPerRun(10, func() {
		d := k.DeriveString("dropout").Derive(1, 2, 3)
		d.PermInto(p)
		d.FillFloat32(f, 1)
		d.FillNormal32(f, 1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
