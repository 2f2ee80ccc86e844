package ir

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Format returns the text form, with each node's layer and position behind #.
// Parse reads it back:
//
//	mlp (f32[N 784] x) => (v2) <f32[784 10] fc.w, f32[] two = {2}> {
//		f32[N 10] v1 = MatMul(x, fc.w)  # fc main.go:14
//		f32[N 10] v2 = Mul(v1, two)
//	}
func Format(g *Graph) string { return format(g, true, nil) }

// FormatNoted is the line of the version and Format, in which note says of inputs,
// parameters and state how they come about, where it does not return "": a
// parameter's initializer, the values that an input takes. Positions have the import
// path. ParseNoted reads it back:
//
//	f32[784 10] fc.w = Glorot, f32[10] fc.b = "Constant(0.1)"
func FormatNoted(g *Graph, note func(*Value) string) string {
	return fmt.Sprintf("%s %d\n%s", fileWord, TextVersion, format(g, true, note))
}

// Text is Format without the layers and positions: what equality and hashes are
// made of.
func Text(g *Graph) string { return format(g, false, nil) }

// TextVersion is the version of the text form; Parse reads it and older ones.
// Version 2 has notes, and what has none is written as version 1.
const TextVersion = 2

// fileWord begins the line of the version.
const fileWord = "lamina"

// File returns what is kept of a graph on disk: the line "lamina 1" with the
// version, then Text. No hash takes the line in.
func File(g *Graph) string { return fmt.Sprintf("%s 1\n%s", fileWord, Text(g)) }

// Hash returns the SHA-256 of Text in hexadecimal.
func Hash(g *Graph) string {
	h := sha256.Sum256([]byte(Text(g)))
	return hex.EncodeToString(h[:])
}

func format(g *Graph, comments bool, note func(*Value) string) string {
	var b strings.Builder
	given := func(v *Value) string {
		s := v.Type.String() + " " + quoteName(v.Name)
		if note != nil {
			if n := note(v); n != "" {
				s += " = " + quoteName(n)
			}
		}
		return s
	}
	b.WriteString(quoteName(g.Name) + " (")
	for i, v := range g.Inputs {
		comma(&b, i)
		b.WriteString(given(v))
	}
	b.WriteString(") => (")
	for i, v := range g.Outputs {
		comma(&b, i)
		b.WriteString(quoteName(v.Name))
	}
	b.WriteString(")")
	data := g.DataValues()
	if len(g.Params)+len(data) > 0 {
		b.WriteString(" <")
		for i, v := range g.Params {
			comma(&b, i)
			b.WriteString(given(v))
		}
		for i, v := range data {
			comma(&b, len(g.Params)+i)
			b.WriteString(v.Type.String() + " " + quoteName(v.Name) + " = ")
			formatData(&b, g.Data[v])
		}
		b.WriteString(">")
	}
	if len(g.State) > 0 {
		b.WriteString(" state (")
		for i, s := range g.State {
			comma(&b, i)
			when := "step"
			if s.When == AfterUpdate {
				when = "update"
			}
			fmt.Fprintf(&b, "%s => %s %s", given(s.In), quoteName(s.Out.Name), when)
		}
		b.WriteString(")")
	}
	if g.Capacity.Size() > 0 {
		b.WriteString(" lengths (")
		for i, f := range g.Capacity.list() {
			comma(&b, i)
			fmt.Fprintf(&b, "%s = %d", f.of.h.Value().name, f.n)
		}
		b.WriteString(")")
	}
	b.WriteString(" {\n")
	for _, n := range g.Nodes {
		b.WriteByte('\t')
		for i, v := range n.Out {
			comma(&b, i)
			b.WriteString(v.Type.String() + " " + quoteName(v.Name))
		}
		b.WriteString(" = " + FormatOp(n.Op) + "(")
		for i, v := range n.In {
			comma(&b, i)
			b.WriteString(quoteName(v.Name))
		}
		b.WriteByte(')')
		if comments && (n.Layer != "" || !n.Pos.IsZero()) {
			b.WriteString("  # " + layerComment(n.Layer))
			pos := Pos.String
			if note != nil {
				pos = Pos.Portable
			}
			if p := pos(n.Pos); p != "" {
				b.WriteString(" " + p)
			}
		}
		b.WriteByte('\n')
	}
	b.WriteString("}\n")
	return b.String()
}

// FormatOp returns an op's name and attributes: Softmax<axis = 1>.
func FormatOp(op Op) string {
	var attrs []string
	EachAttr(op, func(name string, v reflect.Value) {
		attrs = append(attrs, name+" = "+formatAttr(v))
	})
	if len(attrs) == 0 {
		return op.Name()
	}
	return op.Name() + "<" + strings.Join(attrs, ", ") + ">"
}

// EachAttr calls f for every attribute of op in the order of its fields.
func EachAttr(op Op, f func(name string, v reflect.Value)) {
	v := reflect.ValueOf(op)
	if v.Kind() != reflect.Struct {
		return
	}
	for i := 0; i < v.NumField(); i++ {
		if name := v.Type().Field(i).Tag.Get("attr"); name != "" {
			f(name, v.Field(i))
		}
	}
}

func formatAttr(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case Axes:
		return strings.ReplaceAll(fmt.Sprint(x.Slice()), ",", " ")
	case Dims:
		return x.Shape().String()
	case DType:
		return x.String()
	case string:
		return strconv.Quote(x)
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	return fmt.Sprint(v.Interface())
}

func formatData(b *strings.Builder, t *Tensor) {
	b.WriteByte('{')
	for i, n := 0, t.Len(); i < n; i++ {
		comma(b, i)
		b.WriteString(t.Text(i))
	}
	b.WriteByte('}')
}

func comma(b *strings.Builder, i int) {
	if i > 0 {
		b.WriteString(", ")
	}
}

// quoteName returns the name as it is when it is one plain word, else quoted.
func quoteName(s string) string {
	if s == "" || !isLetter(s[0]) && s[0] != '/' {
		return strconv.Quote(s)
	}
	for i := 0; i < len(s); i++ {
		if !isWord(s[i]) || s[i] == '*' || s[i] == '+' {
			return strconv.Quote(s)
		}
	}
	return s
}

// noLayer stands behind # for a node without a layer; a layer of that name is
// quoted.
const noLayer = "-"

func layerComment(layer string) string {
	if layer == "" {
		return noLayer
	}
	return quoteName(layer)
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

func isWord(c byte) bool {
	return isLetter(c) || c >= '0' && c <= '9' || strings.IndexByte("./:-+*$@", c) >= 0
}
