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
	b.WriteString("| pretrained on | test digits misread, % | less than from scratch | less than on unlabelled digits | draws better than from scratch |\n|---|---:|---:|---:|---:|\n")
	less := func(way, other string) (difference, better string) {
		if way == other {
			return "", ""
		}
		d, positive := differences(drawsOf(x.Also, other), drawsOf(x.Also, way)), 0
		for _, v := range d {
			if v > 0 {
				positive++
			}
		}
		m, half := spread(d)
		return fmt.Sprintf("%.2f ± %.2f", m, half), fmt.Sprintf("%d of %d", positive, len(d))
	}
	for _, way := range drawnWays() {
		m, half := spread(drawsOf(x.Also, way))
		scratch, better := less(way, fromScratch)
		real, _ := less(way, digitsRebu)
		name := way
		if way == fromScratch {
			name = "nothing"
		}
		fmt.Fprintf(&b, "| %s | %.2f ± %.2f | %s | %s | %s |\n", name, m, half, scratch, real, better)
	}
	return b.String() + "\n" + where([]Result{x}) + "\n"
}
