package evaluate

import (
	"errors"
	"fmt"
	"math"
)

// Quantizer rounds codes: in each dimension the range of the codes it was made from is
// cut into 2^Bits cells of the same width, and a code becomes the numbers of its cells.
type Quantizer struct {
	Dim, Bits int
	low, step []float64 // where the range begins, and the width of a cell
	seen      []uint32  // how often each symbol occurred: [Dim 2^Bits]
	rows      int
}

const (
	maxBits  = 12      // of a symbol
	maxCells = 1 << 26 // of all dimensions together
)

// NewQuantizer returns the quantizer of codes, row by row: [rows dim]. They are those of
// the training rows: other codes may lie outside their range, and go to the nearest cell.
//
// Errors: bits are not from 1 to 12; there is no code; the codes are not whole rows; one
// is not finite; more than 2^26 cells.
func NewQuantizer(codes []float32, dim, bits int) (*Quantizer, error) {
	q := &Quantizer{Dim: dim, Bits: bits}
	switch {
	case bits < 1 || bits > maxBits:
		return nil, fmt.Errorf("evaluate: quantizer: bits must be from 1 to %d, got %d", maxBits, bits)
	case dim < 1:
		return nil, fmt.Errorf("evaluate: quantizer: a code must have an element or more, got %d", dim)
	case dim > maxCells>>bits:
		return nil, fmt.Errorf("evaluate: quantizer: %d elements of %d bits have more than 2^26 cells", dim, bits)
	case len(codes) == 0:
		return nil, errors.New("evaluate: quantizer: there are no codes to find the range of")
	}
	if err := q.check(codes); err != nil {
		return nil, err
	}
	q.rows = len(codes) / dim
	q.low, q.step, q.seen = make([]float64, dim), make([]float64, dim), make([]uint32, dim<<bits)
	for j := range dim {
		lo, hi := float64(codes[j]), float64(codes[j])
		for i := j; i < len(codes); i += dim {
			lo, hi = min(lo, float64(codes[i])), max(hi, float64(codes[i]))
		}
		q.low[j], q.step[j] = lo, (hi-lo)/float64(int(1)<<bits)
	}
	symbols, err := q.Symbols(codes)
	if err != nil {
		return nil, err
	}
	for i, s := range symbols {
		q.seen[i%dim<<bits+int(s)]++
	}
	return q, nil
}

func (q *Quantizer) check(codes []float32) error {
	if len(codes)%q.Dim != 0 {
		return fmt.Errorf("evaluate: quantizer: there must be whole codes of %d elements, got %d elements", q.Dim, len(codes))
	}
	for i, v := range codes {
		if v-v != 0 {
			return fmt.Errorf("evaluate: quantizer: the code of row %d is %v at %d, must be finite", i/q.Dim, v, i%q.Dim)
		}
	}
	return nil
}

// Symbols returns the cell of each element, from 0 to 2^Bits-1.
//
// Errors: the codes are not whole rows; one is not finite.
func (q *Quantizer) Symbols(codes []float32) ([]uint16, error) {
	if err := q.check(codes); err != nil {
		return nil, err
	}
	out := make([]uint16, len(codes))
	top := float64(int(1)<<q.Bits - 1)
	for i, v := range codes {
		if j := i % q.Dim; q.step[j] > 0 {
			out[i] = uint16(min(top, max(0, math.Floor((float64(v)-q.low[j])/q.step[j]))))
		}
	}
	return out, nil
}

// Codes returns the middle of the cell of each symbol.
//
// Errors: the symbols are not whole rows; one is 2^Bits or more.
func (q *Quantizer) Codes(symbols []uint16) ([]float32, error) {
	if err := q.known(symbols); err != nil {
		return nil, err
	}
	out := make([]float32, len(symbols))
	for i, s := range symbols {
		j := i % q.Dim
		out[i] = float32(q.low[j] + (float64(s)+0.5)*q.step[j])
	}
	return out, nil
}

func (q *Quantizer) known(symbols []uint16) error {
	if len(symbols)%q.Dim != 0 {
		return fmt.Errorf("evaluate: quantizer: there must be whole codes of %d symbols, got %d symbols", q.Dim, len(symbols))
	}
	for i, s := range symbols {
		if s >= 1<<q.Bits {
			return fmt.Errorf("evaluate: quantizer: symbol %d of row %d is %d, must be below %d", i%q.Dim, i/q.Dim, s, 1<<q.Bits)
		}
	}
	return nil
}

// Length returns the bits that an ideal entropy coder takes for a code, the mean over the
// rows. It knows the training codes alone: how often each symbol occurred in its dimension,
// plus one. This is what a file would cost, without its table; [Entropy] of few rows may be
// far below.
//
// Errors: there is no symbol; those of Codes.
func (q *Quantizer) Length(symbols []uint16) (float64, error) {
	if len(symbols) == 0 {
		return 0, errors.New("evaluate: quantizer: there are no symbols")
	}
	if err := q.known(symbols); err != nil {
		return 0, err
	}
	total := math.Log2(float64(q.rows + 1<<q.Bits))
	sum := 0.0
	for i, s := range symbols {
		sum += total - math.Log2(float64(q.seen[i%q.Dim<<q.Bits+int(s)])+1)
	}
	return sum / float64(len(symbols)/q.Dim), nil
}

// Entropies are the entropies of quantized codes, in bits.
type Entropies struct {
	Dims   []float64 // of a symbol, by dimension
	Code   float64   // of a code: their sum, as if they were independent
	Symbol float64   // of a symbol: their mean
}

// Entropy returns the entropies of the symbols of codes, row by row: [rows dim]. They are
// those of the frequencies in these very rows, -Σ p·log2 p, which is too little where the
// rows are not many times the symbols that occur.
//
// Errors: there is no symbol, or no whole rows of them.
func Entropy(symbols []uint16, dim int) (Entropies, error) {
	if dim < 1 || len(symbols) == 0 || len(symbols)%dim != 0 {
		return Entropies{}, fmt.Errorf("evaluate: entropy: there must be whole codes of %d symbols, got %d symbols", dim, len(symbols))
	}
	e := Entropies{Dims: make([]float64, dim)}
	rows := float64(len(symbols) / dim)
	seen := make([]uint32, 1<<16)
	for j := range dim {
		top := 0
		for i := j; i < len(symbols); i += dim {
			seen[symbols[i]]++
			top = max(top, int(symbols[i]))
		}
		for s, k := range seen[:top+1] {
			if k > 0 {
				p := float64(k) / rows
				e.Dims[j] -= p * math.Log2(p)
				seen[s] = 0
			}
		}
		e.Dims[j] += 0 // one symbol alone has -0
		e.Code += e.Dims[j]
	}
	e.Symbol = e.Code / float64(dim)
	return e, nil
}
