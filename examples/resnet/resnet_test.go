package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestResNet trains on a slice of the rows, and on pictures of 4x4, as 20 layers are much to
// execute in float64; it replays the bundle.
func TestResNet(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, small(digits.Train.Head(1000)), small(digits.Test.Head(200)), 4, 5, nil); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var right, rows int
	if _, err := fmt.Sscanf(lines[len(lines)-1], "%d of %d right", &right, &rows); err != nil || rows != 200 || right < 100 {
		t.Errorf("it says %q (%v)", out.String(), err)
	}
	verdict, err := bundle.Verify(t.Context(), filepath.Join(dir, "classifier"), ort.Runtime())
	if err != nil {
		t.Fatal(err)
	}
	if verdict.Status != bundle.Holds {
		t.Errorf("the bundle does not hold: %+v", verdict)
	}
}

// small returns the means of 7x7 pixels.
func small(rows *dataset.Table) *dataset.Table {
	x, y := rows.F32("x"), rows.I64("y")
	return dataset.From(y, func(label int64, row dataset.Row) {
		p := row.F32Slice("x")
		for i, v := range x[:784] {
			p[i/28/7*4+i%28/7] += v / 49
		}
		x = x[784:]
		row.I64("y", label)
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{16}}, dataset.Column{Name: "y", DType: dataset.I64})
}
