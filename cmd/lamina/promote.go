package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/command"
)

func promoteCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "promote NAME.unverified",
		Short: "Verify an export that was never compared, and make it a bundle",
		Long: `Replays what an export made without onnxruntime has stored, runs its file in
every batch size and with the rows made up to break it, on Lamina's own runtime and on
onnxruntime, and if all of it holds renames the folder NAME.unverified to NAME, a
bundle. A bundle NAME that is there is kept until then, and replaced. Otherwise
nothing is changed.

Exit status: 0 it is a bundle now, 1 it differs or was altered, 2 it cannot be read,
run or renamed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := bundle.Promote(c.Context(), args[0], ort.Runtime())
			if asJSON && p != nil {
				if err := json.NewEncoder(c.OutOrStdout()).Encode(p); err != nil {
					return err
				}
			}
			if errors.Is(err, bundle.ErrDiffers) {
				return &command.Exit{Status: command.Differs, Err: err}
			}
			if err != nil {
				return &command.Exit{Status: command.Unreadable, Err: err}
			}
			if asJSON {
				return nil
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", args[0], verdict(p.Verdict))
			what := "it is now the bundle " + p.Dir
			if p.Replaced {
				what += ", in place of the one that was there"
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), what)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
