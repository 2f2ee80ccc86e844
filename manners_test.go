package lamina_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// quiet reports whether the packages of a folder must print nothing, never end
// the process, keep no init functions and catch no signals.
func quiet(dir string) bool {
	for _, p := range []string{"cmd", "examples", "internal/lab/peers", "kernels/simd/gen", "runtime/dataset/digits/gen", "."} {
		if dir == p || strings.HasPrefix(dir, p+"/") && p != "." {
			return false
		}
	}
	return true
}

// forbidden lists calls that a library may not make.
var forbidden = map[string]string{
	"os.Exit": "ends the process", "log.Fatal": "ends the process", "log.Fatalf": "ends the process",
	"fmt.Print": "prints", "fmt.Println": "prints", "fmt.Printf": "prints", "log.Print": "prints", "log.Printf": "prints", "log.Println": "prints",
	"signal.Notify": "catches signals", "signal.NotifyContext": "catches signals", "signal.Ignore": "catches signals",
	"os.Getwd": "depends on the folder",
}

// allowed lists the places where a forbidden call is what the user asked for by
// name.
var allowed = map[string]string{
	"runtime/train/signal.go": "signal.NotifyContext",
	"export/verify/ort":       "os.Getwd", // looks for the library
}

func TestLibrariesAreQuiet(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || !quiet(filepath.ToSlash(filepath.Dir(path))) {
			return nil
		}
		seen++
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" && !strings.HasSuffix(path, ".pb.go") {
					t.Errorf("%s: an init function", set.Position(n.Pos()))
				}
			case *ast.SelectorExpr:
				pkg, ok := n.X.(*ast.Ident)
				if !ok {
					return true
				}
				name := pkg.Name + "." + n.Sel.Name
				what, bad := forbidden[name]
				slash := filepath.ToSlash(path)
				if bad && allowed[slash] != name && allowed[filepath.ToSlash(filepath.Dir(path))] != name {
					t.Errorf("%s: %s %s", set.Position(n.Pos()), name, what)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 50 {
		t.Fatalf("only %d files were read", seen)
	}
}

// The race detector runs tests by their names: a name that no test has any more
// would be left out without a word.
func TestRacedTests(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^RACED := ((?:.*\\\n)*.*)$`).FindSubmatch(makefile)
	if m == nil {
		t.Fatal("the Makefile does not say which tests are raced")
	}
	var tests []byte
	for _, dir := range []string{"compiler", "runtime/engine", "runtime/train"} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no tests in %s: %v", dir, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			tests = append(tests, b...)
		}
	}
	for _, name := range strings.Fields(strings.ReplaceAll(string(m[1]), "\\\n", " ")) {
		if !bytes.Contains(tests, []byte("\nfunc "+name+"(")) {
			t.Errorf("the Makefile races %s, which is no test", name)
		}
	}
}
