// Command compare measures Lamina and the frameworks that make bench-peers
// installed, alternating in one run, and writes the tables. Run it from the top
// of a checkout.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/kernels/simd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The parts that --parts chooses from.
var parts = []string{"train", "bf16", "batches", "gemm", "encode"}

func command() *cobra.Command {
	var (
		s           setup
		to          places
		add, render bool
		chosen      []string
	)
	c := &cobra.Command{
		Use:   "compare",
		Short: "Measure Lamina and its peers, alternating, and write the tables",
		Long: `Measures Lamina, a peer, Lamina, the next peer and so on, for each work and
number of threads, in several rounds. Every measurement is a line of runs.jsonl;
the tables are made of that file and are printed and written beside it. With
--resume a comparison that was interrupted goes on where it was.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := check(&s, chosen); err != nil {
				return err
			}
			path := filepath.Join(to.out, "runs.jsonl")
			if !render {
				s.note = c.ErrOrStderr()
				if err := session(c.Context(), &s, chosen, path, add); err != nil {
					return err
				}
			}
			list, err := load(path)
			if err == nil && len(list) == 0 {
				err = fmt.Errorf("%s: no measurements", path)
			}
			if err != nil {
				return err
			}
			return publish(newest(list), to, c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&s.lamina, "lamina", "bin/laminabench", "the command that is measured")
	f.StringVar(&s.peers, "peers", ".cache/peers", "the folder that make bench-peers filled")
	f.StringVar(&s.python, "python", "internal/lab/peers/python", "the folder of the peers' Python programs")
	f.StringVar(&s.model, "model", "testdata/bundles/demo-v1/model.onnx", "the encoder whose calls are timed")
	f.StringSliceVar(&s.works, "works", works, "what to train")
	f.IntSliceVar(&s.threads, "threads", []int{1, 2}, "numbers of threads")
	f.IntSliceVar(&s.batches, "batches", []int{32, 64, 128, 512, 1024}, "batches of tied-ae, measured with Lamina and the best peer")
	f.IntSliceVar(&s.encode, "encode", []int{1, 16, 256}, "rows of a call of the encoder")
	f.IntSliceVar(&s.calls, "calls", []int{1, 32}, "rows of a call of the exported "+netWork)
	f.IntVar(&s.rounds, "rounds", 3, "times that everyone is measured")
	f.Float64Var(&s.seconds, "seconds", 1, "how long a measurement of a training or a call takes")
	f.StringSliceVar(&chosen, "parts", parts, "what to measure")
	f.StringVar(&to.out, "out", "out/bench", "the folder of runs.jsonl and the tables")
	f.BoolVar(&add, "add", false, "keep what runs.jsonl has and is not measured again")
	f.BoolVar(&s.resume, "resume", false, "leave out what an interrupted comparison has measured, with the same program and settings")
	f.BoolVar(&render, "render", false, "measure nothing, make the tables of runs.jsonl")
	f.StringVar(&to.readme, "readme", "", "a page between whose marks this CPU's tables are put, before those of others")
	f.StringVar(&to.front, "front", "", "a page behind whose mark the short table of all CPUs is put")
	f.StringVar(&to.kept, "kept", "testdata/speed", "the folder of what the short table has of each CPU")
	return c
}

// check refuses what cannot be measured before anything runs.
func check(s *setup, chosen []string) error {
	var errs []error
	for _, p := range chosen {
		if !slices.Contains(parts, p) {
			errs = append(errs, fmt.Errorf("--parts are of %s; got %q", strings.Join(parts, ", "), p))
		}
	}
	for _, n := range slices.Concat(s.threads, s.batches, s.encode, s.calls) {
		if n < 1 {
			errs = append(errs, fmt.Errorf("threads and batches are 1 or more, got %d", n))
		}
	}
	for _, w := range s.works {
		if !slices.Contains(works, w) {
			errs = append(errs, fmt.Errorf("--works are of %s; got %q", strings.Join(works, ", "), w))
		}
	}
	if s.rounds < 1 || s.rounds > 1000 {
		errs = append(errs, fmt.Errorf("--rounds must be from 1 to 1000, got %d", s.rounds))
	}
	if !(s.seconds > 0 && s.seconds <= 600) {
		errs = append(errs, fmt.Errorf("--seconds must be above 0 and at most 600, got %v", s.seconds))
	}
	return errors.Join(errs...)
}

// session measures and writes the records to a file.
func session(ctx context.Context, s *setup, chosen []string, path string, add bool) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if s.lamina, err = filepath.Abs(s.lamina); err != nil {
		return err
	}
	if s.peers, err = filepath.Abs(s.peers); err != nil {
		return err
	}
	if s.how, err = s.settings(); err != nil {
		return err
	}
	s.session = time.Now().UTC().Format("2006-01-02T15:04:05Z")
	m, err := here(ctx, s) // before what was measured is thrown away
	if err != nil {
		return err
	}
	done, err := s.done(path, add)
	if err != nil {
		return err
	}
	mode := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if !add && !s.resume {
		mode |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, mode, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	s.file = f
	if err := s.put(record{Part: partMachine, Machine: m}); err != nil {
		return err
	}
	for _, j := range s.jobs(chosen, path) {
		if done[j.name] {
			fmt.Fprintf(s.note, "%s: measured before the interruption\n", j.name)
			continue
		}
		fmt.Fprintln(s.note, j.name)
		if err := j.run(ctx); err != nil {
			if ctx.Err() != nil {
				err = fmt.Errorf("%w: what was measured is in %s; --resume, or RESUME=1 with make, goes on", err, path)
			}
			return err
		}
		if err := s.put(record{Part: partDone, Name: j.name, How: s.how}); err != nil {
			return err
		}
	}
	return nil
}

// job is a part of a session that is measured as a whole.
type job struct {
	name string
	run  func(ctx context.Context) error
}

// jobs lists what a session measures, in this order.
func (s *setup) jobs(chosen []string, path string) (list []job) {
	has := func(part string) bool { return slices.Contains(chosen, part) }
	for _, threads := range s.threads {
		at := threadsOf(threads)
		for _, work := range s.works {
			if has("train") {
				list = append(list, job{work + ", " + at, func(ctx context.Context) error {
					return s.train(ctx, measured{Work: work, Threads: threads, Precision: fp32}, trainers)
				}})
			}
			if has("bf16") && slices.Contains(lowWorks, work) {
				list = append(list, job{work + " in bf16, " + at, func(ctx context.Context) error {
					return s.train(ctx, measured{Work: work, Threads: threads, Precision: bf16}, trainers)
				}})
			}
		}
		if has("batches") {
			for _, batch := range s.batches {
				list = append(list, job{fmt.Sprintf("tied-ae, batch %d, %s", batch, at), func(ctx context.Context) error {
					among, err := contenders(path, threads)
					if err != nil {
						return err
					}
					return s.train(ctx, measured{Work: "tied-ae", Batch: batch, Threads: threads, Precision: fp32}, among)
				}})
			}
		}
		if has("gemm") {
			list = append(list, job{"products, " + at, func(ctx context.Context) error { return s.gemm(ctx, threads) }})
		}
		if has("encode") {
			for _, n := range s.nets() {
				list = append(list, job{n.name() + ", " + at, func(ctx context.Context) error { return s.encoding(ctx, n, threads) }})
			}
		}
	}
	return list
}

// done returns the jobs that are left out: with --resume those that came to their
// end, measured as this session measures. Where the file holds jobs that were
// measured otherwise, going on would mix the two.
func (s *setup) done(path string, add bool) (map[string]bool, error) {
	if !s.resume {
		return nil, nil
	}
	list, err := load(path)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, r := range list {
		if r.Part != partDone {
			continue
		}
		if r.How != s.how && !add {
			return nil, fmt.Errorf("%s was measured with another laminabench, or other --rounds or --seconds: without --resume the comparison begins anew, with --add it keeps what is measured differently", path)
		}
		if r.How == s.how {
			names[r.Name] = true
		}
	}
	return names, nil
}

// contenders is the peer that was best at tied-ae, or every peer where nothing
// is known yet.
func contenders(path string, threads int) ([]peer, error) {
	list, err := load(path)
	if err != nil {
		return nil, err
	}
	name := best(only(newest(list), partTrain, measured{Work: "tied-ae", Threads: threads, Precision: fp32}), rate)
	for _, p := range trainers {
		if p.name == name {
			return []peer{p}, nil
		}
	}
	return trainers, nil
}

// settings says with which program and how long is measured.
func (s *setup) settings() (string, error) {
	b, err := os.ReadFile(s.lamina)
	if err != nil {
		return "", fmt.Errorf("%w (make build)", err)
	}
	return fmt.Sprintf("%x, %d rounds of %v s", sha256.Sum256(b), s.rounds, s.seconds), nil
}

// here describes the machine.
func here(ctx context.Context, s *setup) (*machine, error) {
	version, err := exec.CommandContext(ctx, s.lamina, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --version: %w (make build)", s.lamina, err)
	}
	m := &machine{Cores: runtime.NumCPU(), Kernels: simd.Active(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Seconds: s.seconds, Rounds: s.rounds, CPU: simd.CPU().Identity.String(), BF16: simd.BF16Speed()}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Sscan(string(b), &m.Load)
	}
	if words := strings.Fields(string(version)); len(words) > 0 {
		m.Lamina = words[len(words)-1]
	}
	return m, nil
}
