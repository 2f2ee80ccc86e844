package synthetic

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// formula is a function of the columns of a table:
//
//	sum    = ["-"] term { ("+" | "-") term }
//	term   = factor { "*" factor }
//	factor = number | "x"N ["^"2…8] | ("sin" | "cos" | "abs") "(" sum ")" | "(" sum ")" | condition
//	condition = "[" "x"N (">" | "<") ["-"] number "]" | "[" "c"N "=" number "]"
//
// xN is column N of the numbers and cN of the categories, both from 1; sine and cosine are of radians; a condition is 1 or 0.
type formula struct {
	text string // without blanks
	root *node
}

type node struct {
	op   byte // '#' number, 'x' column, '^' power, '+', '*', '~' minus, 's' 'c' 'a' functions, '>' '<' '=' conditions
	v    float64
	n    int // column from 0
	args []*node
}

// bounds of a formula
const (
	longestFormula = 2000
	deepest        = 20
)

// parseFormula reads a formula of so many columns. Errors name the place.
func parseFormula(text string, numbers, categories int) (*formula, error) {
	text = strings.Join(strings.Fields(text), "")
	if len(text) > longestFormula {
		return nil, fmt.Errorf("a formula has at most %d letters, this has %d", longestFormula, len(text))
	}
	p := &formulaParser{s: text, numbers: numbers, categories: categories}
	n, err := p.sum(0)
	if err == nil && p.at < len(p.s) {
		err = p.errorf("more is not expected")
	}
	if err != nil {
		return nil, err
	}
	return &formula{text, n}, nil
}

type formulaParser struct {
	s                   string
	at                  int
	numbers, categories int
}

func (p *formulaParser) errorf(format string, a ...any) error {
	rest := p.s[p.at:]
	if len(rest) > 20 {
		rest = rest[:20] + "…"
	}
	return fmt.Errorf("the formula, at %q: %s; it is such as %q", rest, fmt.Sprintf(format, a...), "2*x1-x2^2+sin(3*x3)+1.5*[c1=2]")
}

// take goes on if the text does.
func (p *formulaParser) take(s string) bool {
	if !strings.HasPrefix(p.s[p.at:], s) {
		return false
	}
	p.at += len(s)
	return true
}

func (p *formulaParser) want(s string) error {
	if !p.take(s) {
		return p.errorf("%q is expected", s)
	}
	return nil
}

func (p *formulaParser) sum(depth int) (*node, error) {
	if depth > deepest {
		return nil, p.errorf("it is nested more than %d deep", deepest)
	}
	sum := &node{op: '+'}
	for sign := p.take("-"); ; {
		t, err := p.term(depth)
		if err != nil {
			return nil, err
		}
		if sign {
			t = &node{op: '~', args: []*node{t}}
		}
		sum.args = append(sum.args, t)
		switch {
		case p.take("+"):
			sign = false
		case p.take("-"):
			sign = true
		default:
			return sum, nil
		}
	}
}

func (p *formulaParser) term(depth int) (*node, error) {
	term := &node{op: '*'}
	for {
		f, err := p.factor(depth)
		if err != nil {
			return nil, err
		}
		if term.args = append(term.args, f); !p.take("*") {
			return term, nil
		}
	}
}

func (p *formulaParser) factor(depth int) (*node, error) {
	for _, f := range []struct {
		name string
		op   byte
	}{{"sin(", 's'}, {"cos(", 'c'}, {"abs(", 'a'}, {"(", '+'}} {
		if !p.take(f.name) {
			continue
		}
		arg, err := p.sum(depth + 1)
		if err == nil {
			err = p.want(")")
		}
		return &node{op: f.op, args: []*node{arg}}, err
	}
	if p.take("[") {
		return p.condition()
	}
	if p.take("x") {
		n, err := p.column(p.numbers, "x")
		x := &node{op: 'x', n: n}
		if err != nil || !p.take("^") {
			return x, err
		}
		power, err := p.whole()
		if err == nil && (power < 2 || power > 8) {
			err = p.errorf("a power is from 2 to 8, got %d", power)
		}
		return &node{op: '^', n: power, args: []*node{x}}, err
	}
	v, err := p.number()
	return &node{op: '#', v: v}, err
}

func (p *formulaParser) condition() (*node, error) {
	c := &node{}
	var err error
	switch {
	case p.take("x"):
		if c.n, err = p.column(p.numbers, "x"); err != nil {
			return nil, err
		}
		switch {
		case p.take(">"):
			c.op = '>'
		case p.take("<"):
			c.op = '<'
		default:
			return nil, p.errorf("a condition on a number is > or <")
		}
		minus := p.take("-")
		if c.v, err = p.number(); minus {
			c.v = -c.v
		}
	case p.take("c"):
		if c.n, err = p.column(p.categories, "c"); err == nil {
			if err = p.want("="); err == nil {
				c.op = '='
				c.v, err = p.number()
			}
		}
	default:
		return nil, p.errorf("a condition is on x1, x2 and so on, or c1, c2 and so on")
	}
	if err == nil {
		err = p.want("]")
	}
	return c, err
}

// column reads the number of a column from 1 and returns it from 0.
func (p *formulaParser) column(of int, letter string) (int, error) {
	n, err := p.whole()
	if err == nil && (n < 1 || n > of) {
		err = p.errorf("there is no column %s%d; there are %d", letter, n, of)
	}
	return n - 1, err
}

func (p *formulaParser) whole() (int, error) {
	end := p.at
	for end < len(p.s) && p.s[end] >= '0' && p.s[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(p.s[p.at:end])
	if err != nil {
		return 0, p.errorf("a whole number is expected")
	}
	p.at = end
	return n, nil
}

func (p *formulaParser) number() (float64, error) {
	end := p.at
	for end < len(p.s) && (p.s[end] >= '0' && p.s[end] <= '9' || p.s[end] == '.') {
		end++
	}
	v, err := strconv.ParseFloat(p.s[p.at:end], 64)
	if err != nil || math.IsInf(v, 0) || v > 1e9 {
		return 0, p.errorf("a number up to 1e9 is expected, a column, a function or a condition")
	}
	p.at = end
	return v, nil
}

// of is the value for a row. categories begin with 0.
func (n *node) of(x []float64, categories []int64) float64 {
	switch n.op {
	case '#':
		return n.v
	case 'x':
		return x[n.n]
	case '+':
		sum := 0.0
		for _, a := range n.args {
			sum += a.of(x, categories) // what it adds is rounded: product and float64 see to it
		}
		return sum
	case '*':
		v := n.args[0].of(x, categories)
		for _, a := range n.args[1:] {
			v = product(v, a.of(x, categories))
		}
		return v
	case '^':
		base := n.args[0].of(x, categories)
		v := base
		for range n.n - 1 {
			v = product(v, base)
		}
		return v
	case '~':
		return -n.args[0].of(x, categories)
	case 's', 'c':
		sin, cos := sincos(product(n.args[0].of(x, categories), 1/(2*math.Pi)))
		if n.op == 's' {
			return sin
		}
		return cos
	case 'a':
		return math.Abs(n.args[0].of(x, categories))
	case '>':
		return truth(x[n.n] > n.v)
	case '<':
		return truth(x[n.n] < n.v)
	default:
		return truth(float64(categories[n.n]) == n.v)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
