package train

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/checkpoint"
)

// TestFreeze trains with some layers frozen, alone, clipped and accumulated:
// theirs are the initial weights, the others move, and no state of the optimizer
// is kept for them.
func TestFreeze(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"plain":      func(*Options) {},
		"clipped":    func(o *Options) { o.ClipNorm = 0.5 },
		"accumulate": func(o *Options) { o.Accumulate = 2 },
	} {
		o := options()
		o.Freeze = []string{"encoder", "decoder/tied2/b"}
		o.Dir = t.TempDir()
		change(&o)
		r := mustFit(t, o)
		f, err := checkpoint.Read(filepath.Join(o.Dir, checkpointName))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.prog.Params {
			frozen := strings.HasPrefix(p.Name, "encoder/") || p.Name == "decoder/tied2/b"
			if same := slices.Equal(r.Param(p.Name), p.Initial(random.New(o.Seed))); same != frozen {
				t.Errorf("%s: %s is as it was at the start: %v, frozen: %v", name, p.Name, same, frozen)
			}
			for _, slot := range o.Optimizer.Slots() {
				if kept := f.Tensor(slotPrefix+slot+"/"+p.Name) != nil; kept == frozen {
					t.Errorf("%s: the checkpoint keeps %s of %s: %v, frozen: %v", name, slot, p.Name, kept, frozen)
				}
			}
		}
	}
}

// TestFreezeAndResume goes on after an interruption with the same bits, and not
// with other layers frozen.
func TestFreezeAndResume(t *testing.T) {
	o := options()
	o.Freeze = []string{"encoder/dense1"}
	want := bits(mustFit(t, o))
	o.Dir, o.CheckpointEvery = t.TempDir(), 1
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tr, err := New(ctx, model(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	for e := range tr.Epochs(ctx) {
		if e.Number == 2 {
			cancel()
		}
	}
	if _, err := tr.Done(); err == nil {
		t.Fatal("it was not interrupted")
	}
	if got := bits(mustFit(t, o)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	o.Freeze = nil
	_, err = Fit(context.Background(), model(), rows(150), o)
	wantError(t, err, "Freeze was encoder/dense1, is not set", "use another Dir")
}

func TestFreezeMistakes(t *testing.T) {
	for _, c := range []struct {
		freeze []string
		want   string
	}{
		{[]string{"encoder", "enc"}, `Options.Freeze: "enc" matches no parameter; they are named by layer as in Model.Summary, such as "encoder/dense1/w"`},
		{[]string{"[x"}, "a [ has no ]"},
		{[]string{"*"}, "match all 8 parameters, so nothing is left to train"},
	} {
		o := options()
		o.Freeze = c.freeze
		_, err := Fit(context.Background(), model(), rows(150), o)
		if err == nil || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("Freeze %q: got %v, want %q", c.freeze, err, c.want)
		}
	}
}
