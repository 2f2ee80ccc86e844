package yardstick

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestImageRecipes measures each recipe of pictures in its shortest form. An area of 50 %
// and an error of 90 % are those of a net that has learnt nothing, and a gain of less
// than 0 dB that of one that spoils what it gets.
func TestImageRecipes(t *testing.T) {
	digits := few(300, 200)
	conv, dense := pictureNet{"conv", []int{4, 8}, 24}, pictureNet{"dense", []int{64, 48}, 24}
	short, some := rising{20, 10, 2e-3}, falling{20, 2e-3, 10, 1e-6}
	for name, c := range map[string]struct {
		how         recipe
		least, most float64
		also        []string
	}{
		"cae":             {oneClass{Classes: 2, Encoding: some}, 75, 100, []string{"0", "1"}},
		"svdd":            {oneClass{Centre: true, Classes: 2, Encoding: some, Drawing: falling{6, 1e-3, 10, 1e-6}}, 75, 100, []string{"0", "1"}},
		"few, conv":       {fewConv{conv, 4, 0.3, 0.2, rising{10, 10, 2e-3}, 150, 10, 3e-3, 0.2, "", []int{50, 100}, 2}, 8, 55, []string{"pretrained 100 error", "scratch 50 error", "pretraining s", "parameters"}},
		"few, dense":      {fewConv{dense, 7, 0.3, 0.2, rising{10, 10, 2e-3}, 150, 10, 3e-3, 0.2, turns, []int{50}, 1}, 8, 60, []string{"scratch 50 s", "pretrained 50 MB"}},
		"restored":        {restorer{conv, 0.5, short}, 4, 14, []string{"PSNR", "PSNR noisy", "SSIM", "SSIM noisy", "parameters", "s"}},
		"compressed":      {compressor{conv, 4, short}, 11, 22, []string{"bits", "parameters", "MB"}},
		"anomalies":       {outlier{dense, 2, short}, 70, 100, []string{"parameters", "s"}},
		"residual":        {residual{Picture: []int{1, side, side}, Mean: []float64{0.13}, Spread: []float64{0.31}, Augment: "shift=1", Epochs: 3, Batch: 10, Rate: 0.05, Decay: 1e-4}, 1, 70, nil},
		"residual, bytes": {residual{Picture: []int{1, side, side}, Bytes: true, Mean: []float64{0.13}, Spread: []float64{0.31}, Epochs: 3, Batch: 10, Rate: 0.05, Decay: 1e-4}, 1, 70, nil},
		"of one part":     {fewConv{conv, 0, 0, 0.4, rising{1, 50, 3e-3}, 1, 50, 1e-3, 0, "", []int{50}, 1}, 60, 99, nil}, // hardly trained
	} {
		t.Run(name, func(t *testing.T) {
			digits := digits
			if r, ok := c.how.(residual); ok && r.Bytes {
				digits = few(300, 200, dataset.IDXOptions{Bytes: true})
			}
			n, err := c.how.measure(t.Context(), &input{digits: digits})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%.5g %v", n.value, n.also)
			if !(n.value > c.least && n.value < c.most) {
				t.Errorf("%.5g, want from %v to %v", n.value, c.least, c.most)
			}
			for _, k := range c.also {
				if v, ok := n.also[k]; !ok || math.IsNaN(v) || v <= 0 && !strings.HasSuffix(k, "MB") {
					t.Errorf("%q is %v, %v", k, v, ok)
				}
			}
		})
	}
}

// TestContrast: each picture's pixels are about 0 with a mean absolute value of 1 before the
// class's own reach from 0 to 1, of which the test rows take no part.
func TestContrast(t *testing.T) {
	digits := few(100, 50)
	x := contrast(digits.Train.F32("x"))
	for at := 0; at < len(x); at += side * side {
		mean, size := 0.0, 0.0
		for _, v := range x[at : at+side*side] {
			mean, size = mean+float64(v)/(side*side), size+math.Abs(float64(v))/(side*side)
		}
		if math.Abs(mean) > 1e-5 || math.Abs(size-1) > 1e-5 {
			t.Fatalf("a picture's mean is %v and its mean absolute value %v", mean, size)
		}
	}
	normal, test, err := contrasted(digits, 3)
	if err != nil {
		t.Fatal(err)
	}
	if lo, hi := slices.Min(normal.F32("x")), slices.Max(normal.F32("x")); lo != 0 || hi != 1 || normal.Len() != 10 || test.Len() != 50 {
		t.Errorf("%d rows from %v to %v; %d to test", normal.Len(), lo, hi, test.Len())
	}
	for _, y := range normal.I64("y") {
		if y != 3 {
			t.Errorf("a row of class %d", y)
		}
	}
	if _, _, err := contrasted(digits, 11); err == nil {
		t.Error("a class without rows")
	}
}

// TestAbsent: a cell of an absent data set is skipped with what to get, and another is
// measured; a target is reached from the side that is better.
func TestAbsent(t *testing.T) {
	runs := 0
	var said []string
	o := Options{Digits: few(100, 50), Data: "few", Skipped: func(cell string, why error) {
		if !errors.Is(why, ErrAbsent) {
			t.Errorf("%s: %v", cell, why)
		}
		said = append(said, fmt.Sprint(cell, ": ", why))
	}}
	cells := []Cell{{Name: "deepsvdd/fashion/cae", Data: fashion, Seeds: 1, how: fixed{1, &runs}}, {Name: "cifar-resnet20", Data: cifar, Seeds: 1, how: fixed{1, &runs}},
		{Name: "deepsvdd/mnist/cae", Seeds: 1, More: true, Target: 2, how: fixed{3, &runs}}, {Name: "deepsvdd/mnist/svdd", Seeds: 1, More: true, Target: 4, how: fixed{3, &runs}}}
	for _, o.Datasets = range []string{"", t.TempDir()} {
		said, runs = nil, 0
		list, err := Run(t.Context(), cells, o)
		if err != nil || len(list) != 2 || runs != 2 || !*list[0].Reached || *list[1].Reached {
			t.Fatalf("%d runs, %+v: %v", runs, list, err)
		}
		if all := strings.Join(said, "\n"); len(said) != 2 || !strings.Contains(all, "LAMINA_DATASETS") || !strings.Contains(all, "dataset-fashion-mnist") || !strings.Contains(all, cifarFile) {
			t.Errorf("said %q", said)
		}
	}
	got := Table(map[string]Result{"deepsvdd/mnist/cae": {Name: "deepsvdd/mnist/cae", Value: 90, Target: 89.7, More: true, Reached: new(bool)}})
	if !strings.Contains(got, "≥ 89.70, missed") {
		t.Error(got)
	}
	// What is there and not readable is no absent data set.
	if err := os.Mkdir(filepath.Join(o.Datasets, cifar), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), cells[1:2], o); err == nil || errors.Is(err, ErrAbsent) {
		t.Errorf("no archive: %v", err)
	}
	cells[0].Data = "frob"
	if _, err := Run(t.Context(), cells[:1], o); err == nil {
		t.Error("a data set that nobody knows")
	}
}

// TestSets reads the data sets that there are: they are the published ones.
func TestSets(t *testing.T) {
	o := Options{Datasets: os.Getenv("LAMINA_DATASETS")}
	if o.Datasets == "" {
		t.Skip("set LAMINA_DATASETS to a folder above the data sets")
	}
	read := map[string]rows{}
	for name, s := range sets {
		r, err := o.rowsOf(Cell{Data: name}, read)
		if errors.Is(err, ErrAbsent) {
			t.Log(err)
			continue
		}
		if err != nil || !strings.HasPrefix(r.name, s.title+", ") || r.name != keptOf(name) {
			t.Errorf("%s is %q, want %q: %v", name, r.name, keptOf(name), err)
		}
		again, err := o.rowsOf(Cell{Data: name}, read)
		if err != nil || again.split != r.split {
			t.Errorf("%s is read twice: %v", name, err)
		}
	}
}

// TestImageTables: what is better than both others is bold, and each figure stands in its
// column.
func TestImageTables(t *testing.T) {
	all := map[string]Result{}
	put := func(name string, value float64, also map[string]float64) {
		all[name] = Result{Name: name, Value: value, Also: also, Machine: "here", Date: "2026-01-02"}
	}
	figures := func(scratch, pretrained float64) map[string]float64 {
		m := map[string]float64{"pretraining s": 7}
		for _, n := range fewCounts {
			m[fmt.Sprintf("scratch %d error", n)], m[fmt.Sprintf("pretrained %d error", n)], m[fmt.Sprintf("pretrained %d s", n)] = scratch, pretrained, 2
		}
		return m
	}
	put("fewlabels-conv/mnist/conv-plain", 3, figures(5, 3))
	put("fewlabels-conv/mnist/dense-plain", 4, figures(6, 4))
	put("fewlabels-conv/fashion/conv-augmented", 3, figures(5, 4.5))
	put("fewlabels-conv/fashion/dense-augmented", 4, figures(6, 4))
	put("denoise/sigma-0.25", 8.5, map[string]float64{"PSNR noisy": 12, "PSNR": 20.5, "SSIM noisy": 0.4, "SSIM": 0.9, "parameters": 1234, "s": 5})
	put("claims/conv-denoising", 8.5, map[string]float64{"PSNR noisy": 12, "PSNR": 20.5, "parameters": 1234, "s": 5, "MB": 50})
	put("claims/dense-compression", 18, map[string]float64{"bits": 0.25, "parameters": 99, "s": 5})
	put("claims/conv-anomalies", 96, map[string]float64{"parameters": 99, "s": 5})
	page := FewConvsTable(all) + DenoiseTable(all) + ClaimsTable(all)
	for _, want := range []string{"**MNIST**, as they are", "| 600 | **3.00** | 5.00 | 4.00 | 6.00 | 2 | 2 |", "**Fashion-MNIST**, augmented", "| 3000 | 4.50 | 5.00 | 4.00 | 6.00 |",
		"| 0.25 | 12.00 → 20.50 | +8.50 | 0.400 → 0.900 | 1234 | 5 |", "| denoising | conv | 12.0 → 20.5 dB | 1234 | 5.0 | 50 |",
		"| compression | dense | 18.0 dB at 0.25 bits a pixel | 99 | 5.0 |  |", "| anomalies | conv | area under the ROC curve 96.0 % | 99 |"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if FewConvsTable(nil) != "Not measured yet.\n" || DenoiseTable(nil) != "Not measured yet.\n" {
		t.Error("tables of nothing")
	}
}
