package simd

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTilesReached: for every tile of the list there is a product that the driver cuts into such tiles, and it cuts none
// into others.
func TestTilesReached(t *testing.T) {
	for _, set := range []isa{isaAVX2, isaAVX512, isaNEON} {
		reached := map[[2]int]bool{}
		for _, r := range rulesOf {
			s := whole(set)
			s.rules = r
			for _, k := range []int{30, 100, 300} {
				for m := 1; m <= 40; m++ {
					for n := 1; n <= 140; n++ {
						s.cut(m, n, k, false, n, func(rows, nr int) { reached[[2]int{rows, nr}] = true })
					}
				}
			}
		}
		for _, tile := range tiles(set) {
			if !reached[tile] {
				t.Errorf("%v: nothing is cut into tiles of %d rows and %d columns", set, tile[0], tile[1])
			}
			delete(reached, tile)
		}
		for tile := range reached {
			t.Errorf("%v: tiles of %d rows and %d columns are not in the list", set, tile[0], tile[1])
		}
	}
}

// cut calls f for the tiles of a product as the driver does.
func (s *selection) cut(m, n, k int, turned bool, ldb int, f func(rows, nr int)) {
	limit := s.columns(m, n, k, turned, ldb)
	for j := 0; j < n; {
		p := s.panel(n-j, limit)
		for i := 0; i < m; {
			rows, count := rowTiles(m-i, s.rows(m, k, p.nr))
			if p.nr != 0 { // NEON leaves fewer than four columns to Go
				f(rows, p.nr)
			}
			i += rows * count
		}
		j += p.width
	}
}

// TestKernelText bounds what is generated for float32 products, so that it does not creep back to the 27 thousand lines
// and 142 functions that it was.
func TestKernelText(t *testing.T) {
	const mostLines, mostFunctions, mostStubs = 15000, 40, 300
	lines, functions, stubs := 0, 0, 0
	for pattern, count := range map[string]*int{"gemm_*64.s": &lines, "stubs_gemm_*.go": &stubs} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < 2 {
			t.Fatal(files, err)
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			*count += bytes.Count(text, []byte("\n"))
			functions += strings.Count(string(text), "\nTEXT ")
		}
	}
	if lines > mostLines || functions > mostFunctions || stubs > mostStubs {
		t.Errorf("%d lines in %d functions with %d lines of declarations; at most %d in %d with %d", lines, functions, stubs, mostLines, mostFunctions, mostStubs)
	}
}
