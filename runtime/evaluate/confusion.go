package evaluate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// Confusion is a confusion matrix: it counts rows by true and predicted class.
type Confusion struct {
	Classes []string // names, in order; nil for numbers from 0
	Counts  [][]int  // by the true class, then by the predicted one
}

// NewConfusion returns an empty table. names is nil or has one name for each class.
func NewConfusion(classes int, names []string) *Confusion {
	c := &Confusion{Classes: names, Counts: make([][]int, classes)}
	for i := range c.Counts {
		c.Counts[i] = make([]int, classes)
	}
	return c
}

// Rows returns the number of rows.
func (c *Confusion) Rows() int {
	n := 0
	for _, row := range c.Counts {
		for _, k := range row {
			n += k
		}
	}
	return n
}

// Right returns the number of rows that were predicted correctly.
func (c *Confusion) Right() int {
	n := 0
	for i := range c.Counts {
		n += c.Counts[i][i]
	}
	return n
}

// Accuracy returns the share of the rows that were predicted correctly, or 0 if there are
// no rows.
func (c *Confusion) Accuracy() float64 {
	n := c.Rows()
	if n == 0 {
		return 0
	}
	return float64(c.Right()) / float64(n)
}

// Recall returns the share of a class's rows that were predicted as it, or 0 if it has
// none.
func (c *Confusion) Recall(class int) float64 {
	n := 0
	for _, k := range c.Counts[class] {
		n += k
	}
	return ratio(float64(c.Counts[class][class]), float64(n))
}

// Precision returns the share of the rows predicted as a class that belong to it, or 0 if
// there are none.
func (c *Confusion) Precision(class int) float64 {
	n := 0
	for _, row := range c.Counts {
		n += row[class]
	}
	return ratio(float64(c.Counts[class][class]), float64(n))
}

// String returns the table, a line for each true class, with its recall, and the
// accuracy below.
func (c *Confusion) String() string {
	name := func(i int) string {
		if i < len(c.Classes) {
			return c.Classes[i]
		}
		return fmt.Sprint(i)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "true\t")
	for i := range c.Counts {
		fmt.Fprintf(w, "%s\t", name(i))
	}
	fmt.Fprintln(w, "recall\t")
	for i, row := range c.Counts {
		fmt.Fprintf(w, "%s\t", name(i))
		for _, k := range row {
			fmt.Fprintf(w, "%d\t", k)
		}
		fmt.Fprintf(w, "%.1f %%\t\n", 100*c.Recall(i))
	}
	w.Flush() // a strings.Builder takes everything
	fmt.Fprintf(&b, "%d of %d right, %.2f %%\n", c.Right(), c.Rows(), 100*c.Accuracy())
	return b.String()
}

// Confuse runs a classifier over rows and counts. The prediction is the greatest element
// of the net's only output f32[N classes], logits or probabilities, the first one if
// several are equal. The truth is the column label. The names are those of the record.
//
// Errors: an output that is not a row of scores; rows without the inputs' columns or the
// label; a label that is not a class; those of the Net.
func Confuse(ctx context.Context, net *engine.Net, rows dataset.Source, label string) (*Confusion, error) {
	s, err := Codes(ctx, net, rows, label)
	if err == nil {
		err = s.within(net, label)
	}
	if err != nil {
		return nil, err
	}
	names := net.Record().Classes
	if len(names) != s.Dim {
		names = nil
	}
	c := NewConfusion(s.Dim, names)
	for i, y := range s.Y {
		x, best := s.Row(i), 0
		for j := range x {
			if x[j] > x[best] {
				best = j
			}
		}
		c.Counts[y][best]++
	}
	return c, nil
}

// Set is a set of labelled codes.
type Set struct {
	X       []float64 // row by row: [rows Dim]
	Dim     int
	Y       []int // classes, from 0; None where there is none, see Scores
	Classes int   // one more than the greatest
}

// Row returns the code of a row.
func (s *Set) Row(i int) []float64 { return s.X[i*s.Dim : (i+1)*s.Dim] }

// labelled returns an error unless each row has a label.
func (s *Set) labelled() error {
	for i, y := range s.Y {
		if y < 0 || y >= s.Classes {
			return fmt.Errorf("evaluate: the label of row %d is %d; it must be from 0 to %d, as Codes makes sure", i, y, s.Classes-1)
		}
	}
	return nil
}

// within returns an error if a label is no class of the net's output.
func (s *Set) within(net *engine.Net, label string) error {
	if s.Classes > s.Dim {
		return fmt.Errorf("evaluate: column %q has the label %d, but the output %q has %d classes", label, s.Classes-1, net.Graph().Outputs[0].Name, s.Dim)
	}
	return nil
}

// maxClasses bounds the classes of labels: a table has the square of as many counts.
const maxClasses = 1 << 12

// Codes computes the only output f32[N …] of a net for every row, with the label's
// column beside it.
//
// Errors: more than one output, or one without rows; rows without the inputs'
// columns or the label; a label that is negative or above 4,095; a code that is not
// finite; those of the Net.
func Codes(ctx context.Context, net *engine.Net, rows dataset.Source, label string) (*Set, error) {
	return codes(ctx, net, rows, label, 0)
}

// Scores computes the only output f32[N classes] of a net for every row, as [Codes] does, with the label's column beside it: a
// number for each class, such as a probability, for the metrics of this package. A row without a label, -1, has [None].
//
// Errors: those of Codes, but for -1; a label that is not a class.
func Scores(ctx context.Context, net *engine.Net, rows dataset.Source, label string) (*Set, error) {
	s, err := codes(ctx, net, rows, label, None)
	if err != nil {
		return nil, err
	}
	return s, s.within(net, label)
}

// codes is Codes with labels from least on.
func codes(ctx context.Context, net *engine.Net, rows dataset.Source, label string, least int64) (*Set, error) {
	if err := net.Err(); err != nil {
		return nil, err
	}
	outs := net.Graph().Outputs
	if len(outs) != 1 {
		return nil, fmt.Errorf("evaluate: the net has %d outputs, one is needed", len(outs))
	}
	t := outs[0].Type
	if t.DType != ir.F32 || !t.Shape.RowWise() || t.Rank() < 2 || t.Shape[1:].Symbolic() {
		return nil, fmt.Errorf("evaluate: the output %q must be f32[N …], got %s", outs[0].Name, t)
	}
	s := &Set{Dim: t.Shape[1:].Count()}
	err := net.Each(ctx, rows, func(b dataset.Batch, out map[string]*ir.Tensor) error {
		y := b.I64(label)
		if len(y) != b.Rows {
			return fmt.Errorf("evaluate: the rows have no column %q of one i64 a row; they have %v", label, rows.Columns())
		}
		for i, x := range out[outs[0].Name].F32 {
			if x-x != 0 {
				return fmt.Errorf("evaluate: row %d: the output %q is %v at %d", b.Index[i/s.Dim], outs[0].Name, x, i%s.Dim)
			}
			s.X = append(s.X, float64(x))
		}
		for i, k := range y {
			if k < least || k >= maxClasses {
				return fmt.Errorf("evaluate: %s is the label %d, it must be from 0 to %d%s", dataset.Place(rows, b.Index[i], label), k, maxClasses-1, orNone(least))
			}
			s.Y, s.Classes = append(s.Y, int(k)), max(s.Classes, int(k)+1)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(s.Y) == 0 {
		return nil, errors.New("evaluate: there are no rows")
	}
	return s, nil
}

// orNone says what stands for no label, where that may be.
func orNone(least int64) string {
	if least == None {
		return fmt.Sprintf(", or %d for none", None)
	}
	return ""
}
