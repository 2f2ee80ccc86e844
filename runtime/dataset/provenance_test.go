package dataset

import (
	"fmt"
	"testing"
)

// TestUnlabellings: a table and a selection say which labels were left, by the numbers of the data, whatever is done afterwards.
func TestUnlabellings(t *testing.T) {
	tab := uneven(t)
	part := tab.Select([]int{7, 3, 9, 40})
	all := All(plain{tab})
	some := all.Select([]int{7, 3, 9, 40})
	for name, c := range map[string]struct {
		src  Source
		want string
	}{
		"as it is":            {tab, "[]"},
		"none":                {tab.Unlabel("label", nil), "[{label []}]"},
		"two":                 {tab.Unlabel("label", tab.Select([]int{5, 6})), "[{label [5 6]}]"},
		"of a part":           {part.Unlabel("label", part.Head(2)), "[{label [7 3]}]"},
		"chosen afterwards":   {tab.Unlabel("label", part).Head(5), "[{label [3 7 9 40]}]"},
		"twice":               {some.Unlabel("label", some.Head(3)).Unlabel("label", nil), "[{label []}]"},
		"of a selection":      {some.Unlabel("label", some.Head(2)), "[{label [7 3]}]"},
		"of one of a table":   {All(part).Unlabel("label", nil), "[{label []}]"},
		"a selection of that": {All(part.Unlabel("label", part.Head(1))), "[{label [7]}]"},
		"another source":      {plain{tab.Unlabel("label", nil)}, "[]"},
	} {
		if got := fmt.Sprint(Unlabellings(c.src)); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	u := tab.Unlabel("label", part)
	if got := fmt.Sprint(u.Unlabel("label", u.Select([]int{3, 5})).unlabellings()); got != "[{label [3]}]" {
		t.Errorf("a label that was none already is kept: %s", got)
	}
	if p := Parts(Mix(tab, 2, part, 3)); len(p) != 2 || p[0].Source != Source(tab) || p[1].Rows != 3 {
		t.Errorf("the parts are %v", p)
	}
	if Parts(tab) != nil || Parts(Mix(tab, 0, part, 3)) != nil {
		t.Error("a table has parts, or a mistake has")
	}
}
