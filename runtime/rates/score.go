package rates

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
)

// Score is what one set of folds gave.
type Score struct {
	Factors  []float64 `json:"factors,omitempty"`  // by block; none for rates that fall from layer to layer
	Division int       `json:"division,omitempty"` // of the rows into folds; 0 is that of the search
	Folds    []float64 `json:"folds,omitempty"`    // the number of each
	Diverged string    `json:"diverged,omitempty"` // why there is none
}

// key names factors.
func key(factors []float64) string {
	var b strings.Builder
	for _, f := range factors {
		b.WriteString(strconv.FormatFloat(f, 'g', -1, 64) + " ")
	}
	return b.String()
}

func (x Score) key() string { return fmt.Sprintf("%d: %s", x.Division, key(x.Factors)) }

// score trains a candidate on the folds of a division, or takes what is kept of that.
func (s *search) score(ctx context.Context, t *Tried, division int) error {
	x := Score{Factors: t.Factors, Division: division}
	kept, ok := s.kept.find(x.key())
	if ok {
		x = kept
	} else if err := s.train(ctx, &x); err != nil {
		return err
	}
	if division == 0 {
		t.Scores, t.Diverged = x.Folds, x.Diverged
	} else {
		t.Confirmed = append(t.Confirmed, x.Folds...)
		if t.Diverged == "" {
			t.Diverged = x.Diverged
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok {
		if err := s.kept.add(x); err != nil {
			s.err = err
			return err
		}
	}
	if s.done++; division == 0 && x.Factors != nil {
		s.best = min(s.best, t.cost())
	}
	if s.Progress != nil {
		s.Progress(Progress{Done: s.done, Of: s.sets(), Score: x, Best: t.found.signed(s.best)})
	}
	return nil
}

// train trains on the folds of a division.
func (s *search) train(ctx context.Context, x *Score) error {
	folds, err := evaluate.Folds(s.labels, s.groups, s.Folds, s.Seed+uint64(x.Division))
	if err != nil {
		return fmt.Errorf("rates: %w", err)
	}
	o := s.options
	name := "factors " + strings.TrimSpace(key(x.Factors))
	if x.Factors == nil {
		name = fmt.Sprintf("decay %v", s.Decay)
		if o.Optimizer, err = optim.WithLayerDecay(o.Optimizer, s.Decay); err != nil {
			return fmt.Errorf("rates: %w", err)
		}
	} else if o, err = table(name, s.blocks, x.Factors).Apply(o); err != nil {
		return err
	}
	for i, f := range folds {
		last, err := s.fold(ctx, o, f)
		switch {
		case errors.Is(err, train.ErrNotFinite):
			x.Folds, x.Diverged = nil, err.Error()
			return nil
		case err != nil:
			return fmt.Errorf("rates: %s, fold %d of %d: %w", name, i+1, len(folds), err)
		}
		v := s.By.Of(last)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("rates: %s, fold %d of %d: the score is %v", name, i+1, len(folds), v)
		}
		x.Folds = append(x.Folds, v)
	}
	return nil
}

// fold trains on the rows of a fold and returns the last epoch.
func (s *search) fold(ctx context.Context, o train.Options, f evaluate.Fold) (last train.Epoch, err error) {
	s.declares.Lock()
	d := s.declare()
	s.declares.Unlock()
	o.Valid, o.Metrics = s.rows.Select(f.Test), d.Metrics
	t, err := train.New(ctx, d.Model, s.rows.Select(f.Train), o)
	if err != nil {
		return last, err
	}
	for e := range t.Epochs(ctx) {
		last = e
	}
	_, err = t.Done()
	return last, err
}

// choose takes the rows that have a label.
func (s *search) choose(ctx context.Context, rows dataset.Source) error {
	if rows == nil {
		return errors.New("rates: there are no rows: the source is nil")
	}
	all := dataset.All(rows)
	if err := all.Err(); err != nil {
		return fmt.Errorf("rates: %w", err)
	}
	if s.Group == "" {
		s.Group = dataset.GroupOf(rows)
	}
	names := []string{s.Label}
	if s.Group != "" {
		names = append(names, s.Group)
	}
	for _, name := range names {
		if !single(all, name) {
			return fmt.Errorf("rates: no column %q of one i64 a row; the rows have %v", name, all.Columns())
		}
	}
	var labelled []int
	row := 0
	err := dataset.Each(ctx, all, 1024, func(b dataset.Batch) error {
		for i, y := range b.I64(s.Label) {
			if y >= 0 {
				labelled, s.labels = append(labelled, row+i), append(s.labels, y)
				if s.Group != "" {
					s.groups = append(s.groups, b.I64(s.Group)[i])
				}
			}
		}
		row += b.Rows
		return nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("rates: %w", err)
	case len(labelled) == 0:
		return fmt.Errorf("rates: none of the %d rows has a label in column %q; rates are searched for on labelled rows", row, s.Label)
	case len(labelled) < s.Folds:
		return fmt.Errorf("rates: %d rows with a label are fewer than the %d folds: take fewer folds", len(labelled), s.Folds)
	}
	if _, err := evaluate.Folds(s.labels, s.groups, s.Folds, s.Seed); err != nil {
		return fmt.Errorf("rates: %w", err)
	}
	s.rows = all.Select(labelled)
	return s.rows.Err()
}

// single reports whether there is such a column of single integers.
func single(rows dataset.Source, name string) bool {
	for _, c := range rows.Columns() {
		if c.Name == name {
			return c.DType == dataset.I64 && c.Width() == 1
		}
	}
	return false
}

// decides is everything that the scores depend on.
func (s *search) decides(ctx context.Context, d Declared) (checkpoint.Facts, error) {
	o := s.options
	o.Metrics = d.Metrics
	l, err := o.Decides(d.Model)
	if err != nil {
		return nil, fmt.Errorf("rates: %w", err)
	}
	for _, b := range s.blocks {
		l = append(l, checkpoint.Fact{Name: "the block " + b.Name, Verb: checkpoint.Has, Value: strings.Join(b.Params, ", ")})
	}
	l.Add("Label", s.Label)
	l.Add("Group", s.Group)
	l.Add("Folds", s.Folds)
	l.Add("Decay", s.Decay)
	l = append(l, checkpoint.Fact{Name: "the seed of the search", Value: fmt.Sprint(s.Seed)}, checkpoint.Fact{Name: "the kernel set", Value: simd.Active()})
	hash, err := dataset.Hash(dataset.Until(ctx, s.rows))
	if err != nil {
		return nil, fmt.Errorf("rates: %w", err)
	}
	l.AddRows("the rows", s.rows.Len(), hash)
	return l, nil
}
