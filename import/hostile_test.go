package onnximport_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify/native"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/internal/lab/hostile"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

func seedFiles(t testing.TB) [][]byte {
	var out [][]byte
	for seed := range uint64(12) {
		_, _, data := exported(t, seed, []int{13, 17, 18, 20, 23}[seed%5])
		out = append(out, data)
		if seed%3 == 0 {
			_, _, data = exportedAs(t, images(seed), seed, []int{13, 17, 18, 20, 23}[seed%5])
			out = append(out, data)
		}
	}
	return out
}

// decodeBounded decodes under watch.
func decodeBounded(t *testing.T, name string, data []byte) (m *onnximport.Model) {
	t.Helper()
	err := hostile.Watch(t, name, data, func(b []byte) (err error) {
		m, err = onnximport.Decode(t.Context(), b, onnximport.Limits{})
		return err
	})
	if err != nil && strings.Contains(err.Error(), "internal error") {
		t.Errorf("%s: %v", name, err)
	}
	return m
}

// TestCorpus reads mutated files: an error or a model, in bounded memory.
// LAMINA_CORPUS sets their number.
func TestCorpus(t *testing.T) {
	n := 2000
	if s := os.Getenv("LAMINA_CORPUS"); s != "" {
		k, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("LAMINA_CORPUS: %v", err)
		}
		n = k
	}
	seeds := seedFiles(t)
	accepted, ran := 0, 0
	for i := range n {
		name, data := mutated(t, seeds, i)
		name = fmt.Sprintf("file %d (%s)", i, name)
		m := decodeBounded(t, name, data)
		if t.Failed() {
			path := filepath.Join(t.TempDir(), "finding.onnx")
			if os.Getenv("LAMINA_KEEP") != "" {
				path = filepath.Join(os.Getenv("LAMINA_KEEP"), fmt.Sprintf("finding-%d.onnx", i))
			}
			_ = os.WriteFile(path, data, 0o644)
			t.Fatalf("%s fails; LAMINA_KEEP=folder keeps it", name)
		}
		if m == nil {
			continue
		}
		accepted++
		if small(m.Graph) {
			if err := runOnce(data, m); err != nil {
				t.Errorf("%s: %v", name, err)
			} else {
				ran++
			}
		}
	}
	t.Logf("%d files: %d refused, %d accepted, %d of these executed", n, n-accepted, accepted, ran)
	if accepted == 0 || accepted == n {
		t.Errorf("%d of %d files were accepted", accepted, n)
	}
}

// small reports whether a graph may be executed in passing.
func small(g *ir.Graph) bool {
	n := 0
	for _, v := range g.Values() {
		if n += v.Type.Shape.Least(); n > 1<<20 {
			return false
		}
	}
	return len(g.Nodes) < 200
}

// runOnce executes a model that was accepted; the only errors allowed are clean
// ones.
func runOnce(data []byte, m *onnximport.Model) error {
	s, err := native.Runtime().Open(data)
	if err != nil {
		if strings.Contains(err.Error(), "internal error") {
			return err
		}
		return nil
	}
	defer s.Close()
	if _, err := s.Run(context.Background(), inputsOf(m.Graph, 2, 1)); err != nil && strings.Contains(err.Error(), "internal error") {
		return err
	}
	return nil
}

// TestFindings reads the files that once failed.
func TestFindings(t *testing.T) {
	files, err := filepath.Glob("testdata/hostile/*.onnx")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if m := decodeBounded(t, path, data); m != nil && small(m.Graph) {
			if err := runOnce(data, m); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

// TestCancel checks that reading ends with its context.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := onnximport.Decode(ctx, seedFiles(t)[0], onnximport.Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, data := range seedFiles(f) {
		f.Add(data)
	}
	seeds := seedFiles(f)
	for i := range 3 * len(onModels) {
		if _, data := mutated(f, seeds, i); len(data) < 1<<14 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // fuzzing has no limit of its own for one that hangs
		defer cancel()
		m, err := onnximport.Decode(ctx, data, onnximport.Limits{})
		if ctx.Err() != nil {
			t.Fatal("it hangs")
		}
		if err != nil {
			if strings.Contains(err.Error(), "internal error") {
				t.Fatal(err)
			}
			return
		}
		if err := ir.Verify(m.Graph); err != nil {
			t.Fatal(err)
		}
		for _, v := range m.Graph.Params {
			if p := m.Params[v.Name]; p == nil || p.Check() != nil || !p.Type().Equal(v.Type) {
				t.Fatalf("parameter %q is %v", v.Name, p)
			}
		}
	})
}

// TestRefusals checks what is said of some mutations.
func TestRefusals(t *testing.T) {
	want := map[string]string{
		"own output":            "the graph has a cycle",
		"duplicate name":        "is given twice",
		"duplicate initializer": "two initializers are named",
		"missing initializer":   "which nothing makes",
		"initializer dims":      "bytes",
		"many axes":             "axes, at most 8 are possible",
		"input dims":            "more than 1073741824 elements",
		"input symbol":          "x's last axis is _ but w's first axis is 6",
		"no input type":         "no type is declared",
		"input of another kind": "is not a tensor",
		"another list":          "both in raw_data and in a list",
		"external data":         "lies outside the file",
		"attribute":             "holds something else",
		"attribute type":        "holds something else",
		"no outputs":            "has 0 outputs",
		"outputs times inputs":  "more than 262144 edges",
		"declared output":       "is declared with the lengths",
		"no opset":              "imports no opset",
		"IR version":            "IR version",
		"no graph":              "has no graph",
		"empty graph":           "has no outputs",
		"function":              "calls a function of the file",
		"empty messages":        "far more memory than its size",
		"doubling":              "elements a row",
		"nested attributes":     "nested more than 100 deep",
	}
	_, _, data := exported(t, 3, 17)
	for _, k := range onModels {
		m, err := onnxpb.UnmarshalModel(data)
		if err != nil {
			t.Fatal(err)
		}
		k.do(rand.New(rand.NewPCG(1, 1)), m)
		raw, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		_, err = onnximport.Decode(context.Background(), raw, onnximport.Limits{})
		if s, ok := want[k.name]; ok && (err == nil || !strings.Contains(err.Error(), s)) {
			t.Errorf("%s: got %v, want %q", k.name, err, s)
		}
		delete(want, k.name)
	}
	for name := range want {
		t.Errorf("there is no mutation %q", name)
	}
}

// bombs are files made by hand to take memory or time.
func bombs() map[string][]byte {
	field := func(tag byte, body []byte) []byte {
		return append(binary.AppendUvarint([]byte{tag}, uint64(len(body))), body...)
	}
	head := []byte{0x08, 8, 0x42, 2, 0x10, 17} // IR version 8, opset 17
	graph := func(body []byte) []byte { return append(slices.Clone(head), field(0x3a, body)...) }
	out := map[string][]byte{
		"a million empty nodes":        graph(bytes.Repeat([]byte{0x0a, 0}, 1<<20)),
		"a million empty initializers": graph(bytes.Repeat([]byte{0x2a, 0}, 1<<20)),
		"a million empty strings":      graph(field(0x0a, bytes.Repeat([]byte{0x0a, 0}, 1<<20))),
		"packed integers":              graph(field(0x2a, field(0x3a, make([]byte, 16<<20)))),
		"unpacked integers":            graph(field(0x2a, bytes.Repeat([]byte{0x38, 1}, 8<<20))),
		"a million opsets":             append(slices.Clone(head), bytes.Repeat([]byte{0x42, 0}, 1<<20)...),
		"a million functions":          append(slices.Clone(head), bytes.Repeat([]byte{0xca, 1, 0}, 1<<20)...),
		"a million training infos":     append(slices.Clone(head), bytes.Repeat([]byte{0xa2, 1, 0}, 1<<20)...),
		"an endless length":            append(slices.Clone(head), 0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
	}
	deep := []byte{}
	for range 20000 {
		deep = field(0x0a, field(0x2a, field(0x32, deep))) // node, attribute, graph
	}
	out["nested graphs"] = graph(deep)
	return out
}

func TestBombs(t *testing.T) {
	for name, data := range bombs() {
		if decodeBounded(t, name, data) != nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestLargeFile holds the bound on memory for an honest file of 32 MB.
func TestLargeFile(t *testing.T) {
	f := newFile(17).input("x", "N", 2048).node("y = MatMul(x,w)")
	f.m.Graph.Initializer = []*onnxpb.TensorProto{{Name: "w", DataType: 1, Dims: []int64{2048, 4096}, RawData: make([]byte, 2048*4096*4)}}
	if decodeBounded(t, "raw_data", f.bytes(t, "y")) == nil {
		t.Error("the file was refused")
	}
	w := f.m.Graph.Initializer[0]
	w.RawData, w.FloatData = nil, make([]float32, 2048*4096)
	f.m.Graph.Output = nil
	if decodeBounded(t, "float_data", f.bytes(t, "y")) == nil {
		t.Error("the file was refused")
	}
}
