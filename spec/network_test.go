package spec_test

import (
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/spec"
)

// TestPublishedParameters holds the architectures to the numbers of parameters that are
// published, and to shapes.
func TestPublishedParameters(t *testing.T) {
	for name, c := range map[string]struct {
		network *spec.NetworkLayer
		in      []int
		want    int
		out     string
	}{
		"LeNet-5":                 {spec.LeNet("n").Head(10), []int{1, 28, 28}, 61706, "f32[N 10]"},
		"LeNet-5 without a head":  {spec.LeNet("n"), []int{1, 28, 28}, 61706 - 850, "f32[N 84]"},
		"ResNet-20 A":             {spec.ResNet20("n", spec.PaddedShortcuts).Head(10), []int{3, 32, 32}, 269722, "f32[N 10]"},
		"ResNet-20 B":             {spec.ResNet20("n", spec.ProjectedShortcuts).Head(10), []int{3, 32, 32}, 272474, "f32[N 10]"},
		"ResNet-20 two heads":     {spec.ResNet20("n", spec.ProjectedShortcuts).Head(3).Head(10), []int{3, 32, 32}, 272474, "f32[N 10]"},
		"ResNet-20 without one":   {spec.ResNet20("n", spec.ProjectedShortcuts), []int{3, 32, 32}, 272474 - 650, "f32[N 64]"},
		"ResNet-32 A":             {spec.ResNet32("n", spec.PaddedShortcuts).Head(10), []int{3, 32, 32}, 464154, "f32[N 10]"},
		"ResNet-32 B":             {spec.ResNet32("n", spec.ProjectedShortcuts).Head(10), []int{3, 32, 32}, 466906, "f32[N 10]"},
		"ResNet-18":               {spec.ResNet18("n", spec.ProjectedShortcuts).Head(1000), []int{3, 224, 224}, 11689512, "f32[N 1000]"},
		"ResNet-20 of odd images": {spec.ResNet20("n", spec.PaddedShortcuts).Head(10), []int{3, 29, 27}, 269722, "f32[N 10]"},
	} {
		g, params, err := spec.GraphOf("g", spec.Input("x", c.in...).Then(c.network))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		n := 0
		for _, p := range params {
			n += p.Type.Shape.Count()
		}
		if got := g.Outputs[0].Type.String(); n != c.want || got != c.out {
			t.Errorf("%s: %d parameters, want %d; it gives %s, want %s", name, n, c.want, got, c.out)
		}
	}
}

// TestResNetStages holds the type of each stage, the names, and what shares weights.
func TestResNetStages(t *testing.T) {
	x := spec.Input("image", 3, 32, 32)
	encoder := spec.ResNet20("encoder", spec.ProjectedShortcuts)
	code := x.Then(encoder)
	logits := x.Then(encoder, spec.Dense(10).Named("head"))
	_, params, err := spec.GraphOf("g", code.Named("code"), logits.Named("logits"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	n := 0
	for _, p := range params {
		names[p.Name] = p.Type.String()
		n += p.Type.Shape.Count()
	}
	if n != 272474 {
		t.Errorf("two uses of an encoder have %d parameters", n)
	}
	for name, want := range map[string]string{
		"encoder/stem/conv1/w":                                     "f32[16 3 3 3]",
		"encoder/stage1/block3/residual/conv2/w":                   "f32[16 16 3 3]",
		"encoder/stage2/block1/residual/conv1/w":                   "f32[32 16 3 3]",
		"encoder/stage2/block1/residual/shortcut/conv1/w":          "f32[32 16 1 1]",
		"encoder/stage3/block1/residual/shortcut/batchnorm1/scale": "f32[64]",
		"head/w": "f32[64 10]",
	} {
		if names[name] != want {
			t.Errorf("%s is %q, want %s", name, names[name], want)
		}
	}
	for _, x := range []spec.Shortcut{spec.PaddedShortcuts, spec.ProjectedShortcuts, 7} {
		if s := x.String(); !strings.Contains(s, "Shortcut") {
			t.Errorf("a kind is written as %s", s)
		}
	}
}

func TestConvAutoencoder(t *testing.T) {
	x := spec.Input("image", 1, 28, 27)
	m := spec.ConvAutoencoder("convae", x, 16, 32, 20)
	if err := m.Err(); err != nil {
		t.Fatal(err)
	}
	if code, y := m.Tap("code").Type().String(), m.Tap("reconstruction").Type().String(); code != "f32[N 20]" || y != "f32[N 1 28 27]" {
		t.Errorf("code %s, reconstruction %s", code, y)
	}
	n := 0
	for _, p := range m.Params() {
		n += p.Type.Shape.Count()
	}
	const flat = 32 * 7 * 7
	const w = 16*9 + 32*16*9 + 20*flat // of either half
	if want := 2*w + (16 + 32 + 20) + (flat + 16 + 1); n != want {
		t.Errorf("%d parameters, want %d", n, want)
	}
}

func TestNetworkMistakes(t *testing.T) {
	x := spec.Input("x", 3, 32, 32)
	for want, err := range map[string]error{
		`layer "n": ResNet20: the shortcut must be PaddedShortcuts or ProjectedShortcuts, got 0`:                  x.Then(spec.ResNet20("n", 0)).Err(),
		`layer "n/head": Dense: units must be positive, got 0`:                                                    x.Then(spec.LeNet("n").Head(0)).Err(),
		`layer "encoder": ConvEncoder: at least two widths are needed, of a convolution and of the code, got [8]`: spec.ConvAutoencoder("m", x, 8).Err(),
		`layer "encoder/conv2": Conv: the number of filters must be positive, got -1`:                             spec.ConvAutoencoder("m", x, 8, -1, 4).Err(),
		`ConvAutoencoder: the value is nil`:                                                                       spec.ConvAutoencoder("m", nil, 8, 4).Err(),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "network_test.go:") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
