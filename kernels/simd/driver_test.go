//go:build amd64 && !noasm

package simd

import (
	"fmt"
	"math/bits"
	"reflect"
	"testing"
)

// TestArgs holds the structs to the offsets the generator uses.
func TestArgs(t *testing.T) {
	args := reflect.TypeFor[gemmArgs]()
	names := []string{"a", "rsa", "csa", "b", "ldb", "c", "ldc", "bias", "k", "tiles", "live", "flags", "mask", "ldMask", "at", "far", "ldFar"}
	if args.NumField() != len(names) {
		t.Fatalf("gemmArgs has %d fields, want %d", args.NumField(), len(names))
	}
	at := uintptr(0)
	for i, name := range names {
		f := args.Field(i)
		if f.Name != name || f.Offset != at {
			t.Errorf("field %d is %s at %d, want %s at %d", i, f.Name, f.Offset, name, at)
		}
		at += f.Type.Size()
	}
	bf := reflect.TypeFor[bf16Args]()
	for i, name := range []string{"a", "strip", "b", "ldb", "c", "ldc", "blocks", "tail", "tiles", "flags", "live"} {
		if f := bf.Field(i); f.Name != name || f.Offset != uintptr(8*i) {
			t.Errorf("field %d of bf16Args is %s at %d, want %s at %d", i, f.Name, f.Offset, name, 8*i)
		}
	}
	for name, at := range map[string]uintptr{"status": 88, "flush": 92} {
		if f, _ := bf.FieldByName(name); f.Offset != at {
			t.Errorf("bf16Args.%s at %d, want %d", name, f.Offset, at)
		}
	}
	if f, _ := reflect.TypeFor[sgdConsts]().FieldByName("nesterov"); f.Offset != 16 {
		t.Errorf("sgdConsts.nesterov at %d, want 16", f.Offset)
	}
}

// TestPanels: for every tile as the limit, panels and row tiles cover C once, with tiles that exist and masks that fit.
func TestPanels(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512} {
		exists := map[[2]int]bool{}
		for _, tile := range tiles(set) {
			exists[tile] = true
		}
		for limit := range exists {
			for n := 1; n < 200; n++ {
				for left := n; left > 0; {
					width, nr, live := panel(set, left, limit[1])
					what := fmt.Sprintf("%v, limit %v: %d columns begin with %d in a tile of %d, live %d", set, limit, left, width, nr, live)
					if width < 1 || width > left || nr > limit[1] {
						t.Fatal(what)
					}
					for rows := range limit[0] {
						if !exists[[2]int{rows + 1, nr}] {
							t.Fatalf("%s: no tile of %d rows", what, rows+1)
						}
					}
					if first, end := liveColumns(set, nr, live); first > nr-1 || end != width {
						t.Fatalf("%s: the last vector is %d to %d", what, first, end)
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

// liveColumns says at which column the last vector of a tile begins and where it ends.
func liveColumns(set isa, nr int, live uint64) (first, end int) {
	switch {
	case set == isaAVX512:
		first = (nr - 1) &^ 15
		return first, first + bits.Len64(live)
	case nr == 4:
		return 0, int(live)
	case nr == 8:
		return 0, 8
	case nr == 7 || nr == 12:
		return int(live / 4), int(live/4) + 4
	}
	return int(live / 4), int(live/4) + 8
}
