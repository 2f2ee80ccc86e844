package ops_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/opcase"
)

var update = flag.Bool("update", false, "write README.md anew")

// TestOpsComplete fails on an op that lacks a meaning, a decision about its
// gradient or its ONNX counterpart, a doc comment, a cost, a case that it
// computes or one that it refuses.
func TestOpsComplete(t *testing.T) {
	docs := meanings(t)
	cases, err := opcase.Load(caseDir)
	if err != nil {
		t.Fatal(err)
	}
	computes, refuses := map[string]bool{}, map[string]bool{}
	for _, c := range cases {
		name, _, _ := strings.Cut(c.OpSrc, "<")
		if c.File != name+".txt" {
			t.Errorf("%s:%d: a case of %s", c.File, c.Line, name)
		}
		if _, ok := ops.ByName(name); !ok {
			t.Errorf("%s:%d: there is no op %s", c.File, c.Line, name)
		}
		if c.Error == "" {
			computes[name] = true
		} else {
			refuses[name] = true
		}
	}
	seen := map[string]bool{}
	for _, op := range ops.All() {
		name := op.Name()
		if seen[name] {
			t.Errorf("%s is listed twice", name)
		}
		seen[name] = true
		typ := reflect.TypeOf(op)
		if typ.Kind() != reflect.Struct || !typ.Comparable() || typ.Name() != name {
			t.Errorf("%s must be a comparable struct of that name, is %v", name, typ)
		}
		if !reflect.ValueOf(op).IsZero() {
			t.Errorf("%s: attributes must be zero in the list", name)
		}
		_, evaluates := op.(ir.Evaluator)
		_, decomposes := op.(ir.Decomposer)
		marks := ir.ReplacedBy(op) != ""
		if marks == (evaluates || decomposes) {
			t.Errorf("%s must have a reference meaning, a decomposition, or a pass that replaces it and neither", name)
		}
		_, differentiates := op.(ir.Differentiable)
		why, refusesGradient := op.(ir.NotDifferentiable)
		if !decomposes && differentiates == refusesGradient || differentiates && refusesGradient {
			t.Errorf("%s must have a gradient or a reason for none", name)
		}
		if refusesGradient && why.WhyNoGradient() == "" {
			t.Errorf("%s: the reason for no gradient is empty", name)
		}
		if e, ok := op.(ir.Exportable); !ok {
			t.Errorf("%s has no ONNX decision", name)
		} else if o := e.ONNX(); (o.Type == "") == (o.Why == "") || (o.Type == "") == (o.Since > 0) {
			t.Errorf("%s: ONNX must be a type with a version or a reason: %+v", name, o)
		}
		if _, ok := op.(ir.Coster); !ok {
			t.Errorf("%s has no cost", name)
		}
		_, bounds := op.(ir.Bounder)
		if o := op.(ir.Exportable).ONNX(); o.Type != "" && !bounds && !decomposes {
			t.Errorf("%s can be exported but does not say what rounding does to it", name)
		}
		if ir.StopsGradient(op) && !refusesGradient {
			t.Errorf("%s stops gradients but does not say why", name)
		}
		if _, ok := reflect.TypeOf(op).FieldByName("Stream"); ok != ir.Draws(op) {
			t.Errorf("%s has a stream and does not draw, or draws without one", name)
		}
		_, mixes := op.(ir.RowMixer)
		_, splits := op.(ir.Splitter)
		if name != "Extent" && !mixes && !splits { // that one has no operand
			t.Errorf("%s does not say whether it mixes rows", name)
		}
		if docs[name] == "" {
			t.Errorf("%s has no doc comment", name)
		}
		for _, f := range facets {
			if _, ok := reflect.TypeOf(op).MethodByName(f.name); ok && !f.has(op) {
				t.Errorf("%s has a method %s that is not the facet's", name, f.name)
			}
		}
		if computes[name] == marks || !refuses[name] {
			t.Errorf("%s.txt must hold a case that is computed and one that is refused", filepath.Join(caseDir, name))
		}
		if got, ok := ops.ByName(name); !ok || got != op {
			t.Errorf("ByName(%q) = %v, %v", name, got, ok)
		}
	}
	if _, ok := ops.ByName("Nonsense"); ok {
		t.Error("ByName finds an op that does not exist")
	}
	for name := range docs {
		if _, ok := ops.ByName(name); !ok {
			t.Errorf("%s is an op by its methods but not in All", name)
		}
	}
}

// facets names the facets that an op may have beside those of every op.
var facets = []struct {
	name string
	has  func(op ir.Op) bool
}{
	{"Split", is[ir.Splitter]},
	{"Bound", is[ir.Bounder]},
	{"InPlace", is[ir.InPlacer]},
	{"View", is[ir.Viewer]},
	{"ShapeOnly", is[ir.ShapeReader]},
	{"Draws", is[ir.Drawer]},
	{"TrainingOnly", is[ir.Passer]},
	{"Corrupts", is[ir.Corrupter]},
	{"StopsGradient", is[ir.GradientStopper]},
	{"Sizes", is[ir.Sizer]},
	{"MixesRows", is[ir.RowMixer]},
	{"SumsRows", is[ir.RowSummer]},
	{"Linear", is[ir.Linear]},
	{"Vanishes", is[ir.Vanisher]},
	{"MakesChannel", is[ir.Filterer]},
	{"Total", is[ir.Totaler]},
	{"Commutes", is[ir.Commuter]},
	{"Turns", is[ir.Turner]},
	{"Follow", is[ir.Follower]},
	{"InPanels", is[ir.Paneller]},
	{"Transposed", is[ir.Multiplier]},
	{"Narrowed", is[ir.Narrower]},
	{"MakesColumns", is[ir.ColumnMaker]},
	{"TakesColumns", is[ir.ColumnTaker]},
	{"Chain", is[ir.Chained]},
	{"Within", is[ir.Bounded]},
	{"ByParts", is[ir.PartMaker]},
	{"ReplacedBy", is[ir.Marker]},
	{"Inference", is[ir.Inferrer]},
	{"JoinsRows", is[ir.Joiner]},
	{"Merge", is[ir.Merger]},
}

func is[F any](op ir.Op) bool { _, ok := op.(F); return ok }

// TestFacetsListed fails on a facet of package ir that the table above leaves out.
func TestFacetsListed(t *testing.T) {
	for _, f := range facets {
		if !slices.ContainsFunc(ops.All(), f.has) {
			t.Errorf("no op has the facet %s", f.name)
		}
	}
	src, err := os.ReadFile("../ir/op.go")
	if err != nil {
		t.Fatal(err)
	}
	// Split, Bound and Follow stand in files of their own, six are those of every op.
	if n := strings.Count(string(src), "interface{ ") + strings.Count(string(src), "interface {\n"); n != len(facets)-3+6+1 {
		t.Errorf("ir/op.go has %d interfaces for %d facets: enter the new one here", n, len(facets))
	}
}

// TestReadme compares the table in README.md with the code.
func TestReadme(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Ops\n\nWhat each op means, whether it has a gradient, and its ONNX counterpart with that operator's version in\nopset 17, or its first version if it is newer. The table is generated: `go test ./compiler/ops -run TestReadme -update`.\n\n")
	b.WriteString("A new op takes one file here, or a place in the file of its family, a line in `ops.go` and a case file;\n`TestOpsComplete` says what is missing.\n\n")
	b.WriteString("A facet is an interface of package `ir`: a method or two beside the op, found by a type assertion. So an op of\nanother module is equal to these. `TestFacetsHold` checks what facets say against the case files.\n\n")
	b.WriteString("| op | meaning | gradient | ONNX | facets | cases |\n|---|---|---|---|---|---|\n")
	docs := meanings(t)
	for _, op := range ops.All() {
		gradient := "yes"
		switch o := op.(type) {
		case ir.NotDifferentiable:
			gradient = "none: " + o.WhyNoGradient()
		case ir.Differentiable:
		case ir.Decomposer:
			gradient = "by decomposition"
		}
		onnx := ""
		if o := op.(ir.Exportable).ONNX(); o.Type != "" {
			onnx = fmt.Sprintf("%s-%d", o.Type, o.Since)
		} else {
			onnx = "none: " + o.Why
		}
		var has []string
		for _, f := range facets {
			if f.has(op) {
				has = append(has, f.name)
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | [%s.txt](%s/%s.txt) |\n", strings.ReplaceAll(ir.FormatOp(op), "|", "\\|"), docs[op.Name()], gradient, onnx, strings.Join(has, ", "), op.Name(), caseDir, op.Name())
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Error("README.md is not what the code says: run go test ./compiler/ops -run TestReadme -update")
	}
}

// meanings returns the first sentence of the doc comment of every exported type
// with a method Name, without the type's name.
func meanings(t *testing.T) map[string]string {
	t.Helper()
	fset := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, n := range names {
		if strings.HasSuffix(n, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, n, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, "ops")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, typ := range p.Types {
		for _, m := range typ.Methods {
			if m.Name == "Name" {
				s := strings.TrimPrefix(strings.TrimPrefix(p.Synopsis(typ.Doc), typ.Name+" "), "is ")
				out[typ.Name] = strings.ReplaceAll(strings.TrimSuffix(s, "."), "|", "\\|")
			}
		}
	}
	return out
}
