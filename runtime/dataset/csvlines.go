package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// maxFields is the greatest number of fields of a line. Reading a line takes far more memory than its bytes.
const maxFields = 1 << 17

const (
	blockSize = 1 << 18 // bytes of a block, about: with what becomes of them they stay in a core's cache
	maxRecord = 1 << 26 // bytes of a line, its quoted newlines included
)

// csvBlocks cuts a CSV file into blocks of whole lines, which can be taken apart at the same time.
type csvBlocks struct {
	r    io.Reader
	rest []byte // read, and not in a block yet
	line int    // of the first byte of rest, from 1
	eof  bool
}

// csvBlock is some lines of a file.
type csvBlock struct {
	data []byte
	line int // the number of the first
}

// next returns the next block, in memory that buf may give. At the end of the file it is empty.
func (b *csvBlocks) next(buf []byte) (csvBlock, error) {
	buf = append(buf[:0], b.rest...)
	for {
		want := blockSize
		if len(buf) >= blockSize { // no line ended
			want = 2 * len(buf)
		}
		for !b.eof && len(buf) < want {
			if cap(buf) < want {
				buf = append(make([]byte, 0, want), buf...)
			}
			n, err := b.r.Read(buf[len(buf):want])
			buf = buf[:len(buf)+n]
			if err == io.EOF {
				b.eof = true
			} else if err != nil {
				return csvBlock{}, err
			}
		}
		cut := len(buf)
		if !b.eof {
			cut = lastEnd(buf)
		}
		if cut == 0 && len(buf) >= maxRecord {
			return csvBlock{}, fmt.Errorf("line %d: it has more than %d MiB; if it has a quote that does not end, double the quotes that are text", b.line, maxRecord>>20)
		}
		if cut > 0 || b.eof {
			block := csvBlock{buf[:cut], b.line}
			b.rest = append(b.rest[:0], buf[cut:]...)
			b.line += bytes.Count(block.data, newline)
			return block, nil
		}
	}
}

var (
	newline = []byte{'\n'}
	quote   = []byte{'"'}
)

// lastEnd is the place behind the last end of a line that is not within quotes, 0 for none.
func lastEnd(buf []byte) int {
	end := bytes.LastIndexByte(buf, '\n') + 1
	quotes := bytes.Count(buf[:end], quote)
	for end > 0 && quotes%2 != 0 {
		was := end
		end = bytes.LastIndexByte(buf[:end-1], '\n') + 1
		quotes -= bytes.Count(buf[end:was], quote)
	}
	return end
}

// csvLines takes the lines of a block apart (RFC 4180).
type csvLines struct {
	comma  string
	data   []byte
	at     int
	line   int       // of data[at]
	first  int       // line of the record
	fields [][]byte  // of the record; its memory is that of data
	width  int       // how many fields a record has, 0 if that is not known yet
	stops  [256]bool // bytes that may end a field, or must not be in it
}

func newCSVLines(comma string, width int) *csvLines {
	c := &csvLines{comma: comma, width: width}
	c.stops[comma[0]], c.stops['\n'], c.stops['"'] = true, true, true
	return c
}

var errComma = errors.New("the delimiter of fields, Comma, must be one character, and neither a quote nor an end of line")

// commaOf is what separates fields; "" stands for a comma.
func commaOf(s string) (string, error) {
	if s == "" {
		return ",", nil
	}
	r, n := utf8.DecodeRuneInString(s)
	if n != len(s) || r == utf8.RuneError || r == '"' || r == '\n' || r == '\r' || r == 0 {
		return "", errComma
	}
	return s, nil
}

// begin takes another block.
func (c *csvLines) begin(b csvBlock) { c.data, c.at, c.line = b.data, 0, b.line }

// next takes the next record apart, and returns false at the end of the block. Lines without anything are passed over.
// Quoted fields are unquoted in place.
func (c *csvLines) next() (bool, error) {
	d, i := c.data, c.at
	for i < len(d) && (d[i] == '\n' || d[i] == '\r' && (i+1 == len(d) || d[i+1] == '\n')) {
		if d[i] == '\n' {
			c.line++
		}
		i++
	}
	c.first, c.fields = c.line, c.fields[:0]
	if i == len(d) {
		c.at = i
		return false, nil
	}
	single := byte(0) // what separates fields, if it is one byte
	if len(c.comma) == 1 {
		single = c.comma[0]
	}
	for {
		// Most fields are short, and end as fields do.
		for k := i; k < len(d) && len(c.fields) < maxFields; k++ {
			if !c.stops[d[k]] {
				continue
			}
			if d[k] != single || k-i > maxField {
				break
			}
			c.fields = append(c.fields, d[i:k:k])
			i = k + 1
		}
		if len(c.fields) == maxFields {
			return false, fmt.Errorf("line %d: a line has more than %d fields; keep rows as wide as that in .npy files", c.first, maxFields)
		}
		from := i
		if i < len(d) && d[i] == '"' {
			field, end, err := c.quoted(i + 1)
			if err != nil {
				return false, err
			}
			c.fields, i = append(c.fields, field), end
		} else {
			for i < len(d) && !c.stops[d[i]] {
				i++
			}
			for i < len(d) && d[i] != '\n' && (d[i] == '"' || !c.isComma(i)) {
				if d[i] == '"' {
					return false, fmt.Errorf("line %d: field %s: bare \" in a field that is not quoted", c.line, c.fieldName())
				}
				i++
			}
			to := i
			if to > from && d[to-1] == '\r' && (i == len(d) || d[i] == '\n') {
				to--
			}
			c.fields = append(c.fields, d[from:to:to])
		}
		if n := len(c.fields); len(c.fields[n-1]) > maxField {
			return false, fmt.Errorf("line %d: field %s has more than %d MiB", c.first, strconv.Itoa(n-1), maxField>>20)
		}
		if i == len(d) || d[i] == '\n' {
			break
		}
		i += len(c.comma)
	}
	if i < len(d) {
		i++
		c.line++
	}
	c.at = i
	if c.width > 0 && len(c.fields) != c.width {
		return false, fmt.Errorf("line %d: it has another number of fields than the first line: %d, not %d", c.first, len(c.fields), c.width)
	}
	return true, nil
}

func (c *csvLines) fieldName() string { return strconv.Itoa(len(c.fields)) }

// isComma reports whether what separates fields is at a place.
func (c *csvLines) isComma(i int) bool {
	return c.data[i] == c.comma[0] && (len(c.comma) == 1 || bytes.HasPrefix(c.data[i:], []byte(c.comma)))
}

// quoted takes a field behind its first quote, and returns the place behind its last.
func (c *csvLines) quoted(i int) (field []byte, end int, err error) {
	d, from, to := c.data, i, i
	for {
		k := bytes.IndexByte(d[i:], '"')
		if k < 0 {
			return nil, 0, fmt.Errorf("line %d: field %s begins with a \" that does not end", c.line, c.fieldName())
		}
		part := d[i : i+k]
		c.line += bytes.Count(part, newline)
		if bytes.IndexByte(part, '\r') >= 0 {
			part = bytes.ReplaceAll(part, []byte("\r\n"), newline)
		}
		if to == i && len(part) == k {
			to += k
		} else {
			to += copy(d[to:], part)
		}
		i += k + 1
		if i == len(d) || d[i] == '\n' || c.isComma(i) {
			return d[from:to:to], i, nil
		}
		switch {
		case d[i] == '"':
			d[to] = '"'
			to, i = to+1, i+1
		case d[i] == '\r' && (i+1 == len(d) || d[i+1] == '\n'):
			return d[from:to:to], i + 1, nil
		default:
			return nil, 0, fmt.Errorf("line %d: field %s has a \" in it; double the quotes that are text", c.line, c.fieldName())
		}
	}
}

// lineOf is the line of a field of the record.
func (c *csvLines) lineOf(field int) int { return lineOf(c.first, c.fields, field) }

// lineOf is the line of a field of a record whose fields may have lines of their own; that of the record for one that it
// lacks.
func lineOf(first int, fields [][]byte, field int) int {
	if field < 0 || field >= len(fields) {
		return first
	}
	for _, f := range fields[:field] {
		first += bytes.Count(f, newline)
	}
	return first
}
