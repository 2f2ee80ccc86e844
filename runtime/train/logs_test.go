package train

import (
	"context"
	"encoding/csv"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/optim"
)

// cells are those of a CSV log, by column.
func cells(t *testing.T, path string) map[string][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil || len(all) == 0 {
		t.Fatalf("%s: %d lines, %v", path, len(all), err)
	}
	out := map[string][]string{}
	for j, name := range all[0] {
		for _, line := range all[1:] {
			out[name] = append(out[name], line[j])
		}
	}
	return out
}

// sameLogs compares the logs beside a training's folder with the log in it.
func sameLogs(t *testing.T, dir string, epochs int) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join(dir, logName))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(dir + ".jsonl")
	if err != nil || string(got) != string(want) {
		t.Fatalf("the JSON log is\n%s\nwant (%v)\n%s", got, err, want)
	}
	history, err := parseLines(want)
	if err != nil || len(history) != epochs {
		t.Fatalf("%d epochs, want %d: %v", len(history), epochs, err)
	}
	c := cells(t, dir+".csv")
	for i, e := range history {
		if len(c["epoch"]) != epochs || c["epoch"][i] != strconv.Itoa(i+1) || c["train/loss"][i] != strconv.FormatFloat(e.Train.Loss, 'g', -1, 64) || c["machine"][i] != e.Machine {
			t.Fatalf("the CSV log's epochs are %v with losses %v, want those of\n%s", c["epoch"], c["train/loss"], want)
		}
	}
}

// logged are options with both logs and with all that a log has columns for.
func logged(dir string) Options {
	o := options()
	o.Logs = []EpochLog{CSVLog(filepath.Join(dir, "run.csv")), JSONLog(filepath.Join(dir, "run.jsonl"))}
	o.Dir, o.Valid, o.ClipNorm = filepath.Join(dir, "run"), rows(40), 1
	return o
}

func TestLogs(t *testing.T) {
	dir := t.TempDir()
	o := logged(dir)
	r := mustFit(t, o)
	sameLogs(t, o.Dir, 4)
	head, _, _ := strings.Cut(read(t, filepath.Join(dir, "run.csv")), "\n")
	want := "epoch,updates,rows,learning_rate,train/loss,train/loss/crossentropy1,train/loss/mse1,valid/loss,valid/loss/crossentropy1,valid/loss/mse1,best,grad_norm,grad_norm_max,seconds,rows_per_second"
	if got, _, _ := strings.Cut(head, ",memory"); got != want && got != want+",machine" {
		t.Errorf("the header is\n%s\nwant\n%s", got, want)
	}
	for i, e := range r.History {
		if !(e.GradNorm > 0) || !(e.GradNormMax >= e.GradNorm) {
			t.Errorf("epoch %d: the norms of the gradients are %v and %v", i+1, e.GradNorm, e.GradNormMax)
		}
		if (e.Machine != "") != (i == 0) {
			t.Errorf("epoch %d: the machine is %q", i+1, e.Machine)
		}
	}
	o = options() // a file that is there begins anew, and only when there is an epoch
	o.Logs = []EpochLog{CSVLog(filepath.Join(dir, "run.csv"))}
	before := read(t, filepath.Join(dir, "run.csv"))
	tr, err := New(context.Background(), model(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if read(t, filepath.Join(dir, "run.csv")) != before {
		t.Error("a log is emptied before there is anything to put in")
	}
	for range tr.Epochs(context.Background()) {
		break
	}
	if c := cells(t, filepath.Join(dir, "run.csv")); len(c["epoch"]) != 1 || c["grad_norm"] != nil || c["valid/loss"] != nil {
		t.Errorf("the log of a training without validation has %v", c)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A training interrupted after any update leaves logs with each epoch once, also where
// somebody cut, removed or lengthened them meanwhile.
func TestLogsAreResumed(t *testing.T) {
	for name, meanwhile := range map[string]func(path string) error{
		"untouched":  func(string) error { return nil },
		"removed":    os.Remove,
		"cut":        func(path string) error { return os.Truncate(path, 40) },
		"a torn end": func(path string) error { return appendTo(path, "7,99,") },
		"an epoch more": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			l := strings.SplitAfter(string(b), "\n")
			return appendTo(path, l[len(l)-2])
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{4, 7} {
				o := logged(t.TempDir())
				o.CheckpointEvery = 2
				for stops := 0; ; stops++ {
					ctx := &stopAfter{context.Background(), n}
					if stops > 20 {
						ctx.n = 1 << 30
					}
					_, err := Fit(ctx, model(), rows(150), o)
					if err == nil {
						break
					}
					if !errors.Is(err, ErrInterrupted) {
						t.Fatal(err)
					}
					for _, l := range o.Logs {
						if _, err := os.Stat(l.Path()); err == nil {
							if err := meanwhile(l.Path()); err != nil {
								t.Fatal(err)
							}
						}
					}
				}
				sameLogs(t, o.Dir, 4)
			}
		})
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// A log that is removed between two epochs of one process is made whole again.
func TestLogIsMadeWhole(t *testing.T) {
	o := logged(t.TempDir())
	tr, err := New(context.Background(), model(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	for e := range tr.Epochs(context.Background()) {
		if e.Number == 2 {
			for _, l := range o.Logs {
				if err := os.Remove(l.Path()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if _, err := tr.Done(); err != nil {
		t.Fatal(err)
	}
	sameLogs(t, o.Dir, 4)
}

func TestLogsRefuse(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "thesis.csv")
	if err := os.WriteFile(other, []byte("name,mark\nA,1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	blocked := filepath.Join(dir, "file")
	if err := os.WriteFile(blocked, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dir  string
		logs []EpochLog
		want []string
	}{
		"no path":       {"", []EpochLog{{}}, []string{"log 1 has no path", "CSVLog"}},
		"twice":         {"", []EpochLog{CSVLog("a.csv"), JSONLog("./a.csv")}, []string{"two logs go to ./a.csv"}},
		"of the folder": {dir, []EpochLog{JSONLog(filepath.Join(dir, ".", logName))}, []string{logName, "choose another name"}},
		"no log, CSV":   {"", []EpochLog{CSVLog(other)}, []string{other, "no log of epochs", "choose another path"}},
		"no log, JSON":  {"", []EpochLog{JSONLog(other)}, []string{other, "no log of epochs"}},
		"a folder":      {"", []EpochLog{CSVLog(dir)}, []string{dir, "choose another path"}},
		"below a file":  {"", []EpochLog{CSVLog(filepath.Join(blocked, "a.csv"))}, []string{"cannot be written", "choose another path"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			o.Dir, o.Logs = c.dir, c.logs
			_, err := Fit(context.Background(), model(), rows(150), o)
			wantError(t, err, c.want...)
		})
	}
	if got := read(t, other); got != "name,mark\nA,1\n" {
		t.Errorf("a file that is no log was changed to %q", got)
	}
}

// A training that goes on and records more gets the columns for it, which are empty in the epochs before. One that has ended
// makes its logs whole all the same.
func TestLogGetsColumns(t *testing.T) {
	o := options()
	path := filepath.Join(t.TempDir(), "run.csv")
	o.Dir, o.Logs = t.TempDir(), []EpochLog{CSVLog(path)}
	tr, err := New(context.Background(), model(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	for e := range tr.Epochs(context.Background()) {
		if e.Number == 2 {
			break
		}
	}
	tr.Close()
	o.GradNorm = true
	mustFit(t, o)
	c := cells(t, path)
	if got := c["grad_norm"]; len(got) != 4 || got[0] != "" || got[1] != "" || got[2] == "" || got[3] == "" || strings.Join(c["epoch"], " ") != "1 2 3 4" {
		t.Errorf("the epochs %v have the norms %q", c["epoch"], got)
	}
	want := read(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustFit(t, o)
	if read(t, path) != want {
		t.Errorf("removed after the training, the log is\n%s\nwant\n%s", read(t, path), want)
	}
}

// Of two trainings with one log the second is refused, until the first has ended; what measures gradients has no part in
// logs.
func TestLogsAreOfOneTraining(t *testing.T) {
	dir := t.TempDir()
	o := options()
	path := filepath.Join(dir, "new", "run.csv")
	o.Logs = []EpochLog{CSVLog(path)}
	if _, err := GradientNorms(context.Background(), model(), rows(150), o, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Error("gradients have a log")
	}
	tr, err := New(context.Background(), model(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	other := o
	other.Logs = []EpochLog{JSONLog(filepath.Join(dir, "other.jsonl")), CSVLog(filepath.Join(dir, ".", "new", "run.csv"))}
	_, err = New(context.Background(), model(), rows(150), other)
	wantError(t, err, "another training writes the log "+path, "choose another path")
	tr.Close()
	mustFit(t, other)
	if c := cells(t, path); len(c["epoch"]) != other.Epochs {
		t.Errorf("the log has the epochs %v", c["epoch"])
	}
}

// What is not finite has the spelling of JSON, and a name with a comma is quoted.
func TestCSVLogSpells(t *testing.T) {
	h := []Epoch{{Number: 1, Train: Values{Loss: 2, Metrics: map[string]float64{"a, b": nan(), "c": -1 / zero()}}}}
	f := csvFormat{}
	cols := f.columns(h)
	b, err := f.lines(h, cols)
	if err != nil {
		t.Fatal(err)
	}
	want := "epoch,updates,rows,learning_rate,train/loss,\"train/a, b\",train/c,best,seconds,rows_per_second\n1,0,0,0,2,NaN,-Infinity,false,0,0\n"
	if got := string(f.header(cols)) + string(b); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !f.is([]byte(want)) || f.is([]byte("epoch,loss\n")) {
		t.Error("a log is not known from another file")
	}
}

func zero() float64 { return 0 }

func nan() float64 { return zero() / zero() }

// To record the norms of gradients, plans keep them: no bit of the training changes.
func TestGradNormChangesNoBits(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"Adam":     func(*Options) {},
		"momentum": func(o *Options) { o.Optimizer = optim.SGD(0.01).Momentum(0.9) },
		"averages": func(o *Options) { o.Average = 0.9 },
		"bf16":     func(o *Options) { o.Precision = optim.BF16 },
		"frozen":   func(o *Options) { o.Freeze = []string{"head"} },
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			change(&o)
			plain := mustFit(t, o)
			o.GradNorm = true
			kept := mustFit(t, o)
			var norms []float64
			for i := range kept.History {
				e := &kept.History[i]
				norms = append(norms, e.GradNorm)
				if !(e.GradNorm > 0) || !(e.GradNormMax >= e.GradNorm) || plain.History[i].GradNorm != 0 {
					t.Errorf("epoch %d: norms %v and %v", i+1, e.GradNorm, e.GradNormMax)
				}
				e.GradNorm, e.GradNormMax = 0, 0
			}
			if bits(plain) != bits(kept) {
				t.Error("keeping the gradients changes bits")
			}
			o.Workers = 1
			for i, e := range mustFit(t, o).History {
				if e.GradNorm != norms[i] {
					t.Errorf("epoch %d: the norm with one worker is %v, with two %v", i+1, e.GradNorm, norms[i])
				}
			}
		})
	}
}

// The norm is that of the gradient: of plain descent it is what the weights moved by.
func TestGradNormIsTheGradients(t *testing.T) {
	o := options()
	o.Optimizer, o.Batch, o.Epochs, o.GradNorm = optim.SGD(0.25), 150, 1, true
	tr, err := New(context.Background(), model(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	before := map[string][]float32{}
	for _, p := range tr.prog.Params {
		before[p.Name] = slices.Clone(tr.store.Param(p.Name))
	}
	for range tr.Epochs(context.Background()) {
	}
	r, err := tr.Done()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for name, was := range before {
		for i, x := range r.params[name] {
			d := (float64(x) - float64(was[i])) / 0.25
			sum += d * d
		}
	}
	if got, want := r.Last().GradNorm, math.Sqrt(sum); math.Abs(got-want) > 1e-5*want {
		t.Errorf("the norm is %v, but the weights moved by %v times the rate", got, want)
	}
}
