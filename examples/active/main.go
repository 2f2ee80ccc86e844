// Command active labels digits in rounds: a classifier that was trained on the labels so far says which rows to ask about, the
// answers go into a file of labels, and the next classifier is trained on all of them. The answers are those that the data have,
// in the place of a person's. Beside it stands the control, as many rows drawn at random. What ships is the last classifier,
// with the code that lamina label rank --by coreset looks at.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strconv"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/active"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/picture"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

var names = []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}

// size says how much is asked and trained.
type size struct{ first, each, rounds, epochs int }

func main() {
	digits := dataset.Digits()
	if err := run(train.SignalContext(), os.Stdout, "out/active", digits.Train, digits.Test, size{40, 40, 6, 60}); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, n size) error {
	if err := ort.Check(); err != nil {
		return err
	}
	fmt.Fprintln(out, "labels  test digits read: asked by margin  at random")
	ways := []*asking{{active.Spread{By: active.Margin{}}, filepath.Join(dir, "margin")}, {active.Random{}, filepath.Join(dir, "random")}}
	for _, w := range ways { // each from the same first labels, and not from those of an earlier run
		if err := os.Remove(w.labels()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := w.ask(ctx, rows, active.Random{}, &active.Pool{Rows: rows.Len(), Seed: 1}, rows.Rows(), n.first); err != nil {
			return err
		}
	}
	var last *engine.Net
	for round := range n.rounds + 1 {
		fmt.Fprintf(out, "%6d", n.first+n.each*round)
		for k, w := range ways {
			fit, err := w.train(ctx, rows, n.epochs)
			if err != nil {
				return err
			}
			right, err := evaluate.Confuse(ctx, fit.probabilities, test, "y")
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "  %16.2f %%", 100*right.Accuracy())
			if k == 0 {
				last = fit.both
			}
			if round == n.rounds {
				continue
			}
			pool, err := active.PoolOf(ctx, fit.probabilities, fit.code, fit.unknown, fit.known)
			if err != nil {
				return err
			}
			pool.Seed = uint64(round + 2)
			if err := w.ask(ctx, rows, w.by, pool, fit.unknown.Rows(), n.each); err != nil {
				return err
			}
		}
		fmt.Fprintln(out)
	}
	v, err := bundle.Write(ctx, filepath.Join(dir, "classifier"), last, test, ort.Runtime())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, v)
	return err
}

// asking is one strategy and the folder of its files.
type asking struct {
	by  active.Strategy
	dir string
}

func (w *asking) labels() string { return filepath.Join(w.dir, "labels.csv") }

// fitted is a classifier, and the rows that it was trained on and those that have no label.
type fitted struct {
	probabilities, code, both *engine.Net
	known, unknown            *dataset.Table
}

// train trains on the rows that have a label in labels.csv, and sees no other label.
func (w *asking) train(ctx context.Context, rows *dataset.Table, epochs int) (f fitted, err error) {
	labels, err := active.ReadLabels(w.labels())
	if err != nil {
		return f, err
	}
	y, err := labels.Table("y")
	if err != nil {
		return f, err
	}
	all := rows.Without("y").Join(y)
	f.known, f.unknown = all.Select(labels.Known()), all.Select(labels.Unknown())

	code := spec.Input("x", 784).Then(spec.Reshape(1, 28, 28), spec.Conv(8, 3).Same(), spec.ReLU(), spec.MaxPool(2), spec.Conv(16, 3).Same(), spec.ReLU(), spec.MaxPool(2),
		spec.Flatten(), spec.Dense(64), spec.ReLU()).Named("code")
	logits := code.Then(spec.Dropout(0.5), spec.Dense(10).Named("head"))
	model := spec.NewModel("digits", spec.CrossEntropy(logits, spec.Labels("y", 10)))
	fit, err := train.Fit(ctx, model, f.known, train.Options{Optimizer: optim.Adam(2e-3), Epochs: epochs, Batch: 40, Classes: names})
	if err != nil {
		return f, err
	}
	p := logits.Then(spec.Softmax(-1)).Named("probabilities")
	f.probabilities, f.code, f.both = fit.Net(p), fit.Net(code), fit.Net(p, code)
	return f, nil
}

// ask writes the rows to label as rank.csv, draws them, and takes the answers into labels.csv. The pool is of the unknown rows.
func (w *asking) ask(ctx context.Context, rows *dataset.Table, by active.Strategy, pool *active.Pool, unknown []int, count int) error {
	picks, err := by.Order(ctx, pool, count)
	if err != nil {
		return err
	}
	of, err := active.DataOf(rows.Without("y"))
	if err != nil {
		return err
	}
	ranking := &active.Ranking{Of: of}
	var pictures [][]float32
	var numbers []string
	for _, x := range picks {
		row := unknown[x.Row]
		one := rows.Select([]int{row})
		answer := names[one.I64("y")[0]] // a person would look at the picture
		ranking.Rows = append(ranking.Rows, active.Ranked{Row: row, ID: "digit " + strconv.Itoa(row), Score: x.Score, Answer: answer})
		pictures, numbers = append(pictures, one.F32("x")), append(numbers, strconv.Itoa(row))
	}
	file := filepath.Join(w.dir, "rank.csv")
	if err := ranking.Write(file); err != nil {
		return err
	}
	if err := picture.Sheet(filepath.Join(w.dir, "rank.png"), 28, 28, pictures, numbers); err != nil {
		return err
	}
	_, err = active.Merge(file, w.labels(), active.MergeOptions{Classes: names})
	return err
}
