package ir

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// Frame is one source position. File is as the compiler recorded it and is for
// terminals only; Pkg is the import path.
type Frame struct {
	File string
	Pkg  string
	Line int
}

// IsZero reports whether nothing is known.
func (f Frame) IsZero() bool { return f.File == "" && f.Line == 0 }

// String returns the base name and line: main.go:14.
func (f Frame) String() string {
	if f.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s:%d", path.Base(filepath.ToSlash(f.File)), f.Line)
}

// Portable returns import path, base name and line, the same on every machine:
// example.com/digits/main.go:14.
func (f Frame) Portable() string {
	if f.IsZero() {
		return ""
	}
	if f.Pkg == "" {
		return f.String()
	}
	return f.Pkg + "/" + f.String()
}

// Pos is where the user wrote something: the first frame outside Lamina, and its
// caller, so that a helper function shows its use. Positions are no part of text
// equality, model hash or checkpoint identity.
type Pos struct {
	Made Frame
	From Frame
}

// IsZero reports whether nothing is known.
func (p Pos) IsZero() bool { return p.Made.IsZero() }

// String returns main.go:14, or main.go:10 (from main.go:23) when the caller
// stands elsewhere.
func (p Pos) String() string { return p.format(Frame.String) }

// Portable is String with import paths.
func (p Pos) Portable() string { return p.format(Frame.Portable) }

func (p Pos) format(f func(Frame) string) string {
	if p.From.IsZero() {
		return f(p.Made)
	}
	return f(p.Made) + " (from " + f(p.From) + ")"
}

// Error is a mistake in a declaration: it names the layer and the line where the
// user wrote it.
type Error struct {
	Layer  string // path of the layer, empty outside one
	Made   Frame  // where the layer was made
	From   Frame  // the caller of that, if it stands elsewhere
	Placed Frame  // where it was placed, if elsewhere
	Op     string // op or layer kind, may be empty
	Rule   string // the rule broken and what came
	Hint   string // what to do, may be empty
}

// Error returns file:line: layer "name": Op: rule: what came, and the hint on a
// line of its own.
func (e *Error) Error() string {
	var b strings.Builder
	if !e.Made.IsZero() {
		b.WriteString(Pos{Made: e.Made, From: e.From}.String())
		if !e.Placed.IsZero() && e.Placed != e.Made && e.Placed != e.From {
			b.WriteString(" (placed at " + e.Placed.String() + ")")
		}
		b.WriteString(": ")
	}
	if e.Layer != "" {
		fmt.Fprintf(&b, "layer %q: ", e.Layer)
	}
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	b.WriteString(e.Rule)
	if e.Hint != "" {
		b.WriteString("\n\thint: " + e.Hint)
	}
	return b.String()
}
