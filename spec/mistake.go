package spec

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Error is a mistake in a declaration. Every error in this package about a declaration
// is one, or several joined; find them with [errors.As].
type Error = ir.Error

// mistake is an error before names are known.
type mistake struct {
	st     *state // the layer, nil for none
	at     site   // where it was found: decides the order
	made   site   // what is shown; that of the layer if nil
	placed site
	op     func() string
	rule   func() string
	hint   string
}

func text(format string, a ...any) func() string {
	return func() string { return fmt.Sprintf(format, a...) }
}

func (m *mistake) error() *Error {
	made := m.made
	e := &Error{Hint: m.hint}
	if m.st != nil {
		e.Layer = m.st.path
		if made == nil {
			made = m.st.made
		}
	}
	p := made.pos()
	e.Made, e.From, e.Placed = p.Made, p.From, m.placed.pos().Made
	if m.op != nil {
		e.Op = m.op()
	}
	e.Rule = m.rule()
	return e
}

// err returns every mistake of the space in source order, joined, or nil.
func (s *space) err() error {
	s = s.find()
	s.resolve()
	if len(s.mistakes) == 0 {
		return nil
	}
	type item struct {
		at  []ir.Frame
		err *Error
	}
	items := make([]item, 0, len(s.mistakes))
	seen := map[string]bool{}
	for _, m := range s.mistakes {
		e := m.error()
		at := m.at
		if at == nil {
			at = m.made
		}
		if k := e.Error(); !seen[k] {
			seen[k] = true
			items = append(items, item{at.trace(), e})
		}
	}
	slices.SortStableFunc(items, func(a, b item) int { return slices.CompareFunc(a.at, b.at, compareFrames) })
	errs := make([]error, len(items))
	for i, it := range items {
		errs[i] = it.err
	}
	return errors.Join(errs...)
}

// checkName returns the rule a name breaks, or "".
func checkName(name string) string {
	if name == "" {
		return "a name must not be empty"
	}
	if len(name) > 200 {
		return fmt.Sprintf("a name must have at most 200 bytes, got %d", len(name))
	}
	for i, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', r == '_':
		case i > 0 && ('0' <= r && r <= '9' || r == '-' || r == '.'):
		default:
			return fmt.Sprintf("a name is a letter or _, then letters, digits, _, - and ., got %q", name)
		}
	}
	return ""
}
