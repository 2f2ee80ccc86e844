package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
)

// peerSource reads a file of the peers' programs.
func peerSource(t *testing.T, path ...string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(append([]string{"..", "..", "internal", "lab", "peers"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestPeersShapes: the program that times other libraries' products lists the same
// ones in the same order, and the comparison's groups hold each once.
func TestPeersShapes(t *testing.T) {
	source := peerSource(t, "gemm", "gemm.c")
	_, source, _ = strings.Cut(source, "static int shapes_of(")
	source, _, found := strings.Cut(source, "\n}\n")
	if !found {
		t.Fatal("gemm.c has no function shapes_of")
	}
	entry := regexp.MustCompile(`\{"([^"]+)", "(NN|NT|TN)", (\w+), (\w+), (\w+)\}`)
	list := func(part string, rows int) (s []gemmShape) {
		for _, m := range entry.FindAllStringSubmatch(part, -1) {
			size := func(word string) int {
				if word == "b" {
					return rows
				}
				n, err := strconv.Atoi(word)
				if err != nil {
					t.Errorf("%s: a size is %s", m[0], word)
				}
				return n
			}
			s = append(s, gemmShape{m[1], m[2], size(m[3]), size(m[4]), size(m[5])})
		}
		return s
	}
	rest, steps, _ := strings.Cut(source, "static const int rows[] = {")
	sizes, steps, _ := strings.Cut(steps, "}")
	var theirs []gemmShape
	for word := range strings.SplitSeq(sizes, ", ") {
		b, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list(steps, b) {
			s.name = "ae" + word + "." + s.name
			theirs = append(theirs, s)
		}
	}
	theirs = append(theirs, list(rest, 0)...)
	if ours := gemmShapes(); !slices.Equal(theirs, ours) {
		t.Errorf("gemm.c has\n%v\nlaminabench gemm\n%v", theirs, ours)
	}

	_, groups, _ := strings.Cut(peerSource(t, "compare", "measure.go"), "var shapeGroups = []string{")
	groups, _, _ = strings.Cut(groups, "}")
	for _, s := range gemmShapes() {
		n := 0
		for g := range strings.SplitSeq(groups, ", ") {
			prefix, err := strconv.Unquote(g)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(s.name, prefix) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s is in %d of the comparison's groups %s", s.name, n, groups)
		}
	}
}

// TestPeersImages: the works of images have the same shapes, classes, batches,
// parameters and multiply-adds in Python, where a net with other parameters is refused.
func TestPeersImages(t *testing.T) {
	entry := regexp.MustCompile(`"([\w-]+)": dict\(shape=\[([\d, ]+)\], classes=(\d+), macs=(\d+), params=(\d+), batch=(\d+)\)`)
	theirs := map[string]string{}
	for _, m := range entry.FindAllStringSubmatch(peerSource(t, "python", "protocol.py"), -1) {
		theirs[m[1]] = fmt.Sprintf("[%s], %s classes, %s multiply-adds, %s parameters, batch %s", m[2], m[3], m[4], m[5], m[6])
	}
	ours := map[string]string{}
	for _, w := range works {
		if len(w.shape) == 1 {
			continue
		}
		m := w.model()
		n := 0
		for _, p := range m.Params() {
			n += ir.Elems(p.Type.Shape.Lengths())
		}
		if err := m.Err(); err != nil {
			t.Fatal(err)
		}
		shape := strings.ReplaceAll(fmt.Sprint(w.shape), " ", ", ")
		ours[w.name] = fmt.Sprintf("%s, %d classes, %d multiply-adds, %d parameters, batch %d", shape, w.classes, w.macs, n, w.batch)
	}
	if len(ours) == 0 || !maps.Equal(ours, theirs) {
		t.Errorf("protocol.py has\n%v\nlaminabench train\n%v", theirs, ours)
	}
	for _, script := range []string{"torch", "jax", "keras"} {
		if s := peerSource(t, "python", script+"_images.py"); !strings.Contains(s, "protocol.counted(work, ") {
			t.Errorf("%s_images.py does not count its parameters", script)
		}
	}
}

// TestPeersWorks: the peers train nets of the same widths, batches and shared
// matrices, and count the same multiply-adds.
func TestPeersWorks(t *testing.T) {
	dense := slices.DeleteFunc(slices.Clone(works), func(w work) bool { return len(w.shape) > 1 })
	type work struct {
		widths []int
		tied   bool
		batch  int
	}
	read := func(source, entry string, all int) map[string]work {
		t.Helper()
		works := map[string]work{}
		for _, m := range regexp.MustCompile(entry).FindAllStringSubmatch(source, -1) {
			var w work
			if err := json.Unmarshal([]byte("["+m[2]+"]"), &w.widths); err != nil {
				t.Fatal(err)
			}
			w.tied = strings.EqualFold(m[3], "true")
			w.batch, _ = strconv.Atoi(m[4])
			works[m[1]] = w
		}
		if len(works) != all {
			t.Errorf("%d works, want %d: %v", len(works), all, works)
		}
		return works
	}
	python := read(peerSource(t, "python", "protocol.py"),
		`"([\w-]+)": dict\(widths=\[([\d, ]+)\], linear=\[[\d, ]*\], tied=(\w+), batch=(\d+)\)`, len(dense))
	gomlx := read(peerSource(t, "gomlx", "main.go"),
		`"([\w-]+)": +\{\[\]int\{([\d, ]+)\}, \[\]int\{[\d, ]*\}, (\w+), (\d+)\}`, len(dense)-1) // no machine
	for _, w := range dense {
		p, err := compiler.Compile(w.model(), compiler.Options{Rows: w.batch})
		if err != nil {
			t.Fatal(err)
		}
		ours := 0
		for _, q := range p.Params {
			n := 1
			for _, d := range q.Type.Shape.Lengths() {
				n *= d
			}
			ours += n
		}
		for name, works := range map[string]map[string]work{"python": python, "gomlx": gomlx} {
			their, ok := works[w.name]
			if !ok {
				if name == "python" || w.name != "rbm" {
					t.Errorf("%s has no %s", name, w.name)
				}
				continue
			}
			products, params := 0, 0
			for i, n := range their.widths[1:] {
				products += their.widths[i] * n
				params += n
				if !their.tied || i < len(their.widths)/2 {
					params += their.widths[i] * n
				}
			}
			macs := 3*products - their.widths[0]*their.widths[1]
			if w.name == "rbm" {
				macs, params = 5*products, params+their.widths[0]
			}
			if their.widths[0] != w.width() || their.batch != w.batch || macs != w.macs || params != ours {
				t.Errorf("%s trains %s as %+v: %d multiply-adds and %d parameters; ours have %d and %d, %d wide, batch %d",
					name, w.name, their, macs, params, w.macs, ours, w.width(), w.batch)
			}
		}
	}
}
