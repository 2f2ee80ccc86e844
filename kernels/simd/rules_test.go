package simd

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestRulesKeepBits: whatever the caches and the family, the bits are those of the Go set.
func TestRulesKeepBits(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512, isaNEON} {
		for name, rules := range rulesOf {
			t.Run(fmt.Sprintf("%v-%s", set, name), func(t *testing.T) {
				use(t, fmt.Sprintf("%v-%s", set, name), set.String(), available(set))
				rng := rand.New(rand.NewPCG(31, uint64(set)))
				kib := []int{0, 8, 16, 32, 48, 64, 256, 2048, 1 << 20}
				sizes := []blockSizes{{k: 1, a: 1, alias: 1}, {k: 16, a: 200, alias: 8}, {k: 33, a: 1000, alias: 64}}
				for range 20 {
					cache := func() Cache { return Cache{kib[rng.IntN(len(kib))] << 10, rng.IntN(17), rng.IntN(3)} }
					sizes = append(sizes, sizesFor(Features{L1D: cache(), L2: cache()}))
				}
				for i, b := range sizes {
					s := whole(set)
					s.rules, s.blocks = rules, b
					selected.Store(s)
					m, n, k := 1+rng.IntN(60), 1+rng.IntN(260), 1+rng.IntN(90)
					if i > 2 && i%4 == 0 { // several blocks, and what they pack
						m, n, k = 16+rng.IntN(40), 128+rng.IntN(80), 300+rng.IntN(400)
					}
					if i%3 == 1 { // a tail of four columns
						m, n, k = m+4*tailRows, n%160&^15+tailColumns, 4*k
					}
					checkGemmStrides(t, rng, m, n, k, k, 1, n, n)
					checkGemmStrides(t, rng, m, n, k, 1, m+rng.IntN(200), n+rng.IntN(4), n)
					checkGemmStrides(t, rng, 16*(1+i%5), n&^15+4, 1+i%5, 1, 1, n+4, n+4) // rows and columns of A are one apart
				}
			})
		}
	}
}

// TestSizes: block sizes follow the caches, stay within bounds for any that a CPU may report, and are the usual ones for
// those that it does not.
func TestSizes(t *testing.T) {
	if got := sizesFor(Features{}); got != usual {
		t.Errorf("without caches: %+v", got)
	}
	if got := sizesFor(Features{L1D: Cache{32 << 10, 8, 1}, L2: Cache{512 << 10, 8, 1}}); got != usual {
		t.Errorf("32 KiB and 512 KiB: %+v", got)
	}
	got := sizesFor(Features{L1D: Cache{48 << 10, 12, 1}, L2: Cache{4 << 20, 16, 2}})
	if want := (blockSizes{k: 768, a: 128 << 10, alias: 512}); got != want {
		t.Errorf("48 KiB, and 4 MiB of two cores: %+v, want %+v", got, want)
	}
	for _, size := range []int{-1, 0, 1, 1 << 10, 8 << 10, 1 << 20, 1 << 30, 1 << 40} {
		for _, ways := range []int{-1, 0, 1, 1 << 20} {
			c := Cache{size, ways, ways}
			if b := sizesFor(Features{L1D: c, L2: c}); b.k < 64 || b.a < 4<<10 || b.alias < 64 || b.k > 1<<20 || b.a > 1<<24 {
				t.Errorf("%+v: %+v", c, b)
			}
		}
	}
}

// TestFamilyNames: a set may be named with the rules of a family; other sets and families are errors.
func TestFamilyNames(t *testing.T) {
	for vendor, want := range map[string]string{"AuthenticAMD": "amd", "HygonGenuine": "amd", "GenuineIntel": "intel", "": "intel"} {
		if got := family(vendor); got != want {
			t.Errorf("%q has the rules of %s", vendor, got)
		}
	}
	old := selected.Load()
	t.Cleanup(func() { selected.Store(old) })
	for name := range rulesOf {
		if err := Select("go-" + name); err != nil || Active() != "go" {
			t.Error(err, Active())
		}
	}
	for _, bad := range []string{"go-", "go-arm", "-amd", "amd"} {
		if Select(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
