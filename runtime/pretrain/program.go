package pretrain

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// Program is a sequence of phases over shared layers. It is made by [NewProgram]
// and may be run any number of times.
type Program struct {
	name    string
	list    []step
	current Phase // whose mistakes are being found
	errs    []error
	said    map[string]bool

	notes  []note    // of the table
	frozen []*frozen // where the program is being read,
	froze  []*frozen // and all there were
}

// NewProgram makes a program of phases, which run in order. Mistakes are kept; Err and
// Run return all of them at once.
func NewProgram(name string, phases ...Phase) *Program {
	p := &Program{name: name, said: map[string]bool{}}
	if name == "" || strings.ContainsAny(name, "\n\r\t") {
		p.fail("a program needs a plain name, got %q", name)
	}
	if len(phases) == 0 {
		p.fail("program %q has no phase", name)
	}
	for i, ph := range phases {
		if ph == nil || reflect.ValueOf(ph).Kind() == reflect.Pointer && reflect.ValueOf(ph).IsNil() {
			p.fail("phase %d of %d of program %q is nil", i+1, len(phases), name)
			continue
		}
		p.current = ph
		for _, st := range ph.steps(p) {
			p.freeze(ph, &st)
			p.check(&st)
			p.list = append(p.list, st)
		}
		p.current = nil
	}
	p.checkFrozen()
	if p.last() < 0 && len(p.errs) == 0 {
		p.fail("program %q trains nothing", name)
	}
	return p
}

// last returns the number of the last training, -1 for none.
func (p *Program) last() int {
	for i := len(p.list) - 1; i >= 0; i-- {
		if p.list[i].probe == nil {
			return i
		}
	}
	return -1
}

// missing reports whether a source is nil.
func missing(src dataset.Source) bool {
	return src == nil || reflect.ValueOf(src).Kind() == reflect.Pointer && reflect.ValueOf(src).IsNil()
}

// check finds the mistakes of one training before anything runs.
func (p *Program) check(st *step) {
	if missing(st.rows) {
		p.fail("%s: there are no rows: the source is nil", st.name)
	}
	if st.probe != nil {
		return
	}
	if st.opt.Dir != "" {
		p.fail("%s: its Options.Dir is %q, but a program gives each phase a folder inside its own: set the Dir of pretrain.Options", st.name, st.opt.Dir)
	}
	for _, l := range st.opt.Logs {
		for _, other := range p.list { // those before
			if slices.ContainsFunc(other.opt.Logs, func(o train.EpochLog) bool { return filepath.Clean(o.Path()) == filepath.Clean(l.Path()) }) {
				p.fail("%s: its Options.Logs go to %s, as those of %s do: give each phase a file of its own, or none, since the Dir of pretrain.Options has a log of each", st.name, l.Path(), other.name)
			}
		}
	}
	if err := st.opt.Check(st.model); err != nil {
		for _, e := range apart(err) {
			p.add(e)
		}
	}
}

// apart returns the errors that were joined.
func apart(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range j.Unwrap() {
			out = append(out, apart(e)...)
		}
		return out
	}
	return []error{err}
}

// add keeps a mistake, once, and reports whether there was one.
func (p *Program) add(err error) bool {
	if err == nil {
		return false
	}
	for _, e := range apart(err) {
		var known *ir.Error
		if !errors.As(e, &known) && p.current != nil {
			at := p.current.made()
			e = &located{at, e}
		}
		if !p.said[e.Error()] {
			p.said[e.Error()] = true
			p.errs = append(p.errs, e)
		}
	}
	return true
}

// located is an error at the line where a phase was made.
type located struct {
	at  ir.Pos
	err error
}

func (l *located) Error() string {
	if l.at.IsZero() {
		return l.err.Error()
	}
	return l.at.String() + ": " + l.err.Error()
}

func (l *located) Unwrap() error { return l.err }

func (p *Program) fail(format string, a ...any) { p.add(fmt.Errorf("pretrain: "+format, a...)) }

// Err returns every mistake of the program, joined, or nil.
func (p *Program) Err() error {
	if p == nil {
		return errors.New("pretrain: the program is nil")
	}
	return errors.Join(p.errs...)
}

// Name returns the program's name, or "" for a nil program.
func (p *Program) Name() string {
	if p == nil {
		return ""
	}
	return p.name
}

// String returns the program as a table, or its mistakes if it has any.
func (p *Program) String() string {
	if err := p.Err(); err != nil {
		return err.Error()
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	head := []string{"phase", "", "layers", "rows", "epochs", "optimizer", "noise", "frozen"}
	for _, cells := range append([][]string{head}, p.cells()...) {
		for len(cells) < len(head) { // else the columns of the lines below begin anew
			cells = append(cells, "")
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	w.Flush()
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return fmt.Sprintf("program %s\n%s\n", p.name, strings.Join(lines, "\n"))
}

// cells are the lines of the table.
func (p *Program) cells() (lines [][]string) {
	notes := p.notes
	for i := range p.list {
		for len(notes) > 0 && notes[0].before <= i {
			lines = append(lines, []string{"", notes[0].what, notes[0].text})
			notes = notes[1:]
		}
		lines = append(lines, p.list[i].line(i+1))
	}
	for _, n := range notes {
		lines = append(lines, []string{"", n.what, n.text})
	}
	return lines
}

// line is that of a step in the table.
func (s *step) line(number int) []string {
	rows := fmt.Sprint(s.rows.Len()) + synthetic(s.rows)
	line := []string{fmt.Sprint(number), s.name, s.layers}
	switch {
	case s.probe != nil:
		return append(line, fmt.Sprintf("%s, tested on %d", rows, s.probe.test.Len()), "", s.probe.text())
	case s.below != nil:
		rows += " codes"
	}
	epochs := fmt.Sprint(s.opt.Epochs)
	if s.opt.Patience > 0 {
		epochs += fmt.Sprintf(", patience %d", s.opt.Patience)
	}
	noise := s.noise()
	if a := s.opt.Augment.String(); a != "" {
		noise = strings.TrimPrefix(noise+", augmented "+a, ", ")
	}
	return append(line, rows, epochs, optimizer(s.opt.Optimizer), noise, strings.Join(s.frozen(), ", "))
}

// synthetic says which share of rows a generator made.
func synthetic(src dataset.Source) string {
	switch share := dataset.SyntheticShare(src); share {
	case 0:
		return ""
	case 1:
		return " synthetic"
	default:
		return fmt.Sprintf(", %.3g %% synthetic", 100*share)
	}
}

// joined is a line of the table without its empty cells.
func joined(line []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(line), func(c string) bool { return c == "" }), "  ")
}

// Diff shows the phases in which q differs from p: lines with - are p's and lines with +
// are q's. It is empty if their tables are the same. What a table does not show, such as
// the rows themselves, is compared when a program resumes: see Run. The lines of a
// program with mistakes are the mistakes.
func (p *Program) Diff(q *Program) string {
	was, is := p.lines(), q.lines()
	var b strings.Builder
	for i := range max(len(was), len(is)) {
		if i < len(was) && i < len(is) && slices.Equal(was[i], is[i]) {
			continue
		}
		if i < len(was) {
			fmt.Fprintf(&b, "- %s\n", joined(was[i]))
		}
		if i < len(is) {
			fmt.Fprintf(&b, "+ %s\n", joined(is[i]))
		}
	}
	return b.String()
}

// lines are what Diff compares.
func (p *Program) lines() (out [][]string) {
	if err := p.Err(); err != nil {
		for _, e := range apart(err) {
			out = append(out, []string{e.Error()})
		}
		return out
	}
	return p.cells()
}

// frozen names what a step leaves alone: patterns, and the stages below.
func (s *step) frozen() []string { return append(append([]string{}, s.opt.Freeze...), s.under...) }

func optimizer(o optim.Optimizer) string {
	s := fmt.Sprintf("%s %v", o.Name(), o.Rate())
	if d, ok := o.Describe().(optim.Description); ok {
		for _, name := range []string{"momentum", "decay"} {
			if v := d.Options[name]; v != 0 {
				s += fmt.Sprintf(", %s %v", name, v)
			}
		}
		if m, ok := d.Schedule.(map[string]any); ok && m["name"] != "constant" {
			s += fmt.Sprintf(", %v", m["name"])
		}
		for _, g := range d.Groups {
			s += fmt.Sprintf(", %s ×%v", g.Pattern, g.Factor)
		}
		for _, g := range d.Decays {
			s += fmt.Sprintf(", decay of %s ×%v", g.Pattern, g.Factor)
		}
		if d.Layer != 0 {
			s += fmt.Sprintf(", ×%v a layer", d.Layer)
		}
	}
	return s
}

// noise is what the table and the record say of a step's draws, and of losses beside
// the first.
func (s *step) noise() string {
	if s.how != "" {
		return s.how
	}
	return strings.Join(append(noiseOf(s.model), s.extra...), ", ")
}

// noiseOf lists the noise of a model's training, each kind once.
func noiseOf(m *spec.Model) []string {
	g, err := m.Graph()
	if err != nil {
		return nil
	}
	var list []string
	seen := map[string]bool{}
	for _, n := range g.Nodes {
		s := ""
		switch op := n.Op.(type) {
		case ops.ChannelDropout:
			s = fmt.Sprintf("Dropout(%v).ByChannel()", op.Rate)
		case ops.GaussianNoise:
			s = fmt.Sprintf("GaussianNoise(%v)", op.SD)
		case ops.Emphasis:
			s = fmt.Sprintf("Emphasis(%v, %v)", op.Hit, op.Rest)
		case ir.Corrupter:
			s = fmt.Sprintf("%s(%v)", n.Op.Name(), op.Corrupts())
		}
		if s != "" && !seen[s] {
			seen[s] = true
			list = append(list, s)
		}
	}
	return list
}
