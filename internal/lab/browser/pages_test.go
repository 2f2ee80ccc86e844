package browser

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"strings"

	"github.com/lamina-ml/lamina/runtime/report/page"
)

// pages are what the tests look at: one as a report would be, and one of extremes.
func pages() map[string]*page.Page {
	return map[string]*page.Page{"report": report(), "extremes": extremes()}
}

func report() *page.Page {
	counts := []float64{100, 300, 600, 1000, 3000}
	curve := func(name string, from, to, wide float64, dashed bool) page.Series {
		s := page.Series{Name: name, Dashed: dashed}
		for i, n := range counts {
			y := from * math.Pow(to/from, float64(i)/float64(len(counts)-1))
			s.Points = append(s.Points, page.Point{X: n, Y: y, Low: y - wide/float64(i+1), High: y + wide/float64(i+1)})
		}
		return s
	}
	loss := func(name string, from, to float64, bump float64) page.Series {
		y := make([]float64, 60)
		for i := range y {
			y[i] = to + (from-to)*math.Exp(-float64(i)/12) + bump*math.Sin(float64(i)*1.7)
		}
		return page.Curve(name, y...)
	}
	classes := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
	confusion := make([][]float64, 10)
	for i := range confusion {
		confusion[i] = make([]float64, 10)
		for j := range confusion[i] {
			confusion[i][j] = float64(i * j * (i + j) % 13 % 5)
		}
		confusion[i][i] = 940 + float64(i*7%50)
	}
	var clouds []page.Cloud
	for i, c := range classes {
		g := page.Cloud{Name: c}
		for j := range 120 {
			a, r := float64(j)*2.4, math.Sqrt(float64(j))/4
			g.Points = append(g.Points, page.Dot{X: 4*math.Cos(float64(i)*0.63) + r*math.Cos(a), Y: 3*math.Sin(float64(i)*0.63) + r*math.Sin(a), Name: fmt.Sprintf("row %d", i*120+j)})
		}
		clouds = append(clouds, g)
	}
	var filters, digits []page.Group
	for i := range 24 {
		filters = append(filters, page.Single(fmt.Sprintf("filter %d", i+1), wave(28, float64(i)/3, 0)))
	}
	for i := range 10 {
		digits = append(digits, page.Group{Name: classes[i], Pictures: []page.Picture{
			{Says: "original", Image: wave(28, float64(i), 1)}, {Says: "reconstruction", Image: wave(28, float64(i), 1.3)}}})
	}
	return &page.Page{
		Title:   "How many labels do digits need?",
		Verdict: []string{"With 600 labels a pretrained encoder errs on 6.1 % of the test rows, one from scratch on 10.9 %.", "From 3000 labels on the difference is 2.7 points and still outside its interval.", "One label saves as much as 4 more would without pretraining."},
		Facts: []page.Fact{{Name: "Machine", Value: "AMD EPYC 9B14, 2 cores, linux/amd64, avx512"}, {Name: "Seeds", Value: "1 to 10"}, {Name: "Rows", Value: page.Number(60000)},
			{Name: "Time", Value: "12 min 40 s"}, {Name: "Memory", Value: "412 MB"}},
		Sections: []page.Section{
			{Title: "The label curve", Text: []string{"Errors on 10 000 test rows, which chose nothing. Each point is the mean of 10 draws of labels with as many of each class; all ways had the same draws."}, Blocks: []page.Block{
				&page.Lines{Title: "Error by number of labels", Note: "Bands are 95 % intervals of the mean over 10 draws.", X: page.Axis{Label: "labels", Log: true}, Y: page.Axis{Label: "error (%)", Zero: true},
					Series: []page.Series{curve("from scratch", 25.8, 6, 1.8, true), curve("pretrained, denoising", 13.5, 3.2, 1.2, false), curve("pretrained, then pseudo-labels", 10.4, 2.7, 0.9, false)}},
				&page.Table{Title: "Error in %, by labels", Columns: []string{"way", "100", "300", "600", "1000", "3000"}, Strong: []int{2}, Note: "Mean and half the width of the 95 % interval.",
					Rows: [][]string{{"majority class", "88.7", "88.7", "88.7", "88.7", "88.7"}, {"from scratch", "25.8 ± 1.8", "16.2 ± 0.9", "10.9 ± 0.6", "8.1 ± 0.5", "6.0 ± 0.4"}, {"pretrained, then pseudo-labels", "10.4 ± 0.9", "7.4 ± 0.5", "5.3 ± 0.3", "3.8 ± 0.2", "2.7 ± 0.2"}}},
				&page.Bars{Title: "Seconds by way", Label: "seconds", Small: true, Bars: []page.Bar{{Name: "majority class", Value: 0.02}, {Name: "logistic regression", Value: 3.4}, {Name: "from scratch", Value: 41.2, Low: 39, High: 44}, {Name: "pretrained", Value: 128.5, Low: 120, High: 139, Strong: true}}},
				&page.Bars{Title: "Gain over scratch, in points", Label: "points", Small: true, Bars: []page.Bar{{Name: "100 labels", Value: 15.4, Low: 13.1, High: 17.7}, {Name: "600 labels", Value: 5.6, Low: 4.4, High: 6.8}, {Name: "60 000 labels", Value: -0.3, Low: -0.9, High: 0.3}}},
			}},
			{Title: "What goes wrong", Blocks: []page.Block{
				&page.Confusion{Title: "Test rows with 600 labels", Classes: classes, Counts: confusion, Note: "Shades are shares of a class; those of mistakes are drawn stronger."},
			}},
			{Title: "What was learned", Blocks: []page.Block{
				&page.Scatter{Title: "Two directions of the codes", X: page.Axis{Label: "first component"}, Y: page.Axis{Label: "second component"}, Groups: clouds, Note: "Principal components of 1200 codes."},
				&page.Pictures{Title: "Reconstructions", Note: "Top to bottom: original, reconstruction.", Groups: digits},
				&page.Pictures{Title: "Filters of the first layer", Groups: filters},
			}},
			{Title: "How it was trained", Blocks: []page.Block{
				&page.Lines{Title: "Loss", X: page.Axis{Label: "epoch"}, Y: page.Axis{Label: "mean squared error", Log: true}, Series: []page.Series{loss("training", 0.21, 0.009, 0), loss("validation", 0.22, 0.0107, 0.0004)}},
				&page.Lines{Title: "Learning rate", Small: true, X: page.Axis{Label: "epoch"}, Y: page.Axis{Label: "rate", Zero: true}, Series: []page.Series{loss("rate", 0.001, 0, 0)}},
				&page.Lines{Title: "Gradient norm", Small: true, X: page.Axis{Label: "epoch"}, Y: page.Axis{Label: "L2 norm", Zero: true}, Series: []page.Series{loss("mean", 1.4, 0.2, 0.03), loss("greatest", 3.2, 0.6, 0.1)}},
				&page.Text{Title: "Summary", Body: "layer             out      parameters\nencoder/dense1    [N 500]     392,500\nencoder/dense2    [N 250]     125,250\n"},
				&page.Text{Title: "The program", Body: strings.Repeat("graph digits(x f32[N 784]) { … a long line that goes on and on and on beyond the edge of any screen … }\n", 30), Folded: true},
			}},
		},
		Foot: "Written by lamina report.",
	}
}

// wave is a picture.
func wave(n int, phase, twist float64) image.Image {
	m := image.NewGray(image.Rect(0, 0, n, n))
	for y := range n {
		for x := range n {
			v := math.Sin(float64(x)/4+phase) * math.Cos(float64(y)/5+phase*twist)
			m.SetGray(x, y, color.Gray{Y: uint8(127 + 120*v)})
		}
	}
	return m
}

func extremes() *page.Page {
	word := strings.Repeat("Donaudampfschifffahrtsgesellschaft", 6)
	long := page.Series{Name: word}
	for i := range 10000 {
		long.Points = append(long.Points, page.Point{X: float64(i), Y: math.Sin(float64(i)/400) * 1e6, Low: -2e6, High: 2e6})
	}
	var fifty []page.Series
	for i := range 50 {
		fifty = append(fifty, page.Curve(fmt.Sprintf("series %d", i+1), float64(i), float64(i%7), float64(i*i%11), math.NaN(), float64(i)/2, 3))
	}
	wide := &page.Table{Title: "A wide table", Columns: []string{"row"}}
	row := []string{word}
	for i := range 40 {
		wide.Columns = append(wide.Columns, fmt.Sprintf("column %d", i))
		row = append(row, page.Number(float64(i)*1234.5))
	}
	wide.Rows = [][]string{row, row}
	counts := make([][]float64, 30)
	var classes []string
	for i := range counts {
		counts[i] = make([]float64, 30)
		counts[i][i], counts[i][(i+7)%30] = 50, float64(i)
		classes = append(classes, fmt.Sprintf("class number %d", i))
	}
	counts[3] = make([]float64, 30)
	two := []page.Dot{{X: 1e-9, Y: 1e9}, {X: 3e-9, Y: -1e9}}
	bars := make([]page.Bar, 30)
	for i := range bars {
		bars[i] = page.Bar{Name: word[:10+i*6], Value: math.Sin(float64(i)) * 1e5, Low: -1e5, High: 2e5}
	}
	return &page.Page{Title: word, Verdict: []string{word + " <script>alert(1)</script>", word}, Facts: []page.Fact{{Name: word, Value: word}, {Name: "Empty"}},
		Sections: []page.Section{
			{Title: word, Text: []string{word}, Blocks: []page.Block{
				&page.Lines{Title: word, Note: word, X: page.Axis{Label: word}, Y: page.Axis{Label: word}, Series: []page.Series{long}},
				&page.Lines{Title: "Fifty", Series: fifty},
				&page.Lines{Title: "Nothing"},
				&page.Lines{Title: "One point", Small: true, Bars: true, Series: []page.Series{{Name: "one", Points: []page.Point{{X: 3, Y: 1e-7, Low: 0.5e-7, High: 2e-7}}}}},
				&page.Lines{Title: "Near each other", Small: true, Series: []page.Series{page.Curve("near", 1e9+1, 1e9+2, 1e9+4)}},
				&page.Lines{Title: "Decades", X: page.Axis{Log: true, Label: "rate"}, Y: page.Axis{Log: true, Label: "loss"}, Series: []page.Series{{Name: "a", Points: []page.Point{{X: 1e-9, Y: 1e-12}, {X: 1, Y: 3}, {X: 1e7, Y: 1e12}}}}},
				&page.Bars{Title: "Bars", Bars: bars},
			}},
			{Title: "Tables", Blocks: []page.Block{wide, &page.Confusion{Title: "Thirty classes", Classes: classes, Counts: counts},
				&page.Scatter{Title: "Two points", Groups: []page.Cloud{{Name: word, Points: two}, {Name: "empty"}}},
				&page.Pictures{Title: "A large picture", Groups: []page.Group{page.Single("large", wave(1500, 0, 1)), page.Single("a line", image.NewGray(image.Rect(0, 0, 1500, 30)))}},
				&page.Text{Title: "Text", Body: word + strings.Repeat(word, 20)},
			}},
		}}
}
