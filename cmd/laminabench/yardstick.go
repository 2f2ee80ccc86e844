package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/lab/yardstick"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/train"
)

type yardstickFlags struct {
	data, datasets, results, work, table string
	within                               time.Duration
	workers                              int
	json, again, quiet                   bool
}

func yardstickCommand() *cobra.Command {
	var f yardstickFlags
	c := &cobra.Command{
		Use:   "yardstick [NAME...]",
		Short: "Measure a published number: run one row of the yardsticks, one cell of it, or all",
		Long: `Trains what a paper's table was made of and prints our number beside the
published one. Without NAME it lists the rows and their cells.

With --results a cell that was measured before, with the same settings on the
same data, is not measured again. With --work a run that was interrupted or
killed goes on in the middle of a training.

With --within a cell that took longer last time than is left is not measured; its
hours and its command are printed.`,
		Example: `  laminabench yardstick pca30 --json
  laminabench yardstick sdae/rot/SDAE-3 --data DIR --work out/yardstick
  laminabench yardstick keras-tied --results testdata/yardsticks --again
  laminabench yardstick --table cmd/laminabench/README.md --results testdata/yardsticks`,
		RunE: func(c *cobra.Command, args []string) error { return runYardstick(c, f, args) },
	}
	c.Flags().StringVar(&f.data, "data", os.Getenv("LAMINA_DATA"), "folder of the MNIST IDX files; default LAMINA_DATA, else the embedded slice")
	c.Flags().StringVar(&f.datasets, "datasets", os.Getenv("LAMINA_DATASETS"), "folder above the folders of other data sets; default LAMINA_DATASETS")
	c.Flags().StringVar(&f.results, "results", "", "folder that keeps the results, a file for each row")
	c.Flags().StringVar(&f.work, "work", "", "folder of the trainings under way")
	c.Flags().StringVar(&f.table, "table", "", "write the table of the kept results into this page, and measure nothing")
	c.Flags().IntVar(&f.workers, "workers", 0, "goroutines; 0 is one a core")
	c.Flags().BoolVar(&f.json, "json", false, "print the results as JSON: an object, or an array for several cells")
	c.Flags().BoolVar(&f.again, "again", false, "measure also what has a result")
	c.Flags().DurationVar(&f.within, "within", 0, "time for all cells, such as 60m; 0 has no end")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "no progress line")
	return c
}

func runYardstick(c *cobra.Command, f yardstickFlags, args []string) error {
	out := c.OutOrStdout()
	switch {
	case f.table != "" && len(args) > 0:
		return fmt.Errorf("--table writes the table of all results: leave %s out", strings.Join(args, " "))
	case f.table != "":
		return yardstickTable(f)
	case f.within < 0:
		return fmt.Errorf("--within is a time such as 60m, got %v", f.within)
	case len(args) == 0:
		return listYardsticks(out, f.json)
	}
	var cells []yardstick.Cell
	for _, name := range args {
		found := yardstick.Find(name)
		if name == "all" {
			for _, r := range yardstick.Rows() {
				found = append(found, r.Cells...)
			}
		}
		if len(found) == 0 {
			var names []string
			for _, r := range yardstick.Rows() {
				names = append(names, r.Name)
			}
			return fmt.Errorf("there is no yardstick %q: there are %s and all; laminabench yardstick lists their cells", name, strings.Join(names, ", "))
		}
		cells = append(cells, found...)
	}
	data, name, err := command.Digits(f.data)
	if err != nil {
		return err
	}
	if f.data != "" {
		name = "other digits"
	}
	if name, err = yardstick.Describe(data, name); err != nil {
		return err
	}
	o := yardstick.Options{Digits: data, Data: name, Datasets: f.datasets, Machine: machine(f.workers), Results: f.results, Work: f.work, Again: f.again, Workers: f.workers}
	skipped := 0
	o.Skipped = func(cell string, why error) {
		skipped++
		fmt.Fprintf(c.ErrOrStderr(), "%s is skipped: %v\n", cell, why)
	}
	o.Within = f.within
	o.Later = func(cell string, about time.Duration) {
		took := "it is not known how long it takes"
		if about > 0 {
			took = fmt.Sprintf("it takes about %.1f hours", about.Hours())
		}
		fmt.Fprintf(c.ErrOrStderr(), "%s is left for later: %s: %s\n", cell, took, f.command(cell))
	}
	if !f.quiet {
		o.Progress = train.BarTo(c.ErrOrStderr())
	}
	if !f.json {
		o.Report = func(r yardstick.Result, kept bool) { printYardstick(out, r, kept) }
	}
	list, err := yardstick.Run(c.Context(), cells, o)
	if errors.Is(err, train.ErrInterrupted) && f.work == "" {
		return fmt.Errorf("%w; with --work FOLDER a run goes on where one was interrupted", err)
	}
	if err != nil {
		return err
	}
	if len(list) == 0 && skipped > 0 {
		return fmt.Errorf("nothing was measured: %w", yardstick.ErrAbsent)
	}
	if !f.json {
		return nil
	}
	var x any = list
	if len(list) == 1 {
		x = list[0]
	}
	return command.PrintJSON(out, x)
}

// command is what measures a cell with the same folders.
func (f yardstickFlags) command(cell string) string {
	s := "laminabench yardstick " + cell
	for _, o := range []struct{ name, value string }{{"data", f.data}, {"datasets", f.datasets}, {"results", f.results}, {"work", f.work}} {
		if o.value != "" {
			s += " --" + o.name + " " + strconv.Quote(o.value)
		}
	}
	if f.again {
		s += " --again"
	}
	return s
}

func printYardstick(out io.Writer, r yardstick.Result, kept bool) {
	s := fmt.Sprintf("%-28s %8.5g", r.Name, r.Value)
	if r.Seeds > 1 {
		s += fmt.Sprintf(" ± %.2g, %d seeds", r.Std, r.Seeds)
	}
	if r.Published > 0 {
		s += fmt.Sprintf("  published %.5g", r.Published)
	}
	if r.Reached != nil {
		s += map[bool]string{true: "  reaches", false: "  misses"}[*r.Reached] + fmt.Sprintf(" %.5g", r.Target)
	}
	s += fmt.Sprintf("  %.1f s", r.WallS)
	if kept {
		s += "  as kept of " + r.Date
	}
	fmt.Fprintln(out, s)
}

// listYardsticks prints what there is to run.
func listYardsticks(out io.Writer, asJSON bool) error {
	type row struct {
		Name      string          `json:"name"`
		Metric    string          `json:"metric"`
		Published yardstick.Maybe `json:"published"`
		Target    yardstick.Maybe `json:"target"`
		Seeds     int             `json:"seeds"`
	}
	var list []row
	for _, r := range yardstick.Rows() {
		for _, c := range r.Cells {
			list = append(list, row{c.Name, c.Metric, yardstick.Maybe(c.Published), yardstick.Maybe(c.Target), c.Seeds})
		}
	}
	if asJSON {
		return command.PrintJSON(out, list)
	}
	for _, r := range list {
		published := ""
		if r.Published > 0 {
			published = fmt.Sprintf("published %.5g", r.Published)
		}
		fmt.Fprintf(out, "%-28s %-17s %s\n", r.Name, published, r.Metric)
	}
	return nil
}

// yardstickTable writes the table of kept results into a page.
func yardstickTable(f yardstickFlags) error {
	if f.results == "" {
		return fmt.Errorf("--table needs --results, the folder of the results")
	}
	all, err := yardstick.Load(f.results)
	if err != nil {
		return err
	}
	page, err := os.ReadFile(f.table)
	if err != nil {
		return err
	}
	if page, err = yardstick.Place(page, all); err != nil {
		return fmt.Errorf("%s: %w", f.table, err)
	}
	return atomicfile.WriteBytes(f.table, page)
}

// machine describes what this runs on, without the host's name, and how many of its
// cores work.
func machine(workers int) string {
	used := runtime.GOMAXPROCS(0)
	if workers > 0 {
		used = min(used, workers)
	}
	cores := fmt.Sprint(used)
	if n := runtime.NumCPU(); n != used {
		cores += fmt.Sprintf(" of %d", n)
	}
	return fmt.Sprintf("%s, %s cores, %s kernels, %.0f GFLOP/s a core", simd.CPU().Identity, cores, simd.Active(), simd.PeakFMA(100*time.Millisecond))
}
