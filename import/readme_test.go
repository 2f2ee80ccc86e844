package onnximport_test

import (
	"os"
	"strings"
	"testing"

	onnximport "github.com/lamina-ml/lamina/import"
)

// TestReadme holds the list of operators in README.md against the table; -update
// writes it.
func TestReadme(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(raw), "<!-- operators -->\n")
	list, tail, ok2 := strings.Cut(rest, "<!-- end -->")
	if !ok || !ok2 {
		t.Fatal("README.md has no list of operators")
	}
	want, line := "", ""
	for _, op := range onnximport.Operators() {
		if len(line)+len(op) > 80 {
			want += strings.TrimSpace(line) + "\n"
			line = ""
		}
		line += op + " "
	}
	want += strings.TrimSpace(line) + "\n"
	if list == want {
		return
	}
	if !*update {
		t.Fatalf("the list of operators is\n%sthe table has\n%s", list, want)
	}
	if err := os.WriteFile("README.md", []byte(head+"<!-- operators -->\n"+want+"<!-- end -->"+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
