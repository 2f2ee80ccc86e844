package opcase_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/internal/lab/opcase"
)

func TestParse(t *testing.T) {
	cases, err := opcase.Parse("Twice.txt", `# Twice: remarks
case a name of words
env rows=3 updaterows=9 firstrow=4 seed=5 update=6   # remark
op Twice<k = 1>
in x f32[N 2]
	1 2 3
	4 nan -inf
in i i64[2]
	9007199254740993 -1
out y bool[]
	true
tol 1e-3

case refused
op Twice
in x f32[N 2]
error x is not twice
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 2 {
		t.Fatalf("%d cases", len(cases))
	}
	c := cases[0]
	if c.Name != "a name of words" || c.Line != 2 || c.OpSrc != "Twice<k = 1>" || c.Tol != 1e-3 {
		t.Errorf("case: %+v", c)
	}
	if want := (ir.Env{Binding: ir.RowsOf(3), UpdateRows: 9, FirstRow: 4, Seed: 5, Update: 6}); !reflect.DeepEqual(c.Env, want) {
		t.Errorf("env: %+v", c.Env)
	}
	x := c.In[0].Tensor
	if x.Check() != nil || x.DType != ir.F64 || x.F64[2] != 3 || !math.IsNaN(x.F64[4]) || !math.IsInf(x.F64[5], -1) {
		t.Errorf("x: %+v", x)
	}
	if c.In[1].Tensor.I64[0] != 9007199254740993 || !c.Out[0].Tensor.Bool[0] {
		t.Errorf("i, y: %+v %+v", c.In[1].Tensor, c.Out[0].Tensor)
	}
	if cases[1].Error != "x is not twice" || len(cases[1].Out) != 0 {
		t.Errorf("refused: %+v", cases[1])
	}
}

func TestParseErrors(t *testing.T) {
	for src, want := range map[string]string{
		"op Add":                       "f:1: op before the first case",
		"case a\nwhat is this":         "f:2: expected case, env, op",
		"case a\n\t1 2":                "f:2: elements without an operand",
		"case a\nin x f33[2]":          "f:2: type",
		"case a\nin x f32[2]\n\tseven": "f:3:",
		"case a\nin x i64[2]\n\t1.5":   "f:3:",
		"case a\ntol small":            "f:2: tol",
		"case a\nenv rows=-1":          "f:2:",
		"case a\nenv columns=1":        `f:2: env has no "columns"`,
	} {
		if _, err := opcase.Parse("f", src); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error must hold %q, got %v", src, want, err)
		}
	}
}

func TestDiff(t *testing.T) {
	v := func(x ...float64) *ir.Tensor { return &ir.Tensor{DType: ir.F64, Shape: []int{len(x)}, F64: x} }
	i := func(x ...int64) *ir.Tensor { return &ir.Tensor{DType: ir.I64, Shape: []int{len(x)}, I64: x} }
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		got, want *ir.Tensor
		same      bool
	}{
		{v(1, nan, inf), v(1, nan, inf), true},
		{v(1.0001), v(1), true},
		{v(1.01), v(1), false},
		{v(1000.5), v(1000), true},
		{v(nan), v(1), false},
		{v(1), v(nan), false},
		{v(1), v(inf), false},
		{v(inf), v(1), false},
		{v(-inf), v(inf), false},
		{v(1, 2), v(1), false},
		{v(1), i(1), false},
		{i(9007199254740993), i(9007199254740992), false},
	} {
		if d := opcase.Diff(c.got, c.want, 1e-3); (d == "") != c.same {
			t.Errorf("Diff(%v, %v) = %q", c.got, c.want, d)
		}
	}
}
