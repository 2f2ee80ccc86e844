package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/active"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/picture"
)

type rankFlags struct {
	data                                             []string
	labelled, by, out, sheet, size, output, codeName string
	schema                                           string
	count                                            int
	seed                                             uint64
	json                                             bool
	few                                              bool // count is no more than the rows that there are
}

func labelRankCommand() *cobra.Command {
	var f rankFlags
	c := &cobra.Command{
		Use:   "rank [BUNDLE...] --data FILE|DIR",
		Short: "Write the rows that are worth labelling most, as a .csv file to fill in",
		Long: `Orders the rows of --data that have no label by how much their labels would tell, and
writes the first --count of them: rank, row, id, data, score, prediction, probability, and
an empty label to fill in. Bundles run on Lamina's own engine; their files are held
against their hashes and their stored test sets are replayed first.

  margin        the two likeliest classes are about as likely
  entropy       the class is least certain
  coreset       far, by the bundle's codes, from all rows with a label
  disagreement  several bundles say different things
  information   the same, where each of them is sure
  random        the control, which needs no bundle

NAME+coreset takes rows that are not alike among the ten times as many that NAME puts
first. Of several bundles margin and entropy take the mean. A Dropout is no part of a
file, so its variation ratio is had from Go: see runtime/active.

Probabilities are the output of a Softmax or Sigmoid, codes the other output of floats;
--output and --code name them instead. Rows in order of equal scores are those of the file.

` + dataHelp + `
` + schemaHelp + `
A folder is PNG and JPEG files. --sheet draws pictures with the numbers of their rows.`,
		Example: `  lamina label rank --by random --data x.npy --count 20 --out rank.csv
  lamina label rank out/classifier --data x.npy --labelled labels.csv --count 20 --out rank.csv
  lamina label rank a b c --data photos --by disagreement --out rank.csv --sheet rank.png`,
		RunE: func(c *cobra.Command, args []string) error {
			f.few = !c.Flags().Changed("count")
			return labelRank(c, args, f)
		},
	}
	c.Flags().StringArrayVar(&f.data, "data", nil, "`[INPUT=]FILE|DIR` of rows; repeat it when there are several inputs")
	c.Flags().StringVar(&f.labelled, "labelled", "", "`FILE|COLUMN` of the labels so far, -1 for none; by default there are none")
	c.Flags().StringVar(&f.by, "by", "margin", "`STRATEGY` that orders the rows")
	c.Flags().StringVar(&f.schema, "schema", "", "`FILE` of a schema that a table is read by, without a bundle")
	c.Flags().IntVar(&f.count, "count", 20, "rows to write; by default no more than there are")
	c.Flags().StringVar(&f.out, "out", "rank.csv", "`FILE` to write")
	c.Flags().StringVar(&f.sheet, "sheet", "", "`FILE.png` of the pictures to write too")
	c.Flags().StringVar(&f.size, "size", "", "`HxW` of the pictures of --sheet, such as 28x28, if rows do not say it")
	c.Flags().StringVar(&f.output, "output", "", "`NAME` of the output that has the probabilities")
	c.Flags().StringVar(&f.codeName, "code", "", "`NAME` of the output that has the codes")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of --by random")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return c
}

// rankReport is what lamina label rank says as JSON.
type rankReport struct {
	By         string `json:"by"`
	Rows       int    `json:"rows"`
	Labelled   int    `json:"labelled"`
	Unlabelled int    `json:"unlabelled"`
	Written    int    `json:"written"`
	Out        string `json:"out"`
	Sheet      string `json:"sheet,omitempty"`
}

func labelRank(c *cobra.Command, bundles []string, f rankFlags) error {
	strategy, err := f.strategy(len(bundles))
	if err != nil {
		return err
	}
	var r *rankRun
	var first *labelRows
	nets := []*engine.Net{nil}
	if len(bundles) > 0 {
		nets = nil
	}
	for _, dir := range bundles {
		o, err := bundle.Load(c.Context(), dir)
		if err != nil {
			return err
		}
		tellSlow(c, o.Net)
		nets = append(nets, o.Net)
	}
	source := labelSource{data: f.data, option: "labelled", labels: f.labelled, schema: f.schema}
	for i, net := range nets {
		rows, err := readLabelRows(c.Context(), net, source)
		if err != nil {
			return err
		}
		if i == 0 {
			first = rows
			if r, err = newRankRun(rows, &f); err != nil {
				return err
			}
			for _, path := range []string{f.out, f.sheet} {
				if path == "" {
					continue
				}
				ports := dataFiles(f.data, nil)
				if net != nil {
					ins, _ := netPorts(net)
					ports = dataFiles(f.data, ins)
				}
				ports = append(ports, source.files()...)
				if path == f.sheet {
					err = mayWrite(path, ports)
				} else {
					err = rows.mayReplace(path, nil, ports)
				}
				if err != nil {
					return err
				}
			}
		}
		if net == nil {
			continue
		}
		if err := r.look(c, net, rows.Table, strategy, bundles[i], f); err != nil {
			return err
		}
	}
	picks, err := strategy.Order(c.Context(), &r.pool, f.count)
	if err != nil {
		return err
	}
	ranking := r.ranking(first, picks)
	if f.sheet != "" { // first, since it may turn out that the rows are no pictures
		if err := f.drawSheet(first, ranking); err != nil {
			return err
		}
	}
	if err := ranking.Write(f.out); err != nil {
		return err
	}
	report := rankReport{By: strategy.Name(), Rows: first.Len(), Labelled: len(r.known), Unlabelled: len(r.unknown), Written: len(picks), Out: f.out, Sheet: f.sheet}
	if f.json {
		return command.PrintJSON(c.OutOrStdout(), report)
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: %d of %s without a label, by %s\n", f.out, len(picks), plainly(len(r.unknown), "row"), strategy.Name())
	if f.sheet != "" {
		fmt.Fprintf(c.OutOrStdout(), "%s: their pictures\n", f.sheet)
	}
	into, classes := "labels.csv", "--classes NAMES"
	if extension(f.labelled) == ".csv" && isFile(f.labelled) {
		into = f.labelled
	}
	if len(r.classes) > 0 {
		classes = "--bundle " + bundles[0]
	}
	if f.labelled != "" && !isFile(f.labelled) {
		_, err = fmt.Fprintf(c.OutOrStdout(), "the labels so far are the column %s of the data, so put the answers there too\n", command.Clean(f.labelled))
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "fill in the label column, then lamina label merge %s --into %s %s\n", f.out, into, classes)
	return err
}

// strategy is the one of --by, for so many bundles.
func (f *rankFlags) strategy(bundles int) (active.Strategy, error) {
	s, err := active.Parse(f.by)
	if err != nil {
		return nil, fmt.Errorf("--by: %w", err)
	}
	by := s
	if spread, ok := s.(active.Spread); ok {
		by = spread.By
	}
	switch needs := s.Needs(); {
	case by == (active.VariationRatio{}):
		return nil, errors.New("--by dropout: a bundle has no Dropout any more; have it from Go (runtime/active), or give several bundles and --by disagreement")
	case needs.Members > bundles && needs.Members > 1:
		return nil, fmt.Errorf("--by %s compares several bundles: give two or more, got %d", s.Name(), bundles)
	case bundles == 0 && (needs.Members > 0 || needs.Codes):
		return nil, fmt.Errorf("--by %s needs a bundle; only random does without", s.Name())
	case bundles > 1 && needs.Codes:
		return nil, fmt.Errorf("--by %s looks at the codes of one bundle, got %d bundles", s.Name(), bundles)
	case f.out == "" || f.out == f.sheet:
		return nil, fmt.Errorf("--out must name a file, and another one than --sheet")
	case f.sheet != "" && filepath.Ext(f.sheet) != ".png":
		return nil, fmt.Errorf("--sheet %s: it is a .png file", f.sheet)
	}
	return s, nil
}

// rankRun is rows on their way to an order.
type rankRun struct {
	unknown, known []int // rows
	pool           active.Pool
	classes        []string
}

func newRankRun(rows *labelRows, f *rankFlags) (*rankRun, error) {
	r := &rankRun{}
	for i := range rows.Len() {
		if rows.labels != nil && rows.labels[i] >= 0 {
			r.known = append(r.known, i)
		} else {
			r.unknown = append(r.unknown, i)
		}
	}
	r.pool.Rows, r.pool.Seed = len(r.unknown), f.seed
	if f.few {
		f.count = min(f.count, len(r.unknown))
	}
	switch {
	case len(r.unknown) == 0:
		return nil, fmt.Errorf("there are no unlabelled rows: all %d have a label", rows.Len())
	case f.count < 1 || f.count > len(r.unknown):
		return nil, fmt.Errorf("--count must be from 1 to %d, the rows without a label, got %d", len(r.unknown), f.count)
	}
	return r, nil
}

// look adds what a bundle makes of the rows.
func (r *rankRun) look(c *cobra.Command, net *engine.Net, rows *dataset.Table, s active.Strategy, dir string, f rankFlags) error {
	output, code, err := scoreOutputs(net, f.output, f.codeName)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	needs := s.Needs()
	if output == "" && needs.Members > 0 {
		return fmt.Errorf("%s: --by %s needs probabilities, and no output is one of a Softmax or Sigmoid; --output NAME names it", dir, s.Name())
	}
	if code == "" && needs.Codes {
		return fmt.Errorf("%s: --by %s needs codes: an output of floats besides the probabilities, as fit.Net(probabilities, code) ships it; --code NAME names it", dir, s.Name())
	}
	unknown := rows.Select(r.unknown)
	if output != "" {
		p, classes, err := active.Probabilities(c.Context(), net, output, unknown)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		names := classNames(net, classes)
		if r.classes != nil && !slices.Equal(names, r.classes) {
			return fmt.Errorf("%s: its classes are others than those of the bundle before: %.60q and %.60q", dir, names, r.classes)
		}
		r.classes, r.pool.Classes, r.pool.Members = names, classes, append(r.pool.Members, p)
	}
	if !needs.Codes {
		return nil
	}
	if r.pool.Codes, err = active.CodesOf(c.Context(), net, code, unknown); err == nil && len(r.known) > 0 {
		r.pool.Known, err = active.CodesOf(c.Context(), net, code, rows.Select(r.known))
	}
	return err
}

// ranking is what is written.
func (r *rankRun) ranking(rows *labelRows, picks []active.Pick) *active.Ranking {
	out := &active.Ranking{Of: rows.of}
	for _, x := range picks {
		row := r.unknown[x.Row]
		line := active.Ranked{Row: row, ID: rows.id(row), Score: x.Score}
		for k, name := range r.classes {
			p := 0.0
			for _, m := range r.pool.Members {
				p += m[x.Row*len(r.classes)+k] / float64(len(r.pool.Members))
			}
			if k == 0 || p > line.Probability {
				line.Prediction, line.Probability = name, p
			}
		}
		out.Rows = append(out.Rows, line)
	}
	return out
}

// drawSheet draws the pictures of a ranking, with the numbers of their rows. Values that are not from 0 to 1 are drawn from the
// least to the greatest.
func (f *rankFlags) drawSheet(rows *labelRows, r *active.Ranking) error {
	column, height, width, err := picturesIn(rows.Table, f.size)
	if err != nil {
		return err
	}
	list := make([]int, len(r.Rows))
	captions := make([]string, len(r.Rows))
	for i, x := range r.Rows {
		list[i], captions[i] = x.Row, strconv.Itoa(x.Row)
	}
	t := rows.Select(list)
	x := slices.Clone(t.F32(column))
	for _, v := range t.U8(column) {
		x = append(x, float32(v)/255)
	}
	for _, v := range t.I64(column) {
		x = append(x, float32(v))
	}
	if low, high := slices.Min(x), slices.Max(x); low < 0 || high > 1 {
		for i := range x {
			x[i] = (x[i] - low) / max(high-low, 1e-30)
		}
	}
	pictures := make([][]float32, len(list))
	for i := range pictures {
		w := len(x) / len(list)
		pictures[i] = x[i*w:][:w]
	}
	return picture.Sheet(f.sheet, height, width, pictures, captions)
}

// picturesIn returns the column that has pictures, and their size: one of [C H W] with one or three channels, or a square, or of
// the size that is given.
func picturesIn(t *dataset.Table, size string) (column string, height, width int, err error) {
	if size != "" {
		if _, err := fmt.Sscanf(size+"\n", "%dx%d\n", &height, &width); err != nil || height < 1 || width < 1 {
			return "", 0, 0, fmt.Errorf("--size must be a height and a width, such as 28x28, got %q", command.Clean(size))
		}
	}
	for _, c := range t.Columns() {
		n := c.Width()
		if len(c.Shape) == 3 && (c.Shape[0] == 1 || c.Shape[0] == 3) && (size == "" || n == c.Shape[0]*height*width) {
			return c.Name, c.Shape[1], c.Shape[2], nil
		}
		if size != "" && (n == height*width || n == 3*height*width) {
			return c.Name, height, width, nil
		}
		for side := 4; size == "" && len(c.Shape) <= 2 && side*side <= n; side++ {
			if side*side == n {
				return c.Name, side, side, nil
			}
		}
	}
	return "", 0, 0, fmt.Errorf("--sheet: the rows are no pictures: a column [C H W] of one or three channels, a square, or of --size HxW; the data have %v", t.Columns())
}
