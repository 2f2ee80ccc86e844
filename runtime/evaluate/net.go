package evaluate

import (
	"context"
	"fmt"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// MeasureNet runs a net over rows whose truth is the column label, whole numbers with -1 for none, and measures what comes out
// as [Measure] does. The net has one output of floats, and may have one of truth values, its flags:
//
//	evaluate.MeasureNet(ctx, fit.Net(probabilities), test, "y", evaluate.MeasureOptions{}) // f32[N classes]: Classes
//	evaluate.MeasureNet(ctx, fit.Net(score, flag), test, "y", evaluate.MeasureOptions{})   // f32[N] and bool[N]: Anomalies
//
// Several numbers a row are [Classes], and Probabilities if those of every row are none below 0 and add up to 1, else Logits. One
// number a row is the score of [Anomalies], which are the rows with the label 1. Names are those of the record's classes.
//
// Errors: other outputs; rows without the inputs' columns or the label; those of Measure and of the Net.
func MeasureNet(ctx context.Context, net *engine.Net, rows dataset.Source, label string, o MeasureOptions) (*Measured, error) {
	score, flag, err := measured(net)
	if err != nil {
		return nil, err
	}
	out := Outputs{Kind: Anomalies, Width: score.Type.Shape[1:].Count()}
	err = net.Each(ctx, rows, func(b dataset.Batch, got map[string]*ir.Tensor) error {
		y := b.I64(label)
		if len(y) != b.Rows {
			return fmt.Errorf("evaluate: the rows have no column %q of one i64 a row; they have %v", label, rows.Columns())
		}
		for _, k := range y {
			out.Truth = append(out.Truth, int(k))
		}
		for _, x := range got[score.Name].F32 {
			out.Scores = append(out.Scores, float64(x))
		}
		if flag != nil {
			out.Flags = append(out.Flags, got[flag.Name].Bool...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if out.Width > 1 {
		out.Kind, out.Scale, out.Names = Classes, Logits, net.Record().Classes
		if AreProbabilities(out.Scores, out.Width) {
			out.Scale = Probabilities
		}
	}
	return Measure(ctx, out, o)
}

// measured returns the output of a net that is measured, and its flags or nil.
func measured(net *engine.Net) (score, flag *ir.Value, err error) {
	if err := net.Err(); err != nil {
		return nil, nil, err
	}
	var all []string
	for _, v := range net.Graph().Outputs {
		all = append(all, fmt.Sprintf("%s %s", v.Type, v.Name))
	}
	for _, v := range net.Graph().Outputs {
		t := v.Type
		known := t.Shape.RowWise() && !t.Shape[1:].Symbolic()
		switch {
		case known && t.DType == ir.F32 && score == nil:
			score = v
		case known && t.DType == ir.Bool && flag == nil && t.Shape[1:].Count() == 1:
			flag = v
		default:
			return nil, nil, fmt.Errorf("evaluate: one output f32[N …] is measured, with one of flags, bool[N], at most; the net has %s: make a net of those alone", strings.Join(all, ", "))
		}
	}
	if score == nil {
		return nil, nil, fmt.Errorf("evaluate: an output f32[N …] is needed, the net has %s", strings.Join(all, ", "))
	}
	return score, flag, nil
}

// AreProbabilities reports whether no number of x, [rows width], is below 0 and those of each row add up to 1, within a
// thousandth.
func AreProbabilities(x []float64, width int) bool {
	for i := 0; i+width <= len(x); i += width {
		sum := 0.0
		for _, v := range x[i : i+width] {
			if !(v >= 0) {
				return false
			}
			sum += v
		}
		if !(math.Abs(sum-1) <= 1e-3) {
			return false
		}
	}
	return true
}

// String returns a line for each metric with its interval, and one that says how the intervals were found.
func (m *Measured) String() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, x := range m.Metrics {
		if x.Why != "" {
			fmt.Fprintf(t, "  %s\tnot defined: %s\n", x.Name, x.Why)
			continue
		}
		number := "%.4f" // most are shares
		if m.Kind == Numbers {
			number = "%.5g"
		}
		fmt.Fprintf(t, "  %s\t"+number+"\t"+number+" to "+number, x.Name, x.Value, x.Low, x.High)
		if x.Undefined > 0 {
			fmt.Fprintf(t, "\t%d draws do not define it", x.Undefined)
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	by := ""
	if m.Strata {
		by = ", as many rows of each class as there are"
	}
	fmt.Fprintf(&b, "  (intervals of %v %%: percentiles of %d draws with replacement%s)\n", 100*m.Level, m.Draws, by)
	return b.String()
}
