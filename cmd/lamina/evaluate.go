package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

type evaluateFlags struct {
	data                              []string
	labels, output, flag, kind, scale string
	json                              bool
	o                                 evaluate.MeasureOptions
}

func evaluateCommand() *cobra.Command {
	var f evaluateFlags
	c := &cobra.Command{
		Use:   "evaluate BUNDLE --data FILE --labels FILE|COLUMN",
		Short: "Measure a bundle on rows of which the truth is known",
		Long: `Runs rows through a bundle's model on Lamina's own engine and prints its metrics,
each with an interval of a bootstrap. The bundle's files are held against their
hashes and its stored test sets are replayed first.

What is measured depends on the output and the labels:

  classes     an output f32[N classes] and a class for each row; f32[N] of a Sigmoid
              and 0 or 1 is two classes
  labels      an output f32[N labels] and as many of 0 or 1 for each row
  anomalies   a score f32[N] and 0 or 1; an output bool[N] is its flag
  numbers     an output f32[N ...] and what it should be: floats, or --kind numbers

Probabilities are known by the Softmax or Sigmoid that makes them, or by rows that add
up to 1; --kind and --scale say it instead. Where numbers from 0 to 1 may be either,
--scale must. A label of -1 is none, and its row is left
out. Names of classes are those of the bundle's record.

` + dataHelp + `

Labels are an .npy, .npz, .csv or IDX file, or the name of a column of the data; of a file
that is read by the schema they are its label or target, unless others are named.`,
		Example: `  lamina evaluate out/classifier --data x.npy --labels y.npy
  lamina evaluate out/classifier --data test.csv --labels class --json
  lamina evaluate out/tabular --data test.csv.gz
  lamina evaluate out/anomaly --data rows.npz --labels broken --output score`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return runEvaluate(c, args[0], f) },
	}
	c.Flags().StringArrayVar(&f.data, "data", nil, dataUsage)
	c.Flags().StringVar(&f.labels, "labels", "", "`FILE|COLUMN` of what is true of the rows")
	c.Flags().StringVar(&f.output, "output", "", "`NAME` of the output to measure, if the model has several")
	c.Flags().StringVar(&f.flag, "flag", "", "`NAME` of a bool output of each row; by default the only one")
	c.Flags().StringVar(&f.kind, "kind", "", "classes, labels, numbers or anomalies; by default what output and labels say")
	c.Flags().StringVar(&f.scale, "scale", "", "probabilities or logits; by default what the output says")
	c.Flags().IntVar(&f.o.Top, "top", 0, "k of a top-k accuracy too")
	c.Flags().IntVar(&f.o.Bins, "bins", 15, "bins of the calibration error")
	c.Flags().IntVar(&f.o.Draws, "draws", 1000, "draws of the bootstrap")
	c.Flags().Float64Var(&f.o.Level, "level", 0.95, "share of the draws within an interval")
	c.Flags().Uint64Var(&f.o.Seed, "seed", 0, "seed of the draws")
	c.Flags().BoolVar(&f.o.Absent, "absent", false, "classes or labels without rows are no error; what needs them is left out")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return c
}

// evaluation is what lamina evaluate says as JSON.
type evaluation struct {
	Output string `json:"output"`
	Flag   string `json:"flag,omitempty"`
	Bundle string `json:"bundle"` // its digest
	*evaluate.Measured
}

func runEvaluate(c *cobra.Command, dir string, f evaluateFlags) error {
	if f.o.Bins < 1 || f.o.Draws < 2 || f.o.Top < 0 || !(f.o.Level > 0 && f.o.Level < 1) {
		return fmt.Errorf("--bins must be 1 or more, --draws 2 or more, --top 0 or more, and --level between 0 and 1; got %d, %d, %d and %v", f.o.Bins, f.o.Draws, f.o.Top, f.o.Level)
	}
	o, err := bundle.Load(c.Context(), dir)
	if err != nil {
		return err
	}
	out, flag, err := evaluatedOutputs(o.Net, f)
	if err != nil {
		return err
	}
	rows, err := evaluationRows(c.Context(), o.Net, f.data, f.labels)
	if err != nil {
		return err
	}
	tellSlow(c, o.Net)
	x, err := outputsOf(c.Context(), o.Net, rows.rows, out, flag)
	if err != nil {
		return err
	}
	if err := rows.decide(&x, out, o.Net.Record().Classes, f); err != nil {
		return err
	}
	e := evaluation{Output: out.Name, Bundle: o.Digest}
	if flag != nil && x.Flags != nil {
		e.Flag = flag.Name
	}
	if e.Measured, err = evaluate.Measure(c.Context(), x, f.o); err != nil {
		return err
	}
	if f.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(e)
	}
	return e.print(c.OutOrStdout())
}

// evaluatedOutputs returns the output that is measured and the one of flags, nil if there is none.
func evaluatedOutputs(net *engine.Net, f evaluateFlags) (out, flag *ir.Value, err error) {
	var scores, flags []*ir.Value
	for _, v := range net.Graph().Outputs {
		switch t := v.Type; {
		case !t.Shape.RowWise() || t.Shape[1:].Symbolic():
		case t.DType == ir.F32:
			scores = append(scores, v)
		case t.DType == ir.Bool && t.Shape[1:].Count() == 1:
			flags = append(flags, v)
		}
	}
	if out, err = chosenOutput("output", f.output, scores, "f32 with a row of known length for each row"); err != nil {
		return nil, nil, err
	}
	if f.flag != "" || len(flags) == 1 {
		if flag, err = chosenOutput("flag", f.flag, flags, "bool[N]"); err != nil {
			return nil, nil, err
		}
	}
	return out, flag, nil
}

func chosenOutput(option, name string, from []*ir.Value, what string) (*ir.Value, error) {
	var names []string
	for _, v := range from {
		if v.Name == name || name == "" && len(from) == 1 {
			return v, nil
		}
		names = append(names, fmt.Sprintf("%q", command.Clean(v.Name)))
	}
	switch {
	case len(from) == 0:
		return nil, fmt.Errorf("the model has no output that is %s", what)
	case name == "":
		return nil, fmt.Errorf("which output? give --%s NAME: %s", option, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("--%s %s: the outputs that are %s are %s", option, command.Clean(name), what, strings.Join(names, ", "))
}

// mostNumbers bounds the outputs, which are all kept.
const mostNumbers = 1 << 27

// outputsOf runs the rows.
func outputsOf(ctx context.Context, net *engine.Net, rows *dataset.Table, out, flag *ir.Value) (evaluate.Outputs, error) {
	x := evaluate.Outputs{Width: out.Type.Shape[1:].Count()}
	if n := rows.Len(); n > mostNumbers/max(x.Width, 1) {
		return x, fmt.Errorf("%d rows of %d numbers are more than the %d that are measured at once: give fewer rows", n, x.Width, mostNumbers)
	}
	err := net.Each(ctx, rows, func(_ dataset.Batch, got map[string]*ir.Tensor) error {
		for _, v := range got[out.Name].F32 {
			x.Scores = append(x.Scores, float64(v))
		}
		if flag != nil {
			x.Flags = append(x.Flags, got[flag.Name].Bool...)
		}
		return nil
	})
	return x, err
}

// decide says what kind of output it is, and puts the truth to it.
func (e *evaluated) decide(x *evaluate.Outputs, out *ir.Value, classes []string, f evaluateFlags) error {
	whole, isWhole := e.whole()
	w := e.width()
	binary := isWhole && !slices.ContainsFunc(whole, func(y int) bool { return y < evaluate.None || y > 1 })
	shape := func() string {
		return fmt.Sprintf("%s of --labels for %s of output %q", plainly(w, "number"), plainly(x.Width, "number"), command.Clean(out.Name))
	}
	made := madeBy(out)
	switch kind := evaluate.Kind(f.kind); {
	case kind != "":
		x.Kind = kind
	case x.Width > 1 && w == 1 && isWhole && e.class && len(classes) > 0 && len(classes) != x.Width:
		return fmt.Errorf("output %q has %s a row, but the label has %d classes: --output names another output, or --kind says what is to be measured",
			command.Clean(out.Name), plainly(x.Width, "number"), len(classes))
	case x.Width > 1 && w == 1 && isWhole:
		x.Kind = evaluate.Classes
	case x.Width > 1 && w == x.Width && binary:
		x.Kind = evaluate.Labels
	case x.Width == 1 && w == 1 && binary && made == evaluate.Probabilities:
		x.Kind = evaluate.Classes
	case x.Width == 1 && w == 1 && binary:
		x.Kind = evaluate.Anomalies
	case w == x.Width:
		x.Kind = evaluate.Numbers
	default:
		return fmt.Errorf("--labels %s: %s: what is to be measured? --kind classes, labels, numbers or anomalies", command.Clean(e.from), shape())
	}
	wants := 1
	switch x.Kind {
	case evaluate.Numbers:
		x.Target, x.Flags, wants = e.numbers(), nil, x.Width
	case evaluate.Labels:
		x.Flags, wants = nil, x.Width
		fallthrough
	case evaluate.Classes, evaluate.Anomalies:
		if !isWhole {
			return fmt.Errorf("--labels %s: %s are whole numbers, but it has others", command.Clean(e.from), x.Kind)
		}
		x.Truth = whole
	default:
		return fmt.Errorf("--kind is classes, labels, numbers or anomalies, got %q", command.Clean(f.kind))
	}
	if w != wants {
		return fmt.Errorf("--labels %s: %s, but %s need %d a row", command.Clean(e.from), shape(), x.Kind, wants)
	}
	if x.Kind == evaluate.Classes || x.Kind == evaluate.Labels {
		switch s := evaluate.Scale(f.scale); {
		case s == evaluate.Probabilities || s == evaluate.Logits:
			x.Scale = s
		case f.scale != "":
			return fmt.Errorf("--scale is probabilities or logits, got %q", command.Clean(f.scale))
		case made != "":
			x.Scale = made
		case x.Width > 1 && x.Kind == evaluate.Classes && evaluate.AreProbabilities(x.Scores, x.Width):
			x.Scale = evaluate.Probabilities
		case (x.Width == 1 || x.Kind == evaluate.Labels) && !slices.ContainsFunc(x.Scores, func(v float64) bool { return !(v >= 0 && v <= 1) }):
			return fmt.Errorf("which scale? the numbers of output %q are all from 0 to 1, but no Softmax or Sigmoid makes them: give --scale probabilities or --scale logits", command.Clean(out.Name))
		default:
			x.Scale = evaluate.Logits
		}
	}
	if x.Kind != evaluate.Numbers {
		x.Names = classes
	}
	return nil
}

func plainly(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// madeBy says what the op that makes an output makes of it, "" if it does not tell.
func madeBy(v *ir.Value) evaluate.Scale {
	for v.Def != nil {
		switch v.Def.Op.(type) {
		case ops.Softmax, ops.Sigmoid:
			return evaluate.Probabilities
		case ops.Identity, ops.Reshape:
			v = v.Def.In[0]
			continue
		}
		break
	}
	return ""
}

// mostEach is how many classes have a line, and mostTable how many a table of them.
const (
	mostEach  = 100
	mostTable = 20
)

// print writes the tables.
func (e *evaluation) print(w io.Writer) error {
	head := []string{plainly(e.Rows, "row")}
	if e.Without > 0 {
		head = append(head, fmt.Sprintf("%d without a label left out", e.Without))
	}
	what := string(e.Kind)
	if n := len(e.Names); e.Kind != evaluate.Anomalies {
		what = fmt.Sprintf("%d %s", n, e.Kind)
	}
	head = append(head, what)
	if e.Scale != "" {
		head = append(head, string(e.Scale))
	}
	fmt.Fprintf(w, "%s: %s\n", command.Clean(e.Output), strings.Join(head, ", "))
	fmt.Fprint(w, e.Measured)
	if n := len(e.Each); n > 0 && n <= mostEach {
		fmt.Fprintln(w)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(t, "%s\tprecision\trecall\tF1\trows\t\n", oneOf(e.Kind))
		for k, s := range e.Each {
			fmt.Fprintf(t, "%s\t%.4f\t%.4f\t%.4f\t%.0f\t\n", command.Clean(e.Names[k]), s.Precision, s.Recall, s.F1, s.Support)
		}
		t.Flush()
	}
	if n := len(e.Numbers); n > 1 && n <= mostEach {
		fmt.Fprintln(w)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprint(t, "number\tMAE\tRMSE\tR2\trows\t\n")
		for k, d := range e.Numbers {
			fmt.Fprintf(t, "%s\t%.4g\t%.4g\t%.4g\t%.0f\t\n", command.Clean(e.Names[k]), d.MAE, d.RMSE, d.R2, d.Rows)
		}
		t.Flush()
	}
	if c := e.Confusion(); c != nil && len(c.Counts) <= mostTable {
		fmt.Fprintf(w, "\n%s", cleaned(c))
	}
	return nil
}

// oneOf is the word for one of a kind.
func oneOf(k evaluate.Kind) string {
	if k == evaluate.Classes {
		return "class"
	}
	return "label"
}

// cleaned is a table whose names may be printed.
func cleaned(c *evaluate.Confusion) *evaluate.Confusion {
	d := *c
	d.Classes = make([]string, len(c.Classes))
	for i, s := range c.Classes {
		d.Classes[i] = command.Clean(s)
	}
	return &d
}
