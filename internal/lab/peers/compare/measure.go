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
	threads, batches, encode     []int
	rounds                       int
	seconds                      float64

	session string
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
func (s *setup) trainOurs(ctx context.Context, work string, batch, threads int) (measured, error) {
	argv := []string{s.lamina, "train", "--work", work, "--threads", fmt.Sprint(threads), "--batch", fmt.Sprint(batch),
		"--seconds", fmt.Sprint(s.seconds), "--json"}
	list, err := once(ctx, argv, s.limit())
	if err != nil {
		return measured{}, err
	}
	if len(list) != 1 || list[0].SamplesPerS <= 0 {
		return measured{}, fmt.Errorf("%s printed %d lines of a training, not one", s.lamina, len(list))
	}
	return list[0], nil
}

// train measures a work with everyone in turn, Lamina before each. batch 0 is
// the work's own.
func (s *setup) train(ctx context.Context, work string, batch, threads int, among []peer) error {
	place := measured{Work: work, Batch: batch, Threads: threads}
	type running struct {
		name string
		*resident
	}
	var all []running
	defer func() {
		for _, r := range all {
			r.end()
		}
	}()
	missing := func(round int, name, reason string) error {
		fmt.Fprintf(s.note, "    %s: %s\n", name, reason)
		return s.put(record{Part: partTrain, Round: round, Name: name, Missing: reason, measured: place})
	}
	for _, p := range among {
		if !p.does(work) {
			continue
		}
		argv, reason := p.command(s)
		if reason != "" {
			if err := missing(0, p.name, reason); err != nil {
				return err
			}
			continue
		}
		argv = append(argv, "--work", work, "--threads", fmt.Sprint(threads), "--batch", fmt.Sprint(batch),
			"--seconds", fmt.Sprint(s.seconds), "--mode", p.mode, "--wait")
		r, err := start(ctx, argv)
		if err == nil {
			all = append(all, running{p.name, r})
			// The first measurement is its warming up: each starts alone.
			_, err = r.measure(ctx, startLimit)
		}
		if err := errors.Join(ctx.Err(), err); err != nil {
			if ctx.Err() != nil {
				return err
			}
			if err := missing(0, p.name, oneLine(err)); err != nil {
				return err
			}
			if len(all) > 0 && all[len(all)-1].name == p.name {
				all[len(all)-1].end()
				all = all[:len(all)-1]
			}
		}
	}
	for round := 1; round <= s.rounds; round++ {
		gone := map[string]bool{}
		for _, r := range append([]running{{name: ""}}, all...) {
			if r.name == "" && len(all) > 0 { // without any peer Lamina is measured by itself
				continue
			}
			m, err := s.trainOurs(ctx, work, batch, threads)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				if err := missing(round, ours, oneLine(err)); err != nil {
					return err
				}
			} else if err := s.put(record{Part: partTrain, Round: round, Name: ours, Beside: r.name, measured: m.at(place)}); err != nil {
				return err
			}
			if r.resident == nil {
				continue
			}
			theirs, err := r.measure(ctx, s.limit())
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				gone[r.name] = true
				err = missing(round, r.name, oneLine(err))
			} else {
				theirs = theirs.at(place)
				theirs.PeakGFLOPS = m.PeakGFLOPS
				if m.PeakGFLOPS > 0 {
					theirs.OfPeak = theirs.GFLOPS / m.PeakGFLOPS
				}
				fmt.Fprintf(s.note, "    round %d  %-17s %9.0f samples/s, Lamina %9.0f, peak %.1f GFLOP/s\n",
					round, r.name, theirs.SamplesPerS, m.SamplesPerS, m.PeakGFLOPS)
				err = s.put(record{Part: partTrain, Round: round, Name: r.name, measured: theirs})
			}
			if err != nil {
				return err
			}
		}
		all = slices.DeleteFunc(all, func(r running) bool {
			if gone[r.name] {
				r.end()
			}
			return gone[r.name]
		})
	}
	return nil
}

// at gives a measurement the place that was asked for, whatever it says.
func (m measured) at(place measured) measured {
	m.Work, m.Batch, m.Threads = place.Work, place.Batch, place.Threads
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

// encoding measures an exported encoder's calls; the command alternates.
func (s *setup) encoding(ctx context.Context, threads int) error {
	batches := strings.Trim(strings.ReplaceAll(fmt.Sprint(s.encode), " ", ","), "[]")
	for round := 1; round <= s.rounds; round++ {
		list, err := once(ctx, []string{s.lamina, "encode", s.model, "--batch", batches, "--threads", fmt.Sprint(threads),
			"--seconds", fmt.Sprint(s.seconds), "--json"}, s.limit())
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			fmt.Fprintf(s.note, "    %s: %v\n", ours, err)
			return s.put(record{Part: partEncode, Round: round, Name: ours, Missing: oneLine(err), measured: measured{Threads: threads}})
		}
		theirs := false
		for _, m := range list {
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
				measured: measured{Threads: threads}}); err != nil {
				return err
			}
		}
		fmt.Fprintf(s.note, "    round %d  onnxruntime\n", round)
	}
	return nil
}
