package bundle

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/lamina-ml/lamina/internal/lab/hostile"
)

// golden reads a file of the bundle of format version 1.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "bundles", "demo-v1", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parseVerification(b []byte) error {
	v := &verification{}
	if err := decode(b, v); err != nil {
		return err
	}
	return v.validate()
}

func parseTolerances(b []byte) error { return decode(b, &tolerances{}) }

func TestJSONCorpus(t *testing.T) {
	t.Run(verificationFile, func(t *testing.T) {
		hostile.Corpus(t, hostile.Parser{Seeds: [][]byte{golden(t, verificationFile)}, Parse: parseVerification})
	})
	t.Run(dataFile, func(t *testing.T) {
		hostile.Corpus(t, hostile.Parser{Seeds: [][]byte{golden(t, dataFile)}, Parse: parseTolerances})
	})
}

func FuzzVerification(f *testing.F) {
	f.Add(golden(f, verificationFile))
	f.Add([]byte(`{"format":1,"files":{"../x":""},"stored_sets":[{"folder":".."}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v := &verification{}
		if decode(b, v) != nil || v.validate() != nil {
			return
		}
		for name := range v.Files {
			if !filepath.IsLocal(filepath.FromSlash(name)) {
				t.Errorf("%q leads out of the folder", name)
			}
		}
		text, err := encode(v)
		if err != nil {
			t.Fatal(err)
		}
		again := &verification{}
		if err := decode(text, again); err != nil {
			t.Fatalf("what was written does not read back: %v", err)
		}
		if err := again.validate(); err != nil {
			t.Fatalf("what was accepted is refused: %v", err)
		}
		if more, err := encode(again); err != nil || !bytes.Equal(text, more) {
			t.Fatalf("not stable: %v\n%s\n%s", err, text, more)
		}
	})
}
