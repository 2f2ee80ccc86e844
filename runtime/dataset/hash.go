package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"slices"
	"strings"
)

// Range is the least and the greatest value of each place of a column's rows.
type Range struct {
	Column string    `json:"column"`
	Min    []float64 `json:"min"`
	Max    []float64 `json:"max"`
}

// Hash returns the SHA-256 of a source's content in hexadecimal. Equal names, types, shapes and values in equal
// order give equal hashes, wherever the data are kept; the order of the columns does not count.
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
	var buf []byte
	err = scan(src, cols, func(j int, c *column) {
		buf = buf[:0]
		for _, v := range c.f32 {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		}
		for _, v := range c.i64 {
			buf = binary.LittleEndian.AppendUint64(buf, uint64(v))
		}
		sums[j].Write(buf)
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

// Ranges returns the range of every place of every column, in the order of the columns.
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
	err = scan(src, cols, func(j int, c *column) {
		r := ranges[j]
		for k, v := range c.f32 {
			r.Min[k], r.Max[k] = min(r.Min[k], float64(v)), max(r.Max[k], float64(v))
		}
		for k, v := range c.i64 {
			r.Min[k], r.Max[k] = min(r.Min[k], float64(v)), max(r.Max[k], float64(v))
		}
	})
	return ranges, err
}

// scan visits every row of every column in order; the column it shows holds one row.
func scan(src Source, cols []Column, visit func(j int, c *column)) error {
	if t, ok := src.(*Table); ok {
		for j, c := range t.cols {
			for i := range t.n {
				at, row := t.at(i), c
				if c.DType == F32 {
					row.f32 = c.f32[at*c.width : (at+1)*c.width]
				} else {
					row.i64 = c.i64[at*c.width : (at+1)*c.width]
				}
				visit(j, &row)
			}
		}
		return nil
	}
	one := makeColumns(cols, 1)
	w := newWriter(one)
	for i := range src.Len() {
		if err := read(src, i, 0, w, one); err != nil {
			return err
		}
		for j := range one {
			visit(j, &one[j])
		}
	}
	return nil
}

// Hash is [Hash] of the table.
func (t *Table) Hash() (string, error) { return Hash(t) }

// Ranges is [Ranges] of the table.
func (t *Table) Ranges() ([]Range, error) { return Ranges(t) }
