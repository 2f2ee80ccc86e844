package train

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// steady are options whose schedule does not depend on the number of epochs.
func steady() Options {
	o := options()
	o.Optimizer = optim.Adam(1e-3)
	return o
}

// A training goes on with nothing changed that decides its result, and the refusal
// says in words what has.
func TestGoesOnOnlyAsItWas(t *testing.T) {
	sized := func(units int, weight float64, rate float64) *spec.Model {
		x := spec.Input("x", 12)
		enc := spec.Sequential("encoder", spec.Dense(units), spec.Tanh(), spec.Dropout(rate), spec.Dense(3))
		code := x.Then(enc)
		logits := code.Then(spec.Dense(4).Named("head"))
		return spec.NewModel("points", spec.MSE(code.Then(spec.Mirror("decoder", enc).Tied()), x),
			spec.CrossEntropy(logits, spec.Labels("y", 4)).Weight(weight))
	}
	base := steady()
	base.Valid, base.Patience = rows(40), 9
	changed := rows(40)
	changed.F32("x")[3]++
	for name, c := range map[string]struct {
		m    *spec.Model
		src  dataset.Source
		o    func(*Options)
		want string
	}{
		"validation changed":  {o: func(o *Options) { o.Valid = changed }, want: "the validation rows are other ones, though 40 as before"},
		"validation added to": {o: func(o *Options) { o.Valid = rows(41) }, want: "the validation rows were 40, are 41"},
		"validation removed":  {o: func(o *Options) { o.Valid, o.Patience = nil, 0 }, want: "the validation rows are gone"},
		"rows changed":        {src: rows(151).Select(append([]int{150}, make([]int, 149)...)), want: "the training rows are other ones, though 150 as before"},
		"rows removed":        {src: rows(149), want: "the training rows were 150, are 149"},
		"KeepLast":            {o: func(o *Options) { o.KeepLast = true }, want: "KeepLast was not set, is true"},
		"BestBy":              {o: func(o *Options) { o.BestBy = Least("loss/mse1") }, want: "BestBy was not set, is least loss/mse1"},
		"rate":                {o: func(o *Options) { o.Optimizer = optim.Adam(2e-3) }, want: "Adam's rate was 0.001, is 0.002: use another Dir"},
		"optimizer":           {o: func(o *Options) { o.Optimizer = optim.SGD(1e-3) }, want: "the optimizer was Adam, is SGD: use another Dir"},
		"schedule":            {o: func(o *Options) { o.Optimizer = optim.Adam(1e-3).Schedule(optim.StepDecay(2, 0.5)) }, want: "Adam's schedule was constant, is step, every 2, factor 0.5"},
		"units":               {m: sized(7, 0.3, 0.2), want: "encoder/dense1 had 8 units, has 7;"},
		"weight":              {m: sized(8, 0.4, 0.2), want: "loss computed Mul(0.3), Add, computes Mul(0.4), Add: use another Dir"},
		"dropout":             {m: sized(8, 0.3, 0.5), want: "encoder/dropout1 computed Dropout<rate = 0.2, stream = 1>, computes Dropout<rate = 0.5, stream = 1>: use another Dir"},
		"fewer epochs":        {o: func(o *Options) { o.Epochs = 3 }, want: "Epochs was 4, is 3, but 4 epochs are made"},
		"two at once":         {o: func(o *Options) { o.Seed, o.Batch = 6, 16 }, want: "the seed was 5, is 6; Batch was 32, is 16: use another Dir"},
		"metric": {o: func(o *Options) {
			o.Metrics = []Metric{{Name: "mean", Value: spec.Input("x", 12)}}
		}, want: `metric "mean" is new`},
	} {
		t.Run(name, func(t *testing.T) {
			o := base
			o.Dir = t.TempDir()
			if _, err := Fit(context.Background(), sized(8, 0.3, 0.2), rows(150), o); err != nil {
				t.Fatal(err)
			}
			before := folder(t, o.Dir)
			if c.o != nil {
				c.o(&o)
			}
			if c.m == nil {
				c.m = sized(8, 0.3, 0.2)
			}
			if c.src == nil {
				c.src = rows(150)
			}
			_, err := Fit(context.Background(), c.m, c.src, o)
			wantError(t, err, filepath.Join(o.Dir, checkpointName), c.want, "use another Dir")
			if after := folder(t, o.Dir); !reflect.DeepEqual(before, after) {
				t.Error("the refusal changed the folder")
			}
		})
	}
	t.Run("validation new", func(t *testing.T) {
		o := steady()
		o.Dir = t.TempDir()
		mustFit(t, o)
		o.Valid = rows(40)
		_, err := Fit(context.Background(), model(), rows(150), o)
		wantError(t, err, "the validation rows are new, 40 of them")
	})
}

// folder is the content of every file.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

// What only goes on for longer ends with the bits of a training that had the new
// length from the start; a schedule or a patience by which that would not be so is
// refused.
func TestGoesOnForLonger(t *testing.T) {
	slow := func(s optim.Schedule) func(*Options) {
		return func(o *Options) { o.Optimizer = optim.Adam(1e-3).Schedule(s) }
	}
	stuck := func(o *Options) { o.Optimizer, o.MinDelta = optim.SGD(1e-9), 0.5 }
	for name, c := range map[string]struct {
		change     func(*Options)
		first, now [2]int // Epochs and Patience
		refused    string
	}{
		"constant":              {func(*Options) {}, [2]int{3, 0}, [2]int{6, 0}, ""},
		"plateau":               {slow(optim.Plateau(1, 0.5)), [2]int{4, 0}, [2]int{7, 0}, ""},
		"early momentum":        {func(o *Options) { o.Optimizer = optim.SGD(0.05).Momentum(0.9).EarlyMomentum(0.5, 2) }, [2]int{2, 0}, [2]int{4, 0}, ""},
		"cosine":                {slow(optim.Cosine(1)), [2]int{4, 0}, [2]int{6, 0}, "Epochs was 4, is 6, and the schedule of the learning rate depends on it: 4 epochs are made with other rates"},
		"cosine, fewer":         {slow(optim.Cosine(0)), [2]int{4, 0}, [2]int{3, 0}, "Epochs was 4, is 3, but 4 epochs are made"},
		"cosine, still rising":  {slow(optim.Cosine(5)), [2]int{3, 0}, [2]int{9, 0}, ""},
		"more patience":         {stuck, [2]int{9, 2}, [2]int{9, 4}, ""},
		"patience for ever":     {stuck, [2]int{6, 2}, [2]int{6, 0}, ""},
		"less patience":         {stuck, [2]int{9, 4}, [2]int{9, 2}, "Patience was 4, is 2, with which the training would have ended at epoch 3, but 5 epochs are made"},
		"patience, not reached": {stuck, [2]int{3, 5}, [2]int{9, 3}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := steady()
			o.Valid = rows(40)
			c.change(&o)
			long := o
			long.Epochs, long.Patience = c.now[0], c.now[1]
			o.Epochs, o.Patience, o.Dir = c.first[0], c.first[1], t.TempDir()
			mustFit(t, o)
			o.Epochs, o.Patience = c.now[0], c.now[1]
			r, err := Fit(context.Background(), model(), rows(150), o)
			if c.refused != "" {
				wantError(t, err, c.refused)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if bits(r) != bits(mustFit(t, long)) {
				t.Error("other bits than a training of this length")
			}
		})
	}
}

// Every field of Options is either one of the facts or known not to decide anything,
// so that an option that is added asks to be put into the list.
func TestEveryOptionDecidesOrNot(t *testing.T) {
	m := model()
	src := (&source{}).add("head/w", ramp(12), 3, 4).add("head/b", ramp(4), 4)
	decides := map[string]func(*Options){
		"Optimizer":       func(o *Options) { o.Optimizer = optim.Adam(1e-2) },
		"Epochs":          func(o *Options) { o.Epochs++ },
		"Batch":           func(o *Options) { o.Batch++ },
		"Accumulate":      func(o *Options) { o.Accumulate = 2 },
		"Shards":          func(o *Options) { o.Shards = 2 },
		"Seed":            func(o *Options) { o.Seed++ },
		"InitFrom":        func(o *Options) { o.InitFrom = []From{{Tensors: src, Pattern: "head"}} },
		"Freeze":          func(o *Options) { o.Freeze = []string{"head"} },
		"Precision":       func(o *Options) { o.Precision = optim.BF16 },
		"Augment":         func(o *Options) { o.Augment = dataset.Augment().Shift(2) },
		"InOrder":         func(o *Options) { o.InOrder = true },
		"Patience":        func(o *Options) { o.Patience = 3 },
		"MinDelta":        func(o *Options) { o.MinDelta = 0.1 },
		"KeepLast":        func(o *Options) { o.KeepLast = true },
		"BestBy":          func(o *Options) { o.BestBy = Least("loss/mse1") },
		"Metrics":         func(o *Options) { o.Metrics = []Metric{Accuracy(m.Tap("logits"), spec.Labels("y", 4))} },
		"ClipNorm":        func(o *Options) { o.ClipNorm = 1 },
		"Average":         func(o *Options) { o.Average = 0.9 },
		"AverageSchedule": func(o *Options) { o.Average, o.AverageSchedule = 0.9, optim.Cosine(0) },
		"ValidAverage":    func(o *Options) { o.Average, o.ValidAverage = 0.9, true },
	}
	rest := []string{"totals", // is the model's
		"Valid", // is one of the facts of rows: TestGoesOnOnlyAsItWas
		"Cluster", "Workers", "Spin", "Kernels", "Classes", "Dir", "CheckpointEvery", "GradNorm", "Logs", "Progress", "AfterUpdate", "Dump", "DumpAfter", "Show", "Log", "Needs", "meets"}
	base := steady()
	base.Valid = rows(10)
	was, err := base.Decides(m)
	if err != nil {
		t.Fatal(err)
	}
	typ := reflect.TypeFor[Options]()
	for i := range typ.NumField() {
		name := typ.Field(i).Name
		if change := decides[name]; change != nil {
			o := base
			change(&o)
			now, err := o.Decides(m)
			if err != nil || was.Hash() == now.Hash() || was.Differ(now) == nil {
				t.Errorf("%s is not in the list of what decides a result: %v", name, err)
			}
			continue
		}
		if !strings.Contains(" "+strings.Join(rest, " ")+" ", " "+name+" ") {
			t.Errorf("Options.%s: does it decide what a training gives? Put it into facts and here, or into the rest", name)
		}
	}
}

func TestSaysWhereItStands(t *testing.T) {
	var shown, logged bytes.Buffer
	o := steady()
	o.Dir, o.Epochs, o.Progress, o.Log = t.TempDir(), 2, BarTo(&shown), slog.New(slog.NewTextHandler(&logged, nil))
	mustFit(t, o)
	if s := shown.String() + logged.String(); strings.Contains(s, "going on") {
		t.Fatalf("it began, but says\n%s", s)
	}
	o.Epochs = 5
	mustFit(t, o)
	for _, s := range []string{shown.String(), logged.String()} {
		if !strings.Contains(s, "going on at epoch 3 of 5") {
			t.Errorf("got\n%s", s)
		}
	}
	shown.Reset()
	logged.Reset()
	o.Dir, o.Valid, o.Patience, o.MinDelta, o.Epochs = "", rows(40), 2, 0.5, 9
	o.Optimizer = optim.SGD(1e-9)
	mustFit(t, o)
	for _, s := range []string{shown.String(), logged.String()} {
		if !strings.Contains(s, "stopped early, best epoch 1") {
			t.Errorf("got\n%s", s)
		}
	}
	shown.Reset()
	logged.Reset()
	o.InitFrom = []From{{Tensors: (&source{}).add("head/w", ramp(12), 3, 4).add("head/x", ramp(1), 1), Pattern: "head", Partly: true}}
	mustFit(t, o)
	for _, s := range []string{shown.String(), logged.String()} {
		if !strings.Contains(s, `1 loaded: head/w; 1 skipped: `) || !strings.Contains(s, "1 missing: head/b") {
			t.Errorf("got\n%s", s)
		}
	}
	logged.Reset()
	o.InitFrom, o.Batch, o.Accumulate = nil, 100, 2
	mustFit(t, o)
	if s := logged.String(); !strings.Contains(s, "Batch times Accumulate is 200, but there are only 150 rows") {
		t.Errorf("got\n%s", s)
	}
}

// A weight of another orientation is not left out in silence while its bias is loaded.
func TestHalfALayerIsNoStart(t *testing.T) {
	src := (&source{}).add("encoder/dense1/w", ramp(96), 8, 12).add("encoder/dense1/b", ramp(8), 8).
		add("encoder/dense2/w", ramp(24), 8, 3).add("encoder/dense2/b", ramp(3), 3)
	o := options()
	o.InitFrom = []From{{Tensors: src, Pattern: "encoder"}}
	_, err := New(context.Background(), model(), rows(150), o)
	wantError(t, err, `InitFrom[0], "encoder"`, `layer "encoder/dense1" would start half from the source: "encoder/dense1/b" fits, "encoder/dense1/w" does not (its shape is [8 12], the parameter's [12 8])`, "Partly")
	o.InitFrom[0].Partly = true
	if r := mustNew(t, o).InitReports()[0]; len(r.Loaded) != 3 || len(r.Skipped) != 1 {
		t.Errorf("%v", r)
	}
	// Two entries may make one layer, and a pattern may ask for a part.
	turned := (&source{}).add("encoder/dense1/w", ramp(96), 12, 8)
	o.InitFrom = []From{{Tensors: src, Pattern: "encoder"}, {Tensors: turned, Pattern: "encoder/dense1/w"}}
	mustNew(t, o)
	o.InitFrom = []From{{Tensors: src, Pattern: "*/b"}}
	mustNew(t, o)
}

// A metric that is no number is shown, kept and shipped as what it is.
func TestMetricThatIsNoNumber(t *testing.T) {
	x := spec.Input("x", 12)
	y := x.Then(spec.Dense(12))
	m := spec.NewModel("m", spec.MSE(y, x))
	o := steady()
	o.Dir, o.Epochs, o.Workers = t.TempDir(), 2, 1
	o.Metrics = []Metric{{Name: "nan", Value: spec.Apply(&logOf{spec.Here("log"), -1}, x)}, {Name: "inf", Value: spec.Apply(&logOf{spec.Here("log"), 0}, x)}}
	var last *Result
	for _, epochs := range []int{2, 4} {
		o.Epochs = epochs
		r, err := Fit(context.Background(), m, rows(150), o)
		if err != nil {
			t.Fatal(err)
		}
		last = r
	}
	for _, e := range last.History {
		if v := e.Train.Metrics; !math.IsNaN(v["nan"]) || !math.IsInf(v["inf"], -1) {
			t.Errorf("epoch %d has the metrics %v", e.Number, v)
		}
	}
	log, err := os.ReadFile(filepath.Join(o.Dir, logName))
	if err != nil || strings.Count(string(log), `"inf":"-Infinity","nan":"NaN"`) != 4 {
		t.Errorf("the log is %s, %v", log, err)
	}
	if rec := last.Net(y).Record(); !math.IsNaN(rec.Metrics["train/nan"]) {
		t.Errorf("the record has %v", rec.Metrics)
	}
}

// logOf is the logarithm of a number that is not positive.
type logOf struct {
	spec.Base
	of float64
}

// Build implements [spec.Layer].
func (l *logOf) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.Log{}, b.Op(ops.Add{}, b.Op(ops.Mul{}, x[0], b.Const(0)), b.Const(l.of)))
}

// counting counts how often all its rows are read.
type counting struct {
	dataset.Source
	reads *int
}

func (c counting) Row(i int, row dataset.Row) error {
	*c.reads++
	return c.Source.Row(i, row)
}

// Nets of one result read its rows once, whoever asks.
func TestRowsAreReadOnceForAllNets(t *testing.T) {
	m := model()
	reads := 0
	src := counting{rows(150), &reads}
	r, err := Fit(context.Background(), m, src, steady())
	if err != nil {
		t.Fatal(err)
	}
	reads = 0
	var first engine.Record
	for i := range 5 {
		net := r.Net(m.Tap("code"))
		if err := net.Err(); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = net.Record()
			first.Columns["x"] = engine.Range{} // the record's own
		} else if len(net.Record().Columns["x"].Min) != 12 {
			t.Error("a Net changed the record of another")
		}
	}
	if _, err := r.After("p", src).Phases(); err != nil {
		t.Fatal(err)
	}
	if reads != 300 { // for the hash, and for the ranges
		t.Errorf("150 rows were read %d times for five Nets", reads)
	}
}

// A rate that is no number is told before it reaches a weight.
func TestScheduleThatIsNoNumber(t *testing.T) {
	o := options()
	o.Optimizer = optim.Adam(1e-3).Schedule(nanSchedule{})
	_, err := Fit(context.Background(), model(), rows(150), o)
	wantError(t, err, "epoch 2, step 1: the learning rate is NaN, since the schedule multiplies it by NaN")
}

type nanSchedule struct{}

func (nanSchedule) Factor(p optim.Progress) float64 {
	if p.Epoch > 0 {
		return math.NaN()
	}
	return 1
}

func TestNothingToTrain(t *testing.T) {
	x := spec.Input("x", 12)
	m := spec.NewModel("m", spec.MSE(x.Then(spec.Tanh()), x))
	_, err := Fit(context.Background(), m, rows(10), options())
	wantError(t, err, `model "m" has no parameters, so there is nothing to train`)
}

// What a checkpoint costs does not grow with the epochs behind it, and neither file
// that grows is written anew.
func TestCheckpointDoesNotGrow(t *testing.T) {
	o := steady()
	o.Dir, o.Epochs, o.Batch = t.TempDir(), 60, 150
	var sizes []int64
	var files []os.FileInfo
	tr, err := New(context.Background(), model(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	for e := range tr.Epochs(context.Background()) {
		st, err := os.Stat(filepath.Join(o.Dir, checkpointName))
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, st.Size())
		for i, name := range []string{historyName, logName} {
			st, err := os.Stat(filepath.Join(o.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if e.Number == 1 {
				files = append(files, st)
			} else if !os.SameFile(files[i], st) {
				t.Fatalf("epoch %d: %s was written anew", e.Number, name)
			}
		}
	}
	if _, err := tr.Done(); err != nil {
		t.Fatal(err)
	}
	if d := sizes[59] - sizes[1]; d > 64 || d < -64 { // digits of numbers
		t.Errorf("the checkpoint grew from %d to %d bytes", sizes[1], sizes[59])
	}
	a, b := folder(t, o.Dir)[historyName], folder(t, o.Dir)[logName]
	if a != b || strings.Count(a, "\n") != 60 {
		t.Errorf("the log and the history differ, or have not 60 epochs")
	}
}

// A history with the rest of a write that was killed, or the log's whole copy of one
// that was damaged, is gone on from; without either it is refused.
func TestHistoryAfterAKill(t *testing.T) {
	for name, c := range map[string]struct {
		damage  func(history, log string) error
		refused bool
	}{
		"torn line":   {func(h, _ string) error { return add(h, `{"epoch":5,"upd`) }, false},
		"epoch ahead": {func(h, _ string) error { return add(h, `{"epoch":5}`+"\n") }, false},
		"torn log":    {func(_, l string) error { return add(l, `{"epoch":5,"upd`) }, false},
		"cut":         {func(h, _ string) error { return os.Truncate(h, 100) }, false},
		"altered":     {func(h, _ string) error { return os.WriteFile(h, bytes.Repeat([]byte("x"), 5000), 0o600) }, false},
		"gone":        {func(h, _ string) error { return os.Remove(h) }, false},
		"both gone": {func(h, l string) error {
			if err := os.Remove(l); err != nil {
				return err
			}
			return os.Remove(h)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := steady()
			o.Dir = t.TempDir()
			mustFit(t, o)
			history, log := filepath.Join(o.Dir, historyName), filepath.Join(o.Dir, logName)
			if err := c.damage(history, log); err != nil {
				t.Fatal(err)
			}
			o.Epochs = 6
			r, err := Fit(context.Background(), model(), rows(150), o)
			if c.refused {
				wantError(t, err, "its finished epochs are kept beside it, and are damaged", historyName)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			whole := o
			whole.Dir = t.TempDir()
			if bits(r) != bits(mustFit(t, whole)) || readLog(t, o.Dir) != readLog(t, whole.Dir) {
				t.Error("other bits or another log than a training never killed")
			}
			f, err := checkpoint.Read(filepath.Join(o.Dir, checkpointName))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := checkpoint.ReadMarked(f.Grown, history); err != nil || len(b) == 0 {
				t.Errorf("the history was not mended: %v", err)
			}
		})
	}
}

func add(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// A log that is cut while the training runs is made whole at the next epoch.
func TestLogCutMeanwhile(t *testing.T) {
	o := steady()
	o.Dir = t.TempDir()
	tr := mustNew(t, o)
	for e := range tr.Epochs(context.Background()) {
		if e.Number == 2 {
			if err := os.Truncate(filepath.Join(o.Dir, logName), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if f := folder(t, o.Dir); f[logName] != f[historyName] || strings.Count(f[logName], "\n") != 4 {
		t.Errorf("the log is\n%s", f[logName])
	}
}
