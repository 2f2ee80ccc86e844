// Package consumers_test runs the programs that read what Lamina exports and
// know nothing of Lamina.
package consumers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/consumer"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

const root = "../.."

func bundles(t *testing.T) []string {
	t.Helper()
	models, err := filepath.Glob(filepath.Join(root, "testdata", "bundles", "*", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if len(models) == 0 {
		t.Fatal("no bundle in testdata/bundles")
	}
	for i, m := range models {
		models[i] = filepath.Dir(m)
	}
	return models
}

// replay returns the exit status and what was printed.
func replay(t *testing.T, bundle string) (int, string) {
	t.Helper()
	return consumer.Run(t, consumer.Python(t), consumer.Script(t, "replay.py"), bundle)
}

func TestPython(t *testing.T) {
	consumer.Python(t)
	for _, b := range bundles(t) {
		t.Run(filepath.Base(b), func(t *testing.T) {
			sets, err := filepath.Glob(filepath.Join(b, "test_data_set_*"))
			if err != nil || len(sets) == 0 {
				t.Fatalf("no test sets in %s", b)
			}
			status, out := replay(t, b)
			if status != 0 {
				t.Fatalf("exit status %d\n%s", status, out)
			}
			if n := strings.Count(out, ": holds\n"); n != len(sets) {
				t.Errorf("%d of %d sets reported to hold:\n%s", n, len(sets), out)
			}
		})
	}
}

// TestPythonAltered changes bundles and wants the consumer to notice.
func TestPythonAltered(t *testing.T) {
	consumer.Python(t)
	bundle := bundles(t)[0]
	for name, c := range map[string]struct {
		alter  func(t *testing.T, dir string)
		status int
		want   string
	}{
		"output": {func(t *testing.T, dir string) {
			path := filepath.Join(dir, "test_data_set_0", "output_0.pb")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var tensor onnxpb.TensorProto
			if err := tensor.Unmarshal(b); err != nil {
				t.Fatal(err)
			}
			if tensor.DataType != int32(onnxpb.TensorProto_FLOAT) || len(tensor.RawData) < 4 {
				t.Fatal("the output holds no raw float32")
			}
			tensor.RawData[3] ^= 0x40 // the exponent's high bit
			if b, err = tensor.Marshal(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}, 1, "test_data_set_0 "},
		"missing input": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "test_data_set_0", "input_0.pb")); err != nil {
				t.Fatal(err)
			}
		}, 2, "0 input files"},
		"not a model": {func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "model.onnx"), []byte("nothing"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, 2, "cannot replay"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(bundle)); err != nil {
				t.Fatal(err)
			}
			c.alter(t, dir)
			status, out := replay(t, dir)
			if status != c.status || !strings.Contains(out, c.want) {
				t.Errorf("exit status %d, want %d and %q in:\n%s", status, c.status, c.want, out)
			}
		})
	}
}
