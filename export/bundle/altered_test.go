package bundle_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/internal/onnxpb"
)

func put(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// weight changes one weight of the file: of an input that the user's rows never
// reach.
func weight(m *onnxpb.ModelProto) {
	for _, p := range m.Graph.Initializer {
		if p.Name == "encoder/dense1/w" {
			for j := range 12 {
				p.RawData[4*(17*12+j)+2] ^= 0x60
			}
		}
	}
}

func TestAltered(t *testing.T) {
	rt := orttest.Runtime(t)
	for name, c := range map[string]struct {
		alter  func(t *testing.T, dir string)
		status string
		layer  string
		reason string
	}{
		"weight": {func(t *testing.T, dir string) { editModel(t, dir, weight) }, bundle.Differs, "encoder/dense1", "model.onnx is not the file"},
		"weight, hashes forged": {func(t *testing.T, dir string) {
			editModel(t, dir, weight)
			rehash(t, dir, func(name string) string { return sum(t, dir, name) })
		}, bundle.Differs, "encoder/dense1", "test_data_set_1"},
		"node removed": {func(t *testing.T, dir string) {
			editModel(t, dir, func(m *onnxpb.ModelProto) { m.Graph.Node = append(m.Graph.Node[:1], m.Graph.Node[2:]...) })
		}, bundle.Differs, "encoder/relu1", "model.onnx is not the file"},
		"node bypassed": {func(t *testing.T, dir string) {
			editModel(t, dir, func(m *onnxpb.ModelProto) { m.Graph.Node[1].OpType = "Identity" })
		}, bundle.Differs, "encoder/relu1", "model.onnx is not the file"},
		"test set edited": {func(t *testing.T, dir string) {
			p := tensor(t, filepath.Join(dir, "test_data_set_0/output_0.pb"))
			p.RawData[2] ^= 0x40
			b, _ := p.Marshal()
			put(t, dir, "test_data_set_0/output_0.pb", b)
		}, bundle.Differs, "", "test_data_set_0/output_0.pb is not the file"},
		"test set gone": {func(t *testing.T, dir string) { os.RemoveAll(filepath.Join(dir, "test_data_set_1")) }, bundle.Differs, "", "test_data_set_1"},
		"test set is nonsense": {func(t *testing.T, dir string) { put(t, dir, "test_data_set_0/input_0.pb", []byte("xyz")) },
			bundle.Differs, "", "test_data_set_0/input_0.pb"},
		"training.json edited": {func(t *testing.T, dir string) { put(t, dir, "training.json", []byte("{}")) }, bundle.Differs, "", "training.json"},
		"layers.npz is nonsense": {func(t *testing.T, dir string) {
			editModel(t, dir, weight)
			put(t, dir, "layers.npz", []byte("PK"))
		}, bundle.Differs, "", "model.onnx is not the file that was written (nor are 1 others)"},
		"random model": {func(t *testing.T, dir string) { put(t, dir, "model.onnx", []byte("no model at all, \x00\xff\x01")) }, bundle.Unreadable, "", "not an ONNX model"},
		"empty model":  {func(t *testing.T, dir string) { put(t, dir, "model.onnx", nil) }, bundle.Unreadable, "", "not an ONNX model"},
		"model gone":   {func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "model.onnx")) }, bundle.Unreadable, "", "model.onnx"},
		"corrupt JSON": {func(t *testing.T, dir string) { put(t, dir, "verification.json", []byte(`{"format":`)) }, bundle.Unreadable, "", "verification.json"},
		"corrupt data": {func(t *testing.T, dir string) { put(t, dir, "data.json", []byte(`{`)) }, bundle.Unreadable, "", "data.json"},
		"empty JSON":   {func(t *testing.T, dir string) { put(t, dir, "verification.json", []byte(`{}`)) }, bundle.Unreadable, "", "format 0"},
		"null JSON":    {func(t *testing.T, dir string) { put(t, dir, "verification.json", []byte(`null`)) }, bundle.Unreadable, "", "format 0"},
		"newer":        {func(t *testing.T, dir string) { put(t, dir, "verification.json", []byte(`{"format":9}`)) }, bundle.Unreadable, "", "format 9"},
		"no bundle":    {func(t *testing.T, dir string) { os.RemoveAll(dir) }, bundle.Unreadable, "", "no such file"},
		"folder as file": {func(t *testing.T, dir string) {
			os.Remove(filepath.Join(dir, "model.onnx"))
			os.Mkdir(filepath.Join(dir, "model.onnx"), 0o755)
		}, bundle.Unreadable, "", "not a regular file"},
		"escapes by link": {func(t *testing.T, dir string) {
			b, _ := os.ReadFile(filepath.Join(dir, "data.json"))
			put(t, filepath.Dir(dir), "outside.json", b)
			os.Remove(filepath.Join(dir, "data.json"))
			os.Symlink("../outside.json", filepath.Join(dir, "data.json"))
		}, bundle.Unreadable, "", "data.json"},
		"escapes by name": {func(t *testing.T, dir string) {
			b, _ := os.ReadFile(filepath.Join(dir, "verification.json"))
			put(t, dir, "verification.json", []byte(strings.Replace(string(b), `"files": {`, `"files": {"../x": "`+strings.Repeat("0", 64)+`",`, 1)))
		}, bundle.Unreadable, "", `"../x"`},
		"set escapes": {func(t *testing.T, dir string) {
			b, _ := os.ReadFile(filepath.Join(dir, "verification.json"))
			put(t, dir, "verification.json", []byte(strings.Replace(string(b), `"folder": "test_data_set_0"`, `"folder": "test_data_set_0/../.."`, 1)))
		}, bundle.Unreadable, "", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t)
			c.alter(t, dir)
			v, err := bundle.Verify(t.Context(), dir, rt)
			if v == nil || v.Status != c.status || v.Layer != c.layer || !strings.Contains(v.Reason, c.reason) {
				t.Fatalf("verdict %+v, error %v", v, err)
			}
			if (err != nil) != (c.status == bundle.Unreadable) || err != nil && !errors.Is(err, bundle.ErrUnreadable) {
				t.Errorf("error %v", err)
			}
			if c.layer != "" && !strings.HasPrefix(v.Position, "example.com/digits/main.go:1") {
				t.Errorf("position %q", v.Position)
			}
		})
	}
}

func sum(t *testing.T, dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
