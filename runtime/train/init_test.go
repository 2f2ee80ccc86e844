package train

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-ml/lamina/runtime/checkpoint"
	"github.com/lamina-ml/lamina/runtime/optim"
)

// source is Tensors by hand.
type source struct {
	names  []string
	shapes map[string][]int
	data   map[string][]float32
}

func (s *source) Names() []string { return s.names }
func (s *source) Tensor(name string) ([]int, []float32, bool) {
	x, ok := s.data[name]
	return s.shapes[name], x, ok
}

func (s *source) add(name string, data []float32, shape ...int) *source {
	if s.data == nil {
		s.shapes, s.data = map[string][]int{}, map[string][]float32{}
	}
	s.names = append(s.names, name)
	s.shapes[name], s.data[name] = shape, data
	return s
}

func ramp(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i+1) / 64
	}
	return x
}

func mustNew(t *testing.T, o Options) *Trainer {
	t.Helper()
	tr, err := New(context.Background(), model(), rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

func TestInitFromReports(t *testing.T) {
	src := (&source{}).add("other/w", ramp(2), 2).add("encoder/dense1/w", ramp(96), 12, 8).
		add("encoder/dense2/w", ramp(24), 3, 8).add("encoder/dense9/w", ramp(3), 3).add("encoder/dense9/w", ramp(3), 3)
	plain := mustNew(t, options())
	o := options()
	o.InitFrom = []From{{Tensors: src, Pattern: "encoder", Partly: true}}
	tr := mustNew(t, o)
	got := tr.InitReports()
	if len(got) != 1 || len(got[0].Hash) != 64 {
		t.Fatalf("%+v", got)
	}
	got[0].Hash = ""
	want := InitReport{Pattern: "encoder", Loaded: []string{"encoder/dense1/w"},
		Skipped: []Skipped{{"encoder/dense2/w", "its shape is [3 8], the parameter's [8 3]"},
			{"encoder/dense9/w", "the model has no parameter of this name"}},
		Missing: []string{"encoder/dense1/b", "encoder/dense2/b"}}
	if d := cmp.Diff(want, got[0]); d != "" {
		t.Fatal(d)
	}
	if s := got[0].String(); !strings.Contains(s, "1 loaded: encoder/dense1/w\n2 skipped") || !strings.HasSuffix(s, "2 missing: encoder/dense1/b, encoder/dense2/b") {
		t.Errorf("String is\n%s", s)
	}
	for _, p := range tr.prog.Params {
		want := plain.store.Param(p.Name)
		if p.Name == "encoder/dense1/w" {
			want = ramp(96)
		}
		if !slices.Equal(tr.store.Param(p.Name), want) {
			t.Errorf("%s does not start as it must", p.Name)
		}
	}
}

// The second of two entries wins where both name a parameter, and the training
// starts from what was loaded, not from its initializers.
func TestInitFromTrains(t *testing.T) {
	a, b := (&source{}).add("encoder/dense1/w", ramp(96), 12, 8), (&source{}).add("encoder/dense1/w", make([]float32, 96), 12, 8)
	run := func(from ...From) string {
		o := options()
		o.InitFrom = from
		return bits(mustFit(t, o))
	}
	ab, both := run(From{Tensors: a, Pattern: "*", Partly: true}), run(From{Tensors: b, Pattern: "*/w"}, From{Tensors: a, Pattern: "encoder/dense1/w"})
	if ab != both {
		t.Error("the later entry does not win")
	}
	if ab == run() || ab == run(From{Tensors: b, Pattern: "*", Partly: true}) {
		t.Error("other tensors gave the same training")
	}
}

func TestInitFromMistakes(t *testing.T) {
	good := func() *source { return (&source{}).add("encoder/dense1/w", ramp(96), 12, 8).add("extra/w", ramp(1), 1) }
	bad := ramp(96)
	bad[7] = float32(math.NaN())
	for name, c := range map[string]struct {
		from From
		want string
	}{
		"no source":         {From{Tensors: nil, Pattern: "*"}, "has no tensors"},
		"empty pattern":     {From{Tensors: good(), Pattern: ""}, "the pattern is empty"},
		"bad pattern":       {From{Tensors: good(), Pattern: "a["}, "a [ has no ]"},
		"matches nothing":   {From{Tensors: good(), Pattern: "encodre"}, "matches no parameter of the model and no tensor of the source"},
		"not in the model":  {From{Tensors: good(), Pattern: "extra"}, `matches no parameter of the model; the source has "extra/w"`},
		"not in the source": {From{Tensors: good(), Pattern: "head"}, "matches no tensor of the source, which has encoder/dense1/w, extra/w; the model has head/w, head/b: Renamed gives"},
		"shapes":            {From{Tensors: (&source{}).add("encoder/dense1/w", ramp(96), 8, 12), Pattern: "*"}, "its shape is [8 12], the parameter's [12 8]"},
		"negative":          {From{Tensors: (&source{}).add("encoder/dense1/w", ramp(96), -12, -8), Pattern: "*"}, "its shape is [-12 -8]"},
		"short":             {From{Tensors: (&source{}).add("encoder/dense1/w", ramp(95), 12, 8), Pattern: "*"}, "of shape [12 8] holds 95 elements"},
		"not finite":        {From{Tensors: (&source{}).add("encoder/dense1/w", bad, 12, 8), Pattern: "*"}, "element 7 is NaN"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			o.InitFrom = []From{{Tensors: good(), Pattern: "*"}, c.from}
			tr, err := New(context.Background(), model(), rows(150), o)
			if err == nil {
				tr.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "InitFrom[1]") {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A resumed training goes on from its own checkpoint, whatever it started from,
// to the bits of one never stopped; another start is refused.
func TestInitFromAndResume(t *testing.T) {
	src := (&source{}).add("encoder/dense1/w", ramp(96), 12, 8)
	o := options()
	o.CheckpointEvery = 1
	o.InitFrom = []From{{Tensors: src, Pattern: "encoder", Partly: true}}
	want := bits(mustFit(t, o))

	o.Dir = t.TempDir()
	if _, err := Fit(&stopAfter{context.Background(), 7}, model(), rows(150), o); err == nil {
		t.Fatal("it was not interrupted")
	}
	for name, from := range map[string][]From{
		"other bits":    {{Tensors: (&source{}).add("encoder/dense1/w", make([]float32, 96), 12, 8), Pattern: "encoder", Partly: true}},
		"other pattern": {{Tensors: src, Pattern: "*", Partly: true}},
		"one more":      {{Tensors: src, Pattern: "encoder", Partly: true}, {Tensors: src, Pattern: "encoder", Partly: true}},
	} {
		c := o
		c.InitFrom = from
		if tr, err := New(context.Background(), model(), rows(150), c); err == nil || !strings.Contains(err.Error(), "InitFrom[") {
			if err == nil {
				tr.Close()
			}
			t.Errorf("%s: got %v", name, err)
		}
	}
	c := o
	c.InitFrom = nil
	tr := mustNew(t, c)
	if _, ok := tr.Resumed(); !ok || len(tr.InitReports()) != 1 || tr.InitReports()[0].Loaded[0] != "encoder/dense1/w" {
		t.Errorf("resumed %v, reports %+v", ok, tr.InitReports())
	}
	tr.Close()
	c.Epochs = 5 // a checkpoint written without the tensors still says what it started from
	c.Optimizer = optim.Adam(3e-3)
	c.Dir = t.TempDir()
	c.InitFrom = o.InitFrom
	mustFit(t, c)
	c.Epochs, c.InitFrom = 6, nil
	mustFit(t, c)
	c.Epochs, c.InitFrom = 7, o.InitFrom
	if got := mustFit(t, c); len(got.InitReports()) != 1 {
		t.Errorf("reports %+v", got.InitReports())
	}
	r := mustFit(t, o)
	if got := bits(r); got != want {
		t.Error("the resumed training gave other bits")
	}
	if len(r.InitReports()) != 1 {
		t.Errorf("reports %+v", r.InitReports())
	}

	plain := options()
	plain.Dir = t.TempDir()
	mustFit(t, plain)
	plain.InitFrom = o.InitFrom
	if _, err := New(context.Background(), model(), rows(150), plain); err == nil || !strings.Contains(err.Error(), `InitFrom[0] was not set, is "encoder"`) {
		t.Errorf("got %v", err)
	}
}

// A resumed training that goes on for longer ships the options it ended with.
func TestResumeKeepsTheNewLength(t *testing.T) {
	o := options()
	o.Optimizer = optim.Adam(3e-3)
	o.Dir, o.Valid = t.TempDir(), rows(40)
	mustFit(t, o)
	o.Epochs = 6
	r := mustFit(t, o)
	if len(r.History) != 6 || r.opt.Epochs != 6 {
		t.Errorf("%d epochs, options %+v", len(r.History), r.opt)
	}
}

func TestInitFromCheckpointAndNet(t *testing.T) {
	o := options()
	o.Dir, o.Valid = t.TempDir(), rows(40)
	m := model()
	first, err := Fit(context.Background(), m, rows(150), o)
	if err != nil {
		t.Fatal(err)
	}
	f, err := checkpoint.Read(filepath.Join(o.Dir, checkpointName))
	if err != nil {
		t.Fatal(err)
	}
	net, err := NetTensors(first.Net(m.Tap("code")))
	if err != nil {
		t.Fatal(err)
	}
	o = options()
	o.InitFrom = []From{{Tensors: net, Pattern: "encoder"}}
	o.Dir = t.TempDir()
	for range 2 { // again: from its checkpoint
		next, err := Fit(context.Background(), model(), rows(150), o)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := next.Phases(); err != nil || len(p) != 1 || len(p[0].Start) != 1 || p[0].Start[0].Pattern != "encoder" || len(p[0].Start[0].Loaded) != 4 ||
			len(p[0].Start[0].Hash) != 64 || len(p[0].Start[0].Phases) != 1 || p[0].Start[0].Phases[0].Metrics["valid/loss"] == 0 {
			t.Errorf("the record does not say what the training started from: %+v, %v", p, err)
		}
	}
	for name, c := range map[string]struct {
		from From
		want []string
	}{
		"checkpoint": {From{Tensors: CheckpointTensors(f), Pattern: "*"}, nil},
		"net":        {From{Tensors: net, Pattern: "encoder"}, []string{"encoder/dense1/w", "encoder/dense1/b", "encoder/dense2/w", "encoder/dense2/b"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			o.Seed, o.InitFrom = 99, []From{c.from}
			tr := mustNew(t, o)
			r := tr.InitReports()[0]
			want := c.want
			if want == nil {
				for _, p := range tr.prog.Params {
					want = append(want, p.Name)
				}
			}
			if !slices.Equal(r.Loaded, want) || len(r.Skipped)+len(r.Missing) > 0 {
				t.Fatalf("%v", r)
			}
			for _, name := range want {
				if !slices.Equal(tr.store.Param(name), first.Param(name)) {
					t.Errorf("%s is not what was trained", name)
				}
			}
		})
	}
	if _, err := NetTensors(first.Net()); err == nil {
		t.Error("the mistake of a Net is lost")
	}
	if n := len(CheckpointTensors(nil).Names()); n != 0 {
		t.Errorf("%d tensors of nothing", n)
	}
}

// Names that look like a checkpoint's own are those of parameters if nothing says
// otherwise.
func TestCheckpointTensorsOddNames(t *testing.T) {
	one := []float32{1}
	f := &checkpoint.File{}
	for _, name := range []string{"slot/w", "slot/m/slot/w", "best/w", "best/best/w", "best/slot/w", "slot/m/best/w"} {
		f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: name, Shape: []int{1}, Data: one})
		one = []float32{one[0] + 1}
	}
	src := CheckpointTensors(f)
	if got := src.Names(); !slices.Equal(got, []string{"slot/w", "best/w"}) {
		t.Fatalf("got %v", got)
	}
	if _, x, _ := src.Tensor("slot/w"); x[0] != 5 {
		t.Errorf("slot/w is %v, the best is 5", x)
	}
	if _, x, _ := src.Tensor("best/w"); x[0] != 4 {
		t.Errorf("best/w is %v, the best is 4", x)
	}
}
