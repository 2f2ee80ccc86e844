package bundle_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// first returns the first n rows of every tensor.
func first(in map[string]*ir.Tensor, from, n int) map[string]*ir.Tensor {
	out := map[string]*ir.Tensor{}
	for name, t := range in {
		w := ir.Elems(t.Shape[1:])
		out[name] = &ir.Tensor{DType: ir.F32, Shape: append([]int{n}, t.Shape[1:]...), F32: t.F32[from*w : (from+n)*w]}
	}
	return out
}

// sameBits reports the first element of two outputs with other bits.
func sameBits(got, want map[string]*ir.Tensor) error {
	for name, w := range want {
		g := got[name]
		if g == nil || g.Len() != w.Len() {
			return fmt.Errorf("output %q is %v", name, g)
		}
		for i := range w.F32 {
			if math.Float32bits(g.F32[i]) != math.Float32bits(w.F32[i]) {
				return fmt.Errorf("output %q, element %d is %v, not %v", name, i, g.F32[i], w.F32[i])
			}
		}
	}
	return nil
}

// TestOpenHasTheBitsOfTraining trains models, ships them, and wants of the opened
// bundle, in batches of 1 to 300 rows, the bits that training's own evaluation gives
// all the rows at once.
func TestOpenHasTheBitsOfTraining(t *testing.T) {
	rt := orttest.Runtime(t)
	r := rand.New(rand.NewPCG(3, 4))
	const n = 300
	table := dataset.From(make([]int, n), func(_ int, row dataset.Row) {
		x, y := row.F32Slice("x"), row.F32Slice("y")
		for i := range x {
			x[i] = float32(r.NormFloat64())
			y[i] = x[i] * x[i]
		}
	}, dataset.Column{Name: "x", DType: dataset.F32, Shape: []int{19}}, dataset.Column{Name: "y", DType: dataset.F32, Shape: []int{19}})
	whole := map[string]*ir.Tensor{
		"x": {DType: ir.F32, Shape: []int{n, 19}, F32: table.F32("x")},
		"y": {DType: ir.F32, Shape: []int{n, 19}, F32: table.F32("y")},
	}
	x := func() *spec.Value { return spec.Input("x", 19) }
	relu := spec.Sequential("encoder", spec.Dense(33), spec.ReLU(), spec.Dense(6))
	smooth := spec.Sequential("encoder", spec.Dense(17), spec.GELU(), spec.Dropout(0.2), spec.Dense(16), spec.Tanh(), spec.Dense(5), spec.Softmax(0))
	left, right := x(), spec.Input("y", 19)
	shared := spec.Sequential("encoder", spec.Dense(8), spec.SELU())
	alone := x()
	code := alone.Then(smooth).Named("code")
	both := spec.Concat(0, left.Then(shared), right.Then(shared)).Then(spec.L2Normalize()).Named("code")
	tied := spec.Autoencoder("tied", x(), relu, spec.Mirror("decoder", relu).Tied())
	for name, c := range map[string]struct {
		model *spec.Model
		taps  []string
	}{
		"tied":   {tied, []string{"code", "reconstruction"}},
		"smooth": {spec.NewModel("smooth", spec.MSE(code.Then(spec.Dense(19)), alone)), []string{"code"}},
		"shared": {spec.NewModel("shared", spec.MSE(both.Then(spec.Dense(19)).Named("out"), left)), []string{"code", "out"}},
	} {
		t.Run(name, func(t *testing.T) {
			fit, err := train.Fit(t.Context(), c.model, table, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 2, Batch: 64, Seed: 9})
			if err != nil {
				t.Fatal(err)
			}
			var values []*spec.Value
			for _, tap := range c.taps {
				values = append(values, c.model.Tap(tap))
			}
			trained := fit.Net(values...)
			dir := filepath.Join(t.TempDir(), "b")
			if _, err := bundle.Write(t.Context(), dir, trained, table, rt); err != nil {
				t.Fatal(err)
			}
			opened, err := bundle.Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			in := map[string]*ir.Tensor{}
			for _, v := range trained.Inputs() {
				in[v.Name] = whole[v.Name]
			}
			want, err := trained.Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for size := 1; size <= n; size++ {
				from := (size * 7) % (n - size + 1)
				got, err := opened.Run(t.Context(), first(in, from, size))
				if err != nil {
					t.Fatal(err)
				}
				if err := sameBits(got, first(want, from, size)); err != nil {
					t.Fatalf("%d rows from %d: %v", size, from, err)
				}
			}
			if a, b := opened.Record(), trained.Record(); a.ModelHash != b.ModelHash || a.Seed != b.Seed || len(a.Metrics) == 0 || fmt.Sprint(a.Metrics) != fmt.Sprint(b.Metrics) {
				t.Errorf("record %+v", a)
			}
			again := filepath.Join(t.TempDir(), "again") // what is opened ships like what was trained
			if _, err := bundle.Write(t.Context(), again, opened, table, rt); err != nil {
				t.Fatal(err)
			}
			last, err := bundle.Open(t.Context(), again)
			if err != nil {
				t.Fatal(err)
			}
			got, err := last.Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if err := sameBits(got, want); err != nil {
				t.Errorf("shipped again: %v", err)
			}
		})
	}
}

func golden(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "b")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "testdata", "bundles", "demo-v1"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLoad(t *testing.T) {
	o, err := bundle.Load(t.Context(), golden(t))
	if err != nil {
		t.Fatal(err)
	}
	if o.Opset < 13 || o.ModelBytes < 300_000 || len(o.Digest) != 64 || len(o.Sets) != 2 || o.Sets[0].Rows != 64 || !(o.Tolerances["code"] > 0) {
		t.Errorf("%+v", o)
	}
	for _, s := range o.Sets {
		for name, w := range s.Want {
			got, err := o.Net.Run(t.Context(), s.In)
			if err != nil || got[name].Len() != w.Len() {
				t.Errorf("set %q: %v, %v", s.Name, got, err)
			}
		}
	}
	if v := o.Net.Graph().Nodes[0]; v.Layer != "encoder/dense1" {
		t.Errorf("the first node is of layer %q", v.Layer)
	}
}

func TestOpenedNetAllocatesNothing(t *testing.T) {
	net, err := bundle.Open(t.Context(), golden(t))
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]*ir.Tensor{"x": ir.NewTensor(ir.F32, 64, 784)}
	out := map[string]*ir.Tensor{"code": ir.NewTensor(ir.F32, 64, 30)}
	ctx := context.Background()
	call := func() {
		if err := net.RunInto(ctx, in, out); err != nil {
			panic(err)
		}
	}
	for range 100 { // every engine is made
		call()
	}
	if a := testing.AllocsPerRun(50, call); a != 0 {
		t.Errorf("%v allocations a call", a)
	}
}

func TestOpenRefuses(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	forge := func(t *testing.T, dir string) { rehash(t, dir, func(name string) string { return sum(t, dir, name) }) }
	edit := func(t *testing.T, dir, file, from, to string) {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || !strings.Contains(string(b), from) {
			t.Fatalf("%s has no %q: %v", file, from, err)
		}
		put(t, dir, file, []byte(strings.Replace(string(b), from, to, 1)))
	}
	for name, c := range map[string]struct {
		ctx   context.Context
		alter func(t *testing.T, dir string)
		is    error
		says  string
	}{
		"cancelled": {cancelled, func(*testing.T, string) {}, context.Canceled, ""},
		"no folder": {nil, func(t *testing.T, dir string) { os.RemoveAll(dir) }, bundle.ErrUnreadable, "no such file"},
		"altered": {nil, func(t *testing.T, dir string) { edit(t, dir, "training.json", "valid/loss", "valid/lost") },
			bundle.ErrDiffers, "training.json is not the file"},
		"a weight, hashes forged": {nil, func(t *testing.T, dir string) {
			editModel(t, dir, func(m *onnxpb.ModelProto) {
				for _, p := range m.Graph.Initializer {
					for i := 2; len(p.Dims) == 2 && i < len(p.RawData); i += 4 {
						p.RawData[i] ^= 0x40
					}
				}
			})
			forge(t, dir)
		}, bundle.ErrDiffers, "test_data_set_"},
		"a want, hashes forged": {nil, func(t *testing.T, dir string) {
			p := tensor(t, filepath.Join(dir, "test_data_set_1/output_0.pb"))
			p.RawData[2] ^= 0x40
			b, _ := p.Marshal()
			put(t, dir, "test_data_set_1/output_0.pb", b)
			forge(t, dir)
		}, bundle.ErrDiffers, `test_data_set_1, output "code"`},
		"an op of another day": {nil, func(t *testing.T, dir string) {
			editModel(t, dir, func(m *onnxpb.ModelProto) { m.Graph.Node[0].OpType = "Unheard" })
			forge(t, dir)
		}, bundle.ErrUnreadable, "Unheard"},
		"an output gone": {nil, func(t *testing.T, dir string) {
			editModel(t, dir, func(m *onnxpb.ModelProto) { m.Graph.Output[0].Name = m.Graph.Node[0].Output[0] })
			forge(t, dir)
		}, bundle.ErrUnreadable, ""},
		"no model": {nil, func(t *testing.T, dir string) {
			put(t, dir, "model.onnx", []byte("no model at all"))
			forge(t, dir)
		}, bundle.ErrUnreadable, "model.onnx"},
		"never verified": {nil, func(t *testing.T, dir string) { edit(t, dir, "verification.json", `"holds"`, `"unverified"`) },
			bundle.ErrUnverified, "unverified"},
		"another format": {nil, func(t *testing.T, dir string) {
			edit(t, dir, "training.json", `"format": 1`, `"format": 7`)
			forge(t, dir)
		}, bundle.ErrUnreadable, "format 7"},
		"out of the folder": {nil, func(t *testing.T, dir string) {
			b, _ := os.ReadFile(filepath.Join(dir, "training.json"))
			put(t, filepath.Dir(dir), "outside.json", b)
			os.Remove(filepath.Join(dir, "training.json"))
			if err := os.Symlink("../outside.json", filepath.Join(dir, "training.json")); err != nil {
				t.Skip(err)
			}
		}, bundle.ErrUnreadable, "training.json"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := golden(t)
			c.alter(t, dir)
			ctx := c.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			net, err := bundle.Open(ctx, dir)
			if net != nil || !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestOpenBoundsMemory opens models whose values would take more memory than any
// machine has: a small capacity is found for one, the other is refused.
func TestOpenBoundsMemory(t *testing.T) {
	for name, c := range map[string]struct {
		width int
		want  string
	}{"wide": {1 << 18, ""}, "too wide": {1 << 28, "bytes"}} {
		t.Run(name, func(t *testing.T) {
			dir := golden(t)
			editModel(t, dir, func(m *onnxpb.ModelProto) { widen(m, c.width) })
			rehash(t, dir, func(name string) string { return sum(t, dir, name) })
			_, err := bundle.Open(t.Context(), dir)
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// widen lets the code be expanded to a wide value and summed up again with no
// effect on it: code + 0 * sum(expand(code)).
func widen(m *onnxpb.ModelProto, width int) {
	g := m.Graph
	i64 := func(name string, v ...int64) {
		p := &onnxpb.TensorProto{Name: name, DataType: int32(onnxpb.TensorProto_INT64), Dims: []int64{int64(len(v))}, Int64Data: v}
		g.Initializer = append(g.Initializer, p)
	}
	g.Initializer = append(g.Initializer, &onnxpb.TensorProto{Name: "nil", DataType: int32(onnxpb.TensorProto_FLOAT), FloatData: []float32{0}})
	i64("last", 1)
	i64("wide", 1, int64(width))
	code := g.Output[0].Name
	last := g.Node[len(g.Node)-1]
	last.Output[0] = "narrow"
	node := func(op, out string, in ...string) {
		g.Node = append(g.Node, &onnxpb.NodeProto{OpType: op, Input: in, Output: []string{out}})
	}
	node("ReduceSum", "one", "narrow", "last")
	node("Expand", "many", "one", "wide")
	node("Tanh", "squashed", "many")
	node("ReduceSum", "back", "squashed", "last")
	node("Mul", "zero", "back", "nil")
	node("Add", code, "narrow", "zero")
}

func BenchmarkOpen(b *testing.B) {
	dir := golden(b)
	for b.Loop() {
		if _, err := bundle.Open(b.Context(), dir); err != nil {
			b.Fatal(err)
		}
	}
}
