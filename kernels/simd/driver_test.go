//go:build amd64 && !noasm

package simd

import (
	"math/bits"
	"reflect"
	"testing"
)

// TestArgs holds the structs to the offsets the generator uses.
func TestArgs(t *testing.T) {
	args := reflect.TypeFor[gemmArgs]()
	names := []string{"a", "rsa", "csa", "b", "ldb", "c", "ldc", "bias", "k", "tiles", "live", "flags", "mask", "ldMask"}
	if args.NumField() != len(names) {
		t.Fatalf("gemmArgs has %d fields, want %d", args.NumField(), len(names))
	}
	for i, name := range names {
		if f := args.Field(i); f.Name != name || f.Offset != uintptr(8*i) {
			t.Errorf("field %d is %s at %d, want %s at %d", i, f.Name, f.Offset, name, 8*i)
		}
	}
	if f, _ := reflect.TypeFor[sgdConsts]().FieldByName("nesterov"); f.Offset != 16 {
		t.Errorf("sgdConsts.nesterov at %d, want 16", f.Offset)
	}
}

// TestPanels: for every tile as the limit, panels and row tiles cover C once, with tiles that exist and masks that fit.
func TestPanels(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512} {
		lanes := map[isa]int{isaAVX2: 8, isaAVX512: 16}[set]
		exists := map[[2]int]bool{}
		for _, tile := range tiles(set) {
			exists[tile] = true
		}
		for limit := range exists {
			for n := 1; n < 200; n++ {
				for left := n; left > 0; {
					width, nr := panel(set, left, limit[1])
					if width < 1 || width > left || nr > limit[1] || !exists[[2]int{limit[0], nr}] {
						t.Fatalf("%v, limit %v: %d columns begin with %d in a tile of %d", set, limit, left, width, nr)
					}
					last := int(live(set, width, nr))
					if set == isaAVX512 {
						last = bits.Len64(live(set, width, nr))
					}
					if whole := (nr - 1) / lanes * lanes; last < 1 || whole+last != width {
						t.Fatalf("%v: %d columns in a tile of %d leave %d live", set, width, nr, last)
					}
					left -= width
				}
				for left := n; left > 0; {
					rows, count := rowTiles(left, limit[0])
					if rows < 1 || count < 1 || rows > limit[0] || rows*count > left {
						t.Fatalf("%d rows by at most %d begin with %d tiles of %d", left, limit[0], count, rows)
					}
					left -= rows * count
				}
			}
		}
	}
}
