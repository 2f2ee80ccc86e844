package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/internal/lab/coherence"
	"github.com/lamina-ml/lamina/internal/timing"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// coherenceResult is what one core pays for the lines of another.
type coherenceResult struct {
	CPU   string           `json:"cpu"`
	CPUs  [2]int           `json:"cpus"` // that measures, and the other
	Costs []coherence.Cost `json:"costs"`
}

func coherenceCommand() *cobra.Command {
	f := timing.Flags{Threads: 2}
	var cpus []int
	c := &cobra.Command{
		Use:   "coherence",
		Short: "Measure what lines of memory cost that another core has changed",
		Long: `Two threads, each kept to a CPU of its own, take turns on 256 KiB of memory. One
brings the lines into a state, the other measures: loads that follow each other
round the lines in random order, loads in ascending order, and stores. Figures
are the least of many samples. Linux only.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.Check(); err != nil {
				return err
			}
			r := coherenceResult{CPU: simd.CPU().Identity.String()}
			var err error
			switch len(cpus) {
			case 0:
				r.CPUs[0], r.CPUs[1], err = coherence.Pair()
			case 2:
				r.CPUs = [2]int(cpus)
			default:
				err = errors.New("--cpus takes two, such as 0,1")
			}
			if err != nil {
				return err
			}
			if r.Costs, err = coherence.Measure(r.CPUs[0], r.CPUs[1], f.Duration()); err != nil {
				return err
			}
			if f.JSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(r)
			}
			return printCoherence(c.OutOrStdout(), &r)
		},
	}
	c.Flags().IntSliceVar(&cpus, "cpus", nil, "the CPU that measures and the other, such as 0,1; by default the first two cores")
	c.Flags().Float64Var(&f.Seconds, "seconds", 2, "how long to measure")
	c.Flags().BoolVar(&f.JSON, "json", false, "print one line of JSON")
	return c
}

func printCoherence(out io.Writer, r *coherenceResult) error {
	fmt.Fprintf(out, "%s, CPU %d for what CPU %d did, a line of 64 bytes\n\n", r.CPU, r.CPUs[0], r.CPUs[1])
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "lines\tlatency ns\tread ns\tGB/s\twritten ns\tGB/s\t")
	for _, c := range r.Costs {
		fmt.Fprintf(t, "%s\t%.1f\t%.2f\t%.0f\t%.2f\t%.0f\t\n", c.State, c.Chase, c.Read, 64/c.Read, c.Write, 64/c.Write)
	}
	return t.Flush()
}
