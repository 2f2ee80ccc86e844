package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/atomicfile"
	"github.com/lamina-ml/lamina/internal/command"
	"github.com/lamina-ml/lamina/internal/command/commandtest"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/npywrite"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/engine"
)

// golden is a bundle x f32[N 784] -> code f32[N 30].
var golden = filepath.Join("..", "..", "testdata", "bundles", "demo-v1")

// ship writes the function of g as a bundle, verified.
func ship(t *testing.T, g *ir.Graph, params map[string][]float32) string {
	t.Helper()
	p, err := compiler.CompileGraph(g, compiler.Options{Rows: 64})
	if err != nil {
		t.Fatal(err)
	}
	net, err := engine.NewNet(g, p, params, engine.Record{Seed: 3, Metrics: map[string]float64{"valid/loss": 0.5}})
	if err != nil {
		t.Fatal(err)
	}
	var cols []dataset.Column
	for _, v := range g.Inputs {
		cols = append(cols, dataset.Column{Name: v.Name, DType: dataset.F32, Shape: v.Type.Shape[1:].At(g.Capacity)})
	}
	r := rand.New(rand.NewPCG(8, 9))
	rows := dataset.From(make([]int, 40), func(_ int, row dataset.Row) {
		for _, c := range cols {
			for i, x := 0, row.F32Slice(c.Name); i < len(x); i++ {
				x[i] = float32(r.Float64())
			}
		}
	}, cols...)
	dir := filepath.Join(t.TempDir(), "bundle")
	orttest.Runtime(t)
	if _, err := bundle.Write(t.Context(), dir, net, rows, ort.Runtime()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// variant is the golden bundle with other weights.
func variant(t *testing.T, change func(name string, w []float32)) string {
	t.Helper()
	net, err := bundle.Open(t.Context(), golden)
	if err != nil {
		t.Fatal(err)
	}
	params := map[string][]float32{}
	for name, w := range net.Params() {
		params[name] = append([]float32{}, w...)
		change(name, params[name])
	}
	return ship(t, net.Graph(), params)
}

// pair is a bundle of two inputs and two outputs.
func pair(t *testing.T) string {
	t.Helper()
	b := ir.NewBuilder("pair")
	left := b.Input("a", ir.T(ir.F32, ir.Rows(), ir.Fixed(2), ir.Fixed(3)))
	right := b.Input("b", ir.T(ir.F32, ir.Rows(), ir.Fixed(2), ir.Fixed(3)))
	total, product := b.Op(ops.Add{}, left, right), b.Op(ops.Mul{}, left, right)
	total.Name, product.Name = "total", "product"
	b.Output(total)
	b.Output(product)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	g, err := compiler.Front(b.Graph, true)
	if err != nil {
		t.Fatal(err)
	}
	return ship(t, g, nil)
}

func randomRows(n, width int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, n*width)
	for i := range x {
		x[i] = float32(r.Float64())
	}
	return x
}

// wantCodes checks a file against the codes of a Net for x.
func wantCodes(t *testing.T, file, dir string, x []float32) {
	t.Helper()
	net, err := bundle.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	n := len(x) / 784
	want, err := net.Run(t.Context(), map[string]*ir.Tensor{"x": {DType: ir.F32, Shape: []int{n, 784}, F32: x}})
	if err != nil {
		t.Fatal(err)
	}
	var file2 bytes.Buffer
	if err := npywrite.Write(&file2, []int{n, 30}, want["code"].F32); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, file2.Bytes()) {
		t.Errorf("%s has not the bits of the Net", filepath.Base(file))
	}
}

func wantOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("the folder holds %v, want %v", got, names)
	}
}

func TestEncode(t *testing.T) {
	for _, n := range []int{0, 1, 3000} {
		x := randomRows(n, 784)
		dir := t.TempDir()
		z := filepath.Join(dir, "z.npy")
		r := lamina(t, nil, "encode", golden, "--input", saveNPY(t, []int{n, 784}, x...), "--output", z)
		if r.Status != 0 || !strings.Contains(r.Stdout, fmt.Sprintf("z.npy: f32[%d 30] code", n)) {
			t.Fatalf("%+v", r)
		}
		if n > 0 && !strings.Contains(r.Stderr, fmt.Sprintf("%d of %d rows, 100%%", n, n)) {
			t.Errorf("progress %q", r.Stderr)
		}
		wantOnly(t, dir, "z.npy")
		wantCodes(t, z, golden, x)
	}
}

func TestEncodeSeveral(t *testing.T) {
	dir := pair(t)
	a := saveNPY(t, []int{2, 2, 3}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12.0)
	b := saveNPY(t, []int{2, 2, 3}, make([]float32, 12)...)
	z := filepath.Join(t.TempDir(), "z.npy")
	r := lamina(t, nil, "encode", dir, "--input", "b="+b, "--input", "a="+a, "--output", "total="+z, "--quiet")
	if r.Status != 0 || r.Stderr != "" {
		t.Fatalf("%+v", r)
	}
	got, err := dataset.NPY(z, "z")
	if err != nil || got.Len() != 2 || got.F32("z")[11] != 12 {
		t.Errorf("%v, %v", got.F32("z"), err)
	}
	three := saveNPY(t, []int{3, 2, 3}, make([]float32, 18)...)
	commandtest.WantError(t, lamina(t, nil, "encode", dir, "--input", "b="+b, "--input", "a="+three, "--output", "total="+z), "2 rows", "3")
	commandtest.WantError(t, lamina(t, nil, "encode", dir, "--input", "b="+b, "--input", "a="+a, "--output", z), "NAME=FILE", `"total"`)
	commandtest.WantError(t, lamina(t, nil, "encode", dir, "--input", "b="+b, "--output", "total="+z), "1 of the model's 2 inputs")
}

// Every output that is asked for is written, with the bits of the Net.
func TestEncodeOutputs(t *testing.T) {
	bundle := pair(t)
	a := saveNPY(t, []int{2, 2, 3}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12.0)
	dir := t.TempDir()
	total, product := filepath.Join(dir, "total.npy"), filepath.Join(dir, "product.npy")
	args := []string{"encode", bundle, "--input", "b=" + a, "--input", "a=" + a, "--output", "product=" + product, "--output", "total=" + total}
	if r := lamina(t, nil, args...); r.Status != 0 || !strings.Contains(r.Stdout, "f32[2 2 3] product") || !strings.Contains(r.Stdout, "f32[2 2 3] total") {
		t.Fatalf("%+v", r)
	}
	for file, want := range map[string]float32{total: 24, product: 144} {
		if got := floatsOf(t, file); len(got) != 12 || got[11] != want {
			t.Errorf("%s: %v", file, got)
		}
	}
	wantOnly(t, dir, "product.npy", "total.npy")
	commandtest.WantError(t, lamina(t, nil, append(args[:7:7], "product="+product, "--output", "total="+product)...), "another output's already")
	commandtest.WantError(t, lamina(t, nil, append(args[:7:7], "sum="+total)...), `the model has no output "sum"`, `"total", "product"`)
	commandtest.WantError(t, lamina(t, nil, append(args[:7:7], "total="+a)...), "name another file")
}

// An encode of two outputs that is killed over and over gives the bytes of one
// that is not, and begins anew when the rows of either have changed.
func TestEncodeOutputsKilled(t *testing.T) {
	const n = 20_000
	bundle := pair(t)
	x := randomRows(n, 6)
	a := saveNPY(t, []int{n, 2, 3}, x...)
	dir := t.TempDir()
	total, product := filepath.Join(dir, "total.npy"), filepath.Join(dir, "product.npy")
	args := []string{"encode", bundle, "--input", "b=" + a, "--input", "a=" + a, "--output", "product=" + product, "--output", "total=" + total, "--every", "1"}
	check := func() {
		t.Helper()
		wantOnly(t, dir, "product.npy", "total.npy")
		sum, times := floatsOf(t, total), floatsOf(t, product)
		for i, v := range x {
			if sum[i] != v+v || times[i] != v*v {
				t.Fatalf("element %d: %v and %v of %v", i, sum[i], times[i], v)
			}
		}
	}
	kills := 0
	for ; kills < 4 && killed(t, total, args...); kills++ {
		wantOnly(t, dir, "product.npy.partial", "total.npy.partial")
	}
	if kills == 0 {
		t.Fatal("it was never killed")
	}
	if r := lamina(t, nil, args...); r.Status != 0 || kills == 4 && !strings.Contains(r.Stderr, "goes on after row") {
		t.Fatalf("%d kills: %+v", kills, r)
	}
	check()
	for _, file := range []string{total, product} {
		interrupted(t, total, []string{total, product}, args...)
		flip(t, filepath.Join(file+partialSuffix, partialRows), 500)
		if r := lamina(t, nil, args...); r.Status != 0 || !strings.Contains(r.Stderr, "begins anew: "+filepath.Join(file+partialSuffix, partialRows)) {
			t.Fatalf("%+v", r)
		}
		check()
	}
}

func TestEncodeRefuses(t *testing.T) {
	x := saveNPY(t, []int{2, 784}, randomRows(2, 784)...)
	bad := randomRows(600, 784)
	bad[599*784+5] = float32(math.Inf(1))
	dir := t.TempDir()
	z := filepath.Join(dir, "z.npy")
	honest, err := os.ReadFile(x)
	if err != nil {
		t.Fatal(err)
	}
	lies := saveBytes(t, "lies.npy", bytes.Replace(honest, []byte("(2, 784), }  "), []byte("(99, 784), } "), 1))
	altered := filepath.Join(t.TempDir(), "b")
	if err := os.CopyFS(altered, os.DirFS(golden)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(altered, "training.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args  []string
		words []string
	}{
		"no bundle":      {[]string{dir, "--input", x, "--output", z}, []string{"cannot be read", "verification.json"}},
		"altered":        {[]string{altered, "--input", x, "--output", z}, []string{"training.json is not the file"}},
		"wrong width":    {[]string{golden, "--input", saveNPY(t, []int{1, 3}, 1, 2, float32(3)), "--output", z}, []string{"[3]", "[784]"}},
		"integers":       {[]string{golden, "--input", saveNPY(t, []int{1, 784}, make([]int64, 784)...), "--output", z}, []string{"float32"}},
		"header lies":    {[]string{golden, "--input", lies, "--output", z}, []string{"[99 784]"}},
		"absent":         {[]string{golden, "--input", filepath.Join(dir, "no.npy"), "--output", z}, []string{"no.npy"}},
		"no input":       {[]string{golden, "--output", z}, []string{"0 of the model's 1 inputs"}},
		"no output":      {[]string{golden, "--input", x}, []string{"--output"}},
		"onto the input": {[]string{golden, "--input", x, "--output", x}, []string{"name another file"}},
		"onto a folder":  {[]string{golden, "--input", x, "--output", dir}, []string{"not a regular file"}},
		"below a file":   {[]string{golden, "--input", x, "--output", filepath.Join(x, "z.npy")}, []string{"x.npy"}},
		"every":          {[]string{golden, "--input", x, "--output", z, "--every", "-1"}, []string{"--every"}},
	} {
		t.Run(name, func(t *testing.T) {
			commandtest.WantError(t, lamina(t, nil, append([]string{"encode"}, c.args...)...), c.words...)
		})
	}
	wantOnly(t, dir)

	// What is not finite is found on the way: rows before it are kept, no output is.
	r := lamina(t, []string{"GOMAXPROCS=1"}, "encode", golden, "--input", saveNPY(t, []int{600, 784}, bad...), "--output", z)
	commandtest.WantError(t, r, "row 599, value 5", "not finite")
	wantOnly(t, dir, "z.npy.partial")

	foreign := filepath.Join(dir, "y.npy.partial")
	if err := os.MkdirAll(foreign, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreign, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	commandtest.WantError(t, lamina(t, nil, "encode", golden, "--input", x, "--output", filepath.Join(dir, "y.npy")), "letter.txt", "remove it")
	wantOnly(t, foreign, "letter.txt")
}

// stateOf returns how many rows a partial folder says are done.
func stateOf(partial string) int64 {
	var s encodeState
	b, err := os.ReadFile(filepath.Join(partial, partialState))
	if err != nil || json.Unmarshal(b, &s) != nil {
		return 0
	}
	return s.Rows
}

// killed starts an encode, kills it once more rows are recorded than there were,
// and reports whether that came before its end.
func killed(t *testing.T, z string, args ...string) bool {
	t.Helper()
	before := stateOf(z + partialSuffix)
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env = commandtest.Env("GOMAXPROCS=1")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	for {
		select {
		case <-done:
			return false
		case <-time.After(time.Millisecond):
			if stateOf(z+partialSuffix) > before {
				c.Process.Kill()
				<-done
				return !c.ProcessState.Exited()
			}
		}
	}
}

// interrupted leaves an encode that was killed. One that came to its end before the
// kill is made again.
func interrupted(t *testing.T, z string, outputs []string, args ...string) {
	t.Helper()
	for range 20 {
		for _, file := range outputs {
			os.Remove(file)
		}
		if killed(t, z, args...) {
			return
		}
	}
	t.Fatal("it was never killed")
}

// An encode that is killed over and over gives the same bytes as one that is not.
func TestEncodeKilled(t *testing.T) {
	const n = 8000
	x := randomRows(n, 784)
	file := saveNPY(t, []int{n, 784}, x...)
	dir := t.TempDir()
	z := filepath.Join(dir, "z.npy")
	args := []string{"encode", golden, "--input", file, "--output", z, "--every", "1"}
	kills := 0
	for ; kills < 5 && killed(t, z, args...); kills++ {
		wantOnly(t, dir, "z.npy.partial")
	}
	if kills == 0 {
		t.Fatal("it was never killed")
	}
	done := stateOf(z + partialSuffix)
	if kills == 5 {
		r := lamina(t, nil, args...)
		if r.Status != 0 || !strings.Contains(r.Stderr, fmt.Sprintf("goes on after row %d of %d", done, n)) {
			t.Fatalf("%d kills, %d rows done: %+v", kills, done, r)
		}
	}
	wantOnly(t, dir, "z.npy")
	wantCodes(t, z, golden, x)
}

// edit changes a record.
func edit(t *testing.T, path string, f func(s *encodeState)) {
	t.Helper()
	var s encodeState
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err == nil {
		f(&s)
		b, err = json.Marshal(s)
	}
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What was begun is only gone on from when nothing is another, and the other way is
// told why.
func TestEncodeBeginsAnew(t *testing.T) {
	other := variant(t, func(name string, w []float32) { w[0]++ })
	const n = 2000
	for name, c := range map[string]struct {
		change func(t *testing.T, x []float32, partial string)
		bundle string
		says   string
	}{
		"another bundle": {func(*testing.T, []float32, string) {}, other, "begins anew: the bundle is another one"},
		"another row":    {func(_ *testing.T, x []float32, _ string) { x[3] = 0.25 }, golden, "begins anew"},
		"a later row":    {func(_ *testing.T, x []float32, _ string) { x[len(x)-1] = 0.25 }, golden, "goes on"},
		"another result": {func(t *testing.T, _ []float32, partial string) { flip(t, filepath.Join(partial, partialRows), 500) }, golden, "begins anew"},
		"rows gone":      {func(t *testing.T, _ []float32, partial string) { os.Truncate(filepath.Join(partial, partialRows), 300) }, golden, "begins anew"},
		"no state": {func(t *testing.T, _ []float32, partial string) {
			os.WriteFile(filepath.Join(partial, partialState), []byte("{"), 0o600)
		}, golden, "begins anew: "},
		"another kernel set": {func(t *testing.T, _ []float32, partial string) {
			edit(t, filepath.Join(partial, partialState), func(s *encodeState) {
				for i := range s.Facts {
					if s.Facts[i].Name == "the kernel set" {
						s.Facts[i].Value = "abacus"
					}
				}
			})
		}, golden, "begins anew: the kernel set was abacus, is " + simd.Active()},
		"another number of rows": {func(t *testing.T, _ []float32, partial string) {
			edit(t, filepath.Join(partial, partialState), func(s *encodeState) { s.Facts[len(s.Facts)-1].Value = "7" })
		}, golden, `begins anew: the number of rows of input "x" was 7, is 2000`},
		"another format": {func(t *testing.T, _ []float32, partial string) {
			edit(t, filepath.Join(partial, partialState), func(s *encodeState) { s.Format-- })
		}, golden, "is of another version of this command"},
	} {
		t.Run(name, func(t *testing.T) {
			x := randomRows(n, 784)
			file := saveNPY(t, []int{n, 784}, x...)
			z := filepath.Join(t.TempDir(), "z.npy")
			interrupted(t, z, []string{z}, "encode", golden, "--input", file, "--output", z, "--every", "1")
			c.change(t, x, z+partialSuffix)
			var b bytes.Buffer
			if err := npywrite.Write(&b, []int{n, 784}, x); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			r := lamina(t, nil, "encode", c.bundle, "--input", file, "--output", z)
			if r.Status != 0 || !strings.Contains(r.Stderr, c.says) {
				t.Fatalf("%+v", r)
			}
			wantCodes(t, z, c.bundle, x)
		})
	}
}

// An interrupted encode says how to go on, and what it did is kept.
func TestEncodeInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM to send on Windows")
	}
	const n = 8000
	x := randomRows(n, 784)
	file := saveNPY(t, []int{n, 784}, x...)
	z := filepath.Join(t.TempDir(), "z.npy")
	args := []string{"encode", golden, "--input", file, "--output", z, "--every", "1"}
	var errs bytes.Buffer
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env, c.Stderr = commandtest.Env("GOMAXPROCS=1"), &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for waited := 0; stateOf(z+partialSuffix) == 0 && waited < 300_000; waited++ {
		time.Sleep(time.Millisecond)
	}
	c.Process.Signal(syscall.SIGTERM)
	if err := c.Wait(); err == nil || c.ProcessState.ExitCode() != command.Unreadable {
		t.Fatalf("%v: %s", err, errs.String())
	}
	if want := fmt.Sprintf("%d of %d rows are kept", stateOf(z+partialSuffix), n); !strings.Contains(errs.String(), want) {
		t.Errorf("stderr %q does not say %q", errs.String(), want)
	}
	if r := lamina(t, nil, args...); r.Status != 0 || !strings.Contains(r.Stderr, "goes on after row") {
		t.Errorf("%+v", r)
	}
	wantCodes(t, z, golden, x)
}

func flip(t *testing.T, file string, at int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := []byte{0}
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func TestEncodeTwice(t *testing.T) {
	z := filepath.Join(t.TempDir(), "z.npy")
	if err := os.Mkdir(z+partialSuffix, 0o755); err != nil {
		t.Fatal(err)
	}
	unlock, err := atomicfile.Lock(filepath.Join(z+partialSuffix, partialLock))
	if err != nil {
		t.Fatal(err)
	}
	x := saveNPY(t, []int{2, 784}, randomRows(2, 784)...)
	commandtest.WantError(t, lamina(t, nil, "encode", golden, "--input", x, "--output", z), "another process")
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if r := lamina(t, nil, "encode", golden, "--input", x, "--output", z); r.Status != 0 {
		t.Errorf("%+v", r)
	}
}

// The memory does not grow with the rows: here 190 MB of them.
func TestEncodeInBoundedMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the most memory a process had is read as Linux tells it")
	}
	peak := func(n int) int64 {
		var head bytes.Buffer
		if err := npywrite.Begin[float32](&head, []int{n, 784}); err != nil {
			t.Fatal(err)
		}
		file := saveBytes(t, "x.npy", head.Bytes())
		if err := os.Truncate(file, int64(head.Len()+n*784*4)); err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), os.Args[0], "encode", golden, "--input", file, "--output", filepath.Join(t.TempDir(), "z.npy"))
		c.Env = commandtest.Env()
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return maxRSS(c.ProcessState)
	}
	small, large := peak(2000), peak(60_000)
	if large > small+24<<20 {
		t.Errorf("2,000 rows took %d bytes, 60,000 took %d", small, large)
	}
}
