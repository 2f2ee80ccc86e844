package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/command"
)

// projects has a folder for each kind of project. Their names begin with _, so that no command of Go takes them for packages of
// this module.
//
//go:embed all:projects
var projects embed.FS

const (
	ownModule = "github.com/lamina-ml/lamina"
	ownGo     = "1.26.0" // of this module's go.mod
)

// projectKinds are the kinds of projects, in order.
func projectKinds() []string {
	entries, err := projects.ReadDir("projects")
	if err != nil {
		return nil // it is embedded
	}
	var kinds []string
	for _, e := range entries {
		kinds = append(kinds, strings.TrimPrefix(e.Name(), "_"))
	}
	return kinds
}

func newCommand() *cobra.Command {
	var kind, module, checkout string
	kinds := strings.Join(projectKinds(), ", ")
	c := &cobra.Command{
		Use:   "new DIR --kind KIND",
		Short: "Write a project to start from: a program, data, a test",
		Long: `Writes a Go module that trains, ships and measures a model, with data to begin with
and a test that trains it in seconds, proves its bundle and trains it again to the same
bytes. The kinds are

  image   pictures in a folder for each class
  sensor  recordings, cut into windows
  table   a CSV file of numbers, categories and dates, some of them missing

Each learns from all rows without labels first, and ships a score with its flag.

DIR is made, or is an empty folder; nothing is ever overwritten. The module is
example.com/NAME, after the folder, or what --module says. It requires Lamina at this
command's version. With --replace it uses a checkout of Lamina instead, by a replace
directive and with what the checkout requires, so that nothing has to be downloaded.`,
		Example: `  lamina new mine --kind table
  lamina new mine --kind image --module example.com/me/mine --replace ../lamina`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := planProject(args[0], kind, module, checkout)
			if err != nil {
				return err
			}
			if err := p.write(); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: module %s, a model of kind %s; README.md there says how to go on\n", p.dir, p.module, kind)
			if checkout == "" && p.version == unpublished {
				fmt.Fprintf(c.OutOrStdout(), "this lamina is no released version (%s), so go.mod requires %s, which cannot be downloaded: in the folder, go mod edit -replace %s=CHECKOUT, then go mod tidy\n", command.Version(), unpublished, ownModule)
			}
			return nil
		},
	}
	c.Flags().StringVar(&kind, "kind", "", "what the model is of: `KIND` "+kinds)
	c.Flags().StringVar(&module, "module", "", "`PATH` of the module; example.com/ and the folder's name")
	c.Flags().StringVar(&checkout, "replace", "", "`CHECKOUT` of Lamina to use")
	return c
}

// project is a project that may be written.
type project struct {
	dir, kind, module, version string
	files                      map[string][]byte // by slash-separated path
}

// planProject checks what is asked for. Nothing is written.
func planProject(dir, kind, module, checkout string) (*project, error) {
	p := &project{dir: dir, kind: kind, module: module, version: requirable(command.Version())}
	if !slices.Contains(projectKinds(), kind) {
		return nil, fmt.Errorf("which kind of project? --kind is one of %s, got %q", strings.Join(projectKinds(), ", "), kind)
	}
	if err := p.vacant(); err != nil {
		return nil, err
	}
	if module == "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		p.module = "example.com/" + filepath.Base(abs)
	}
	if err := checkModule(p.module); err != nil {
		return nil, fmt.Errorf("%w; --module PATH names another", err)
	}
	var err error
	if p.files, err = filesOf(kind); err != nil {
		return nil, err
	}
	how := "Lamina is required at " + p.version + ". To use a checkout of it instead, `go mod edit -replace " + ownModule + "=CHECKOUT`, then `go mod tidy`."
	mod := "module " + p.module + "\n\ngo " + ownGo + "\n\nrequire " + ownModule + " " + p.version + "\n"
	if checkout != "" {
		more, sum, at, err := checkoutOf(checkout, dir)
		if err != nil {
			return nil, err
		}
		mod += "\nreplace " + ownModule + " => " + at + "\n" + more
		p.files["go.sum"] = sum
		how = "Lamina is a checkout, at the end of the `replace` line of `go.mod`. Without that line and after `go mod tidy` it is a released version."
	}
	p.files["go.mod"] = []byte(mod)
	how += " Its onnxruntime, which proves a bundle, is found in `.cache/python` of a checkout after `make deps` there, by `export LAMINA_ONNXRUNTIME=CHECKOUT/.cache/python`, or wherever that variable says."
	readme := strings.NewReplacer("NAME", path.Base(p.module), "LAMINA", how).Replace(string(p.files["README.md"]))
	p.files["README.md"] = []byte(readme)
	return p, nil
}

// filesOf are the embedded files of a kind.
func filesOf(kind string) (map[string][]byte, error) {
	root := "projects/_" + kind
	files := map[string][]byte{}
	return files, fs.WalkDir(projects, root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := projects.ReadFile(name)
		files[strings.TrimPrefix(name, root+"/")] = b
		return err
	})
}

// vacant reports a folder that something is in.
func (p *project) vacant() error {
	entries, err := os.ReadDir(p.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: a project needs a new or an empty folder: %w", p.dir, err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty, it has %s: a project needs a new or an empty folder", p.dir, strconv.Quote(entries[0].Name()))
	}
	return nil
}

// write writes all files beside the folder, and then puts them there: a new folder by one renaming, what goes into an empty one
// file by file, go.mod last. What fails leaves nothing.
func (p *project) write() (err error) {
	dir, err := filepath.Abs(p.dir)
	if err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".tmp-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	for name, b := range p.files {
		if err := atomicfile.WriteBytes(filepath.Join(temp, filepath.FromSlash(name)), b); err != nil {
			return err
		}
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if err := p.vacant(); err != nil { // somebody may have put something there
		return err
	}
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(temp, dir); err != nil {
			return err
		}
		return atomicfile.SyncDir(parent)
	}
	entries, err := os.ReadDir(temp)
	if err != nil {
		return err
	}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int {
		last := func(e fs.DirEntry) int {
			if e.Name() == "go.mod" {
				return 1
			}
			return 0
		}
		return last(a) - last(b)
	})
	var moved []string
	for _, e := range entries {
		to := filepath.Join(dir, e.Name())
		if err := os.Rename(filepath.Join(temp, e.Name()), to); err != nil {
			for _, m := range moved {
				err = errors.Join(err, os.RemoveAll(m))
			}
			return err
		}
		moved = append(moved, to)
	}
	return atomicfile.SyncDir(dir)
}

// unpublished stands for a version in go.mod that cannot be downloaded.
const unpublished = "v0.0.0"

var (
	semantic  = regexp.MustCompile(`^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$`)
	described = regexp.MustCompile(`-[0-9]+-g[0-9a-f]+$|-dirty$`) // by git describe: commits after a version
)

// requirable returns the version if go.mod may require it, else [unpublished].
func requirable(version string) string {
	if semantic.MatchString(version) && !described.MatchString(version) {
		return version
	}
	return unpublished
}

var element = regexp.MustCompile(`^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$`)

// checkModule returns what is wrong with the path of a module, by the rules of the go command.
func checkModule(module string) error {
	bad := func(why string) error {
		return fmt.Errorf("%q cannot be the path of a module: %s", command.Clean(module), why)
	}
	elements := strings.Split(module, "/")
	for _, e := range elements {
		switch {
		case e == "":
			return bad("an element of it is empty")
		case !element.MatchString(e):
			return bad(fmt.Sprintf("%q has something else than letters, digits, - . _ and ~, or begins with a point", command.Clean(e)))
		case strings.HasSuffix(e, "."):
			return bad(fmt.Sprintf("%q ends with a point", e))
		}
	}
	switch first := elements[0]; {
	case len(module) > 200:
		return bad("it is longer than 200 characters")
	case !strings.Contains(first, "."):
		return bad(fmt.Sprintf("%q needs a point, as in example.com/mine, since names without one are the standard library's", first))
	case strings.HasPrefix(first, "-") || first != strings.ToLower(first) || strings.ContainsAny(first, "_~"):
		return bad(fmt.Sprintf("%q is no domain name in lower case", first))
	case module == ownModule || strings.HasPrefix(module, ownModule+"/"):
		return bad("it is Lamina's own")
	}
	if last := elements[len(elements)-1]; regexp.MustCompile(`^v[0-9]+$`).MatchString(last) {
		return bad(fmt.Sprintf("%q is how the go command names a major version", last))
	}
	return nil
}

// checkoutOf returns what a checkout of Lamina requires, its go.sum, and how a go.mod in dir names it.
func checkoutOf(checkout, dir string) (requirements string, sum []byte, at string, err error) {
	mod, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	if err != nil {
		return "", nil, "", fmt.Errorf("--replace %s: it is no checkout of Lamina: %w", checkout, err)
	}
	rest, ok := bytes.CutPrefix(mod, []byte("module "+ownModule+"\n"))
	if !ok {
		return "", nil, "", fmt.Errorf("--replace %s: it is no checkout of Lamina: go.mod is not that of %s", checkout, ownModule)
	}
	if sum, err = os.ReadFile(filepath.Join(checkout, "go.sum")); err != nil {
		return "", nil, "", fmt.Errorf("--replace %s: %w", checkout, err)
	}
	_, rest, _ = bytes.Cut(rest, []byte("\nrequire"))
	to, err := filepath.Abs(checkout)
	if err != nil {
		return "", nil, "", err
	}
	if from, err := filepath.Abs(dir); err == nil && !filepath.IsAbs(checkout) {
		if rel, err := filepath.Rel(from, to); err == nil {
			to = filepath.ToSlash(rel)
			if !strings.HasPrefix(to, "../") && to != ".." {
				to = "./" + to
			}
		}
	}
	if strings.ContainsAny(to, " \t\"'`,()") || strings.Contains(to, "//") {
		to = strconv.Quote(to)
	}
	return "\nrequire" + string(rest), sum, to, nil
}
