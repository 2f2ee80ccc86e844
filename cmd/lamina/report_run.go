package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/report"
)

func reportRunCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "run DIR",
		Short: "Write a page of a training: losses, rates, gradients, speed and pictures",
		Long: `Reads the folder of a training (Dir of train.Options), of a program of phases (Dir of
pretrain.Options), of a bundle, or one that has such folders in it, and writes one HTML
file that needs nothing beside it: a verdict, the losses and metrics, learning rate,
norms of gradients and rows a second by epoch, the weights of the first layer as
pictures, what bundles make of the rows that are stored with them, what decided the
result, machine and seeds, seconds and memory. The numbers go to files of the same name
that end in .json and .csv.

It only reads the folder. A training may still be going on there.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := reportRun(c, args[0], out); err != nil {
				return &command.Exit{Status: command.Unreadable, Err: err}
			}
			return nil
		},
	}
	c.Flags().StringVar(&out, "out", "", "file to write, which ends in .html; default DIR.html, beside the folder")
	return c
}

func reportRun(c *cobra.Command, dir, out string) error {
	if out == "" {
		at, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		out = strings.TrimRight(filepath.Clean(dir), string(os.PathSeparator)) + ".html"
		if base := filepath.Base(filepath.Clean(dir)); base == "." || base == ".." || base == string(os.PathSeparator) {
			out = at + ".html"
		}
	}
	r, err := report.ReadRun(c.Context(), dir)
	if err != nil {
		return err
	}
	if err := r.Write(out); err != nil {
		return err
	}
	base := strings.TrimSuffix(out, ".html")
	for _, path := range []string{out, base + ".json", base + ".csv"} {
		fmt.Fprintln(c.OutOrStdout(), "wrote", path)
	}
	return nil
}
