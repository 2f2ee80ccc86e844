package compiler

import (
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Modules that come together: what one package of them is imported for.
const (
	algebra   = " gonum.org/v1/gonum"
	wire      = " github.com/gogo/protobuf"
	pictures  = " golang.org/x/image" // its scaling alone, which needs nothing else
	wholeFile = " github.com/gofrs/flock golang.org/x/sys"
	bar       = " github.com/schollz/progressbar/v3 github.com/mitchellh/colorstring github.com/rivo/uniseg golang.org/x/sys golang.org/x/term"
	stats     = " golang.org/x/tools" // sets of integers, which gonum's optimizers want
	topology  = " github.com/owulveryck/onnx-go gorgonia.org/tensor gorgonia.org/vecf32 gorgonia.org/vecf64 github.com/chewxy/hm github.com/chewxy/math32" +
		" github.com/golang/protobuf google.golang.org/protobuf github.com/google/flatbuffers github.com/pkg/errors github.com/xtgo/set" + algebra + wire
	npy     = " github.com/sbinet/npyio github.com/nlpodyssey/gopickle golang.org/x/text"
	parquet = " github.com/parquet-go/parquet-go github.com/parquet-go/bitpack github.com/parquet-go/jsonlite github.com/andybalholm/brotli github.com/google/uuid" +
		" github.com/klauspost/compress github.com/pierrec/lz4/v4 github.com/twpayne/go-geom google.golang.org/protobuf"
	drawing = " gonum.org/v1/plot codeberg.org/go-fonts/liberation codeberg.org/go-latex/latex codeberg.org/go-pdf/fpdf git.sr.ht/~sbinet/gg" +
		" github.com/ajstarks/svgo github.com/golang/freetype golang.org/x/image golang.org/x/text"
)

// modules says which modules a library package brings into a user's program, by
// itself or through what it imports. Whatever is heavy, as a file format or a
// tokenizer with a module of its own, is a package of its own that training, datasets
// and the engine do not import; what wants a service or a browser is a nested module.
var modules = map[string]string{
	"runtime/active":            pictures + algebra + stats + wholeFile,
	"compiler":                  algebra,
	"compiler/ir":               "",
	"compiler/ops":              "",
	"compiler/plan":             "",
	"compiler/random":           "",
	"export":                    pictures + wholeFile + wire,
	"export/bundle":             pictures + topology + stats + wholeFile + npy,
	"export/reproduce":          pictures + topology + stats + wholeFile + bar + npy,
	"export/verify":             pictures + wholeFile + wire,
	"export/verify/native":      pictures + wholeFile + topology,
	"export/verify/ort":         pictures + wholeFile + wire + " github.com/yalue/onnxruntime_go",
	"import":                    topology,
	"kernels/simd":              "",
	"runtime/checkpoint":        wholeFile,
	"runtime/dataset":           pictures + wholeFile,
	"runtime/dataset/digits":    "",
	"runtime/dataset/parquet":   pictures + wholeFile + parquet,
	"runtime/engine":            pictures + wholeFile,
	"runtime/evaluate":          pictures + wholeFile + algebra + stats,
	"runtime/fewlabels":         pictures + algebra + stats + wholeFile + bar,
	"runtime/optim":             "",
	"runtime/picture":           drawing + wholeFile,
	"runtime/pretrain":          pictures + algebra + stats + wholeFile + bar,
	"runtime/report":            pictures + topology + stats + wholeFile + bar + npy,
	"runtime/report/page":       wholeFile,
	"runtime/rates":             pictures + algebra + stats + wholeFile + bar,
	"runtime/train":             pictures + algebra + wholeFile + bar,
	"spec":                      algebra,
	"spec/spectest":             pictures + topology + stats + wholeFile + bar + npy + " github.com/yalue/onnxruntime_go", // for tests
	"runtime/dataset/synthetic": pictures + wholeFile,
}

// library reports whether other modules may import a package.
func library(name string) bool {
	for _, part := range strings.Split(name, "/") {
		if part == "cmd" || part == "examples" || part == "internal" || part == "gen" {
			return false
		}
	}
	return name != "" && !strings.Contains(name, "testdata")
}

func TestModules(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", `{{.ImportPath}}|{{with .Module}}{{.Path}}{{end}}|{{join .Imports " "}}`, "./...")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1") // where most is imported
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	of, imports := map[string]string{}, map[string][]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "|")
		of[f[0]], imports[f[0]] = f[1], strings.Fields(f[2])
	}
	own := strings.TrimSuffix(module, "/")
	seen := 0
	for path := range of {
		name, ours := strings.CutPrefix(path, module)
		if !ours || !library(name) {
			continue
		}
		seen++
		listed, ok := modules[name]
		if !ok {
			t.Errorf("package %s is not in the table of this test: enter which modules it brings into a user's program", name)
			continue
		}
		want := map[string]bool{}
		for _, m := range strings.Fields(listed) {
			want[m] = true
		}
		got := map[string]string{} // module to the way to it
		via := map[string]string{path: name}
		for todo := []string{path}; len(todo) > 0; todo = todo[1:] {
			if m := of[todo[0]]; m != "" && m != own && got[m] == "" {
				got[m] = via[todo[0]]
			}
			for _, p := range imports[todo[0]] {
				if via[p] == "" {
					via[p] = via[todo[0]] + " → " + p
					todo = append(todo, p)
				}
			}
		}
		for _, m := range slices.Sorted(maps.Keys(got)) {
			if !want[m] {
				t.Errorf("%s brings %s into a user's program: %s", name, m, got[m])
			}
		}
		for m := range want {
			if got[m] == "" {
				t.Errorf("%s no longer needs %s: take it out of the table", name, m)
			}
		}
	}
	if seen != len(modules) {
		t.Errorf("%d packages were found, %d are in the table", seen, len(modules))
	}
}

// TestNestedModules: what talks to services or drives a browser is in no requirement of
// this module, not even of its tests.
func TestNestedModules(t *testing.T) {
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{"google.golang.org/grpc", "apache/beam", "prometheus/", "opentelemetry", "chromedp", "playwright", "go-rod", "selenium"} {
		if strings.Contains(string(text), m) {
			t.Errorf("go.mod requires %s: put what needs it into a module of its own, as internal/lab/peers/gomlx is one", m)
		}
	}
}
