// Command laminabench measures Lamina itself: training steps, matrix products, a
// model's calls, and published numbers.
package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/timing"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main with its surroundings as arguments.
func run(args []string, stdout, stderr io.Writer) int {
	return command.Run(root(), args, stdout, stderr)
}

func root() *cobra.Command {
	c := command.Root(&cobra.Command{
		Use:   "laminabench",
		Short: "Measure training steps, matrix products, a model's calls and published numbers",
		Long: `Measures Lamina on this machine, now. Beside each figure stands the peak of
float32 multiply-adds, measured in the same seconds: other processes lower both,
so that their ratio says more than either.

` + command.Environment,
	})
	c.AddCommand(trainCommand(), gemmCommand(), workersCommand(), coherenceCommand(), timing.ModelCommand("encode"), exportCommand(), yardstickCommand())
	return c
}
