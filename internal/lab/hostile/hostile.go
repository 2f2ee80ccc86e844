// Package hostile tests parsers with damaged and malicious files: no panic, and
// memory and allocations bounded by the size of the file. Time is not measured,
// since it depends on what else the machine does; a parser that hangs meets the
// limit of go test.
package hostile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
)

// What reading one file may take.
const (
	BaseMemory      = 64 << 20 // bytes, whatever the file
	FileMemory      = 4        // bytes a byte of the file
	BaseAllocations = 64 << 10 // whatever the file
	FileAllocations = 4        // a byte of the file
	MaxMessage      = 64 << 10 // bytes of an error
)

// Environment of a run.
const (
	countEnv = "LAMINA_CORPUS" // files for each parser
	keepEnv  = "LAMINA_KEEP"   // folder that gets the file that fails
	files    = 2000
)

// Parser is what is tested.
type Parser struct {
	Seeds [][]byte            // good files, none empty
	Parse func([]byte) error  // reads a file; anything but an error is a failure of its own
	Mend  func([]byte) []byte // makes checksums right again, so that the damage gets behind them; nil if there are none
}

// Corpus parses mutated files, 2,000 or as many as LAMINA_CORPUS says, always the
// same. Every second one is mended. It fails if none is refused, or none accepted.
func Corpus(t *testing.T, p Parser) {
	t.Helper()
	n := files
	if s := os.Getenv(countEnv); s != "" {
		k, err := strconv.Atoi(s)
		if err != nil || k < 1 {
			t.Fatalf("%s must be a number of files, got %q", countEnv, s)
		}
		n = k
	}
	for i, s := range p.Seeds {
		if err := Watch(t, fmt.Sprintf("seed %d", i), s, p.Parse); err != nil {
			t.Fatalf("seed %d is refused: %v", i, err)
		}
	}
	refused := 0
	for i := range n {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		name, data := mutate(r, p.Seeds[i%len(p.Seeds)], p.Seeds)
		if p.Mend != nil && r.IntN(2) == 0 {
			data = p.Mend(data)
		}
		name = fmt.Sprintf("file %d (%s)", i, name)
		err := Watch(t, name, data, p.Parse)
		if t.Failed() {
			if dir := os.Getenv(keepEnv); dir != "" {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("finding-%d", i)), data, 0o644); err != nil {
					t.Error(err)
				}
			}
			t.Fatalf("%s fails; %s=FOLDER keeps it", name, keepEnv)
		}
		if err != nil {
			refused++
		}
	}
	t.Logf("%d files: %d refused, %d accepted", n, refused, n-refused)
	if n >= files && (refused == 0 || refused == n) {
		t.Errorf("%d of %d files are refused: the mutations test nothing", refused, n)
	}
}

// Findings parses the files of a folder, which once failed. A folder that does not
// exist has none.
func Findings(t *testing.T, dir string, parse func([]byte) error) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_ = Watch(t, path, data, parse)
	}
}

// Watch parses one file and reports what it may not do: panic, allocate too much or
// too often, say too much, or change the file. Memory is everything that was
// allocated, live or not, which is no less than the peak; nothing else may run
// meanwhile.
func Watch(t testing.TB, name string, data []byte, parse func([]byte) error) (err error) {
	t.Helper()
	given := bytes.Clone(data)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	defer func() {
		runtime.ReadMemStats(&after)
		if v := recover(); v != nil {
			t.Errorf("%s: panic: %v\n%s", name, v, debug.Stack())
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > BaseMemory+FileMemory*uint64(len(data)) {
			t.Errorf("%s: %d bytes became %d in memory", name, len(data), n)
		}
		if n := after.Mallocs - before.Mallocs; n > BaseAllocations+FileAllocations*uint64(len(data)) {
			t.Errorf("%s: %d bytes took %d allocations", name, len(data), n)
		}
		if err != nil && len(err.Error()) > MaxMessage {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
		if !bytes.Equal(given, data) {
			t.Errorf("%s: the parser changed what it read", name)
		}
	}()
	return parse(data)
}
