package bundle

import (
	"fmt"
	"testing"

	"github.com/lamina-ml/lamina/export/verify"
)

// TestReportPrints: a program that prints what Write returns prints a line.
func TestReportPrints(t *testing.T) {
	r := &Report{Dir: "out/b", Tolerance: 5e-6, Verification: &verify.Report{Status: Holds, WorstAbs: 1.25e-7}}
	if got, want := fmt.Sprint(r), "out/b: holds, worst difference 1.2e-07, tolerance 5e-06"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := fmt.Sprint(&Report{Dir: "d", Files: []string{"a"}, Bytes: 3}), "d: 1 files, 3 bytes, not verified"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
