package pretrain

import (
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// FreezePhase is made by [Freeze] and [Unfreeze].
type FreezePhase struct {
	at       ir.Pos
	patterns []string
	thaw     bool
}

// Freeze keeps the parameters that the patterns name (see optim.Match) as they are in
// the Fit and EndToEnd phases that follow, until Unfreeze: they get no update and keep no
// optimizer state, and no gradient is computed below the lowest trained layer. It adds to
// a phase's own Options.Freeze.
//
// Mistakes: a pattern is malformed or names nothing in any phase that follows; a phase
// is left with nothing to train; a stage of Greedy or RBM would train frozen parameters.
func Freeze(patterns ...string) *FreezePhase {
	return &FreezePhase{at: here(), patterns: slices.Clone(patterns)}
}

// Unfreeze ends what Freeze began, for these patterns, or for all if none is given.
// Mistakes: a pattern is not frozen.
func Unfreeze(patterns ...string) *FreezePhase {
	return &FreezePhase{at: here(), patterns: slices.Clone(patterns), thaw: true}
}

func (f *FreezePhase) made() ir.Pos {
	if f == nil {
		return ir.Pos{}
	}
	return f.at
}

// steps changes what is frozen; it is no training.
func (f *FreezePhase) steps(p *Program) []step {
	if f.thaw {
		p.notes = append(p.notes, note{len(p.list), "unfreeze", strings.Join(f.patterns, ", ")})
		if len(f.patterns) == 0 {
			p.frozen = nil
		}
		for _, pattern := range f.patterns {
			i := slices.IndexFunc(p.frozen, func(x *frozen) bool { return x.pattern == pattern })
			if i < 0 {
				p.fail("Unfreeze: %q is not frozen here", pattern)
				continue
			}
			p.frozen = slices.Delete(p.frozen, i, i+1)
		}
		return nil
	}
	p.notes = append(p.notes, note{len(p.list), "freeze", strings.Join(f.patterns, ", ")})
	if len(f.patterns) == 0 {
		p.fail("Freeze: it names no pattern")
	}
	for _, pattern := range f.patterns {
		if err := optim.CheckPattern(pattern); err != nil {
			p.fail("Freeze: %q: %v", pattern, err)
			continue
		}
		x := &frozen{pattern: pattern, by: f}
		p.frozen, p.froze = append(p.frozen, x), append(p.froze, x)
	}
	return nil
}

// note is a line of the table that is no step: it stands before one.
type note struct {
	before     int
	what, text string
}

// frozen is a pattern that is frozen at a place in the program.
type frozen struct {
	pattern string
	by      *FreezePhase
	used    bool
}

// freeze adds what is frozen to a step.
func (p *Program) freeze(ph Phase, st *step) {
	if st.model == nil {
		return
	}
	_, fit := ph.(*FitPhase)
	if s, ok := ph.(*StackPhase); ok {
		fit = !s.greedy
	}
	for _, x := range p.frozen {
		hit := ""
		for _, q := range st.model.Params() {
			if optim.Match(x.pattern, q.Name) {
				hit = q.Name
				break
			}
		}
		switch {
		case hit == "":
		case !fit:
			x.used = true
			p.fail("%s would train %q, which Freeze(%q) at %s keeps as it is; put the stages before it, or Unfreeze(%q) between them", st.name, hit, x.pattern, x.by.at, x.pattern)
		default:
			x.used = true
			if !slices.Contains(st.opt.Freeze, x.pattern) {
				st.opt.Freeze = append(slices.Clone(st.opt.Freeze), x.pattern)
			}
		}
	}
	if fit && len(p.frozen) > 0 {
		st.layers = tops(st.model, st.opt.Freeze)
	}
}

// checkFrozen tells patterns that froze nothing.
func (p *Program) checkFrozen() {
	for _, x := range p.froze {
		if !x.used {
			p.current = x.by
			p.fail("Freeze: %q matches no parameter of the phases that follow; they are named by layer as in Model.Summary", x.pattern)
		}
	}
	p.current = nil
}
