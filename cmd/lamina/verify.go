package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/command"
)

func verifyCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify BUNDLE",
		Short: "Replay a bundle's stored test sets on Lamina and onnxruntime",
		Long: `Replays every stored test set of a bundle on Lamina's own runtime and on
onnxruntime, and says whether the file still computes what was trained. Without
onnxruntime Lamina's runtime speaks alone, and the verdict says so.

Exit status, by the runtimes that spoke: 0 it holds, 1 it differs or was altered,
2 it cannot be read or run.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := ort.Check(); errors.Is(err, ort.ErrSetting) { // not what was asked for
				return &command.Exit{Status: command.Unreadable, Err: err}
			}
			v, err := bundle.Verify(c.Context(), args[0], ort.Runtime())
			if asJSON {
				if err := json.NewEncoder(c.OutOrStdout()).Encode(v); err != nil {
					return err
				}
			}
			if err != nil {
				return &command.Exit{Status: command.Unreadable, Err: err}
			}
			if v.Status != bundle.Holds {
				return &command.Exit{Status: command.Differs, Err: fmt.Errorf("%s: %s", args[0], verdict(v))}
			}
			if !asJSON {
				fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", args[0], verdict(v))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// verdict says in words what replaying a bundle showed.
func verdict(v *bundle.Verdict) string {
	if v.Status == bundle.Undetermined {
		return "whether it computes what was trained cannot be said: " + v.Reason
	}
	if v.Status != bundle.Holds {
		s := "it does not compute what was trained: " + v.Reason
		if v.Layer != "" {
			s += fmt.Sprintf("\nfirst difference: layer %q %s", v.Layer, v.Position)
		}
		return s
	}
	var names []string
	for _, r := range v.Runtimes {
		names = append(names, r.Name+" "+r.Version)
	}
	s := fmt.Sprintf("it computes what was trained: %d stored sets on %s, worst difference %.2g in row %d, tolerance %.2g, %s of each output determined",
		len(v.Sets), strings.Join(names, " and "), v.WorstAbs, v.WorstRow, v.Tolerance, verify.Percent(v.Determined))
	if len(v.Missing) > 0 {
		s += "\nno other runtime spoke: " + strings.Join(v.Missing, "; ")
	}
	return s
}
