package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFactsTellWhatChanged has the words of each kind of change, and what says nothing
// new beside them.
func TestFactsTellWhatChanged(t *testing.T) {
	model := Fact{Name: "the model", SHA256: "a", Sum: true}
	other := Fact{Name: "the model", SHA256: "b", Sum: true}
	dense := func(units string) Facts {
		return Facts{{Name: "d", Verb: Computes, Value: "MatMul"}, {Name: "d", Verb: Has, Value: units + " units", Of: "d"}, {Name: "d/b", Verb: Has, Value: "shape [" + units + "]", Of: "d"}}
	}
	rows := func(n int, hash string) (l Facts) {
		l.AddRows("the rows", n, hash)
		return l
	}
	rate := func(name, v string) Facts {
		return Facts{{Name: "the optimizer", Value: name}, {Name: name + "'s rate", Value: v, Of: "the optimizer"}}
	}
	for _, c := range []struct {
		was, now Facts
		want     string
	}{
		{rate("Adam", "0.001"), rate("Adam", "0.001"), ""},
		{rate("Adam", "0.001"), rate("Adam", "0.002"), "Adam's rate was 0.001, is 0.002"},
		{rate("Adam", "0.001"), rate("SGD", "0.001"), "the optimizer was Adam, is SGD"},
		{append(dense("100"), model), append(dense("90"), other), "d had 100 units, has 90"},
		{append(dense("100"), model), append(dense("100"), other), "the model is another one"},
		{append(dense("100"), model), Facts{other}, "d is gone"},
		{Facts{model}, append(dense("100"), other), "d is new"},
		{dense("9")[:1], Facts{{Name: "d", Verb: Computes, Value: "Conv"}}, "d computed MatMul, computes Conv"},
		{dense("9")[:1], Facts{{Name: "d", Verb: Computes, SHA256: "x"}}, "d computes something else"},
		{rows(4, "a"), rows(5, "b"), "the rows were 4, are 5"},
		{rows(4, "a"), rows(4, "b"), "the rows are other ones, though 4 as before"},
		{nil, rows(4, "a"), "the rows are new, 4 of them"},
		{rows(4, "a"), nil, "the rows are gone"},
		{nil, Facts{{Name: "ClipNorm", Value: "1"}}, "ClipNorm was not set, is 1"},
		{append(rows(1, "a"), model), append(Facts{model}, rows(1, "a")...), "the same parts come in another order"},
	} {
		err := c.was.Differ(c.now)
		switch {
		case c.want == "" && err != nil, c.want != "" && err == nil:
			t.Errorf("got %v, want %q", err, c.want)
		case err != nil && !strings.HasPrefix(err.Error(), c.want):
			t.Errorf("got %q, want %q", err, c.want)
		}
		if (c.was.Hash() == c.now.Hash()) != (err == nil) {
			t.Errorf("%q: the hashes do not agree", c.want)
		}
	}
	var many Facts
	for _, name := range strings.Split("abcdefghij", "") {
		many.Add(name, 1)
	}
	if err := (Facts{}).Differ(many); !strings.HasSuffix(err.Error(), "f was not set, is 1; and 4 more") {
		t.Errorf("got %v", err)
	}
	raw, err := json.Marshal(many)
	var again Facts
	if err = errors.Join(err, json.Unmarshal(raw, &again)); err != nil || !slices.Equal(many, again) {
		t.Errorf("got %v, %v", again, err)
	}
}

// TestGrowing adds to a file, with the rest of a killed write behind its mark, and
// reads back what belongs to each mark.
func TestGrowing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grown")
	if err := os.WriteFile(path, []byte("what an earlier one left, and long"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := NewGrowing(path)
	var marks []Mark
	for _, line := range []string{"one\n", "two\n", "three\n"} {
		if err := g.Append([]byte(line)); err != nil || !g.Intact() {
			t.Fatalf("%q: %v, intact %v", line, err, g.Intact())
		}
		marks = append(marks, g.Mark())
	}
	for i, want := range []string{"one\n", "one\ntwo\n", "one\ntwo\nthree\n"} {
		if b, err := ReadMarked(marks[i], filepath.Join(t.TempDir(), "none"), path); err != nil || string(b) != want {
			t.Errorf("mark %d: %q, %v", i, b, err)
		}
	}
	again := NewGrowing(path)
	if err := again.Restore([]byte("one\n")); err != nil || again.Mark() != marks[0] || !again.Intact() {
		t.Fatalf("restored to %+v, %v", again.Mark(), err)
	}
	if err := again.Append([]byte("2\n")); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); !bytes.Equal(b, []byte("one\n2\n")) {
		t.Errorf("the file is %q", b)
	}
	if _, err := ReadMarked(marks[1], path); !errors.Is(err, ErrNotCheckpoint) {
		t.Errorf("an altered file: %v", err)
	}
	for _, m := range []Mark{{Bytes: 1 << 60, SHA256: "x"}, {Bytes: -5, SHA256: "x"}} {
		if _, err := ReadMarked(m, path); !errors.Is(err, ErrNotCheckpoint) {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if err := os.Truncate(path, 1); err != nil {
		t.Fatal(err)
	}
	if err := again.Append([]byte("3\n")); err == nil || again.Intact() {
		t.Error("a file that was cut was added to")
	}
	if err := NewGrowing(t.TempDir()).Append([]byte("x")); err == nil {
		t.Error("a folder was added to")
	}
}
