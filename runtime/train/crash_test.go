package train

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// Environment of a child process: what it trains, where, and how it writes.
const (
	childRun   = "LAMINA_TRAIN_CHILD_RUN"
	childDir   = "LAMINA_TRAIN_CHILD_DIR"
	childWrite = "LAMINA_TRAIN_CHILD_WRITE"
	childTest  = "TestKilledAndResumed"
	killsEnv   = "LAMINA_KILLS"
)

// How a child writes checkpoints.
const (
	plainly    = "plain"
	slowed     = "slowed"         // so that many kills hit a write
	diesBefore = "dies before it" // between the history and the checkpoint that has it
	diesIn     = "dies in it"     // the write at an epoch's end kills the process
	diesPast   = "dies behind it" // between that checkpoint and its log
)

// crashRuns are the trainings that get killed.
var crashRuns = map[string]func() (*spec.Model, dataset.Source, Options){
	"autoencoder": func() (*spec.Model, dataset.Source, Options) {
		enc := spec.Sequential("encoder", spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU())
		m := spec.Autoencoder("digits", spec.Input("x", 784), enc, spec.Mirror("decoder", enc).Tied())
		data := dataset.Digits()
		return m, data.Train.Head(150), Options{Optimizer: optim.Adam(1e-3), Epochs: 4, Batch: 16, Seed: 1, Workers: 2,
			Valid: data.Test.Head(50), CheckpointEvery: 3}
	},
	"stopping": func() (*spec.Model, dataset.Source, Options) {
		m := model()
		return m, rows(400), Options{Optimizer: optim.AdamW(1e-2, 1e-3).Schedule(optim.Plateau(1, 0.7)), Epochs: 60, Batch: 16, Accumulate: 2,
			Seed: 2, Workers: 2, Valid: rows(500).Head(80), Patience: 3, MinDelta: 0.003, ClipNorm: 1, CheckpointEvery: 6,
			Metrics: []Metric{Accuracy(m.Tap("logits"), spec.Labels("y", 4))}}
	},
	"shards": func() (*spec.Model, dataset.Source, Options) {
		return model(), rows(200), Options{Optimizer: optim.Adam(3e-3).Schedule(optim.Cosine(1)), Epochs: 40, Batch: 32, Shards: 4, Accumulate: 2, Cluster: Local(2),
			Seed: 3, Workers: 2, ClipNorm: 1, CheckpointEvery: 2}
	},
	"weights": func() (*spec.Model, dataset.Source, Options) {
		return withWeights["labels"](), weightedRows(200), Options{Optimizer: optim.Adam(3e-3), Epochs: 40, Batch: 16, Accumulate: 2,
			Seed: 4, Workers: 2, Valid: weightedRows(60), CheckpointEvery: 2}
	},
	"bf16": func() (*spec.Model, dataset.Source, Options) {
		o := wideOptions()
		o.Epochs, o.Workers, o.CheckpointEvery, o.Accumulate, o.ClipNorm = 12, 2, 2, 2, 1
		o.Precision = optim.BF16.Except("head")
		return wideModel(), wideRows(300), o
	},
	"bf16 images": func() (*spec.Model, dataset.Source, Options) {
		o := imageOptions()
		o.Epochs, o.Workers, o.CheckpointEvery, o.Shards, o.Accumulate = 3, 2, 2, 2, 2
		return imageModel(true), imageRows(130), o
	},
	"augmented": func() (*spec.Model, dataset.Source, Options) {
		o := augmentedOptions()
		o.Epochs, o.Workers, o.CheckpointEvery, o.Valid = 10, 2, 2, augmentedRows(40)
		return augmentedModel(), augmentedRows(150), o
	},
	"mix": func() (*spec.Model, dataset.Source, Options) {
		few, rest := mixParts()
		o := mixOptions()
		o.Epochs, o.Workers, o.CheckpointEvery, o.Valid = 40, 2, 2, rows(60)
		return mixModel(), dataset.Mix(few, 8, rest, 32), o
	},
	"momentum": func() (*spec.Model, dataset.Source, Options) { // an average and a queue
		o := momentumOptions()
		o.Epochs, o.Batch, o.Accumulate, o.Workers, o.CheckpointEvery, o.Valid = 16, 16, 2, 2, 3, rows(500).Head(80)
		return newMomentum().Model, rows(300), o
	},
	"table": func() (*spec.Model, dataset.Source, Options) { // constants that are fitted, missing numbers, embeddings
		o := tabularOptions()
		o.Epochs, o.Workers, o.CheckpointEvery, o.Shards, o.Cluster, o.Valid = 20, 2, 2, 4, Local(2), tableRows(60)
		return tabular(), tableRows(300), o
	},
	"statistics": func() (*spec.Model, dataset.Source, Options) { // running ones, and a queue, of two ranks
		x := spec.Input("x", 12)
		code := x.Then(spec.Sequential("encoder", spec.Dense(20).NoBias(), spec.BatchNorm(), spec.Tanh(), spec.Dense(6).NoBias(), spec.BatchNorm()))
		queue := code.Then(spec.Queue(40).Named("queue"))
		m := spec.NewModel("statistics", spec.MSE(code.Then(spec.Dense(12)), x), spec.NewLoss("Against", spec.Apply(&against{spec.Here("against")}, code, queue)).Weight(0.1))
		return m, rows(300), Options{Optimizer: optim.Adam(3e-3), Epochs: 20, Batch: 32, Shards: 4, Cluster: Local(2), Seed: 3, Workers: 2, CheckpointEvery: 2, Valid: rows(500).Head(80)}
	},
}

// slowly sleeps before every fourth piece.
type slowly struct {
	io.Writer
	pieces int
}

func (s *slowly) Write(b []byte) (int, error) {
	if s.pieces++; s.pieces%4 == 0 {
		time.Sleep(time.Millisecond)
	}
	return s.Writer.Write(b)
}

func writeSlowly(path string, f *checkpoint.File) error {
	time.Sleep(time.Millisecond) // between the history and the checkpoint
	err := atomicfile.Write(path, func(w io.Writer) error { return checkpoint.Encode(&slowly{Writer: w}, f) })
	time.Sleep(2 * time.Millisecond) // between the checkpoint and the log
	return err
}

// die ends the process as SIGKILL from outside does.
func die() error {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Kill()
	}
	if err == nil {
		select {}
	}
	return err
}

// endsEpoch is the checkpoint of the run "stopping" that ends its second epoch,
// at which the log grows.
const endsEpoch = 6

// writeAndDie returns a way to write before, in or behind which the process ends at
// the write of endsEpoch.
func writeAndDie(how string) func(string, *checkpoint.File) error {
	writes := 0
	return func(path string, f *checkpoint.File) error {
		if writes++; writes == endsEpoch && how == diesBefore {
			return die()
		}
		err := atomicfile.Write(path, func(w io.Writer) error {
			if err := checkpoint.Encode(w, f); err != nil || writes < endsEpoch || how != diesIn {
				return err
			}
			return die() // with all but a buffer's rest in the temporary file
		})
		if writes == endsEpoch && how == diesPast && err == nil {
			return die()
		}
		return err
	}
}

// child trains as a process of its own: "begin", "at EPOCH STEP", the end's
// error if there is one, and the final bits in a file beside the folder.
func child(t *testing.T) {
	m, data, o := crashRuns[os.Getenv(childRun)]()
	o.Dir, o.Log = os.Getenv(childDir), slog.New(slog.DiscardHandler)
	o.Logs = []EpochLog{CSVLog(o.Dir + ".csv"), JSONLog(o.Dir + ".jsonl")}
	ctx := SignalContext()
	fmt.Println("begin")
	tr, err := New(ctx, m, data, o)
	if err != nil {
		t.Fatal(err)
	}
	switch how := os.Getenv(childWrite); how {
	case slowed:
		tr.writeCheckpoint = writeSlowly
	case diesBefore, diesIn, diesPast:
		tr.writeCheckpoint = writeAndDie(how)
	}
	fmt.Println("at", tr.cursor.Epoch, tr.cursor.Step)
	for range tr.Epochs(ctx) {
	}
	r, err := tr.Done()
	if errors.Is(err, ErrInterrupted) {
		fmt.Println(err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.Dir+".bits", []byte(bits(r)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// process is a child under way.
type process struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

func start(t *testing.T, run, dir, write string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], "-test.run=^"+childTest+"$")}
	p.cmd.Env = append(os.Environ(), childRun+"="+run, childDir+"="+dir, childWrite+"="+write)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.expect(t, "begin")
	return p
}

func (p *process) expect(t *testing.T, prefix string) {
	t.Helper()
	if line, err := p.out.ReadString('\n'); !strings.HasPrefix(line, prefix) {
		_ = p.cmd.Process.Kill()
		t.Fatalf("the child said %q (%v), want %q", line, err, prefix)
	}
}

// end waits, after a kill or not, and returns the rest of what the child said.
func (p *process) end(t *testing.T, killed bool) (out string, finished bool) {
	t.Helper()
	b, err := io.ReadAll(p.out)
	if err != nil {
		t.Fatal(err)
	}
	err = p.cmd.Wait()
	if err != nil && (!killed || p.cmd.ProcessState.Exited()) {
		t.Fatalf("the child failed: %v\n%s", err, b)
	}
	return string(b), err == nil
}

// found is what a folder shows from outside.
type found struct {
	cursor checkpoint.Cursor
	exists bool
	ahead  bool     // the history has more epochs than the checkpoint
	behind bool     // the log has fewer
	torn   bool     // one of them ends within a line
	temps  []string // temporary files
}

func look(t *testing.T, dir string) found {
	t.Helper()
	var s found
	f, err := checkpoint.Read(filepath.Join(dir, checkpointName))
	if err == nil {
		s.exists, s.cursor = true, f.Cursor
		var lines [2]int
		for i, name := range []string{historyName, logName} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			lines[i] = strings.Count(string(b), "\n")
			s.torn = s.torn || len(b) > 0 && b[len(b)-1] != '\n'
		}
		s.ahead, s.behind = lines[0] > f.Cursor.Epoch, lines[1] < f.Cursor.Epoch
	} else if !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("after a kill: %v", err)
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if n := e.Name(); n != lockName && n != checkpointName && n != historyName && n != logName {
			s.temps = append(s.temps, n)
		}
	}
	return s
}

// Moments of a kill.
const (
	inCheckpoint     = "in a checkpoint's write"
	inLine           = "in a line of history or log"
	behindHistory    = "between history and checkpoint"
	behindCheckpoint = "between checkpoint and log"
	betweenWrites    = "between writes"
)

// moment says what a kill hit, by what it left.
func moment(before, after found) string {
	for _, name := range after.temps {
		switch {
		case slices.Contains(before.temps, name): // the kill before left it
		case strings.HasPrefix(name, "."+checkpointName):
			return inCheckpoint
		}
	}
	if after.torn && !before.torn {
		return inLine
	}
	if after.ahead && !before.ahead {
		return behindHistory
	}
	if after.behind && after.cursor != before.cursor {
		return behindCheckpoint
	}
	return betweenWrites
}

// crashCase is one training, killed again and again.
type crashCase struct {
	run   string
	write string
	kill  int // times

	want    *Result
	dir     string // of the run never killed
	moments map[string]int
}

// sameEnd compares a folder, and the bits beside it, with the run never killed.
func (c *crashCase) sameEnd(t *testing.T, dir string) {
	t.Helper()
	got, err := os.ReadFile(dir + ".bits")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != bits(c.want) {
		t.Fatal("other final weights, metrics or losses than a run never killed")
	}
	if d := cmp.Diff(readLog(t, c.dir), readLog(t, dir)); d != "" {
		t.Fatalf("other log: %s", d)
	}
	sameLogs(t, dir, len(c.want.History))
	want, err := checkpoint.Read(filepath.Join(c.dir, checkpointName))
	if err != nil {
		t.Fatal(err)
	}
	have, err := checkpoint.Read(filepath.Join(dir, checkpointName))
	if err != nil {
		t.Fatal(err)
	}
	if want.Cursor != have.Cursor || !cmp.Equal(want.Tensors, have.Tensors) {
		t.Fatal("the last checkpoint holds other tensors or another cursor")
	}
	if s := look(t, dir); len(s.temps) > 0 {
		t.Fatalf("temporary files are left: %v", s.temps)
	}
}

// once runs a child in dir, kills it after the delay, if one is given, and
// reports whether it ended by itself.
func (c *crashCase) once(t *testing.T, dir string, delay time.Duration) bool {
	before := look(t, dir)
	p := start(t, c.run, dir, c.write)
	if delay > 0 {
		time.Sleep(delay)
		_ = p.cmd.Process.Kill() // fails when the child has ended
	}
	out, finished := p.end(t, delay > 0 || strings.HasPrefix(c.write, "dies"))
	at := fmt.Sprintf("at %d %d\n", before.cursor.Epoch, before.cursor.Step)
	if (finished || out != "") && !strings.HasPrefix(out, at) {
		t.Fatalf("the checkpoint is %q but the child went on %q", at, out)
	}
	if finished {
		return true
	}
	after := look(t, dir)
	if after.cursor.Update < before.cursor.Update || before.exists && !after.exists {
		t.Fatalf("the checkpoint went back from %+v to %+v", before.cursor, after.cursor)
	}
	m, from := moment(before, after), "the start"
	if after.exists {
		from = fmt.Sprintf("epoch %d, step %d", after.cursor.Epoch+1, after.cursor.Step)
	}
	c.moments[m]++
	t.Logf("killed after %7.1f ms  %-26s  resumed at %s", float64(delay)/1e6, m, from)
	return false
}

// whole trains without a kill, in this process.
func (c *crashCase) whole(t *testing.T) {
	t.Helper()
	m, data, o := crashRuns[c.run]()
	c.dir, c.moments = t.TempDir(), map[string]int{}
	o.Dir = c.dir
	var err error
	if c.want, err = Fit(context.Background(), m, data, o); err != nil {
		t.Fatal(err)
	}
	if o.Patience > 0 && len(c.want.History) >= o.Epochs {
		t.Fatal("the run must stop early")
	}
}

func (c *crashCase) test(t *testing.T) {
	c.whole(t)
	top := t.TempDir()
	began := time.Now()
	c.once(t, filepath.Join(top, "whole"), 0)
	span := time.Since(began)
	c.sameEnd(t, filepath.Join(top, "whole"))

	key, kills, ends := random.New(4).DeriveString(c.run), 0, 0
	for ; kills < c.kill; ends++ {
		dir := filepath.Join(top, strconv.Itoa(ends))
		for done := false; !done; {
			var delay time.Duration
			if kills < c.kill {
				delay = 1 + time.Duration(key.Float64(uint64(kills+1000*ends))*0.6*float64(span))
			}
			if done = c.once(t, dir, delay); !done {
				kills++
			}
		}
		c.sameEnd(t, dir)
	}
	t.Logf("%s, writes %q: %d kills, %d trainings ended, each as one never killed; %v", c.run, c.write, kills, ends, c.moments)
}

// A training killed at random moments and resumed ends as one never killed.
// LAMINA_KILLS is the number of kills of each model; half of them have slowed
// writes.
func TestKilledAndResumed(t *testing.T) {
	if os.Getenv(childRun) != "" {
		child(t)
		return
	}
	kills := 6
	if s := os.Getenv(killsEnv); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil || kills < 0 {
			t.Fatalf("%s=%q is no number", killsEnv, s)
		}
	}
	for _, c := range []*crashCase{
		{run: "autoencoder", write: plainly, kill: kills - kills/2},
		{run: "autoencoder", write: slowed, kill: kills / 2},
		{run: "stopping", write: plainly, kill: kills - kills/2},
		{run: "stopping", write: slowed, kill: kills / 2},
		{run: "shards", write: slowed, kill: kills / 2},
		{run: "weights", write: plainly, kill: kills - kills/2},
		{run: "weights", write: slowed, kill: kills / 2},
		{run: "augmented", write: plainly, kill: kills - kills/2},
		{run: "augmented", write: slowed, kill: kills / 2},
		{run: "mix", write: plainly, kill: kills - kills/2},
		{run: "momentum", write: plainly, kill: kills - kills/2},
		{run: "momentum", write: slowed, kill: kills / 2},
		{run: "statistics", write: plainly, kill: kills - kills/2},
		{run: "statistics", write: slowed, kill: kills / 2},
		{run: "table", write: slowed, kill: kills / 2},
	} {
		t.Run(c.run+"/"+c.write, c.test)
	}
}

// The same at the three moments that random kills may miss.
func TestKilledInAWrite(t *testing.T) {
	for write, want := range map[string]string{diesBefore: behindHistory, diesIn: inCheckpoint, diesPast: behindCheckpoint} {
		t.Run(write, func(t *testing.T) {
			c := &crashCase{run: "stopping", write: write}
			c.whole(t)
			dir := filepath.Join(t.TempDir(), "run")
			if c.once(t, dir, 0) || c.moments[want] != 1 {
				t.Fatalf("the kill was wanted %s: %v", want, c.moments)
			}
			c.write = plainly
			if !c.once(t, dir, 0) {
				t.Fatal("the second run did not end")
			}
			c.sameEnd(t, dir)
		})
	}
}
