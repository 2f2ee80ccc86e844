package onnximport_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/verify/native"
	onnximport "github.com/lamina-ml/lamina/import"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

var update = flag.Bool("update", false, "write testdata/conformance.txt anew")

// The tolerance of ONNX's own test runner.
const (
	rtol = 1e-3
	atol = 1e-7
)

const passList = "testdata/conformance.txt"

// TestConformance runs ONNX's own backend cases. A case that passed once must
// pass for ever; the list is in testdata.
func TestConformance(t *testing.T) {
	root := os.Getenv("LAMINA_CONFORMANCE")
	if root == "" {
		t.Skip("set LAMINA_CONFORMANCE to the folder onnx/backend/test/data of a release of ONNX (the last with node cases in the repository is v1.22.0)")
	}
	models, err := filepath.Glob(filepath.Join(root, "*", "*", "model.onnx"))
	if err != nil || len(models) == 0 {
		t.Fatalf("no model.onnx below %s: %v", root, err)
	}
	raw, err := os.ReadFile(passList)
	if err != nil && !*update {
		t.Fatal(err)
	}
	expected := map[string]bool{}
	for _, name := range strings.Fields(string(raw)) {
		expected[name] = true
	}
	passed := []string{}
	count := map[string]map[string]int{}
	why := map[string]int{}
	for _, path := range models {
		dir := filepath.Dir(path)
		name := filepath.Base(filepath.Dir(dir)) + "/" + filepath.Base(dir)
		result, detail := runCase(dir)
		kind := filepath.Base(filepath.Dir(dir))
		if count[kind] == nil {
			count[kind] = map[string]int{}
		}
		count[kind][result]++
		switch {
		case result == "pass" || result == "baked":
			passed = append(passed, name)
		case expected[name] && !*update:
			t.Errorf("%s passed once: now %s: %v", name, result, detail)
		case result == "fail":
			t.Errorf("%s: %v", name, detail)
		case result == "unsupported":
			why[reason(detail)]++
		}
		delete(expected, name)
	}
	for name := range expected {
		t.Logf("%s is not in the folder", name)
	}
	for _, kind := range slices.Sorted(maps.Keys(count)) {
		c := count[kind]
		t.Logf("%-18s %4d pass, %3d more with their integer inputs as initializers, %4d unsupported, %4d of an older opset, %d fail", kind, c["pass"], c["baked"], c["unsupported"], c["older"], c["fail"])
	}
	if testing.Verbose() {
		keys := slices.SortedFunc(maps.Keys(why), func(a, b string) int { return why[b] - why[a] })
		for _, k := range keys[:min(len(keys), 60)] {
			t.Logf("%4d %s", why[k], k)
		}
	}
	if *update {
		slices.Sort(passed)
		if err := os.WriteFile(passList, []byte(strings.Join(passed, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// reason is the first operator of an Unsupported and what it lacks.
func reason(err error) string {
	var u *onnximport.Unsupported
	if errors.As(err, &u) {
		return u.Ops[0].Domain + "." + u.Ops[0].Type + ": " + u.Ops[0].Why
	}
	return err.Error()
}

func runCase(dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, "model.onnx"))
	if err != nil {
		return "fail", err
	}
	m, err := onnximport.Decode(context.Background(), data, onnximport.Limits{})
	baked := false
	if err != nil && strings.Contains(err.Error(), "is not a constant") {
		if data, err = bake(dir, data); err != nil {
			return "fail", err
		}
		m, err = onnximport.Decode(context.Background(), data, onnximport.Limits{})
		baked = true
	}
	var u *onnximport.Unsupported
	switch {
	case errors.As(err, &u):
		return "unsupported", err
	case err != nil && strings.Contains(err.Error(), "is older than"):
		return "older", err
	case err != nil && outOfScope(err):
		return "unsupported", err
	case err != nil:
		return "fail", err
	}
	s, err := native.Runtime().Open(data)
	if err != nil {
		return "fail", err
	}
	defer s.Close()
	in := map[string]*ir.Tensor{}
	for i, name := range inputNames(dir) {
		if !slices.ContainsFunc(m.Inputs, func(p onnximport.Port) bool { return p.Name == name }) {
			continue
		}
		if in[name], err = readTensor(filepath.Join(dir, "test_data_set_0", fmt.Sprintf("input_%d.pb", i))); err != nil {
			return "fail", err
		}
	}
	out, err := s.Run(context.Background(), in)
	if err != nil {
		return "fail", err
	}
	for i, p := range m.Outputs {
		want, err := readTensor(filepath.Join(dir, "test_data_set_0", fmt.Sprintf("output_%d.pb", i)))
		if err != nil {
			return "fail", err
		}
		if err := near(out[p.Name], want); err != nil {
			return "fail", fmt.Errorf("output %q: %w", p.Name, err)
		}
	}
	if baked {
		return "baked", nil
	}
	return "pass", nil
}

func readModel(dir string) *onnxpb.ModelProto {
	data, err := os.ReadFile(filepath.Join(dir, "model.onnx"))
	if err != nil {
		return &onnxpb.ModelProto{Graph: &onnxpb.GraphProto{}}
	}
	m, err := onnxpb.UnmarshalModel(data)
	if err != nil || m.Graph == nil {
		return &onnxpb.ModelProto{Graph: &onnxpb.GraphProto{}}
	}
	return m
}

// inputNames returns the inputs that a test set has files for.
func inputNames(dir string) []string {
	g := readModel(dir).Graph
	var out []string
	for _, v := range g.Input {
		if !slices.ContainsFunc(g.Initializer, func(t *onnxpb.TensorProto) bool { return t.Name == v.Name }) {
			out = append(out, v.Name)
		}
	}
	return out
}

// bake makes initializers of the inputs that are no floats, and of those that say how a
// Resize works: many cases feed axes or a shape, which ordinary files know.
func bake(dir string, data []byte) ([]byte, error) {
	m := readModel(dir)
	known := map[string]bool{}
	for _, n := range m.Graph.Node {
		if n.OpType == "Resize" {
			for _, name := range n.Input[1:] {
				known[name] = true
			}
		}
	}
	for i, name := range inputNames(dir) {
		raw, err := os.ReadFile(filepath.Join(dir, "test_data_set_0", fmt.Sprintf("input_%d.pb", i)))
		if err != nil {
			return nil, err
		}
		t, err := onnxpb.UnmarshalTensor(raw)
		if err != nil {
			return nil, err
		}
		if d := onnxpb.TensorProto_DataType(t.DataType); known[name] || d == onnxpb.TensorProto_INT64 || d == onnxpb.TensorProto_BOOL || i > 0 && len(t.Dims) == 0 {
			t.Name = name
			m.Graph.Initializer = append(m.Graph.Initializer, t)
			m.Graph.Input = slices.DeleteFunc(m.Graph.Input, func(v *onnxpb.ValueInfoProto) bool { return v.Name == name })
		}
	}
	return m.Marshal()
}

// outOfScope reports errors about what is no tensor graph.
func outOfScope(err error) bool {
	for _, s := range []string{"is not a tensor", "no shape is declared", "has no opset of the default domain", "imports no opset"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

func readTensor(path string) (*ir.Tensor, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p, err := onnxpb.UnmarshalTensor(raw)
	if err != nil {
		return nil, err
	}
	return onnximport.DecodeTensor(p)
}

func near(got, want *ir.Tensor) error {
	if got == nil || got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) {
		return fmt.Errorf("got %v, want %v%v", got, want.DType, want.Shape)
	}
	for i := range want.Len() {
		a, b := got.At(i), want.At(i)
		if a == b || math.IsNaN(a) && math.IsNaN(b) {
			continue
		}
		if !(math.Abs(a-b) <= atol+rtol*math.Abs(b)) {
			return fmt.Errorf("element %d is %v, want %v", i, a, b)
		}
	}
	return nil
}
