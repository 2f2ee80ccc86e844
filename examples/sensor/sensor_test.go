package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
)

// TestSensor trains in short on recordings of six people. The classifier must know other people's exercises better than chance,
// and the score a loose channel; the bundle must hold.
func TestSensor(t *testing.T) {
	orttest.Runtime(t)
	steps, recordings, err := madeUp(6, 3, 500)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, steps, recordings, 2, 10, nil); err != nil {
		t.Fatal(err)
	}
	printed := func(after, metric string) (x float64) {
		_, text, _ := strings.Cut(out.String(), after)
		m := regexp.MustCompile(`(?m)^  ` + metric + ` +([0-9.]+) +[0-9.]+ to [0-9.]+$`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no %s with its interval in\n%s", metric, out.String())
		}
		fmt.Sscan(m[1], &x)
		return x
	}
	if right, area := printed("exercises of", "accuracy"), printed("channel that is loose", "AUROC"); right < 0.5 || area < 0.7 {
		t.Errorf("accuracy %v, AUROC %v", right, area)
	}
	verdict, err := bundle.Verify(t.Context(), dir, ort.Runtime())
	if err != nil || verdict.Status != bundle.Holds {
		t.Fatal(verdict, err)
	}
	net, err := bundle.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var outputs []string
	for _, v := range net.Graph().Outputs {
		outputs = append(outputs, v.Type.String()+" "+v.Name)
	}
	if got, want := strings.Join(outputs, ", "), "f32[N 3] probabilities, f32[N] score, bool[N] flag"; got != want {
		t.Errorf("the file gives %s, want %s", got, want)
	}
	if err := run(t.Context(), &out, dir, steps, recordings, 3, 1, nil); err == nil || !strings.Contains(err.Error(), "of 6 people 3 train, so 1 to 2 may have labels, got 3") {
		t.Errorf("labels of everybody: %v", err)
	}
}

// TestWatch reads the file of --data where it is.
func TestWatch(t *testing.T) {
	folder := os.Getenv("LAMINA_DATASETS")
	file := filepath.Join(folder, "series", "watch.npz")
	if _, err := os.Stat(file); folder == "" || err != nil {
		t.Skip("no watch.npz in the folder series of LAMINA_DATASETS")
	}
	steps, recordings, err := read(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(distinct(recordings.I64("subject"))) != 10 || len(distinct(recordings.I64("exercise"))) != 7 || recordings.Len() != 140 || steps.Len() != 244102 {
		t.Errorf("%d steps of %d recordings", steps.Len(), recordings.Len())
	}
}
