package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unsafe"
)

// missing is the spellings of no value: those of a field, or the usual ones.
type missing struct{ texts []string }

func newMissing(texts []string) missing { return missing{texts} }

func (m missing) is(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if m.texts == nil {
		return usuallyMissing(b)
	}
	for _, t := range m.texts {
		if string(b) == t {
			return true
		}
	}
	return false
}

// usuallyMissing reports whether a field is what programs write for a value that is not there.
func usuallyMissing(b []byte) bool {
	const longest = 4
	if len(b) > longest || len(b) > 0 && b[0] >= '0' && b[0] <= '9' {
		return false
	}
	var small [longest]byte
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		small[i] = c
	}
	switch string(small[:len(b)]) {
	case "", "na", "n/a", "nan", "null", "none", "?", "-":
		return true
	}
	return false
}

// trimmed is a field without blanks around it.
func trimmed(b []byte) []byte {
	if n := len(b); n == 0 || b[0] > ' ' && b[0] < 0x80 && b[n-1] > ' ' && b[n-1] < 0x80 {
		return b
	}
	return bytes.TrimSpace(b)
}

// tens are the powers of ten that float32 has exactly.
var tens = [...]float32{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10}

// fault is why a text is no number.
type fault uint8

const (
	isEmpty fault = iota + 1
	isText
	isBeyond
	isInfinite
)

// parseFloat32 reads a number, correctly rounded. decimal is the sign before the decimals. The fault is 0 for a number.
//
// A number of few digits is the quotient of two that float32 has exactly, and one rounding (Clinger 1990).
func parseFloat32(b []byte, decimal byte) (float32, fault) {
	const exact = 1 << 24
	i, negative := 0, false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative, i = b[0] == '-', 1
	}
	mantissa, digits, after, point := uint32(0), 0, 0, false
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c >= '0' && c <= '9':
			mantissa = 10*mantissa + uint32(c-'0')
			digits++
			if point {
				after++
			}
			if mantissa >= exact || digits > len(tens)-1 {
				return parseAnyFloat32(b, decimal)
			}
		case c == decimal && !point:
			point = true
		default:
			return parseAnyFloat32(b, decimal)
		}
	}
	if digits == 0 {
		return parseAnyFloat32(b, decimal)
	}
	v := float32(mantissa)
	if after > 0 {
		v /= tens[after]
	}
	if negative {
		v = -v
	}
	return v, 0
}

// literal reports whether a text may be a number in Go's source alone: 12_34, which in a file is a code.
func literal(text string) bool { return strings.IndexByte(text, '_') >= 0 }

// parseAnyFloat32 is parseFloat32 of what is not short.
func parseAnyFloat32(b []byte, decimal byte) (float32, fault) {
	if len(b) == 0 {
		return 0, isEmpty
	}
	if c := b[0]; (c < '0' || c > '9') && c != '-' && c != '+' && c != decimal && c != 'i' && c != 'I' && c != 'n' && c != 'N' {
		return 0, isText
	}
	text := unsafe.String(unsafe.SliceData(b), len(b))
	if decimal != '.' {
		if strings.IndexByte(text, '.') >= 0 {
			return 0, isText
		}
		if at := strings.IndexByte(text, decimal); at >= 0 {
			var short [64]byte
			with := append(short[:0], b...)
			with[at] = '.'
			text = unsafe.String(&with[0], len(with))
		}
	}
	v, err := strconv.ParseFloat(text, 32)
	switch {
	case literal(text):
		return 0, isText
	case errors.Is(err, strconv.ErrRange):
		return 0, isBeyond
	case err != nil:
		return 0, isText
	case math.IsNaN(v) || math.IsInf(v, 0):
		return 0, isInfinite
	}
	return float32(v), 0
}

// err says what is wrong with a text.
func (f fault) err(b []byte, decimal byte) error {
	text := clip(string(b))
	switch f {
	case 0:
		return nil
	case isEmpty:
		return errors.New("it is empty; every field needs a number")
	case isBeyond:
		return errOverflow(text)
	case isInfinite:
		return fmt.Errorf("%q is not finite; data must be finite", text)
	}
	other, name := byte(','), "comma"
	if decimal == ',' {
		other, name = '.', "point"
	}
	if bytes.Count(b, []byte{other}) == 1 {
		if _, f := parseFloat32(b, other); f == 0 {
			return fmt.Errorf("%q is not a number, unless decimals begin with a %s: then declare so", text, name)
		}
	}
	return fmt.Errorf("%q is not a number", text)
}

// parseWhole reads a whole number, which many programs write as in "3.0".
func parseWhole(b []byte) (int64, error) {
	const short = 18 // digits that int64 has room for
	v, i := int64(0), 0
	for i < len(b) && i < short && b[i] >= '0' && b[i] <= '9' {
		v = 10*v + int64(b[i]-'0')
		i++
	}
	if i == len(b) && i > 0 {
		return v, nil
	}
	text := unsafe.String(unsafe.SliceData(b), len(b))
	if v, err := strconv.ParseInt(text, 10, 64); err == nil {
		return v, nil
	}
	const exact = 1 << 53 // whole numbers beyond are rounded as floats
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || literal(text) || f != math.Trunc(f) || math.Abs(f) >= exact {
		return 0, fmt.Errorf("%q is not a whole number", clip(string(b)))
	}
	return int64(f), nil
}

// isNumber reports whether a field is a number, however large.
func isNumber(b []byte) bool {
	text := unsafe.String(unsafe.SliceData(b), len(b))
	v, err := strconv.ParseFloat(text, 64)
	return (err == nil || errors.Is(err, strconv.ErrRange)) && !math.IsNaN(v) && !literal(text)
}

// clip keeps an error short whatever the file holds.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// latin1 reads bytes that are not UTF-8.
func latin1(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}
