package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

func driftCommand() *cobra.Command {
	var data []string
	var asJSON bool
	var o evaluate.DriftOptions
	c := &cobra.Command{
		Use:   "drift BUNDLE --data FILE",
		Short: "Say whether rows are distributed as those that a bundle was written with",
		Long: `Runs rows through a bundle's model on Lamina's own engine, and compares each column and
each output with what drift.json has of the rows that the bundle was written with:
numbers by the distance of Kolmogorov and Smirnov, categories by a chi-squared test,
missing and unseen values by Fisher's test, all adjusted for their number. New texts of
a category are named. The bundle's files are held against their hashes and its stored
test sets are replayed first.

` + dataHelp + `

Exit status: 0 nothing is found to have moved, 1 something has, 2 it cannot be told,
which is so with fewer than 100 rows too.`,
		Example: `  lamina drift out/tabular --data new.csv
  lamina drift out/encoder --data x.npy --level 0.001 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := drift(c, args[0], data, o)
			if err != nil {
				return &command.Exit{Status: command.Unreadable, Err: err}
			}
			if asJSON {
				err = command.PrintJSON(c.OutOrStdout(), d)
			} else {
				err = printDrift(c.OutOrStdout(), d)
			}
			switch {
			case err != nil:
				return err
			case d.Status == evaluate.Moved:
				return &command.Exit{Status: command.Differs, Err: fmt.Errorf("%s: %d of %s moved", args[0], len(d.Moved), plainly(len(d.Places), "place"))}
			case d.Status == evaluate.Undetermined:
				return &command.Exit{Status: command.Unreadable, Err: fmt.Errorf("%s: %s", args[0], d.Reason)}
			}
			return nil
		},
	}
	c.Flags().StringArrayVar(&data, "data", nil, dataUsage)
	c.Flags().Float64Var(&o.Level, "level", 0.01, "how often rows of the same distribution are taken for others")
	c.Flags().Float64Var(&o.Least, "least", 0.02, "least distance or difference of shares that counts as a move")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func drift(c *cobra.Command, dir string, data []string, o evaluate.DriftOptions) (*evaluate.Drift, error) {
	if !(o.Level > 0 && o.Level < 1) || !(o.Least >= 0 && o.Least < 1) {
		return nil, fmt.Errorf("--level must be between 0 and 1, and --least from 0 to less than 1, got %v and %v", o.Level, o.Least)
	}
	if o.Least == 0 {
		o.Least = -1 // none
	}
	b, err := bundle.Load(c.Context(), dir)
	if err != nil {
		return nil, err
	}
	if b.Reference == nil {
		return nil, fmt.Errorf("%s: the bundle does not say how its rows were distributed: drift.json is not there: write it again, with %d rows or more", dir, evaluate.LeastRows)
	}
	ports, _ := netPorts(b.Net)
	rows, _, err := readRows(c.Context(), b.Net.Record().Schema, ports, data, "")
	if err != nil {
		return nil, err
	}
	if rows, err = fitted(rows, b.Net.Inputs()); err != nil {
		return nil, err
	}
	tellSlow(c, b.Net)
	d, err := b.Reference.Compare(c.Context(), b.Net, rows, o)
	if err != nil {
		return nil, err
	}
	known := d.NewTexts(b.Reference)
	if file, ok := ofTable(data, ports); ok && len(known) > 0 {
		s := b.Net.Record().Schema
		texts, err := s.Unknown(c.Context(), recordsOf(s, file), known)
		if err != nil {
			return nil, err
		}
		d.NameUnseen(texts)
	}
	return d, nil
}

// printDrift prints what moved, then a table of it all.
func printDrift(w io.Writer, d *evaluate.Drift) error {
	if d.Status == evaluate.Undetermined {
		return nil // which the error says
	}
	fmt.Fprintf(w, "%s, compared with %d: %d of %s moved (%d tests, in all of which rows that are the same pass at a rate of %v or more)\n",
		plainly(d.Rows, "row"), d.Reference, len(d.Moved), plainly(len(d.Places), "place"), d.Tests, 1-d.Level)
	for _, s := range d.Moved {
		fmt.Fprintf(w, "  %s\n", command.Clean(s))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nplace\twhat\tdistance\tp\tadjusted\tPSI\t\n")
	lines := 0
	for _, p := range d.Places {
		for _, x := range p.Tests {
			if lines++; lines > maxLines && !x.Moved {
				continue
			}
			mark := ""
			if x.Moved {
				mark = "moved"
			}
			fmt.Fprintf(t, "%s\t%s\t%.3f\t%.2g\t%.2g\t%.3f\t%s\n", command.Clean(p.Name), x.Of, x.Distance, x.P, x.Adjusted, p.PSI, mark)
		}
	}
	if lines > maxLines {
		fmt.Fprintf(t, "… of %d lines the rest has not moved; --json has all\n", lines)
	}
	return t.Flush()
}
