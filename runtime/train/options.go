package train

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// Options says how to train. The zero value of a field is the default named
// beside it; Optimizer and Epochs have none.
type Options struct {
	Optimizer  optim.Optimizer // required
	Epochs     int             // required
	Batch      int             // rows per step; 256, or those that a dataset.Mixture says
	Accumulate int             // steps per update, with gradients averaged over all their rows; 1
	Shards     int             // number of sums into which the sum over an update's rows is divided, a power of two; 1, or what the model's ops need if that is more
	Cluster    Cluster         // ranks that divide each update among them, such as Local(2); nil for one. No result depends on it
	Workers    int             // goroutines; GOMAXPROCS. No result depends on it
	Spin       engine.Spin     // what workers do while they wait for each other; engine.SpinAuto. No result depends on it
	Kernels    []engine.Maker  // kernels for your own ops, in training and in Nets; none. The checkpoint names them with the kernel set
	Seed       uint64          // of initial weights, shuffling and dropout
	InitFrom   []From          // tensors that parameters start from; none. A checkpoint in Dir takes precedence
	Freeze     []string        // patterns of parameters that are not trained (see optim.Match), and of running statistics that do not move; none
	Precision  optim.Precision // of products; optim.FP32. See optim.BF16
	InOrder    bool            // take the rows in order instead of shuffling each epoch

	// Augment changes the pictures of each update at random, with draws from Seed: other ones in
	// each epoch. Losses and metrics of Valid are of the pictures as they are, and so are
	// metrics of the training rows. The rows' hash is theirs too. nil changes nothing.
	Augment *dataset.Augmentation

	Valid    dataset.Source // rows for validation after each epoch; none
	Patience int            // epochs without a better validation loss before stopping; 0 never stops
	MinDelta float64        // how much the loss must fall to count as better
	KeepLast bool           // keep the last weights instead of those with the best validation loss
	BestBy   By             // what the best epoch and Patience go by in place of the validation loss, such as Greatest("accuracy"); MinDelta counts in it
	Metrics  []Metric       // measured on the validation rows, or on the training rows if there are none
	Classes  []string       // names of the labels' values, in order, for the record and what ships; none

	// Average is the momentum, in (0, 1), of a moving average of all parameters (Polyak and
	// Juditsky 1992). The average starts from the initial parameters and moves after each
	// update: see Result.Averaged. 0 means none. With ValidAverage, validation and metrics
	// use the averages, and so does the choice of the best epoch.
	// AverageSchedule, if not nil, multiplies 1-Average by its factor: with optim.Cosine(0)
	// the momentum rises to 1. It must depend on the number of the update alone.
	Average         float64
	AverageSchedule optim.Schedule
	ValidAverage    bool

	ClipNorm float64 // largest L2 norm of an update's gradient; 0 does not clip

	// GradNorm records the norm of the gradients in each Epoch. For that they are kept, which
	// makes an update slower and changes no bit. Where they are kept anyway, with ClipNorm,
	// Accumulate or Shards, it is recorded without this.
	GradNorm bool

	// Needs is called before a row is read, and New returns its error. It checks for what
	// the program needs after training, such as ort.Check for verifying the export.
	// nil checks nothing.
	Needs func() error

	Dir             string       // folder of checkpoint and log, for one training at a time; "" keeps neither
	CheckpointEvery int          // updates between checkpoints, besides those at each epoch's end; 0 for none
	Logs            []EpochLog   // files of the finished epochs for other programs, such as CSVLog("log.csv"); none
	Progress        Progress     // nil is silent
	AfterUpdate     func(Update) // called after every update by the training goroutine; nil for none
	Dump            io.Writer    // gets the graph after the pass DumpAfter; nil for none
	DumpAfter       string       // name of a pass, or "all"
	Show            string       // name of the loss that Progress shows, such as "loss/mse1"; "" is the whole loss
	Log             *slog.Logger // slog.Default. It gets warnings; messages that belong to no epoch, as Info; and epochs, as Debug

	totals bool // the model takes totals of an update; New sets it
	meets  bool // shards of an update meet in the middle of its run
}

// engine returns the options of the engines.
func (o *Options) engine() engine.Options {
	return engine.Options{Workers: o.Workers, Spin: o.Spin, Kernels: o.Kernels}
}

// Metric is a named number: the mean of Value over all rows and elements, or, made by
// [OverRows], a function of all rows.
// Value must have the batch as its first axis, as in f32[N] or f32[N 784].
type Metric struct {
	Name  string
	Value *spec.Value

	// Weight, an f32 with the first axes of Value, makes the mean over all rows a weighted
	// one: the sum of weight times value, divided by the sum of the weights. Elements with
	// weight 0 do not count, whatever their value. nil is weight 1.
	Weight *spec.Value

	labels *spec.Value // of OverRows,
	over   *wholeRows  // nil for a mean
}

// Update describes an update that was just made.
type Update struct {
	Number int64   // from 1, over all epochs
	Rows   int     // rows that its gradient is the mean over
	Loss   float64 // mean over those rows, before the update
}

const (
	maxBatch  = 1 << 20
	maxEpochs = 1 << 30
)

// check fills the defaults in and returns every mistake.
func (o *Options) check(m *spec.Model) error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf("train: "+format, a...)) }
	if m == nil {
		return errors.New("train: the model is nil")
	}
	if err := m.Err(); err != nil {
		errs = append(errs, err)
	}
	if m.Err() == nil && len(m.Params()) == 0 {
		bad("model %q has no parameters, so there is nothing to train", m.Name())
	}
	if o.Optimizer == nil {
		bad("Options.Optimizer is required, such as optim.Adam(1e-3)")
	} else if err := o.Optimizer.Err(); err != nil {
		errs = append(errs, err)
	}
	if o.Epochs <= 0 || o.Epochs > maxEpochs {
		bad("Options.Epochs is required and must be from 1 to %d, got %d", maxEpochs, o.Epochs)
	}
	number := func(name string, p *int, def, most int) {
		if *p < 0 || *p > most {
			bad("Options.%s must be from 0 to %d, got %d", name, most, *p)
		}
		if *p == 0 {
			*p = def
		}
	}
	number("Batch", &o.Batch, 256, maxBatch)
	number("Accumulate", &o.Accumulate, 1, 1<<16)
	number("Shards", &o.Shards, 1, ir.MaxShards)
	number("Workers", &o.Workers, 0, 1<<10)
	number("Patience", &o.Patience, 0, maxEpochs)
	number("CheckpointEvery", &o.CheckpointEvery, 0, math.MaxInt32)
	if !(o.ClipNorm >= 0) || math.IsInf(o.ClipNorm, 0) {
		bad("Options.ClipNorm must be zero or positive, and finite, got %v", o.ClipNorm)
	}
	if !(o.Average >= 0 && o.Average < 1) {
		bad("Options.Average must be at least 0 and below 1, got %v", o.Average)
	}
	if o.AverageSchedule != nil {
		_, losses := o.AverageSchedule.(optim.StatefulSchedule)
		e, checks := o.AverageSchedule.(interface{ Err() error })
		switch {
		case o.Average == 0:
			bad("Options.AverageSchedule needs Options.Average, the momentum that it changes, such as 0.99")
		case losses:
			bad("Options.AverageSchedule depends on losses, but the momentum of an average may depend on the number of the update alone")
		case checks && e.Err() != nil:
			bad("Options.AverageSchedule: %w", e.Err())
		}
	}
	if o.ValidAverage && o.Average == 0 {
		bad("Options.ValidAverage needs Options.Average, the momentum of what is to be validated, such as 0.999")
	}
	if !(o.MinDelta >= 0) || math.IsInf(o.MinDelta, 0) {
		bad("Options.MinDelta must be zero or positive, and finite, got %v", o.MinDelta)
	}
	if o.Patience > 0 && o.Valid == nil {
		bad("Options.Patience needs Options.Valid: there is no validation loss to wait for")
	}
	o.checkLogs(bad)
	o.checkParts(m, bad)
	o.checkPrecision(bad)
	if err := o.Augment.Err(); err != nil {
		errs = append(errs, err)
	}
	if err := checkClasses(o.Classes, m.Limits()); err != nil {
		errs = append(errs, err)
	}
	seen := map[string]bool{}
	for i, x := range o.Metrics {
		switch {
		case x.Name == "" || strings.ContainsAny(x.Name, "\n\r\t"):
			bad("metric %d needs a plain name, got %q", i+1, x.Name)
		case x.Name == "loss" || strings.HasPrefix(x.Name, "loss/"):
			bad("metric %q has the name of a loss, whose record it would replace; give it another", x.Name)
		case seen[x.Name]:
			bad("two metrics are named %q", x.Name)
		case x.Value == nil:
			bad("metric %q has no value", x.Name)
		case x.Value.Err() != nil:
			errs = append(errs, x.Value.Err())
		case !x.Value.Type().Shape.RowWise():
			bad("metric %q must have the batch as its first axis, got %s", x.Name, x.Value.Type())
		case x.Weight == nil:
		case x.Weight.Err() != nil:
			errs = append(errs, x.Weight.Err())
		case !weighs(x.Weight.Type(), x.Value.Type()):
			bad("the weight of metric %q must be f32 of the first axes of its value, which is %s, got %s", x.Name, x.Value.Type(), x.Weight.Type())
		}
		if x.over != nil && x.Value.Err() == nil && x.labels.Err() == nil {
			if rule := x.checkOver(); rule != "" {
				bad("metric %q %s", x.Name, rule)
			}
		} else if x.over != nil && x.labels.Err() != nil {
			errs = append(errs, x.labels.Err())
		}
		seen[x.Name] = true
	}
	if err := o.checkBest(m); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// weighs reports whether elements of type w are weights of a value's first axes.
func weighs(w, value ir.Type) bool {
	n := w.Rank()
	return w.DType == ir.F32 && n > 0 && n <= value.Rank() && w.Shape.Equal(value.Shape[:n])
}

// checkClasses refuses names that are not those of a label's values.
func checkClasses(names []string, limits map[string]int) error {
	if len(names) == 0 {
		return nil
	}
	seen := map[string]bool{}
	for i, s := range names {
		switch {
		case strings.TrimSpace(s) == "" || strings.ContainsFunc(s, unicode.IsControl) || !utf8.ValidString(s):
			return fmt.Errorf("train: Options.Classes: name %d needs to be plain text, got %q", i, s)
		case seen[s]:
			return fmt.Errorf("train: Options.Classes: two classes are named %q", s)
		}
		seen[s] = true
	}
	var have []string
	for _, input := range slices.Sorted(maps.Keys(limits)) {
		if limits[input] == len(names) {
			return nil
		}
		have = append(have, fmt.Sprintf("%q has %d", input, limits[input]))
	}
	if len(have) == 0 {
		return fmt.Errorf("train: Options.Classes names %d of a label's values, but the model has no labels; leave it out", len(names))
	}
	return fmt.Errorf("train: Options.Classes has %d names, but the model has no labels of as many values: %s", len(names), strings.Join(have, ", "))
}

// Check returns every mistake of the options and of the model they are to train,
// joined, as New does. It reads no row.
func (o Options) Check(m *spec.Model) error {
	if err := o.check(m); err != nil {
		return err
	}
	_, err := o.frozen(m)
	return errors.Join(err, o.checkGroups(m), o.checkKept(m))
}
