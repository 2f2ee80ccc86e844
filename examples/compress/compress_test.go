package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestCompress sweeps over two codes and two widths in short, and replays the bundles. More
// bits must cost more and keep more.
func TestCompress(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	var out bytes.Buffer
	s := sweep{codes: []int{2, 12}, bits: []int{1, 5}, qualities: []int{5, 60}}
	if err := run(t.Context(), &out, dir, digits.Train.Head(600), digits.Test.Head(128), s, 8, nil); err != nil {
		t.Fatal(err)
	}
	type line struct {
		code, bits           int
		entropy, rate, ratio float64
	}
	var l []line
	for s := range strings.Lines(out.String()) {
		var c line
		if _, err := fmt.Sscanf(s, "%d %d %f %f %f", &c.code, &c.bits, &c.entropy, &c.rate, &c.ratio); err == nil {
			l = append(l, c)
		} else if _, err := fmt.Sscanf(s, "JPEG, quality %d: %f %f", &c.bits, &c.rate, &c.ratio); err == nil {
			l = append(l, c)
		}
	}
	if len(l) != 6 {
		t.Fatalf("it says %q", out.String())
	}
	for i, c := range l {
		if most := float64(c.code * c.bits); c.code > 0 && (c.entropy > most || c.rate <= 0 || c.rate > 1.2*most/784) {
			t.Errorf("%d numbers of %d bits: entropy %v, %v bits per pixel", c.code, c.bits, c.entropy, c.rate)
		}
		if i%2 == 1 && (c.rate <= l[i-1].rate || c.ratio <= l[i-1].ratio) {
			t.Errorf("more bits: %+v, fewer: %+v", c, l[i-1])
		}
	}
	if l[3].ratio < l[1].ratio+0.5 {
		t.Errorf("12 numbers keep %v dB, 2 keep %v", l[3].ratio, l[1].ratio)
	}
	for _, name := range []string{"encoder", "decoder"} {
		verdict, err := bundle.Verify(t.Context(), filepath.Join(dir, name), ort.Runtime())
		if err != nil {
			t.Fatal(err)
		}
		if verdict.Status != bundle.Holds {
			t.Errorf("the bundle %s does not hold: %+v", name, verdict)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "rates.png")); err != nil {
		t.Error(err)
	}
}
