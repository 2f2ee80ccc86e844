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
// and what each way gains over the same draws on those from scratch.
func FewTasksTable(all map[string]Result) string {
	var got []Result
	var b strings.Builder
	fmt.Fprintf(&b, "| |")
	for _, n := range fewCounts {
		fmt.Fprintf(&b, " %d labels | published |", n)
	}
	fmt.Fprintf(&b, " | seconds |\n|---|%s---|---:|\n", strings.Repeat("---:|---:|", len(fewCounts)))
	for _, c := range fewTaskCells() {
		x, ok := all[fewTasks+"/"+c.name]
		if !ok {
			continue
		}
		got = append(got, x)
		fmt.Fprintf(&b, "| %s |", c.title)
		seconds := x.Also["pretraining s"]
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
		}
		fmt.Fprintf(&b, " %s | %.0f |\n", c.published, seconds)
	}
	if len(got) == 0 {
		return "Not measured yet.\n"
	}
	for i, c := range fewTaskCells() {
		if i < 2 { // the controls
			b.WriteString(fewTaskGains(all, c))
		}
	}
	return b.String() + "\n" + where(got) + "\n"
}

// fewTaskGains lists the points that the ways after a control err less often than it does.
func fewTaskGains(all map[string]Result, control fewTaskCell) string {
	from, ok := all[fewTasks+"/"+control.name]
	if !ok {
		return ""
	}
	var b strings.Builder
	after := false
	for _, c := range fewTaskCells() {
		x, measured := all[fewTasks+"/"+c.name]
		if after && measured {
			var gain []string
			for _, n := range fewCounts {
				if _, ok := x.Also[fmt.Sprintf("%d error", n)]; ok {
					mean, half := paired(from, x, n)
					gain = append(gain, fmt.Sprintf("%.2f ± %.2f from %d", mean, half, n))
				}
			}
			fmt.Fprintf(&b, "\n- %s: %s labels", c.title, strings.Join(gain, ", "))
		}
		after = after || c.name == control.name
	}
	if b.Len() == 0 {
		return ""
	}
	return fmt.Sprintf("\nPoints less than %s, over the same draws:\n%s\n", control.title, b.String())
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
