// Package npyheader reads the headers of .npy files: versions 1.0, 2.0 and 3.0 of the format, in every form that NumPy
// reads.
package npyheader

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Header is what a file says of its array.
type Header struct {
	Type    string // of the elements as NumPy writes it: byte order, kind, bytes, as in <f4
	Fortran bool   // whether the first axis runs fastest
	Shape   []int  // lengths from 0; empty for one number
}

// Max bounds the bytes of a header.
const Max = 1 << 16

const (
	magic   = "\x93NUMPY"
	maxAxes = 64 // as NumPy
)

// Read reads the header of a file of size bytes and returns its length, which is where the elements begin.
//
// Errors: the file is no .npy file, or ends within the header; the header is longer than Max or not NumPy's.
func Read(in *bufio.Reader, size int64) (h Header, length int64, err error) {
	start, err := in.Peek(10)
	if len(start) < len(magic) || string(start[:len(magic)]) != magic {
		return h, 0, errors.New("not an .npy file")
	}
	if err != nil {
		return h, 0, errShort
	}
	switch start[6] {
	case 1:
		length = 10 + int64(binary.LittleEndian.Uint16(start[8:]))
	case 2, 3:
		if start, err = in.Peek(12); err != nil {
			return h, 0, errShort
		}
		length = 12 + int64(binary.LittleEndian.Uint32(start[8:]))
	default:
		return h, 0, fmt.Errorf("its header is of version %d.%d; 1.0 to 3.0 can be read", start[6], start[7])
	}
	if length > size || length > Max {
		return h, 0, fmt.Errorf("its header says it is %d bytes long; the file has %d and the limit is %d", length, size, Max)
	}
	fixed := len(start)
	raw := make([]byte, length)
	if _, err := io.ReadFull(in, raw); err != nil {
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return h, 0, errShort
		}
		return h, 0, fmt.Errorf("damaged at its header: %w", err)
	}
	if h, err = parse(string(raw[fixed:])); err == errStructures {
		return h, 0, err
	} else if err != nil {
		return h, 0, fmt.Errorf("its header is not NumPy's: %w", err)
	}
	return h, length, nil
}

var errStructures = errors.New("its elements are structures; save an array of each field")

var errShort = errors.New("truncated: it ends within its header")

// parser reads the literal of a Python dict.
type parser struct{ rest string }

func parse(text string) (h Header, err error) {
	p := &parser{text}
	if !p.take("{") {
		return h, p.wanted("a dict")
	}
	seen := map[string]bool{}
	for !p.take("}") {
		key, err := p.text()
		if err != nil {
			return h, err
		}
		if seen[key] {
			return h, fmt.Errorf("%q stands twice", clip(key))
		}
		seen[key] = true
		if !p.take(":") {
			return h, p.wanted("a colon")
		}
		switch key {
		case "descr":
			if p.peek("[") {
				return h, errStructures
			}
			h.Type, err = p.text()
		case "fortran_order":
			h.Fortran, err = p.truth()
		case "shape":
			h.Shape, err = p.tuple()
		default:
			err = fmt.Errorf("it has the key %q", clip(key))
		}
		if err != nil {
			return h, err
		}
		if !p.take(",") && !p.peek("}") {
			return h, p.wanted("a comma")
		}
	}
	if len(seen) != 3 {
		return h, errors.New("it lacks descr, fortran_order or shape")
	}
	if p.space(); p.rest != "" {
		return h, p.wanted("the end")
	}
	return h, nil
}

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n\f") }

func (p *parser) peek(s string) bool {
	p.space()
	return strings.HasPrefix(p.rest, s)
}

func (p *parser) take(s string) bool {
	if !p.peek(s) {
		return false
	}
	p.rest = p.rest[len(s):]
	return true
}

func (p *parser) wanted(what string) error {
	p.space()
	return fmt.Errorf("%s should stand before %q", what, clip(p.rest))
}

// text reads a string in quotes of either kind, as Python 2 writes it too. None of those that NumPy writes has an
// escape.
func (p *parser) text() (string, error) {
	p.space()
	s := p.rest
	if len(s) > 1 && strings.ContainsRune("ub", rune(s[0])) && strings.ContainsRune(`'"`, rune(s[1])) {
		s = s[1:]
	}
	if s == "" || s[0] != '\'' && s[0] != '"' {
		return "", p.wanted("a string")
	}
	text, rest, ok := strings.Cut(s[1:], s[:1])
	if !ok || strings.ContainsAny(text, "\\\n") {
		return "", p.wanted("a string")
	}
	p.rest = rest
	return text, nil
}

func (p *parser) truth() (bool, error) {
	switch {
	case p.take("True"):
		return true, nil
	case p.take("False"):
		return false, nil
	}
	return false, p.wanted("True or False")
}

// tuple reads lengths. Those of Python 2 may end in L. A tuple of one has a comma.
func (p *parser) tuple() ([]int, error) {
	if !p.take("(") {
		return nil, p.wanted("a tuple")
	}
	dims, comma := []int{}, true
	for !p.take(")") {
		if !comma {
			return nil, p.wanted("a comma")
		}
		p.space()
		n := 0
		if strings.HasPrefix(p.rest, "-") {
			n = 1
		}
		for n < len(p.rest) && '0' <= p.rest[n] && p.rest[n] <= '9' {
			n++
		}
		d, err := strconv.ParseInt(p.rest[:n], 10, 64)
		switch {
		case errors.Is(err, strconv.ErrRange) || err == nil && d > math.MaxInt:
			return nil, fmt.Errorf("a length of %s is beyond any array", clip(p.rest[:n]))
		case err != nil:
			return nil, p.wanted("a length")
		case d < 0:
			return nil, fmt.Errorf("its shape has a negative length, %d", d)
		case len(dims) == maxAxes:
			return nil, fmt.Errorf("it has more than %d axes", maxAxes)
		}
		if p.rest = p.rest[n:]; !p.take("L") {
			p.take("l")
		}
		dims = append(dims, int(d))
		comma = p.take(",")
	}
	if len(dims) == 1 && !comma {
		return nil, fmt.Errorf("its shape (%d) is not a tuple", dims[0])
	}
	return dims, nil
}

// clip keeps an error short whatever the file holds.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
