package plan

import (
	"fmt"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// locals checks that slices of a buffer of kind Local stay with the task that makes them:
// one step behind it in the same group reads them, and until then the task makes no other
// such buffer, but from this one.
func (c *checker) locals() error {
	for i := range c.p.Buffers {
		b := &c.p.Buffers[i]
		if b.Kind != Local {
			continue
		}
		def, ok := c.made[i]
		if !ok || def.tail || def.group.Whole() || def.once || b.Alias >= 0 || b.Type.DType != ir.F32 || b.Type.Shape.Symbolic() {
			return fmt.Errorf("%s %v is of a task's own, but is not made in slices of known length", b.Name, b.Type)
		}
		rs := c.reads[i]
		if len(rs) != 1 || !rs[0].at.sameList(def) || rs[0].access != ir.Axis0 {
			return fmt.Errorf("%s is of a task's own, but is not read once, slice by slice, in the task", b.Name)
		}
		for _, id := range def.group.Steps[def.pos+1 : rs[0].at.pos+1] {
			s := &c.p.Steps[id]
			if id != rs[0].step && slices.ContainsFunc(s.Out, func(o int) bool { return c.p.Buffers[o].Kind == Local }) {
				return fmt.Errorf("step %d (%s) makes what is of the task's own before %s is read", id, stepName(s), b.Name)
			}
		}
	}
	for _, o := range c.p.Outputs {
		if c.p.Buffers[c.p.Root(o.Buffer)].Kind == Local {
			return fmt.Errorf("output %s is of a task's own", o.Name)
		}
	}
	return nil
}
