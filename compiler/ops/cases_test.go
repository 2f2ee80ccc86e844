package ops_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/internal/lab/opcase"
)

const caseDir = "../../testdata/ops"

// TestCases runs the case files against the reference meanings.
func TestCases(t *testing.T) {
	cases, err := opcase.Load(caseDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%s/%s", strings.TrimSuffix(c.File, ".txt"), c.Name), func(t *testing.T) {
			at := fmt.Sprintf("%s:%d", c.File, c.Line)
			g, err := c.Graph(ops.ByName)
			if c.Error != "" {
				if err == nil || !strings.Contains(err.Error(), c.Error) {
					t.Fatalf("%s: error must hold\n\t%s\ngot\n\t%v", at, c.Error, err)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			if len(c.Out) == 0 {
				t.Fatalf("%s: neither results nor an error", at)
			}
			feed := map[string]*ir.Tensor{}
			for _, o := range c.In {
				if err := o.Tensor.Check(); err != nil {
					t.Fatalf("%s: %s: %v", at, o.Name, err)
				}
				feed[o.Name] = o.Tensor.Clone()
			}
			vals, err := ir.Evaluate(g, &c.Env, feed)
			if err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			for i, o := range c.Out {
				if d := opcase.Diff(vals[g.Outputs[i]], o.Tensor, c.Tol); d != "" {
					t.Errorf("%s: %s: %s", at, o.Name, d)
				}
			}
			for _, o := range c.In {
				if d := opcase.Diff(feed[o.Name], o.Tensor, 0); d != "" {
					t.Errorf("%s: operand %s was changed: %s", at, o.Name, d)
				}
			}
		})
	}
}
