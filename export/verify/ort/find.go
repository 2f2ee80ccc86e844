//go:build cgo && !windows

package ort

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/export/verify"
)

// minMajor.minMinor is the oldest onnxruntime with the C API version (24) the
// wrapper is built against.
const minMajor, minMinor = 1, 24

const advice = "run make deps, or set " + variable + " to a libonnxruntime of 1.24 or newer"

// search is where to look; the fields are what the process has at the time.
type search struct {
	explicit string   // LAMINA_ONNXRUNTIME
	wd       string   // working directory, "" if there is none
	starts   []string // folders whose module may have a cache
	system   []string // names for the system's loader
}

func defaultSearch() search {
	s := search{explicit: os.Getenv(variable)}
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		s.starts = append(s.starts, filepath.Dir(exe))
	}
	if wd, err := os.Getwd(); err == nil {
		s.wd, s.starts = wd, append(s.starts, wd)
	}
	if runtime.GOOS == "darwin" {
		s.system = []string{"libonnxruntime.dylib", "/opt/homebrew/lib/libonnxruntime.dylib"}
	} else {
		s.system = []string{"libonnxruntime.so.1", "libonnxruntime.so"}
	}
	return s
}

// library returns the first library that is new enough, opened.
func (s search) library() (path, version string, release func(), err error) {
	if s.explicit == None {
		return "", "", nil, fmt.Errorf("onnxruntime: %w: %s=%s", verify.ErrUnavailable, variable, None)
	}
	var problems []string
	for _, c := range s.candidates() {
		v, rel, err := probe(c)
		switch {
		case err != nil:
			// A name only the system could resolve, and did not, is no news.
			if strings.ContainsRune(c, filepath.Separator) && !slices.Contains(s.system, c) {
				problems = append(problems, err.Error())
			}
		case !newEnough(v):
			rel()
			problems = append(problems, fmt.Sprintf("%s is version %s, too old", c, v))
		default:
			return c, v, rel, nil
		}
	}
	what := "no library found"
	if len(problems) > 0 {
		what = strings.Join(problems[:min(2, len(problems))], "; ")
	}
	if s.explicit == "" {
		return "", "", nil, fmt.Errorf("onnxruntime: %w: %s; %s", verify.ErrUnavailable, what, advice)
	}
	at := s.explicit
	if !filepath.IsAbs(at) {
		at += ", sought from " + s.wd + " upwards to the module's folder"
	}
	return "", "", nil, fmt.Errorf("onnxruntime: %w: %w: %s: %s; correct it, unset it, or set it to %s to do without; %s", verify.ErrUnavailable, ErrSetting, at, what, None, advice)
}

// candidates returns the libraries to try, in order.
func (s search) candidates() []string {
	if s.explicit != "" {
		at, isDir := s.named()
		if isDir {
			return libraries(at)
		}
		return []string{at}
	}
	var list []string
	for _, start := range s.starts {
		if root := moduleRoot(start); root != "" {
			list = append(list, libraries(filepath.Join(root, ".cache", "python"))...)
		}
	}
	return append(list, s.system...)
}

// named returns the file or folder that the variable names, as an absolute path, or
// one with a separator at least, which the loader never takes for a name to search.
// A relative path counts from the working directory, or from a folder above it up to
// the one of the module: tests run in folders below that where the variable was set.
func (s search) named() (path string, isDir bool) {
	if filepath.IsAbs(s.explicit) {
		fi, err := os.Stat(s.explicit)
		return s.explicit, err == nil && fi.IsDir()
	}
	root := moduleRoot(s.wd)
	for dir := s.wd; ; dir = filepath.Dir(dir) {
		at := filepath.Join(dir, s.explicit)
		if fi, err := os.Stat(at); err == nil {
			return at, fi.IsDir()
		}
		if root == "" || dir == root || dir == filepath.Dir(dir) {
			return filepath.Join(s.wd, s.explicit), false
		}
	}
}

// libraries returns the onnxruntime libraries in the places where dir would
// have them as a library folder, an unpacked release, a Python package or a
// Python environment.
func libraries(dir string) []string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil
	}
	var list []string
	for _, sub := range []string{"", "lib", "capi", "lib/python*/site-packages/onnxruntime/capi"} {
		for _, name := range []string{"libonnxruntime.so*", "libonnxruntime.dylib", "libonnxruntime.[0-9]*.dylib"} {
			m, err := filepath.Glob(filepath.Join(escapeGlob(dir), filepath.FromSlash(sub), name))
			if err != nil {
				continue
			}
			list = append(list, m...)
		}
	}
	return list
}

// escapeGlob quotes what filepath.Glob would take for a pattern.
func escapeGlob(p string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(p)
}

// moduleRoot returns the nearest folder at or above dir that holds a go.mod,
// or "". Folders above it are not the user's choice and are not searched.
func moduleRoot(dir string) string {
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// newEnough reports whether version, such as "1.32.0" or "1.24.0-rc1", is at
// least the oldest one that works.
func newEnough(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > minMajor || major == minMajor && minor >= minMinor
}
