package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/runtime/evaluate"
)

const asService = "LAMINA_TEST_AS_SERVICE"

func TestMain(m *testing.M) {
	if os.Getenv(asService) == "1" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var golden = filepath.Join("..", "..", "testdata", "bundles", "demo-v1")

func copied(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) *engine.Net {
	t.Helper()
	net, err := bundle.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// variant is the golden bundle with weights k times as large.
func variant(t *testing.T, k float32) string {
	t.Helper()
	old := open(t, golden)
	params := map[string][]float32{}
	for name, w := range old.Params() {
		params[name] = append([]float32{}, w...)
		for i := range w {
			params[name][i] *= k
		}
	}
	return ship(t, old.Graph(), params)
}

func ship(t *testing.T, g *ir.Graph, params map[string][]float32) string {
	t.Helper()
	p, err := compiler.CompileGraph(g, compiler.Options{Rows: 64})
	if err != nil {
		t.Fatal(err)
	}
	net, err := engine.NewNet(g, p, params, engine.Record{})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(8, 9))
	width := g.Inputs[0].Type.Last()
	rows := dataset.From(make([]int, 200), func(_ int, row dataset.Row) {
		for i, x := 0, row.F32Slice("x"); i < len(x); i++ {
			x[i] = float32(r.Float64())
		}
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{width}})
	dir := filepath.Join(t.TempDir(), "bundle")
	_, err = bundle.Write(t.Context(), dir, net, rows, ort.Runtime())
	if errors.Is(err, bundle.ErrUnverified) && !errors.Is(err, ort.ErrSetting) && os.Getenv("LAMINA_REQUIRE_ORT") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// narrow is a bundle of another signature.
func narrow(t *testing.T) string {
	t.Helper()
	b := ir.NewBuilder("narrow")
	x := b.Input("x", ir.T(ir.F32, ir.Rows(), ir.Fixed(3)))
	w := b.Param("w", ir.T(ir.F32, ir.Fixed(3), ir.Fixed(2)))
	code := b.Op(ops.MatMul{}, x, w)
	code.Name = "code"
	b.Output(code)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	return ship(t, b.Graph, map[string][]float32{"w": {1, 2, 3, 4, 5, 6}})
}

func randomRows(n int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 2))
	x := make([]float32, n*784)
	for i := range x {
		x[i] = float32(r.IntN(256)) / 255
	}
	return x
}

func codes(t *testing.T, net *engine.Net, x []float32) []float32 {
	t.Helper()
	out, err := net.Run(t.Context(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{len(x) / 784, 784}, F32: x}})
	if err != nil {
		t.Fatal(err)
	}
	return out["code"].F32
}

func raw(x []float32) []byte {
	var b []byte
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func asJSON(x []float32) []byte {
	rows := [][]float32{}
	for i := 0; i < len(x); i += 784 {
		rows = append(rows, x[i:i+784])
	}
	b, _ := json.Marshal(map[string]any{"rows": rows})
	return b
}

// post returns the status and the body of an answer.
func post(url, kind string, body io.Reader) (int, []byte, error) {
	r, err := http.Post(url+"/encode", kind, body)
	if err != nil {
		return 0, nil, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return r.StatusCode, b, err
}

// parsed returns the codes of an answer in JSON as raw.
func parsed(b []byte) ([]byte, error) {
	var a struct{ Codes [][]float32 }
	if err := json.Unmarshal(b, &a); err != nil {
		return nil, err
	}
	var all []float32
	for _, c := range a.Codes {
		all = append(all, c...)
	}
	return raw(all), nil
}

func started(t *testing.T, dir string, l limits) (*server, string) {
	t.Helper()
	s, err := newServer(t.Context(), dir, l, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.handler())
	t.Cleanup(h.Close)
	return s, h.URL
}

// TestReloadUnderLoad has clients in both forms ask without a pause while bundles
// are replaced, some by ones that must be refused: every answer is, bit for bit,
// that of one of the bundles.
func TestReloadUnderLoad(t *testing.T) {
	other := variant(t, 1.5)
	dir := filepath.Join(t.TempDir(), "live")
	copied(t, golden, dir)
	s, url := started(t, dir, defaultLimits())
	nets := []*engine.Net{open(t, golden), open(t, other)}

	const clients, reloads = 6, 24
	var wg sync.WaitGroup
	var stop atomic.Bool
	var seen [2]atomic.Int64
	defer wg.Wait()
	defer stop.Store(true)
	for c := range clients {
		x := randomRows(1+3*c, uint64(c))
		want := [][]byte{raw(codes(t, nets[0], x)), raw(codes(t, nets[1], x))}
		if bytes.Equal(want[0], want[1]) {
			t.Fatal("the bundles give the same")
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			for !stop.Load() {
				kind, body := rawType, raw(x)
				if c%2 == 1 {
					kind, body = jsonType, asJSON(x)
				}
				status, got, err := post(url, kind, bytes.NewReader(body))
				if err == nil && status == 200 && kind == jsonType {
					got, err = parsed(got)
				}
				switch {
				case err != nil || status != 200:
					t.Errorf("status %d, %v: %.200s", status, err, got)
					return
				case bytes.Equal(got, want[0]):
					seen[0].Add(1)
				case bytes.Equal(got, want[1]):
					seen[1].Add(1)
				default:
					t.Errorf("client %d got a wrong answer", c)
					return
				}
			}
		}()
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var first int64
	for i := range reloads {
		from := []string{golden, other}[i%2]
		copied(t, from, dir)
		if i%5 == 4 { // an altered one: the bundle in service stays
			if err := os.WriteFile(filepath.Join(dir, "data.json"), []byte("{}"), 0o600); err != nil {
				t.Fatal(err)
			}
			before := s.digest()
			if err := s.reload(t.Context()); err == nil || s.digest() != before {
				t.Fatalf("an altered bundle is in service: %v", err)
			}
			continue
		}
		if err := s.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		at := &seen[i%2] // until somebody was answered by it
		for n := at.Load(); at.Load() == n && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
		if i == 3 {
			first = heap()
		}
	}
	if grown := heap() - first; grown > 16<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
}

func TestReloadRefusesAnotherSignature(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "live")
	copied(t, golden, dir)
	s, url := started(t, dir, defaultLimits())
	for _, from := range []string{narrow(t), t.TempDir()} {
		copied(t, from, dir)
		if err := s.reload(t.Context()); err == nil {
			t.Error("it is in service")
		}
	}
	x := randomRows(2, 1)
	if status, got, err := post(url, rawType, bytes.NewReader(raw(x))); err != nil || status != 200 || !bytes.Equal(got, raw(codes(t, open(t, golden), x))) {
		t.Errorf("status %d, %v", status, err)
	}
}

func TestBadRequests(t *testing.T) {
	l := limits{body: 64 << 10, rows: 3, calls: 4, timeout: 10 * time.Second}
	_, url := started(t, golden, l)
	row := strings.TrimSuffix(strings.Repeat("0.5,", 784), ",")
	oneWith := func(s string) string { return `{"rows":[[` + strings.Replace(row, "0.5", s, 1) + `]]}` }
	for name, c := range map[string]struct {
		kind, body string
		status     int
		says       string
	}{
		"good":              {jsonType, oneWith("1e-3"), 200, `"codes":[[`},
		"parameter":         {jsonType + "; charset=utf-8", oneWith("1"), 200, `"codes":[[`},
		"no type":           {"", oneWith("1"), 415, "Content-Type"},
		"another type":      {"text/plain", oneWith("1"), 415, "Content-Type"},
		"nothing":           {jsonType, "", 400, "rows"},
		"no JSON":           {jsonType, "hello", 400, "rows"},
		"another field":     {jsonType, `{"row":[[]]}`, 400, "rows"},
		"cut":               {jsonType, oneWith("1")[:500], 400, "rows"},
		"more after it":     {jsonType, oneWith("1") + "{}", 400, "nothing else"},
		"another field too": {jsonType, strings.TrimSuffix(oneWith("1"), "}") + `,"a":1}`, 400, "nothing else"},
		"no rows":           {jsonType, `{"rows":[]}`, 400, "no rows"},
		"no list":           {jsonType, `{"rows":[1]}`, 400, "rows"},
		"short row":         {jsonType, `{"rows":[[1,2]]}`, 400, "row 0 has 2 numbers, 784"},
		"null row":          {jsonType, `{"rows":[null]}`, 400, "row 0 has 0 numbers"},
		"null":              {jsonType, oneWith("null"), 400, "null is no float32"},
		"text":              {jsonType, oneWith(`"1"`), 400, "no float32"},
		"too large":         {jsonType, oneWith("1e39"), 400, "1e39 is no float32"},
		"NaN":               {jsonType, oneWith("NaN"), 400, "rows"},
		"too many":          {jsonType, `{"rows":[` + strings.Repeat("["+row+"],", 3) + "[" + row + "]]}", 413, "more than 3 rows"},
		"too long":          {jsonType, `{"rows":[[` + strings.Repeat(" ", 70<<10), 413, "more than 65536 bytes"},
		"raw":               {rawType, string(raw(randomRows(1, 1))), 200, ""},
		"raw nothing":       {rawType, "", 400, "no rows"},
		"raw cut":           {rawType, string(raw(randomRows(1, 1))[:100]), 400, "ends within row 0"},
		"raw NaN":           {rawType, string(raw(append(randomRows(1, 1)[:783], float32(math.NaN())))), 400, "number 783 is NaN"},
		"raw too many":      {rawType, string(raw(randomRows(4, 1))), 413, "more than 3 rows"},
		"raw infinite code": {jsonType, oneWith("3e38"), 422, "not finite"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "raw infinite code" {
				c.body = `{"rows":[[` + strings.ReplaceAll(row, "0.5", "3e38") + `]]}`
			}
			// Of a reader without a length, the server cannot know that it is too long.
			status, got, err := post(url, c.kind, io.MultiReader(strings.NewReader(c.body)))
			if err != nil || status != c.status || !strings.Contains(string(got), c.says) {
				t.Errorf("status %d, want %d; %v: %.300s", status, c.status, err, got)
			}
			if status != 200 {
				var e struct{ Error string }
				if err := json.Unmarshal(got, &e); err != nil || e.Error == "" {
					t.Errorf("no error in JSON: %.300s", got)
				}
			}
		})
	}
	for _, c := range []struct {
		method, path string
		status       int
	}{{"GET", "/encode", 405}, {"POST", "/healthz", 405}, {"GET", "/", 404}, {"GET", "/healthz", 200}} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(a.Body)
		a.Body.Close()
		if a.StatusCode != c.status || c.status == 200 && !strings.Contains(string(b), "f32[N 784]") {
			t.Errorf("%s %s: status %d, %s", c.method, c.path, a.StatusCode, b)
		}
	}
}

// A service that is busy says so at once, and answers again when it is not.
func TestBusy(t *testing.T) {
	l := defaultLimits()
	l.calls = 1
	s, url := started(t, golden, l)
	body, feed := io.Pipe()
	done := make(chan int, 1)
	go func() {
		status, _, _ := post(url, rawType, body)
		done <- status
	}()
	x := raw(randomRows(1, 1))
	if _, err := feed.Write(x[:8]); err != nil {
		t.Fatal(err)
	}
	for len(s.calls) != 1 {
		time.Sleep(time.Millisecond)
	}
	r, err := http.Post(url+"/encode", rawType, bytes.NewReader(x))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, %v", r.StatusCode, r.Header)
	}
	feed.Write(x[8:])
	feed.Close()
	if status := <-done; status != 200 {
		t.Errorf("the request before it: status %d", status)
	}
	if status, _, err := post(url, rawType, bytes.NewReader(x)); err != nil || status != 200 {
		t.Errorf("the request after it: status %d, %v", status, err)
	}
}

// TestProcess runs the program itself: SIGHUP reloads or refuses, SIGTERM finishes
// the request under way and stops.
func TestProcess(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGHUP to send on Windows")
	}
	dir := filepath.Join(t.TempDir(), "live")
	copied(t, golden, dir)
	c := exec.CommandContext(t.Context(), os.Args[0], "-bundle", dir, "-addr", "127.0.0.1:0")
	c.Env = append(os.Environ(), asService+"=1")
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewScanner(pipe)
	until := func(word string) string {
		for log.Scan() {
			if strings.Contains(log.Text(), word) {
				return log.Text()
			}
		}
		t.Fatalf("the log ends without %q", word)
		return ""
	}
	_, rest, _ := strings.Cut(until("serving"), "address=")
	addr, _, _ := strings.Cut(rest, " ")
	url := "http://" + addr
	x := randomRows(2, 1)
	wants := func(dir string) {
		t.Helper()
		status, got, err := post(url, rawType, bytes.NewReader(raw(x)))
		if err != nil || status != 200 || !bytes.Equal(got, raw(codes(t, open(t, dir), x))) {
			t.Errorf("status %d, %v, or another bundle's codes", status, err)
		}
	}
	wants(golden)
	other := variant(t, 1.5)
	copied(t, other, dir)
	c.Process.Signal(syscall.SIGHUP)
	until("reloaded")
	wants(other)
	copied(t, golden, dir)
	if err := os.Truncate(filepath.Join(dir, "model.onnx"), 1000); err != nil {
		t.Fatal(err)
	}
	c.Process.Signal(syscall.SIGHUP)
	until("not reloaded")
	wants(other)

	body, feed := io.Pipe()
	answer := make(chan string, 1)
	go func() {
		status, got, err := post(url, rawType, body)
		answer <- fmt.Sprint(status, len(got), err)
	}()
	b := raw(x)
	if _, err := feed.Write(b[:100]); err != nil {
		t.Fatal(err)
	}
	for { // until the service has the request: one that it has not read yet is no request under way
		a, err := http.Get(url + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		told, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(told), `"under_way":1`) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	c.Process.Signal(syscall.SIGTERM)
	until("stopping")
	feed.Write(b[100:])
	feed.Close()
	if got := <-answer; got != "200 240 <nil>" {
		t.Errorf("the request under way: %s", got)
	}
	io.Copy(io.Discard, pipe)
	if err := c.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// TestDrift: the rows of requests are compared with those that the bundle was written with, window by window; a bundle
// that is put into service has a window of its own, and one without a reference has none.
func TestDrift(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "live")
	copied(t, narrow(t), dir)
	l := defaultLimits()
	l.window = 150
	s, url := started(t, dir, l)
	ask := func() (status int, d evaluate.Drift) {
		r, err := http.Get(url + "/drift")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, d
	}
	send := func(rows int, shift float32, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 3))
		x := make([]float32, 3*rows)
		for i := range x {
			x[i] = float32(r.Float64()) + shift
		}
		if status, got, err := post(url, rawType, bytes.NewReader(raw(x))); err != nil || status != 200 {
			t.Fatalf("status %d, %v: %s", status, err, got)
		}
	}
	if status, d := ask(); status != 200 || d.Status != evaluate.Undetermined || d.Rows != 0 {
		t.Errorf("before any row: %d, %+v", status, d)
	}
	send(120, 0, 1)
	if status, d := ask(); status != 200 || d.Status != evaluate.Steady || d.Rows != 120 {
		t.Errorf("the same rows: %d, %+v", status, d)
	}
	send(30, 0, 2) // the window is full
	if _, d := ask(); d.Rows != 150 {
		t.Errorf("of a full window %d rows are compared", d.Rows)
	}
	send(160, 0.5, 3)
	if status, d := ask(); status != 200 || d.Status != evaluate.Moved || d.Rows != 160 || !strings.Contains(strings.Join(d.Moved, " "), "x[0]: the quartiles are") {
		t.Errorf("shifted rows: %d, %+v", status, d)
	}
	replaced := s.live.Load()
	if err := s.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A request that the bundle of before has answered is not counted for this one.
	late := map[string]*ir.Tensor{inputOf(replaced).Name: ir.NewTensor(ir.F32, 1, 3)}
	if err := s.lately.Load().add(replaced, late, nil); err != nil {
		t.Error(err)
	}
	if _, d := ask(); d.Rows != 0 {
		t.Errorf("another bundle begins with %d rows", d.Rows)
	}
	copied(t, golden, dir)
	_, url = started(t, dir, l)
	r, err := http.Get(url + "/drift")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 404 {
		t.Errorf("a bundle without a reference: status %d", r.StatusCode)
	}
}

func TestStartRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "b")
	copied(t, golden, bad)
	if err := os.WriteFile(filepath.Join(bad, "training.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no bundle": {nil, "name a bundle"},
		"altered":   {[]string{"-bundle", bad}, "training.json is not the file"},
		"absent":    {[]string{"-bundle", filepath.Join(bad, "no")}, "cannot be read"},
		"limit":     {[]string{"-bundle", golden, "-max-rows", "0"}, "more than 0"},
		"address":   {[]string{"-bundle", golden, "-addr", "nowhere"}, "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(c.args); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}
