package dataset

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// jsonlFile is a file of JSON lines as Records.
type jsonlFile struct {
	textFile
	// wanted reports whether somebody wants a field; lists and objects are passed over where nobody does.
	wanted func(name string) bool
}

// Only implements [Chooser].
func (j *jsonlFile) Only(wanted func(string) bool) Records {
	c := *j
	c.wanted = wanted
	return &c
}

// unbounded lets the file unpack to whatever it does: the rows do not go to memory.
func (j *jsonlFile) unbounded() Records {
	c := *j
	c.limit = unlimited
	return &c
}

// Each implements [Records].
func (j *jsonlFile) Each(ctx context.Context, do func(Record) error) error {
	f, err := j.open()
	if err != nil {
		return err
	}
	defer f.Close()
	var failed error // of do, which is not the file's
	err = decodeJSONL(ctx, f, j.limit, j.wanted, func(r Record) error {
		failed = do(r)
		return failed
	})
	if failed != nil || ctx.Err() != nil {
		return err
	}
	return told(j, err)
}

// decodeJSONL reads an object a line.
func decodeJSONL(ctx context.Context, r io.Reader, limit int64, wanted func(string) bool, do func(Record) error) error {
	r, _, err := plainText(r, limit)
	if err != nil {
		return err
	}
	d := jsonLines{in: bufio.NewReaderSize(r, 1<<16), wanted: wanted, place: map[string]int{}}
	for n := 0; ; n++ {
		if n%partRows == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		ok, err := d.next()
		if err != nil {
			return fmt.Errorf("line %d: %w", d.line, err)
		}
		if !ok {
			return nil
		}
		if err := do(Record{Names: d.names, Fields: d.fields, Line: d.line}); err != nil {
			return err
		}
	}
}

// maxNames is the greatest number of fields of a file: each line takes time for all of them.
const maxNames = 1 << 12

// jsonLines takes the lines of a file apart.
type jsonLines struct {
	in     *bufio.Reader
	wanted func(string) bool
	line   int
	long   []byte // a line that the reader's buffer does not hold
	text   []byte // strings without their escapes

	names  []string
	place  map[string]int
	fields [][]byte
	seen   []int // the line that each field was in last
}

// next goes to the next line that is not empty, and returns false at the end.
func (d *jsonLines) next() (bool, error) {
	for {
		line, err := d.read()
		if err != nil {
			return false, err
		}
		if line == nil {
			return false, nil
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return true, d.object(line)
		}
	}
}

// read returns the next line, nil at the end.
func (d *jsonLines) read() ([]byte, error) {
	d.line++
	line, err := d.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		d.long = append(d.long[:0], line...)
		for err == bufio.ErrBufferFull {
			if len(d.long) > maxRecord {
				return nil, fmt.Errorf("it has more than %d MiB; JSON lines have an object a line", maxRecord>>20)
			}
			line, err = d.in.ReadSlice('\n')
			d.long = append(d.long, line...)
		}
		line = d.long
	}
	if err == io.EOF {
		if len(line) == 0 {
			return nil, nil
		}
		err = nil
	}
	return line, err
}

// object takes the fields of an object.
func (d *jsonLines) object(b []byte) error {
	if b[0] == '[' {
		return errors.New("it begins with a list; JSON lines have an object a line, such as {\"age\": 41}")
	}
	if b[0] != '{' {
		return fmt.Errorf("%q is no JSON object", clip(string(b)))
	}
	if !json.Valid(b) {
		var any json.RawMessage
		if err := json.Unmarshal(b, &any); err != nil {
			if bytes.Contains(b, []byte("NaN")) || bytes.Contains(b, []byte("Infinity")) {
				return fmt.Errorf("it is no JSON object: %s; JSON has neither NaN nor Infinity: write null for no value", err)
			}
			return fmt.Errorf("it is no JSON object: %s; JSON lines have an object a line", err)
		}
		return errors.New("it is no JSON object")
	}
	clear(d.fields)
	d.text = d.text[:0]
	b = skipSpace(b[1:])
	for b[0] != '}' {
		if b[0] == ',' {
			b = skipSpace(b[1:])
		}
		raw, rest := jsonString(b)
		at, err := d.field(raw)
		if err != nil {
			return err
		}
		b = skipSpace(skipSpace(rest)[1:]) // the colon
		value, rest, err := d.value(b)
		if err != nil {
			if at >= 0 && (d.wanted == nil || d.wanted(d.names[at])) {
				return fmt.Errorf("column %q: %w", clip(d.names[at]), err)
			}
			value = nil
		}
		d.fields[at] = value
		b = skipSpace(rest)
	}
	return nil
}

// field returns the place of a name in quotes.
func (d *jsonLines) field(raw []byte) (int, error) {
	name, err := d.unquoted(raw)
	if err != nil {
		return -1, err
	}
	at, ok := d.place[string(name)]
	if !ok {
		if len(d.names) == maxNames {
			return -1, fmt.Errorf("the lines have more than %d different fields; keep rows as wide as that in .npy files", maxNames)
		}
		at = len(d.names)
		d.names = append(d.names, string(name))
		d.place[string(name)] = at
		d.fields, d.seen = append(d.fields, nil), append(d.seen, 0)
	}
	if d.seen[at] == d.line {
		return -1, fmt.Errorf("two fields are named %q", clip(string(name)))
	}
	d.seen[at] = d.line
	return at, nil
}

var errNested = errors.New("a list or an object is no value of a table; take its parts out to fields of their own, or let the schema ignore the field")

// value returns the text of a value, nil for null.
func (d *jsonLines) value(b []byte) (text, rest []byte, err error) {
	switch b[0] {
	case '"':
		raw, rest := jsonString(b)
		text, err := d.unquoted(raw)
		if text == nil {
			text = []byte{}
		}
		return text, rest, err
	case '{', '[':
		return nil, skipNested(b), errNested
	}
	n := bytes.IndexAny(b, ",} \t\r\n")
	if text, rest = b[:n:n], b[n:]; string(text) == "null" {
		text = nil
	}
	return text, rest, nil
}

// unquoted is what a JSON string says. What has no escapes is not copied.
func (d *jsonLines) unquoted(raw []byte) ([]byte, error) {
	if len(raw) > maxField {
		return nil, fmt.Errorf("a text has more than %d MiB", maxField>>20)
	}
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	at := len(d.text)
	d.text = append(d.text, s...)
	return d.text[at:len(d.text):len(d.text)], nil
}

// jsonString parts a string, with its quotes, from what follows it.
func jsonString(b []byte) (raw, rest []byte) {
	i := 1
	for b[i] != '"' {
		if b[i] == '\\' {
			i++
		}
		i++
	}
	return b[:i+1], b[i+1:]
}

// skipNested is what follows a list or an object.
func skipNested(b []byte) []byte {
	for depth := 0; ; {
		switch b[0] {
		case '"':
			_, b = jsonString(b)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if b = b[1:]; depth == 0 {
			return b
		}
	}
}

// skipSpace is what follows blanks.
func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}
