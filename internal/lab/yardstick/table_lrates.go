package yardstick

import (
	"fmt"
	"strings"
)

// Marks of the places of the tables of rates by layer in a page.
const (
	lrInitBegin   = "<!-- lrinit -->\n"
	lrInitEnd     = "<!-- end of lrinit -->\n"
	lrSearchBegin = "<!-- lrsearch -->\n"
	lrSearchEnd   = "<!-- end of lrsearch -->\n"
)

// helps says of a paired difference of errors what it is worth.
func helps(more, half float64) string {
	switch {
	case more+half < 0:
		return "helps"
	case more-half > 0:
		return "harms"
	}
	return "no difference"
}

// beside prints an error and its paired difference.
func beside(x Result, name string, first bool) string {
	s := fmt.Sprintf("%.2f ± %.2f", x.Also[name+" error"], x.Also[name+" half"])
	if first {
		return s
	}
	more, half := x.Also[name+" more"], x.Also[name+" more half"]
	return s + fmt.Sprintf(" (%+.2f ± %.2f, %s)", more, half, helps(more, half))
}

// RatesTable returns the kept result of lrinit as Markdown.
func RatesTable(all map[string]Result) string {
	x, ok := all[lrInit]
	if !ok {
		return notMeasured
	}
	how := lrInitRow().Cells[0].how.(presetRates)
	var b strings.Builder
	b.WriteString("| rates |")
	for _, rate := range how.Rates {
		fmt.Fprintf(&b, " Adam's rate %v |", rate)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(how.Rates)) + "\n")
	for _, w := range lrInits {
		fmt.Fprintf(&b, "| %s |", w.title)
		for _, rate := range how.Rates {
			fmt.Fprintf(&b, " %s |", beside(x, fmt.Sprintf("%s %s %v", w.start, w.way, rate), w.way == uniformRates))
		}
		b.WriteString("\n")
	}
	b.WriteString("\nThe factors of the weights in the first draw:\n\n| rates |")
	layers := []string{"encoder/dense1", "encoder/dense2", "head"}
	for _, l := range layers {
		fmt.Fprintf(&b, " %s |", l)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(layers)) + "\n")
	for _, w := range lrInits {
		name := fmt.Sprintf("%s %s %v factor ", w.start, w.way, how.Rates[len(how.Rates)/2])
		if _, ok := x.Also[name+layers[0]+"/w"]; !ok {
			continue
		}
		fmt.Fprintf(&b, "| %s |", w.title)
		for _, l := range layers {
			fmt.Fprintf(&b, " %.3f |", x.Also[name+l+"/w"])
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "\nPretraining took %.0f s, all of it %.0f s. %s\n", x.Also["pretraining s"], x.WallS, where([]Result{x}))
	return b.String()
}

// SearchTable returns the kept result of lrsearch as Markdown.
func SearchTable(all map[string]Result) string {
	x, ok := all[lrSearch]
	if !ok {
		return notMeasured
	}
	how := lrSearchRow().Cells[0].how.(searchedRates)
	var b strings.Builder
	b.WriteString("| rates | test error, % | folds of the search | other folds |\n|---|---|---:|---:|\n")
	for _, w := range lrSearched {
		fmt.Fprintf(&b, "| %s | %s |", w.title, beside(x, w.name, w.name == uniformRates))
		if _, ok := x.Also[w.name+" folds"]; ok {
			fmt.Fprintf(&b, " %.2f | %.2f |\n", x.Also[w.name+" folds"], x.Also[w.name+" again"])
		} else {
			b.WriteString(" | |\n")
		}
	}
	b.WriteString("\nWhat was found, by draw:\n\n| draw | encoder/dense1 | encoder/dense2 | head |\n|---:|---:|---:|---:|\n")
	for draw := range how.Draws {
		fmt.Fprintf(&b, "| %d |", draw+1)
		for _, l := range []string{"encoder/dense1", "encoder/dense2", "head"} {
			if f := x.Also[fmt.Sprintf("factor %s %d", l, draw)]; f == 0 {
				b.WriteString(" frozen |")
			} else {
				fmt.Fprintf(&b, " %.3f |", f)
			}
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "\nBy its own other folds the search says in %.0f of %d draws that it helped. It tried %.0f candidates a draw, each on %d folds. Pretraining took %.0f s, the draws %.0f s. %s\n",
		x.Also["helped"], how.Draws, x.Also["candidates"], how.Folds, x.Also["pretraining s"], x.Also["draws s"], where([]Result{x}))
	return b.String()
}
