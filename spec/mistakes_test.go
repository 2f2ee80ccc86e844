package spec_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-ml/lamina/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// checkMistakes compares with the golden file, and finds each line of the program
// that has no mistake to its name.
func checkMistakes(t *testing.T, err error) {
	if err == nil {
		t.Fatal("no mistake found")
	}
	golden(t, "mistakes.golden", err.Error()+"\n")

	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T is not joined", err)
	}
	seen := map[int]bool{}
	for _, err := range joined.Unwrap() {
		var e *spec.Error
		if !errors.As(err, &e) {
			t.Errorf("%v: a %T", err, err)
			continue
		}
		if e.Made.Pkg != "github.com/lamina-ml/lamina/spec_test" || e.Made.IsZero() {
			t.Errorf("%v: made in package %q", e, e.Made.Pkg)
		}
	}
	src, err := os.ReadFile("mistakes_program_test.go")
	if err != nil {
		t.Fatal(err)
	}
	place := regexp.MustCompile(`mistakes_program_test\.go:(\d+)`)
	for _, err := range joined.Unwrap() {
		for _, m := range place.FindAllStringSubmatch(err.Error(), -1) {
			n, _ := strconv.Atoi(m[1])
			seen[n] = true
		}
	}
	first := false
	for i, line := range strings.Split(string(src), "\n") {
		if strings.Contains(line, "spec.Tied(tie)") {
			first = true
		}
		if line == "" && first {
			break
		}
		if !first {
			continue
		}
		if !seen[i+1] {
			t.Errorf("no mistake found in line %d: %s", i+1, strings.TrimSpace(line))
		}
	}
}
