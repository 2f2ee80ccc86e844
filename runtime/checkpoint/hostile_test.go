package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/internal/hostile"
)

// mend makes the checksum right again.
func mend(b []byte) []byte {
	if len(b) < sumLen {
		return b
	}
	sum := sha256.Sum256(b[:len(b)-sumLen])
	return append(b[:len(b)-sumLen:len(b)-sumLen], sum[:]...)
}

func parse(b []byte) error {
	_, err := Decode(b)
	return err
}

func seeds(t testing.TB) [][]byte {
	var small bytes.Buffer
	if err := Encode(&small, sample()); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join("..", "..", "testdata", "checkpoints", "v1.lamina"))
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{small.Bytes(), kept}
}

func TestCorpus(t *testing.T) {
	hostile.Corpus(t, hostile.Parser{Seeds: seeds(t), Parse: parse, Mend: mend})
}

func TestFindings(t *testing.T) { hostile.Findings(t, "testdata/hostile", parse) }

// A header is JSON, which takes more memory than its bytes.
func TestHeaderOfManyTensors(t *testing.T) {
	for name, item := range map[string]string{
		"tensors":  `{}`,
		"shapes":   `{"shape":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}`,
		"unknown":  `{"x":[[],[],[],[],[],[],[],[]]}`,
		"nullness": `null`,
	} {
		head := []byte(`{"tensors":[` + item)
		for len(head) < 4<<20 {
			head = append(append(head, ','), item...)
		}
		head = append(head, "]}"...)
		n := len(head)
		b := append([]byte(magic), 1, 0, 0, 0, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
		b = mend(append(append(b, head...), make([]byte, sumLen)...))
		if err := hostile.Watch(t, name, b, parse); err == nil {
			t.Errorf("%s: it is accepted", name)
		}
	}
}
