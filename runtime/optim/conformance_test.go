package optim_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/internal/onnxpb"
	. "github.com/lamina-ml/lamina/runtime/optim"
)

// TestONNXCases replays the cases that ONNX has for its own training operators. Their T is 0: no bias correction,
// which an update far in the future has not either.
func TestONNXCases(t *testing.T) {
	dir := os.Getenv("LAMINA_CONFORMANCE")
	if dir == "" {
		t.Skip("LAMINA_CONFORMANCE is not set: name a folder with ONNX's backend test cases, onnx/backend/test/data of its repository")
	}
	const future = 1 << 40
	for _, c := range []struct {
		name string
		o    Optimizer
		t    int64
	}{
		{"test_adam", Adam(1).Betas(0.95, 0.1).Epsilon(1e-7).Decay(0.001), future},
		{"test_momentum", SGD(1).Momentum(0.95).Decay(0.001), 1},
		{"test_nesterov_momentum", SGD(1).Momentum(0.95).Nesterov().Decay(0.01), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := filepath.Join(dir, "node", c.name, "test_data_set_0")
			rate, w, g := floats(t, set, "input_0"), floats(t, set, "input_2"), floats(t, set, "input_3")
			var slots [][]float32
			for i := range c.o.Slots() {
				slots = append(slots, floats(t, set, "input_"+string(rune('4'+i))))
			}
			c.o.Update(Step{LR: rate[0], Decay: true, T: c.t}, w, g, slots)
			for i, got := range append([][]float32{w}, slots...) {
				want := floats(t, set, "output_"+string(rune('0'+i)))
				if len(got) != len(want) {
					t.Fatalf("output %d has %d values, want %d", i, len(got), len(want))
				}
				for j := range got {
					if d := math.Abs(float64(got[j] - want[j])); d > 2e-6*math.Abs(float64(want[j])) {
						t.Errorf("output %d[%d] is %v, want %v", i, j, got[j], want[j])
					}
				}
			}
		})
	}
}

func floats(t *testing.T, dir, name string) []float32 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name+".pb"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := onnxpb.UnmarshalTensor(b)
	if err != nil {
		t.Fatal(err)
	}
	raw := p.GetRawData()
	v := make([]float32, len(raw)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v
}
