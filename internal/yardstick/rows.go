package yardstick

import "math"

// Rows lists the yardsticks. Their published numbers are percentages of wrong rows
// unless the metric says otherwise.
func Rows() []Row {
	rows := []Row{pcaRow(), ae30Row(), kerasRow(), sdaeRow(), bengioRow()}
	for i := range rows {
		r := &rows[i]
		for j := range r.Cells {
			c := &r.Cells[j]
			c.Metric, c.Differs, c.Seeds = r.Metric, r.Differs, max(c.Seeds, 1)
			if c.Name != "" {
				c.Name = "/" + c.Name
			}
			c.Name = r.Name + c.Name
		}
	}
	return rows
}

func pcaRow() Row {
	return Row{Name: "pca30", Source: "Hinton and Salakhutdinov 2006", Metric: "squared error per test image, summed over pixels",
		Differs: "By gonum alone, exact: it checks the metric",
		Cells:   []Cell{{Published: 13.87, Target: 13.87, how: components{30}}}}
}

// ae30Row has the same net three ways. The paper's is the first.
func ae30Row() Row {
	units := []int{1000, 500, 250, 30}
	elu := func(p pretraining) autoencoder {
		return autoencoder{units, "elu", p, tuning{Epochs: 30, Rate: 2e-3, Batch: 100, Loss: "mse"}}
	}
	return Row{Name: "ae30", Source: "Hinton and Salakhutdinov 2006", Metric: "squared error per test image, summed over pixels",
		Differs: "784-1000-500-250-30 and back as published, with a linear code; one seed. Fine-tuning is 30 epochs of Adam on the squared error instead of 200 of conjugate gradients. " +
			"`rbm` is the paper's way with its logistic units, shortened to 15 epochs a machine from 50; `denoising` and `direct` have exponential linear units",
		Cells: []Cell{
			{Name: "rbm", Published: 3.00, Target: 3.00, how: autoencoder{units, "sigmoid", pretraining{Kind: "rbm", Epochs: 15, Rate: 0.1, CodeRate: 1e-3, Decay: 2e-4, Batch: 100},
				tuning{Epochs: 30, Rate: 1e-3, Batch: 100, Loss: "mse"}}},
			{Name: "denoising", Published: 3.00, Target: 3.00, how: elu(pretraining{Kind: "denoising", Noise: 0.1, Epochs: 3, Rate: 1e-3, Batch: 100})},
			{Name: "direct", Published: 3.00, Target: 2.50, how: elu(pretraining{Kind: "none"})},
		}}
}

func kerasRow() Row {
	return Row{Name: "keras-tied", Source: "the same net in Keras on two cores, Adam, batches of 256, 20 epochs", Metric: "mean squared error of the test rows, over pixels",
		Differs: "784-100-30 with a tied decoder, the net of make demo",
		Cells:   []Cell{{Target: 0.0160, Seconds: 25.5, Seeds: 5, how: tied{[]int{100, 30}, 20, 256, 1e-3}}}}
}

// sdaeRow is aimed at one published 95 % interval above each number.
func sdaeRow() Row {
	r := Row{Name: "sdae", Source: "Vincent et al. 2010, table 3", Metric: "test error, %",
		Differs: "Data regenerated from MNIST with a fixed seed, 10,000 rows to train, 2,000 to choose hyper-parameters by, 50,000 to test"}
	rows := sizes{10000, 2000, 50000}
	units := []int{1000, 1000, 1000}
	add := func(name, data string, published float64, p pretraining, t tuning) {
		r.Cells = append(r.Cells, Cell{Name: data + "/" + name, Published: published, Target: rounded(published + interval(published, rows.Test)),
			how: classifier{data, rows, units, p, t}})
	}
	t := tuning{Epochs: 30, Rate: 5e-4, Batch: 100}
	add("SAE-3", "basic", 3.46, pretraining{Kind: "autoencoder", Epochs: 10, Rate: 1e-3, Batch: 100}, t)
	add("SDAE-3", "basic", 2.84, pretraining{Kind: "denoising", Noise: 0.1, Epochs: 10, Rate: 1e-3, Batch: 100}, t)
	add("SAE-3", "rot", 10.30, pretraining{Kind: "autoencoder", Epochs: 10, Rate: 1e-3, Batch: 100}, t)
	add("SDAE-3", "rot", 9.53, pretraining{Kind: "denoising", Noise: 0.25, Epochs: 10, Rate: 1e-3, Batch: 100}, t)
	add("SAE-3", "bg-rand", 11.28, pretraining{Kind: "autoencoder", Epochs: 10, Rate: 1e-3, Batch: 100}, t)
	add("SDAE-3", "bg-rand", 10.30, pretraining{Kind: "denoising", Noise: 0.4, Epochs: 10, Rate: 1e-3, Batch: 100}, t)
	return r
}

// bengioRow is in the order of the paper's test errors.
func bengioRow() Row {
	r := Row{Name: "bengio2007", Source: "Bengio et al. 2007, MNIST", Metric: "test error, %", Ordered: true,
		Differs: "Three hidden layers of 500 units, one seed"}
	units := []int{500, 500, 500}
	add := func(name string, train, valid, test float64, how greedy) {
		how.Valid = 10000
		r.Cells = append(r.Cells, Cell{Name: name, Published: test, Also: map[string]float64{"train": train, "valid": valid}, how: how})
	}
	t := descent{Epochs: 40, Rate: 0.1, Momentum: 0.9, Batch: 50}
	add("deep-auto-associator", 0, 1.4, 1.4, greedy{Kind: "auto-associator", Units: units, Pretrain: t, Tune: t})
	add("shallow-none", 0.004, 1.8, 1.9, greedy{Kind: "none", Units: units[:1], Tune: t})
	add("deep-supervised", 0, 1.7, 2.0, greedy{Kind: "supervised", Units: units, Pretrain: t, Tune: t})
	add("deep-none", 0.004, 2.1, 2.4, greedy{Kind: "none", Units: units, Tune: t})
	return r
}

// interval is half the width of a 95 % interval of an error rate in per cent.
func interval(percent float64, rows int) float64 {
	p := percent / 100
	return 100 * 1.96 * math.Sqrt(p*(1-p)/float64(rows))
}
