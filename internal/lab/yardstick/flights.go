package yardstick

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/evaluate"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

const flightsFile = "flights.csv.gz"

// late is the number of minutes on arrival above which a flight is late.
const late = 30

// flightFields are those that are known before departure, and the delay on arrival, of
// which the label is made. All else is measured on the day, or is a tail number, which a
// flight that was cancelled often lacks.
func flightFields() []dataset.InferOption {
	return []dataset.InferOption{
		dataset.Number.Of("year", "month", "day", "hour", "minute", "sched_arr_time", "distance"),
		dataset.Category.Of("carrier", "origin", "dest"),
		dataset.Target.Of("arr_delay"),
		dataset.Ignored.Of("dep_time", "sched_dep_time", "dep_delay", "arr_time", "flight", "tailnum", "air_time", "time_hour"),
	}
}

// readFlights reads the table of flights, in the order of the file:
//
//	numeric      f32[3]  hours of the day at which it is to depart and to arrive, miles
//	categorical  i64[5]  month, day of the week, carrier, origin, destination
//	day          i64[]   since 1970
//	y            i64[]   1 if it arrived more than 30 minutes late, 0 if not, -1 if it did not arrive
func readFlights(ctx context.Context, path string) (*dataset.Table, error) {
	schema, err := dataset.Infer(ctx, path, flightFields()...)
	if err != nil {
		return nil, err
	}
	read, err := schema.CSV(path)
	if err != nil {
		return nil, err
	}
	n := read.Len()
	given, names, fixed, delay := read.F32("numeric"), schema.Numeric(), read.I64("categorical"), read.F32("target")
	at := map[string]int{}
	for i, name := range names {
		at[name] = i
	}
	numeric, categorical := make([]float32, 0, 3*n), make([]int64, 0, 5*n)
	days, y := make([]int64, n), make([]int64, n)
	for i := range n {
		of := func(name string) float64 { return float64(given[i*len(names)+at[name]]) }
		clock := of("sched_arr_time") // 1905 is five minutes past seven
		departs, arrives := of("hour")+of("minute")/60, math.Floor(clock/100)+math.Mod(clock, 100)/60
		numeric = append(numeric, float32(departs), float32(arrives), float32(of("distance")))
		date := time.Date(int(of("year")), time.Month(int(of("month"))), int(of("day")), 0, 0, 0, 0, time.UTC)
		days[i] = date.Unix() / (24 * 60 * 60)
		categorical = append(categorical, int64(date.Month()-1), int64(date.Weekday()), fixed[3*i], fixed[3*i+1], fixed[3*i+2])
		switch d := float64(delay[i]); {
		case d > late:
			y[i] = 1
		case d != d:
			y[i] = -1
		}
	}
	return dataset.NewTable(
		dataset.Data{Column: dataset.Column{Name: "numeric", DType: dataset.F32, Shape: []int{3}}, F32: numeric},
		dataset.Data{Column: dataset.Column{Name: "categorical", DType: dataset.I64, Shape: []int{5}}, I64: categorical},
		dataset.Data{Column: dataset.Column{Name: "day", DType: dataset.I64}, I64: days},
		dataset.Data{Column: dataset.Column{Name: "y", DType: dataset.I64}, I64: y})
}

// byDay divides flights by whole days, which are drawn once: four fifths to train on, and
// of the others the flights that arrived, to test.
func byDay(rows *dataset.Table) (*dataset.Split, error) {
	training, other := rows.SplitByGroup("day", 0.8, 2013)
	if err := other.Err(); err != nil {
		return nil, err
	}
	var arrived []int
	for i, y := range other.I64("y") {
		if y >= 0 {
			arrived = append(arrived, i)
		}
	}
	test := other.Select(arrived)
	return &dataset.Split{Train: training, Test: test}, test.Err()
}

// cardinalities are the numbers of ids of each category of tables.
func cardinalities(tables ...*dataset.Table) []int {
	var most []int
	for _, t := range tables {
		ids := t.I64("categorical")
		width := len(ids) / t.Len()
		if most == nil {
			most = make([]int, width)
		}
		for i, id := range ids {
			most[i%width] = max(most[i%width], int(id)+1)
		}
	}
	return most
}

// draws says which labels are drawn, the same for all that learn from them. Settings are
// chosen by a cross-validation within a draw, whose folds share no day, and what was
// chosen is then trained on the whole draw.
type draws struct {
	Labels   []int `json:"labels"`
	Draws    int   `json:"draws"`
	Folds    int   `json:"folds"`    // of a draw
	Measured int   `json:"measured"` // rows that are enough to choose by: no more folds are used
}

// part is a fold of a draw.
type part struct{ fitted, held *dataset.Table }

// each calls f with the draws of a number of labels, and with the folds of each.
func (d draws) each(rows *dataset.Table, labels int, f func(draw int, all *dataset.Table, parts []part) error) error {
	for i := range d.Draws {
		all := rows.Stratified("y", labels, uint64(i)+1)
		if err := all.Err(); err != nil {
			return err
		}
		folds, err := evaluate.Folds(all.I64("y"), all.I64("day"), d.Folds, uint64(i)+1)
		if err != nil {
			return fmt.Errorf("draw %d of %d labels: %w", i, labels, err)
		}
		var parts []part
		for measured := 0; len(parts) < len(folds) && measured < d.Measured; {
			x := folds[len(parts)]
			parts = append(parts, part{all.Select(x.Train), all.Select(x.Test)})
			measured += len(x.Test)
		}
		if err := f(i, all, parts); err != nil {
			return fmt.Errorf("draw %d of %d labels: %w", i, labels, err)
		}
	}
	return nil
}

// scored puts the mean of the draws' areas among the values.
func scored(areas []float64) map[string]float64 {
	mean, half := spread(areas)
	return map[string]float64{"area": mean, "half": half}
}

// choice is what a draw chooses among: a classifier of the inputs alone (linear), of
// the code (deep), or the sum of both (wide). With more labels there are more updates, and the
// penalty is less: both go with the square root of their number.
type choice struct {
	Form string  `json:"form"`
	Rate float64 `json:"rate"`
	L2   float64 `json:"l2"` // over the root of the number of labels: added to gradients, times the weight
}

// delayed learns from few labels which flights will be late, from scratch and pretrained as
// a denoising autoencoder of all rows of the training days: the area under the ROC curve of
// the test days, in per cent, for each number of labels, averaged over draws.
type delayed struct {
	draws
	Units    []int    `json:"units"` // of dense layers; the last is the code's
	Mask     float64  `json:"mask"`  // share of the inputs that the denoising autoencoder does not see
	Pretrain rising   `json:"pretrain"`
	Batch    int      `json:"batch"`   // of a training on labels
	Drop     float64  `json:"drop"`    // share of the code that is dropped
	Updates  float64  `json:"updates"` // of a training, times the root of the number of labels
	Choices  []choice `json:"choices"`
}

// classifier returns the logits of a form.
func (n tableNet) classifier(form string, drop float64) (*spec.Value, error) {
	wide := func() *spec.Value { return n.in.Then(spec.Dense(2).Init(spec.Constant(0)).Named("wide")) }
	deep := func() *spec.Value { return n.code.Then(bent(), spec.Dropout(drop), spec.Dense(2).Named("head")) }
	switch form {
	case "linear":
		return wide().Named("logits"), nil
	case "deep":
		return deep().Named("logits"), nil
	case "wide":
		return spec.Add(wide(), deep()).Named("logits"), nil
	}
	return nil, fmt.Errorf("yardstick: no classifier of a table is named %q", form)
}

// tableNet is the net of a table up to its code.
type tableNet struct {
	in, code *spec.Value
	encoder  *spec.SequentialLayer
}

func (d delayed) net(cards []int) tableNet {
	numbers := spec.Input("numeric", 3).Then(spec.Standardise().Named("standard"))
	in := spec.Concat(0, numbers, spec.Categories("categorical", cards...).Then(spec.OneHotIDs(cards...)))
	var layers []spec.Layer
	for i, n := range d.Units {
		if layers = append(layers, spec.Dense(n)); i < len(d.Units)-1 {
			layers = append(layers, spec.ReLU())
		}
	}
	enc := spec.Sequential("encoder", layers...)
	return tableNet{in, in.Then(enc).Named("code"), enc}
}

func (d delayed) measure(ctx context.Context, in *input) (n numbers, err error) {
	if d.Draws < 1 || len(d.Labels) == 0 || len(d.Choices) == 0 || len(d.Units) == 0 {
		return n, fmt.Errorf("yardstick: %d draws, labels %v, choices %v, units %v", d.Draws, d.Labels, d.Choices, d.Units)
	}
	rows := in.digits
	cards := cardinalities(rows.Train, rows.Test)
	of := d.net(cards)
	restored := of.in.Then(spec.MaskingNoise(d.Mask), of.encoder, bent(), spec.Mirror("decoder", of.encoder))
	denoiser := spec.NewModel("denoiser", spec.MSE(restored, of.in))
	pretrained, took, err := in.pretrain("pretraining", "pretrained", func(in *input) (*train.Result, error) {
		return d.Pretrain.fit(ctx, in, denoiser, rows.Train, scratch)
	}, of.code, "encoder", "standard")
	if err != nil {
		return n, err
	}
	n.add("pretraining ", took)
	err = in.fromLabels(&n, []start{scratch, pretrained}, d.Labels, func(in *input, s start, labels int) (map[string]float64, error) {
		var areas []float64
		linear := 0.0
		err := d.each(rows.Train, labels, func(draw int, all *dataset.Table, parts []part) error {
			best, chosen := math.Inf(-1), d.Choices[0]
			for _, c := range d.Choices {
				sum := 0.0
				for _, p := range parts {
					area, err := d.area(ctx, in, cards, c, labels, uint64(draw), p.fitted, p.held, s)
					if err != nil {
						return err
					}
					sum += area
				}
				if sum > best {
					best, chosen = sum, c
				}
			}
			area, err := d.area(ctx, in, cards, chosen, labels, uint64(draw), all, rows.Test, s)
			areas = append(areas, area)
			if chosen.Form == "linear" {
				linear++
			}
			return err
		})
		values := scored(areas)
		values["linear"] = linear
		return values, err
	})
	if err != nil {
		return n, err
	}
	n.value = n.also[fmt.Sprintf("pretrained %d area", d.Labels[0])]
	return n, nil
}

// area trains on rows and returns the area under the ROC curve of others, in per cent.
func (d delayed) area(ctx context.Context, in *input, cards []int, c choice, labels int, draw uint64, rows, others *dataset.Table, s start) (float64, error) {
	logits, err := d.net(cards).classifier(c.Form, d.Drop)
	if err != nil {
		return 0, err
	}
	if c.Form == "linear" {
		s = scratch // it has nothing that was pretrained
	}
	m := spec.NewModel("late", spec.CrossEntropy(logits, spec.Labels("y", 2)))
	root := math.Sqrt(float64(labels))
	long := updated(int(d.Updates*root), rows.Len(), d.Batch, c.Rate)
	o := in.training(optim.Adam(c.Rate).Decay(c.L2/root).Schedule(long.schedule()), long.Epochs, d.Batch)
	o.Seed, o.InitFrom, o.Dir = in.seed+draw, s.from, "" // short: checkpoints would take longer than the training
	fit, err := train.Fit(ctx, m, rows, o)
	if err != nil {
		return 0, err
	}
	codes, err := evaluate.Codes(ctx, fit.Net(logits), others, "y")
	if err != nil {
		return 0, err
	}
	scores, positive := make([]float64, len(codes.Y)), make([]bool, len(codes.Y))
	for i, y := range codes.Y {
		scores[i], positive[i] = codes.X[2*i+1]-codes.X[2*i], y == 1
	}
	area, err := evaluate.AUROC(scores, positive)
	return 100 * area, err
}

// flightPeers are scikit-learn's gradient boosted trees and logistic regression on the rows
// of the same draws, by the same measure. What they are to choose by and to test on
// they get as index files, and give back a file of scores for each draw.
type flightPeers struct {
	draws
	Script string `json:"script"`
}

// flightModels are what the script trains, by the names of its files.
var flightModels = []string{"trees", "logistic"}

func (p flightPeers) measure(ctx context.Context, in *input) (n numbers, err error) {
	peer, err := sklearn(p.Script)
	if err != nil {
		return n, err
	}
	dir, done, err := in.shared("files")
	if err != nil {
		return n, err
	}
	defer done()
	file := filepath.Join(in.folder, flightsFile)
	took, err := in.way("sklearn", func(*input) (map[string]float64, error) {
		if err := p.indices(ctx, file, dir); err != nil {
			return nil, err
		}
		if _, err := peer.run(ctx, "--file", file, "--dir", dir); err != nil {
			return nil, err
		}
		return p.join(in.digits.Test, dir)
	})
	if err != nil {
		return n, err
	}
	n.add("", took)
	n.value = n.also[fmt.Sprintf("%s %d area", flightModels[0], p.Labels[0])]
	return n, nil
}

// indices writes test.index, and for each draw all-N-DRAW.index and fitted-N-DRAW-FOLD.index.
func (p flightPeers) indices(ctx context.Context, file, dir string) error {
	rows, err := readFlights(ctx, file)
	if err != nil {
		return err
	}
	split, err := byDay(rows)
	if err != nil {
		return err
	}
	write := func(name, drawn string, chosen *dataset.Table) error {
		x, err := dataset.NewIndex(rows, chosen, drawn)
		if err != nil {
			return err
		}
		return dataset.WriteIndex(filepath.Join(dir, name+".index"), x)
	}
	if err := write("test", "a fifth of the days, flights that arrived", split.Test); err != nil {
		return err
	}
	for _, labels := range p.Labels {
		err := p.each(split.Train, labels, func(draw int, all *dataset.Table, parts []part) error {
			err := write(fmt.Sprintf("all-%d-%d", labels, draw), fmt.Sprintf("stratified by y, seed %d", draw+1), all)
			for i, x := range parts {
				err = errors.Join(err, write(fmt.Sprintf("fitted-%d-%d-%d", labels, draw, i), "those of the draw that the fold does not hold back", x.fitted))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// join measures the scores of the test rows in MODEL-N-DRAW.npy.
func (p flightPeers) join(test *dataset.Table, dir string) (map[string]float64, error) {
	positive := make([]bool, test.Len())
	for i, y := range test.I64("y") {
		positive[i] = y == 1
	}
	values := map[string]float64{}
	for _, model := range flightModels {
		for _, labels := range p.Labels {
			var areas []float64
			for draw := range p.Draws {
				t, err := dataset.NPY(filepath.Join(dir, fmt.Sprintf("%s-%d-%d.npy", model, labels, draw)), "score")
				if err != nil {
					return nil, err
				}
				scores := make([]float64, 0, t.Len())
				for _, v := range t.F32("score") {
					scores = append(scores, float64(v))
				}
				area, err := evaluate.AUROC(scores, positive)
				if err != nil {
					return nil, err
				}
				areas = append(areas, 100*area)
			}
			for k, v := range scored(areas) {
				values[fmt.Sprintf("%s %d %s", model, labels, k)] = v
			}
		}
	}
	return values, nil
}

// flightReading reads and encodes the whole file, all 19 columns of it, in turn with
// pandas: rows a second.
type flightReading struct {
	Rounds int    `json:"rounds"`
	Script string `json:"script"`
}

// wholeFields says what pandas is told too; the others are numbers, and a date.
func wholeFields() []dataset.InferOption {
	return []dataset.InferOption{dataset.Category.Of("carrier", "tailnum", "origin", "dest"), dataset.Date.Of("time_hour"),
		dataset.Number.Of("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay", "flight", "air_time", "distance", "hour", "minute")}
}

func (r flightReading) measure(ctx context.Context, in *input) (n numbers, err error) {
	peer, err := sklearn(r.Script)
	if err != nil {
		return n, err
	}
	file := filepath.Join(in.folder, flightsFile)
	took, err := in.way("reading", func(*input) (map[string]float64, error) {
		var read, inferred, pandas []float64
		for range r.Rounds {
			start := time.Now()
			schema, err := dataset.Infer(ctx, file, wholeFields()...)
			if err != nil {
				return nil, err
			}
			between := time.Now()
			t, err := schema.CSV(file)
			if err != nil {
				return nil, err
			}
			rows := float64(t.Len())
			read, inferred = append(read, rows/time.Since(between).Seconds()), append(inferred, rows/time.Since(start).Seconds())
			out, err := peer.run(ctx, "--file", file, "--read")
			if err != nil {
				return nil, err
			}
			var theirs struct {
				Rows    int
				Seconds float64
				Sum     float64
			}
			if err := out(&theirs); err != nil {
				return nil, err
			}
			if theirs.Rows != t.Len() {
				return nil, fmt.Errorf("yardstick: pandas read %d rows of %s, and we %d", theirs.Rows, file, t.Len())
			}
			pandas = append(pandas, rows/theirs.Seconds)
		}
		return map[string]float64{"read": median(read), "inferred": median(inferred), "pandas": median(pandas),
			"least read": slices.Min(read), "least pandas": slices.Min(pandas), "most read": slices.Max(read), "most pandas": slices.Max(pandas)}, nil
	})
	if err != nil {
		return n, err
	}
	n.add("", took)
	n.value = n.also["read"]
	return n, nil
}
