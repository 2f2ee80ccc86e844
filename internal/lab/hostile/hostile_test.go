package hostile

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// failures records what Watch reports.
type failures struct {
	testing.TB
	said []string
}

func (f *failures) Helper() {}
func (f *failures) Errorf(format string, a ...any) {
	f.said = append(f.said, format)
}

var sink []byte

func many(n int) {
	for range n {
		sink = make([]byte, 8)
	}
}

func TestWatch(t *testing.T) {
	for name, c := range map[string]struct {
		parse func([]byte) error
		want  string
	}{
		"good":        {func([]byte) error { return nil }, ""},
		"refused":     {func([]byte) error { return errors.New("no") }, ""},
		"panic":       {func(b []byte) error { _ = b[len(b)]; return nil }, "panic"},
		"memory":      {func([]byte) error { sink = make([]byte, BaseMemory+64); sink = nil; return nil }, "in memory"},
		"allocations": {func([]byte) error { many(BaseAllocations + 64); return nil }, "allocations"},
		"message":     {func([]byte) error { return errors.New(strings.Repeat("x", MaxMessage+1)) }, "an error of"},
		"changed":     {func(b []byte) error { b[0]++; return nil }, "changed"},
	} {
		f := &failures{TB: t}
		_ = Watch(f, name, []byte("file"), c.parse)
		if said := strings.Join(f.said, "\n"); c.want == "" && said != "" || !strings.Contains(said, c.want) {
			t.Errorf("%s: said %q, want %q", name, said, c.want)
		}
	}
}

// Every mutation must change files and leave its seed alone.
func TestMutations(t *testing.T) {
	seed := []byte("abc (x 12 -7) {\"k\": [1, 2]}\n")
	keep := bytes.Clone(seed)
	for _, m := range mutations {
		changed := 0
		for i := range 50 {
			r := rand.New(rand.NewPCG(2, uint64(i)))
			if !bytes.Equal(m.do(r, bytes.Clone(seed), [][]byte{seed}), seed) {
				changed++
			}
			m.do(r, []byte{1}, [][]byte{seed})
		}
		if changed < 25 {
			t.Errorf("%q changed %d of 50 files", m.name, changed)
		}
	}
	for i := range 500 {
		mutate(rand.New(rand.NewPCG(3, uint64(i))), seed, [][]byte{seed})
	}
	if !bytes.Equal(seed, keep) {
		t.Error("the seed was changed")
	}
}
