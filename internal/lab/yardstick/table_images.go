package yardstick

import (
	"fmt"
	"strings"
)

// Marks of the places of the tables of pictures in a page.
const (
	fewConvsBegin = "<!-- fewlabels-conv -->\n"
	fewConvsEnd   = "<!-- end of fewlabels-conv -->\n"
	denoiseBegin  = "<!-- denoise -->\n"
	denoiseEnd    = "<!-- end of denoise -->\n"
)

// netWords describes a net of pictures.
func netWords(p pictureNet) string {
	units := strings.Trim(strings.ReplaceAll(fmt.Sprint(p.Units), " ", " and "), "[]")
	if p.Kind == "conv" {
		return fmt.Sprintf("3x3 convolutions of %s channels, each followed by a pool, and a code of %d numbers", units, p.Code)
	}
	return fmt.Sprintf("dense layers of %s units and a code of %d numbers", units, p.Code)
}

// FewConvsTable returns the kept results of fewlabels-conv as Markdown: a table for each
// data set, in which what the pretrained convolutional net is better than both others at is
// bold.
func FewConvsTable(all map[string]Result) string {
	var got []Result
	var b strings.Builder
	for _, data := range []struct{ name, title string }{{"mnist", "MNIST"}, {"fashion", "Fashion-MNIST"}} {
		for _, augmented := range []string{"plain", "augmented"} {
			x, ok := all[fewConvs+"/"+data.name+"/"+convNet.Kind+"-"+augmented]
			y, also := all[fewConvs+"/"+data.name+"/"+denseNet.Kind+"-"+augmented]
			if !ok || !also {
				continue
			}
			got = append(got, x, y)
			fmt.Fprintf(&b, "**%s**, %s; test rows misread, %%.\n\n| labels | convolutional, pretrained | from scratch | dense, pretrained | from scratch | seconds: convolutional | dense |\n|---:|---:|---:|---:|---:|---:|---:|\n",
				data.title, map[string]string{"plain": "as they are", "augmented": "augmented"}[augmented])
			for _, n := range fewCounts {
				of := func(r Result, way string) float64 { return r.Also[fmt.Sprintf("%s %d error", way, n)] }
				best := fmt.Sprintf("%.2f", of(x, "pretrained"))
				if of(x, "pretrained") < min(of(x, "scratch"), of(y, "pretrained")) {
					best = "**" + best + "**"
				}
				fmt.Fprintf(&b, "| %d | %s | %.2f | %.2f | %.2f | %.0f | %.0f |\n", n, best, of(x, "scratch"), of(y, "pretrained"), of(y, "scratch"),
					x.Also[fmt.Sprintf("pretrained %d s", n)], y.Also[fmt.Sprintf("pretrained %d s", n)])
			}
			fmt.Fprintf(&b, "\nPretraining took %.0f s and %.0f s.\n\n", x.Also["pretraining s"], y.Also["pretraining s"])
		}
	}
	if len(got) == 0 {
		return "Not measured yet.\n"
	}
	return b.String() + where(got) + "\n"
}

// DenoiseTable returns the kept results of denoise as Markdown.
func DenoiseTable(all map[string]Result) string {
	var got []Result
	var b strings.Builder
	b.WriteString("| noise | PSNR, noisy → denoised, dB | gain | SSIM, noisy → denoised | parameters | seconds |\n|---:|---:|---:|---:|---:|---:|\n")
	for _, sigma := range sigmas {
		x, ok := all[fmt.Sprint(denoise, "/sigma-", sigma)]
		if !ok {
			continue
		}
		got = append(got, x)
		fmt.Fprintf(&b, "| %v | %.2f → %.2f | %+.2f | %.3f → %.3f | %.0f | %.0f |\n", sigma, x.Also["PSNR noisy"], x.Also["PSNR"], x.Value,
			x.Also["SSIM noisy"], x.Also["SSIM"], x.Also["parameters"], x.Also["s"])
	}
	if len(got) == 0 {
		return "Not measured yet.\n"
	}
	return b.String() + "\n" + where(got) + "\n"
}
