package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// setup is what a session measures, and with what.
type setup struct {
	lamina, peers, python, model string
	works                        []string
	threads, batches             []int
	encode, calls                []int // rows of a call of the encoder, and of netWork's
	rounds                       int
	seconds                      float64
	resume                       bool // leave out the jobs that the file says are done

	session string
	how     string    // the program and the settings, for --resume
	file    io.Writer // of records
	note    io.Writer // of progress
}

// The longest that a peer may take to be ready, torch.compile included, and that
// a measurement may take beyond its seconds.
const (
	startLimit = 10 * time.Minute
	slack      = 2 * time.Minute
)

func (s *setup) limit() time.Duration {
	return slack + time.Duration(10*s.seconds*float64(time.Second))
}

// put writes a record down at once, so that a session that is ended keeps what
// it measured.
func (s *setup) put(r record) error {
	r.Session = s.session
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = s.file.Write(append(b, '\n'))
	return err
}

// oneLine makes an error fit a table.
func oneLine(err error) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "|", "/", "`", "'").Replace(err.Error())
}

// trainOurs measures one training of Lamina.
func (s *setup) trainOurs(ctx context.Context, place measured) (measured, error) {
	argv := append([]string{s.lamina, "train", "--json"}, s.flags(place)...)
	list, err := once(ctx, argv, s.limit())
	if err != nil {
		return measured{}, err
	}
	if len(list) != 1 || list[0].SamplesPerS <= 0 {
		return measured{}, fmt.Errorf("%s printed %d lines of a training, not one", s.lamina, len(list))
	}
	if list[0].Precision != place.Precision {
		return measured{}, fmt.Errorf("%s was asked for precision %s and trained in %q", s.lamina, place.Precision, list[0].Precision)
	}
	return list[0], nil
}

// flags are those that laminabench train and the peers' programs share.
func (s *setup) flags(place measured) []string {
	list := []string{"--work", place.Work, "--threads", fmt.Sprint(place.Threads), "--batch", fmt.Sprint(place.Batch), "--seconds", fmt.Sprint(s.seconds)}
	if place.Precision != fp32 {
		list = append(list, "--precision", place.Precision)
	}
	return list
}

// contender is what Lamina takes turns with.
type contender struct {
	name    string
	measure func(ctx context.Context) (measured, error)
	end     func()
}

// join starts the peers that do a work, each alone, and lets them warm up. Why
// one is not there is written down.
func (s *setup) join(ctx context.Context, place measured, among []peer) (all []contender, err error) {
	for _, p := range among {
		if !p.does(place) {
			continue
		}
		argv, reason := p.command(s)
		if reason != "" {
			if err := s.missing(place, 0, p.name, reason); err != nil {
				return all, err
			}
			continue
		}
		r, err := start(ctx, slices.Concat(argv, s.flags(place), []string{"--mode", p.mode, "--wait"}))
		if err == nil {
			if _, err = r.measure(ctx, startLimit); err != nil {
				r.end()
			}
		}
		if ctx.Err() != nil {
			return all, errors.Join(ctx.Err(), err)
		}
		if err != nil {
			if err := s.missing(place, 0, p.name, oneLine(err)); err != nil {
				return all, err
			}
			continue
		}
		all = append(all, contender{p.name, func(ctx context.Context) (measured, error) { return r.measure(ctx, s.limit()) }, r.end})
	}
	return all, nil
}

// missing writes down why somebody was not measured.
func (s *setup) missing(place measured, round int, name, reason string) error {
	fmt.Fprintf(s.note, "    %s: %s\n", name, reason)
	return s.put(record{Part: partTrain, Round: round, Name: name, Missing: reason, measured: place})
}

// train measures a work with everyone in turn, Lamina before each. place says the
// work, its batch, 0 for the work's own, the threads and the precision; in bf16
// Lamina takes turns with itself in float32 too.
func (s *setup) train(ctx context.Context, place measured, among []peer) error {
	all, err := s.join(ctx, place, among)
	defer func() {
		for _, c := range all {
			c.end()
		}
	}()
	if err != nil {
		return err
	}
	if place.Precision != fp32 {
		float := place
		float.Precision = fp32
		all = append(all, contender{oursInFloat, func(ctx context.Context) (measured, error) { return s.trainOurs(ctx, float) }, func() {}})
	}
	if len(all) == 0 { // Lamina is measured by itself
		all = []contender{{end: func() {}}}
	}
	for round := 1; round <= s.rounds; round++ {
		gone := map[string]bool{}
		for _, c := range all {
			m, err := s.trainOurs(ctx, place)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				err = s.missing(place, round, ours, oneLine(err))
			} else {
				err = s.put(record{Part: partTrain, Round: round, Name: ours, Beside: c.name, measured: m.at(place)})
			}
			if err != nil {
				return err
			}
			if c.measure == nil {
				continue
			}
			theirs, err := c.measure(ctx)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				gone[c.name] = true
				err = s.missing(place, round, c.name, oneLine(err))
			} else {
				theirs = theirs.at(place)
				if m.PeakGFLOPS > 0 {
					theirs.PeakGFLOPS, theirs.OfPeak = m.PeakGFLOPS, theirs.GFLOPS/m.PeakGFLOPS
				}
				fmt.Fprintf(s.note, "    round %d  %-17s %9.0f samples/s, Lamina %9.0f, peak %.1f GFLOP/s\n",
					round, c.name, theirs.SamplesPerS, m.SamplesPerS, m.PeakGFLOPS)
				err = s.put(record{Part: partTrain, Round: round, Name: c.name, measured: theirs})
			}
			if err != nil {
				return err
			}
		}
		all = slices.DeleteFunc(all, func(c contender) bool {
			if gone[c.name] {
				c.end()
			}
			return gone[c.name]
		})
	}
	return nil
}

// at gives a measurement the place that was asked for, whatever it says.
func (m measured) at(place measured) measured {
	m.Work, m.Batch, m.Threads, m.Precision = place.Work, place.Batch, place.Threads, place.Precision
	return m
}

// shapeGroups are prefixes of the names of shapes: within a group Lamina and a
// library alternate.
var shapeGroups = []string{"ae32.", "ae256.", "ae1024.", "sq.", "conv.", "tf."}

// gemm measures products, a group of shapes at a time.
func (s *setup) gemm(ctx context.Context, threads int) error {
	const seconds = 0.1 // of a shape
	for _, l := range libraries {
		file := l.find(s)
		place := measured{Threads: threads}
		if _, err := os.Stat(l.command(s, "", 0, 0, "")[0]); err != nil {
			if err := s.put(record{Part: partGEMM, Name: l.name, Missing: s.why("gemm"), measured: place}); err != nil {
				return err
			}
			continue
		}
		if file == "" {
			if l.glob[0][0] == '/' {
				continue // it was not asked for
			}
			if err := s.put(record{Part: partGEMM, Name: l.name, Missing: s.why("blas"), measured: place}); err != nil {
				return err
			}
			continue
		}
		for round := 1; round <= s.rounds; round++ {
			for _, group := range shapeGroups {
				for _, of := range []struct {
					name, beside string
					argv, env    []string
				}{
					{ours, l.name, []string{s.lamina, "gemm", "--threads", fmt.Sprint(threads), "--seconds", fmt.Sprint(seconds),
						"--shapes", group, "--json"}, nil},
					{l.name, "", l.command(s, file, threads, seconds, group), []string{"LD_LIBRARY_PATH=" + filepath.Dir(file)}},
				} {
					list, err := once(ctx, of.argv, slack+s.limit(), of.env...)
					if ctx.Err() != nil {
						return ctx.Err()
					}
					if err != nil {
						fmt.Fprintf(s.note, "    %s: %v\n", of.name, err)
						if err := s.put(record{Part: partGEMM, Round: round, Name: of.name, Missing: oneLine(err), measured: place}); err != nil {
							return err
						}
					}
					for _, m := range list {
						m.Threads = threads
						if err := s.put(record{Part: partGEMM, Round: round, Name: of.name, Beside: of.beside, measured: m}); err != nil {
							return err
						}
					}
				}
			}
			fmt.Fprintf(s.note, "    round %d  %s\n", round, l.name)
		}
	}
	return nil
}

// runtimes names what laminabench encode calls the runtimes.
var runtimes = map[string]string{"lamina": ours, "onnxruntime": "onnxruntime"}

// net is an ONNX file whose calls are timed.
type net struct {
	work    string // of which it is the net; "" for the encoder of the demo
	file    string // "" for one that laminabench export writes
	batches []int  // rows of a call
}

// nets are the files whose calls are timed.
func (s *setup) nets() []net {
	return []net{{"", s.model, s.encode}, {netWork, "", s.calls}}
}

// netWork is the work whose exported net is timed beside the encoder.
const netWork = "resnet20"

// name is what a job that times the calls of the net is called.
func (n *net) name() string {
	if n.work == "" {
		return "encoder"
	}
	return "the exported " + n.work
}

// encoding measures an exported net's calls; the command alternates.
func (s *setup) encoding(ctx context.Context, n net, threads int) error {
	if n.file == "" {
		dir, err := os.MkdirTemp("", "lamina-net")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		n.file = filepath.Join(dir, n.work+".onnx")
		if err := quietly(ctx, []string{s.lamina, "export", n.work, n.file}, slack); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			fmt.Fprintf(s.note, "    %s: %v\n", ours, err)
			return s.put(record{Part: partEncode, Name: ours, Missing: oneLine(err), measured: measured{Work: n.work, Threads: threads}})
		}
	}
	batches := strings.Trim(strings.ReplaceAll(fmt.Sprint(n.batches), " ", ","), "[]")
	for round := 1; round <= s.rounds; round++ {
		list, err := once(ctx, []string{s.lamina, "encode", n.file, "--batch", batches, "--threads", fmt.Sprint(threads),
			"--seconds", fmt.Sprint(s.seconds), "--json"}, s.limit())
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			fmt.Fprintf(s.note, "    %s: %v\n", ours, err)
			return s.put(record{Part: partEncode, Round: round, Name: ours, Missing: oneLine(err), measured: measured{Work: n.work, Threads: threads}})
		}
		theirs := false
		for _, m := range list {
			m.Work = n.work
			name := runtimes[m.Runtime]
			if name == "" {
				name = m.Runtime
			}
			beside := ""
			if name == ours {
				beside = runtimes["onnxruntime"]
			}
			theirs = theirs || name != ours
			if err := s.put(record{Part: partEncode, Round: round, Name: name, Beside: beside, measured: m}); err != nil {
				return err
			}
		}
		if !theirs {
			if err := s.put(record{Part: partEncode, Round: round, Name: runtimes["onnxruntime"], Missing: "not installed: make deps",
				measured: measured{Work: n.work, Threads: threads}}); err != nil {
				return err
			}
		}
		fmt.Fprintf(s.note, "    round %d  onnxruntime\n", round)
	}
	return nil
}
