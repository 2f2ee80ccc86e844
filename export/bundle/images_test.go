package bundle_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestBundleOfImages trains a classifier on files of pictures, from the files and from
// memory to the same bits, and ships it with the scaling inside: the input is uint8
// [N 3 8 8], and onnxruntime makes of raw pixels what Lamina does.
func TestBundleOfImages(t *testing.T) {
	rt := orttest.Runtime(t)
	dir := t.TempDir()
	for i := range 48 {
		p := image.NewNRGBA(image.Rect(0, 0, 8, 8))
		for k := range 64 {
			v := uint8(k*k + 31*i)
			p.SetNRGBA(k%8, k/8, color.NRGBA{v, v / 2, uint8(150 * (i % 2)), 255})
		}
		var b bytes.Buffer
		path := filepath.Join(dir, []string{"even", "odd"}[i%2], fmt.Sprintf("%02d.png", i))
		if err := errors.Join(png.Encode(&b, p), os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	pictures, err := dataset.Images(dir, dataset.ImageOptions{Bytes: true})
	if err != nil {
		t.Fatal(err)
	}
	mean, deviation, err := dataset.ChannelMoments(pictures, "x")
	if err != nil {
		t.Fatal(err)
	}
	memory, err := dataset.Collect(pictures)
	if err != nil {
		t.Fatal(err)
	}
	var first []float32
	for k, rows := range []dataset.Source{memory, pictures} {
		x := spec.Bytes("x", 3, 8, 8).Then(spec.Floats().Times(1.0/255), spec.Normalize(mean, deviation))
		logits := x.Then(spec.Conv(4, 3).Same(), spec.ReLU(), spec.Flatten(), spec.Dense(2))
		m := spec.NewModel("pictures", spec.CrossEntropy(logits, spec.Labels("y", 2)))
		fit, err := train.Fit(t.Context(), m, rows, train.Options{Optimizer: optim.Adam(1e-2), Epochs: 4, Batch: 16, Workers: 1 + 2*k})
		if err != nil {
			t.Fatal(err)
		}
		shipped := fit.Net(logits.Then(spec.Softmax(-1)).Named("p"))
		out, err := shipped.Over(t.Context(), rows)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = out.F32("p")
		} else if !slices.Equal(first, out.F32("p")) {
			t.Error("a training from files differs from one from memory")
		}
		to := filepath.Join(t.TempDir(), "b")
		if _, err := bundle.Write(t.Context(), to, shipped, rows, rt); err != nil {
			t.Fatal(err)
		}
		opened, err := bundle.Open(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, n := range opened.Graph().Nodes[:4] {
			names = append(names, n.Op.Name())
		}
		if in := opened.Inputs(); len(in) != 1 || in[0].Type.String() != "u8[N 3 8 8]" || !slices.Equal(names, []string{"Cast", "Mul", "Sub", "Div"}) {
			t.Errorf("the function takes %v, and begins with %v", in[0].Type, names)
		}
		if v, err := bundle.Verify(t.Context(), to, rt); err != nil || v.Status != bundle.Holds {
			t.Errorf("the bundle does not hold: %v, %+v", err, v)
		}
	}
}
