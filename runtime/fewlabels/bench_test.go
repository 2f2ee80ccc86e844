package fewlabels

import (
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// benchTask is a net of 128 units, with Dropout before the head.
func benchTask() Task {
	t := digitTask(128)
	t.Logits = t.Code.Then(spec.Dropout(0.3), spec.Dense(10).Named("out"))
	return t
}

// BenchmarkWays measures the ways on the embedded digits: the share of the 2,000 test rows that
// are misread with 100 labels, from three draws, with an encoder that was pretrained on all
// 8,000 rows and without.
func BenchmarkWays(b *testing.B) {
	digits := dataset.Digits()
	all, test := digits.Train, digits.Test
	seen := spec.Input("seen", 784)
	task := benchTask()
	restored := seen.Then(spec.MaskingNoise(0.3), task.Encoder, spec.Mirror("decoder", task.Encoder))
	before := quick(10)
	before.Augment = picture().Shift(3).Rotate(15).Scale(0.15).Of("seen")
	fit, err := train.Fit(b.Context(), spec.NewModel("before", spec.BinaryCrossEntropy(restored, task.Input)), all.Views("x", "x", "seen"), before)
	if err != nil {
		b.Fatal(err)
	}
	tensors, err := train.NetTensors(fit.Net(seen.Then(task.Encoder)))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		way    Way
		epochs int // that make some 400 updates
	}{
		{"linear-probe", Probe{}, 1},
		{"neighbours", Neighbours{}, 1},
		{"fine-tuning", FineTune{}, 200},
		{"fine-tuning-above-encoder", FineTune{FrozenTo: "encoder"}, 200},
		{"pseudo-labels", PseudoLabels{From: 50, To: 200, Height: 1}, 13},
		{"self-training", SelfTraining{Rounds: 2, Threshold: 0.9, Updates: 400}, 1},
		{"mean-teacher", MeanTeacher{To: 200, Views: picture().Shift(2).Rotate(10)}, 13},
		{"mixup", Mixup{}, 200},
		{"FixMatch", FixMatch{Labelled: 32, Unlabelled: 256, Threshold: 0.9, Weak: picture().Shift(1), Strong: moved()}, 13},
	} {
		for _, from := range []struct {
			name string
			from []train.From
		}{{"scratch", nil}, {"pretrained", []train.From{{Tensors: tensors, Pattern: "encoder"}}}} {
			b.Run(c.name+"/"+from.name, func(b *testing.B) {
				for range b.N {
					wrong := 0.0
					for draw := range uint64(3) {
						few := all.Balanced("y", 100, draw+1)
						o := train.Options{Optimizer: optim.Adam(1e-3).Schedule(optim.Cosine(0)), Epochs: c.epochs, Batch: 50, Seed: draw, InitFrom: from.from}
						l, err := c.way.Train(b.Context(), benchTask(), few, all, o)
						if err != nil {
							b.Fatal(err)
						}
						p, err := l.Predict(b.Context(), test)
						if err != nil {
							b.Fatal(err)
						}
						got, err := evaluate.Predict(p, 10)
						if err != nil {
							b.Fatal(err)
						}
						for i, y := range test.I64("y") {
							if int64(got[i]) != y {
								wrong += 100 / float64(3*test.Len())
							}
						}
					}
					b.ReportMetric(wrong, "error-%")
				}
			})
		}
	}
}
