package yardstick

// The names of the rows of rates by layer.
const (
	lrInit   = "lrinit"
	lrSearch = "lrsearch"
)

// layered is the net of both rows, how it is pretrained, and how it learns from labels.
var layered = layerRates{Net: pictureNet{"dense", []int{500}, 300}, Mask: 0.3, Pretrain: rising{6, 100, 1e-3}, Labels: 600, Draws: 10, Tune: rising{25, 50, 1e-3}, Decay: 0.75}

// lrInitRow is rates from gradients, and by depth.
func lrInitRow() Row {
	return Row{Name: lrInit, Source: "one rate for all layers", Apart: true, Within: true, Metric: "test error, %, of the pretrained classifier with rates from gradients, p = 0.5", Differs: "See internal/lab/yardstick",
		Cells: []Cell{{Seeds: 1, how: presetRates{layered, []float64{3e-4, 1e-3}}}}}
}

// lrSearchRow is rates that are searched for by folds.
func lrSearchRow() Row {
	return Row{Name: lrSearch, Source: "one rate for all layers", Apart: true, Within: true, Metric: "test error, %, of the pretrained classifier with rates that were searched for", Differs: "See internal/lab/yardstick",
		Cells: []Cell{{Seeds: 1, how: searchedRates{layered, 3, 8, 6, 2}}}}
}
