package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// environment is what a measuring program is started with. OPENBLAS_CORETYPE and
// OPENBLAS_L2_SIZE choose slower kernels where they are set, and are left out.
func environment(more ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "OPENBLAS_CORETYPE=") && !strings.HasPrefix(v, "OPENBLAS_L2_SIZE=") {
			env = append(env, v)
		}
	}
	return append(append(env, more...), fmt.Sprintf("PEER_STARTED=%.6f", float64(time.Now().UnixMicro())/1e6))
}

// tail keeps the last line that is not blank of what is written to it.
type tail struct {
	part, last string
}

func (t *tail) Write(b []byte) (int, error) {
	lines := strings.Split(t.part+string(b), "\n")
	for _, l := range lines[:len(lines)-1] {
		if l = strings.TrimSpace(l); l != "" {
			t.last = l
		}
	}
	t.part = lines[len(lines)-1]
	const most = 1 << 12
	t.part = t.part[:min(len(t.part), most)]
	return len(b), nil
}

// failure joins an error with the last line of what the program said.
func (t *tail) failure(argv []string, err error) error {
	last := strings.TrimSpace(t.part)
	if last == "" {
		last = t.last
	}
	const most = 160
	if len(last) > most {
		last = last[:most] + "..."
	}
	if last == "" {
		return fmt.Errorf("%s: %w", argv[0], err)
	}
	return fmt.Errorf("%w: %s", err, last)
}

// quietly runs a program to its end.
func quietly(ctx context.Context, argv []string, limit time.Duration) error {
	_, err := output(ctx, argv, limit)
	return err
}

// output runs a program to its end and returns what it prints.
func output(ctx context.Context, argv []string, limit time.Duration, env ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var said tail
	c.Stderr, c.Env, c.WaitDelay = &said, environment(env...), time.Second
	out, err := c.Output()
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, said.failure(argv, err)
	}
	return out, nil
}

// once runs a program to its end and reads the lines that it prints. A line that
// says nothing is an error.
func once(ctx context.Context, argv []string, limit time.Duration, env ...string) ([]measured, error) {
	out, err := output(ctx, argv, limit, env...)
	if err != nil {
		return nil, err
	}
	var list []measured
	for line := range strings.Lines(string(out)) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		m, err := parseMeasured([]byte(line))
		if err != nil {
			return list, fmt.Errorf("%s: %w", argv[0], err)
		}
		list = append(list, m)
	}
	return list, nil
}

// resident is a peer that was started once and measures when it is told to: its
// start, which may take a minute, is not paid in every round. Between
// measurements it waits for its standard input.
type resident struct {
	argv  []string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
	said  tail
	stop  context.CancelFunc
}

// start runs the program up to its first measurement.
func start(ctx context.Context, argv []string, env ...string) (*resident, error) {
	ctx, cancel := context.WithCancel(ctx)
	r := &resident{argv: argv, stop: cancel, lines: make(chan string)}
	r.cmd = exec.CommandContext(ctx, argv[0], argv[1:]...)
	r.cmd.Env, r.cmd.Stderr, r.cmd.WaitDelay = environment(env...), &r.said, time.Second
	var err error
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		cancel()
		return nil, err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	go func() {
		defer close(r.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case r.lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return r, nil
}

// measure asks for one measurement and waits for it.
func (r *resident) measure(ctx context.Context, limit time.Duration) (measured, error) {
	_, err := io.WriteString(r.in, "\n")
	if err == nil {
		select {
		case line, ok := <-r.lines:
			if ok {
				return parseMeasured([]byte(line))
			}
			err = errors.New("ended")
		case <-time.After(limit):
			return measured{}, fmt.Errorf("%s: no answer in %v", r.argv[0], limit)
		case <-ctx.Done():
			return measured{}, ctx.Err()
		}
	}
	r.stop()
	if e := r.cmd.Wait(); e != nil && ctx.Err() == nil {
		err = e
	}
	return measured{}, r.said.failure(r.argv, err)
}

// end lets the program finish, and ends it where it does not.
func (r *resident) end() {
	r.in.Close()
	done := time.AfterFunc(5*time.Second, r.stop)
	for range r.lines { // the channel closes with the program's output
	}
	r.cmd.Wait()
	done.Stop()
	r.stop()
}
