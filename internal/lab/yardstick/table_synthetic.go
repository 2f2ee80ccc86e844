package yardstick

import (
	"fmt"
	"strings"
)

// Marks of the place of the table in a page.
const (
	syntheticBegin = "<!-- synthetic -->\n"
	syntheticEnd   = "<!-- end of synthetic -->\n"
)

// SyntheticTable returns the kept result of synthetic as Markdown.
func SyntheticTable(all map[string]Result) string {
	x, ok := all[synth]
	if !ok {
		return "Not measured yet.\n"
	}
	var b strings.Builder
	b.WriteString("| pretrained on | test digits misread, % | less than from scratch | less than on unlabelled digits | draws better than from scratch | seconds: pretraining | labels |\n|---|---:|---:|---:|---:|---:|---:|\n")
	less := func(way, other string) string {
		if way == other {
			return ""
		}
		d, better := paired(drawsOf(x.Also, other), drawsOf(x.Also, way))
		m, half := spread(d)
		if other == fromScratch {
			return fmt.Sprintf("%.2f ± %.2f | %d of %d", m, half, better, len(d))
		}
		return fmt.Sprintf("%.2f ± %.2f", m, half)
	}
	for _, way := range drawnWays() {
		m, half := spread(drawsOf(x.Also, way))
		scratch, better := less(way, fromScratch), ""
		if i := strings.Index(scratch, " | "); i >= 0 {
			scratch, better = scratch[:i], scratch[i+3:]
		}
		name, pretraining := way, fmt.Sprintf("%.0f", x.Also["pretraining "+way+" s"])
		if way == fromScratch {
			name, pretraining = "nothing", ""
		}
		fmt.Fprintf(&b, "| %s | %.2f ± %.2f | %s | %s | %s | %s | %.0f |\n", name, m, half, scratch, less(way, digitsRebu), better, pretraining, x.Also[way+" s"])
	}
	return b.String() + "\n" + where([]Result{x}) + "\n"
}

// paired are the differences of two lists, and how many are positive.
func paired(a, b []float64) (d []float64, positive int) {
	for i := range min(len(a), len(b)) {
		if d = append(d, a[i]-b[i]); d[i] > 0 {
			positive++
		}
	}
	return d, positive
}
