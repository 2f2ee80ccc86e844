package train

import (
	"context"
	"math"
	"slices"
)

// Quantiles are exact for any number of rows. Up to keptNumbers, all numbers are kept and
// put in order. More are read again: in a number's place in the order of all floats, its
// first 11 bits decide first, then the next 11, then the last 10. Each of three passes counts
// how many numbers have which bits, of those that had the right ones before, and so finds
// the bits of the number at a rank. The counts of a pass take up to countedBytes.
var (
	keptNumbers  = 1 << 24
	countedBytes = 1 << 26
)

// numbersOf is the numbers of the columns, nil where they are too many or of no use.
type numbersOf struct{ of [][]float32 }

func keptOf(v *valued, wanted bool) *numbersOf {
	k := &numbersOf{}
	if wanted && v.rows <= keptNumbers/max(v.width, 1) {
		k.of = make([][]float32, v.columns)
	}
	return k
}

func (k *numbersOf) take(column int, x []float32) {
	if k.of == nil {
		return
	}
	for _, v := range x {
		if v == v {
			k.of[column] = append(k.of[column], v+0) // -0 is 0
		}
	}
}

// ranksOf are the ranks around a share of n numbers, and how far it is from the first one.
func ranksOf(q float64, n int64) (lo, hi int64, part float64) {
	rank := q * float64(n-1)
	at := math.Floor(rank)
	return int64(at), int64(math.Ceil(rank)), rank - at
}

// quantiles returns those of each column by their shares, by linear interpolation.
func (k *numbersOf) quantiles(ctx context.Context, v *valued, columns []tally, shares []float64) (map[float64][]float32, error) {
	if len(shares) == 0 {
		return nil, nil
	}
	found := map[ranking]float32{}
	var targets []ranking
	seen := map[ranking]bool{}
	for j := range columns {
		if k.of != nil {
			slices.Sort(k.of[j])
		}
		for _, q := range shares {
			lo, hi, _ := ranksOf(q, columns[j].n)
			for _, rank := range []int64{lo, hi} {
				if k.of != nil {
					found[ranking{j, rank}] = k.of[j][rank]
				} else if t := (ranking{j, rank}); !seen[t] {
					targets, seen[t] = append(targets, t), true
				}
			}
		}
	}
	if most := max(countedBytes/(8<<11), 1); k.of == nil {
		for group := range slices.Chunk(targets, most) {
			if err := ranked(ctx, v, group, found); err != nil {
				return nil, err
			}
		}
	}
	out := map[float64][]float32{}
	for _, q := range shares {
		out[q] = make([]float32, len(columns))
		for j := range columns {
			lo, hi, part := ranksOf(q, columns[j].n)
			a, b := float64(found[ranking{j, lo}]), float64(found[ranking{j, hi}])
			out[q][j] = float32(a + (b-a)*part)
		}
	}
	return out, nil
}

// ranking is the number of a column at a rank, from 0.
type ranking struct {
	column int
	rank   int64
}

// ranked finds the numbers at these ranks, in three passes.
func ranked(ctx context.Context, v *valued, targets []ranking, found map[ranking]float32) error {
	type search struct {
		prefix uint32 // the bits that are known,
		rank   int64  // and which of the numbers with these is sought
		count  []int64
	}
	of := make([][]*search, v.columns)
	all := make([]*search, len(targets))
	for i, t := range targets {
		all[i] = &search{rank: t.rank, count: make([]int64, 1<<11)}
		of[t.column] = append(of[t.column], all[i])
	}
	for _, bits := range []struct{ shift, width int }{{21, 11}, {10, 11}, {0, 10}} {
		above := bits.shift + bits.width
		err := v.each(ctx, func(_ int, x []float32) error {
			for i, y := range x {
				if y != y {
					continue
				}
				place := orderOf(y)
				for _, s := range of[i/v.inner%v.columns] {
					if place>>above == s.prefix {
						s.count[place>>bits.shift&(1<<bits.width-1)]++
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, s := range all {
			for b, n := range s.count[:1<<bits.width] {
				if s.rank < n {
					s.prefix = s.prefix<<bits.width | uint32(b)
					break
				}
				s.rank -= n
			}
			clear(s.count)
		}
	}
	for i, t := range targets {
		found[t] = floatAt(all[i].prefix)
	}
	return nil
}

// orderOf is the place of a number in the order of all of them.
func orderOf(x float32) uint32 {
	b := math.Float32bits(x + 0) // -0 is 0
	if b>>31 != 0 {
		return ^b
	}
	return b | 1<<31
}

// floatAt is the number at a place.
func floatAt(place uint32) float32 {
	if place>>31 != 0 {
		return math.Float32frombits(place &^ (1 << 31))
	}
	return math.Float32frombits(^place)
}
