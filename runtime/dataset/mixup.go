package dataset

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler/random"
)

// Mixup makes a row λ times itself and 1-λ times another row, as that row is augmented in the same epoch (Zhang, Cisse,
// Dauphin and Lopez-Paz 2018). The other is any row of the data, each equally likely, and λ is of the distribution
// Beta(alpha, alpha). The pictures are mixed so, and the named columns of float32: what is predicted from the
// pictures. Labels are mixed as probabilities, which [Table.OneHot] makes of them, so that spec.CrossEntropy takes the mixture:
//
//	rows := pictures.OneHot("y", 10, "t") // beside y, for the accuracy
//	loss := spec.CrossEntropy(logits, spec.Input("t", 10))
//	train.Options{Augment: dataset.Augment().Mixup(0.4, "t"), …}
//
// Each row is read twice an epoch. 0 is none.
// Errors: alpha is not from 0 to 1; in use, a column that does not exist or is not f32.
func (a *Augmentation) Mixup(alpha float64, columns ...string) *Augmentation {
	c, rule := newMixup(alpha, columns)
	return a.set("Mixup", c, rule)
}

// mixup is neither a mover nor a painter: it takes two rows.
type mixup struct {
	alpha   float64
	columns []string
}

func newMixup(alpha float64, columns []string) (*mixup, string) {
	m := &mixup{alpha, slices.Clone(columns)}
	if rule := between("alpha", alpha, 1); rule != "" {
		return m, rule
	}
	for i, c := range columns {
		if c == "" || slices.Contains(columns[:i], c) {
			return m, fmt.Sprintf("column %d is %q, which is empty or named twice", i, c)
		}
	}
	return m, ""
}

func parseMixup(s string) (change, error) {
	number, names, more := strings.Cut(s, "/")
	alpha, err := parseNumber("alpha", number)
	if err != nil {
		return nil, err
	}
	var columns []string
	if more {
		if columns, err = parseNames(names); err != nil {
			return nil, err
		}
	}
	return ruled(newMixup(alpha, columns))
}

func (*mixup) kind() string        { return "mixup" }
func (m *mixup) changes() bool     { return m.alpha > 0 }
func (*mixup) fits(picture) string { return "" }

func (m *mixup) text() string {
	if len(m.columns) == 0 {
		return numberText(m.alpha)
	}
	return numberText(m.alpha) + "/" + namesText(m.columns)
}

// of returns the places of the columns that are mixed beside the pictures, or what is wrong with them.
func (m *mixup) of(cols []Column, pictures []boundColumn) (at []int, rule string) {
	for _, name := range m.columns {
		i := slices.IndexFunc(cols, func(c Column) bool { return c.Name == name })
		switch {
		case i < 0:
			return nil, fmt.Sprintf("there is no column %q", name)
		case slices.ContainsFunc(pictures, func(p boundColumn) bool { return p.at == i }):
			return nil, fmt.Sprintf("column %q is one of pictures, which are mixed anyway", name)
		case cols[i].DType != F32:
			return nil, fmt.Sprintf("column %q is %s, and only f32 can be mixed; labels as probabilities are Table.OneHot(%q, …)", name, cols[i].typ(), name)
		}
		at = append(at, i)
	}
	return at, ""
}

// mixTries bounds the draws of a share. Each of them is taken with probability 1/2 or more.
const mixTries = 64

// draw returns the other row of n and the share of a row itself, in [0, 1].
func (m *mixup) draw(k random.Key, n int) (other int, share float32) {
	other = int(k.Uint64N(0, uint64(n)))
	// Jöhnk 1964.
	for i := range uint64(mixTries) {
		u, v := k.Float64(2*i+2), k.Float64(2*i+3)
		x, y := math.Pow(u, 1/m.alpha), math.Pow(v, 1/m.alpha)
		switch {
		case x+y > 1:
		case x+y > 0:
			return other, float32(x / (x + y))
		case u > v: // both are too small for a number
			return other, 1
		default:
			return other, 0
		}
	}
	return other, 0.5
}

// blend makes dst share times itself and the rest of other.
func blend(dst, other []float32, share float32) {
	other = other[:len(dst)]
	for i, x := range dst {
		dst[i] = mix2(other[i], x, share)
	}
}

func blendBytes(dst, other []uint8, share float32) {
	other = other[:len(dst)]
	for i, x := range dst {
		dst[i] = toByte(mix2(float32(other[i]), float32(x), share))
	}
}
