package lamina_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// without returns a go command for a platform, without cgo.
func without(t *testing.T, platform string, args ...string) *exec.Cmd {
	t.Helper()
	goos, arch, _ := strings.Cut(platform, "/")
	c := exec.CommandContext(t.Context(), "go", args...)
	c.Env = append(c.Environ(), "GOOS="+goos, "GOARCH="+arch, "CGO_ENABLED=0")
	return c
}

// On its own platform the module compiles without cgo, and the command links.
func TestBuildsWithoutCgo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds everything: run without -short")
	}
	here := runtime.GOOS + "/" + runtime.GOARCH
	for _, args := range [][]string{{"list", "-export", "./..."}, {"build", "-o", os.DevNull, "./cmd/lamina"}} {
		if out, err := without(t, here, args...).CombinedOutput(); err != nil {
			t.Errorf("go %s: %v\n%s", args[0], err, out)
		}
	}
}

// typed is the packages of a platform by their import paths, checked from their source.
type typed map[string]*types.Package

func (m typed) Import(path string) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	if p := m[path]; p != nil {
		return p, nil
	}
	return nil, errors.New("no package " + path)
}

// listed is a package as go list gives it.
type listed struct {
	ImportPath, Dir string
	GoFiles, SFiles []string
	ImportMap       map[string]string
	Module          *struct{ Main bool }
	Error           *struct{ Err string }
}

// importing looks paths up in a package's own map first: the standard library has copies of modules.
type importing struct {
	typed
	paths map[string]string
}

func (m importing) Import(path string) (*types.Package, error) {
	if to, ok := m.paths[path]; ok {
		path = to
	}
	return m.typed.Import(path)
}

// check checks the types of a package and returns the mistakes. Of packages of other
// modules the bodies of functions are left out.
func (m typed) check(p listed, arch string) []error {
	var list []error
	own := p.Module != nil && p.Module.Main
	files := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return []error{err}
		}
		if own && len(p.SFiles) == 0 {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Body == nil && !linked(f) {
					list = append(list, errors.New(files.Position(fn.Pos()).String()+": "+fn.Name.Name+" has no body, and there is no assembly"))
				}
			}
		}
		parsed = append(parsed, f)
	}
	conf := types.Config{
		Importer: importing{m, p.ImportMap}, Sizes: types.SizesFor("gc", arch), IgnoreFuncBodies: !own, FakeImportC: true,
		Error: func(err error) { list = append(list, err) },
	}
	m[p.ImportPath], _ = conf.Check(p.ImportPath, files, parsed, nil)
	return list
}

// linked says whether a file may take functions of other packages by their names.
func linked(f *ast.File) bool {
	return slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"unsafe"` })
}

// On the other platforms that are promised every package has the functions and types that it
// uses, and fits their sizes. Compiling it all for each would take minutes on a fresh machine:
// its standard library is not in the cache. TestRelease compiles and links the command for two
// of them, with the assembly of arm64.
func TestOtherPlatforms(t *testing.T) {
	for _, platform := range []string{"linux/arm64", "darwin/arm64", "darwin/amd64", "windows/amd64", "windows/arm64"} {
		if platform == runtime.GOOS+"/"+runtime.GOARCH {
			continue
		}
		t.Run(platform, func(t *testing.T) {
			t.Parallel()
			c := without(t, platform, "list", "-e", "-deps", "-json=ImportPath,Dir,GoFiles,SFiles,ImportMap,Module,Error", "./...")
			out, err := c.Output()
			if err != nil {
				t.Fatal(err)
			}
			all, own := typed{}, 0
			for d := json.NewDecoder(bytes.NewReader(out)); ; {
				var p listed
				if err := d.Decode(&p); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				if p.Error != nil {
					if len(p.GoFiles) > 0 {
						t.Errorf("%s: %s", p.ImportPath, p.Error.Err)
					}
					continue
				}
				if p.ImportPath == "unsafe" {
					continue
				}
				if p.Module != nil && p.Module.Main {
					own++
				}
				for _, err := range all.check(p, platform[strings.Index(platform, "/")+1:]) {
					t.Error(err)
				}
			}
			if own < 60 {
				t.Errorf("only %d packages of the module were checked", own)
			}
		})
	}
}
