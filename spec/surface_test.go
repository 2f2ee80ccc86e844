package spec_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// TestSurface holds the look of the package: every exported layer type has Named,
// and every option method returns its receiver's type.
func TestSurface(t *testing.T) {
	fset := token.NewFileSet()
	pkgs, err := parser.ParseDir(fset, ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	layers := map[string]bool{}
	named := map[string]bool{}
	each := func(f func(ast.Decl)) {
		for _, file := range pkgs["spec"].Files {
			for _, d := range file.Decls {
				f(d)
			}
		}
	}
	each(func(d ast.Decl) {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			return
		}
		for _, s := range g.Specs {
			ts, ok := s.(*ast.TypeSpec)
			if !ok || !ts.Name.IsExported() {
				continue
			}
			st, ok := ts.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range st.Fields.List {
				if id, ok := f.Type.(*ast.Ident); ok && id.Name == "Base" && f.Names == nil {
					layers[ts.Name.Name] = true
				}
			}
		}
	})
	if len(layers) < 12 {
		t.Errorf("found only the layers %v", layers)
	}
	each(func(d ast.Decl) {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			return
		}
		public := f.Recv == nil || ast.IsExported(star(f.Recv.List[0].Type))
		if public && f.Name.IsExported() && f.Doc == nil {
			t.Errorf("%s: %s has no doc comment", fset.Position(f.Pos()), f.Name)
		}
		if f.Recv == nil || !f.Name.IsExported() || f.Name.Name == "Build" || f.Name.Name == "Image" || f.Name.Name == "String" {
			return
		}
		recv := star(f.Recv.List[0].Type)
		if !layers[recv] {
			return
		}
		if f.Type.Results == nil || len(f.Type.Results.List) != 1 || star(f.Type.Results.List[0].Type) != recv {
			t.Errorf("%s: %s.%s does not return *%s", fset.Position(f.Pos()), recv, f.Name, recv)
		}
		if f.Name.Name == "Named" {
			named[recv] = true
		}
	})
	for l := range layers {
		if !named[l] {
			t.Errorf("%s has no method Named", l)
		}
	}
}

// TestFormulasListed holds the table of formulas in README.md to the source.
func TestFormulasListed(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	section := string(readme)
	section = section[strings.Index(section, "## Write a formula"):]
	section = section[:strings.Index(section, "## Free lengths")]
	for _, name := range []string{"formula.go", "join.go", "constant.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() {
				continue
			}
			if n := f.Name.Name; !strings.Contains(section, "`"+n+"(") && !strings.Contains(section, "`"+n+"`") {
				t.Errorf("%s of %s is not in the table of README.md", n, name)
			}
		}
	}
}

// star returns T of *T.
func star(e ast.Expr) string {
	if s, ok := e.(*ast.StarExpr); ok {
		if id, ok := s.X.(*ast.Ident); ok {
			return id.Name
		}
	}
	return ""
}
