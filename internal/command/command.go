// Package command is what Lamina's commands share: how they run, exit and print.
package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
)

// version is set when make builds a command.
var version string

// Version returns the version of the command that runs: what make was told by git, else
// what the go command recorded, else devel.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// The exit statuses: of a verdict that does not hold, and of what cannot be
// read or run.
const (
	Differs    = 1
	Unreadable = 2
)

// Exit is an error with an exit status of its own; its text may have been
// printed already.
type Exit struct {
	Status int
	Err    error
}

func (e *Exit) Error() string { return e.Err.Error() }
func (e *Exit) Unwrap() error { return e.Err }

// Environment explains the variables that every command honours.
const Environment = `LAMINA_DATA         folder of IDX data files (gzip or not) used instead of the embedded slice
LAMINA_DATASETS     folder above the folders of other data sets, which yardsticks use
LAMINA_ONNXRUNTIME  file or folder of the onnxruntime library, or none to do without
LAMINA_KERNEL       kernel set or kernel to use; see lamina cpu`

// Root completes a command of a name with what every command has.
func Root(c *cobra.Command) *cobra.Command {
	c.Version = Version()
	c.AddCommand(versionCommand())
	// A kernel that was asked for and cannot be had must not go unnoticed.
	c.PersistentPreRunE = func(*cobra.Command, []string) error { return simd.EnvError() }
	c.SilenceUsage = true
	c.SilenceErrors = true
	return c
}

func versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version, the platform, and what this build can run",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b := struct {
				Version     string `json:"version"`
				Go          string `json:"go"`
				Platform    string `json:"platform"`
				Kernels     string `json:"kernels"`
				Onnxruntime string `json:"onnxruntime"` // the version that is found, or empty
				Missing     string `json:"missing,omitempty"`
			}{Version: Version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Kernels: simd.Active()}
			found, err := ort.Runtime().Version()
			if b.Onnxruntime = found; err != nil {
				b.Missing = err.Error()
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(b)
			}
			w := c.OutOrStdout()
			fmt.Fprintf(w, "%s %s, %s, %s, %s kernels\n", c.Root().Name(), b.Version, b.Go, b.Platform, b.Kernels)
			if b.Missing != "" {
				fmt.Fprintln(w, b.Missing)
			} else {
				fmt.Fprintln(w, "onnxruntime", b.Onnxruntime)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// Run executes a command, which a signal interrupts, prints its error and returns
// its exit status.
func Run(root *cobra.Command, args []string, stdout, stderr io.Writer) int {
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(train.SignalContext())
	if err == nil {
		return 0
	}
	printError(stderr, root.Name(), err)
	var e *Exit
	if errors.As(err, &e) {
		return e.Status
	}
	return Unreadable
}

// MaxErrorLines bounds what an error prints.
const MaxErrorLines = 6

func printError(w io.Writer, name string, err error) {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	if more := len(lines) - MaxErrorLines; more > 0 {
		lines = append(lines[:MaxErrorLines-1], fmt.Sprintf("… and %d lines more", more+1))
	}
	lines[0] = name + ": " + lines[0]
	fmt.Fprintln(w, strings.Join(lines, "\n"))
}

// Clean returns s fit for one line of a terminal, whatever a file put into it.
func Clean(s string) string {
	const most = 160
	r := []rune(s)
	if len(r) > most {
		r = append(r[:most-1], '…')
	}
	for i, c := range r {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c >= 0x2028 && c <= 0x202e || c >= 0x2066 && c <= 0x2069 {
			r[i] = '\ufffd'
		}
	}
	return string(r)
}

// PrintJSON prints x indented.
func PrintJSON(w io.Writer, x any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(x)
}

// ModelPath returns the model of a bundle's folder, and of a file itself.
func ModelPath(path string) (string, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !fi.IsDir() {
		return path, nil
	}
	model := filepath.Join(path, "model.onnx")
	if _, err := os.Stat(model); errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%s: not a bundle: it has no model.onnx", path)
	} else if err != nil {
		return "", err
	}
	return model, nil
}

// Digits returns the digits of a folder of MNIST's IDX files, and of the embedded
// slice without a folder, and what to call them.
func Digits(dir string) (*dataset.Split, string, error) {
	if dir == "" {
		return dataset.Digits(), "embedded MNIST slice", nil
	}
	s, err := dataset.MNIST(dir)
	return s, "MNIST", err
}
