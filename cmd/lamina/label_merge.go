package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/active"
	"github.com/lamina-ml/lamina/runtime/engine"
)

func labelMergeCommand() *cobra.Command {
	var into, dir string
	var classes []string
	var correct, asJSON bool
	c := &cobra.Command{
		Use:   "merge RANK.csv --into LABELS.csv",
		Short: "Take the answers of a filled-in file into a file of labels",
		Long: `Takes the label column of a file of label rank or label doubt, names or numbers of
classes, into a file of labels, which is made if there is none: a column with a number for
each row of the data, -1 for none. Empty answers are skipped and labels that are there are
kept; an answer that contradicts one is an error, unless --correct says it corrects it.
If anything is wrong, nothing is written.`,
		Example: `  lamina label merge rank.csv --into labels.csv --classes cat,dog,bird
  lamina label merge rank.csv --into labels.csv --classes 10
  lamina label merge rank.csv --into labels.csv --bundle out/classifier
  lamina label merge doubt.csv --into labels.csv --classes 10 --correct`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if into == "" {
				return errors.New("which labels? give --into LABELS.csv")
			}
			names, err := mergeClasses(c, classes, dir)
			if err != nil {
				return err
			}
			if err := mayWrite(into, []assignment{{verify.Port{Name: "answers"}, args[0]}}); err != nil {
				return err
			}
			m, err := active.Merge(args[0], into, active.MergeOptions{Classes: names, Correct: correct})
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), m)
			}
			also := ""
			if m.Corrected > 0 {
				also = fmt.Sprintf(", %d corrected", m.Corrected)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %d labels added%s, %d known already, %d without an answer; %d of %d rows have a label\n", into, m.Added, also, m.Same, m.Empty, m.Known, m.Rows)
			return err
		},
	}
	c.Flags().StringVar(&into, "into", "", "`LABELS.csv` to add to, or to make")
	c.Flags().StringSliceVar(&classes, "classes", nil, "`NAMES` of the classes in order, or how many there are")
	c.Flags().StringVar(&dir, "bundle", "", "`BUNDLE` whose classes they are, in the place of --classes")
	c.Flags().BoolVar(&correct, "correct", false, "let answers replace labels that are there")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// mostClasses bounds a number of classes.
const mostClasses = 4096

// mergeClasses are the names of --classes or --bundle.
func mergeClasses(c *cobra.Command, classes []string, dir string) ([]string, error) {
	switch {
	case dir != "" && len(classes) > 0:
		return nil, errors.New("the classes are given twice: give either --classes or --bundle")
	case dir != "":
		o, err := bundle.Load(c.Context(), dir)
		if err != nil {
			return nil, err
		}
		return bundleClasses(o.Net, dir)
	case len(classes) == 0:
		return nil, errors.New("which classes are there? give --classes cat,dog,bird, or how many, or --bundle")
	}
	if n, err := strconv.Atoi(classes[0]); err == nil && len(classes) == 1 {
		if n < 2 || n > mostClasses {
			return nil, fmt.Errorf("--classes must be from 2 to %d, or their names, got %d", mostClasses, n)
		}
		return numbered(n), nil
	}
	seen := map[string]bool{}
	for i, name := range classes {
		classes[i] = strings.TrimSpace(name)
		if name = classes[i]; name == "" || seen[name] {
			return nil, fmt.Errorf("--classes: the name %q is empty or comes twice", command.Clean(name))
		}
		seen[name] = true
	}
	return classes, nil
}

// bundleClasses are the names of a bundle's classes, or as many numbers as its probabilities have.
func bundleClasses(net *engine.Net, dir string) ([]string, error) {
	if names := net.Record().Classes; len(names) > 1 {
		return names, nil
	}
	output, _, err := scoreOutputs(net, "", "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	for _, v := range net.Graph().Outputs {
		if v.Name == output && output != "" {
			return numbered(max(2, v.Type.Shape[1:].Count())), nil
		}
	}
	return nil, fmt.Errorf("%s: neither its record nor an output of probabilities says which classes there are: give --classes", dir)
}
