package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/onnxfile"
	"github.com/lamina-ml/lamina/internal/regular"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
)

// maxRecord is what a bundle's records are read up to, maxLines how many rows of a
// list are printed without --json.
const (
	maxRecord = 64 << 20
	maxLines  = 60
)

// inspection is what inspect prints: what PATH is, and the part of that name.
type inspection struct {
	Path       string            `json:"path"`
	Kind       string            `json:"kind"`  // model, bundle or checkpoint
	Bytes      int64             `json:"bytes"` // a model's data files included
	Model      *modelReport      `json:"model,omitempty"`
	Bundle     *bundleReport     `json:"bundle,omitempty"`
	Checkpoint *checkpointReport `json:"checkpoint,omitempty"`
}

func inspectCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "inspect PATH",
		Short: "Say what is in a model, a bundle or a checkpoint",
		Long: `Reads an ONNX file, whatever its ops, a bundle's folder or a training's
checkpoint, and prints the signature, the nodes by op, the weights with shapes
and bytes, those in files beside the model included, and where it comes from.
Nothing is run.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := inspect(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), r)
			}
			_, err = io.WriteString(c.OutOrStdout(), r.String())
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func inspect(path string) (*inspection, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if fi.IsDir() {
		return inspectBundle(path)
	}
	r := &inspection{Path: path, Bytes: fi.Size()}
	if isCheckpoint(path) {
		f, err := checkpoint.Read(path)
		if err != nil {
			return nil, err
		}
		r.Kind, r.Checkpoint = "checkpoint", reportCheckpoint(f)
		return r, nil
	}
	f, err := onnxfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r.Kind, r.Model = "model", reportModel(f.Model)
	r.Bytes = int64(len(f.Data)) + r.Model.beside(f)
	return r, nil
}

// isCheckpoint looks at the first bytes; what cannot be read is no checkpoint,
// and reading it as a model says why.
func isCheckpoint(path string) bool {
	const magic = "LAMINACK"
	f, _, err := regular.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(magic))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == magic
}

// checkpointReport is a checkpoint's header and the list of its tensors.
type checkpointReport struct {
	checkpoint.Header
	Tensors []tensorReport `json:"tensors"`
}

func reportCheckpoint(f *checkpoint.File) *checkpointReport {
	r := &checkpointReport{Header: f.Header, Tensors: []tensorReport{}}
	for _, t := range f.Tensors {
		r.Tensors = append(r.Tensors, tensorReport{Name: t.Name, Elem: "f32", Shape: dims(t.Shape),
			Elements: int64(len(t.Data)), Bytes: 4 * int64(len(t.Data))})
	}
	return r
}

func (r *inspection) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s\n", command.Clean(r.Path), r.Kind, size(r.Bytes))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	switch {
	case r.Checkpoint != nil:
		r.Checkpoint.print(w)
	case r.Bundle != nil:
		r.Bundle.print(w)
		r.Model.print(w)
	default:
		r.Model.print(w)
	}
	w.Flush() // a strings.Builder takes everything
	return b.String()
}

func (r *checkpointReport) print(w io.Writer) {
	row(w, "model", "%s, hash %s", command.Clean(r.Model), command.Clean(r.ModelHash))
	row(w, "done", "%d epochs, %d steps of the next, %d updates", r.Cursor.Epoch, r.Cursor.Step, r.Cursor.Update)
	row(w, "optimizer", "%s", command.Clean(r.Optimizer))
	if p := r.Facts.Value("Precision"); p != "" {
		row(w, "precision", "%s", command.Clean(p))
	}
	row(w, "seed", "%d", r.Seed)
	row(w, "data", "hash %s", command.Clean(r.DataHash))
	row(w, "kernels", "%s", command.Clean(r.Kernels))
	printTensors(w, "tensors", r.Tensors)
}

// row prints a key and its value.
func row(w io.Writer, key, format string, a ...any) {
	fmt.Fprintf(w, "  %s\t%s\n", key, fmt.Sprintf(format, a...))
}

func printTensors(w io.Writer, key string, list []tensorReport) {
	var elements, bytes int64
	for _, t := range list {
		elements = sum(elements, t.Elements)
		bytes += t.Bytes
	}
	row(w, key, "%d of %d elements, %s", len(list), elements, size(bytes))
	for i, t := range list {
		if i == maxLines {
			fmt.Fprintf(w, "    … and %d more; --json has all\n", len(list)-i)
			return
		}
		fmt.Fprintf(w, "    %s\t%s\t%s%s\n", command.Clean(t.Name), t.typ(), size(t.Bytes), t.note())
	}
}

// size prints a number of bytes.
func size(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d bytes", n)
	case n < 10_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
