package yardstick

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/lamina-ml/lamina/runtime/optim"
)

// Marks of the place of the precisions in a page.
const (
	precisionBegin = "<!-- precision -->\n"
	precisionEnd   = "<!-- end of precision -->\n"
)

const precision = "precision" // the row's name

// inPrecision measures a recipe whose products are trained in a precision. What is trained is measured in float32, as it
// ships.
type inPrecision struct {
	Precision string `json:"precision"` // as optim.ParsePrecision reads it
	How       recipe `json:"how"`
}

func (p inPrecision) measure(ctx context.Context, in *input) (numbers, error) {
	parsed, err := optim.ParsePrecision(p.Precision)
	if err != nil {
		return numbers{}, fmt.Errorf("yardstick: %w", err)
	}
	part := *in
	part.precision = parsed
	return p.How.measure(ctx, &part)
}

// precisionWorks are trained in both precisions: the net of keras-tied as it is there, those of ae30/direct and
// sdae/basic/SDAE-3 for fewer epochs, the latter in batches of 50, as sums over fewer than 32 rows stay in float32.
var precisionWorks = []struct {
	name, metric, says string
	how                recipe
}{
	{"keras-tied", reconstruction, "784-100-30, tied, 20 epochs: mean squared error of the test rows",
		tied{[]int{100, 30}, 20, 256, 1e-3}},
	{"ae30-direct", "squared error per test image, summed over pixels", "784-1000-500-250-30, 8 epochs of AdamW: squared error per test image",
		autoencoder{[]int{1000, 500, 250, 30}, "elu", pretraining{Kind: "none"}, tuning{Epochs: 8, Rate: 2e-3, Batch: 100, Loss: "mse", Decay: 0.2}}},
	{"sdae-basic", "test error, %", "three layers of 1,000, pretrained on 10,000 rows for 5 epochs a layer, tuned for 10: test error, %",
		classifier{"basic", sizes{10000, 2000, 50000}, []int{1000, 1000, 1000}, pretraining{Kind: "denoising", Noise: 0.25, Epochs: 5, Rate: 2e-3, Batch: 50},
			tuning{Epochs: 10, Rate: 4e-3, Batch: 50}}},
}

// precisionRow holds trainings in bf16 against the same in float32.
func precisionRow() Row {
	r := Row{Name: precision, Source: "the same trainings in float32", Apart: true, Metric: reconstruction, Differs: "Shortened: see internal/lab/yardstick"}
	for _, w := range precisionWorks {
		for _, p := range []string{"fp32", "bf16"} {
			r.Cells = append(r.Cells, Cell{Name: w.name + "/" + p, Metric: w.metric, Seeds: 5, how: inPrecision{p, w.how}})
		}
	}
	return r
}

// PrecisionTable returns the kept results of the precisions as Markdown; a work that lacks one of them is left out.
func PrecisionTable(all map[string]Result) string {
	var got []Result
	var b strings.Builder
	b.WriteString("| work | float32 | bf16 | bf16 less float32, seed by seed | within the spread | seconds a seed, float32 → bf16 |\n|---|---:|---:|---:|---|---:|\n")
	for _, w := range precisionWorks {
		x, ok := all[precision+"/"+w.name+"/fp32"]
		y, also := all[precision+"/"+w.name+"/bf16"]
		if !ok || !also || len(x.Values) != len(y.Values) {
			continue
		}
		got = append(got, x, y)
		var by []float64
		for i := range x.Values {
			by = append(by, y.Values[i]-x.Values[i])
		}
		within := "**no**"
		if math.Abs(mean(by)) <= max(x.Std, y.Std) {
			within = "yes"
		}
		fmt.Fprintf(&b, "| %s | %.5g ± %.2g | %.5g ± %.2g | %+.2g ± %.2g | %s | %.1f → %.1f |\n", w.says, x.Value, x.Std, y.Value, y.Std,
			mean(by), deviation(by), within, x.WallS, y.WallS)
	}
	if len(got) == 0 {
		return "Not measured yet.\n"
	}
	return b.String() + "\n" + where(got) + "\n"
}
