package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// limits are what a request may take.
type limits struct {
	body    int64
	rows    int
	calls   int
	window  int // rows that are compared at a time
	timeout time.Duration
}

func defaultLimits() limits {
	return limits{body: 8 << 20, rows: 4096, calls: 64, window: 10_000, timeout: 10 * time.Second}
}

func (l limits) check() error {
	if l.body < 1 || l.rows < 1 || l.calls < 1 || l.window < 1 || l.timeout <= 0 {
		return errors.New("every limit must be more than 0")
	}
	return nil
}

// server encodes rows with the Net in service.
type server struct {
	dir    string
	limits limits
	log    *slog.Logger
	live   *engine.Live
	lately atomic.Pointer[lately] // nil inside if the bundle has no reference
	seen   atomic.Pointer[string] // digest of the bundle in service
	calls  chan struct{}          // a place for each call at once
}

// newServer opens the bundle, which must verify.
func newServer(ctx context.Context, dir string, l limits, log *slog.Logger) (*server, error) {
	s := &server{dir: dir, limits: l, log: log, calls: make(chan struct{}, l.calls)}
	o, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	if s.live, err = engine.NewLive(o.Net); err != nil {
		return nil, err
	}
	s.seen.Store(&o.Digest)
	s.lately.Store(newLately(o, s.limits.window))
	return s, nil
}

// open reads the bundle and checks that it is of the kind this service serves:
// one input and one output of f32 rows.
func (s *server) open(ctx context.Context) (*bundle.Opened, error) {
	o, err := bundle.Load(ctx, s.dir)
	if err != nil {
		return nil, err
	}
	in, out := o.Net.Inputs(), o.Net.Graph().Outputs
	if len(in) != 1 || len(out) != 1 {
		return nil, fmt.Errorf("the bundle has %d inputs and %d outputs; this service serves one of each", len(in), len(out))
	}
	for _, v := range []*ir.Value{in[0], out[0]} {
		if v.Type.DType != ir.F32 || !v.Type.Shape.RowWise() || v.Type.Shape[1:].Symbolic() {
			return nil, fmt.Errorf("%q is %s; this service serves rows of f32 of known lengths", v.Name, v.Type)
		}
	}
	return o, nil
}

// reload puts the bundle that is in the folder now into service. One that does not
// verify, or whose rows or codes have another shape than clients know, is refused
// and the old one stays.
func (s *server) reload(ctx context.Context) error {
	o, err := s.open(ctx)
	if err == nil {
		old := s.live.Load()
		for _, p := range [][2]ir.Type{{inputOf(old).Type, inputOf(o.Net).Type}, {outputOf(old).Type, outputOf(o.Net).Type}} {
			if !p[0].Equal(p[1]) {
				err = fmt.Errorf("the signature changed from %s to %s; restart the service for that", p[0], p[1])
			}
		}
	}
	if err == nil {
		_, err = s.live.Swap(o.Net)
	}
	if err != nil {
		s.log.Error("the bundle was not reloaded; the old one stays", "error", err)
		return err
	}
	s.seen.Store(&o.Digest)
	s.lately.Store(newLately(o, s.limits.window))
	s.log.Info("reloaded", "bundle", o.Digest)
	return nil
}

func inputOf(n *engine.Net) *ir.Value  { return n.Inputs()[0] }
func outputOf(n *engine.Net) *ir.Value { return n.Graph().Outputs[0] }

func (s *server) digest() string { return *s.seen.Load() }

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /encode", s.encode)
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /drift", s.drift)
	return mux
}

func (s *server) health(w http.ResponseWriter, _ *http.Request) {
	n := s.live.Load()
	w.Header().Set("Content-Type", jsonType)
	json.NewEncoder(w).Encode(map[string]any{"status": "ok", "bundle": s.digest(), "under_way": len(s.calls),
		"input": inputOf(n).Type.String(), "output": outputOf(n).Type.String()})
}

// failure is an error with its HTTP status.
type failure struct {
	status int
	err    error
}

func (f *failure) Error() string { return f.err.Error() }

func fail(status int, format string, a ...any) error {
	return &failure{status, fmt.Errorf(format, a...)}
}

// encode answers one request.
func (s *server) encode(w http.ResponseWriter, r *http.Request) {
	select {
	case s.calls <- struct{}{}:
		defer func() { <-s.calls }()
	default:
		w.Header().Set("Retry-After", "1")
		s.refuse(w, fail(http.StatusServiceUnavailable, "%d requests are under way; try again", s.limits.calls))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.limits.timeout)
	defer cancel()
	if err := s.answer(ctx, w, r); err != nil {
		s.refuse(w, err)
	}
}

func (s *server) answer(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	net := s.live.Load() // one Net for the whole request, whatever is swapped meanwhile
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != jsonType && kind != rawType {
		return fail(http.StatusUnsupportedMediaType, "Content-Type must be %s or %s", jsonType, rawType)
	}
	in, out := inputOf(net), outputOf(net)
	width := in.Type.Shape[1:].Count()
	body := http.MaxBytesReader(w, r.Body, s.limits.body)
	read := readJSON
	if kind == rawType {
		read = readRaw
	}
	x, rows, err := read(body, width, s.limits.rows)
	if err != nil {
		return err
	}
	z := ir.NewTensor(ir.F32, out.Type.Shape.At(ir.RowsOf(rows))...)
	given := map[string]*ir.Tensor{in.Name: {DType: ir.F32, Shape: in.Type.Shape.At(ir.RowsOf(rows)), F32: x}}
	codes := map[string]*ir.Tensor{out.Name: z}
	if err := net.RunInto(ctx, given, codes); err != nil {
		return err
	}
	if err := s.lately.Load().add(net, given, codes); err != nil {
		return err
	}
	if kind == rawType {
		return writeRaw(w, z.F32)
	}
	return writeJSON(w, z.F32, out.Type.Shape[1:].Count())
}

// refuse answers with an error; what went wrong inside is logged, not told.
func (s *server) refuse(w http.ResponseWriter, err error) {
	var f *failure
	var large *http.MaxBytesError
	status, text := http.StatusInternalServerError, "internal error"
	switch {
	case errors.As(err, &large):
		status, text = http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", large.Limit)
	case errors.As(err, &f):
		status, text = f.status, f.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		status, text = http.StatusServiceUnavailable, "it took too long"
	default:
		s.log.Error("a request failed", "error", err)
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": text})
}
