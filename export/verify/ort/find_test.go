//go:build cgo && !windows

package ort

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lamina-ml/lamina/export/verify"
)

func touch(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCandidates(t *testing.T) {
	root := filepath.Join(t.TempDir(), "a[1]*") // nothing in it is a pattern
	touch(t, filepath.Join(root, "go.mod"))
	capi := filepath.Join(root, ".cache/python/lib/python3.11/site-packages/onnxruntime/capi")
	lib := touch(t, filepath.Join(capi, "libonnxruntime.so.1.32.0"))
	touch(t, filepath.Join(capi, "libonnxruntime_providers_shared.so"))
	deep := filepath.Join(root, "x", "y")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}

	for name, c := range map[string]struct {
		s    search
		want []string
	}{
		"module of a start":  {search{starts: []string{deep}, system: []string{"sys"}}, []string{lib, "sys"}},
		"file":               {search{explicit: lib, starts: []string{deep}}, []string{lib}},
		"library folder":     {search{explicit: capi, system: []string{"sys"}}, []string{lib}},
		"environment":        {search{explicit: filepath.Join(root, ".cache/python")}, []string{lib}},
		"relative":           {search{explicit: ".cache/python", wd: root}, []string{lib}},
		"from below":         {search{explicit: ".cache/python", wd: deep}, []string{lib}},
		"beside, from below": {search{explicit: "../" + filepath.Base(root) + "/.cache/python", wd: deep}, []string{lib}},
		"relative, absent":   {search{explicit: "no", wd: deep}, []string{filepath.Join(deep, "no")}},
		"empty folder":       {search{explicit: deep}, nil},
		"absent file":        {search{explicit: filepath.Join(deep, "no")}, []string{filepath.Join(deep, "no")}},
	} {
		if d := cmp.Diff(c.want, c.s.candidates()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestModuleRootStopsAtFirst(t *testing.T) {
	outer := t.TempDir()
	touch(t, filepath.Join(outer, "go.mod"))
	touch(t, filepath.Join(outer, ".cache/python/lib/libonnxruntime.so"))
	inner := filepath.Join(outer, "inner")
	touch(t, filepath.Join(inner, "go.mod"))
	if got := (search{starts: []string{inner}}).candidates(); got != nil {
		t.Errorf("a module took the library of the folder above it: %v", got)
	}
}

// TestSetting tells a variable that is set and wrong from one that does without.
func TestSetting(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		s     search
		wrong bool
		want  []string
	}{
		"unset":    {search{system: []string{"liblamina-absent.so"}}, false, nil},
		"none":     {search{explicit: None}, false, []string{"LAMINA_ONNXRUNTIME=none"}},
		"folder":   {search{explicit: dir}, true, []string{dir, "set it to none"}},
		"file":     {search{explicit: touch(t, filepath.Join(dir, "text.so"))}, true, []string{"text.so"}},
		"absent":   {search{explicit: filepath.Join(dir, "gone")}, true, []string{"gone"}},
		"relative": {search{explicit: "gone", wd: dir}, true, []string{"gone, sought from " + dir}},
	} {
		_, _, _, err := c.s.library()
		if !errors.Is(err, verify.ErrUnavailable) || errors.Is(err, ErrSetting) != c.wrong {
			t.Errorf("%s: %v", name, err)
		}
		for _, w := range c.want {
			if err != nil && !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", name, err, w)
			}
		}
	}
}

func TestNoLibrary(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		s    search
		want []string
	}{
		"nothing": {search{system: []string{"liblamina-absent.so"}}, []string{"no library found", "make deps", "LAMINA_ONNXRUNTIME", "1.24"}},
		"explicit": {search{explicit: filepath.Join(dir, "gone.so")},
			[]string{"gone.so", "make deps", "1.24"}},
		"not a library": {search{explicit: touch(t, filepath.Join(dir, "text.so"))},
			[]string{"text.so", "make deps", "1.24"}},
		"other library": {search{system: []string{"libm.so.6", "/usr/lib/libSystem.B.dylib"}}, []string{"no library found"}},
	} {
		_, _, _, err := c.s.library()
		if !errors.Is(err, verify.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", name, err)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not mention %q", name, err, w)
			}
		}
	}
}

func TestNewEnough(t *testing.T) {
	for v, want := range map[string]bool{
		"1.24.0": true, "1.32.0": true, "2.0.0": true, "1.24.0-rc1": true,
		"1.23.2": false, "1.9.0": false, "0.99.0": false, "": false, "dev": false,
	} {
		if got := newEnough(v); got != want {
			t.Errorf("newEnough(%q) = %v", v, got)
		}
	}
}

// TestTooOld makes libraries that only state a version. The true one of such a
// release would print to stderr if asked for an API; these would crash.
func TestTooOld(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler named cc; install gcc")
	}
	dir := t.TempDir()
	build := func(version string) string {
		src := filepath.Join(dir, "ort.c")
		code := `static const char *version(void) { return "` + version + `"; }
static const struct { const void *(*api)(unsigned); const char *(*version)(void); } base = {0, version};
const void *OrtGetApiBase(void) { return &base; }`
		if err := os.WriteFile(src, []byte(code), 0o644); err != nil {
			t.Fatal(err)
		}
		lib := filepath.Join(dir, "libonnxruntime.so."+version)
		if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", lib, src).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return lib
	}
	old := build("1.23.2")
	_, _, _, err = search{explicit: old}.library()
	if !errors.Is(err, verify.ErrUnavailable) {
		t.Fatalf("got %v, want ErrUnavailable", err)
	}
	for _, w := range []string{old, "1.23.2", "too old", "make deps", "1.24"} {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not mention %q", err, w)
		}
	}
	// A newer one later in the order is taken.
	recent := build("1.99.0")
	path, version, release, err := search{system: []string{old, recent}}.library()
	if err != nil {
		t.Fatal(err)
	}
	release()
	if path != recent || version != "1.99.0" {
		t.Errorf("got %s, version %s; want %s", path, version, recent)
	}
}
