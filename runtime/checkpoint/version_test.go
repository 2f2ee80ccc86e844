package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFirstVersion reads a checkpoint of version 1 to the values it was written
// with, which every later version must.
func TestFirstVersion(t *testing.T) {
	path := filepath.Join("..", "..", "testdata", "checkpoints", "v1.lamina")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != 1 {
		t.Fatalf("the file has version %d", v)
	}
	f, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	want := Header{Model: "first", ModelHash: "2e3d6015a5cd74917edf4b1f461523e573e7f99fb123adfea9461b828a598677", Kernels: "avx2",
		Optimizer: "adam", Seed: 3, DataHash: "88d8a727b343f46172feceec2b35e6424228edcfbf35429e4a292d1767b09dfb",
		Cursor: Cursor{Epoch: 2, Step: 3, Update: 13}}
	got := f.Header
	got.Trainer = nil
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	var trainer struct {
		Settings struct {
			Batch    int   `json:"batch"`
			InitFrom []any `json:"init_from"`
		} `json:"settings"`
		History []any `json:"history"`
	}
	if err := json.Unmarshal(f.Trainer, &trainer); err != nil || trainer.Settings.Batch != 8 || len(trainer.History) != 2 || len(trainer.Settings.InitFrom) != 1 {
		t.Errorf("the trainer's record: %v, %s", err, f.Trainer)
	}
	sum := sha256.New()
	for _, x := range f.Tensors {
		sum.Write([]byte(x.Name))
		if err := binary.Write(sum, binary.LittleEndian, x.Data); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := hex.EncodeToString(sum.Sum(nil)), "128c9ce295b525cf369b7c571f094c50b84cc3c25153a21ed79ef4bd90b07e31"; got != want {
		t.Errorf("names and bits have the hash %s, want %s", got, want)
	}
	x := f.Tensor("encoder/dense2/b")
	if x == nil || !slices.Equal(x.Shape, []int{3}) || !slices.Equal(x.Data, []float32{-0.10975436, -0.10411421, 0.10069111}) {
		t.Errorf("encoder/dense2/b is %#v", x)
	}
}

// TestSecondVersion reads a checkpoint of version 2 and the history beside it, which
// every later version must.
func TestSecondVersion(t *testing.T) {
	base := filepath.Join("..", "..", "testdata", "checkpoints", "v2")
	b, err := os.ReadFile(base + ".lamina")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != 2 || f.Model != "first" || f.Cursor != (Cursor{Epoch: 2, Step: 3, Update: 13}) {
		t.Errorf("version %d, header %+v", v, f.Header)
	}
	for name, want := range map[string]string{"Adam's rate": "0.01", "encoder/dense1": "MatMul, Add", "the training rows": "40", "Patience": "3"} {
		if got := f.Facts.Value(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	history, err := ReadMarked(f.Grown, base+".history.jsonl")
	if err != nil || bytes.Count(history, []byte("\n")) != 2 {
		t.Errorf("the history is %q, %v", history, err)
	}
	var again bytes.Buffer
	if err := Encode(&again, f); err != nil {
		t.Fatal(err)
	}
	if Version == 2 && !bytes.Equal(again.Bytes(), b) {
		t.Error("version 2 writes the same checkpoint with other bytes")
	}
}
