package spec

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Summary returns a table of the inputs and of every use of a layer that a loss
// depends on: path, kind, result, parameters, and what they are shared with.
// Shared parameters are counted once, where they are first used. The last line has the
// totals of parameters and state, and what of it is fitted to the training rows. After a mistake Summary returns the mistakes.
func (m *Model) Summary() string {
	if err := m.Err(); err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "layer\tkind\toutput\tparameters\tshared with")
	for _, in := range m.graph.Inputs {
		fmt.Fprintf(w, "%s\tInput\t%s\t\t\n", in.Name, in.Type)
	}
	seen := map[*param]bool{}
	var visit func(ps []*placement)
	visit = func(ps []*placement) {
		for _, p := range ps {
			visit(p.children)
			if p.st.loss || m.kept[p.out] == nil && !slices.ContainsFunc(p.also, func(v *ir.Value) bool { return m.kept[v] != nil }) {
				continue
			}
			// A container that only passes on what a layer inside made has no row.
			if len(p.children) == 0 || p.out.Def != nil && m.sp.find().made[p.out.Def] == p {
				own, with := m.weights(p, seen)
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.path(), p.st.kind, p.out.Type, own, with)
			}
		}
	}
	visit(m.places)
	w.Flush()
	total := 0
	for _, p := range m.params {
		total += p.Type.Shape.Count()
	}
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	text := strings.Join(lines, "\n") + fmt.Sprintf("%s parameters in %d tensors\n", thousands(total), len(m.params))
	held := 0
	for _, s := range m.states {
		held += s.Type.Shape.Count()
	}
	if held > 0 {
		text += fmt.Sprintf("%s elements of state, which no gradient trains, in %d tensors\n", thousands(held), len(m.states))
	}
	var fitted []string
	for _, s := range m.states {
		if how, ok := s.Fitted(); ok {
			fitted = append(fitted, fmt.Sprintf("%s (%s)", s.Name, how))
		}
	}
	if len(fitted) > 0 {
		text += "fitted to the training rows before the first update: " + strings.Join(fitted, ", ") + "\n"
	}
	return text
}

// weights returns the number of parameters first used at a place, and whose the
// others are.
func (m *Model) weights(p *placement, seen map[*param]bool) (own, with string) {
	if p.average() != nil {
		if len(p.st.params)+len(p.borrowed) == 0 {
			return "", ""
		}
		return "", "average of " + p.st.path
	}
	n, shared := 0, false
	for _, q := range p.st.params {
		if m.kept[q.v] == nil {
			continue
		}
		shared = shared || seen[q]
		if !seen[q] {
			n += q.v.Type.Shape.Count()
		}
		seen[q] = true
	}
	var from []string
	if shared {
		from = append(from, p.st.path+" above")
	}
	for _, q := range p.borrowed {
		from = append(from, m.kept[q.v].Name)
		if !seen[q] {
			n += q.v.Type.Shape.Count()
			seen[q] = true
		}
	}
	if n > 0 {
		own = thousands(n)
	}
	return own, strings.Join(from, ", ")
}

// thousands returns 101,014.
func thousands(n int) string {
	s := itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
