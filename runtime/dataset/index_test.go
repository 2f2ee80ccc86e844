package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/hostile"
)

func TestIndex(t *testing.T) {
	tab := numbers(t, 100, 4)
	few := tab.Balanced("y", 20, 1)
	x, err := NewIndex(tab, few, "balanced by y, seed 1")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "folder", "few.txt")
	if err := WriteIndex(path, x); err != nil {
		t.Fatal(err)
	}
	got, err := ReadIndex(path)
	if err != nil || !reflect.DeepEqual(got, x) {
		t.Fatalf("%+v came back as %+v, %v", x, got, err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) - 1 { // but for the last end of a line
		if _, err := decodeIndex(bytes.NewReader(whole[:n])); err == nil {
			t.Errorf("%d of %d bytes are accepted", n, len(whole))
		}
	}
	for name, src := range sources(tab) {
		rows, err := got.Of(src)
		if err != nil || !slices.Equal(rows, few.Rows()) {
			t.Errorf("%s: %v, %v", name, rows, err)
		}
	}
	// Rows of a part are numbered within it, however they were chosen.
	part := tab.Select([]int{40, 30, 20, 10})
	for name, c := range map[string]Source{"from the part": part.Select([]int{3, 1}), "from all": tab.Select([]int{10, 30}), "by a selection": All(plain{tab}).Select([]int{10, 30})} {
		x, err := NewIndex(part, c, "")
		if err != nil || !slices.Equal(x.Rows, []int{3, 1}) {
			t.Errorf("%s: %v, %v", name, x.Rows, err)
		}
	}
	changed := numbers(t, 100, 4)
	changed.F32("x")[7]++
	_, err = got.Of(changed)
	wantError(t, err, "the index (balanced by y, seed 1) is of other data", "and these, of as many rows, have")
	_, err = got.Of(tab.Head(99))
	wantError(t, err, "they had 100 rows, and these have 99")
	_, err = got.Of(nil)
	wantError(t, err, "the source is nil")
	_, err = Index{}.Of(tab)
	wantError(t, err, "the index has no rows")
	order := []int{5, 0, 99} // which is kept
	if x, err = NewIndex(tab, tab.Select(order), ""); err != nil {
		t.Fatal(err)
	}
	if err := WriteIndex(path, x); err != nil {
		t.Fatal(err)
	}
	if got, err = ReadIndex(path); err != nil || !slices.Equal(got.Rows, order) {
		t.Errorf("%v became %v, %v", order, got.Rows, err)
	}
}

func TestIndexMistakes(t *testing.T) {
	tab := numbers(t, 10, 3)
	for want, rows := range map[string][]int{
		"the index has no rows":                     nil,
		"the index has row 10 of data that have 10": {3, 10},
		"the index has row -1 of data that have 10": {-1},
		"the index has row 1 twice":                 {3, 1, 3, 1},
	} {
		wantError(t, WriteIndex(filepath.Join(t.TempDir(), "x"), Index{Rows: rows, Data: 10, Hash: strings.Repeat("a", 64)}), want)
	}
	for _, drawn := range []string{"two\nlines", " begins with a space", strings.Repeat("x", 1001), "\xff", "a\x00b"} {
		_, err := NewIndex(tab, tab.Head(1), drawn)
		wantError(t, err, "one line of at most 1000 bytes")
	}
	_, err := NewIndex(nil, tab, "")
	wantError(t, err, "the source is nil")
	other := numbers(t, 10, 3)
	other.F32("x")[2] = 9
	for want, c := range map[string][2]Source{
		"the source is nil":         {tab, nil},
		"Head: n must be":           {tab, tab.Head(0)},
		"the index has row 3 twice": {tab, tab.Select([]int{3, 1, 3})},
		"chosen row 1, which is row 9 of what was read, is not one of the data's": {tab.Head(9), tab.Select([]int{3, 9})},
		"the chosen rows are others than those of the same numbers in the data":   {tab, other.Select([]int{1, 5})},
	} {
		_, err := NewIndex(c[0], c[1], "by hand")
		wantError(t, err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewIndex(Until(ctx, tab), tab.Head(1), ""); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	good := "lamina index 1\ndata 10\nsha256 " + strings.Repeat("ab", 32) + "\ndrawn by hand\n"
	for content, parts := range map[string][]string{
		"":                                     {"no bytes"},
		"7\n":                                  {"line 1", `"lamina index 1"`, `got "7"`},
		"lamina index 12\n" + good[15:]:        {"line 1", `got "lamina index 12"`},
		"lamina index 1\n7\n":                  {"line 2", `"data "`},
		"lamina index 1\ndata x\n" + good[23:]: {"line 2", `"x" is not the number`},
		"lamina index 1\ndata 10\nsha256 12\ndrawn \n1\nrows 1\n": {`the hash "12"`},
		good:                                    {"line 5", "cut short", `"rows 0"`},
		good + "rows 0\n":                       {"no rows"},
		good + "3\n1\n":                         {"line 7", "cut short", `"rows 2"`},
		good + "3\n1\nrows 3\n":                 {"line 7", "cut short", `got "3"`},
		good + "3\nrows 1\n1\n":                 {"line 7", `"1" stands behind the last line`},
		good + "3\n-1\n":                        {"line 6", `"-1" is not the number of a row`},
		good + "3\n\n4\n":                       {"line 6", `"" is not the number of a row`},
		good + "3\n04\n":                        {"line 6", `"04"`},
		good + "3,4\n":                          {"line 5", `"3,4"`},
		good + "3\n10\n":                        {"line 6", "row 10 is not one of 10"},
		good + "3\n4\n5\n4\n":                   {"line 8", "row 4 is on line 6 too"},
		good + "99999999999999999999\n":         {"line 5", "is not the number"},
		good + strings.Repeat("1", 5000) + "\n": {"line 5", "too long"},
	} {
		path := file(t, "few.txt", []byte(content))
		_, err := ReadIndex(path)
		wantError(t, err, append(parts, "few.txt")...)
	}
	_, err = ReadIndex(filepath.Join(t.TempDir(), "none"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	wantError(t, WriteIndex(file(t, "x", []byte("y"))+"/below", Index{Rows: []int{1}, Data: 2, Hash: strings.Repeat("a", 64)}), "below")
}

func indexParser() hostile.Parser {
	head := fmt.Sprintf("lamina index 1\ndata 100\nsha256 %064d\ndrawn by hand\n", 5)
	return hostile.Parser{
		Seeds: [][]byte{[]byte(head + "3\n1\n9\nrows 3\n"), []byte(head + "0\n99\n98\n97\n50\n51\n52\nrows 7\n")},
		Parse: func(b []byte) error {
			_, err := decodeIndex(bytes.NewReader(b))
			return err
		},
	}
}

func FuzzIndex(f *testing.F) {
	good := fmt.Sprintf("lamina index 1\ndata 10\nsha256 %064d\ndrawn by hand\n3\n1\n9\nrows 3\n", 5)
	f.Add([]byte(good))
	f.Add([]byte(good + "3\n"))
	f.Add([]byte("lamina index 1\ndata 9223372036854775807\nsha256 \ndrawn\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := decodeIndex(bytes.NewReader(b))
		if err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "x")
		if err := WriteIndex(path, x); err != nil {
			t.Fatal(err)
		}
		y, err := ReadIndex(path)
		if err != nil || !reflect.DeepEqual(x, y) {
			t.Fatalf("%+v came back as %+v, %v", x, y, err)
		}
	})
}
