package fewlabels

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// SelfTraining trains a teacher on the labelled rows, gives each unlabelled row the class
// that the teacher is sure of, and trains a student anew on both; the student is the next
// teacher (Scudder 1965; Triguero, García and Herrera 2015). Rows of which the teacher is less
// sure than Threshold are left out, and each round looks at all unlabelled rows again.
//
// Each training starts from Options.InitFrom, or else from the initial weights. With
// Options.Dir it has the folder round0, round1 and so on there, and rounds that are
// finished are not trained again when the way is resumed. Each of Options.Logs becomes one
// for each round: run.csv is run-round0.csv, run-round1.csv and so on.
type SelfTraining struct {
	Rounds    int     // students; 2
	Threshold float64 // least probability, in (0, 1); 0.95
	// Updates is how many each training makes, rounded down to whole epochs but one at least, so
	// that the teacher, which has few rows, makes as many as a student. 0 gives each Options.Epochs.
	Updates int
}

// epochs are those of a training on some rows.
func (s SelfTraining) epochs(rows int, o train.Options) int {
	if s.Updates == 0 {
		return o.Epochs
	}
	batch := o.Batch
	def(&batch, 256)
	batch *= max(o.Accumulate, 1)
	return max(1, s.Updates/((rows+batch-1)/batch))
}

// Name implements [Way].
func (SelfTraining) Name() string { return "self-training" }

// Train implements [Way]. Chosen has "rows1", "rows2", …, the number of unlabelled rows
// that each student was given; if it is 0, the rounds end there and the teacher is the
// result.
func (s SelfTraining) Train(ctx context.Context, t Task, labelled, unlabelled dataset.Source, o train.Options) (*Learned, error) {
	def(&s.Rounds, 2)
	def(&s.Threshold, 0.95)
	switch {
	case s.Updates < 0:
		return nil, fmt.Errorf("fewlabels: SelfTraining.Updates must not be negative, got %d", s.Updates)
	case o.Batch < 0:
		return nil, fmt.Errorf("fewlabels: self-training: Options.Batch must not be negative, got %d", o.Batch)
	case s.Rounds < 1:
		return nil, fmt.Errorf("fewlabels: SelfTraining.Rounds must be positive, got %d", s.Rounds)
	case !(s.Threshold > 0 && s.Threshold < 1):
		return nil, fmt.Errorf("fewlabels: SelfTraining.Threshold must be between 0 and 1, got %v", s.Threshold)
	}
	rows, _, err := t.begin(s.Name(), labelled)
	if err != nil {
		return nil, err
	}
	rest, err := t.without(s.Name(), unlabelled)
	if err != nil {
		return nil, err
	}
	m := spec.NewModel("selftraining", spec.CrossEntropy(t.Logits, t.labels()))
	given, dir := o, o.Dir
	o = t.options(o)
	all := dataset.All(rest)
	chosen := map[string]float64{}
	var learned *Learned
	known := rows
	for round := 0; ; round++ {
		if dir != "" {
			o.Dir = filepath.Join(dir, fmt.Sprintf("round%d", round))
		}
		o.Logs = nil
		for _, l := range given.Logs {
			ext := filepath.Ext(l.Path())
			o.Logs = append(o.Logs, l.At(fmt.Sprintf("%s-round%d%s", strings.TrimSuffix(l.Path(), ext), round, ext)))
		}
		o.Epochs = s.epochs(known.Len(), given)
		if learned, err = t.fit(ctx, m, known, o); err != nil {
			return nil, fmt.Errorf("fewlabels: self-training, round %d: %w", round, err)
		}
		learned.Chosen = chosen
		if round == s.Rounds {
			return learned, nil
		}
		p, err := learned.Predict(ctx, all)
		if err != nil {
			return nil, err
		}
		sure, classes := s.sure(p, len(t.Classes))
		chosen[fmt.Sprintf("rows%d", round+1)] = float64(len(sure))
		if len(sure) == 0 {
			return learned, nil
		}
		known = dataset.All(dataset.Concat(rows, all.Select(sure).Relabel(t.Label, classes)))
		if err := known.Err(); err != nil {
			return nil, err
		}
	}
}

// sure returns the rows with a probability of at least the threshold, and their classes.
func (s SelfTraining) sure(p []float64, classes int) (rows []int, labels []int64) {
	for i := range len(p) / classes {
		row, best := p[i*classes:][:classes], 0
		for c, v := range row {
			if v > row[best] {
				best = c
			}
		}
		if row[best] >= s.Threshold {
			rows, labels = append(rows, i), append(labels, int64(best))
		}
	}
	return rows, labels
}
