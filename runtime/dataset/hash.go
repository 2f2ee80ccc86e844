package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"slices"
	"strings"
	"sync"
)

// Range is the least and the greatest value of each place of a column's rows.
type Range struct {
	Column string    `json:"column"`
	Min    []float64 `json:"min"`
	Max    []float64 `json:"max"`
}

// Hash returns the SHA-256 of a source's content in hexadecimal. Equal names, types, shapes and values in equal
// order give equal hashes, wherever the data are kept; the order of the columns does not count. [Until] makes it
// cancellable.
// Errors: those of the source.
func Hash(src Source) (string, error) {
	cols, err := checkSource(src)
	if err != nil {
		return "", err
	}
	sums := make([]hash.Hash, len(cols))
	for i, c := range cols {
		sums[i] = sha256.New()
		fmt.Fprintf(sums[i], "%q %s %d\n", c.Name, c.typ(), src.Len())
	}
	err = scan(src, cols, func(j int, c column) {
		sums[j].Write(c.u8)
		if littleEndian {
			sums[j].Write(memoryOf(c.f32))
			sums[j].Write(memoryOf(c.i64))
			return
		}
		for _, v := range c.f32 {
			sums[j].Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
		}
		for _, v := range c.i64 {
			sums[j].Write(binary.LittleEndian.AppendUint64(nil, uint64(v)))
		}
	})
	if err != nil {
		return "", err
	}
	order := make([]int, len(cols))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(cols[a].Name, cols[b].Name) })
	total := sha256.New()
	for _, i := range order {
		total.Write(sums[i].Sum(nil))
	}
	return hex.EncodeToString(total.Sum(nil)), nil
}

// Ranges returns the range of every place of every column, in the order of the columns. [Until] makes it cancellable.
// Errors: those of the source.
func Ranges(src Source) ([]Range, error) {
	cols, err := checkSource(src)
	if err != nil {
		return nil, err
	}
	ranges := make([]Range, len(cols))
	for i, c := range cols {
		r := Range{c.Name, make([]float64, c.Width()), make([]float64, c.Width())}
		for k := range r.Min {
			r.Min[k], r.Max[k] = math.Inf(1), math.Inf(-1)
		}
		ranges[i] = r
	}
	err = scan(src, cols, func(j int, c column) {
		r := ranges[j]
		for at := 0; at < len(c.f32); at += c.width {
			for k, v := range c.f32[at : at+c.width] {
				if v != v {
					continue // missing
				}
				r.Min[k], r.Max[k] = min(r.Min[k], float64(v)), max(r.Max[k], float64(v))
			}
		}
		for at := 0; at < len(c.i64); at += c.width {
			for k, v := range c.i64[at : at+c.width] {
				r.Min[k], r.Max[k] = min(r.Min[k], float64(v)), max(r.Max[k], float64(v))
			}
		}
		for at := 0; at < len(c.u8); at += c.width {
			for k, v := range c.u8[at : at+c.width] {
				r.Min[k], r.Max[k] = min(r.Min[k], float64(v)), max(r.Max[k], float64(v))
			}
		}
	})
	return ranges, err
}

// scanned is how many bytes of the rows of a column are visited at a time, about: so often is the context looked at.
const scanned = 1 << 20

// scan visits all rows of every column in order, many at a time; the column it shows holds these alone. Columns may be
// visited at the same time, rows of one column are not.
func scan(src Source, cols []Column, visit func(j int, c column)) error {
	ctx := context.Background()
	if u, ok := src.(until); ok {
		ctx, src = u.ctx, u.Source
	}
	if t, ok := src.(*Table); ok {
		var all sync.WaitGroup
		for j := range t.cols {
			all.Go(func() { t.scan(ctx, &t.cols[j], func(c column) { visit(j, c) }) })
		}
		all.Wait()
		return ctx.Err()
	}
	width := 0
	for _, c := range cols {
		width += c.Width()
	}
	return Each(ctx, src, max(scanned/4/width, 1), func(b Batch) error {
		for j, c := range b.buf.cols {
			c.f32, c.i64, c.u8 = b.F32(c.Name), b.I64(c.Name), b.U8(c.Name)
			visit(j, c)
		}
		return ctx.Err()
	})
}

// scan visits the rows of one column, until ctx ends.
func (t *Table) scan(ctx context.Context, c *column, visit func(column)) {
	rows := min(max(scanned/4/c.width, 1), t.n)
	var part column
	if t.rows != nil {
		part = makeColumn(c.Column, rows)
	}
	for lo := 0; lo < t.n && ctx.Err() == nil; lo += rows {
		hi := min(lo+rows, t.n)
		if t.rows != nil {
			gather(&part, c, t.rows[lo:hi])
			visit(part.part(0, hi-lo))
			continue
		}
		visit(c.part(lo, hi))
	}
}

// Hash is [Hash] of the table.
func (t *Table) Hash() (string, error) { return Hash(t) }

// Ranges is [Ranges] of the table.
func (t *Table) Ranges() ([]Range, error) { return Ranges(t) }
