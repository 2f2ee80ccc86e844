package rates

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
)

// Row is a parameter's place in a [Table].
type Row struct {
	Param    string  `json:"param"`
	Layer    string  `json:"layer"`
	Gradient float64 `json:"gradient,omitempty"` // L1 norm of its gradients, summed over updates; 0 if there was none or it was not measured
	Factor   float64 `json:"factor"`             // of its rate; 0 if it is frozen
}

// Table says by what the rate of each parameter is multiplied. It encodes to JSON.
type Table struct {
	Way    string   `json:"way"` // how the factors came about
	Rows   []Row    `json:"rows"`
	Freeze []string `json:"freeze,omitempty"` // patterns of the parameters and running statistics that stay as they are
}

// String returns the table as text, one parameter a line.
func (t *Table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "learning rates: %s\n", t.Way)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "tensor\tlayer\tgradient, L1\trate\n")
	for _, r := range t.Rows {
		gradient, factor := "-", "×"+strconv.FormatFloat(r.Factor, 'g', 4, 64)
		if r.Gradient != 0 {
			gradient = strconv.FormatFloat(r.Gradient, 'g', 5, 64)
		}
		if r.Factor == 0 {
			factor = "frozen"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Param, r.Layer, gradient, factor)
	}
	_ = w.Flush() // a Builder takes everything
	return b.String()
}

// Apply returns options like o whose optimizer multiplies the rates by the table's factors, besides what it multiplied
// them by before, and that freeze what the table does. o stays as it is.
//
// Errors: the optimizer is not one of package optim, or has mistakes.
func (t *Table) Apply(o train.Options) (train.Options, error) {
	groups, err := t.groups(o.Optimizer)
	if err != nil {
		return o, err
	}
	if o.Optimizer, err = optim.WithGroups(o.Optimizer, groups...); err != nil {
		return o, fmt.Errorf("rates: %w", err)
	}
	o.Freeze = append(slices.Clone(o.Freeze), t.Freeze...)
	return o, nil
}

// groups are those of the factors that are not 1. A name that another one begins with comes first, so that the longer counts.
func (t *Table) groups(o optim.Optimizer) (groups []optim.Group, err error) {
	if o == nil {
		return nil, fmt.Errorf("rates: Options.Optimizer is required, such as optim.Adam(1e-3)")
	}
	for _, r := range t.Rows {
		if r.Factor == 1 || r.Factor == 0 { // frozen ones are no group
			continue
		}
		was, ok := o.Factor(r.Param)
		if !ok {
			was, _ = o.Factor(r.Layer)
		}
		groups = append(groups, optim.Group{Pattern: optim.Quote(r.Param), Factor: was * r.Factor})
	}
	slices.SortStableFunc(groups, func(a, b optim.Group) int { return cmp.Compare(len(a.Pattern), len(b.Pattern)) })
	return groups, nil
}

// digits is how many a factor keeps: the last bits of a gradient depend on the kernels, and a training that goes on with others
// should find the factors that it began with.
const digits = 4

// rounded keeps some digits of a factor.
func rounded(x float64) float64 {
	x, _ = strconv.ParseFloat(strconv.FormatFloat(x, 'g', digits, 64), 64) // what was written can be read
	return x
}
