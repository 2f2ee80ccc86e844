package dataset

import (
	"fmt"
	"math"
)

// noValue is the NaN of a value that is missing: the quiet one without a sign or a payload.
var noValue = math.Float32frombits(noValueBits)

const noValueBits = 0x7fc00000

func isNaN(v float32) bool { return v != v }

// refused returns the place of the first value that a column may not have, or -1. In a Missing column, NaN becomes
// noValue.
func refused(c *Column, v []float32) int {
	i := notFinite(v)
	if i < 0 || !c.Missing {
		return i
	}
	for ; i < len(v); i++ {
		if isNaN(v[i]) {
			if math.Float32bits(v[i]) != noValueBits { // memory that others read too is left alone
				v[i] = noValue
			}
		} else if math.IsInf(float64(v[i]), 0) {
			return i
		}
	}
	return -1
}

// errNotFinite says what value i of a row is.
func errNotFinite(c *Column, row, i int, v []float32) error {
	rule := "data must be finite"
	switch {
	case c.Missing:
		rule = "data must be finite, or NaN for no value"
	case isNaN(v[i]):
		rule += "; declare the column Missing if NaN says that there is no value"
	}
	if len(v) == 1 {
		return &badValue{row, c.Name, fmt.Sprintf("is %v; %s", v[i], rule)}
	}
	return &badValue{row, c.Name, fmt.Sprintf("has %v at %d; %s", v[i], i, rule)}
}

// badValue is a value that a column may not have.
type badValue struct {
	row    int
	column string
	what   string
}

func (e *badValue) Error() string {
	return fmt.Sprintf("dataset: row %d: column %q %s", e.row, e.column, e.what)
}

// placed adds the file that a value of a source is from, where that says it.
func placed(src Source, err error) error {
	if e, ok := err.(*badValue); ok {
		return fmt.Errorf("dataset: %s %s", Place(src, e.row, e.column), e.what)
	}
	return err
}

// check refuses the rows of memory that have a value that they may not have. row tells the number of a row.
func (c *column) check(row func(k int) int) error {
	i := refused(&c.Column, c.f32)
	if i < 0 {
		return nil
	}
	k := i / c.width
	return errNotFinite(&c.Column, row(k), i%c.width, c.f32[k*c.width:(k+1)*c.width])
}

// oneNaN makes every NaN of a Missing column noValue, in memory of its own if there is another: the caller keeps what
// was given.
func (c *column) oneNaN() {
	if !c.Missing {
		return
	}
	for i, v := range c.f32 {
		if isNaN(v) && math.Float32bits(v) != noValueBits {
			c.f32 = append([]float32(nil), c.f32...)
			refused(&c.Column, c.f32[i:])
			return
		}
	}
}
