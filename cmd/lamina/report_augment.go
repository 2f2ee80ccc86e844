package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/picture"
)

type augmentFlags struct {
	data, size, augment, out string
	rows                     []int
	variants                 int
	seed                     uint64
}

func reportAugmentCommand() *cobra.Command {
	var f augmentFlags
	c := &cobra.Command{
		Use:   "augment",
		Short: "Draw what an augmentation does to pictures",
		Long: `Draws pictures as they are, each followed by what an augmentation makes of it: a line
for each kind of change alone, and one for all of them together.

The augmentation is given as text, settings with a comma between them:

  shift=2              up to 2 pixels, the edge repeated
  crop=4               a window of the picture with 4 zeros around it
  flip=h, v or hv      horizontally, vertically
  rotate=15            up to 15 degrees
  scale=0.1            larger or smaller by up to a tenth
  jitter=0.2/0.2/0     brightness, contrast, saturation
  noise=0.05           normal noise, a share of the range of values
  erase=0.5            a rectangle, with that probability
  mixup=0.4            with another picture
  shape=1x28x28        the shape of pictures, if the data do not say it
  of=x                 the column of pictures, if there are others

The pictures are the embedded digits, or what --data names: a folder of PNG and JPEG
files, in a folder for each class, which --size scales; a folder of the four IDX files
of MNIST, a .npz or .csv file, a .csv file with the name of the field that is the
label, class=rows.csv, or an .npy file with the name of its column, x=rows.npy.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := reportAugment(c, f); err != nil {
				return &command.Exit{Status: command.Unreadable, Err: err}
			}
			return nil
		},
	}
	c.Flags().StringVar(&f.augment, "augment", "shift=2,crop=4,flip=h,rotate=15,scale=0.1,jitter=0.4/0.4/0,noise=0.1,erase=1,mixup=0.4", "what changes the pictures")
	c.Flags().StringVar(&f.data, "data", "", "rows to draw instead of the embedded digits")
	c.Flags().StringVar(&f.size, "size", "", "height and width that files of pictures are scaled to, such as 64x64")
	c.Flags().StringVar(&f.out, "out", filepath.Join("out", "augment.png"), "file to write")
	c.Flags().IntSliceVar(&f.rows, "rows", []int{0}, "rows to draw, from 0")
	c.Flags().IntVar(&f.variants, "variants", 12, "augmented pictures a line")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of everything random")
	return c
}

// What is drawn at most, and how many rows of the data Mixup has to choose from.
const (
	mostRows     = 64
	mostVariants = 64
	mixedRows    = 256
)

func reportAugment(c *cobra.Command, f augmentFlags) error {
	a, err := dataset.ParseAugmentation(f.augment)
	if err != nil {
		return fmt.Errorf("--augment: %w", err)
	}
	if len(f.rows) == 0 || len(f.rows) > mostRows {
		return fmt.Errorf("--rows: from 1 to %d rows can be drawn, got %d", mostRows, len(f.rows))
	}
	if f.variants < 1 || f.variants > mostVariants {
		return fmt.Errorf("--variants must be from 1 to %d, got %d", mostVariants, f.variants)
	}
	table, err := drawnRows(f)
	if err != nil {
		return err
	}
	column, height, width, err := a.Pictures(table)
	if err != nil {
		return fmt.Errorf("--augment: %w", err)
	}
	lines := a.Only()
	if len(lines) > 1 {
		lines = append(lines, a)
	}
	drawn := make([][][]float32, len(f.rows)*len(lines))
	for i, b := range lines {
		for n := range f.variants + 1 {
			x, err := augmentedRows(c.Context(), table, b, column, len(f.rows), n, f.seed)
			if err != nil {
				return err
			}
			w := len(x) / len(f.rows)
			for k := range f.rows {
				at := &drawn[k*len(lines)+i]
				*at = append(*at, x[k*w:(k+1)*w])
			}
		}
	}
	if err := picture.Grid(f.out, height, width, drawn...); err != nil {
		return err
	}
	w := c.OutOrStdout()
	for i, b := range lines {
		fmt.Fprintf(w, "line %d  %s\n", i+1, command.Clean(b.String()))
	}
	if len(f.rows) > 1 {
		fmt.Fprintf(w, "and so on for each of %d rows\n", len(f.rows))
	}
	_, err = fmt.Fprintf(w, "%s: the picture as it is, then %s of it\n", f.out, variantsText(f.variants))
	return err
}

// drawnRows returns the rows to draw, and behind them some for Mixup to choose from.
func drawnRows(f augmentFlags) (*dataset.Table, error) {
	// chosen checks the numbers of rows against how many there are.
	chosen := func(n int) ([]int, error) {
		for _, r := range f.rows {
			if r < 0 || r >= n {
				return nil, fmt.Errorf("--rows: there is no row %d; the data have rows 0 to %d", r, n-1)
			}
		}
		rows := slices.Clone(f.rows)
		for i := 0; i < n && len(rows) < mixedRows; i++ {
			rows = append(rows, i)
		}
		return rows, nil
	}
	if st, err := os.Stat(f.data); err == nil && st.IsDir() && !holdsMNIST(f.data) {
		o := dataset.ImageOptions{Bytes: true}
		if f.size != "" {
			if _, err := fmt.Sscanf(f.size+"\n", "%dx%d\n", &o.Height, &o.Width); err != nil {
				return nil, fmt.Errorf("--size must be a height and a width, such as 64x64, got %q", f.size)
			}
		}
		pictures, err := dataset.Images(f.data, o)
		if err != nil {
			return nil, err
		}
		rows, err := chosen(pictures.Len())
		if err != nil {
			return nil, err
		}
		return dataset.Collect(pictures.Select(rows))
	}
	if f.size != "" {
		return nil, fmt.Errorf("--size is for a folder of PNG and JPEG files")
	}
	table := dataset.Digits().Train
	if f.data == "" {
		table = table.Reshape("x", 1, 28, 28)
	} else {
		tables, err := tablesOf(context.Background(), f.data, nil)
		if err != nil {
			return nil, err
		}
		if table = tables[0]; len(tables) > 1 { // MNIST, whose pixels are in a row
			table = table.Reshape("x", 1, 28, 28)
		}
		for _, col := range table.Columns() { // pixels in a file of bytes
			if col.DType == dataset.I64 && len(col.Shape) > 0 {
				table = table.Bytes(col.Name)
			}
		}
	}
	if err := table.Err(); err != nil {
		return nil, err
	}
	rows, err := chosen(table.Len())
	if err != nil {
		return nil, err
	}
	return table.Select(rows), nil
}

// holdsMNIST says whether a folder has the files of MNIST, or at least one of them.
func holdsMNIST(dir string) bool {
	files, err := filepath.Glob(filepath.Join(dir, "*-ubyte*"))
	return err == nil && len(files) > 0
}

func variantsText(n int) string {
	if n == 1 {
		return "1 variant"
	}
	return fmt.Sprintf("%d variants", n)
}

// augmentedRows returns the first rows of a table's column of pictures as float32 in [0, 1], as they are for 0 and else as they are
// in the n-th epoch of a training.
func augmentedRows(ctx context.Context, table *dataset.Table, a *dataset.Augmentation, column string, rows, n int, seed uint64) ([]float32, error) {
	batches, err := dataset.NewBatches(table, rows, random.Key{}, false)
	if err != nil {
		return nil, err
	}
	defer batches.Close()
	if n > 0 {
		if err := batches.Augment(a, random.New(seed).DeriveString("augment")); err != nil {
			return nil, err
		}
		if err := batches.Epoch(n - 1); err != nil {
			return nil, err
		}
	}
	batch, _, err := batches.Next(ctx)
	if err != nil {
		return nil, err
	}
	x := slices.Clone(batch.F32(column))
	for _, v := range batch.U8(column) {
		x = append(x, float32(v)/255)
	}
	return x, nil
}
