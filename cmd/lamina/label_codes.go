package main

import (
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

// mostCode bounds the numbers of a row that a probe looks at.
const mostCode = 1 << 14

// rawCodes makes codes of the rows: all numbers, each value of a category by itself, and a mark for each number that some rows
// lack. The schema may be nil.
func rawCodes(set *evaluate.Set, rows *dataset.Table, schema *dataset.Schema) error {
	type place struct {
		of   func(row int) float64
		mark bool
		id   int64 // of a category, from 0; -1 for a number
	}
	var places []place
	for _, c := range rows.Columns() {
		f, n, b, w := rows.F32(c.Name), rows.I64(c.Name), rows.U8(c.Name), c.Width()
		var cards []int
		if schema != nil && c.Name == schema.Column(dataset.Category) {
			cards = schema.Cardinalities()
		}
		for j := range w {
			of := func(row int) float64 {
				switch {
				case f != nil:
					return float64(f[row*w+j])
				case n != nil:
					return float64(n[row*w+j])
				}
				return float64(b[row*w+j])
			}
			if cards != nil {
				for id := range int64(min(cards[j], mostCode+1)) {
					places = append(places, place{of, false, id})
				}
				continue
			}
			lacks := false
			for i := range rows.Len() {
				v := of(i)
				if math.IsInf(v, 0) {
					return fmt.Errorf("column %q: row %d has an infinite number", command.Clean(c.Name), i)
				}
				lacks = lacks || v != v
			}
			places = append(places, place{of, false, -1})
			if lacks {
				places = append(places, place{of, true, -1})
			}
		}
	}
	if len(places) > mostCode {
		return fmt.Errorf("the rows are %d numbers each, with one for each value of a category, and a probe looks at up to %d: leave fields out by --schema, or give a --bundle", len(places), mostCode)
	}
	set.Dim = len(places)
	for i := range rows.Len() {
		for _, p := range places {
			v := p.of(i)
			switch {
			case p.mark:
				v = truth(v != v)
			case p.id >= 0:
				v = truth(int64(v) == p.id)
			}
			set.X = append(set.X, v)
		}
	}
	return nil
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
