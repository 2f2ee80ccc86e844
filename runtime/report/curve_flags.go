package report

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
)

// CurveFlags are the flags of a label curve, for programs of one's own and for the command.
type CurveFlags struct {
	Out, Ship               string
	Counts, Pretrain        string
	Active                  string
	Draws, Folds            int
	Drawn, Metric, Currency string
	Price                   float64
	Join                    []string
	Seed                    uint64
	Unseen                  bool

	// Others are the flags by which a program fills the options that have none here, by the
	// field of [CurveOptions], such as Rows by "data". Errors name them.
	Others map[string]string

	out string // name of the flag of Out
}

// Register registers the flags. The one of the folder has the name out.
func (f *CurveFlags) Register(fs *flag.FlagSet, out string) {
	f.out = out
	fs.StringVar(&f.Out, out, "", "`folder` of a label curve: report.html, and what an interrupted one goes on from")
	fs.StringVar(&f.Ship, "ship", "", "`folder` of a bundle of the best net, trained on all labels")
	fs.StringVar(&f.Counts, "counts", "", "`numbers` of labels with commas between; by default from two of each class to all")
	fs.StringVar(&f.Pretrain, "pretrain", "", "`names` of pretrainings with commas between, all or none; by default the first")
	fs.StringVar(&f.Active, "active", "margin", "`strategies` with commas between that choose labels in place of a draw: margin, entropy, coreset, random; or none")
	fs.IntVar(&f.Draws, "draws", 10, "draws of the labels")
	fs.IntVar(&f.Folds, "folds", 0, "folds of the cross-validation without test rows; by default up to 5")
	fs.StringVar(&f.Drawn, "drawn", "", "stratified, as frequent as the classes are, or balanced; by default stratified")
	fs.StringVar(&f.Metric, "metric", "", "\"error\" or \"balanced error\"; by default error")
	fs.Float64Var(&f.Price, "label-price", 0, "what a label costs")
	fs.StringVar(&f.Currency, "currency", "", "what the price is in")
	fs.Func("join", "`NAME=FILE` of predictions of another tool on the same draws; may be repeated", func(s string) error {
		f.Join = append(f.Join, s)
		return nil
	})
	fs.Uint64Var(&f.Seed, "curve-seed", 0, "seed of draws, weights and folds")
	fs.BoolVar(&f.Unseen, "unseen", false, "do without the curves that are pretrained on inputs of the rows that are measured on")
}

// said returns an error with the flag in place of the option that is wrong.
func (f *CurveFlags) said(err error) error {
	var wrong *OptionError
	if !errors.As(err, &wrong) {
		return err
	}
	name := map[string]string{"Dir": f.out, "Ship": "ship", "Counts": "counts", "Draws": "draws", "Folds": "folds", "Drawn": "drawn",
		"Metric": "metric", "Price": "label-price", "Joined": "join"}[wrong.Option]
	if name = cmp.Or(name, f.Others[wrong.Option]); name == "" {
		return err
	}
	return fmt.Errorf("--%s: %w", name, wrong.Err)
}

// Options completes the options by the flags. Errors: a flag that cannot be read.
func (f *CurveFlags) Options(o CurveOptions) (CurveOptions, error) {
	o.Dir, o.Ship, o.Draws, o.Folds, o.Drawn, o.Metric, o.Price, o.Currency, o.Seed, o.Unseen = f.Out, f.Ship, f.Draws, f.Folds, f.Drawn, f.Metric, f.Price, f.Currency, f.Seed, f.Unseen
	if f.Counts != "" {
		o.Counts = nil
		for s := range strings.SplitSeq(f.Counts, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(s))
			if err != nil {
				return o, fmt.Errorf("--counts: %q is no number", s)
			}
			o.Counts = append(o.Counts, n)
		}
	}
	choosers, err := choosersOf(f.Active)
	if err != nil {
		return o, fmt.Errorf("--active: %w", err)
	}
	o.Choosers = append(o.Choosers, choosers...)
	for _, j := range f.Join {
		name, file, ok := strings.Cut(j, "=")
		if !ok || name == "" || file == "" {
			return o, fmt.Errorf("--join must be NAME=FILE, got %q", j)
		}
		o.Joined = append(o.Joined, Joined{Name: name, File: file})
	}
	return o, nil
}

// Run measures the label curve of a model as the flags say and prints it: progress to the
// standard error, the table and the verdict to w. Errors: those of Options,
// [WithPretrainings] and [LabelCurve].
func (f *CurveFlags) Run(ctx context.Context, w io.Writer, model func() Model, o CurveOptions) error {
	o, err := f.Options(o)
	if err != nil {
		return err
	}
	var names []string
	if f.Pretrain != "" {
		names = strings.Split(f.Pretrain, ",")
	}
	if model, err = WithPretrainings(model, names...); err != nil {
		return fmt.Errorf("--pretrain: %w", err)
	}
	if o.Progress == nil {
		o.Progress = func(p CurveProgress) { fmt.Fprintln(os.Stderr, p) }
	}
	c, err := LabelCurve(ctx, model, o)
	if err != nil {
		return f.said(err)
	}
	_, err = fmt.Fprintf(w, "%v\n%s\n", c, filepath.Join(o.Dir, pageName))
	return err
}

// String returns the curve as a table, with the verdict below.
func (c *Curve) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	head := func(what string) {
		fmt.Fprint(w, what)
		for _, n := range c.Counts {
			fmt.Fprintf(w, "\t%s labels", grouped(n))
		}
		fmt.Fprintln(w)
	}
	head(c.Metric + " %")
	for _, a := range c.Arms {
		fmt.Fprint(w, a.Name)
		for _, p := range a.Points {
			fmt.Fprintf(w, "\t%.1f ± %.1f", 100*p.Mean, 100*(p.High-p.Mean))
		}
		fmt.Fprintln(w)
	}
	if ranked := c.ranked(); len(ranked) > 0 {
		fmt.Fprintln(w)
		head("AUROC")
		for _, a := range ranked {
			fmt.Fprint(w, a.Name)
			for _, p := range a.Points {
				fmt.Fprintf(w, "\t%.3f ± %.3f", p.AUROC.Mean, p.AUROC.High-p.AUROC.Mean)
			}
			fmt.Fprintln(w)
		}
	}
	w.Flush()
	fmt.Fprintln(&b)
	for _, s := range c.Verdict {
		fmt.Fprintln(&b, s)
	}
	if c.Shipped != "" {
		fmt.Fprintf(&b, "shipped: %s, trained on all labels\n", c.Shipped)
	}
	return b.String()
}
