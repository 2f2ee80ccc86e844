package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/spec"
)

// TestImagesResume interrupts a training on files of pictures amid an epoch, and goes on
// with a new listing of them, or with all of them in memory, to the bits of one that was
// not interrupted. Once a picture is another one, it does not go on.
func TestImagesResume(t *testing.T) {
	dir := t.TempDir()
	put := func(i, shift int) {
		p := image.NewGray(image.Rect(0, 0, 5, 5))
		for k := range p.Pix {
			p.Pix[k] = uint8(k*k*(1+i%2) + 13*i + shift)
		}
		var b bytes.Buffer
		path := filepath.Join(dir, fmt.Sprint("class", i%2), fmt.Sprintf("%02d.png", i))
		if err := errors.Join(png.Encode(&b, p), os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 90 {
		put(i, 0)
	}
	list := func() *dataset.Pictures {
		p, err := dataset.Images(dir, dataset.ImageOptions{Height: 4, Width: 4})
		if err != nil {
			t.Fatal(err)
		}
		return p.Balanced("y", 80, 3)
	}
	m := func() *spec.Model {
		logits := spec.Input("x", 1, 4, 4).Then(spec.Conv(3, 3).Same(), spec.ReLU(), spec.Flatten(), spec.Dense(2))
		return spec.NewModel("pictures", spec.CrossEntropy(logits, spec.Labels("y", 2)))
	}
	whole, err := Fit(context.Background(), m(), list(), options())
	if err != nil {
		t.Fatal(err)
	}
	interrupted := func() Options {
		o := options()
		o.Dir, o.Workers = t.TempDir(), 1
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		left := 4 // updates, one into the second epoch of three
		o.AfterUpdate = func(Update) {
			if left--; left == 0 {
				cancel()
			}
		}
		if _, err := Fit(ctx, m(), list(), o); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("%v", err)
		}
		o.AfterUpdate, o.Workers = nil, 3
		return o
	}
	memory, err := dataset.Collect(list())
	if err != nil {
		t.Fatal(err)
	}
	for name, rows := range map[string]dataset.Source{"files": list(), "memory": memory} {
		r, err := Fit(context.Background(), m(), rows, interrupted())
		if err != nil {
			t.Fatal(err)
		}
		if bits(r) != bits(whole) {
			t.Errorf("%s: the bits differ from those of a training that was not interrupted", name)
		}
	}
	o, rows := interrupted(), list()
	first := dataset.Chosen(rows)[0] // the rows of class 0 come first, and have even numbers
	put(2*first, 1)
	if _, err := Fit(context.Background(), m(), rows, o); err == nil || !strings.Contains(err.Error(), "it has changed since the folder was listed") {
		t.Errorf("a picture that changed after it was listed: %v", err)
	}
	if _, err := Fit(context.Background(), m(), list(), o); err == nil || !strings.Contains(err.Error(), "the training rows are other ones") {
		t.Errorf("another picture: %v", err)
	}
}
