package yardstick

import "fmt"

const fewTasks = "fewlabels" // the row's name

// fewTaskCell is a line of the table of the row.
type fewTaskCell struct {
	name, title string
	published   string          // whose numbers stand beside
	errors      map[int]float64 // published, by number of labels
	target      map[int]float64 // ours is to be at most this
	how         fewTask
}

// fewTaskCells are the lines, the control first.
func fewTaskCells() []fewTaskCell {
	dense := fewNet{Kind: "dense", Units: []int{1000}, Drop: []float64{0.2, 0.5}}
	plain := fewTask{Net: dense, Before: kind{Name: "none"}, Way: "fine-tuning", Updates: 2000, Passes: 50, Batch: 50, Rate: 1e-3, Decay: 0.01, Labels: fewCounts, Draws: 10}
	augmented := plain
	augmented.Augment = turns
	denoising, views := augmented, augmented
	denoising.Before = kind{Name: "denoising", Noise: 0.5, Epochs: 10, Rate: 1e-3}
	views.Before = kind{Name: "views", Noise: 0.3, Views: "shift=3,rotate=15,scale=0.15,shape=1x28x28", Epochs: 10, Rate: 1e-3}
	pseudo := views
	pseudo.Way, pseudo.Updates, pseudo.Passes, pseudo.Batch, pseudo.Rest, pseudo.Height, pseudo.From, pseudo.To = "pseudo-labels", 4000, 150, 32, 128, 1, 100, 600
	match := fewTask{Net: fewNet{Kind: "conv", Units: []int{16, 32, 64}, Drop: []float64{0, 0.3}}, Before: kind{Name: "none"}, Way: "FixMatch", Updates: 4000, Batch: 32, Rest: 96,
		Rate: 2e-3, Decay: 0.01, Average: 0.99, Weak: "shift=1,shape=1x28x28", Strong: "shift=2,rotate=10,scale=0.1,noise=0.3,shape=1x28x28", Labels: []int{100}, Draws: 5}
	before := map[int]float64{100: 13.47, 600: 6.30, 1000: 4.77, 3000: 3.22}
	most := map[int]float64{100: 13.5, 600: 6.3, 1000: 4.8, 3000: 3.2}
	return []fewTaskCell{
		{"scratch", "from scratch", "NN", map[int]float64{100: 25.81, 600: 11.44, 1000: 10.70, 3000: 6.04}, map[int]float64{100: 25.8, 600: 11.4, 1000: 10.7, 3000: 6.0}, plain},
		{"scratch-augmented", "from scratch, augmented", "NN", map[int]float64{100: 25.81, 600: 11.44, 1000: 10.70, 3000: 6.04}, map[int]float64{100: 25.8, 600: 11.4, 1000: 10.7, 3000: 6.0}, augmented},
		{"denoising", "pretrained to denoise, augmented", "CAE", before, most, denoising},
		{"views", "pretrained on moved views, augmented", "CAE", before, most, views},
		{"pseudo-labels", "the same with pseudo-labels", "Lee 2013 with DAE", map[int]float64{100: 10.49, 600: 4.01, 1000: 3.46, 3000: 2.69}, map[int]float64{100: 10.5, 600: 4.0, 1000: 3.5, 3000: 2.7}, pseudo},
		{"fixmatch", "convolutional, FixMatch", "M1+M2", map[int]float64{100: 3.33}, map[int]float64{100: 1.5}, match},
	}
}

// fewTaskRow is MNIST with few labels, dense and convolutional.
func fewTaskRow() Row {
	r := Row{Name: fewTasks, Source: "as quoted by Lee 2013 and Kingma et al. 2014; see internal/lab/yardstick", Apart: true,
		Metric:  "test error, %, from 100 labels, mean of class-balanced draws",
		Differs: "Shortened: see internal/lab/yardstick"}
	for _, c := range fewTaskCells() {
		also := map[string]float64{}
		for n, e := range c.errors {
			if n != fewCounts[0] {
				also[fmt.Sprintf("%d error", n)] = e
			}
		}
		r.Cells = append(r.Cells, Cell{Name: c.name, Published: c.errors[100], Target: c.target[100], Also: also, Seeds: 1, how: c.how})
	}
	return r
}
