//go:build cgo && !windows

package ort_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
	onnxexport "github.com/lamina-ml/lamina/export"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/engine"
	"github.com/lamina-ml/lamina/spec"
	onnxruntime "github.com/yalue/onnxruntime_go"
)

// BenchmarkEncode times one encoder as a Net and as its exported file on
// onnxruntime, one call of each in turn, on one thread and on tensors that both
// find made. The figures are those of the fastest calls.
func BenchmarkEncode(b *testing.B) {
	orttest.Runtime(b)
	x := spec.Input("x", 784)
	code := x.Then(spec.Dense(100), spec.ReLU(), spec.Dense(30), spec.ReLU()).Named("code")
	g, params, err := spec.GraphOf("encoder", code)
	if err != nil {
		b.Fatal(err)
	}
	p, err := compiler.CompileGraph(g, compiler.Options{Rows: 256})
	if err != nil {
		b.Fatal(err)
	}
	w := map[string][]float32{}
	for _, q := range params {
		w[q.Name] = q.Initial(random.New(1))
	}
	net, err := engine.NewNet(g, p, w, engine.Record{})
	if err != nil {
		b.Fatal(err)
	}
	file, err := onnxexport.ExportNet(net, onnxexport.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for _, rows := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("batch=%d", rows), func(b *testing.B) {
			in, out := ir.NewTensor(ir.F32, rows, 784), ir.NewTensor(ir.F32, rows, 30)
			for i := range in.F32 {
				in.F32[i] = float32(i%97) / 97
			}
			theirs := make([]float32, rows*30)
			s := theirSession(b, file, rows, in.F32, theirs)
			ctx, ins, outs := context.Background(), map[string]*ir.Tensor{"x": in}, map[string]*ir.Tensor{"code": out}
			ours, other := time.Hour, time.Hour
			for b.Loop() {
				start := time.Now()
				if err := net.RunInto(ctx, ins, outs); err != nil {
					b.Fatal(err)
				}
				ours = min(ours, time.Since(start))
				start = time.Now()
				if err := s.Run(); err != nil {
					b.Fatal(err)
				}
				other = min(other, time.Since(start))
			}
			for i, v := range theirs {
				if d := v - out.F32[i]; d > 1e-4 || d < -1e-4 {
					b.Fatalf("element %d: %v, onnxruntime %v", i, out.F32[i], v)
				}
			}
			b.ReportMetric(float64(ours.Nanoseconds())/1e3, "lamina-us")
			b.ReportMetric(float64(other.Nanoseconds())/1e3, "onnxruntime-us")
			b.ReportMetric(simd.PeakFMA(20*time.Millisecond), "peak-GFLOP/s")
		})
	}
}

// theirSession runs the file on these tensors.
func theirSession(b *testing.B, file []byte, rows int, in, out []float32) *onnxruntime.AdvancedSession {
	b.Helper()
	o, err := onnxruntime.NewSessionOptions()
	if err != nil {
		b.Fatal(err)
	}
	defer o.Destroy()
	if err := o.SetIntraOpNumThreads(1); err != nil {
		b.Fatal(err)
	}
	x, err := onnxruntime.NewTensor(onnxruntime.NewShape(int64(rows), 784), in)
	if err != nil {
		b.Fatal(err)
	}
	y, err := onnxruntime.NewTensor(onnxruntime.NewShape(int64(rows), 30), out)
	if err != nil {
		b.Fatal(err)
	}
	s, err := onnxruntime.NewAdvancedSessionWithONNXData(file, []string{"x"}, []string{"code"}, []onnxruntime.Value{x}, []onnxruntime.Value{y}, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Destroy(); err != nil {
			b.Error(err)
		}
		_, _ = x.Destroy(), y.Destroy()
	})
	return s
}
