package yardstick

import (
	"fmt"
	"strings"
)

// Marks of the places of the tables of tables, recordings and anomalies in a page.
const (
	tabularBegin      = "<!-- tabular -->\n"
	tabularEnd        = "<!-- end of tabular -->\n"
	sensorBegin       = "<!-- sensor -->\n"
	sensorEnd         = "<!-- end of sensor -->\n"
	denseAnomalyBegin = "<!-- anomaly-dense -->\n"
	denseAnomalyEnd   = "<!-- end of anomaly-dense -->\n"
)

const notMeasured = "Not measured yet.\n"

// TabularTable returns the kept results of tabular as Markdown. It says who is best.
func TabularTable(all map[string]Result) string {
	var got []Result
	var b strings.Builder
	ours, has := all[tabular+"/lamina"]
	theirs, also := all[tabular+"/sklearn"]
	if has {
		got = append(got, ours)
	}
	if also {
		got = append(got, theirs)
	}
	if has || also {
		ways := []struct {
			title, key string
			of         Result
		}{{"pretrained", "pretrained", ours}, {"from scratch", "scratch", ours}, {"gradient boosted trees", "trees", theirs}, {"logistic regression", "logistic", theirs}}
		b.WriteString("| labels | pretrained | from scratch | gradient boosted trees | logistic regression | best |\n|---:|---:|---:|---:|---:|---|\n")
		for _, n := range flightDraws.Labels {
			fmt.Fprintf(&b, "| %d |", n)
			best, title := 0.0, ""
			for _, w := range ways {
				area, ok := w.of.Also[fmt.Sprintf("%s %d area", w.key, n)]
				if !ok {
					b.WriteString(" |")
					continue
				}
				if area > best {
					best, title = area, w.title
				}
				fmt.Fprintf(&b, " %.2f ± %.2f |", area, w.of.Also[fmt.Sprintf("%s %d half", w.key, n)])
			}
			fmt.Fprintf(&b, " %s |\n", title)
		}
		b.WriteString("\n")
		if has {
			fmt.Fprintf(&b, "Pretraining took %.0f s.", ours.Also["pretraining s"])
			for _, n := range flightDraws.Labels {
				fmt.Fprintf(&b, " The five draws of %d labels, with the choice, took %.0f s from scratch and %.0f s pretrained.", n,
					ours.Also[fmt.Sprintf("scratch %d s", n)], ours.Also[fmt.Sprintf("pretrained %d s", n)])
			}
			b.WriteString(" The linear classifier, which has nothing that is pretrained, was chosen in")
			for i, n := range flightDraws.Labels {
				if i > 0 {
					b.WriteString(",")
				}
				fmt.Fprintf(&b, " %.0f and %.0f of the five draws of %d labels", ours.Also[fmt.Sprintf("scratch %d linear", n)], ours.Also[fmt.Sprintf("pretrained %d linear", n)], n)
			}
			b.WriteString(", from scratch and pretrained.")
			b.WriteString("\n")
		}
		if also {
			fmt.Fprintf(&b, "scikit-learn took %.0f s for all of its.\n", theirs.Also["s"])
		}
		b.WriteString("\n")
	}
	if x, ok := all[tabular+"/reading"]; ok {
		got = append(got, x)
		b.WriteString("| reading and encoding all 19 columns | rows/s, median | least to most |\n|---|---:|---:|\n")
		fmt.Fprintf(&b, "| Lamina, by a schema | %.0f | %.0f–%.0f |\n", x.Also["read"], x.Also["least read"], x.Also["most read"])
		fmt.Fprintf(&b, "| Lamina, with the pass that infers the schema | %.0f | |\n", x.Also["inferred"])
		fmt.Fprintf(&b, "| pandas | %.0f | %.0f–%.0f |\n\n", x.Also["pandas"], x.Also["least pandas"], x.Also["most pandas"])
	}
	if len(got) == 0 {
		return notMeasured
	}
	return b.String() + where(got) + "\n"
}

// SensorTable returns the kept results of sensor as Markdown.
func SensorTable(all map[string]Result) string {
	var got []Result
	var b strings.Builder
	x, whole := all[sensor+"/all"]
	y, people := all[sensor+"/people"]
	if !whole && !people {
		return notMeasured
	}
	b.WriteString("| labelled people | pretrained, without the test people | pretrained, with their inputs | from scratch | logistic regression | published |\n|---:|---:|---:|---:|---:|---:|\n")
	if people {
		got = append(got, y)
		for _, n := range sensorRow().Cells[1].how.(wearer).People {
			fmt.Fprintf(&b, "| %d |", n)
			for _, way := range []string{"some", "whole", "scratch", "logistic"} {
				fmt.Fprintf(&b, " %.1f ± %.1f |", y.Also[fmt.Sprintf("%s %d right", way, n)], y.Also[fmt.Sprintf("%s %d deviation", way, n)])
			}
			b.WriteString(" |\n")
		}
	}
	if whole {
		got = append(got, x)
		fmt.Fprintf(&b, "| all | | | %.1f ± %.1f | %.1f ± %.1f | %.1f |\n", x.Also["scratch right"], x.Also["scratch deviation"],
			x.Also["logistic right"], x.Also["logistic deviation"], float64(x.Published))
	}
	b.WriteString("\n")
	if whole {
		fmt.Fprintf(&b, "The net has %.0f parameters. Its five trainings on all labels, with the choice, took %.0f s; moved windows were chosen in %.0f folds.",
			x.Also["parameters"], x.Also["scratch s"], x.Also["scratch choice 1"])
	}
	if people {
		fmt.Fprintf(&b, " Pretraining took %.0f s for the five folds without the test people, and %.0f s with all.", y.Also["pretraining some s"], y.Also["pretraining whole s"])
	}
	return b.String() + "\n\n" + where(got) + "\n"
}

// DenseAnomalyTable returns the kept result of anomaly-dense as Markdown.
func DenseAnomalyTable(all map[string]Result) string {
	x, ok := all[denseAnomaly]
	if !ok {
		return notMeasured
	}
	var b strings.Builder
	b.WriteString("| normal digit |")
	for i := range 10 {
		fmt.Fprintf(&b, " %d |", i)
	}
	b.WriteString(" mean | target |\n|---|" + strings.Repeat("---:|", 12) + "\n| area under the ROC curve, % |")
	for i := range 10 {
		fmt.Fprintf(&b, " %.1f |", x.Also[fmt.Sprint(i)])
	}
	missed := ""
	if x.Reached != nil && !*x.Reached {
		missed = ", missed"
	}
	fmt.Fprintf(&b, " %.1f | ≥ %.0f%s |\n\n%.0f s for all ten. %s\n", x.Value, float64(x.Target), missed, x.WallS, where([]Result{x}))
	return b.String()
}
