package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/internal/command"
)

func labelCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "label",
		Short: "Choose the rows to label next, take the answers back, list labels that look wrong",
		Long: `Labels without a server: rank writes the rows that are worth most as a .csv file, a
person fills in its label column, and merge takes the answers into a file of labels, which
rank, evaluate and doubt read. The README of runtime/active has the forms of the files.`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &command.Exit{Status: command.Unreadable, Err: fmt.Errorf("there is no label %q; there are rank, merge and doubt", command.Clean(args[0]))}
			}
			return c.Help()
		},
	}
	c.AddCommand(labelRankCommand(), labelMergeCommand(), labelDoubtCommand())
	return c
}
