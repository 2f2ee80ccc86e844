package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestProjectsAreLikeTheExamples holds a project to the example of its kind: what both do they write alike, and a project calls
// nothing of the library that the example does not, but for what is named here: a project also has a label curve. So whoever changes one is led to the other.
func TestProjectsAreLikeTheExamples(t *testing.T) {
	for kind, c := range map[string]struct {
		example string
		own     []string // calls of the project alone: its files are CSV, and it is smaller
		both    []string // lines
	}{
		"table": {"tabular", []string{".Register", ".Schema", "dataset.ReadSchema", "dataset.Unit", "report.Losses"}, []string{
			`code, y := t.Row.Then(spec.MaskingNoise(0.2), enc), spec.Labels("y", 2).Optional()`,
			`ordinary, _ := held.SplitGroups("y", []int64{0})`,
		}},
		"sensor": {"sensor", []string{".CSV", ".Classes", ".Of", ".Register", ".Rename", ".SplitByGroup", "dataset.CSV", "dataset.Infer", "report.Losses", "spec.Flatten", "spec.MeanSquare"}, []string{
			`scaled := x.Then(spec.Standardise().Axis(0))`,
			`back := code.Then(spec.Mirror("decoder", enc))`,
			`p := logits.Then(spec.Softmax(-1)).Named("probabilities")`,
			`limit, err := fit.Net(score).Quantile(ctx, held, 0.95)`,
			`flagged := score.Then(spec.Above(limit)).Named("flag")`,
			`report, err := bundle.Write(ctx, dir, fit.Net(p, score, flagged), test, ort.Runtime())`,
		}},
	} {
		project, example := filepath.Join("projects", "_"+kind, "main.go"), filepath.Join("..", "..", "examples", c.example, "main.go")
		mine, theirs := callsOf(t, project), callsOf(t, example)
		var own []string
		for _, name := range slices.Sorted(maps.Keys(mine)) {
			if !theirs[name] {
				own = append(own, name)
			}
		}
		if !slices.Equal(own, c.own) {
			t.Errorf("%s calls %q, which %s does not, want %q", project, own, example, c.own)
		}
		a, b := linesOf(t, project), linesOf(t, example)
		for _, line := range c.both {
			if !a[line] || !b[line] {
				t.Errorf("%q is in %s: %v, and in %s: %v", line, project, a[line], example, b[line])
			}
		}
	}
}

// callsOf returns the functions of the library that a program calls, such as spec.Input, and the methods, such as .Then.
func callsOf(t *testing.T, file string) map[string]bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	library, other := map[string]bool{}, map[string]bool{}
	for _, i := range f.Imports {
		name, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "github.com/lamina-ml/lamina/") {
			library[path.Base(name)] = true
		} else {
			other[path.Base(name)] = true
		}
	}
	calls := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		s, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		switch of, ok := s.X.(*ast.Ident); {
		case ok && other[of.Name]:
		case ok && library[of.Name]:
			calls[of.Name+"."+s.Sel.Name] = true
		default:
			calls["."+s.Sel.Name] = true
		}
		return true
	})
	return calls
}

// linesOf returns the lines of a program without their blanks and the comments at their ends.
func linesOf(t *testing.T, file string) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, " //")
		lines[strings.TrimSpace(line)] = true
	}
	return lines
}
