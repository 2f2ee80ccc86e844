package dataset

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/hostile"
)

// mendZip makes the CRCs of an archive of stored members right again, where its
// directory and its members can still be found.
func mendZip(b []byte) []byte {
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], []byte("PK\x01\x02"))
		if i < 0 {
			return b
		}
		at += i
		if at+46 > len(b) {
			return b
		}
		e := b[at:]
		size, local := int(binary.LittleEndian.Uint32(e[20:])), int(binary.LittleEndian.Uint32(e[42:]))
		if local+30 > len(b) {
			continue
		}
		from := local + 30 + int(binary.LittleEndian.Uint16(b[local+26:])) + int(binary.LittleEndian.Uint16(b[local+28:]))
		if from+size <= len(b) {
			binary.LittleEndian.PutUint32(e[16:], crc32.ChecksumIEEE(b[from:from+size]))
		}
	}
}

// tableOfText infers the schema of a text, and reads it by that.
func tableOfText(name, text string) error {
	s, err := inferFile(context.Background(), textFile{path: name, limit: maxFile, text: &text}, newInference(nil))
	if err != nil {
		return err
	}
	r := s.Records(name)
	switch f := r.(type) {
	case *csvFile:
		f.text = &text
	case *jsonlFile:
		f.text = &text
	}
	_, err = s.Read(context.Background(), r)
	return err
}

// hostileParsers are the readers of files, by name.
func hostileParsers(t testing.TB) map[string]hostile.Parser {
	ramp := make([]byte, 240)
	for i := range ramp {
		ramp[i] = byte(i)
	}
	u1, f4 := npyFile("|u1", "True", "(12, 20)", ramp), npyFile("<f4", "False", "(3, 2)", little(1, 2, 3, 4, 5, 6))
	path := filepath.Join(t.TempDir(), "x.npy")
	parsers := map[string]hostile.Parser{
		"idx": {
			Seeds: [][]byte{idx(0x08, ramp, 12, 4, 5), idx(0x0E, make([]byte, 240), 30), idx(0x0B, ramp, 60, 2), zipped(idx(0x08, ramp, 240))},
			Parse: func(b []byte) error {
				a, err := decodeIDX(bytes.NewReader(b), int64(len(b)), false)
				if err == nil {
					a.floats()
				}
				return err
			},
		},
		"csv": {
			Seeds: [][]byte{[]byte("a,b,y\n1,2,3\n4,-5.5,6\n\"7\",8e-3,9\n"), []byte("\xef\xbb\xbfy,b\r\n1,2\r\n" + strings.Repeat("3,4\r\n", 50)),
				[]byte("\xff\xfey\x00,\x00b\x00\n\x001\x00,\x002\x00\n\x00"), zipped([]byte("y,b\n1,2\n3,4\n"))},
			Parse: func(b []byte) error {
				_, _, err := decodeCSV(bytes.NewReader(b), CSVOptions{Label: "y"})
				return err
			},
		},
		"table": {
			Seeds: [][]byte{[]byte(peopleCSV), []byte("age;city\n1,5;\"Rome\n\"\n2;\n"), zipped([]byte(peopleCSV + strings.Repeat("anne,x1,41,Rome,2000-02-29,2013-01-01T10:00:00Z,cat,yes,80.5,,1,1.7\n", 100)))},
			Parse: func(b []byte) error { return tableOfText("f.csv", string(b)) },
		},
		"json lines": {
			Seeds: [][]byte{[]byte("{\"a\":1,\"b\":\"x\"}\n{\"b\":null}\n"), []byte("{\"a\":-1e3, \"b\":\"\\u00e9\\n\", \"c\":true}\n\n" + strings.Repeat("{\"a\":2,\"c\":false}\n", 50))},
			Parse: func(b []byte) error { return tableOfText("f.jsonl", string(b)) },
		},
		"npy": {
			Seeds: [][]byte{u1, f4, npyFile(">f8", "True", "(10, 3)", make([]byte, 240)), npyFile("<i2", "False", "(120,)", ramp)},
			Parse: func(b []byte) error {
				_, err := decodeNPY(bytes.NewReader(b), int64(len(b)), int64(len(b)), "x")
				return err
			},
		},
		"npz": {
			Seeds: [][]byte{npz(t, zip.Store, map[string][]byte{"a.npy": f4, "b.npy": npyFile("<i8", "False", "(3,)", ramp[:24])}),
				npz(t, zip.Deflate, map[string][]byte{"x.npy": u1})},
			Parse: func(b []byte) error {
				_, err := decodeNPZ(bytes.NewReader(b), int64(len(b)), nil)
				return err
			},
			Mend: mendZip,
		},
		"npy by rows": {
			Seeds: [][]byte{f4, npyFile("<i2", "False", "(12, 10)", ramp), npyFile("|u1", "True", "(6, 5, 8)", ramp)},
			Parse: func(b []byte) error {
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				r, err := OpenNPY(path, "x")
				if err != nil {
					return err
				}
				defer r.Close()
				n := int(min(r.Len(), 16))
				x, y := make([]float32, n*r.Column().Width()), []int64(nil)
				if r.Column().DType == I64 {
					x, y = nil, make([]int64, len(x))
				}
				if n == 0 {
					return errors.New("no rows")
				}
				_, err = r.Read(n, x, y)
				return err
			},
		},
	}
	maps.Copy(parsers, imageParsers(t))
	parsers["index"] = indexParser()
	return parsers
}

func TestCorpus(t *testing.T) {
	for name, p := range hostileParsers(t) {
		t.Run(name, func(t *testing.T) { hostile.Corpus(t, p) })
	}
}

func TestFindings(t *testing.T) {
	for name, p := range hostileParsers(t) {
		hostile.Findings(t, filepath.Join("testdata", "hostile", strings.ReplaceAll(name, " ", "_")), p.Parse)
	}
}

// jsonNames is lines of about n bytes in all, each of another name.
func jsonNames(n int) []byte {
	var b []byte
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, "{\"%d\":1}\n", i)
	}
	return b
}

// Files that are short for what they make.
func TestBigFiles(t *testing.T) {
	p := hostileParsers(t)
	const n = 8 << 20
	member := npyFile("|u1", "False", "(1024, 1024)", make([]byte, 1<<20))
	for _, c := range []struct {
		parser, name string
		data         []byte
	}{
		{"csv", "one row", []byte("y," + strings.Repeat("a,", n/4))},
		{"csv", "many rows", []byte("y,a\n" + strings.Repeat("1,2\n", n/4))},
		{"csv", "empty lines", []byte("y,a\n" + strings.Repeat("\n", n) + "1,2\n")},
		{"csv", "one field", []byte("y,a\n1,\"" + strings.Repeat("2\n", n/2))},
		{"csv", "one number", []byte("y,a\n1," + strings.Repeat("2", n) + "\n")},
		{"csv", "no numbers", []byte("y,a\n" + strings.Repeat(",", n))},
		{"csv", "UTF-16", []byte("\xff\xfey\x00,\x00a\x00\n\x00" + strings.Repeat("1\x00,\x002\x00\n\x00", n/8))},
		{"table", "one row", []byte("y," + strings.Repeat("a,", n/4))},
		{"table", "many rows", []byte("y,a\n" + strings.Repeat("1,b\n", n/4))},
		{"table", "one field", []byte("y,a\n1,\"" + strings.Repeat("2\n", n/2))},
		{"table", "one number", []byte("y,a\n1," + strings.Repeat("2", n) + "\n")},
		{"table", "many columns", []byte(strings.Repeat("a,", maxFields-1) + "\n" + strings.Repeat(strings.Repeat("1,", maxFields-1)+"\n", 20))},
		{"table", "no quote ends", []byte("y,a\n" + strings.Repeat("1,\"b\n", n/5))},
		{"json lines", "one line", []byte("{" + strings.Repeat("\"a\":1,", n/6))},
		{"json lines", "nested", []byte("{\"a\":" + strings.Repeat("[", n))},
		{"json lines", "many names", jsonNames(n)},
		{"json lines", "many rows", []byte(strings.Repeat("{\"a\":1}\n", n/8))},
		{"idx", "bytes", idx(0x08, make([]byte, n), n)},
		{"idx", "deflated", zipped(idx(0x08, make([]byte, n), n))},
		{"npy", "bytes", npyFile("|u1", "False", "(8388608,)", make([]byte, n))},
		{"npy", "fortran", npyFile("|u1", "True", "(4096, 2048)", make([]byte, n))},
		{"npy", "halves", npyFile("<f2", "True", "(2048, 2048)", make([]byte, n))},
		{"npy by rows", "fortran", npyFile("|u1", "True", "(1024, 8192)", make([]byte, n))},
		{"image", "PNG", append(pngOf(t, greyImage(900, 900, 0)), make([]byte, n)...)},
		{"image", "many segments", append([]byte("\xff\xd8"), bytes.Repeat([]byte("\xff\xe1\x00\x08abcdef"), n/10)...)},
		{"npz", "deflated", npz(t, zip.Deflate, map[string][]byte{"a.npy": member, "b.npy": member, "c.npy": member})},
	} {
		_ = hostile.Watch(t, c.parser+", "+c.name, c.data, p[c.parser].Parse)
	}
}
