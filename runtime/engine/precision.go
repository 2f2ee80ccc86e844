package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/compiler/plan"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// Precision says in what a training computed its products, and what that changes: how far the function that ships, in
// FP32, is from itself with products in that precision, on rows of the user.
type Precision struct {
	Products string            `json:"products"` // such as "BF16 except head"
	Rows     int               `json:"rows"`     // that were compared; 0 if the function takes other inputs than they have
	Outputs  map[string]Effect `json:"outputs,omitempty"`
}

// Effect is the difference of an output of two functions over all rows and elements. Elements of an output that is no
// float differ by what they are as numbers.
type Effect struct {
	Max float64 // greatest difference of an element
	RMS float64 // root of the mean of squared differences
	Of  float64 // the same of the output itself, in FP32
}

// effect is an Effect in JSON, whose numbers need not be finite.
type effect struct {
	Max number `json:"max"`
	RMS number `json:"rms"`
	Of  number `json:"of"`
}

// MarshalJSON writes the numbers like [Metrics].
func (e Effect) MarshalJSON() ([]byte, error) {
	return json.Marshal(effect{number(e.Max), number(e.RMS), number(e.Of)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Effect) UnmarshalJSON(b []byte) error {
	var x effect
	err := json.Unmarshal(b, &x)
	*e = Effect{float64(x.Max), float64(x.RMS), float64(x.Of)}
	return err
}

// String says in one line what the precision changes: the output that it changes most for its size.
func (p *Precision) String() string {
	if p.Rows == 0 {
		return fmt.Sprintf("trained in %s; not compared with FP32, as the rows have no columns for the inputs", p.Products)
	}
	var parts []string
	for name, e := range p.Outputs {
		parts = append(parts, fmt.Sprintf("%s changes by at most %.2g, rms %.2g of %.2g", name, e.Max, e.RMS, e.Of))
	}
	slices.Sort(parts)
	return fmt.Sprintf("trained in %s; computed so instead of in FP32, on %d rows %s", p.Products, p.Rows, strings.Join(parts, ", "))
}

// Narrow reports whether products of the function are in bf16. Such a Net computes what a training in that precision
// does. It does not ship: a file has the function in FP32.
func (n *Net) Narrow() bool {
	return n.p != nil && slices.ContainsFunc(n.p.Steps, func(s plan.Step) bool { return ops.InBF16(s.Op) })
}

// Fits reports whether rows have a column for each input.
func (n *Net) Fits(rows dataset.Source) bool {
	_, err := n.columnsFit(rows)
	return n.Err() == nil && err == nil
}

// errEnough ends a reading of rows.
var errEnough = errors.New("enough rows")

// Compare runs this function and another one of the same inputs and outputs on the first rows of a source, at most so
// many or a batch more, and returns their differences by output and the number of rows. An element that is not finite in one of
// them only differs by infinity.
//
// Errors: those of [Net.Each].
func (n *Net) Compare(ctx context.Context, other *Net, rows dataset.Source, most int) (map[string]Effect, int, error) {
	if err := errors.Join(n.Err(), other.Err()); err != nil {
		return nil, 0, err
	}
	at, err := n.columnsFit(rows)
	if err != nil {
		return nil, 0, err
	}
	effects, sums, seen := map[string]Effect{}, map[string]int{}, 0
	in := map[string]*ir.Tensor{}
	err = dataset.Each(ctx, rows, min(n.Capacity(), most), func(b dataset.Batch) error {
		n.feed(in, b, at)
		x, err := n.Run(ctx, in)
		if err != nil {
			return err
		}
		y, err := other.Run(ctx, in)
		if err != nil {
			return err
		}
		for name, a := range x {
			e := effects[name]
			for i := range a.Len() {
				p, q := a.At(i), y[name].At(i)
				d := math.Abs(p - q)
				switch {
				case p == q || p != p && q != q:
					d = 0
				case d != d:
					d = math.Inf(1)
				}
				e.Max, e.RMS, e.Of = max(e.Max, d), e.RMS+d*d, e.Of+p*p
			}
			effects[name], sums[name] = e, sums[name]+a.Len()
		}
		if seen += b.Rows; seen >= most {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, 0, err
	}
	for name, e := range effects {
		k := float64(max(sums[name], 1))
		e.RMS, e.Of = math.Sqrt(e.RMS/k), math.Sqrt(e.Of/k)
		effects[name] = e
	}
	return effects, seen, nil
}
