// Package opcase reads the case files of ops: an op with operands and the results
// it must give, or the message with which it must refuse them. It is used by
// tests only: of the reference meanings and of everything faster.
//
//	# Softmax: remarks start with a number sign.
//	case rows add up to one
//	env rows=2 seed=1                 # optional: rows, updaterows, firstrow, seed, update
//	op Softmax<axis = 1>
//	in x f32[N 3]                     # elements follow on lines of their own
//		1 2 3
//		4 5 6
//	out y f32[N 3]
//		...
//	tol 1e-12                         # optional: greatest |got-want| / max(1, |want|)
//	error TEXT                        # instead of out: Infer's message holds TEXT
package opcase

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Case is one op with operands and what must come of it.
type Case struct {
	File  string // base name
	Line  int
	Name  string
	OpSrc string // the op in text form
	Env   ir.Env
	In    []Operand
	Out   []Operand
	Tol   float64
	Error string // the op must refuse the operands with this text
}

// Operand is a named tensor of a case, floats as F64.
type Operand struct {
	Name   string
	Type   string // in text form: f32[N 3]
	Tensor *ir.Tensor
}

// Load returns the cases of every .txt file in a folder, in the order of names.
func Load(dir string) ([]Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var out []Case
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		cs, err := Parse(filepath.Base(f), string(src))
		if err != nil {
			return nil, err
		}
		out = append(out, cs...)
	}
	return out, nil
}

// Parse returns the cases of one file.
func Parse(file, src string) ([]Case, error) {
	var cases []Case
	var words []string // elements of the operand being read
	var at *Operand
	sc := bufio.NewScanner(strings.NewReader(src))
	line := 0
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%s:%d: %s", file, line, fmt.Sprintf(format, args...))
	}
	for sc.Scan() {
		line++
		text, _, _ := strings.Cut(sc.Text(), "#")
		if strings.TrimSpace(text) == "" {
			continue
		}
		if text[0] == '\t' || text[0] == ' ' {
			if at == nil {
				return nil, fail("elements without an operand")
			}
			words = append(words, strings.Fields(text)...)
			if err := at.fill(cases[len(cases)-1].Env.Binding, words); err != nil {
				return nil, fail("%v", err)
			}
			continue
		}
		key, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
		rest = strings.TrimSpace(rest)
		at, words = nil, nil
		if key == "case" {
			cases = append(cases, Case{File: file, Line: line, Name: rest, Env: ir.Env{Binding: ir.RowsOf(2), UpdateRows: 2}, Tol: 1e-14})
			continue
		}
		if len(cases) == 0 {
			return nil, fail("%s before the first case", key)
		}
		c := &cases[len(cases)-1]
		switch key {
		case "op":
			c.OpSrc = rest
		case "error":
			c.Error = rest
		case "tol":
			x, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				return nil, fail("tol: %v", err)
			}
			c.Tol = x
		case "env":
			if err := c.env(rest); err != nil {
				return nil, fail("%v", err)
			}
		case "in", "out":
			name, typ, _ := strings.Cut(rest, " ")
			o := Operand{Name: name, Type: strings.TrimSpace(typ)}
			list := &c.In
			if key == "out" {
				list = &c.Out
			}
			*list = append(*list, o)
			at = &(*list)[len(*list)-1]
			if err := at.fill(c.Env.Binding, nil); err != nil {
				return nil, fail("%v", err)
			}
		default:
			return nil, fail("expected case, env, op, in, out, tol or error, got %q", key)
		}
	}
	return cases, sc.Err()
}

func (c *Case) env(s string) error {
	for _, w := range strings.Fields(s) {
		k, v, _ := strings.Cut(w, "=")
		n, err := strconv.ParseUint(v, 10, 31)
		if err != nil {
			return err
		}
		switch k {
		case "rows":
			c.Env.Binding, c.Env.UpdateRows = c.Env.Binding.WithRows(int(n)), int(n)
		case "updaterows":
			c.Env.UpdateRows = int(n)
		case "firstrow":
			c.Env.FirstRow = int(n)
		case "seed":
			c.Env.Seed = n
		case "update":
			c.Env.Update = n
		default:
			if !strings.Contains("TUV", k) {
				return fmt.Errorf("env has no %q", k)
			}
			c.Env.Binding = c.Env.Binding.With(k, int(n))
		}
	}
	return nil
}

// fill parses the type and the elements that came so far.
func (o *Operand) fill(lengths ir.Binding, words []string) error {
	g, err := ir.Parse("t ("+o.Type+" x) => () {\n}\n", func(string) (ir.Op, bool) { return nil, false })
	if err != nil {
		return fmt.Errorf("type %q: %w", o.Type, err)
	}
	t := g.Inputs[0].Type
	o.Tensor = &ir.Tensor{DType: t.DType.Reference(), Shape: t.Shape.At(lengths)}
	for _, w := range words {
		if err := o.Tensor.AppendText(w); err != nil {
			return err
		}
	}
	return nil
}

// Graph returns the case as a graph of one node, verified. For a case that must
// be refused it returns the refusal.
func (c *Case) Graph(ops func(string) (ir.Op, bool)) (*ir.Graph, error) {
	var in, args, outs, results []string
	for _, o := range c.In {
		in, args = append(in, o.Type+" "+o.Name), append(args, o.Name)
	}
	for _, o := range c.Out {
		outs, results = append(outs, o.Name), append(results, o.Type+" "+o.Name)
	}
	if c.Error != "" {
		outs, results = []string{"refused"}, []string{"f32[] refused"}
	}
	return ir.Parse(fmt.Sprintf("case (%s) => (%s) {\n\t%s = %s(%s)\n}\n", strings.Join(in, ", "), strings.Join(outs, ", "),
		strings.Join(results, ", "), c.OpSrc, strings.Join(args, ", ")), ops)
}

// Diff returns what differs between a result and what was expected, empty if
// nothing does. NaN equals NaN.
func Diff(got, want *ir.Tensor, tol float64) string {
	if got.DType != want.DType || fmt.Sprint(got.Shape) != fmt.Sprint(want.Shape) || got.Len() != want.Len() {
		return fmt.Sprintf("got %v%v with %d elements, want %v%v with %d", got.DType, got.Shape, got.Len(), want.DType, want.Shape, want.Len())
	}
	for i := range want.Len() {
		if want.DType.Integer() && got.Int(i) != want.Int(i) {
			return fmt.Sprintf("element %d: got %s, want %s", i, got.Text(i), want.Text(i))
		}
		g, w := got.At(i), want.At(i)
		if g == w || g != g && w != w {
			continue
		}
		if !(math.Abs(g-w) <= tol*max(1, math.Abs(w))) || math.IsInf(w, 0) {
			return fmt.Sprintf("element %d: got %.17g, want %.17g", i, g, w)
		}
	}
	return ""
}
