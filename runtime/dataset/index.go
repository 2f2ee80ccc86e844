package dataset

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lamina-ml/lamina/internal/atomicfile"
)

// Index is numbers of rows, with what tells the data that they are of: a draw of labels, or one side of a split, to be kept in
// a file ([WriteIndex]) and used again.
type Index struct {
	Rows  []int  // from 0, each once
	Data  int    // rows of the data
	Hash  string // of the data: [Hash]
	Drawn string // how the rows were drawn, in a line of words
}

// NewIndex returns the index of rows that were chosen from the data by methods of a [Table], a [Selection] or [Pictures]. Both are
// hashed; drawn says how the rows were drawn, such as "balanced by y, seed 1":
//
//	dataset.NewIndex(rows, rows.Balanced("y", 100, 1), "balanced by y, seed 1")
//
// Errors: those of a source; chosen rows that are not those of the data, or come twice; drawn is not one line of at most 1,000
// bytes.
func NewIndex(data, chosen Source, drawn string) (Index, error) {
	for _, src := range []Source{data, chosen} {
		if _, err := checkSource(src); err != nil {
			return Index{}, err
		}
	}
	x := Index{Data: data.Len(), Drawn: drawn, Hash: strings.Repeat("0", 64)}
	at := make(map[int]int, x.Data) // where the data have a row
	for i, r := range asRead(data) {
		at[r] = i
	}
	for i, r := range asRead(chosen) {
		k, ok := at[r]
		if !ok {
			return Index{}, fmt.Errorf("dataset: chosen row %d, which is row %d of what was read, is not one of the data's", i, r)
		}
		x.Rows = append(x.Rows, k)
	}
	if err := x.check(); err != nil { // before the pass over the data
		return Index{}, err
	}
	want, err := Hash(chosen)
	if err != nil {
		return Index{}, err
	}
	if got, err := Hash(All(data).Select(x.Rows)); err != nil {
		return Index{}, err
	} else if got != want {
		return Index{}, errors.New("dataset: the chosen rows are others than those of the same numbers in the data: they were chosen from something else, or have changed since")
	}
	if x.Hash, err = Hash(data); err != nil {
		return Index{}, err
	}
	return x, nil
}

// asRead returns, for each row of a source, its number in what it was chosen from.
func asRead(src Source) []int {
	if c, ok := src.(interface{ chosen() []int }); ok {
		if rows := c.chosen(); rows != nil {
			return rows
		}
	}
	rows := make([]int, src.Len())
	for i := range rows {
		rows[i] = i
	}
	return rows
}

const (
	indexFirst = "lamina index 1"
	indexLast  = "rows " // how many there are, so that a file that is cut short is none
	maxDrawn   = 1000    // bytes
)

// check refuses an index that cannot be.
func (x *Index) check() error {
	sum, err := hex.DecodeString(x.Hash)
	switch {
	case len(x.Rows) == 0:
		return errors.New("dataset: the index has no rows")
	case x.Data <= 0:
		return fmt.Errorf("dataset: the index is of data of %d rows", x.Data)
	case err != nil || len(sum) != 32:
		return fmt.Errorf("dataset: the index has the hash %q; a SHA-256 is 64 hexadecimal digits", clip(x.Hash))
	case len(x.Drawn) > maxDrawn || !utf8.ValidString(x.Drawn) || strings.TrimSpace(x.Drawn) != x.Drawn || strings.ContainsFunc(x.Drawn, unicode.IsControl):
		return fmt.Errorf("dataset: how an index was drawn is one line of at most %d bytes, got %q", maxDrawn, clip(x.Drawn))
	}
	if i, again := badNumber(x.Rows, x.Data); i >= 0 {
		if again {
			return fmt.Errorf("dataset: the index has row %d twice", x.Rows[i])
		}
		return fmt.Errorf("dataset: the index has row %d of data that have %d", x.Rows[i], x.Data)
	}
	return nil
}

// badNumber returns the place of the first number that is not from 0 to n-1, or else that of a number, the least of them, which
// is there before; -1 for none.
func badNumber(rows []int, n int) (at int, again bool) {
	for i, r := range rows {
		if r < 0 || r >= n {
			return i, false
		}
	}
	sorted := slices.Clone(rows)
	slices.Sort(sorted)
	for i := 1; i < len(sorted); i++ {
		if r := sorted[i]; r == sorted[i-1] {
			first := slices.Index(rows, r)
			return first + 1 + slices.Index(rows[first+1:], r), true
		}
	}
	return -1, false
}

// Of returns the rows' numbers, for Select, if data are those that the index is of. Errors: they are not, by their hash;
// those of the data; an index that cannot be.
func (x Index) Of(data Source) ([]int, error) {
	if err := x.check(); err != nil {
		return nil, err
	}
	if _, err := checkSource(data); err != nil {
		return nil, err
	}
	other := func(how string, a ...any) error {
		return fmt.Errorf("dataset: the index (%s) is of other data: %s", x.Drawn, fmt.Sprintf(how, a...))
	}
	if n := data.Len(); n != x.Data {
		return nil, other("they had %d rows, and these have %d", x.Data, n)
	}
	hash, err := Hash(data)
	if err != nil {
		return nil, err
	}
	if hash != x.Hash {
		return nil, other("they had the hash %.12s…, and these, of as many rows, have %.12s…", x.Hash, hash)
	}
	return slices.Clone(x.Rows), nil
}

// WriteIndex writes an index as text, whole or not at all: a line each for the form, the data's rows, their hash, and how the
// rows were drawn, then the number of each row on a line of its own, and at last how many they are.
// Errors: an index that cannot be; a file that cannot be written.
func WriteIndex(path string, x Index) error {
	if err := x.check(); err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\ndata %d\nsha256 %s\ndrawn %s\n", indexFirst, x.Data, x.Hash, x.Drawn)
	for _, r := range x.Rows {
		fmt.Fprintln(&b, r)
	}
	fmt.Fprintf(&b, "%s%d\n", indexLast, len(x.Rows))
	if err := atomicfile.WriteBytes(path, b.Bytes()); err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	return nil
}

// ReadIndex reads a file of [WriteIndex].
// Errors, with the line: the file is missing, cut short or of another form; a number that is not one of the data's, or comes twice.
func ReadIndex(path string) (Index, error) {
	f, _, err := open(path)
	if err != nil {
		return Index{}, err
	}
	defer f.Close()
	x, err := decodeIndex(f)
	if err != nil {
		return Index{}, &inFile{path, err}
	}
	return x, nil
}

func decodeIndex(r io.Reader) (x Index, err error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 4<<10), 4<<10)
	line := 0
	next := func() (string, bool) {
		if !in.Scan() {
			return "", false
		}
		line++
		return in.Text(), true
	}
	bad := func(format string, a ...any) (Index, error) {
		return Index{}, fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, a...))
	}
	head := [4]string{}
	for i, begins := range []string{indexFirst, "data ", "sha256 ", "drawn "} {
		s, ok := next()
		rest, is := strings.CutPrefix(s, begins)
		if !ok || !is {
			line = i + 1
			return bad("it must begin with %q, as WriteIndex writes it, got %q", begins, clip(s))
		}
		head[i] = rest
	}
	if head[0] != "" {
		line = 1
		return bad("it must be %q, got %q", indexFirst, clip(indexFirst+head[0]))
	}
	if x.Data, err = rowNumber(head[1]); err != nil {
		line = 2
		return bad("%v", err)
	}
	x.Hash, x.Drawn = head[2], head[3]
	last, ended := "", false
	for {
		s, ok := next()
		if !ok {
			break
		}
		if ended {
			return bad("%q stands behind the last line, %q", clip(s), clip(indexLast+last))
		}
		if count, is := strings.CutPrefix(s, indexLast); is {
			last, ended = count, true
			continue
		}
		n, err := rowNumber(s)
		if err != nil {
			return bad("%v", err)
		}
		x.Rows = append(x.Rows, n)
	}
	if err := in.Err(); err != nil {
		line++
		return bad("%v", err)
	}
	if i, again := badNumber(x.Rows, x.Data); i >= 0 {
		line = len(head) + 1 + i
		if again {
			return bad("row %d is on line %d too", x.Rows[i], len(head)+1+slices.Index(x.Rows, x.Rows[i]))
		}
		return bad("row %d is not one of %d", x.Rows[i], x.Data)
	}
	if last != strconv.Itoa(len(x.Rows)) {
		line = len(head) + len(x.Rows) + 1
		return bad("cut short: it must end with %q, as many as there are before, got %q", indexLast+strconv.Itoa(len(x.Rows)), clip(last))
	}
	return x, x.check()
}

// rowNumber reads what Fprintln writes of a number that is not negative.
func rowNumber(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || strconv.Itoa(n) != s {
		return 0, fmt.Errorf("%q is not the number of a row", clip(s))
	}
	return n, nil
}
