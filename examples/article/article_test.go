package main

import (
	"bytes"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/export/bundle"
	"github.com/lamina-ml/lamina/export/verify/ort"
	"github.com/lamina-ml/lamina/internal/lab/orttest"
	"github.com/lamina-ml/lamina/runtime/dataset"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// TestArticle runs the program for one epoch on a slice of the rows and replays what it ships.
func TestArticle(t *testing.T) {
	orttest.Runtime(t)
	digits, dir := dataset.Digits(), t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, digits.Train.Head(600), digits.Test.Head(100), 1, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"82,414 parameters in 6 tensors", "encoder/dense1/w", "epoch  1  train 0.", "  test 0.",
		"encoder-stage2: train 0.", "the stack of both, test 0.", "300 labels, from scratch: ", "on the reused encoder: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
	for name, want := range map[string]string{"encoder": "f32[N 30]", "autoencoder": "f32[N 28 28]"} {
		verdict, err := bundle.Verify(t.Context(), filepath.Join(dir, name), ort.Runtime())
		if err != nil {
			t.Fatal(err)
		}
		if verdict.Status != bundle.Holds {
			t.Errorf("%s does not hold: %+v", name, verdict)
		}
		net, err := bundle.Open(t.Context(), filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if in, got := net.Inputs()[0].Type.String(), net.Graph().Outputs[0].Type.String(); in != "f32[N 28 28]" || got != want {
			t.Errorf("%s takes %s and gives %s, want %s", name, in, got, want)
		}
	}
	for _, name := range []string{"loss.png", "reconstructions.png"} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		img, err := png.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		if b := img.Bounds(); name == "reconstructions.png" && b.Dx() != 3*(10*29+1) {
			t.Errorf("the picture of ten digits is %d wide", b.Dx())
		}
	}
}

// A mirror of the encoder is the decoder that is written layer by layer.
func TestMirrorIsTheDecoder(t *testing.T) {
	rows := dataset.Digits().Train.Reshape("x", 28, 28).Head(512)
	enc, _, _ := encoder()
	mirrored := spec.Autoencoder("stacked", spec.Input("x", 28, 28), enc, spec.Mirror("decoder", enc).Tied())
	var last [2]float64
	for i, m := range []*spec.Model{stack(), mirrored} {
		fit, err := train.Fit(t.Context(), m, rows, train.Options{Optimizer: optim.Adam(1e-3), Epochs: 2})
		if err != nil {
			t.Fatal(err)
		}
		last[i] = fit.Last().Train.Loss
	}
	if last[0] != last[1] {
		t.Errorf("the losses are %v", last)
	}
}

func readme(t *testing.T, language string) []string {
	t.Helper()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		list = append(list, m[1])
	}
	if len(list) == 0 {
		t.Fatalf("README.md has no block of %s", language)
	}
	return list
}

// flush takes the indentation of the first line off all.
func flush(text string) string {
	indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
	return strings.ReplaceAll("\n"+text, "\n"+indent, "\n")[1:]
}

// README.md's blocks are those of main.go and article.py, but for their indentation.
func TestReadmeBlocks(t *testing.T) {
	for language, file := range map[string]string{"go": "main.go", "python": "article.py"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(source), "\n")
		for _, block := range readme(t, language) {
			n, found := strings.Count(block, "\n"), false
			for i := 0; i+n <= len(lines) && !found; i++ {
				found = flush(strings.Join(lines[i:i+n], "")) == block
			}
			if !found {
				t.Errorf("%s does not have README.md's\n%s", file, block)
			}
		}
	}
}

// README.md's commands, for one epoch; those of Python where LAMINA_KERAS names one that has Keras.
func TestReadmeCommands(t *testing.T) {
	orttest.Runtime(t)
	dir, python := t.TempDir(), os.Getenv("LAMINA_KERAS")
	for line := range strings.Lines(readme(t, "sh")[0]) {
		command, _, _ := strings.Cut(strings.TrimSpace(line), " #")
		short := strings.TrimSpace(command)
		switch {
		case strings.HasPrefix(short, "make "):
			short = "make --dry-run " + short[len("make "):]
		case strings.HasPrefix(short, "LAMINA_KERAS="): // its test is this package's
			short = strings.Replace(short, "go test ", "go test -list . ", 1)
		case strings.HasPrefix(short, ".cache/peers/keras/bin/python"):
			if python == "" {
				t.Logf("LAMINA_KERAS is not set: %s is not run", short)
				continue
			}
			short = python + strings.TrimPrefix(short, ".cache/peers/keras/bin/python") + " --epochs 1 --out " + dir
		case strings.HasPrefix(short, "go run ./examples/article"):
			short += " -data '' -epochs 1 -out " + dir
		default:
			t.Errorf("the test does not know %q", command)
			continue
		}
		c := exec.CommandContext(t.Context(), "sh", "-ec", short)
		c.Dir = filepath.Join("..", "..")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", short, err, out)
		}
	}
}
