package dataset

import (
	"encoding/csv"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// linesOf takes a text apart, in blocks of the given size.
func linesOf(text, comma string, r io.Reader) (records [][]string, starts []int, err error) {
	blocks := csvBlocks{r: r, line: 1}
	lines := newCSVLines(comma, 0)
	var buf []byte
	for {
		block, err := blocks.next(buf)
		if err != nil || len(block.data) == 0 {
			return records, starts, err
		}
		buf = block.data
		lines.begin(block)
		for {
			ok, err := lines.next()
			if err != nil {
				return records, starts, err
			}
			if !ok {
				break
			}
			var rec []string
			for _, f := range lines.fields {
				rec = append(rec, string(f))
			}
			records, starts = append(records, rec), append(starts, lines.first)
		}
	}
}

// standard is what encoding/csv makes of a text.
func standard(text string, comma rune) (records [][]string, starts []int, err error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = comma, -1
	for {
		rec, err := r.Read()
		if err == io.EOF {
			return records, starts, nil
		}
		if err != nil {
			return records, starts, err
		}
		line, _ := r.FieldPos(0)
		records, starts = append(records, rec), append(starts, line)
	}
}

func compareLines(t *testing.T, text string, comma rune) {
	t.Helper()
	want, at, wantErr := standard(text, comma)
	got, starts, err := linesOf(text, string(comma), iotest.HalfReader(strings.NewReader(text)))
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%q: error %v, encoding/csv has %v", text, err, wantErr)
	}
	if !slices.EqualFunc(got, want, slices.Equal) || !slices.Equal(starts, at) {
		t.Fatalf("%q: %q at %v, encoding/csv has %q at %v", text, got, starts, want, at)
	}
}

// TestCSVLines: lines are taken apart as encoding/csv does, which is slower.
func TestCSVLines(t *testing.T) {
	for _, text := range []string{"", "\n", "\r\n\n", "a", "a,b\n", "a,b\r\nc,d\r\n", "a,\n,b\n,\n", "\"a\",\"b\"\"c\"\n", "\"a\nb\",c\r\n\"d\r\n\",e", "\"\"\n", "\"\",\n",
		"a,\"b\"\r", "a\r", "\r", "a,b\r\n\r\nc", "\"a", "a\"b", "\"a\"b", "\"a\"\"", "\"a\"\r\r\n", "a\rb\n", ",\"\"\"\",\n", "\"x\"\"\ny\"\"\",1\n\n2,3\n"} {
		compareLines(t, text, ',')
		compareLines(t, strings.ReplaceAll(text, ",", "→"), '→')
		compareLines(t, strings.ReplaceAll(text, ",", ";"), ';')
	}
	// Across the ends of blocks, with ends of lines within quotes there.
	var long strings.Builder
	for i := range 40000 {
		long.WriteString(strings.Repeat("x", i%7) + ",\"" + strings.Repeat("y\n", i%11) + "\"\"\",z\r\n")
	}
	if long.Len() < 3*blockSize {
		t.Fatalf("%d bytes are too few", long.Len())
	}
	compareLines(t, long.String(), ',')
	compareLines(t, "a,\""+strings.Repeat("line\n", blockSize/8)+"\",b\n1,2,3\n", ',')
}

func FuzzCSVLines(f *testing.F) {
	f.Add("a,b\r\n\"c\nd\",\"e\"\"\"\n\n,\n")
	f.Add("\"a\"b\n")
	f.Fuzz(func(t *testing.T, text string) { compareLines(t, text, ',') })
}
