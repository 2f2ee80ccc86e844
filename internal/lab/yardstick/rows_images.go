package yardstick

// oneClassRow is Deep SVDD beside the convolutional autoencoder that it starts from.
func oneClassRow() Row {
	r := Row{Name: "deepsvdd", Source: "MNIST: Ruff et al. 2018, Deep SVDD as it was measured again by others; Fashion-MNIST: Ruff et al. 2020",
		Metric: "mean area under the ROC curve over ten normal classes, %",
		Differs: "The authors' net, preprocessing and batches of 200; one seed. Shortened: 30 epochs of Adam with a rate of 0.001 for the autoencoder and 20 for the codes, " +
			"divided by ten after two thirds of them, instead of 150 each with 0.0001 and then 0.00001"}
	encoding := falling{Epochs: 30, Rate: 1e-3, Batch: 200, Decay: 0.5e-3}
	drawing := falling{Epochs: 20, Rate: 1e-3, Batch: 200, Decay: 0.5e-6}
	add := func(name, data string, published float64, how oneClass) {
		r.Cells = append(r.Cells, Cell{Name: name, Data: data, Published: published, Target: published, More: true, how: how})
	}
	for _, data := range []struct {
		name, set string
		cae, svdd float64
	}{{"mnist", "", 89.7, 93.6}, {"fashion", fashion, 90.2, 89.2}} {
		add(data.name+"/cae", data.set, data.cae, oneClass{Classes: 10, Encoding: encoding})
		add(data.name+"/svdd", data.set, data.svdd, oneClass{Centre: true, Classes: 10, Encoding: encoding, Drawing: drawing})
	}
	return r
}
