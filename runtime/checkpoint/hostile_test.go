package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/hostile"
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
	all := [][]byte{small.Bytes()}
	for _, version := range []string{"v1", "v2"} {
		kept, err := os.ReadFile(filepath.Join("..", "..", "testdata", "checkpoints", version+".lamina"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, kept)
	}
	return all
}

func TestCorpus(t *testing.T) {
	hostile.Corpus(t, hostile.Parser{Seeds: seeds(t), Parse: parse, Mend: mend})
}

func TestFindings(t *testing.T) { hostile.Findings(t, "testdata/hostile", parse) }

// A header is JSON, which takes more memory than its bytes.
func TestHeaderOfManyTensors(t *testing.T) {
	for name, c := range map[string][2]string{
		"tensors":  {"tensors", `{}`},
		"shapes":   {"tensors", `{"shape":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}`},
		"unknown":  {"tensors", `{"x":[[],[],[],[],[],[],[],[]]}`},
		"nullness": {"tensors", `null`},
		"facts":    {"facts", `{}`},
	} {
		item := c[1]
		head := []byte(`{"` + c[0] + `":[` + item)
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
