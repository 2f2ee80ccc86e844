package dataset

import (
	"fmt"
	"io"
)

// csvReader is a CSV file whose header has been read.
type csvReader struct {
	header *header
	notes  []string // what was decided by looking, but for the header's
	lines  *csvLines

	blocks csvBlocks
	buf    []byte
	ready  bool // the first block is in lines, from its first row on
}

// newCSVReader reads the header of a file. comma is what separates its fields, "" for a comma.
func newCSVReader(r io.Reader, comma string, o headerOptions, limit int64) (*csvReader, error) {
	comma, declared := comma, comma != ""
	comma, err := commaOf(comma)
	if err != nil {
		return nil, err
	}
	r, notes, err := plainText(r, limit)
	if err != nil {
		return nil, err
	}
	c := &csvReader{notes: notes, blocks: csvBlocks{r: r, line: 1}, lines: newCSVLines(comma, 0), ready: true}
	block, err := c.blocks.next(nil)
	for ; err == nil && len(block.data) > 0; block, err = c.blocks.next(nil) {
		// Fields are unquoted in place, so the header is read from a copy: it may be a row.
		c.lines.begin(csvBlock{append([]byte(nil), block.data...), block.line})
		ok, err := c.lines.next()
		if err != nil && looksLikeJSON(block.data) {
			return nil, fmt.Errorf("line %d: it looks like JSON, not CSV; JSON lines, an object a line, are in files whose names end in .jsonl or .ndjson", block.line)
		}
		if err != nil {
			return nil, err
		}
		if !ok { // empty lines
			continue
		}
		if first := c.lines.fields; len(first) == 1 && !declared {
			if other := otherComma(first[0]); other != 0 {
				return nil, &errOneField{c.lines.first, clip(string(first[0])), string(other)}
			}
		}
		if c.header, err = newHeader(c.lines.fields, c.lines.first, o); err != nil {
			return nil, err
		}
		at, line := c.lines.at, c.lines.line
		c.lines.width = len(c.header.names)
		if c.lines.begin(block); !c.header.absent {
			c.lines.at, c.lines.line = at, line
		}
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: there is no header and no row", ErrEmpty)
}

// looksLikeJSON reports whether a text that is no CSV begins as JSON does.
func looksLikeJSON(b []byte) bool {
	b = skipSpace(b)
	return len(b) > 0 && (b[0] == '{' || b[0] == '[')
}

// errOneField says that a file seems to be separated by something else.
type errOneField struct {
	line  int
	field string
	comma string
}

func (e *errOneField) Error() string {
	return fmt.Sprintf("line %d: it has one field only, %q; set Comma if %q parts the fields", e.line, e.field, e.comma)
}

// next goes to the next row, which lines has then.
func (c *csvReader) next() (bool, error) {
	for {
		if ok, err := c.lines.next(); ok || err != nil {
			return ok, err
		}
		block, err := c.blocks.next(c.buf)
		if err != nil || len(block.data) == 0 {
			return false, err
		}
		c.buf = block.data
		c.lines.begin(block)
	}
}

// block returns the next lines, in memory that buf may give, for what rows returns; false at the end of the file.
func (c *csvReader) block(buf []byte) (csvBlock, bool, error) {
	if c.ready {
		c.ready = false
		return csvBlock{c.lines.data[c.lines.at:], c.lines.line}, true, nil
	}
	block, err := c.blocks.next(buf)
	return block, len(block.data) > 0, err
}

// rows returns what takes blocks apart.
func (c *csvReader) rows() *csvLines { return newCSVLines(c.lines.comma, c.lines.width) }
