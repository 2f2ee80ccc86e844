package bundle

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/verify"
)

// A folder listed again and again would be replayed as often.
func TestTestSetListedTwice(t *testing.T) {
	sum := strings.Repeat("0", 64)
	v := &verification{Format: Format, Report: &verify.Report{}, Files: map[string]string{
		modelFile: sum, dataFile: sum, layersFile: sum, trainingFile: sum, "test_data_set_0/" + dataFile: sum}}
	set := storedSet{Folder: setPrefix + "0", Rows: 1}
	v.Stored = []storedSet{set}
	if err := v.validate(); err != nil {
		t.Fatalf("listed once: %v", err)
	}
	v.Stored = append(v.Stored, set)
	if err := v.validate(); err == nil || !strings.Contains(err.Error(), "listed twice") {
		t.Fatalf("listed twice: %v", err)
	}
}
