package yardstick

const tabular = "tabular" // the row's name

// flightDraws are the labels that everyone gets.
var flightDraws = draws{Labels: []int{500, 2000, 10000}, Draws: 5, Folds: 4, Measured: 2000}

// tabularRow is which flights will be late, from few labels.
func tabularRow() Row {
	const script = "sklearn_flights.py"
	const area = "area under the ROC curve, %, from 500 labels"
	how := delayed{draws: flightDraws, Units: []int{256, 128, 64}, Mask: 0.3, Pretrain: rising{4, 256, 1e-3}, Batch: 100, Drop: 0.2, Updates: 13.4,
		Choices: []choice{{"linear", 1e-2, 0.5}, {"linear", 1e-2, 1.5}, {"wide", 1e-3, 1}, {"wide", 1e-3, 2}, {"deep", 1e-3, 1}}}
	return Row{Name: tabular, Source: "scikit-learn on the same rows", Apart: true, Metric: area, Differs: "See internal/lab/yardstick",
		Cells: []Cell{
			{Name: "lamina", Data: flights, More: true, how: how},
			{Name: "sklearn", Data: flights, More: true, how: flightPeers{flightDraws, script}},
			{Name: "reading", Data: flights, More: true, Metric: "rows a second, read and encoded", how: flightReading{5, script}},
		}}
}

const sensor = "sensor" // the row's name

// sensorRow is exercises by a watch, of people of whom no recording is labelled.
func sensorRow() Row {
	how := wearer{Folds: 5, Channels: []int{32, 64, 64}, Pools: []int{4, 2}, Kernel: 5, Drop: 0.3, Batch: 50, Rate: 1e-3}
	all, people := how, how
	moved := motion{Mirror: true, Turn: 0.3, Scale: 0.15}
	all.Updates, all.Inner, all.Motions, all.L2 = 900, 2, []motion{{}, moved}, []float64{0.001, 0.01, 0.1}
	people.Updates, people.Motions, people.L2 = 300, []motion{moved}, []float64{0.01}
	people.People, people.Draws = []int{1, 2, 5}, 2
	people.Mask, people.Block, people.Pretrain = 0.4, 10, rising{10, 50, 1e-3}
	return Row{Name: sensor, Source: "Burns et al. 2018", Apart: true, Metric: "windows named rightly, %, of people who are not in training", Differs: "See internal/lab/yardstick",
		Cells: []Cell{
			{Name: "all", Data: watches, More: true, Published: 87.3, Target: 87.3, how: all},
			{Name: "people", Data: watches, More: true, Metric: "windows named rightly, %, from one labelled person, pretrained without the test people", how: people},
		}}
}

const denseAnomaly = "anomaly-dense" // the row's name

// denseAnomalyRow is one digit told from the others by a dense autoencoder of it.
func denseAnomalyRow() Row {
	return Row{Name: denseAnomaly, Source: "a round figure", Apart: true, Metric: "mean area under the ROC curve over ten normal digits, %", Differs: "See internal/lab/yardstick",
		Cells: []Cell{{Target: 90, More: true, how: oneClass{Net: &pictureNet{"dense", []int{500, 250}, 32}, Classes: 10, Encoding: falling{Epochs: 15, Rate: 1e-3, Batch: 100}}}}}
}
