package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/internal/command"
)

func reportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "report",
		Short: "Draw what happens in a training, and write pages of it",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &command.Exit{Status: command.Unreadable, Err: fmt.Errorf("there is no report %q; there are augment, label-curve, run and synthetic", command.Clean(args[0]))}
			}
			return c.Help()
		},
	}
	c.AddCommand(reportAugmentCommand(), reportCurveCommand(), reportRunCommand(), reportSyntheticCommand())
	return c
}
