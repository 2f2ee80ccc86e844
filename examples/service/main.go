// Command service encodes rows over HTTP with a bundle: see README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	dir := flags.String("bundle", "", "folder of the bundle")
	addr := flags.String("addr", "127.0.0.1:8080", "address to listen on; port 0 is any that is free")
	l := defaultLimits()
	flags.Int64Var(&l.body, "max-body", l.body, "bytes of a request's body")
	flags.IntVar(&l.rows, "max-rows", l.rows, "rows of a request")
	flags.IntVar(&l.calls, "max-calls", l.calls, "requests at once; the next are told to come back")
	flags.IntVar(&l.window, "window", l.window, "rows that GET /drift compares")
	flags.DurationVar(&l.timeout, "timeout", l.timeout, "time for reading a request, and for answering it")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *dir == "" || flags.NArg() > 0 {
		return errors.New("name a bundle: service -bundle DIR")
	}
	if err := l.check(); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)

	s, err := newServer(ctx, *dir, l, log)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	h := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: min(5*time.Second, l.timeout),
		ReadTimeout:       l.timeout,
		WriteTimeout:      2 * l.timeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(listener) }()
	log.Info("serving", "address", listener.Addr().String(), "bundle", s.digest())
	for {
		select {
		case err := <-served:
			return err
		case <-reload:
			s.reload(ctx)
		case <-ctx.Done():
			log.Info("stopping: requests under way are finished")
			late, cancel := context.WithTimeout(context.Background(), 2*l.timeout)
			defer cancel()
			return h.Shutdown(late)
		}
	}
}
