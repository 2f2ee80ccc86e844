package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// aims are what is wanted of each work: by how much Lamina is faster than the best
// float32 peer with two threads, its share of the peak with one and with two, 0 for
// nothing, and the share beyond which no factor is asked for, 0 for the machine's.
var aims = []struct {
	work               string
	factor, share, two float64
	top                float64
}{
	{"tied-ae", 2.0, 0.78, 0, 0},
	{"deep-ae", 1.3, 0.78, 0, 0},
	{"tiny-ae", 15, 0, 0, 0},
	{"rbm", 1.4, 0, 0, 0},
	{"conv-ae", 2.0, 0, 0, imagesTop},
	{"resnet20", 1.4, 0, 0.75, imagesTop},
}

// imagesTop is the share of two threads' peak beyond which no factor is asked for of
// works of images.
const imagesTop = 0.85

// Further aims.
const (
	aimTwoThreads = 1.85 // times the rate of one thread, of tied-ae and deep-ae
	aimProducts   = 1.08 // geometric mean of the factors to the better library
	aimLowest     = 0.90 // of those factors
	aimFirstStep  = 0.050
	aimMemory     = 55   // MB
	aimLow        = 0.80 // of float32's rate in bf16 where bf16 is emulated, with one thread
	aimLowFast    = 3.5  // with AMX, of tied-ae and deep-ae
	aimLowPeer    = 2.0  // with AMX, times the best bf16 peer
)

// ceiling is the share of two threads' peak beyond which no factor is asked for.
func (m *machine) ceiling() float64 {
	if m.Kernels == "avx512" {
		return 0.72
	}
	return 0.80
}

// tiled reports whether products in bf16 are those of AMX.
func (m *machine) tiled() bool { return strings.HasPrefix(m.BF16, "by AMX") }

// verdict is an aim and what was measured.
type verdict struct {
	what, got, want string
	reached         bool
}

// figure is what a comparison's records say of a work at a place.
type figure struct {
	ours, theirs spread // samples/s
	peer         string // the best
	factor       spread // of pairs
	share        float64
	peerShare    float64
}

func figureOf(list []record, place measured) figure {
	at := only(list, partTrain, place)
	name := best(at, rate)
	f := figure{ours: spreadOf(values(at, ours, rate)), peer: name, share: spreadOf(values(at, ours, ofPeak)).Median}
	if name != "" {
		f.theirs, f.factor = spreadOf(values(at, name, rate)), spreadOf(pairs(at, name, rate))
		f.peerShare = spreadOf(values(at, name, ofPeak)).Median
	}
	return f
}

// verdicts holds what was measured against the aims; what was not measured is left
// out.
func verdicts(list []record, m *machine) (all []verdict) {
	atLeast := func(what string, got, want float64, format func(float64) string, more string) {
		all = append(all, verdict{what, format(got) + more, "≥ " + format(want), got >= want})
	}
	dense := denseReach(list)
	for _, a := range aims {
		one, two := figureOf(list, measured{Work: a.work, Threads: 1, Precision: fp32}), figureOf(list, measured{Work: a.work, Threads: 2, Precision: fp32})
		if a.two > 0 && two.ours.N > 0 && two.share > 0 && dense {
			atLeast(a.work+", share of two threads' peak", two.share, a.two, percent, "")
		}
		if two.factor.N > 0 {
			top := cmp.Or(a.top, m.ceiling())
			if a.top > 0 && !dense {
				top = math.Inf(1)
			}
			if a.factor*two.peerShare > top {
				atLeast(fmt.Sprintf("%s, share of two threads' peak: %s times %s would be %s", a.work, factor(a.factor), two.peer, percent(a.factor*two.peerShare)),
					two.share, top, percent, fmt.Sprintf(", %s times %s", factor(two.factor.Median), two.peer))
			} else {
				atLeast(a.work+", factor to the best peer in float32", two.factor.Median, a.factor, factor, " "+two.peer)
			}
		}
		if a.share > 0 && one.ours.N > 0 && one.share > 0 {
			atLeast(a.work+", share of peak, 1 thread", one.share, a.share, percent, "")
		}
		if a.share > 0 && one.ours.N > 0 && two.ours.N > 0 {
			atLeast(a.work+", 2 threads over 1", two.ours.Median/one.ours.Median, aimTwoThreads, factor, "")
		}
	}
	for _, threads := range []int{1, 2} {
		if mean, least, at, n := meanFactor(list, "", threads); n > 0 {
			atLeast("products, "+threadsOf(threads)+", geometric mean of the factors to the better library", mean, aimProducts, factor, "")
			atLeast("products, "+threadsOf(threads)+", lowest factor", least, aimLowest, factor, " "+at)
		}
	}
	for _, work := range []string{"", netWork} {
		n := net{work: work}
		for _, rows := range distinct(ofPart(list, partEncode), func(r *record) int { return r.Batch }) {
			at := encodingAt(list, work, rows, 1)
			if f := spreadOf(pairs(at, runtimes["onnxruntime"], speed)); f.N > 0 {
				atLeast(fmt.Sprintf("%s, batch %d, 1 thread, factor to onnxruntime", n.name(), rows), f.Median, 1, factor, "")
			}
		}
	}
	tied := slices.DeleteFunc(ofPart(list, partTrain), func(r record) bool {
		return r.Work != "tied-ae" || r.Batch != 0 || r.Precision != fp32
	})
	if first := spreadOf(values(tied, ours, firstStep)); first.N > 0 {
		all = append(all, verdict{"tied-ae, start to first step", fmt.Sprintf("%.0f ms", 1e3*first.Median), fmt.Sprintf("≤ %.0f ms", 1e3*aimFirstStep), first.Median <= aimFirstStep})
	}
	if mb := spreadOf(values(tied, ours, memory)); mb.N > 0 {
		all = append(all, verdict{"tied-ae, peak memory", fmt.Sprintf("%.0f MB", mb.Max), fmt.Sprintf("≤ %d MB", aimMemory), mb.Max <= aimMemory})
	}
	for _, work := range lowWorks {
		place := measured{Work: work, Threads: 1, Precision: bf16}
		gain := spreadOf(pairs(only(list, partTrain, place), oursInFloat, rate))
		f := figureOf(list, place)
		switch {
		case gain.N == 0:
		case !m.tiled():
			atLeast(work+" in bf16 over float32, 1 thread, without AMX", gain.Median, aimLow, factor, "")
		case work != "rbm":
			atLeast(work+" in bf16 over float32, 1 thread", gain.Median, aimLowFast, factor, "")
			if f.factor.N > 0 {
				atLeast(work+" in bf16, 1 thread, factor to the best peer in bf16", f.factor.Median, aimLowPeer, factor, " "+f.peer)
			}
		}
	}
	return all
}

// denseReach reports whether no work of dense layers misses its share of one thread's
// peak: where one does, the CPU or what else runs on it is the reason, and images have
// no share to reach.
func denseReach(list []record) bool {
	for _, a := range aims {
		one := figureOf(list, measured{Work: a.work, Threads: 1, Precision: fp32})
		if a.share > 0 && one.share > 0 && one.share < a.share {
			return false
		}
	}
	return true
}

// judge writes a table of the aims.
func judge(b *strings.Builder, list []record, m *machine) {
	all := verdicts(list, m)
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, "\nWhere an aimed factor would be more than %s of the two threads' peak, of images %s, that share is the aim.\n", percent(m.ceiling()), percent(imagesTop))
	header(b, "aim, two threads unless it says one", "measured", "wanted", "")
	for _, v := range all {
		row(b, v.what, v.got, v.want, map[bool]string{true: "reached", false: "**missed**"}[v.reached])
	}
}

// meanFactor is the geometric mean of the factors of the shapes of a group, and the
// lowest of them.
func meanFactor(list []record, group string, threads int) (mean, least float64, at string, n int) {
	var factors []float64
	least = math.Inf(1)
	for _, s := range shapesOf(list, threads) {
		if strings.HasPrefix(s.shape, group) && s.factor.N > 0 {
			factors = append(factors, s.factor.Median)
			if s.factor.Median < least {
				least, at = s.factor.Median, s.shape
			}
		}
	}
	return geometricMean(factors), least, at, len(factors)
}
