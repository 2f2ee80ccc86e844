package lowrank_test

import (
	"log/slog"
	"strings"
	"testing"

	"example.com/extend/celu"
	"example.com/extend/lowrank"
	"example.com/extend/waves"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/pretrain"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
	"github.com/lamina-ml/lamina/spec/spectest"
)

func TestLayer(t *testing.T) {
	spectest.Layer(t, func() spec.Layer { return lowrank.New(2, 6) }, 5)
}

// TestStack trains a stack of such layers stage by stage, then as a whole with the
// decoder that the stages left, and last with a decoder of its own weights.
func TestStack(t *testing.T) {
	x := spec.Input("x", waves.Samples)
	encoder := spec.Sequential("encoder", lowrank.New(8, 16), celu.New(1), spec.Dense(8), celu.New(1), lowrank.New(3, 4))
	o := train.Options{Optimizer: optim.Adam(3e-3), Epochs: 3, Batch: 64, Log: slog.New(slog.DiscardHandler)}
	rows := waves.Source{Count: 512, Seed: 1}
	program := pretrain.NewProgram("waves",
		pretrain.Greedy(x, encoder, rows, o),
		pretrain.EndToEnd(x, encoder, rows, o),
		pretrain.EndToEnd(x, encoder, rows, o).Untied())
	text := strings.Join(strings.Fields(program.String()), " ")
	for _, want := range []string{
		"encoder-stage1 encoder/lowrank1, encoder-mirror/lowrank2 512 ",
		"encoder-stage2 encoder/dense1, encoder-mirror/tied1 512 codes",
		"encoder-stage3 encoder/lowrank2, encoder-mirror/lowrank1 512 codes",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the program is\n%s\nwant %q", program, want)
		}
	}
	result, err := program.Run(t.Context(), pretrain.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if first, last := result.History[0].Train.Loss, result.Last().Train.Loss; !(last < first) {
		t.Errorf("the loss of the last phase went from %v to %v", first, last)
	}
	net := result.Net(x.Then(encoder).Named("code"))
	if err := net.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestMistake(t *testing.T) {
	err := spec.Input("x", 5).Then(lowrank.New(0, 3)).Err()
	if err == nil || !strings.HasSuffix(err.Error(), `layer "lowrank1": lowrank: rank and units must be positive, got 0 and 3`) {
		t.Errorf("got %v", err)
	}
}
