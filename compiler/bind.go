package compiler

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// maxElems is the greatest number of elements a value may have at capacity:
// offsets are computed in 64 bits with room to spare, and a file or a program
// that asks for more gets an error and not an allocation.
const maxElems = 1 << 40

// bind gives every length its bound: the batch runs up to the capacity, and no
// other symbol may be left. Parameters and constants have known lengths.
func bind(g *ir.Graph, s *state) error {
	if s.opt.Rows <= 0 {
		return fmt.Errorf("the row capacity must be positive, got %d", s.opt.Rows)
	}
	check := func(v *ir.Value) error {
		elems := 1
		for _, d := range v.Type.Shape {
			if d.Symbolic() && d.Sym != ir.Batch {
				return fmt.Errorf("%q is %s: length %s is bound by nothing, only the batch %s may be open", v.Name, v.Type, d.Sym, ir.Batch)
			}
			if d.Symbolic() && d.N > math.MaxInt/s.opt.Rows {
				return fmt.Errorf("%q is %s: too large at %d rows", v.Name, v.Type, s.opt.Rows)
			}
			n := d.Bind(s.opt.Rows)
			if n > 0 && elems > maxElems/n {
				return fmt.Errorf("%q is %s: more than %d elements at %d rows", v.Name, v.Type, maxElems, s.opt.Rows)
			}
			elems *= n
		}
		return nil
	}
	for _, v := range g.Values() {
		err := check(v)
		switch {
		case err != nil && v.Def != nil:
			return nodeError(v.Def, "%v", err)
		case err != nil:
			return err
		case v.Kind == ir.ParamValue && v.Type.Shape.Symbolic():
			return fmt.Errorf("parameter %q is %s: its lengths must be known", v.Name, v.Type)
		}
	}
	return nil
}
