package yardstick

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/lamina-ml/lamina/runtime/train"
)

// tiny are the recipes of the claims in small: one for each kind, and what their values lie between.
func tiny() map[string]struct {
	how         recipe
	least, most float64
} {
	depth := func(b block) claimedDepth {
		return claimedDepth{Depth: 2, Width: 64, Block: b, Noise: 0.25, Pretrain: shortly{4, 20}, Few: shortly{20, 10}, All: shortly{3, 20}, Labels: []int{50, 100}, Draws: 2}
	}
	return map[string]struct {
		how         recipe
		least, most float64
	}{
		"tied":             {claimedDecoder{[]int{64, 16}, true, 10, 20, 1e-3}, 0.01, 0.04},
		"untied":           {claimedDecoder{[]int{64, 16}, false, 10, 20, 1e-3}, 0.01, 0.04},
		"at once":          {claimedGreedy{[]int{64, 32, 16}, 0, 10, 20, 1e-3}, 0.01, 0.045},
		"greedy":           {claimedGreedy{[]int{64, 32, 16}, 10, 0, 20, 1e-3}, 0.01, 0.06},
		"greedy and whole": {claimedGreedy{[]int{64, 32, 16}, 5, 5, 20, 1e-3}, 0.01, 0.045},
		"sigmoid":          {depth(regimes[0].block), 8, 60},
		"modern":           {depth(regimes[1].block), 8, 45},
	}
}

// TestClaims measures each kind of claim in small. An untrained classifier misreads 90 % of the digits, and the mean
// picture's squared error is 0.067 a pixel.
func TestClaims(t *testing.T) {
	digits := few(1000, 300)
	for name, c := range tiny() {
		t.Run(name, func(t *testing.T) {
			n, err := c.how.measure(t.Context(), &input{digits: digits})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%.5g %v", n.value, n.also)
			if !(n.value > c.least && n.value < c.most) {
				t.Errorf("%.5g, want from %v to %v", n.value, c.least, c.most)
			}
			wants := []string{"test", "train", "s", "MB"}
			if d, ok := c.how.(claimedDepth); ok {
				wants = []string{"pretraining s", "pretraining MB"}
				for _, labels := range []string{"50", "100", "all"} {
					for _, way := range []string{"scratch", "pretrained"} {
						wants = append(wants, way+" "+labels+" error", way+" "+labels+" s", way+" "+labels+" MB")
						if x := n.also[way+" "+labels+" error"]; !(x > 3 && x < 92) {
							t.Errorf("%s from %s labels: %v %%", way, labels, x)
						}
					}
				}
				if all, few := n.also["pretrained all error"], n.also["pretrained 50 error"]; all >= few {
					t.Errorf("%v %% from all labels, %v %% from 50", all, few)
				}
				if len(n.also) != 2+3*2*3 || n.value != n.also["pretrained 50 error"] || d.Depth != 2 {
					t.Errorf("%d numbers", len(n.also))
				}
			} else if !(n.also["train"] > c.least && n.also["train"] < c.most) {
				t.Errorf("train %v", n.also["train"])
			}
			for _, k := range wants {
				if v, ok := n.also[k]; !ok || strings.HasSuffix(k, "s") && !(v > 0) {
					t.Errorf("%q is %v, %v", k, v, ok)
				}
			}
		})
	}
	tied, err := tiny()["tied"].how.measure(t.Context(), &input{digits: digits})
	if err != nil {
		t.Fatal(err)
	}
	untied, err := tiny()["untied"].how.measure(t.Context(), &input{digits: digits})
	if err != nil {
		t.Fatal(err)
	}
	const weights = 784*64 + 64*16
	if tied.also["parameters"] != weights+64+16+64+784 || untied.also["parameters"] != tied.also["parameters"]+weights {
		t.Errorf("%v parameters tied, %v untied", tied.also["parameters"], untied.also["parameters"])
	}
	// A second draw has other labels.
	one := tiny()["modern"].how.(claimedDepth)
	one.Draws, one.All.Epochs = 1, 1
	two := one
	two.Draws = 2
	a, errA := one.measure(t.Context(), &input{digits: digits})
	b, errB := two.measure(t.Context(), &input{digits: digits})
	if errA != nil || errB != nil || a.also["scratch 50 error"] == b.also["scratch 50 error"] || a.also["scratch all error"] != b.also["scratch all error"] {
		t.Errorf("%v, %v: one draw %v, two %v", errA, errB, a.also, b.also)
	}
	// Pretraining must have a part in what comes of it.
	if a.also["pretrained all error"] == a.also["scratch all error"] {
		t.Errorf("pretrained as from scratch: %v", a.also)
	}
	for _, how := range []recipe{claimedDepth{Depth: 0, Draws: 1, Labels: []int{10}}, claimedDepth{Depth: 1, Draws: 0, Labels: []int{10}}, claimedDepth{Depth: 1, Draws: 1}} {
		if _, err := how.measure(t.Context(), &input{digits: digits}); err == nil {
			t.Errorf("%+v was measured", how)
		}
	}
}

// A way that needs memory says so, and one that comes after it does not.
func TestWayMeasuresMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is measured on Linux")
	}
	const mb = 64
	in := &input{}
	x, err := in.way("large", func(*input) (map[string]float64, error) {
		b := make([]byte, mb<<20)
		for i := range b {
			b[i] = byte(i)
		}
		return map[string]float64{"sum": float64(b[len(b)-1])}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	y, err := in.way("small", func(*input) (map[string]float64, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	if x.MB < mb*0.9 || x.MB > 4*mb || y.MB > mb/2 {
		t.Errorf("%.1f MB and %.1f MB", x.MB, y.MB)
	}
	if _, err := in.way("bad", func(*input) (map[string]float64, error) { return nil, errors.New("no") }); err == nil || !strings.Contains(err.Error(), "bad: no") {
		t.Errorf("error %v", err)
	}
}

// A cell that was interrupted goes on in the way that it was in, with the numbers of one that was not.
func TestClaimsResume(t *testing.T) {
	digits := few(300, 100)
	how := claimedDepth{Depth: 2, Width: 16, Block: regimes[1].block, Noise: 0.1, Pretrain: shortly{2, 50}, Few: shortly{2, 10}, All: shortly{3, 50}, Labels: []int{50}, Draws: 2}
	whole, err := how.measure(t.Context(), &input{digits: digits})
	if err != nil {
		t.Fatal(err)
	}
	errorsOf := func(n numbers) map[string]float64 {
		m := map[string]float64{}
		for k, v := range n.also {
			if strings.HasSuffix(k, "error") {
				m[k] = v
			}
		}
		return m
	}
	const epochs = 2*2 + 2*(2*2+3)
	for stop := 1; stop < epochs; stop += 3 {
		in := &input{digits: digits, dir: filepath.Join(t.TempDir(), "cell")}
		ctx, cancel := context.WithCancel(t.Context())
		left := stop
		in.progress = func() train.Reporter { return stopper{&left, cancel} }
		if _, err := how.measure(ctx, in); !errors.Is(err, train.ErrInterrupted) && !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d epochs: %v", stop, err)
		}
		count := 0
		in.progress = func() train.Reporter { return stopper{&count, func() {}} }
		n, err := how.measure(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		want, got := errorsOf(whole), errorsOf(n)
		for k := range want {
			if got[k] != want[k] {
				t.Errorf("stopped after %d epochs, %s is %v, want %v", stop, k, got[k], want[k])
			}
		}
		if -count != epochs-stop { // stopper counts down
			t.Errorf("stopped after %d epochs, %d more were made, want %d", stop, -count, epochs-stop)
		}
		again, err := how.measure(t.Context(), in)
		if err != nil || -count != epochs-stop || again.also["pretraining s"] != n.also["pretraining s"] {
			t.Errorf("measured once more: %v, %d epochs, %v", err, -count, again.also)
		}
	}
}

// A run that is stopped between two trainings is interrupted like one that is stopped in one.
func TestRunInterruptedBetweenTrainings(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	between := hook{1, func() error { stop(); return ctx.Err() }}
	if _, err := Run(ctx, []Cell{{Name: "claims/tied", Seeds: 1, how: between}}, Options{Digits: few(20, 20)}); !errors.Is(err, train.ErrInterrupted) {
		t.Errorf("error is %v", err)
	}
}

func TestClaimsTable(t *testing.T) {
	if got := ClaimsTable(nil); got != "Not measured yet.\n" {
		t.Errorf("of nothing: %q", got)
	}
	all := map[string]Result{}
	for _, c := range Find(claims) {
		x := Result{Name: c.Name, Machine: "here", Date: "2026-01-02", Also: map[string]float64{"test": 0.0158, "train": 0.0161, "s": 12.34, "MB": 20.6, "parameters": 82414,
			"pretraining s": 3, "pretraining MB": 99}}
		for _, way := range []string{"scratch", "pretrained"} {
			for i, n := range []string{"100", "1000", "all"} {
				x.Also[way+" "+n+" error"], x.Also[way+" "+n+" s"] = 20.5-float64(i)-float64(len(way))/10, float64(i)
			}
		}
		all[c.Name] = x
	}
	got := ClaimsTable(all)
	for _, want := range []string{"| tied | 82414 | 0.01580 | 0.01610 | -0.00030 | 12.3 | 21 |\n", "| untied |", "| at once, 10 epochs | 0.01580 |", "from below, 5 epochs a layer, then",
		"| 5 | 19.80 → 19.50 | 18.80 → 18.50 | 17.80 → 17.50 | 3.0 | 0.0 → 0.0 | 1.0 → 1.0 | 2.0 → 2.0 | 99 |\n", "Measured on here, 2026-01-02.", "Logistic units", "ReLU behind"} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
	if strings.Count(got, "\n| 5 | 19") != 2 {
		t.Errorf("not five depths of both:\n%s", got)
	}
	if strings.Contains(Table(all), "claims") {
		t.Error("the table of the yardsticks has the claims too")
	}
	page, err := Place([]byte("a\n"+claimsBegin+"old\n"+claimsEnd+begin+end), all)
	if err != nil || string(page) != "a\n"+claimsBegin+"\n"+got+"\n"+claimsEnd+begin+"\n"+Table(all)+"\n"+end {
		t.Errorf("placed %s, %v", page, err)
	}
}

// This folder's README.md shows the kept results, and speaks of the recipes as they are.
func TestClaimsPage(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	all, err := Load(filepath.Join("..", "..", "..", "testdata", "yardsticks"))
	if err != nil {
		t.Fatal(err)
	}
	if want, err := Place(page, all); err != nil || string(want) != string(page) {
		t.Errorf("README.md shows other claims than testdata/yardsticks holds (%v): run make yardstick ROW=claims", err)
	}
	var deep struct{ Width, Draws int }
	if err := json.Unmarshal(Find("claims/modern-5")[0].Settings(), &deep); err != nil || deep.Width != 300 || deep.Draws != 3 {
		t.Errorf("%+v, %v: README.md says 300 units and three draws", deep, err)
	}
}
