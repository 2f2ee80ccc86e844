// Command anomaly learns what one digit looks like, and finds the others, in two ways: by
// what a convolutional autoencoder cannot reconstruct, and by how far a code is from the
// centre of the known ones, Deep SVDD (Ruff et al. 2018). Each ships with its threshold in
// the file, which tells whether a picture is an anomaly; the autoencoder's tells where, too.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/picture"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

const normal = 0 // the digit that is known

func main() {
	digits := dataset.Digits()
	if err := run(train.SignalContext(), os.Stdout, "out/anomaly", digits.Train, digits.Test, 60, train.Bar); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, dir string, rows, test *dataset.Table, epochs int, progress train.Progress) error {
	known, test := only(rows, normal).Reshape("x", 1, 28, 28), test.Reshape("x", 1, 28, 28)
	known, held := known.Split(0.9, 1) // the thresholds come from rows that nothing was trained on

	// No layer of the encoder has a bias, nor an activation that could act as one: with a
	// bias, Deep SVDD could give the centre for every picture.
	x := spec.Input("x", 1, 28, 28)
	enc := spec.Sequential("encoder",
		spec.Conv(8, 5).Same().Stride(2).NoBias(), spec.LeakyReLU(), // 8 x 14 x 14
		spec.Conv(16, 5).Same().Stride(2).NoBias(), spec.LeakyReLU(), // 16 x 7 x 7
		spec.Flatten(), spec.Dense(32).NoBias())
	code := x.Then(enc).Named("code")
	y := code.Then(spec.Mirror("decoder", enc)).Named("reconstruction")
	o := train.Options{Optimizer: optim.AdamW(2e-3, 1e-6), Epochs: epochs, Batch: 64, Progress: progress, Needs: ort.Check}
	fit, err := train.Fit(ctx, spec.NewModel("autoencoder", spec.MSE(y, x)), known, o)
	if err != nil {
		return err
	}
	apart := spec.Sub(y, x)
	where := apart.Then(spec.Square()).Named("map") // [1 28 28]: the squared error of each pixel
	f := finder{fit, apart.Then(spec.MeanSquare()).Named("score")}
	if err := f.ship(ctx, out, filepath.Join(dir, "autoencoder"), held, test, where); err != nil {
		return err
	}
	if err := draw(ctx, filepath.Join(dir, "anomalies.png"), fit, where, test); err != nil {
		return err
	}

	// Deep SVDD goes on with the encoder.
	centre, err := train.Centre(ctx, fit.Net(code), known)
	if err != nil {
		return err
	}
	start, err := train.NetTensors(fit.Net(code))
	if err != nil {
		return err
	}
	o.InitFrom = []train.From{{Tensors: start, Pattern: "encoder"}}
	o.Optimizer = optim.AdamW(2e-4, 1e-6)
	fit, err = train.Fit(ctx, spec.NewModel("svdd", spec.OneClass(code, centre)), known, o)
	if err != nil {
		return err
	}
	f = finder{fit, code.Then(spec.SquaredDistance(centre)).Named("score")}
	return f.ship(ctx, out, filepath.Join(dir, "svdd"), held, test)
}

// finder is a trained score of anomalies.
type finder struct {
	fit   *train.Result
	score *spec.Value
}

// ship writes the score, a flag that is set above what 95 % of the held rows have, and more
// values. It says how well the score tells the digits apart.
func (f finder) ship(ctx context.Context, out io.Writer, dir string, held, test *dataset.Table, more ...*spec.Value) error {
	limit, err := f.fit.Net(f.score).Quantile(ctx, held, 0.95)
	if err != nil {
		return err
	}
	flag := f.score.Then(spec.Above(limit)).Named("anomaly")
	net := f.fit.Net(append([]*spec.Value{f.score, flag}, more...)...)
	if _, err := bundle.Write(ctx, dir, net, test, ort.Runtime()); err != nil {
		return err
	}

	found, err := net.Over(ctx, test)
	if err != nil {
		return err
	}
	var scores []float64
	var strange []bool
	var alarms, rows [2]int // of the known digit, and of the others
	for i, digit := range test.I64("y") {
		scores, strange = append(scores, float64(found.F32("score")[i])), append(strange, digit != normal)
		k := 0
		if digit != normal {
			k = 1
		}
		rows[k]++
		alarms[k] += int(found.I64("anomaly")[i])
	}
	area, err := evaluate.AUROC(scores, strange)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: AUROC %.4f; flagged: %d of %d of the digit %d, %d of %d others\n",
		filepath.Base(dir), area, alarms[0], rows[0], normal, alarms[1], rows[1])
	return nil
}

// draw shows where pictures differ from their reconstructions: four of the known digit, then
// one of each digit.
func draw(ctx context.Context, path string, fit *train.Result, where *spec.Value, test *dataset.Table) error {
	var chosen []int
	known, seen := 0, map[int64]bool{}
	for i, digit := range test.I64("y") {
		if digit == normal && known < 4 {
			known++
			chosen = append(chosen, i)
		}
	}
	for i, digit := range test.I64("y") {
		if digit != normal && !seen[digit] {
			seen[digit] = true
			chosen = append(chosen, i)
		}
	}
	shown := test.Select(chosen)
	maps, err := fit.Net(where).Over(ctx, shown)
	if err != nil {
		return err
	}
	return picture.HeatMap(path, 28, 28, pictures(shown.F32("x")), pictures(maps.F32("map")), 0)
}

// only returns the rows of a digit.
func only(rows *dataset.Table, digit int64) *dataset.Table {
	var chosen []int
	for i, y := range rows.I64("y") {
		if y == digit {
			chosen = append(chosen, i)
		}
	}
	return rows.Select(chosen)
}

func pictures(pixels []float32) (out [][]float32) {
	for ; len(pixels) > 0; pixels = pixels[784:] {
		out = append(out, pixels[:784])
	}
	return out
}
