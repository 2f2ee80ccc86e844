package yardstick

import (
	"fmt"
	"strconv"
	"strings"
)

// Marks of the place of the claims in a page.
const (
	claimsBegin = "<!-- claims -->\n"
	claimsEnd   = "<!-- end of claims -->\n"
)

const (
	claims = "claims" // the row's name

	reconstruction = "mean squared error of the test rows, over pixels"
)

// depths are the numbers of hidden layers of Erhan et al. 2010.
const depths = 5

// regimes are the two ways to train a layer.
var regimes = []struct {
	name, says string
	block      block
}{
	{"sigmoid", "Logistic units, Glorot's weights, SGD with momentum 0.9", block{Unit: "sigmoid", SGD: true, Rate: 0.1, PretrainRate: 10}},
	{"modern", "ReLU behind layer normalisation, He's weights, Adam", block{Unit: "relu", He: true, Norm: true, Rate: 1e-3, PretrainRate: 1e-3}},
}

// fewLabels are the numbers of labels beside all.
var fewLabels = []int{100, 1000}

// claimsRow is what a common tutorial on stacked autoencoders states, measured.
func claimsRow() Row {
	r := Row{Name: claims, Source: "a common tutorial on stacked autoencoders", Apart: true,
		Metric:  "test error, %, of the classifier pretrained without labels, from 100 labels",
		Differs: "Shortened: see internal/lab/yardstick"}
	add := func(name, metric string, seeds int, how recipe) {
		r.Cells = append(r.Cells, Cell{Name: name, Metric: metric, Seeds: seeds, how: how})
	}
	add("tied", reconstruction, 3, claimedDecoder{[]int{100, 30}, true, 20, 256, 1e-3})
	add("untied", reconstruction, 3, claimedDecoder{[]int{100, 30}, false, 20, 256, 1e-3})
	deep := []int{500, 250, 100, 30}
	add("at-once", reconstruction, 1, claimedGreedy{deep, 0, 10, 256, 1e-3})
	add("greedy", reconstruction, 1, claimedGreedy{deep, 5, 0, 256, 1e-3})
	add("greedy-and-whole", reconstruction, 1, claimedGreedy{deep, 5, 5, 256, 1e-3})
	for _, x := range regimes {
		for d := 1; d <= depths; d++ {
			add(fmt.Sprintf("%s-%d", x.name, d), "", 1, claimedDepth{Depth: d, Width: 300, Block: x.block, Noise: 0.25,
				Pretrain: shortly{5, 100}, Few: shortly{30, 20}, All: shortly{5, 100}, Labels: fewLabels, Draws: 3})
		}
	}
	for _, net := range pictureNets {
		short := rising{5, 100, 2e-3}
		task := func(task, metric string, how recipe) {
			r.Cells = append(r.Cells, Cell{Name: net.Kind + "-" + task, Metric: metric, More: true, Seeds: 1, how: how})
		}
		task("denoising", "dB of PSNR gained, with noise of deviation 0.25", restorer{net, 0.25, short})
		task("compression", "PSNR of the test rows, dB, of codes of four bits", compressor{net, 4, short})
		task("anomalies", "mean area under the ROC curve over three normal digits, %", outlier{net, 3, short})
	}
	return r
}

// ClaimsTable returns the kept results of the claims as Markdown, a table for each; cells without a result are left out.
func ClaimsTable(all map[string]Result) string {
	var got []Result
	has := func(name string) (Result, bool) {
		x, ok := all[claims+"/"+name]
		if ok {
			got = append(got, x)
		}
		return x, ok
	}
	var b strings.Builder
	b.WriteString("**Tied beside untied**: 784-100-30, 20 epochs, the median of three seeds.\n\n" +
		"| decoder | parameters | test | train | test less train | seconds | memory, MB |\n|---|---:|---:|---:|---:|---:|---:|\n")
	for _, name := range []string{"tied", "untied"} {
		if x, ok := has(name); ok {
			fmt.Fprintf(&b, "| %s | %.0f | %.5f | %.5f | %.5f | %.1f | %s |\n", name, x.Also["parameters"], x.Also["test"], x.Also["train"],
				x.Also["test"]-x.Also["train"], x.Also["s"], memory(x.Also["MB"]))
		}
	}
	b.WriteString("\n**From below beside at once**: 784-500-250-100-30, tied, one seed.\n\n" +
		"| trained | test | train | seconds | memory, MB |\n|---|---:|---:|---:|---:|\n")
	for _, way := range [][2]string{{"at-once", "at once, 10 epochs"}, {"greedy", "from below, 5 epochs a layer"}, {"greedy-and-whole", "from below, 5 epochs a layer, then as a whole for 5"}} {
		if x, ok := has(way[0]); ok {
			fmt.Fprintf(&b, "| %s | %.5f | %.5f | %.1f | %s |\n", way[1], x.Also["test"], x.Also["train"], x.Also["s"], memory(x.Also["MB"]))
		}
	}
	for _, regime := range regimes {
		fmt.Fprintf(&b, "\n**Depth**: %s; test digits misread, %%, from scratch → pretrained.\n\n"+
			"| layers | 100 labels | 1,000 labels | all labels | seconds: pretraining | 100 | 1,000 | all | memory, MB |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n", regime.says)
		for d := 1; d <= depths; d++ {
			x, ok := has(fmt.Sprintf("%s-%d", regime.name, d))
			if !ok {
				continue
			}
			fmt.Fprintf(&b, "| %d |", d)
			for _, n := range []string{"100", "1000", "all"} {
				fmt.Fprintf(&b, " %.2f → %.2f |", x.Also["scratch "+n+" error"], x.Also["pretrained "+n+" error"])
			}
			fmt.Fprintf(&b, " %.1f |", x.Also["pretraining s"])
			for _, n := range []string{"100", "1000", "all"} {
				fmt.Fprintf(&b, " %.1f → %.1f |", x.Also["scratch "+n+" s"], x.Also["pretrained "+n+" s"])
			}
			most := 0.0
			for k, v := range x.Also {
				if strings.HasSuffix(k, "MB") {
					most = max(most, v)
				}
			}
			fmt.Fprintf(&b, " %s |\n", memory(most))
		}
	}
	title := "\n**Dense beside convolutional**: " + netWords(denseNet) + "; " + netWords(convNet) + "; five epochs, one seed.\n\n" +
		"| task | net | | parameters | seconds | memory, MB |\n|---|---|---:|---:|---:|---:|\n"
	for _, task := range []string{"denoising", "compression", "anomalies"} {
		for _, net := range pictureNets {
			x, ok := has(net.Kind + "-" + task)
			if !ok {
				continue
			}
			b.WriteString(title)
			title = ""
			figure := fmt.Sprintf("%.1f → %.1f dB", x.Also["PSNR noisy"], x.Also["PSNR"])
			switch task {
			case "compression":
				figure = fmt.Sprintf("%.1f dB at %.2f bits a pixel", x.Value, x.Also["bits"])
			case "anomalies":
				figure = fmt.Sprintf("area under the ROC curve %.1f %%", x.Value)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %.0f | %.1f | %s |\n", task, net.Kind, figure, x.Also["parameters"], x.Also["s"], memory(x.Also["MB"]))
		}
	}
	if len(got) == 0 {
		return "Not measured yet.\n"
	}
	return b.String() + "\n" + where(got) + "\n"
}

// memory is a number of megabytes, or nothing where none was measured.
func memory(mb float64) string {
	if mb == 0 {
		return ""
	}
	return strconv.FormatFloat(mb, 'f', 0, 64)
}
