package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/reproduce"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
)

func reproduceCommand() *cobra.Command {
	var asJSON, quiet bool
	var data []string
	var dir string
	c := &cobra.Command{
		Use:   "reproduce BUNDLE",
		Short: "Train a bundle's model again from its record, and compare the bytes",
		Long: `Trains every phase that training.json records, from the same initializers, seeds,
settings and rows, exports the result, and compares it with model.onnx, byte by byte.
If they differ it says in which phase, and at which update, the losses parted.

The rows are found by their hash: among the embedded digits and what --data names, as
often as needed: a folder of the four IDX files of MNIST, a .npz or .csv file, a .csv
file with the name of the field that is the label, class=rows.csv, or an .npy file with
the name of its column, x=rows.npy; columns of several files are joined by a comma:
x=rows.npy,y=labels.npy. If the bundle has the schema of a table, a .csv, .jsonl or
.parquet file without a name is read by it; a schema in a file of its own,
schema.json=rows.csv, is taken instead. A .csv file that the program read with
CSVOptions.Groups goes into an .npz file of its columns: f32 as float32, i64 as int64.
So do pictures of a folder, as ImageOptions made them: x f32[C H W] or u8[C H W], y i64.

Rows that were chosen, unlabelled, mixed or joined are made again of these, and rows of a
generator by its text form; those that a trained decoder made are to be given. A metric of
train.OverRows is Go code: if the best epoch was chosen by one, the numbers that the
record has of it choose again, and the last line says so.

Exit status: 0 the same bytes, 1 they differ, 2 it cannot be trained again.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o := reproduce.Options{Dir: dir}
			o.Read = func(schema *dataset.Schema) (all []*dataset.Table, err error) {
				for _, path := range data {
					t, err := tablesOf(c.Context(), path, schema)
					if err != nil {
						return nil, err
					}
					all = append(all, t...)
				}
				return all, nil
			}
			if !quiet {
				o.Progress = train.BarTo(c.ErrOrStderr())
				o.Begin = func(p *pretrain.Program) { fmt.Fprintln(c.ErrOrStderr(), p) }
			}
			v, err := reproduce.Bundle(c.Context(), args[0], o)
			if errors.Is(err, bundle.ErrDiffers) {
				return &command.Exit{Status: command.Differs, Err: err}
			}
			if err != nil {
				return &command.Exit{Status: command.Unreadable, Err: err}
			}
			if asJSON {
				if err := json.NewEncoder(c.OutOrStdout()).Encode(v); err != nil {
					return err
				}
			}
			if !v.Same {
				return &command.Exit{Status: command.Differs, Err: fmt.Errorf("%s: not reproduced: %s", args[0], v.Reason)}
			}
			if asJSON {
				return nil
			}
			kernels := v.Here + " kernels"
			if v.Kernels != v.Here {
				kernels = fmt.Sprintf("%s kernels here, %s then", v.Here, v.Kernels)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: reproduced: %d phase%s, %d updates, %s: the %d bytes of model.onnx are the same\n",
				args[0], v.Phases, plural(v.Phases), v.Updates, kernels, v.Bytes)
			if err == nil && v.Given != "" {
				_, err = fmt.Fprintln(c.OutOrStdout(), v.Given)
			}
			return err
		},
	}
	c.Flags().StringArrayVar(&data, "data", defaultData(), "rows beside the embedded ones; may be given several times; default LAMINA_DATA")
	c.Flags().StringVar(&dir, "dir", "", "folder to resume from after an interruption")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&quiet, "quiet", false, "no progress")
	return c
}

func defaultData() []string {
	if d := os.Getenv("LAMINA_DATA"); d != "" {
		return []string{d}
	}
	return nil
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// tablesOf reads the tables that an argument of --data names. The schema is that of the bundle, or nil.
func tablesOf(ctx context.Context, arg string, schema *dataset.Schema) ([]*dataset.Table, error) {
	if st, err := os.Stat(arg); err == nil && st.IsDir() {
		if !holdsMNIST(arg) {
			return nil, fmt.Errorf("--data %s: the folder has none of the files of MNIST, such as train-images-idx3-ubyte.gz; PNG and JPEG files go into an .npz file of their columns", arg)
		}
		s, err := dataset.MNIST(arg)
		if err != nil {
			return nil, err
		}
		return []*dataset.Table{s.Train, s.Test}, nil
	}
	var all *dataset.Table
	for part := range strings.SplitSeq(arg, ",") {
		name, path, named := strings.Cut(part, "=")
		if !named {
			name, path = "", part
		}
		var t *dataset.Table
		var err error
		switch ext := filepath.Ext(strings.TrimSuffix(path, ".gz")); {
		case named && filepath.Ext(name) == ".json":
			t, err = byWritten(ctx, name, path)
		case !named && schema != nil && tabular(path):
			if t, err = bySchema(ctx, schema, path); err != nil {
				err = fmt.Errorf("by the schema of the bundle: %w", absent(path, err))
			}
		case ext == ".npz" && !named:
			t, err = dataset.NPZ(path)
		case ext == ".csv":
			t, err = dataset.CSV(path, dataset.CSVOptions{Label: name})
		case ext == ".npy" && named:
			t, err = dataset.NPY(path, name)
		default:
			err = fmt.Errorf("--data %s: it must be a folder of MNIST's IDX files, NAME.npz, NAME.csv, LABEL=NAME.csv, SCHEMA.json=NAME.csv, or COLUMN=NAME.npy", part)
			if !named && schema == nil && tabular(path) {
				err = fmt.Errorf("--data %s: it is read by the schema that a bundle has when it was trained on rows of a table, and this one has none; give SCHEMA.json=%s", part, path)
			}
		}
		if err != nil {
			return nil, err
		}
		if all != nil {
			t = all.Join(t)
		}
		if all = t; all.Err() != nil {
			return nil, all.Err()
		}
	}
	return []*dataset.Table{all}, nil
}
