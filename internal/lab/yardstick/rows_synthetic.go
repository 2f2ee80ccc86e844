package yardstick

const synth = "synthetic" // the row's name

// syntheticRow is what generated glyphs are worth for reading real digits.
func syntheticRow() Row {
	how := drawn{Strokes: "strokes rows=60000 seed=1 glyphs=1000", Net: fewConv{Net: pictureNet{"conv", []int{8, 16}, 64}, Block: 4, Blank: 0.5, Noise: 0.2,
		Pretrain: rising{2, 50, 2e-3}, Updates: 400, Batch: 25, Rate: 1e-3, Drop: 0.3, Labels: []int{100}, Draws: 10}}
	return Row{Name: synth, Source: "the same net from scratch, and pretrained on the real digits without labels", Apart: true, Within: true,
		Metric:  "test error, %, from 100 labels, of the classifier that was pretrained to name generated glyphs; mean of 10 draws",
		Differs: "Shortened: see internal/lab/yardstick",
		Cells:   []Cell{{Seeds: 1, how: how}}}
}
