package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnknown: the texts behind the id of a value never seen are counted, as trimmed as ids are made, and neither missing values
// nor known ones are.
func TestUnknown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.csv")
	text := "n,site,kind\n1, west ,a\n2,west,b\n3,east,\n4,,a\n5,NA,c\n6,mars,a\n7,\"up, left\",a\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Schema{Fields: []Field{{Name: "n", Kind: Number}, {Name: "site", Kind: Category, Values: []string{"east", "north"}}, {Name: "kind", Kind: Category, Values: []string{"a"}}}}
	rows, err := s.CSV(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Unknown(t.Context(), s.Records(path), map[string][]string{"site": {"east", "north"}, "kind": {"a", "b"}})
	if want := "map[kind:[{c 1}] site:[{west 2} {mars 1} {up, left 1}]]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v, want %s", got, err, want)
	}
	unseen, counted := 0, 0
	for i, id := range rows.I64("categorical") {
		if i%2 == 0 && id == UnseenID {
			unseen++
		}
	}
	for _, c := range got["site"] {
		counted += c.Rows
	}
	if unseen != counted {
		t.Errorf("%d ids of values never seen, %d of their texts", unseen, counted)
	}
	var many strings.Builder
	many.WriteString("site\n")
	for i := range 2 * mostUnknown {
		fmt.Fprintf(&many, "s%d\nwest\n", i)
	}
	if err := os.WriteFile(path, []byte(many.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err = s.Unknown(t.Context(), s.Records(path), map[string][]string{"site": nil})
	if err != nil || len(got["site"]) != mostUnknown || got["site"][0] != (TextCount{"west", 2 * mostUnknown}) {
		t.Errorf("of many texts %d are counted, %v", len(got["site"]), err)
	}
	for want, known := range map[string]map[string][]string{`"n" is no category`: {"n": nil}, `there is no column "kind"`: {"kind": nil}} {
		if _, err := s.Unknown(t.Context(), s.Records(path), known); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
