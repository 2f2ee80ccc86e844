package ir

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxText is the greatest length of a text form that Parse reads.
const MaxText = 16 << 20

// Limits of a graph that Parse reads, so that its memory is bounded by 64 MB and
// four times the text.
const (
	maxValues = 1 << 15
	maxUses   = 1 << 16 // operands, outputs and what state becomes, together
)

// Parse reads a text form, with or without the line of its version (see File).
// ops finds an op by name. The graph that comes back is verified; Format of it
// gives the text again.
//
// Errors: line:column: rule: what came; a text of a newer version.
func Parse(src string, ops func(name string) (Op, bool)) (*Graph, error) {
	return ParseNoted(src, ops, nil)
}

// ParseNoted is Parse that hands the notes of a text to note, which may refuse them;
// nil passes over them (see FormatNoted). A value's name and type are known then.
func ParseNoted(src string, ops func(name string) (Op, bool), note func(v *Value, text string) error) (*Graph, error) {
	if len(src) > MaxText {
		return nil, fmt.Errorf("text form of %d bytes is above the limit of %d", len(src), MaxText)
	}
	p := &parser{lexer: lexer{src: src}, ops: ops, note: note, g: &Graph{Data: map[*Value]*Tensor{}}, vals: map[string]*Value{}}
	if err := p.next(); err != nil {
		return nil, err
	}
	if err := p.version(); err != nil {
		return nil, err
	}
	if err := p.graph(); err != nil {
		return nil, err
	}
	if err := Verify(p.g); err != nil {
		return nil, err
	}
	return p.g, nil
}

// version takes the line of the version, if the text has one. A graph named
// lamina is no such line: a parenthesis follows its name.
func (p *parser) version() error {
	if p.tok.kind != 'w' || p.tok.text != fileWord {
		return nil
	}
	before := p.lexer
	if err := p.next(); err != nil {
		return err
	}
	if p.tok.kind != 'w' {
		p.lexer = before
		return nil
	}
	v, err := strconv.ParseUint(p.tok.text, 10, 31)
	switch {
	case err != nil || v == 0 || p.tok.text[0] == '0':
		return p.errorf("the version of the text form is a number from 1, got %q", p.tok.text)
	case v > TextVersion:
		return p.errorf("the text form has version %d, newer than %d: use a newer Lamina", v, TextVersion)
	}
	return p.next()
}

type parser struct {
	lexer
	ops  func(string) (Op, bool)
	g    *Graph
	vals map[string]*Value
	uses int
	note func(*Value, string) error
}

func (p *parser) is(text string) bool { return p.tok.kind == 'p' && p.tok.text == text }

// accept takes the punctuation if it is next.
func (p *parser) accept(text string) (bool, error) {
	if !p.is(text) {
		return false, nil
	}
	return true, p.next()
}

func (p *parser) expect(text string) error {
	if !p.is(text) {
		return p.errorf("expected %q, got %s", text, p.tok.describe())
	}
	return p.next()
}

func (t token) describe() string {
	if t.kind == 0 {
		return "the end"
	}
	return strconv.Quote(t.text)
}

func (p *parser) name() (string, error) {
	if p.tok.kind != 'w' && p.tok.kind != 's' {
		return "", p.errorf("expected a name, got %s", p.tok.describe())
	}
	s := p.tok.text
	return s, p.next()
}

// use reads the name of a value that is made elsewhere.
func (p *parser) use() (string, error) {
	if p.uses++; p.uses > maxUses {
		return "", p.errorf("more than %d uses of values", maxUses)
	}
	return p.name()
}

// list reads items between open and close, separated by commas.
func (p *parser) list(open, end string, item func() error) error {
	if err := p.expect(open); err != nil {
		return err
	}
	for first := true; !p.is(end); first = false {
		if !first {
			if err := p.expect(","); err != nil {
				return err
			}
		}
		if err := item(); err != nil {
			return err
		}
	}
	return p.next()
}

func (p *parser) graph() (err error) {
	if p.g.Name, err = p.name(); err != nil {
		return err
	}
	err = p.list("(", ")", func() error {
		v, err := p.define(InputValue)
		p.g.Inputs = append(p.g.Inputs, v)
		if err != nil {
			return err
		}
		return p.noted(v)
	})
	if err != nil {
		return err
	}
	if err := p.expect("=>"); err != nil {
		return err
	}
	var outputs []string
	err = p.list("(", ")", func() error {
		s, err := p.use()
		outputs = append(outputs, s)
		return err
	})
	if err != nil {
		return err
	}
	if p.is("<") {
		if err := p.list("<", ">", p.constant); err != nil {
			return err
		}
	}
	var after []string
	if p.tok.kind == 'w' && p.tok.text == "state" {
		if err := p.next(); err != nil {
			return err
		}
		if err := p.list("(", ")", func() error {
			s, err := p.state()
			after = append(after, s)
			return err
		}); err != nil {
			return err
		}
	}
	if p.tok.kind == 'w' && p.tok.text == "lengths" {
		if err := p.next(); err != nil {
			return err
		}
		if err := p.list("(", ")", p.capacity); err != nil {
			return err
		}
	}
	if err := p.expect("{"); err != nil {
		return err
	}
	for !p.is("}") {
		if err := p.node(); err != nil {
			return err
		}
	}
	if err := p.next(); err != nil {
		return err
	}
	if p.tok.kind != 0 {
		return p.errorf("expected the end, got %s", p.tok.describe())
	}
	for _, s := range outputs {
		v, ok := p.vals[s]
		if !ok {
			return fmt.Errorf("output %q is not a value of the graph", s)
		}
		p.g.Outputs = append(p.g.Outputs, v)
	}
	for i, s := range after {
		if p.g.State[i].Out = p.vals[s]; p.g.State[i].Out == nil {
			return fmt.Errorf("state becomes %q, which is not a value of the graph", s)
		}
	}
	return nil
}

// capacity reads T = 128.
func (p *parser) capacity() error {
	at := p.tok
	name, err := p.name()
	if err != nil {
		return err
	}
	if _, twice := p.g.Capacity.Of(name); twice || !plainSymbol(name) || p.g.Capacity.Size() == MaxFree {
		return fmt.Errorf("%d:%d: at most %d lengths have a capacity, each a name beside the batch and given once; got %q", at.line, at.col, MaxFree, name)
	}
	if err := p.expect("="); err != nil {
		return err
	}
	n, err := strconv.Atoi(p.tok.text)
	if p.tok.kind != 'w' || err != nil || n < 1 || strconv.Itoa(n) != p.tok.text {
		return p.errorf("a capacity is a number from 1, got %s", p.tok.describe())
	}
	p.g.Capacity = p.g.Capacity.With(name, n)
	return p.next()
}

// define reads a type and a name.
func (p *parser) define(k Kind) (*Value, error) {
	t, err := p.typ()
	if err != nil {
		return nil, err
	}
	at := p.tok
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	if p.vals[name] != nil {
		return nil, fmt.Errorf("%d:%d: two values are named %q", at.line, at.col, name)
	}
	if len(p.vals) == maxValues {
		return nil, fmt.Errorf("%d:%d: more than %d values", at.line, at.col, maxValues)
	}
	v := &Value{Name: name, Type: t, Kind: k}
	p.vals[name] = v
	return v, nil
}

// noted reads the note of a value, if it has one.
func (p *parser) noted(v *Value) error {
	if has, err := p.accept("="); err != nil || !has {
		return err
	}
	return p.takeNote(v)
}

// takeNote reads what stands behind the sign.
func (p *parser) takeNote(v *Value) error {
	at := p.tok
	text, err := p.name()
	if err != nil || p.note == nil {
		return err
	}
	if err := p.note(v, text); err != nil {
		return fmt.Errorf("%d:%d: %w", at.line, at.col, err)
	}
	return nil
}

func (p *parser) typ() (Type, error) {
	if p.tok.kind != 'w' {
		return Type{}, p.errorf("expected a type, got %s", p.tok.describe())
	}
	d := ParseDType(p.tok.text)
	if d == Invalid {
		return Type{}, p.errorf("dtype must be one of %s, got %q", dtypeList(), p.tok.text)
	}
	if err := p.next(); err != nil {
		return Type{}, err
	}
	s, err := p.shape()
	return Type{DType: d, Shape: s}, err
}

func (p *parser) shape() (Shape, error) {
	if err := p.expect("["); err != nil {
		return nil, err
	}
	s := Shape{}
	for !p.is("]") {
		d, err := p.dim()
		if err != nil {
			return nil, err
		}
		if s = append(s, d); len(s) > MaxRank {
			return nil, p.errorf("more than %d axes", MaxRank)
		}
	}
	return s, p.next()
}

// dim reads a length, which is one word although it may have characters that are
// no part of others.
func (p *parser) dim() (Dim, error) {
	if p.tok.kind != 'w' && !p.is("(") {
		return Dim{}, p.errorf("expected a length, got %s", p.tok.describe())
	}
	text := p.word(" \t\r\n],>#")
	d, ok := ParseDim(text)
	if !ok {
		return d, p.errorf("a length is 784, N, 4*N*T or (T+1), got %q", text[:min(len(text), 40)])
	}
	return d, p.next()
}

// constant reads a parameter, or a constant with its elements.
func (p *parser) constant() error {
	v, err := p.define(ParamValue)
	if err != nil {
		return err
	}
	data, err := p.accept("=")
	if err != nil {
		return err
	}
	if !data || !p.is("{") {
		p.g.Params = append(p.g.Params, v)
		if data {
			return p.takeNote(v)
		}
		return nil
	}
	v.Kind = DataValue
	if v.Type.Shape.Symbolic() {
		return p.errorf("constant %q must have known lengths, got %s", v.Name, v.Type)
	}
	t := &Tensor{DType: v.Type.DType.Reference(), Shape: v.Type.Shape.Lengths()}
	p.reserve(t)
	err = p.list("{", "}", func() error {
		if p.tok.kind != 'w' {
			return p.errorf("expected an element, got %s", p.tok.describe())
		}
		if err := t.AppendText(p.tok.text); err != nil {
			return p.errorf("element of %s: %q", v.Type.DType, p.tok.text)
		}
		return p.next()
	})
	if err != nil {
		return err
	}
	if err := t.Check(); err != nil {
		return fmt.Errorf("constant %q: %w", v.Name, err)
	}
	p.g.Data[v] = t
	return nil
}

// reserve makes room for as many elements as the shape says and the rest of the
// text can hold: each takes two characters.
func (p *parser) reserve(t *Tensor) {
	n, room := 1, (len(p.src)-p.at)/2
	for _, d := range t.Shape {
		if d == 0 {
			return
		}
		if n > room/d {
			n = room
			break
		}
		n *= d
	}
	t.reserve(n)
}

// state reads one state variable and returns the name of what it becomes.
func (p *parser) state() (string, error) {
	v, err := p.define(StateValue)
	if err != nil {
		return "", err
	}
	if err := p.noted(v); err != nil {
		return "", err
	}
	if err := p.expect("=>"); err != nil {
		return "", err
	}
	out, err := p.use()
	if err != nil {
		return "", err
	}
	s := StateVar{In: v}
	switch p.tok.text {
	case "step":
	case "update":
		s.When = AfterUpdate
	default:
		return "", p.errorf("expected step or update, got %s", p.tok.describe())
	}
	p.g.State = append(p.g.State, s)
	return out, p.next()
}

func (p *parser) node() error {
	n := &Node{ID: len(p.g.Nodes) + 1}
	for {
		v, err := p.define(NodeOutput)
		if err != nil {
			return err
		}
		v.Def = n
		n.Out = append(n.Out, v)
		more, err := p.accept(",")
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if err := p.expect("="); err != nil {
		return err
	}
	var err error
	if n.Op, err = p.op(); err != nil {
		return err
	}
	line := p.line
	err = p.list("(", ")", func() error {
		at := p.tok
		s, err := p.use()
		if err != nil {
			return err
		}
		v := p.vals[s]
		if v == nil || v.Def == n {
			return fmt.Errorf("%d:%d: %q is used before it is made", at.line, at.col, s)
		}
		n.In = append(n.In, v)
		line = at.line - 1
		return nil
	})
	if err != nil {
		return err
	}
	if p.comment != "" && p.commentRow == line {
		n.Layer, n.Pos = parseComment(p.comment)
		p.comment = ""
	}
	p.g.Nodes = append(p.g.Nodes, n)
	return nil
}

// parseComment reads what Format wrote behind #: a layer and a position.
func parseComment(s string) (layer string, pos Pos) {
	if q, err := strconv.QuotedPrefix(s); err == nil {
		layer, _ = strconv.Unquote(q)
		s = s[len(q):]
	} else if layer, s, _ = strings.Cut(s, " "); layer == noLayer {
		layer = ""
	}
	made, from, _ := strings.Cut(strings.TrimSpace(s), " (from ")
	pos.Made = parseFrame(made)
	pos.From = parseFrame(strings.TrimSuffix(from, ")"))
	return layer, pos
}

func parseFrame(s string) Frame {
	i := strings.LastIndexByte(s, ':')
	if i < 1 {
		return Frame{}
	}
	line, err := strconv.Atoi(s[i+1:])
	if err != nil || line < 0 {
		return Frame{}
	}
	f := Frame{File: s[:i], Line: line}
	if j := strings.LastIndexByte(f.File, '/'); j > 0 {
		f.Pkg, f.File = f.File[:j], f.File[j+1:]
	}
	return f
}
