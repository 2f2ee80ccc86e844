package compiler

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/randgraph"
)

var update = flag.Bool("update", false, "rewrite the graphs after the pass in testdata/passes")

const (
	goldenDir    = "../testdata/passes"
	beforeMarker = "=== before\n"
	afterMarker  = "=== after\n"
	errorMarker  = "=== error\n"
)

// golden is one case: a sentence, words that set the state, the graph before
// the pass, and the graph after it or the error.
type golden struct {
	about, words, before, after, fail string
}

func readGolden(t testing.TB, file string) golden {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), beforeMarker)
	if !ok {
		t.Fatalf("%s: no %q", file, beforeMarker)
	}
	var c golden
	c.about, c.words, _ = strings.Cut(strings.TrimSpace(head), "\n")
	if c.before, c.after, ok = strings.Cut(rest, afterMarker); !ok {
		c.before, c.fail, _ = strings.Cut(rest, errorMarker)
	}
	return c
}

func (c golden) String() string {
	s := c.about + "\n"
	if c.words != "" {
		s += c.words + "\n"
	}
	s += beforeMarker + c.before
	if c.fail != "" {
		return s + errorMarker + c.fail
	}
	return s + afterMarker + c.after
}

// TestGolden runs every pass alone on the graphs of its folder.
func TestGolden(t *testing.T) {
	table := map[string]pass{}
	for _, p := range passes() {
		table[p.name] = p
	}
	folders, err := os.ReadDir(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range folders {
		if _, ok := table[d.Name()]; !ok {
			t.Errorf("%s holds cases of no pass", d.Name())
		}
	}
	for _, p := range passes() {
		files, _ := filepath.Glob(filepath.Join(goldenDir, p.name, "*.txt"))
		if len(files) == 0 && !strings.HasPrefix(p.name, "late-") {
			t.Errorf("pass %q has no case in %s", p.name, goldenDir)
		}
		for _, file := range files {
			t.Run(p.name+"/"+strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runGolden(t, p, file) })
		}
	}
}

func runGolden(t *testing.T, p pass, file string) {
	c := readGolden(t, file)
	words := strings.Fields(c.words)
	for _, w := range words {
		if !slices.Contains([]string{"inference", "differentiated", "changes-meaning", "keeps-head", "many-rows"}, w) {
			t.Fatalf("unknown word %q", w)
		}
	}
	g, err := ir.Parse(c.before, ops.ByName)
	if err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(g); err != nil {
		t.Fatal(err)
	}
	origin, _ := g.Clone()
	s := &state{opt: Options{Rows: 4}, inference: slices.Contains(words, "inference"),
		differentiated: slices.Contains(words, "differentiated"), planned: true, loss: "loss"}
	if slices.Contains(words, "many-rows") {
		s.opt.UpdateRows = 256
	}
	if slices.Contains(words, "keeps-head") {
		s.opt.UpdateRows = 64
		s.opt.BF16 = &BF16{Keep: func(layer string) bool { return layer == "head" }}
	}
	err = s.step(g, p)
	got := c
	got.before = ir.Format(origin)
	got.after, got.fail = "", ""
	if err != nil {
		got.fail = err.Error() + "\n"
	} else {
		got.after = ir.Format(g)
		if !slices.Contains(words, "changes-meaning") {
			env := testEnv()
			in := randgraph.Feed(origin, env, 1)
			near(t, file, results(t, g, env, in), results(t, origin, env, in))
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got.String() != c.String() {
		t.Errorf("%s is\n%s\nwant (rewrite with -update)\n%s", file, got, c)
	}
	if err == nil {
		again(t, p, s, g)
	}
}

// again fails unless a second run leaves a pass's own work alone.
func again(t *testing.T, p pass, s *state, g *ir.Graph) {
	t.Helper()
	if p.name == "autodiff" {
		return
	}
	once := ir.Text(g)
	if err := s.step(g, p); err != nil {
		t.Fatal(err)
	}
	if twice := ir.Text(g); twice != once {
		t.Errorf("a second run of %s changes the graph:\n%s\nfrom\n%s", p.name, twice, once)
	}
}
