package checkpoint

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sample() *File {
	return &File{
		Header: Header{Model: "m", ModelHash: "abc", Kernels: "avx2", Optimizer: "adam", Seed: 1 << 63,
			Cursor: Cursor{Epoch: 2, Step: 3, Update: 70}, Trainer: []byte(`{"best":0.5}`)},
		Tensors: []Tensor{
			{Name: "enc/w", Shape: []int{2, 3}, Data: []float32{1, -2, float32(math.Inf(1)), 1e-45, 0, float32(math.Copysign(0, -1))}},
			{Name: "enc/b", Shape: []int{0}, Data: []float32{}},
			{Name: "s", Shape: []int{}, Data: []float32{7}},
		},
	}
}

func write(t *testing.T) (string, []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.ckpt")
	if err := Write(path, sample()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, b
}

func TestRoundTrip(t *testing.T) {
	path, first := write(t)
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(sample(), got, cmpopts.EquateNaNs()); d != "" {
		t.Fatal(d)
	}
	if math.Signbit(float64(got.Tensor("enc/w").Data[5])) != true {
		t.Fatal("bits changed")
	}
	if err := Write(path, got); err != nil {
		t.Fatal(err)
	}
	if again, _ := os.ReadFile(path); !bytes.Equal(first, again) {
		t.Fatal("the same checkpoint gave other bytes")
	}
}

// Every cut and every flipped bit must be noticed.
func TestDamageIsNoticed(t *testing.T) {
	_, whole := write(t)
	for n := range whole {
		if _, err := Decode(whole[:n]); !errors.Is(err, ErrNotCheckpoint) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 1 << (i % 8)
		if _, err := Decode(bad); err == nil {
			t.Fatalf("bit flipped in byte %d went unnoticed", i)
		}
	}
	if _, err := Decode(append(bytes.Clone(whole), 0)); err == nil {
		t.Fatal("a byte behind the end went unnoticed")
	}
}

func TestErrors(t *testing.T) {
	if _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	if _, err := Read(t.TempDir()); !errors.Is(err, ErrNotCheckpoint) {
		t.Fatalf("a folder: got %v", err)
	}
	f := sample()
	f.Tensors[0].Shape = []int{7}
	if err := Write(filepath.Join(t.TempDir(), "x"), f); err == nil || !strings.Contains(err.Error(), "enc/w") {
		t.Fatalf("got %v", err)
	}
	_, whole := write(t)
	whole[8] = Version + 1
	if _, err := Decode(whole); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Fatalf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "c")
	if err := Write(path, sample()); err != nil {
		f.Fatal(err)
	}
	b, _ := os.ReadFile(path)
	f.Add(b)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := Decode(b); err != nil {
			return
		}
	})
}
