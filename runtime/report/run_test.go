package report

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/report/page"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// few are rows of the digits.
func few(n int) dataset.Source { return dataset.Digits().Train.Head(n) }

// digits declares an autoencoder.
func digits() (m *spec.Model, code, y *spec.Value) {
	x := spec.Input("x", 784)
	enc := spec.Sequential("encoder", spec.Dense(20), spec.ReLU(), spec.Dense(5))
	code = x.Then(enc).Named("code")
	y = code.Then(spec.Mirror("decoder", enc).Tied()).Named("reconstruction")
	return spec.NewModel("digits", spec.MSE(y, x)), code, y
}

func options(dir string) train.Options {
	return train.Options{Optimizer: optim.Adam(1e-2), Epochs: 6, Batch: 32, Seed: 7, Dir: dir, GradNorm: true, Log: slog.New(slog.DiscardHandler)}
}

// made trains and exports into a folder, which it returns with what was trained.
func made(t *testing.T) (string, *train.Result) {
	t.Helper()
	dir := t.TempDir()
	m, code, y := digits()
	o := options(filepath.Join(dir, "training"))
	o.Valid = few(60)
	r, err := train.Fit(context.Background(), m, few(200), o)
	if err != nil {
		t.Fatal(err)
	}
	for name, net := range map[string]*spec.Value{"encoder": code, "autoencoder": y} {
		if _, err := bundle.Write(context.Background(), filepath.Join(dir, name), r.Net(net), few(40), orttest.Runtime(t)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, r
}

func TestRun(t *testing.T) {
	dir, fit := made(t)
	before := files(t, dir)
	r, err := ReadRun(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "page.html")
	if err := r.Write(out); err != nil {
		t.Fatal(err)
	}
	if d := files(t, dir); !slices.Equal(before, d) {
		t.Errorf("the folder has changed from %v to %v", before, d)
	}
	html := read(t, out)
	for _, want := range []string{"The validation loss of digits fell from ", "6 epochs took ", "Loss</figcaption>", "Learning rate</figcaption>", "Norm of the gradients</figcaption>", "Speed</figcaption>",
		"Weights of encoder/dense1/w</figcaption>", "The bundle encoder", "The bundle autoencoder", "Reconstructions</figcaption>", "Map of code</figcaption>",
		"What the first layer learned", "What decided the result", "Adam&#39;s rate", "Most memory", "<dd>7</dd>"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(html, "Reconstructions</figcaption>"); n != 1 {
		t.Errorf("%d grids of reconstructions, want that of the autoencoder alone", n)
	}
	var back Run
	if err := json.Unmarshal([]byte(read(t, strings.TrimSuffix(out, ".html")+".json")), &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Trained) != 1 || len(back.Exported) != 2 || back.Trained[0].Seed != 7 || back.Trained[0].Parameters != 784*20+20+20*5+5+20+784 {
		t.Errorf("the JSON has %+v", back.Trained[0])
	}
	lines, err := csv.NewReader(strings.NewReader(read(t, strings.TrimSuffix(out, ".html")+".csv"))).ReadAll()
	if err != nil || len(lines) != 7 || lines[0][0] != "training" || lines[1][0] != "training" || lines[6][1] != "6" {
		t.Errorf("the CSV is %v (%v)", lines, err)
	}
	at := slices.Index(lines[0], "valid/loss")
	for i, e := range fit.History {
		if want := strconv.FormatFloat(e.Valid.Loss, 'g', -1, 64); lines[i+1][at] != want || back.Trained[0].History[i].Valid.Loss != e.Valid.Loss {
			t.Errorf("epoch %d: the validation loss is %s, want %s", i+1, lines[i+1][at], want)
		}
	}
	one, err := ReadRun(context.Background(), filepath.Join(dir, "autoencoder"))
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Write(out); err != nil {
		t.Fatal(err)
	}
	html = read(t, out)
	for _, want := range []string{"The bundle autoencoder</h1>", "The validation loss of what ships is ", "Weights of encoder/dense1/w", "What ships"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page of a bundle lacks %q", want)
		}
	}
}

// A program of phases has a section for each; a training that was interrupted in its first
// epoch has a page too, and so has a folder with a bundle that was altered.
func TestRunOfOtherFolders(t *testing.T) {
	dir := t.TempDir()
	x, enc := spec.Input("x", 784), spec.Sequential("encoder", spec.Dense(12), spec.Tanh(), spec.Dense(4))
	o := options("")
	o.Epochs = 2
	if _, err := pretrain.NewProgram("stack", pretrain.Greedy(x, enc, few(100), o)).Run(context.Background(), pretrain.Options{Dir: dir, Log: o.Log}); err != nil {
		t.Fatal(err)
	}
	html := paged(t, dir)
	for _, want := range []string{"01-encoder-stage1</h2>", "02-encoder-stage2</h2>", "4 epochs took "} {
		if !strings.Contains(html, want) {
			t.Errorf("the page of a program lacks %q", want)
		}
	}

	dir = filepath.Join(t.TempDir(), "begun")
	m, _, _ := digits()
	o = options(dir)
	o.CheckpointEvery = 1
	ctx, stop := context.WithCancel(context.Background())
	o.AfterUpdate = func(u train.Update) {
		if u.Number == 2 {
			stop()
		}
	}
	if _, err := train.Fit(ctx, m, few(100), o); !errors.Is(err, train.ErrInterrupted) {
		t.Fatal(err)
	}
	if html := paged(t, dir); !strings.Contains(html, "No epoch of digits is finished yet.") {
		t.Error("the page of a training in its first epoch does not say so")
	}

	dir, _ = made(t)
	path := filepath.Join(dir, "encoder", "model.onnx")
	if err := os.WriteFile(path, append([]byte(read(t, path)), 0), 0o666); err != nil {
		t.Fatal(err)
	}
	if html := paged(t, dir); !strings.Contains(html, "It cannot be opened: ") || !strings.Contains(html, "The bundle autoencoder") {
		t.Error("the page does not say that one of two bundles was altered")
	}
}

func paged(t *testing.T, dir string) string {
	t.Helper()
	r, err := ReadRun(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Page()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.Render(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRunRefuses(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	wantError := func(err error, parts ...string) {
		t.Helper()
		for _, p := range parts {
			if err == nil || !strings.Contains(err.Error(), p) {
				t.Errorf("got %v, want %q", err, p)
			}
		}
	}
	_, err := ReadRun(ctx, filepath.Join(dir, "absent"))
	wantError(err, "absent", "give the folder of a training")
	_, err = ReadRun(ctx, dir)
	wantError(err, "neither a training nor a bundle", "train.Options")

	m, _, _ := digits()
	o := options(filepath.Join(dir, "training"))
	o.Epochs = 2
	if _, err := train.Fit(ctx, m, few(50), o); err != nil {
		t.Fatal(err)
	}
	r, err := ReadRun(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	wantError(r.Write(filepath.Join(dir, "page.txt")), "must end in .html")
	wantError(r.Write(filepath.Join(dir, ".html")), "must end in .html")
	wantError(r.Write(filepath.Join(o.Dir, "log.jsonl", "page.html")), "cannot make the folder")
	if err := os.Mkdir(filepath.Join(dir, "sealed"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sealed", "verification.json"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	wantError(r.Write(filepath.Join(dir, "sealed", "page.html")), "lies within a bundle")

	ended, stop := context.WithCancel(ctx)
	stop()
	if _, err := ReadRun(ended, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := os.Truncate(filepath.Join(o.Dir, "checkpoint.lamina"), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadRun(ctx, dir); !errors.Is(err, checkpoint.ErrNotCheckpoint) {
		t.Errorf("got %v", err)
	}
}

// TestVerdict works out what the sentences say.
func TestVerdict(t *testing.T) {
	history := func(best int, losses ...float64) *Run {
		r := &Run{Trained: []Trained{{Name: "t", Model: "net", Best: best, Seconds: 3725, Memory: 212e6}}}
		for i, x := range losses {
			r.Trained[0].History = append(r.Trained[0].History, train.Epoch{Number: i + 1, Validated: true, Valid: train.Values{Loss: x}, Train: train.Values{Loss: 1 / float64(i+1)}, Seconds: 1, RowsPerSecond: 1000})
		}
		return r
	}
	cost := func(r *Run) string {
		return fmt.Sprintf("%s took 1 h 2 min, at %s rows a second, and 212 MB of memory.", counted(len(r.Trained[0].History), "epoch"), page.Number(round(1000*float64(len(r.Trained[0].History))/3725, 3)))
	}
	for name, c := range map[string]struct {
		r    *Run
		want []string
	}{
		"one":        {history(1, 2), []string{"After one epoch the validation loss of net is 2."}},
		"falling":    {history(6, 6, 5, 4, 3, 2, 1), []string{"The validation loss of net fell from 6 to 1 in 6 epochs.", "The last 2 epochs still lowered it by 67 %, so more epochs may help."}},
		"flat":       {history(6, 6, 2, 2, 2, 2, 1.999), []string{"The validation loss of net fell from 6 to 1.999 in 6 epochs.", "The last 2 epochs lowered it by less than 1 %, so more epochs will hardly help."}},
		"overfitted": {history(2, 6, 1, 2, 3, 4, 5), []string{"The validation loss of net fell from 6 to 5 in 6 epochs; the best epoch was 2, with 1.", "For 4 epochs no epoch was better, while the training loss went on falling: the net now learns the training rows by heart."}},
		"rising":     {history(1, 1, 2), []string{"The validation loss of net did not fall but went from 1 to 2 in 2 epochs; the best epoch was 1, with 1."}},
	} {
		if got, want := c.r.verdict(), append(c.want, cost(c.r)); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	for s, want := range map[float64]string{0: "0 s", 0.1234: "0.123 s", 59: "59 s", 60: "1 min", 200: "3 min 20 s", 3600: "1 h", 3725: "1 h 2 min", -1: "an unknown time"} {
		if got := duration(s); got != want {
			t.Errorf("%v seconds are %q, want %q", s, got, want)
		}
	}
	for b, want := range map[int64]string{0: "0 kB", 1500: "1.5 kB", 212e6: "212 MB", 3.25e9: "3.25 GB"} {
		if got := size(b); got != want {
			t.Errorf("%d bytes are %q, want %q", b, got, want)
		}
	}
}

func TestFilters(t *testing.T) {
	tensors := map[string][]int{"b": {3}, "w": {64, 3}, "colour": {192, 2}, "conv": {5, 3, 3, 3}, "odd": {10, 4}, "deep": {5, 16, 3, 3}, "none": {64, 0}}
	get := func(name string) ([]int, []float32, bool) {
		n := 1
		for _, d := range tensors[name] {
			n *= d
		}
		return tensors[name], make([]float32, n), true
	}
	for name, want := range map[string]int{"b,w": 3, "colour": 2, "conv": 5, "odd,w": 0, "deep": 0, "none": 0, "": 0} {
		got := 0
		if b, ok := filters(strings.Split(name, ","), get).(*page.Pictures); ok && b != nil {
			got = len(b.Groups)
		}
		if got != want {
			t.Errorf("%s: %d pictures, want %d", name, got, want)
		}
	}
}

// files are names and sizes of all files below a folder.
func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		i, err := d.Info()
		out = append(out, path+" "+strconv.FormatInt(i.Size(), 10)+" "+i.ModTime().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
