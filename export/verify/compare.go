package verify

import (
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// Diff is the result of comparing one tensor with another.
type Diff struct {
	WorstAbs     float64 // greatest difference of two finite elements
	Row, Element int     // where that is: row of the batch, element within the row
	Tolerance    float64 // greatest tolerance of an element
	Largest      float64 // greatest magnitude of a finite element wanted
	Undetermined int     // elements that rounding alone decides
	Bad          int     // elements outside their tolerance
	First        string  // describes the worst element outside
}

// Compare compares got with want, element by element. Both are results of executions in
// est's dtype, and est is the reference with its bound.
//
// Finite elements may be apart by the tolerance. NaN must meet NaN and an
// infinity the same infinity, place by place. Elements that the bound leaves
// open may be anything. Integers and truth values must be equal.
func Compare(got, want *ir.Tensor, est Estimate) Diff {
	d := Diff{}
	if got == nil || want == nil {
		d.Bad, d.First = 1, "the output is missing"
		return d
	}
	if got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) || est.Value == nil || est.Value.Len() != want.Len() || got.Len() != want.Len() {
		d.Bad, d.First = 1, fmt.Sprintf("the output is %s, %s was wanted", got.Type(), want.Type())
		return d
	}
	row := 1
	if len(want.Shape) > 0 {
		row = max(ir.Elems(want.Shape[1:]), 1)
	}
	worst := 0.0
	for i, n := 0, want.Len(); i < n; i++ {
		if math.IsInf(est.At(i), 1) {
			d.Undetermined++
			continue
		}
		x, y := got.At(i), want.At(i)
		if got.DType.Integer() {
			if got.Int(i) != want.Int(i) {
				d.miss(i, row, &worst, math.Inf(1), "%s instead of %s", got.Text(i), want.Text(i))
			}
			continue
		}
		tol := est.Tolerance(i)
		switch {
		case math.IsNaN(x) && math.IsNaN(y), x == y:
			if finite(y) {
				d.Largest = max(d.Largest, math.Abs(y))
				d.Tolerance = max(d.Tolerance, tol)
			}
		case !finite(x) || !finite(y):
			d.miss(i, row, &worst, math.Inf(1), "%v instead of %v", x, y)
		default:
			d.Largest = max(d.Largest, math.Abs(y))
			d.Tolerance = max(d.Tolerance, tol)
			e := math.Abs(x - y)
			if e > d.WorstAbs {
				d.WorstAbs = e
				if d.Bad == 0 {
					d.Row, d.Element = i/row, i%row
				}
			}
			if e > tol {
				d.miss(i, row, &worst, e/(tol+math.SmallestNonzeroFloat32), "%.9g instead of %.9g, off by %.3g where %.3g is allowed", x, y, e, tol)
			}
		}
	}
	return d
}

// Enough is the share of an output's elements on given rows that must be
// determined for a file to hold.
const Enough = 0.9

// Determined returns the share, from 0 to 1, of want's elements about which a comparison
// within est says something. The others are elements that rounding decides, NaN,
// infinities where no element is finite, and numbers whose tolerance reaches the largest
// of want: there zeros would pass. first is the index of the first of the others, or -1
// if there is none.
func Determined(want *ir.Tensor, est Estimate) (share float64, first int) {
	n := want.Len()
	if n == 0 {
		return 1, -1
	}
	if est.Value == nil || est.Value.Len() != n {
		return 0, 0
	}
	largest, some := 0.0, false
	for i := range n {
		if x := math.Abs(want.At(i)); finite(x) {
			some = true
			largest = max(largest, x)
		}
	}
	known := 0
	first = -1
	for i := range n {
		x, tol := want.At(i), est.Tolerance(i)
		ok := some && !math.IsNaN(x) && finite(tol)
		if want.DType.Float() && largest > 0 {
			ok = ok && tol < largest
		}
		if ok {
			known++
		} else if first < 0 {
			first = i
		}
	}
	return float64(known) / float64(n), first
}

// miss notes element i, and describes it if its ratio is the worst yet.
func (d *Diff) miss(i, row int, worst *float64, ratio float64, what string, a ...any) {
	d.Bad++
	if d.Bad == 1 || ratio > *worst {
		*worst = ratio
		d.Row, d.Element = i/row, i%row
		d.First = fmt.Sprintf("row %d, element %d: ", i/row, i%row) + fmt.Sprintf(what, a...)
	}
}

func finite(x float64) bool { return x-x == 0 }
