// Command sensor learns which exercise somebody does from an accelerometer and a gyroscope on the wrist. Recordings are cut
// into windows, and people are never on two sides. A denoising autoencoder learns all windows of some people without labels, then
// a classifier goes on with its encoder, with the labels of a few of them. One file ships the probability of each
// exercise, a score of how unlike the known windows a window is, and a flag for it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

func main() {
	file := flag.String("data", "", "watch.npz, with the arrays x and recording by step, exercise and subject by recording; without it, recordings are made up")
	dir := flag.String("out", "out/sensor", "`folder` of the bundle")
	labelled := flag.Int("labelled", 2, "`people` whose windows have labels")
	epochs := flag.Int("epochs", 30, "epochs of each training")
	flag.Parse()
	steps, recordings, err := read(*file)
	if err == nil {
		err = run(train.SignalContext(), os.Stdout, *dir, steps, recordings, *labelled, *epochs, train.Bar)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// read returns x f32[6] of each step with its recording, and exercise and subject of each recording.
func read(file string) (steps, recordings *dataset.Table, err error) {
	if file == "" {
		return madeUp(10, 5, 640)
	}
	if steps, err = dataset.NPZArrays(file, "x", "recording"); err != nil {
		return nil, nil, err
	}
	recordings, err = dataset.NPZArrays(file, "exercise", "subject")
	return steps, recordings, err
}

func run(ctx context.Context, out io.Writer, dir string, steps, recordings *dataset.Table, labelled, epochs int, progress train.Progress) error {
	people, classes := distinct(recordings.I64("subject")), len(distinct(recordings.I64("exercise")))
	n := len(people)
	first := n - n/3 - n/5 // of the people, who train; some of the others choose the epoch and the threshold
	if n < 5 || labelled < 1 || labelled >= first {
		return fmt.Errorf("of %d people %d train, so 1 to %d may have labels, got %d", n, first, first-1, labelled)
	}
	windows := dataset.Windows(steps, dataset.WindowOptions{Length: 128, Stride: 64, Recording: "recording", Of: recordings, ChannelsFirst: true}).GroupedBy("subject")
	test, earlier := windows.SplitGroups("subject", people[n-n/3:])
	known, held := earlier.SplitGroups("subject", people[:first])
	few, _ := known.SplitGroups("subject", people[:labelled])

	x := spec.Input("x", 6, 128)
	scaled := x.Then(spec.Standardise().Axis(0))
	enc := spec.Sequential("encoder",
		spec.Conv(32, 7).Same().Stride(2), spec.ReLU(), // 32 x 64
		spec.Conv(32, 5).Same().Stride(2), spec.ReLU(), // 32 x 32
		spec.Conv(16, 5).Same().Stride(2), spec.ReLU()) // 16 x 16
	code := scaled.Then(spec.GaussianNoise(0.2), enc)
	back := code.Then(spec.Mirror("decoder", enc))
	h := spec.Concat(0, code.Then(spec.Mean(1)), code.Then(spec.Max(1))) // over the time
	logits, y := h.Then(spec.Dropout(0.3), spec.Dense(classes).Named("head")), spec.Labels("exercise", classes).Optional()

	// First all windows without labels. Then each batch has 32 with a label and 96 without, which the decoder keeps learning.
	o := train.Options{Optimizer: optim.Adam(2e-3), Epochs: epochs, Batch: 64}
	last := o
	last.Batch, last.Valid, last.Metrics, last.BestBy = 0, held, []train.Metric{train.Accuracy(logits, y)}, train.Greatest("accuracy")
	fit, err := pretrain.NewProgram("sensor",
		pretrain.Fit(spec.NewModel("windows", spec.MSE(back, scaled)), known, o),
		pretrain.Fit(spec.NewModel("exercises", spec.CrossEntropy(logits, y), spec.MSE(back, scaled)),
			dataset.Mix(few, 32, known.Unlabel("exercise", nil), 96), last),
	).Run(ctx, pretrain.Options{Progress: progress, Needs: ort.Check})
	if err != nil {
		return err
	}

	p := logits.Then(spec.Softmax(-1)).Named("probabilities")
	score := spec.Sub(back, scaled).Then(spec.Square(), spec.Mean(1), spec.Max(0)).Named("score") // the error of the worst channel
	limit, err := fit.Net(score).Quantile(ctx, held, 0.95)
	if err != nil {
		return err
	}
	flagged := score.Then(spec.Above(limit)).Named("flag")
	report, err := bundle.Write(ctx, dir, fit.Net(p, score, flagged), test, ort.Runtime())
	if err != nil {
		return err
	}

	// Windows of a person are alike, so the intervals, of windows, are too narrow for other people.
	exercises, err := evaluate.MeasureNet(ctx, fit.Net(p), test, "exercise", evaluate.MeasureOptions{})
	if err != nil {
		return err
	}
	odd, err := loose(steps, test)
	if err != nil {
		return err
	}
	anomalies, err := evaluate.MeasureNet(ctx, fit.Net(score, flagged), odd, "loose", evaluate.MeasureOptions{})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%v\nexercises of %d windows of %d people, by %d people's labels\n%v\n%v\nwindows with a channel that is loose\n%v",
		report, test.Len(), n/3, labelled, exercises, exercises.Confusion(), anomalies)
	return err
}

// loose returns the windows, and each once more with noise on one of its channels, as of a loose contact. They are the ones
// with 1 in the column loose.
func loose(steps *dataset.Table, windows dataset.Source) (*dataset.Table, error) {
	_, deviation, err := steps.Moments("x")
	if err != nil {
		return nil, err
	}
	rows, err := dataset.Collect(windows)
	if err != nil {
		return nil, err
	}
	x, n, key := slices.Clone(rows.F32("x")), rows.Len(), random.New(1)
	length := len(x) / n / len(deviation)
	is := make([]int64, 2*n)
	x = append(x, x...)
	for i := range n {
		is[n+i] = 1
		c := i % len(deviation)
		for j := range length {
			at := ((n+i)*len(deviation)+c)*length + j
			x[at] += float32(deviation[c] * key.Normal(uint64(at)))
		}
	}
	return dataset.NewTable(dataset.Data{Column: dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{len(deviation), length}}, F32: x},
		dataset.Data{Column: dataset.Column{Name: "loose", DType: dataset.I64}, I64: is})
}

// distinct are the different numbers of a column, in order.
func distinct(x []int64) []int64 { return slices.Compact(slices.Sorted(slices.Values(x))) }
