// Command lamina trains, exports, verifies and inspects encoders.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/train"
)

// version is set when make builds the command.
var version = "devel"

// The exit statuses: of a verdict that does not hold, and of what cannot be
// read or run.
const (
	exitDiffers    = 1
	exitUnreadable = 2
)

// exit is an error with an exit status of its own; its text may have been
// printed already.
type exit struct {
	status int
	err    error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main with its surroundings as arguments.
func run(args []string, stdout, stderr io.Writer) int {
	root := command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(train.SignalContext())
	if err == nil {
		return 0
	}
	printError(stderr, err)
	var e *exit
	if errors.As(err, &e) {
		return e.status
	}
	return exitUnreadable
}

// maxErrorLines bounds what an error prints.
const maxErrorLines = 6

func printError(w io.Writer, err error) {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	if more := len(lines) - maxErrorLines; more > 0 {
		lines = append(lines[:maxErrorLines-1], fmt.Sprintf("… and %d lines more", more+1))
	}
	lines[0] = "lamina: " + lines[0]
	fmt.Fprintln(w, strings.Join(lines, "\n"))
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "lamina",
		Short: "Train encoders on the CPU, export them to ONNX, and prove the export",
		Long: `Lamina trains encoders natively on the CPU, exports them to ONNX, and proves
on onnxruntime that the exported file computes what was trained.

LAMINA_DATA         folder of IDX data files (gzip or not) used instead of the embedded slice
LAMINA_ONNXRUNTIME  file or folder of the onnxruntime library, or none to do without
LAMINA_KERNEL       kernel set or kernel to use; see lamina cpu
LAMINA_DUMP         compiler pass after which demo prints the graph`,
		Version: version,
		// A kernel that was asked for and cannot be had must not go unnoticed.
		PersistentPreRunE: func(*cobra.Command, []string) error { return simd.EnvError() },
		SilenceUsage:      true,
		SilenceErrors:     true,
	}
	root.AddCommand(demoCommand(), verifyCommand(), promoteCommand(), reproduceCommand(), inspectCommand(), runCommand(), encodeCommand(), diffCommand(), opsCommand(), cpuCommand(), yardstickCommand(), benchCommand())
	return root
}
