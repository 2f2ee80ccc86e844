//go:build amd64 && !noasm

package simd

import (
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"testing"
)

// TestArgs holds the structs to the offsets the generator uses.
func TestArgs(t *testing.T) {
	args := reflect.TypeFor[gemmArgs]()
	names := []string{"a", "rsa", "csa", "b", "ldb", "c", "ldc", "bias", "k", "rows", "vecs", "tiles",
		"live", "last", "flags", "mask", "ldMask", "stepA", "stepC", "stepMask", "far", "ldFar", "farLines", "fetchA", "fetchFrom", "plus", "ldPlus", "stepPlus"}
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
	taps := reflect.TypeFor[tapsArgs]()
	for i, name := range []string{"gemmArgs", "at", "taps", "lines", "lineTiles", "nextA", "nextC", "nextPlus", "nextMask", "fetch", "fetchLeft", "fetchTap", "fetchSecond", "leftSecond", "skipB"} {
		want := at * uintptr(min(i, 1))
		if f := taps.Field(i); f.Name != name || f.Offset != want+uintptr(8*max(i-1, 0)) {
			t.Errorf("field %d of tapsArgs is %s at %d, want %s at %d", i, f.Name, f.Offset, name, want+uintptr(8*max(i-1, 0)))
		}
	}
	thin := reflect.TypeFor[narrowArgs]()
	for i, name := range []string{"a", "at", "taps", "k", "colA", "b", "ldb", "c", "ldc", "vecs", "live", "flags"} {
		if f := thin.Field(i); f.Name != name || f.Offset != uintptr(8*i) {
			t.Errorf("field %d of narrowArgs is %s at %d, want %s at %d", i, f.Name, f.Offset, name, 8*i)
		}
	}
	pool := reflect.TypeFor[poolArgs]()
	for i, name := range []string{"x", "y", "dx", "at", "taps", "places", "n", "relu", "won"} {
		if f := pool.Field(i); f.Name != name || f.Offset != uintptr(8*i) {
			t.Errorf("field %d of poolArgs is %s at %d, want %s at %d", i, f.Name, f.Offset, name, 8*i)
		}
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

// TestPanels: for every tile as the limit, panels and row tiles cover C once, with tiles that exist and last vectors that
// end where they should.
func TestPanels(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512} {
		exists := map[[2]int]bool{}
		for _, tile := range tiles(set) {
			exists[tile] = true
		}
		for limit := range exists {
			for n := 1; n < 200; n++ {
				for left := n; left > 0; {
					p := panel(set, true, left, limit[1])
					what := fmt.Sprintf("%v, limit %v: %d columns begin with %+v", set, limit, left, p)
					if p.width < 1 || p.width > left || p.nr > limit[1] {
						t.Fatal(what)
					}
					for rows := range min(limit[0], tallest(set, p.nr)) {
						if !exists[[2]int{rows + 1, p.nr}] && !(rows == 0 && exists[[2]int{1, (p.nr + 15) &^ 15}]) {
							t.Fatalf("%s: no tile of %d rows", what, rows+1)
						}
					}
					if first, end := liveColumns(set, p); first > p.nr-1 || end != p.width {
						t.Fatalf("%s: the last vector is %d to %d", what, first, end)
					}
					left -= p.width
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

// TestTapPanels: panels of products by taps cover the columns once, with tiles that exist and last vectors that end where
// they should.
func TestTapPanels(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512} {
		for _, tile := range tapsTiles(set) {
			s := whole(set)
			s.tapsRows, s.tapsCols, s.tapsForced = tile[0], tile[1], true
			for n := 1; n < 100; n++ {
				for left := n; left > 0; {
					p := s.tapPanel(left, s.tapsCols)
					what := fmt.Sprintf("%v, limit %v: %d columns begin with %+v", set, tile, left, p)
					if p.width < 1 || p.width > left || p.nr > tile[1] {
						t.Fatal(what)
					}
					if !slices.Contains(tapsTiles(set), [2]int{s.tapRows(p.nr), p.nr}) {
						t.Fatalf("%s: no tile of %d rows", what, s.tapRows(p.nr))
					}
					if _, end := liveColumns(set, p); set == isaAVX2 && end != p.width || set == isaAVX512 && (p.nr-1)&^15+bits.Len64(p.live) != p.width {
						t.Fatalf("%s: the last vector ends elsewhere", what)
					}
					left -= p.width
				}
			}
		}
	}
}

// liveColumns says at which column the last vector of a panel begins and where it ends.
func liveColumns(set isa, p columns) (first, end int) {
	first = int(p.last / 4)
	switch {
	case set == isaAVX512:
		return first, first + bits.Len64(p.live)
	case p.nr == 4:
		return 0, int(p.live)
	case p.nr == 7 || p.nr == 12:
		return first, first + 4
	}
	return first, first + 8
}
