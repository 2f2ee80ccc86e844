package compiler

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/compiler/random"
)

// PassError is an error that ended a pass.
type PassError struct {
	Pass string
	Err  error
}

// Error returns the pass and the error.
func (e *PassError) Error() string { return "compiler: " + e.Pass + ": " + e.Err.Error() }

// Unwrap returns the error, which is an *ir.Error when a layer caused it.
func (e *PassError) Unwrap() error { return e.Err }

// InternalError is a fault in the compiler itself: a panic in a pass, or a graph that
// does not verify after one. Graph is the text form of the graph the
// pass was given, for a report.
type InternalError struct {
	Pass  string
	What  string
	Stack string // of a panic, else empty
	Graph string
}

// Error returns the pass, what happened and the graph.
func (e *InternalError) Error() string {
	return fmt.Sprintf("compiler: internal error in pass %s: %s\nthe graph given to the pass:\n%s", e.Pass, e.What, e.Graph)
}

// run takes g through the passes of a stage, changing it in place.
func (s *state) run(g *ir.Graph, st stage) error {
	for _, p := range s.table() {
		if p.stage != st || p.when != nil && !p.when(s) {
			continue
		}
		if err := s.step(g, p); err != nil {
			return err
		}
	}
	return nil
}

// table is the pipeline, or what a test put in its place.
func (s *state) table() []pass {
	if s.rows != nil {
		return s.rows
	}
	return passes()
}

// step runs one pass under guard and looks at what it made.
func (s *state) step(g *ir.Graph, p pass) error {
	if s.opt.Permute != 0 {
		key := random.New(s.opt.Permute).DeriveString(p.name)
		if err := permuteNodes(g, key); err != nil {
			return &PassError{p.name, err}
		}
	}
	given, _ := g.Clone()
	if err := guard(p.name, given, func() error { return p.run(g, s) }); err != nil {
		return err
	}
	if err := ir.Verify(g); err != nil {
		return &InternalError{Pass: p.name, What: err.Error(), Graph: text(given)}
	}
	s.ran = append(s.ran, p.name)
	return s.dump(p.name, func() string { return text(g) })
}

// lower turns the graph into a plan under the same guard.
func (s *state) lower(g *ir.Graph, o lowerOptions) (p *plan.Plan, err error) {
	if s.opt.Permute != 0 {
		if err := permuteNodes(g, random.New(s.opt.Permute).DeriveString(lowerPass)); err != nil {
			return nil, &PassError{lowerPass, err}
		}
	}
	err = guard(lowerPass, g, func() error {
		if err := sortNodes(g); err != nil {
			return err
		}
		p, err = lower(g, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.ran = append(s.ran, lowerPass)
	return p, s.dump(lowerPass, func() string { return plan.Format(p) })
}

// guard names the pass in its error and makes a panic an internal error.
func guard(name string, g *ir.Graph, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &InternalError{Pass: name, What: fmt.Sprint(r), Stack: string(debug.Stack()), Graph: text(g)}
		}
	}()
	if err := f(); err != nil {
		var internal *InternalError
		if errors.As(err, &internal) {
			return err
		}
		return &PassError{name, err}
	}
	return nil
}

// text is the text form of a graph that may be broken.
func text(g *ir.Graph) (s string) {
	defer func() {
		if r := recover(); r != nil {
			s = fmt.Sprintf("(the graph %q cannot be printed: %v)", g.Name, r)
		}
	}()
	return ir.Format(g)
}

// dump writes what a pass made if it was asked for.
func (s *state) dump(name string, form func() string) error {
	if s.opt.Dump == nil || s.opt.DumpAfter != name && s.opt.DumpAfter != dumpAll {
		return nil
	}
	use := "training"
	if s.inference {
		use = "inference"
	}
	if _, err := fmt.Fprintf(s.opt.Dump, "# after %s, %s\n%s\n", name, use, strings.TrimRight(form(), "\n")); err != nil {
		return &PassError{name, fmt.Errorf("dump: %w", err)}
	}
	return nil
}

// dumpAll as Options.DumpAfter asks for every pass.
const dumpAll = "all"

// checkOptions refuses what no pass could honour.
func checkOptions(o Options) error {
	if o.Rows <= 0 {
		return fmt.Errorf("compiler: the row capacity must be positive, got %d", o.Rows)
	}
	if o.Shards != 0 && !ir.PowerOfTwo(o.Shards) || o.Shards > ir.MaxShards || o.Shards > 1 && !o.StoreGrads {
		return fmt.Errorf("compiler: Shards is %d; it must be a power of two up to %d, and more than 1 needs StoreGrads", o.Shards, ir.MaxShards)
	}
	if len(o.Lengths) > ir.MaxFree {
		return fmt.Errorf("compiler: %d lengths have a capacity, at most %d may", len(o.Lengths), ir.MaxFree)
	}
	for name, n := range o.Lengths {
		if n <= 0 || name == ir.Batch {
			return fmt.Errorf("compiler: the capacity of length %q is %d; it must be positive, and that of the batch is Rows", name, n)
		}
	}
	return checkDump(o.Dump, o.DumpAfter)
}

func checkDump(w io.Writer, name string) error {
	if w == nil || name == "" || name == dumpAll {
		return nil
	}
	var names []string
	for _, n := range PassNames() {
		if n == name {
			return nil
		}
		names = append(names, n)
	}
	return fmt.Errorf("compiler: no pass is named %q; there are %s, and %s for every one", name, strings.Join(names, ", "), dumpAll)
}

// PassNames returns the names of the passes in the order of running; the last
// one lowers the graph to a plan.
func PassNames() []string {
	var names []string
	for _, p := range passes() {
		names = append(names, p.name)
	}
	return append(names, lowerPass)
}
