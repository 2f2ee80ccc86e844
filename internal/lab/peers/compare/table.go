package main

import (
	"fmt"
	"slices"
	"strings"
)

// only selects the records of one comparison.
func only(list []record, part string, place measured) []record {
	var s []record
	for _, r := range list {
		if r.Part == part && r.Work == place.Work && r.Batch == place.Batch && r.Threads == place.Threads && r.Precision == place.Precision {
			s = append(s, r)
		}
	}
	return s
}

// ofPart selects the records of a part.
func ofPart(list []record, part string) []record {
	return slices.DeleteFunc(slices.Clone(list), func(r record) bool { return r.Part != part })
}

// distinct collects what a function says of the records, in order of appearance,
// without what is zero.
func distinct[T comparable](list []record, of func(*record) T) []T {
	var seen []T
	var zero T
	for i := range list {
		if v := of(&list[i]); v != zero && !slices.Contains(seen, v) {
			seen = append(seen, v)
		}
	}
	return seen
}

// count writes a number with the digits that a measurement has.
func count(v float64) string {
	switch {
	case v >= 1e7:
		return fmt.Sprintf("%.1f M", v/1e6)
	case v >= 1e6:
		return fmt.Sprintf("%.2f M", v/1e6)
	case v >= 1e5:
		return fmt.Sprintf("%.0f k", v/1e3)
	case v >= 1e3:
		return fmt.Sprintf("%.1f k", v/1e3)
	}
	return fmt.Sprintf("%.0f", v)
}

// ranged is the median of n values with their range, or a dash.
func (s spread) ranged(format func(float64) string) string {
	if s.N == 0 {
		return "–"
	}
	if s.N == 1 {
		return format(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", format(s.Median), format(s.Min), format(s.Max))
}

func factor(v float64) string  { return fmt.Sprintf("%.2f", v) }
func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

// micros has three digits, and all before the point.
func micros(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// seconds has two digits: 0.038 s, 1.6 s, 22 s.
func seconds(v float64) string {
	if v >= 10 {
		return fmt.Sprintf("%.0f s", v)
	}
	return fmt.Sprintf("%.2g s", v)
}

// tables renders everything. full lists every product's shape.
func tables(list []record, full bool) string {
	var b strings.Builder
	heading(&b, list)
	if m, _ := machineOf(list); m != nil {
		judge(&b, list, m)
	}
	training(&b, list, fp32)
	training(&b, list, bf16)
	batches(&b, list)
	products(&b, list, full)
	encodings(&b, list)
	return b.String()
}

// rounds says how often and how long was measured: the least and the most where
// the tables were made in pieces.
func rounds(at []record) string {
	lo, hi := *at[0].Machine, *at[0].Machine
	for _, r := range at {
		lo.Rounds, hi.Rounds = min(lo.Rounds, r.Machine.Rounds), max(hi.Rounds, r.Machine.Rounds)
		lo.Seconds, hi.Seconds = min(lo.Seconds, r.Machine.Seconds), max(hi.Seconds, r.Machine.Seconds)
	}
	n, t := fmt.Sprint(lo.Rounds), seconds(lo.Seconds)
	if hi.Rounds > lo.Rounds {
		n += fmt.Sprintf(" to %d", hi.Rounds)
	}
	if hi.Seconds > lo.Seconds {
		t += " to " + seconds(hi.Seconds)
	}
	if n == "1" {
		return "1 round of " + t
	}
	return n + " rounds of " + t
}

// heading says where, when and with what.
func heading(b *strings.Builder, list []record) {
	var at []record
	for _, r := range list {
		if r.Part == partMachine && r.Machine != nil {
			at = append(at, r)
		}
	}
	for _, r := range at[max(0, len(at)-1):] {
		m := r.Machine
		fmt.Fprintf(b, "\nMeasured on %s, %s, on %s: %d cores, %s; Lamina %s, kernels %s.\n",
			strings.ReplaceAll(r.Session[:min(10, len(r.Session))], "T", " "), "by `make bench`", m.CPU, m.Cores, m.System, m.Lamina, m.Kernels)
		fmt.Fprintf(b, "%s. ", rounds(at))
	}
	b.WriteString("Peers: " + versions(list) + ".\n")
	b.WriteString("Figures are medians, in parentheses the lowest and highest. A factor is by how much Lamina is faster than that\n" +
		"peer, of measurements taken one right after the other. The share is of the peak of float32 multiply-adds measured beside.\n")
	peaks(b, list)
	worst := 0.0
	for _, r := range at {
		if load := r.Machine.Load / float64(max(1, r.Machine.Cores)); load > worst {
			worst = load
		}
	}
	const quiet = 0.25
	switch {
	case len(at) == 0:
	case worst <= quiet:
		fmt.Fprintf(b, "The load average was %.2f a core when it began.\n", worst)
	default:
		fmt.Fprintf(b, "\n**The load average was %.1f a core when a part of the comparison began. What ran then, unless it had just ended, lowers the absolute figures; factors say more, and less with more threads.**\n", worst)
	}
}

// versions names each peer with the version that it said.
func versions(list []record) string {
	var seen []string
	for i := range list {
		r := &list[i]
		if r.Version == "" || r.Name == ours {
			continue
		}
		name := strings.TrimSuffix(strings.TrimSuffix(r.Name, " compiled"), " XLA")
		if s := name + " " + r.Version; !slices.Contains(seen, s) {
			seen = append(seen, s)
		}
	}
	if len(seen) == 0 {
		return "none"
	}
	return strings.Join(seen, ", ")
}

// peaks tells how far the peak moved while all this was measured.
func peaks(b *strings.Builder, list []record) {
	for _, t := range distinct(list, func(r *record) int { return r.Threads }) {
		var v []float64
		for i := range list {
			if r := &list[i]; r.Part == partTrain && r.Threads == t && r.Name == ours && r.PeakGFLOPS > 0 {
				v = append(v, r.PeakGFLOPS)
			}
		}
		if s := spreadOf(v); s.N > 0 {
			fmt.Fprintf(b, "Peak of %s beside the trainings: %.1f GFLOP/s (%.1f–%.1f).\n", threadsOf(t), s.Median, s.Min, s.Max)
		}
	}
}

func threadsOf(n int) string {
	if n == 1 {
		return "1 thread"
	}
	return fmt.Sprintf("%d threads", n)
}

// row writes a row of a table.
func row(b *strings.Builder, cells ...string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// header writes a table's first two rows: a column of names, then numbers.
func header(b *strings.Builder, cells ...string) {
	b.WriteByte('\n')
	row(b, cells...)
	b.WriteString("|---|" + strings.Repeat("---:|", len(cells)-1) + "\n")
}

// training writes a table for each work in a precision: a row for each name, three
// columns for each number of threads.
func training(b *strings.Builder, list []record, precision string) {
	var all []record
	for _, r := range list {
		if r.Part == partTrain && r.Batch == 0 && r.Precision == precision {
			all = append(all, r)
		}
	}
	title, share := "", "of peak"
	if precision != fp32 && len(all) > 0 {
		title, share = " in "+precision, "of float32's peak"
		b.WriteString("\n" + lowNote)
		if m, _ := machineOf(list); m != nil && m.BF16 != "" {
			fmt.Fprintf(b, "Lamina's products in bf16 are %s.\n", m.BF16)
		}
	}
	threads := distinct(all, func(r *record) int { return r.Threads })
	for _, work := range distinct(all, func(r *record) string { return r.Work }) {
		head := []string{work + title}
		for _, t := range threads {
			head = append(head, "samples/s, "+threadsOf(t), share, "factor")
		}
		header(b, append(head, "first step", "peak memory")...)
		var here []record
		for _, r := range all {
			if r.Work == work {
				here = append(here, r)
			}
		}
		for _, name := range names(here) {
			cells := []string{name}
			reason := ""
			for _, t := range threads {
				at := only(list, partTrain, measured{Work: work, Threads: t, Precision: precision})
				cells = append(cells, spreadOf(values(at, name, rate)).ranged(count), spreadOf(values(at, name, ofPeak)).middle(percent))
				mark := spreadOf(pairs(at, name, rate)).ranged(factor)
				if name == ours {
					mark = ""
				} else if name == best(at, rate) {
					mark = "**" + mark + "**"
				}
				cells = append(cells, mark)
				for i := range at {
					if r := &at[i]; r.Name == name && r.Missing != "" {
						reason = r.Missing
					}
				}
			}
			first := spreadOf(values(here, name, firstStep))
			top := spreadOf(values(here, name, memory))
			if first.N == 0 && reason != "" {
				cells = append([]string{name + ": " + reason}, slices.Repeat([]string{"–"}, len(cells)+1)...)
			} else {
				cells = append(cells, first.middle(seconds), fmt.Sprintf("%.0f MB", top.Max))
			}
			row(b, cells...)
		}
		scaling(b, list, work, precision, threads)
	}
}

// lowNote says what bf16 is, of each.
const lowNote = "In bf16 the operands of products have 8 bits of mantissa, and sums are float32; parameters and the optimizer's state are float32 too.\n" +
	"PyTorch is under `torch.autocast(\"cpu\", torch.bfloat16)`; JAX casts the operands of every product, the gradients' too, as its matmul\n" +
	"precision changes nothing on the CPU. Lamina in float32 was measured in turn with Lamina in bf16: its factor is what the mode gains.\n"

// middle is the median without its range.
func (s spread) middle(format func(float64) string) string {
	if s.N == 0 {
		return "–"
	}
	return format(s.Median)
}

// scaling says how much more several threads do than one.
func scaling(b *strings.Builder, list []record, work, precision string, threads []int) {
	at := func(t int) spread {
		return spreadOf(values(only(list, partTrain, measured{Work: work, Threads: t, Precision: precision}), ours, rate))
	}
	one := at(1)
	for _, t := range threads {
		if m := at(t); t > 1 && one.N > 0 && m.N > 0 {
			fmt.Fprintf(b, "\nLamina with %d threads over 1: %.2f.\n", t, m.Median/one.Median)
		}
	}
}

// batches writes a row for each batch of tied-ae.
func batches(b *strings.Builder, list []record) {
	var all []record
	for _, r := range list {
		if r.Part == partTrain && r.Batch != 0 {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return
	}
	threads := distinct(all, func(r *record) int { return r.Threads })
	head := []string{"tied-ae, batch"}
	for _, t := range threads {
		head = append(head, "Lamina, "+threadsOf(t), "of peak", "best peer", "factor")
	}
	header(b, head...)
	sizes := distinct(all, func(r *record) int { return r.Batch })
	slices.Sort(sizes)
	for _, n := range sizes {
		cells := []string{fmt.Sprint(n)}
		for _, t := range threads {
			at := only(list, partTrain, measured{Work: "tied-ae", Batch: n, Threads: t, Precision: fp32})
			name := best(at, rate)
			theirs := "–"
			if name != "" {
				theirs = count(spreadOf(values(at, name, rate)).Median) + " " + name
			}
			cells = append(cells, spreadOf(values(at, ours, rate)).middle(count),
				spreadOf(values(at, ours, ofPeak)).middle(percent),
				theirs, spreadOf(pairs(at, name, rate)).ranged(factor))
		}
		row(b, cells...)
	}
}

// shapeResult is how a product compares to the library that is better at it.
type shapeResult struct {
	shape       string
	op          string
	m, n, k     int
	ours        spread // GFLOP/s
	share       float64
	better      string
	betterRate  float64 // GFLOP/s
	betterShare float64
	factor      spread
}

// shapesOf compares every shape that was measured with so many threads.
func shapesOf(list []record, threads int) []shapeResult {
	byShape := map[string][]record{}
	var order []string
	for _, r := range list {
		if r.Part == partGEMM && r.Threads == threads && r.Shape != "" {
			if byShape[r.Shape] == nil {
				order = append(order, r.Shape)
			}
			byShape[r.Shape] = append(byShape[r.Shape], r)
		}
	}
	flops := func(r *record) float64 { return r.GFLOPS }
	share := func(r *record) float64 { return r.OfPeak }
	var all []shapeResult
	for _, name := range order {
		at := byShape[name]
		better := best(at, speed)
		all = append(all, shapeResult{shape: name, op: at[0].Op, m: at[0].M, n: at[0].N, k: at[0].K,
			ours: spreadOf(values(at, ours, flops)), share: spreadOf(values(at, ours, share)).Median,
			better: better, betterRate: spreadOf(values(at, better, flops)).Median, betterShare: spreadOf(values(at, better, share)).Median,
			factor: spreadOf(pairs(at, better, speed))})
	}
	return all
}

// products writes, for groups of shapes, the geometric mean of the factors to
// the better library of each and the lowest; in full a row for every shape too.
func products(b *strings.Builder, list []record, full bool) {
	all := ofPart(list, partGEMM)
	if len(all) == 0 {
		return
	}
	threads := distinct(all, func(r *record) int { return r.Threads })
	head := []string{"products, geometric mean of factors to the better library of each"}
	for _, t := range threads {
		head = append(head, threadsOf(t), "lowest")
	}
	header(b, head...)
	for _, group := range append(slices.Clone(shapeGroups), "") {
		cells := []string{"`" + group + "*`"}
		if group == "" {
			cells[0] = "all"
		}
		for _, t := range threads {
			mean, lowest := "–", "–"
			if m, least, at, n := meanFactor(list, group, t); n > 0 {
				mean, lowest = factor(m), fmt.Sprintf("%.2f %s", least, at)
			}
			cells = append(cells, mean, lowest)
		}
		row(b, cells...)
	}
	absent(b, all)
	if !full {
		return
	}
	for _, t := range threads {
		header(b, "shape, "+threadsOf(t), "op", "M×N×K", "Lamina GFLOP/s", "of peak", "better library", "GFLOP/s", "of peak", "factor")
		for _, s := range shapesOf(list, t) {
			row(b, s.shape, s.op, fmt.Sprintf("%d×%d×%d", s.m, s.n, s.k), s.ours.ranged(tenths), percent(s.share),
				s.better, tenths(s.betterRate), percent(s.betterShare), s.factor.ranged(factor))
		}
	}
}

func tenths(v float64) string { return fmt.Sprintf("%.1f", v) }

// absent says who was not measured, and why, each once.
func absent(b *strings.Builder, list []record) {
	var said []string
	for i := range list {
		if r := &list[i]; r.Missing != "" {
			if s := r.Name + " was not measured: " + r.Missing + "."; !slices.Contains(said, s) {
				said = append(said, s)
			}
		}
	}
	if len(said) > 0 {
		b.WriteString("\n" + strings.Join(said, "\n") + "\n")
	}
}

// encodingAt selects the records of a net's calls: of a work's, or of the encoder's
// for "".
func encodingAt(list []record, work string, batch, threads int) (at []record) {
	for _, r := range list {
		if r.Part == partEncode && r.Work == work && r.Threads == threads && r.Batch == batch {
			at = append(at, r)
		}
	}
	return at
}

// encodings writes a table for each net, with a row for each batch.
func encodings(b *strings.Builder, list []record) {
	for _, n := range []struct{ work, title string }{{"", "encoder 784-100-30, µs a call"}, {netWork, "the exported " + netWork + ", µs a call"}} {
		all := slices.DeleteFunc(ofPart(list, partEncode), func(r record) bool { return r.Work != n.work })
		if len(all) == 0 {
			continue
		}
		header(b, n.title, "Lamina", "onnxruntime, C API", "factor")
		for _, t := range distinct(all, func(r *record) int { return r.Threads }) {
			for _, rows := range distinct(all, func(r *record) int { return r.Batch }) {
				at := encodingAt(all, n.work, rows, t)
				micro := func(r *record) float64 { return r.US }
				row(b, fmt.Sprintf("batch %d, %s", rows, threadsOf(t)), spreadOf(values(at, ours, micro)).ranged(micros),
					spreadOf(values(at, runtimes["onnxruntime"], micro)).ranged(micros), spreadOf(pairs(at, runtimes["onnxruntime"], speed)).ranged(factor))
			}
		}
		absent(b, all)
	}
}
