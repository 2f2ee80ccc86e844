// Package waves is a data source of one's own: rows that are made when they are
// asked for, not kept.
package waves

import (
	"math"
	"math/rand/v2"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

// Samples is the length of a wave.
const Samples = 24

// Source gives waves of random height, length and phase: "x" f32[24] with noise
// and now and then a spike, and "clean" f32[24] without. A row is a function of
// the seed and of its number.
type Source struct {
	Count int // of rows
	Seed  uint64
}

// Len implements [dataset.Source].
func (s Source) Len() int { return s.Count }

// Columns implements [dataset.Source].
func (s Source) Columns() []dataset.Column {
	return []dataset.Column{
		{Name: "x", DType: dataset.F32, Shape: []int{Samples}},
		{Name: "clean", DType: dataset.F32, Shape: []int{Samples}},
	}
}

// Row implements [dataset.Source].
func (s Source) Row(i int, row dataset.Row) error {
	r := rand.New(rand.NewPCG(s.Seed, uint64(i)))
	height, turns, phase := 0.5+r.Float64(), 1+2*r.Float64(), 2*math.Pi*r.Float64()
	x, clean := row.F32Slice("x"), row.F32Slice("clean")
	for j := range clean {
		y := height * math.Sin(phase+2*math.Pi*turns*float64(j)/Samples)
		noise := 0.05 * r.NormFloat64()
		if r.IntN(50) == 0 {
			noise += 3
		}
		clean[j], x[j] = float32(y), float32(y+noise)
	}
	return nil
}

// Rows implements [dataset.BatchSource]: a row depends on its number alone, so
// that all processors may make rows at once.
func (s Source) Rows(index []int, dst dataset.Rows) error {
	for k, i := range index {
		if err := s.Row(i, dst.Row(k)); err != nil {
			return err
		}
	}
	return nil
}
