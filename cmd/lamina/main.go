// Command lamina trains, exports, verifies and inspects encoders.
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
		Use:   "lamina",
		Short: "Train encoders on the CPU, export them to ONNX, and prove the export",
		Long: `Lamina trains encoders natively on the CPU, exports them to ONNX, and proves
on onnxruntime that the exported file computes what was trained.

` + command.Environment + `
LAMINA_DUMP         compiler pass after which demo prints the graph`,
	})
	c.AddCommand(demoCommand(), newCommand(), verifyCommand(), promoteCommand(), reproduceCommand(), inspectCommand(), runCommand(), encodeCommand(), evaluateCommand(), driftCommand(), diffCommand(), timing.ModelCommand("bench"), opsCommand(), cpuCommand(), reportCommand(), labelCommand())
	return c
}
