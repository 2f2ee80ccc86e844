package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/consumer"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TestOnDevice trains in short, replays both bundles, makes the updates on onnxruntime
// and holds the head against the one that Lamina's engine trains; the consumers in
// Python and C++ must print the losses of that training.
func TestOnDevice(t *testing.T) {
	rt := orttest.Runtime(t)
	digits, dir := dataset.Digits(), filepath.Join(t.TempDir(), "ondevice")
	var out bytes.Buffer
	net, err := run(t.Context(), &out, dir, digits.Train.Head(600), digits.Test.Head(100), 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := losses(t, out.String())
	if first, last := want[0], want[len(want)-1]; len(want) != 11 || math.Abs(first-math.Log(classes)) > 1e-6 || !(last < 0.8*first) {
		t.Errorf("the engine's losses are %v", want)
	}
	for _, name := range []string{"encoder", "update"} {
		verdict, err := bundle.Verify(t.Context(), filepath.Join(dir, name), ort.Runtime())
		if err != nil {
			t.Fatal(err)
		}
		if verdict.Status != bundle.Holds {
			t.Errorf("bundle %s does not hold: %+v", name, verdict)
		}
	}

	model, err := os.ReadFile(filepath.Join(dir, "update", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	session, err := rt.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	loaded, err := bundle.Load(t.Context(), filepath.Join(dir, "update"))
	if err != nil {
		t.Fatal(err)
	}
	in := loaded.Sets[0].In
	for range updates {
		got, err := session.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		in["w"], in["b"] = got["w_next"], got["b_next"]
	}
	for name, got := range map[string][]float32{"head/w": in["w"].F32, "head/b": in["b"].F32} {
		for i, w := range net.Params()[name] {
			if math.Abs(float64(got[i]-w)) > 1e-5 {
				t.Errorf("after %d updates %s[%d] is %v on onnxruntime, %v by Lamina's engine", updates, name, i, got[i], w)
				break
			}
		}
	}

	for _, c := range []struct {
		name    string
		program func(t *testing.T) []string
	}{
		{"Python", func(t *testing.T) []string {
			return []string{consumer.Python(t), consumer.Script(t, "ondevice.py")}
		}},
		{"C++", func(t *testing.T) []string { return []string{filepath.Join(consumer.CPP(t), "ondevice")} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.program(t)
			encoder, update := filepath.Join(dir, "encoder"), filepath.Join(dir, "update")
			status, out := consumer.Run(t, p[0], append(p[1:], encoder, update, strconv.Itoa(updates-1))...)
			if status != 0 {
				t.Fatalf("exit status %d\n%s", status, out)
			}
			got := losses(t, out)
			if len(got) != len(want) {
				t.Fatalf("%d losses, want %d:\n%s", len(got), len(want), out)
			}
			for i := range got {
				if math.Abs(got[i]-want[i]) > 1e-5 {
					t.Errorf("the loss of update %d is %v, %v by Lamina's engine", 10*i+1, got[i], want[i])
				}
			}
			if status, out := consumer.Run(t, p[0], append(p[1:], encoder, update, "0")...); status != 1 {
				t.Errorf("no update: exit status %d\n%s", status, out)
			}
			if status, out := consumer.Run(t, p[0], append(p[1:], encoder, encoder)...); status != 2 || !strings.Contains(out, "cannot train") {
				t.Errorf("an encoder as update: exit status %d\n%s", status, out)
			}
		})
	}
}

// losses reads the lines that name the loss of an update.
func losses(t *testing.T, out string) []float64 {
	t.Helper()
	var list []float64
	for line := range strings.Lines(out) {
		if _, number, ok := strings.Cut(strings.TrimSpace(line), ": loss "); ok {
			x, err := strconv.ParseFloat(number, 64)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, x)
		}
	}
	return list
}
