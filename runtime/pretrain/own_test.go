package pretrain

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/spec"
)

// pair is a layer of one's own, made of two others: its weights are theirs.
type pair struct {
	spec.Base
	in, out spec.Layer
}

func newPair(hidden, units int) *pair {
	return &pair{spec.Here("pair"), spec.Dense(hidden), spec.Dense(units)}
}

func (l *pair) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	return b.Layer(l.out, b.Layer(l.in, x[0]))
}

func (l *pair) Image(_ ir.Type, tied bool) spec.Image {
	if !tied {
		return spec.NoImage("it is tied or not at all")
	}
	return spec.UndoneBy(&pair{spec.Here("pair"), spec.Tied(l.out), spec.Tied(l.in)})
}

// slope is an activation of one's own that has a weight.
type slope struct{ spec.Base }

func newSlope() *slope { return &slope{spec.Here("slope")} }

func (*slope) Build(b *spec.Builder, x ...*ir.Value) *ir.Value {
	return b.Op(ops.Tanh{}, b.Op(ops.Mul{}, x[0], b.Param("s", spec.Constant(1), 1)))
}
func (*slope) Image(ir.Type, bool) spec.Image { return spec.Repeated(newSlope()) }

// TestGreedyOfOnesOwn trains stages of layers that are not of package spec, with
// others between that have no weights but must be undone. Each stage trains its own
// layers, and leaves those below as they are.
func TestGreedyOfOnesOwn(t *testing.T) {
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", newPair(9, 8), newSlope(), spec.Reshape(2, 4), spec.Flatten(), newPair(7, 6), spec.Sigmoid(), spec.Dense(3))
	o := options()
	o.Epochs = 2
	data, dir := rows(70), t.TempDir()
	program := NewProgram("own", Greedy(x, enc, data, o).Corrupt(spec.MaskingNoise(0.1)))
	if err := program.Err(); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(program.String()), " ")
	for _, want := range []string{
		"encoder-stage1 encoder/pair1, encoder-mirror/pair2, encoder/slope1 70 ",
		"encoder-stage2 encoder/pair2, encoder-mirror/pair1, encoder-mirror/slope1 70 codes 2 adam 0.003 MaskingNoise(0.1) encoder/pair1, encoder/slope1",
		"encoder-stage3 encoder/dense1, encoder-mirror/tied1 70 codes 2 adam 0.003 MaskingNoise(0.1) encoder/pair1, encoder/slope1, encoder/pair2",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("got\n%s\nwant %s", program, want)
		}
	}
	res, err := program.Run(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	net := res.Net(x.Then(enc).Then(spec.MirrorOf(enc, true)).Named("y"))
	if err := net.Err(); err != nil {
		t.Fatal(err)
	}
	for phase, want := range map[string]string{
		"01-encoder-stage1": "encoder-mirror/pair2/tied1/b encoder-mirror/pair2/tied2/b encoder/pair1/dense1/b encoder/pair1/dense1/w encoder/pair1/dense2/b encoder/pair1/dense2/w encoder/slope1/s",
		"02-encoder-stage2": "encoder-mirror/pair1/tied1/b encoder-mirror/pair1/tied2/b encoder-mirror/slope1/s encoder/pair2/dense1/b encoder/pair2/dense1/w encoder/pair2/dense2/b encoder/pair2/dense2/w",
		"03-encoder-stage3": "encoder-mirror/tied1/b encoder/dense1/b encoder/dense1/w",
	} {
		var names []string
		for _, f := range left(t, dir, phase).Tensors {
			names = append(names, f.Name)
			if !slices.Equal(f.Data, net.Params()[f.Name]) {
				t.Errorf("%s of %s was changed by a later stage", f.Name, phase)
			}
		}
		if slices.Sort(names); strings.Join(names, " ") != want {
			t.Errorf("%s left %q, want %s", phase, names, want)
		}
	}
}

// TestGreedyCrossEntropyAcrossShapes holds that the logits are what the activations of
// the stage before would be given, though the stage begins with a Reshape.
func TestGreedyCrossEntropyAcrossShapes(t *testing.T) {
	x := spec.Input("x", 12)
	enc := spec.Sequential("encoder", spec.Dense(8), spec.Sigmoid(), spec.Reshape(2, 4), spec.Dense(3))
	program := NewProgram("cross", Greedy(x, enc, rows(40), options()).CrossEntropy())
	if _, err := program.Run(context.Background(), Options{}); err != nil {
		t.Fatal(err)
	}
}
