package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test's own program stand in for Lamina and for the peers'
// interpreters where STAND_IN is set.
func TestMain(m *testing.M) {
	if os.Getenv("STAND_IN") != "" {
		standIn(os.Args[1:])
		return
	}
	os.Exit(m.Run())
}

// deaf is a work that the stand-in trains in float32, whatever it is asked for.
const deaf = "deaf"

// standIn prints what a measuring program would: Lamina 100 samples/s, in bf16 150,
// a peer 50 of which PyTorch ends at its second measurement.
func standIn(args []string) {
	line := func(v map[string]any) {
		if err := json.NewEncoder(os.Stdout).Encode(v); err != nil {
			os.Exit(3)
		}
	}
	switch {
	case args[0] == "--version":
		fmt.Println("laminabench v1")
	case args[0] == "train":
		precision, rate := fp32, 100
		if at := slices.Index(args, "--precision"); at > 0 && !slices.Contains(args, deaf) {
			precision, rate = args[at+1], 150
		}
		line(map[string]any{"peer": "lamina", "precision": precision, "samples_per_s": rate, "gflops": 8, "peak_gflops": 10, "of_peak": 0.8, "first_step_s": 0.03, "peak_rss_mb": 40})
	case args[0] == "export":
		if err := os.WriteFile(args[2], []byte(args[1]), 0o600); err != nil {
			os.Exit(3)
		}
	case args[0] == "encode" && filepath.Base(args[1]) == "resnet20.onnx":
		if b, err := os.ReadFile(args[1]); err != nil || string(b) != "resnet20" || args[3] != "1,32" {
			os.Exit(3)
		}
		line(map[string]any{"runtime": "lamina", "batch": 32, "threads": 1, "us": 3})
		line(map[string]any{"runtime": "onnxruntime", "batch": 32, "threads": 1, "us": 6})
	case args[0] == "encode":
		line(map[string]any{"runtime": "lamina", "batch": 1, "threads": 1, "us": 2})
		line(map[string]any{"runtime": "onnxruntime", "batch": 1, "threads": 1, "us": 5})
	case strings.HasPrefix(filepath.Base(args[0]), "keras"):
		fmt.Fprintln(os.Stderr, "ModuleNotFoundError: no keras | here")
		os.Exit(1)
	default:
		b := make([]byte, 1)
		for n := 1; ; n++ {
			if _, err := os.Stdin.Read(b); err == io.EOF {
				return
			}
			if n == 3 && strings.HasPrefix(filepath.Base(args[0]), "torch") {
				fmt.Fprintln(os.Stderr, "out of luck")
				os.Exit(1)
			}
			line(map[string]any{"peer": "x", "version": "1.2", "samples_per_s": 50, "gflops": 4, "first_step_s": 2, "peak_rss_mb": 300})
		}
	}
}

// stage returns a setup whose programs are stand-ins, and the records that it
// writes.
func stage(t *testing.T) (*setup, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, p := range []string{"torch", "jax", "keras"} {
		bin := filepath.Join(dir, p, "bin")
		if err := os.MkdirAll(bin, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(self, filepath.Join(bin, "python")); err != nil {
			t.Skipf("no symbolic links: %v", err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "gomlx.missing"), []byte("needs Go 1.27\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("STAND_IN", "1")
	var file bytes.Buffer
	return &setup{lamina: self, peers: dir, python: "scripts", rounds: 2, seconds: 0.01, encode: []int{1}, calls: []int{1, 32}, session: "2026-01-02T03:04:05Z",
		file: &file, note: io.Discard}, &file
}

func recordsOf(t *testing.T, b *bytes.Buffer) []record {
	t.Helper()
	path := filepath.Join(t.TempDir(), "runs.jsonl")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := load(path)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestAlternates looks at the order of a whole comparison, with a peer that is
// not installed, one that does not start and one that ends half-way.
func TestAlternates(t *testing.T) {
	s, file := stage(t)
	if err := s.train(t.Context(), measured{Work: "tied-ae", Threads: 2, Precision: fp32}, trainers); err != nil {
		t.Fatal(err)
	}
	var got []string
	list := recordsOf(t, file)
	for _, r := range list {
		text := fmt.Sprintf("%d %s", r.Round, r.Name)
		if r.Missing != "" {
			text += ": " + r.Missing
		}
		got = append(got, text)
	}
	want := []string{
		"0 Keras: exit status 1: ModuleNotFoundError: no keras / here",
		"0 Keras XLA: exit status 1: ModuleNotFoundError: no keras / here",
		"0 GoMLX: not installed: needs Go 1.27",
		"1 Lamina", "1 PyTorch", "1 Lamina", "1 PyTorch compiled", "1 Lamina", "1 JAX",
		"2 Lamina", "2 PyTorch: exit status 1: out of luck", "2 Lamina", "2 PyTorch compiled: exit status 1: out of luck", "2 Lamina", "2 JAX",
	}
	if !slices.Equal(got, want) {
		t.Errorf("order\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	page := tables(list, true)
	for _, part := range []string{
		"| Lamina | 100 (100–100) | 80 % |  | 0.03 s | 40 MB |",
		"| JAX | 50 (50–50) | 40 % | 2.00 (2.00–2.00) | 2 s | 300 MB |",
		"| PyTorch | 50 | 40 % | **2.00** | 2 s | 300 MB |",
		"| GoMLX: not installed: needs Go 1.27 | – | – | – | – | – |",
		"Peers: PyTorch 1.2, JAX 1.2.",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q:\n%s", part, page)
		}
	}
}

// TestLowPrecision: in bf16 Lamina takes turns with the peers that have it and with
// itself in float32, which is no peer.
func TestLowPrecision(t *testing.T) {
	s, file := stage(t)
	if err := s.train(t.Context(), measured{Work: "tied-ae", Threads: 2, Precision: bf16}, trainers); err != nil {
		t.Fatal(err)
	}
	page := tables(recordsOf(t, file), false)
	for _, part := range []string{
		"| tied-ae in bf16 | samples/s, 2 threads | of float32's peak | factor |",
		"| Lamina | 150 (150–150) | 80 % |  |",
		"| PyTorch | 50 | 40 % | **3.00** |",
		"| Lamina, float32 | 100 (100–100) | 80 % | 1.50 (1.50–1.50) |",
		"torch.autocast",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q:\n%s", part, page)
		}
	}
	if strings.Contains(page, "Keras") || strings.Contains(page, "| tied-ae |") {
		t.Errorf("what has no bf16 is in the page:\n%s", page)
	}
	if _, err := s.trainOurs(t.Context(), measured{Work: deaf, Threads: 1, Precision: bf16}); err == nil || !strings.Contains(err.Error(), bf16) {
		t.Errorf("a training in float32 is taken for one in bf16: %v", err)
	}
}

// TestResume: an interrupted comparison goes on with the jobs that are left, and not
// with another program or other settings.
func TestResume(t *testing.T) {
	s, _ := stage(t)
	out := t.TempDir()
	run := func(ctx context.Context, args ...string) error {
		c := command()
		c.SetArgs(append([]string{"--out", out, "--lamina", s.lamina, "--peers", s.peers, "--works", "tied-ae,deep-ae", "--parts", "train,bf16",
			"--threads", "1", "--rounds", "1", "--seconds", "0.01"}, args...))
		c.SetOut(io.Discard)
		c.SetErr(io.Discard)
		return c.ExecuteContext(ctx)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	path := filepath.Join(out, "runs.jsonl")
	done := func() (names []string) {
		list, err := load(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			if r.Part == partDone {
				names = append(names, r.Name)
			}
		}
		return names
	}
	go func() { // as Ctrl-C, when something is done
		for {
			if b, _ := os.ReadFile(path); bytes.Contains(b, []byte(partDone)) {
				stop()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if err := run(ctx); err == nil || !strings.Contains(err.Error(), "RESUME=1") {
		t.Fatalf("interrupted: %v", err)
	}
	if n := len(done()); n == 0 || n == 4 {
		t.Fatalf("%d jobs are done", n)
	}
	if err := run(t.Context(), "--resume", "--rounds", "2"); err == nil || !strings.Contains(err.Error(), "--rounds") {
		t.Errorf("goes on with other settings: %v", err)
	}
	if err := run(t.Context(), "--resume"); err != nil {
		t.Fatal(err)
	}
	want := []string{"tied-ae, 1 thread", "tied-ae in bf16, 1 thread", "deep-ae, 1 thread", "deep-ae in bf16, 1 thread"}
	if got := done(); !slices.Equal(got, want) {
		t.Errorf("done are %q, want each of %q once", got, want)
	}
	page, err := os.ReadFile(filepath.Join(out, "tables.md"))
	if err != nil || !strings.Contains(string(page), "| tied-ae |") || !strings.Contains(string(page), "| deep-ae in bf16 |") {
		t.Errorf("%v: the tables of both runs are\n%s", err, page)
	}
}

func TestEncoding(t *testing.T) {
	s, file := stage(t)
	for _, n := range s.nets() {
		if err := s.encoding(t.Context(), n, 1); err != nil {
			t.Fatal(err)
		}
	}
	page := tables(recordsOf(t, file), true)
	for _, want := range []string{"| encoder 784-100-30, µs a call | Lamina | onnxruntime, C API | factor |\n|---|---:|---:|---:|\n| batch 1, 1 thread | 2 (2–2) | 5 (5–5) | 2.50 (2.50–2.50) |\n\n",
		"| the exported resnet20, µs a call | Lamina | onnxruntime, C API | factor |\n|---|---:|---:|---:|\n| batch 32, 1 thread | 3 (3–3) | 6 (6–6) | 2.00 (2.00–2.00) |\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page:\n%s", want, page)
		}
	}
}

// TestNoPeers measures Lamina where nothing is installed.
func TestNoPeers(t *testing.T) {
	s, file := stage(t)
	s.peers = t.TempDir()
	if err := s.train(t.Context(), measured{Work: "rbm", Threads: 1, Precision: fp32}, trainers); err != nil {
		t.Fatal(err)
	}
	page := tables(recordsOf(t, file), false)
	if !strings.Contains(page, "| Lamina | 100 (100–100) |") || !strings.Contains(page, "JAX: not installed: make bench-peers") {
		t.Errorf("page:\n%s", page)
	}
	if strings.Contains(page, "Keras") {
		t.Errorf("Keras has no program for rbm, and is in the page:\n%s", page)
	}
}

func TestSilentPeerIsLeft(t *testing.T) {
	r, err := start(t.Context(), []string{"sleep", "60"})
	if err != nil {
		t.Skipf("no sleep: %v", err)
	}
	if _, err := r.measure(t.Context(), 10*time.Millisecond); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("measure returned %v", err)
	}
	r.stop()
	r.end()
	if r.cmd.ProcessState.Success() {
		t.Error("it was waited for")
	}
}

func TestStatistics(t *testing.T) {
	if s := spreadOf([]float64{4, 1, 3}); s != (spread{3, 1, 4, 3}) {
		t.Errorf("spread of 3: %v", s)
	}
	if s := spreadOf([]float64{4, 1, 3, 2}); s != (spread{2.5, 1, 4, 4}) {
		t.Errorf("spread of 4: %v", s)
	}
	if s := spreadOf(nil); s.ranged(count) != "–" {
		t.Errorf("spread of nothing: %v", s)
	}
	if g := geometricMean([]float64{0.5, 2, 8}); math.Abs(g-2) > 1e-12 {
		t.Errorf("geometric mean %v", g)
	}
	for v, want := range map[float64]string{12440.4: "12440", 99.96: "100", 6.078: "6.08"} {
		if got := micros(v); got != want {
			t.Errorf("%v microseconds are written %s, want %s", v, got, want)
		}
	}
	at := func(round int, name, beside string, rate float64) record {
		return record{Part: partTrain, Round: round, Name: name, Beside: beside, measured: measured{SamplesPerS: rate}}
	}
	list := []record{
		at(1, ours, "A", 10), at(1, "A", "", 5), at(1, ours, "B", 9), at(1, "B", "", 3),
		at(2, ours, "A", 30), at(2, "A", "", 10), at(2, "B", "", 4), // B has no partner
		{Part: partTrain, Round: 3, Name: "A", Missing: "ended"}, at(3, ours, "A", 20),
	}
	if got := pairs(list, "A", rate); !slices.Equal(got, []float64{2, 3}) {
		t.Errorf("pairs of A: %v", got)
	}
	if got := pairs(list, "B", rate); !slices.Equal(got, []float64{3}) {
		t.Errorf("pairs of B: %v", got)
	}
	if got := best(list, rate); got != "A" {
		t.Errorf("best is %q", got)
	}
	if got := best(nil, rate); got != "" {
		t.Errorf("best of nobody is %q", got)
	}
}

func TestProducts(t *testing.T) {
	var list []record
	put := func(round int, name, beside, shape string, us float64) {
		list = append(list, record{Part: partGEMM, Round: round, Name: name, Beside: beside,
			measured: measured{Threads: 1, Shape: shape, Op: "NN", M: 2, N: 3, K: 4, US: us, GFLOPS: 1 / us, OfPeak: 0.5}})
	}
	for round := 1; round <= 2; round++ {
		put(round, ours, "OpenBLAS", "ae32.fwd1", 2)
		put(round, "OpenBLAS", "", "ae32.fwd1", 4)
		put(round, ours, "oneDNN", "ae32.fwd1", 2)
		put(round, "oneDNN", "", "ae32.fwd1", 3) // the better
		put(round, ours, "oneDNN", "sq.s64", 8)
		put(round, "oneDNN", "", "sq.s64", 4)
	}
	short, long := tables(list, false), tables(list, true)
	for _, part := range []string{"| `ae32.*` | 1.50 | 1.50 ae32.fwd1 |", "| `tf.*` | – | – |", "| all | 0.87 | 0.50 sq.s64 |"} {
		if !strings.Contains(short, part) {
			t.Errorf("the short page lacks %q:\n%s", part, short)
		}
	}
	row := "| ae32.fwd1 | NN | 2×3×4 | 0.5 (0.5–0.5) | 50 % | oneDNN | 0.3 | 50 % | 1.50 (1.50–1.50) |"
	if !strings.Contains(long, row) || strings.Contains(short, row) {
		t.Errorf("the row of a shape belongs to the long page alone:\n%s", long)
	}
}

func TestParseMeasured(t *testing.T) {
	m, err := parseMeasured([]byte(`{"peer":"jax","samples_per_s":1.5e5,"loss":[0.3,0.1],"unknown":1}`))
	if err != nil || m.SamplesPerS != 1.5e5 || m.Loss != [2]float64{0.3, 0.1} {
		t.Errorf("%+v, %v", m, err)
	}
	for _, bad := range []string{"", "warning: slow", `{"peer":"jax"}`, `{"samples_per_s":-1}`, `[1]`} {
		if _, err := parseMeasured([]byte(bad)); err == nil {
			t.Errorf("%q was taken for a measurement", bad)
		}
	}
}

func TestNewest(t *testing.T) {
	at := func(session, work string, rate float64) record {
		return record{Part: partTrain, Session: session, Name: ours, measured: measured{Work: work, SamplesPerS: rate}}
	}
	var b bytes.Buffer
	for _, r := range []record{at("2026-01-01T00:00:00Z", "a", 1), at("2026-01-01T00:00:00Z", "b", 2), at("2026-02-01T00:00:00Z", "a", 3)} {
		s := setup{session: r.Session, file: &b}
		if err := s.put(r); err != nil {
			t.Fatal(err)
		}
	}
	s := setup{session: "2026-01-01T00:00:00Z", file: &b}
	if err := s.put(record{Part: partMachine, Machine: &machine{CPU: "x", Cores: 2}}); err != nil {
		t.Fatal(err)
	}
	var got []float64
	for _, r := range newest(recordsOf(t, &b)) {
		if r.Part == partMachine {
			if *r.Machine != (machine{CPU: "x", Cores: 2}) {
				t.Errorf("the machine came back as %+v", *r.Machine)
			}
			continue
		}
		got = append(got, r.SamplesPerS)
	}
	if !slices.Equal(got, []float64{2, 3}) {
		t.Errorf("kept %v", got)
	}
}

func TestHeading(t *testing.T) {
	m := machine{CPU: "AMD EPYC", Cores: 2, Kernels: "avx2", System: "linux/amd64", Load: 4, Lamina: "v1", Seconds: 1, Rounds: 3}
	page := tables([]record{{Part: partMachine, Session: "2026-01-02T03:04:05Z", Machine: &m}}, false)
	for _, part := range []string{"2026-01-02", "AMD EPYC", "2 cores", "kernels avx2", "Lamina v1", "load average was 2.0 a core"} {
		if !strings.Contains(page, part) {
			t.Errorf("the heading lacks %q:\n%s", part, page)
		}
	}
	m.Load = 0.2
	if page := tables([]record{{Part: partMachine, Machine: &m}}, false); !strings.Contains(page, "load average was 0.10 a core when") || strings.Contains(page, "**The load") {
		t.Errorf("a quiet machine's load is not told, or called high:\n%s", page)
	}
}

// TestPins checks that everything that is installed has one exact version.
func TestPins(t *testing.T) {
	pin := regexp.MustCompile(`^[a-z0-9-]+==[0-9][0-9.]*$`)
	for _, dir := range []string{"torch", "jax", "keras", "blas", "sklearn"} {
		b, err := os.ReadFile(filepath.Join("..", "python", "requirements-"+dir+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); !pin.MatchString(line) {
				t.Errorf("requirements-%s.txt: %q pins no version", dir, line)
			}
		}
	}
	b, err := os.ReadFile(filepath.Join("..", "gomlx", "go.mod"))
	if err != nil || !regexp.MustCompile(`github.com/gomlx/gomlx v0\.28\.\d+\n`).Match(b) {
		t.Errorf("gomlx/go.mod pins no version of GoMLX: %v", err)
	}
	if _, err := os.Stat(filepath.Join("..", "gomlx", "go.sum")); err != nil {
		t.Error(err)
	}
}

// TestPrograms compiles the peers' programs as far as that needs no peer.
func TestPrograms(t *testing.T) {
	for _, p := range trainers {
		if p.program == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join("..", "python", p.program)); err != nil {
			t.Error(err)
		}
	}
	scripts, err := filepath.Glob(filepath.Join("..", "python", "*.py"))
	if err != nil || len(scripts) < 4 {
		t.Fatalf("found %v, %v", scripts, err)
	}
	if python, err := exec.LookPath("python3"); err != nil {
		t.Log("no python3: the programs are not compiled")
	} else {
		c := exec.CommandContext(t.Context(), python, append([]string{"-m", "py_compile"}, scripts...)...)
		c.Env = append(os.Environ(), "PYTHONPYCACHEPREFIX="+t.TempDir())
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("py_compile: %v\n%s", err, out)
		}
	}
	if cc, err := exec.LookPath("cc"); err != nil {
		t.Log("no C compiler: gemm.c is not compiled")
	} else if out, err := exec.CommandContext(t.Context(), cc, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", filepath.Join("..", "gemm", "gemm.c")).CombinedOutput(); err != nil {
		t.Errorf("cc: %v\n%s", err, out)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"--rounds", "0"}, {"--seconds", "NaN"}, {"--threads", "0"}, {"--parts", "none"}, {"--render"}} {
		c := command()
		c.SetArgs(append(args, "--out", t.TempDir()))
		c.SetOut(io.Discard)
		c.SetErr(io.Discard)
		if err := c.ExecuteContext(t.Context()); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
}

// TestCommands: the commands of the README have flags and words that there are.
func TestCommands(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^ +go run ./internal/lab/peers/compare (.*)$`).FindAllStringSubmatch(string(b), -1)
	if len(found) == 0 {
		t.Fatal("the README has no command")
	}
	for _, m := range found {
		c := command()
		if err := c.ParseFlags(strings.Fields(m[1])); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
		s := setup{threads: []int{1}, rounds: 1, seconds: 1}
		chosen, _ := c.Flags().GetStringSlice("parts")
		if s.works, err = c.Flags().GetStringSlice("works"); err != nil || check(&s, chosen) != nil {
			t.Errorf("%s: %v, %v", m[1], err, check(&s, chosen))
		}
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(makefile), "\nPARTS    ?= ")
	if list, _, _ = strings.Cut(list, "\n"); list != strings.Join(parts, ",") || !strings.Contains(string(b), "`"+list+"`") {
		t.Errorf("the Makefile has the parts %s, the command %v; README.md is to say them", list, parts)
	}
}

// TestMistakesCostNothing: what cannot be measured is told before what was measured
// is thrown away.
func TestMistakesCostNothing(t *testing.T) {
	out := t.TempDir()
	path := filepath.Join(out, "runs.jsonl")
	const kept = `{"part":"train","session":"2026-01-02T03:04:05Z","round":1,"name":"Lamina"}` + "\n"
	if err := os.WriteFile(path, []byte(kept), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ arg, value, want string }{
		{"--works", "rmb", "tied-ae, deep-ae, tiny-ae, rbm"},
		{"--parts", "trains", "encode"},
		{"--threads", "0", "1 or more"},
		{"--rounds", "0", "--rounds"},
		{"--seconds", "NaN", "--seconds"},
		{"--lamina", filepath.Join(out, "nowhere"), "make build"},
	} {
		command := command()
		command.SetArgs([]string{"--out", out, c.arg, c.value})
		command.SetOut(io.Discard)
		command.SetErr(io.Discard)
		if err := command.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: error is %v, want %q in it", c.arg, c.value, err, c.want)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != kept {
			t.Errorf("%s %s: the file holds %q, %v", c.arg, c.value, b, err)
		}
	}
}
