package pretrain

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// The contrast of an RBM goes either way however well it trains: what is shown is the
// reconstruction, which falls, and of chains, which have none, the contrast by its
// name.
func TestMachinesShowTheReconstruction(t *testing.T) {
	run := func(change func(*RBMPhase)) string {
		var out bytes.Buffer
		x, enc := spec.Input("x", 12), spec.Sequential("encoder", spec.Dense(6), spec.Sigmoid(), spec.Dense(3), spec.Sigmoid())
		o := options()
		o.Epochs, o.Valid = 2, rows(30)
		phase := RBM(x, enc, rows(60), o)
		change(phase)
		if _, err := NewProgram("p", phase).Run(context.Background(), Options{Progress: train.BarTo(&out)}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	line := regexp.MustCompile(`(?m)^encoder-rbm[12]: epoch [12]/2  (reconstruction1|contrast1|loss) 0\.\d+  valid 0\.\d+  `)
	s := run(func(*RBMPhase) {})
	if got := line.FindAllStringSubmatch(s, -1); len(got) != 4 || got[0][1] != "reconstruction1" || strings.Contains(s, "loss") {
		t.Errorf("it shows\n%s", s)
	}
	s = run(func(p *RBMPhase) { p.Persistent(5) })
	if strings.Count(s, "  contrast1 ") != 4 || strings.Contains(s, "loss") {
		t.Errorf("it shows\n%s", s)
	}
	s = run(func(p *RBMPhase) { p.opt.Show = "loss" })
	if strings.Count(s, "  loss ") != 4 {
		t.Errorf("it shows\n%s", s)
	}
}

// A column that only a metric reads is missed before the first phase trains.
func TestRowsWithoutAMetricsColumn(t *testing.T) {
	p := declare()
	events := 0
	o := options()
	o.Metrics = []train.Metric{{Name: "z", Value: spec.Input("z", 2)}}
	x := spec.Input("x", 12)
	program := NewProgram("p", Greedy(p.x, p.enc, rows(60), options()),
		Fit(spec.NewModel("m", spec.MSE(x.Then(spec.Dense(12)), x)), rows(60), o))
	_, err := program.Run(context.Background(), Options{Progress: func() train.Reporter { return count{&events} }})
	if err == nil || !strings.Contains(err.Error(), `phase 4 of 4, m: metric "z": input "z" is f32[N 2], so the rows need a column of that name`) || events > 0 {
		t.Errorf("after %d events: %v", events, err)
	}
}

// A folder whose record is an earlier version's, without the facts, is gone on from by
// the checkpoints of its phases, which say what has changed.
func TestRecordWithoutFacts(t *testing.T) {
	dir := t.TempDir()
	want := mustRun(t, declare(), Options{Dir: dir})
	strip := func() {
		path := filepath.Join(dir, recordName)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var rec map[string]any
		if err := json.Unmarshal(b, &rec); err != nil {
			t.Fatal(err)
		}
		for _, p := range rec["phases"].([]any) {
			delete(p.(map[string]any), "facts")
		}
		if b, err = json.Marshal(rec); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	strip()
	events := 0
	p := declare()
	r, err := p.program.Run(context.Background(), Options{Dir: dir, Progress: func() train.Reporter { return count{&events} }})
	if err != nil {
		t.Fatal(err)
	}
	if bits(t, p, r) != want || events > 0 {
		t.Errorf("other bits, or %d events of a training that was finished", events)
	}
	strip()
	_, err = declare(func(_ *plan, s *StackPhase) { s.opt.Seed = 6 }).program.Run(context.Background(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "the seed was 5, is 6") {
		t.Errorf("got %v", err)
	}
}
