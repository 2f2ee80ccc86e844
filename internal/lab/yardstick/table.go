package yardstick

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Marks of the place of the table in a page.
const (
	begin = "<!-- yardsticks: written by laminabench yardstick --table -->\n"
	end   = "<!-- end of yardsticks -->\n"
)

// Table returns the results as Markdown: published beside ours, then for each row
// what differs from the paper. Rows without a result are left out, and those that stand apart.
func Table(all map[string]Result) string {
	var b strings.Builder
	b.WriteString("| yardstick | published | ours | target | seconds |\n|---|---|---|---|---|\n")
	var notes []string
	for _, r := range Rows() {
		if r.Apart {
			continue
		}
		var got []Result
		for _, c := range r.Cells {
			if x, ok := all[c.Name]; ok {
				got = append(got, x)
			}
		}
		if len(got) == 0 {
			continue
		}
		for _, x := range got {
			published, target := "", ""
			if x.Published > 0 {
				published = number(float64(x.Published)) + also(x.AlsoPub)
			}
			if x.Reached != nil {
				target = map[bool]string{false: "≤ ", true: "≥ "}[x.More] + number(float64(x.Target))
				if !*x.Reached {
					target += ", missed"
				}
			}
			ours := number(x.Value)
			if x.Seeds > 1 {
				ours += fmt.Sprintf(" (median of %d seeds, deviation %s)", x.Seeds, number(x.Std))
			}
			seconds := strconv.FormatFloat(x.WallS, 'f', 0, 64)
			if x.WallPub > 0 {
				seconds = fmt.Sprintf("%.1f; Keras %v", x.WallS, x.WallPub)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s%s | %s | %s |\n", x.Name, published, ours, also(x.Also), target, seconds)
		}
		note := fmt.Sprintf("- `%s`: %s; %s. %s.", r.Name, r.Metric, r.Source, r.Differs)
		if r.Ordered && len(got) == len(r.Cells) {
			note += " " + order(got)
		}
		notes = append(notes, note+" "+where(got))
	}
	return b.String() + "\n" + strings.Join(notes, "\n") + "\n"
}

// number prints four digits, more only before the point.
func number(x float64) string {
	s := strconv.FormatFloat(x, 'f', 4, 64)
	if x >= 1 {
		s = strconv.FormatFloat(x, 'f', 2, 64)
	}
	if strings.Trim(s, "0.") == "" {
		return "0"
	}
	return s
}

// also prints further numbers: (train 0.01, valid 1.9).
func also(m map[string]float64) string {
	if len(m) == 0 {
		return ""
	}
	var list []string
	for k, v := range m {
		list = append(list, k+" "+number(v))
	}
	slices.Sort(list)
	return " (" + strings.Join(list, ", ") + ")"
}

// order says whether our numbers stand in the order of the cells.
func order(got []Result) string {
	ordered := slices.IsSortedFunc(got, func(a, b Result) int {
		switch {
		case a.Value < b.Value:
			return -1
		case a.Value > b.Value:
			return 1
		}
		return 0
	})
	if ordered {
		return "The order is that of the paper."
	}
	ours := slices.Clone(got)
	slices.SortStableFunc(ours, func(a, b Result) int {
		if a.Value < b.Value {
			return -1
		}
		return 1
	})
	var names []string
	for _, x := range ours {
		_, name, _ := strings.Cut(x.Name, "/")
		names = append(names, name)
	}
	return "The order is not that of the paper; ours is " + strings.Join(names, ", ") + "."
}

// where says on which machines and days results were measured.
func where(got []Result) string {
	var list []string
	for _, x := range got {
		if s := x.Machine + ", " + x.Date; !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return "Measured on " + strings.Join(list, "; ") + "."
}

// Place returns the page with the tables of these results at their places: those of the yardsticks, the claims and the
// precisions that it has a place for.
//
// Errors: the page has no place for any.
func Place(page []byte, all map[string]Result) ([]byte, error) {
	return put(page, place{begin, end, Table(all)}, place{claimsBegin, claimsEnd, ClaimsTable(all)},
		place{precisionBegin, precisionEnd, PrecisionTable(all)}, place{fewConvsBegin, fewConvsEnd, FewConvsTable(all)}, place{fewTasksBegin, fewTasksEnd, FewTasksTable(all)},
		place{activesBegin, activesEnd, ActiveTable(all)},
		place{denoiseBegin, denoiseEnd, DenoiseTable(all)}, place{tabularBegin, tabularEnd, TabularTable(all)},
		place{sensorBegin, sensorEnd, SensorTable(all)}, place{denseAnomalyBegin, denseAnomalyEnd, DenseAnomalyTable(all)},
		place{lrInitBegin, lrInitEnd, RatesTable(all)}, place{lrSearchBegin, lrSearchEnd, SearchTable(all)},
		place{syntheticBegin, syntheticEnd, SyntheticTable(all)})
}

// place is where a table stands in a page.
type place struct{ begin, end, table string }

// put returns the page with each table at its place, if it has it.
//
// Errors: the page has no place at all.
func put(page []byte, places ...place) ([]byte, error) {
	found, wants := false, []string{}
	for _, p := range places {
		wants = append(wants, strings.TrimSpace(p.begin)+" and "+strings.TrimSpace(p.end))
		i, j := bytes.Index(page, []byte(p.begin)), bytes.Index(page, []byte(p.end))
		if i < 0 || j < i {
			continue
		}
		found = true
		page = slices.Concat(page[:i+len(p.begin)], []byte("\n"+p.table+"\n"), page[j:])
	}
	if !found {
		return nil, errors.New("yardstick: the page has no place for the table: two lines, " + strings.Join(wants, ", or "))
	}
	return page, nil
}
