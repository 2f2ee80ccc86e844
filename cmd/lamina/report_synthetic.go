package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/dataset/synthetic"
	"github.com/lamina-ml/lamina/runtime/picture"
)

func reportSyntheticCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "synthetic TEXT",
		Short: "Draw rows that a generator makes",
		Long: `Draws the first rows of a generator, given by its text form as Go prints it and records
have it: a kind, then NAME=VALUE. What is left out has its default.

  strokes rows=48 glyphs=12           glyphs of pen strokes
  shapes rows=48 noise=0.05           discs, squares, triangles, crosses and rings
  waves rows=12 channels=2            signals, all channels of a row in one frame
  table rows=2000 target=x1*x2+x3^2   the target against each number, a point for each row

It prints the whole text form, with the defaults, and what the factors are.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if filepath.Ext(out) != ".png" {
				return &command.Exit{Status: command.Unreadable, Err: fmt.Errorf("--out %s: it must be a .png file", out)}
			}
			if err := mayWrite(out, nil); err != nil {
				return &command.Exit{Status: command.Unreadable, Err: err}
			}
			rows, err := synthetic.Parse(args[0])
			if err == nil {
				err = drawSynthetic(rows, out)
			}
			if err != nil {
				return &command.Exit{Status: command.Unreadable, Err: err}
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s\nfactors: %s\n%s\n", rows, strings.Join(rows.Factors(), ", "), out)
			return err
		},
	}
	c.Flags().StringVar(&out, "out", filepath.Join("out", "synthetic.png"), "file to write")
	return c
}

const (
	mostPictures = 1024  // that are drawn
	mostPoints   = 20000 // of a table
	wide         = 16    // pictures a line
)

func drawSynthetic(rows *synthetic.Rows, out string) error {
	height, width := rows.Picture()
	most := mostPictures
	if height == 0 {
		most = mostPoints
	}
	if rows.Len() > most {
		return fmt.Errorf("%d rows are too many to draw: say rows=%d or fewer", rows.Len(), most)
	}
	first := rows.Columns()[0]
	if first.DType != dataset.F32 {
		return fmt.Errorf("the first column is %s: leave it its name, and do not leave out what is to be drawn", first)
	}
	d, err := dataset.Collect(rows)
	if err != nil {
		return err
	}
	x, n := d.F32(first.Name), first.Width()
	var pictures [][]float32
	line := wide
	switch {
	case height > 0:
		for i := range d.Len() {
			pictures = append(pictures, x[i*n:][:n])
		}
	case len(first.Shape) == 2: // signals
		if rows.Len() > mostPictures {
			return fmt.Errorf("%d rows are too many to draw: say rows=%d or fewer", rows.Len(), mostPictures)
		}
		height, width, line = 40, 88, 4
		for i := range d.Len() {
			pictures = append(pictures, signal(x[i*n:][:n], first.Shape, strings.Contains(rows.String(), " last=true "), height, width))
		}
	default:
		target := slices.IndexFunc(d.Columns(), func(c dataset.Column) bool { return c.Name == "target" })
		if target < 0 {
			return fmt.Errorf("the column target is drawn, and left out or renamed")
		}
		height, width, line = 72, 72, 6
		for j := range n {
			pictures = append(pictures, scatter(x, j, n, d.F32("target"), height, width))
		}
	}
	var lines [][][]float32
	for len(pictures) > 0 {
		k := min(line, len(pictures))
		lines, pictures = append(lines, pictures[:k]), pictures[k:]
	}
	return picture.Grid(out, height, width, lines...)
}

// signal draws the channels of a row into one frame, the first the lightest.
func signal(x []float32, shape []int, last bool, height, width int) []float32 {
	p := make([]float32, height*width)
	channels, length := shape[0], shape[1]
	if last {
		channels, length = length, channels
	}
	top := float64(1e-9)
	for _, v := range x {
		top = max(top, math.Abs(float64(v)))
	}
	for c := channels - 1; c >= 0; c-- {
		light, before := float32(channels-c)/float32(channels), -1
		for q := range width {
			t := q * (length - 1) / (width - 1)
			v := 0.0
			if last {
				v = float64(x[t*channels+c])
			} else {
				v = float64(x[c*length+t])
			}
			r := int(math.Round((1 - v/top) / 2 * float64(height-1)))
			from, to := r, r
			if before >= 0 {
				from, to = min(r, before), max(r, before)
			}
			for ; from <= to; from++ {
				p[from*width+q] = light
			}
			before = r
		}
	}
	return p
}

// scatter draws a number of each row against the target, which rises upward.
func scatter(x []float32, j, n int, target []float32, height, width int) []float32 {
	p := make([]float32, height*width)
	span := func(of func(i int) float32) (lo, hi float64) {
		lo, hi = math.Inf(1), math.Inf(-1)
		for i := range target {
			if v := float64(of(i)); v == v {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
		return lo, max(hi-lo, 1e-9)
	}
	ylo, yspan := span(func(i int) float32 { return target[i] })
	xlo, xspan := span(func(i int) float32 { return x[i*n+j] })
	for i, y := range target {
		v := x[i*n+j]
		if v != v {
			continue
		}
		q := int((float64(v) - xlo) / xspan * float64(width-1))
		r := height - 1 - int((float64(y)-ylo)/yspan*float64(height-1))
		p[r*width+q] = min(1, p[r*width+q]+0.4)
	}
	return p
}
