package simd

import (
	"strings"
	"testing"
)

// TestAMXChoice: which products AMX takes, by the choice of kernels, and what BF16Speed says of it.
func TestAMXChoice(t *testing.T) {
	old := selected.Load()
	defer selected.Store(old)
	why := amxRefusal()
	if err := Select(amxRow); (err == nil) != (why == "") || err != nil && (!strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), amxRow)) {
		t.Errorf("Select(%s) = %v, AMX refused by %q", amxRow, err, why)
	}
	s, _ := choose("")
	only := *s
	only.amx = amxOnly
	set := whole(best())
	for _, c := range []struct {
		s       *selection
		m, n, k int
		takes   bool
	}{
		{s, 256, 100, 784, true}, {s, 64, 32, 32, true}, {s, 63, 32, 32, false}, {s, 15, 1000, 1000, false}, {s, 1000, 15, 1000, false}, {s, 1000, 1000, 15, false},
		{s, 1 << 20, 1 << 20, 1 << 22, true}, {s, 0, 5, 5, false}, {&only, 1, 1, 1, true}, {set, 256, 100, 784, false},
	} {
		if got := c.s.amxTakes(c.m, c.n, c.k); got != (c.takes && why == "") {
			t.Errorf("AMX takes %d by %d by %d in mode %d: %v, refused by %q", c.m, c.n, c.k, c.s.amx, got, why)
		}
	}
	for _, name := range append(Available(), "") {
		if err := Select(name); err != nil {
			t.Fatal(err)
		}
		got := BF16Speed()
		switch {
		case why == "" && name == "":
			if got != "by AMX tiles" {
				t.Errorf("%q, and nothing is in the way", got)
			}
		case why == "":
			if !strings.HasSuffix(got, "the choice of kernels leaves AMX out") {
				t.Errorf("%s: %q", name, got)
			}
		case !strings.HasSuffix(got, ": "+why) || !strings.Contains(got, Active()) && !strings.Contains(got, "Go"):
			t.Errorf("%s: %q, AMX refused by %q", name, got, why)
		}
		t.Logf("%q: %s", name, got)
	}
}
