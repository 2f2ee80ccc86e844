package plan

import (
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Totals are sums and means of data columns, over the rows of a whole update or of a whole
// evaluated set, that another plan takes as inputs. Whoever runs that plan adds them up
// first, since an update may be run in parts, none of which has all rows.
type Totals struct {
	Plan *Plan // makes from the data columns, of any number of rows, what is added up
	Of   []Sum
}

// Sum is one of the totals.
type Sum struct {
	Input string // of the plan that takes it, f32[]
	Rows  string // output of the plan of the totals, f32[N …], all elements of which are added up
	Mean  bool   // and the sum is divided by their number
	Op    string // that the sum was,
	Layer string // in this layer,
	Pos   ir.Pos // declared here
}

// Gives reports whether an input of the other plan is one of the totals. A nil *Totals
// has none.
func (t *Totals) Gives(input string) bool {
	return t != nil && slices.ContainsFunc(t.Of, func(x Sum) bool { return x.Input == input })
}
