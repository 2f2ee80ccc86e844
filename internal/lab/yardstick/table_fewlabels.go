package yardstick

import (
	"fmt"
	"strings"
)

// Marks of the place of the table of few labels in a page.
const (
	fewTasksBegin = "<!-- fewlabels -->\n"
	fewTasksEnd   = "<!-- end of fewlabels -->\n"
)

// FewTasksTable returns the kept results of fewlabels as Markdown: test errors with their
// 95 % intervals over the draws, the published ones beside, what misses its target marked,
// and what each way gains on the one from scratch over the same draws.
func FewTasksTable(all map[string]Result) string {
	var got []Result
	var b, gains strings.Builder
	fmt.Fprintf(&b, "| |")
	for _, n := range fewCounts {
		fmt.Fprintf(&b, " %d labels | published |", n)
	}
	fmt.Fprintf(&b, " | seconds |\n|---|%s---|---:|\n", strings.Repeat("---:|---:|", len(fewCounts)))
	control, known := all[fewTasks+"/scratch"]
	for _, c := range fewTaskCells() {
		x, ok := all[fewTasks+"/"+c.name]
		if !ok {
			continue
		}
		got = append(got, x)
		fmt.Fprintf(&b, "| %s |", c.title)
		seconds := x.Also["pretraining s"]
		var gain []string
		for _, n := range fewCounts {
			e, measured := x.Also[fmt.Sprintf("%d error", n)]
			if !measured {
				b.WriteString(" | |")
				continue
			}
			seconds += x.Also[fmt.Sprintf("%d s", n)]
			miss := ""
			if t := c.target[n]; t > 0 && rounded(e) > t {
				miss = fmt.Sprintf(", above %v", t)
			}
			fmt.Fprintf(&b, " %.2f ± %.2f%s | %.2f |", e, x.Also[fmt.Sprintf("%d half", n)], miss, c.errors[n])
			if known && c.name != "scratch" {
				mean, half := paired(control, x, n)
				gain = append(gain, fmt.Sprintf("%.2f ± %.2f from %d", mean, half, n))
			}
		}
		fmt.Fprintf(&b, " %s | %.0f |\n", c.published, seconds)
		if len(gain) > 0 {
			fmt.Fprintf(&gains, "\n- %s: %s labels", c.title, strings.Join(gain, ", "))
		}
	}
	if len(got) == 0 {
		return "Not measured yet.\n"
	}
	if gains.Len() > 0 {
		fmt.Fprintf(&b, "\nPoints less than from scratch, over the same draws:\n%s\n", gains.String())
	}
	return b.String() + "\n" + where(got) + "\n"
}

// paired is the mean of what x is below the control with n labels over the draws that both
// have, and half the width of its 95 % interval.
func paired(control, x Result, n int) (mean, half float64) {
	var d []float64
	for draw := 0; ; draw++ {
		name := fmt.Sprintf("%d draw %d", n, draw)
		a, ok := control.Also[name]
		e, also := x.Also[name]
		if !ok || !also {
			return spread(d)
		}
		d = append(d, a-e)
	}
}
