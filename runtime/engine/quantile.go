package engine

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// Quantile returns the number below which a share q of the rows' scores lie: between the
// two scores at rank q·(rows-1), counted from 0, by linear interpolation (type 7 of Hyndman
// and Fan 1996). The scores are the only output of the net, f32[N] or f32[N 1]. It keeps
// them all, a number for each row.
//
// Errors: q is not from 0 to 1; an output of another type, or several; a score is not
// finite, with its row; those of Each.
func (n *Net) Quantile(ctx context.Context, rows dataset.Source, q float64) (float64, error) {
	if err := n.Err(); err != nil {
		return 0, err
	}
	if !(q >= 0 && q <= 1) {
		return 0, fmt.Errorf("engine: quantile: the share must be from 0 to 1, got %v", q)
	}
	outs := n.Outputs()
	if len(outs) != 1 {
		return 0, fmt.Errorf("engine: quantile: the net must have one output, a score for each row, got %d", len(outs))
	}
	name, t := outs[0].Name, outs[0].Type
	if t.DType != ir.F32 || !t.Shape.RowWise() || t.Shape[1:].Symbolic() || t.Shape[1:].Count() != 1 {
		return 0, fmt.Errorf("engine: quantile: output %q must be a score for each row, f32[N], got %s", name, t)
	}
	var scores []float32
	err := n.Each(ctx, rows, func(b dataset.Batch, out map[string]*ir.Tensor) error {
		for i, v := range out[name].F32 {
			if v-v != 0 {
				return fmt.Errorf("engine: quantile: row %d: output %q is %v", b.Index[i], name, v)
			}
		}
		scores = append(scores, out[name].F32...)
		return nil
	})
	if err != nil {
		return 0, err
	}
	slices.Sort(scores)
	rank := q * float64(len(scores)-1)
	at := math.Floor(rank)
	lo, hi := float64(scores[int(at)]), float64(scores[int(math.Ceil(rank))])
	return lo + (hi-lo)*(rank-at), nil
}
