package ir_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/hostile"
)

func parse(b []byte) error {
	_, err := ir.Parse(string(b), ops.ByName)
	return err
}

func TestCorpus(t *testing.T) {
	p := hostile.Parser{Parse: parse}
	for _, path := range []string{"testdata/models/v1.txt", "spec/testdata/digits.golden", "spec/testdata/classifier.golden"} {
		b, err := os.ReadFile(filepath.Join("..", "..", path))
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.Index(string(b), "\n}\n"); i >= 0 {
			b = b[:i+3] // a summary may follow
		}
		p.Seeds = append(p.Seeds, b)
	}
	hostile.Corpus(t, p)
}

func TestFindings(t *testing.T) { hostile.Findings(t, "testdata/hostile", parse) }

// Text that is short for what it makes.
func TestBigText(t *testing.T) {
	list := func(n int, item string) string { return strings.Repeat(item+",", n-1) + item }
	numbered := func(n int, format, sep string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteString(sep)
			}
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	const n = 1 << 19
	for name, c := range map[string]struct{ text, want string }{
		"nodes":     {"g(f32[N]x)=>(){" + numbered(n, "f32[N]a%x=Neg(x)", "") + "}", "more than 32768 values"},
		"inputs":    {"g(" + numbered(n, "f32[N]a%x", ",") + ")=>(){}", "more than 32768 values"},
		"constants": {"g()=>()<" + numbered(n, "f32[]a%x={1}", ",") + ">{}", "more than 32768 values"},
		"operands":  {"g(f32[N]x)=>(){f32[N]y=Concat(" + list(n, "x") + ")}", "more than 65536 uses"},
		"outputs":   {"g(f32[N]x)=>(" + list(n, "x") + "){}", "more than 65536 uses"},
		"elements":  {"g()=>()<f32[524289]c={" + list(n, "1") + "}>{}", `constant "c"`},
		"flags":     {"g()=>()<bool[524288]c={" + list(n, "1") + "}>{}", ""},
		"numbers":   {"g()=>()<i64[524288]c={" + list(n, "1") + "}>{}", ""},
		"few":       {"g()=>()<i64[524288]c={" + list(2, "1") + "}>{}" + strings.Repeat(" ", n), `constant "c"`},
		"most":      {"g(f32[N]x)=>(" + list(1<<15, "x") + "){" + numbered(1<<15-1, "f32[N]a%x=Neg(x)", "") + "}", ""},
	} {
		err := hostile.Watch(t, name, []byte(c.text), parse)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if _, err := ir.Parse(strings.Repeat(" ", ir.MaxText+1), ops.ByName); err == nil || !strings.Contains(err.Error(), "above the limit") {
		t.Errorf("got %v", err)
	}
}
