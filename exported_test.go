package lamina_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lamina-ml/lamina"

// hidden reports whether no other module may import a package of this one.
func hidden(path string) bool {
	return strings.HasPrefix(path, module+"/") && slices.Contains(strings.Split(path, "/"), "internal")
}

// exported walks what a package shows to other modules.
type exported struct {
	pkg   *types.Package
	seen  map[*types.TypeName]bool // unexported types, which are reached through others
	found []string
}

// hiddenTypes returns the exported names of a package that need a type of a
// hidden one: "Fill needs …/internal/random.Key".
func hiddenTypes(p *types.Package) []string {
	e := &exported{pkg: p, seen: map[*types.TypeName]bool{}}
	for _, name := range p.Scope().Names() {
		if o := p.Scope().Lookup(name); !o.Exported() {
			continue
		} else if tn, ok := o.(*types.TypeName); ok {
			e.declared(name, tn)
		} else {
			e.typ(name, o.Type())
		}
	}
	return e.found
}

// declared walks the declaration of a type and its exported methods, promoted
// ones included.
func (e *exported) declared(at string, tn *types.TypeName) {
	switch t := tn.Type().(type) {
	case *types.Alias:
		e.params(at, t.TypeParams())
		e.typ(at, t.Rhs())
	case *types.Named:
		e.params(at, t.TypeParams())
		e.typ(at, t.Underlying())
		if types.IsInterface(t) {
			return
		}
		for m := range types.NewMethodSet(types.NewPointer(t)).Methods() {
			if m.Obj().Exported() {
				e.typ(at+"."+m.Obj().Name(), m.Type())
			}
		}
	}
}

func (e *exported) params(at string, list *types.TypeParamList) {
	for p := range list.TypeParams() {
		e.typ(at, p.Constraint())
	}
}

// named takes a type that is mentioned by its name.
func (e *exported) named(at string, tn *types.TypeName, args *types.TypeList) {
	for a := range args.Types() {
		e.typ(at, a)
	}
	switch {
	case tn.Pkg() == nil:
	case hidden(tn.Pkg().Path()):
		e.found = append(e.found, fmt.Sprintf("%s needs %s.%s", at, tn.Pkg().Path(), tn.Name()))
	case tn.Pkg() == e.pkg && !tn.Exported() && !e.seen[tn]:
		e.seen[tn] = true
		e.declared(at, tn)
	}
}

func (e *exported) typ(at string, t types.Type) {
	switch t := t.(type) {
	case *types.Alias:
		e.named(at, t.Obj(), t.TypeArgs())
	case *types.Named:
		e.named(at, t.Obj(), t.TypeArgs())
	case *types.Map:
		e.typ(at, t.Key())
		e.typ(at, t.Elem())
	case interface{ Elem() types.Type }: // pointers, slices, arrays, channels
		e.typ(at, t.Elem())
	case *types.Tuple:
		for v := range t.Variables() {
			e.typ(at, v.Type())
		}
	case *types.Signature:
		e.params(at, t.TypeParams())
		e.typ(at, t.Params())
		e.typ(at, t.Results())
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() || f.Embedded() {
				e.typ(at+"."+f.Name(), f.Type())
			}
		}
	case *types.Interface:
		for m := range t.Methods() {
			e.typ(at+"."+m.Name(), m.Type())
		}
		for u := range t.EmbeddedTypes() {
			if _, ok := u.Underlying().(*types.Interface); !ok {
				e.typ(at, u)
			}
		}
	case *types.Union:
		for u := range t.Terms() {
			e.typ(at, u.Type())
		}
	}
}

// TestExportedTypes reads what the compiler wrote about every package that
// another module may import: none of its exported names may need a type that
// the other module cannot name.
func TestExportedTypes(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Name}}\t{{.Export}}", "./...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	files, public := map[string]string{}, []string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) < 3 {
			continue // only tests, or unsafe
		}
		files[f[0]] = f[2]
		if strings.HasPrefix(f[0], module+"/") && !hidden(f[0]) && f[1] != "main" {
			public = append(public, f[0])
		}
	}
	if len(public) < 20 {
		t.Fatalf("only the packages %v were found", public)
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) })
	for _, path := range public {
		p, err := imp.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range hiddenTypes(p) {
			t.Errorf("%s: %s, which no other module can name", path, s)
		}
	}
}

type importers map[string]*types.Package

func (m importers) Import(path string) (*types.Package, error) { return m[path], nil }

// TestHiddenTypes checks that the walk finds what it is for.
func TestHiddenTypes(t *testing.T) {
	packages := importers{}
	check := func(path, source string) *types.Package {
		t.Helper()
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path+".go", source, 0)
		if err != nil {
			t.Fatal(err)
		}
		p, err := (&types.Config{Importer: packages}).Check(path, set, []*ast.File{f}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	packages["h"] = check(module+"/internal/h", "package h\ntype Key struct{ Next *Key }\ntype Set[T any] map[Key]T\ntype Keyed interface{ Key() Key }")
	for source, want := range map[string]string{
		"func F(k h.Key)":                                               "F",
		"func F() (int, []*h.Key)":                                      "F",
		"func F(f func(map[string]h.Key) chan int)":                     "F",
		"func F[T h.Keyed](t T) {}":                                     "F",
		"func F(l ...h.Key)":                                            "F",
		"var V h.Key":                                                   "V",
		"var V h.Set[int]":                                              "V",
		"type T struct{ K h.Key }":                                      "T.K",
		"type T struct{ h.Key }":                                        "T.Key",
		"type T struct{ k h.Key }":                                      "",
		"type T struct{ t }\ntype t struct{ K [2]h.Key }":               "T.t.K",
		"type T int\nfunc (T) M(h.Key) {}":                              "T.M",
		"type T int\nfunc (*T) M() h.Key { panic(0) }":                  "T.M",
		"type T int\nfunc (T) m(h.Key) {}":                              "",
		"type T interface{ M(h.Key) }":                                  "T.M",
		"type T interface{ i; N() }\ntype i interface{ M(h.Key) }":      "T.M",
		"type T interface{ ~[]h.Key }":                                  "T",
		"type T = h.Key":                                                "T",
		"type T h.Key":                                                  "T.Next",
		"type T []h.Key":                                                "T",
		"type t int\nfunc (t) M(h.Key) {}\nfunc F() t { return 0 }":     "F.M",
		"type t struct{ next *t; K h.Key }\nfunc F() *t { return nil }": "F.K",
		"type t h.Key\nfunc f(h.Key)":                                   "",
	} {
		at := []string{}
		for _, s := range hiddenTypes(check("p", "package p\nimport \"h\"\nvar _ h.Key\n"+source)) {
			name, _, _ := strings.Cut(s, " ")
			at = append(at, name)
		}
		if got := strings.Join(at, " "); got != want {
			t.Errorf("%s: found %q, want %q", source, got, want)
		}
	}
}
