package yardstick

import (
	"fmt"
	"strings"
	"testing"
)

// TestFewTask measures each way in small, the same again where it goes on from a folder, and
// refuses what it does not know.
func TestFewTask(t *testing.T) {
	digits := few(400, 200)
	dense, conv := fewNet{"dense", []int{64}, []float64{0.1, 0.2}}, fewNet{"conv", []int{4, 8}, []float64{0, 0.1}}
	views := "shift=2,rotate=10,shape=1x28x28"
	none := kind{Name: "none"}
	base := fewTask{Net: dense, Before: none, Way: "fine-tuning", Updates: 60, Batch: 20, Rest: 40, Rate: 2e-3, Decay: 0.01, Height: 1, From: 5, To: 30, Labels: []int{50, 100}, Draws: 2}
	with := func(change func(*fewTask)) fewTask {
		f := base
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		how  fewTask
		most float64
	}{
		"scratch":   {base, 60},
		"denoising": {with(func(f *fewTask) { f.Before = kind{"denoising", 0.3, "", 5, 2e-3} }), 60},
		"views":     {with(func(f *fewTask) { f.Before = kind{"views", 0.3, views, 5, 2e-3} }), 60},
		"pseudo":    {with(func(f *fewTask) { f.Way, f.Augment, f.Passes = "pseudo-labels", views, 10 }), 60},
		"fixmatch": {with(func(f *fewTask) {
			f.Net, f.Way, f.Weak, f.Strong, f.Average, f.Labels = conv, "FixMatch", views, views+",erase=0.5", 0.9, []int{50}
		}), 85},
	} {
		t.Run(name, func(t *testing.T) {
			in := &input{digits: digits, dir: t.TempDir()}
			n, err := c.how.measure(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%.5g %v", n.value, n.also)
			if !(n.value > 5 && n.value < c.most) || n.also["50 draw 0"]+n.also["50 draw 1"] != 2*n.value || !(n.also["50 half"] >= 0) {
				t.Errorf("error %v, of %v", n.value, n.also)
			}
			again, err := c.how.measure(t.Context(), in)
			if err != nil || again.value != n.value || fmt.Sprint(again.also) != fmt.Sprint(n.also) {
				t.Errorf("again %v, %v, want %v", again, err, n)
			}
		})
	}
	for want, f := range map[string]fewTask{
		"0 draws":             with(func(f *fewTask) { f.Draws = 0 }),
		`way is named "hope"`: with(func(f *fewTask) { f.Way = "hope" }),
		`net is named "deep"`: with(func(f *fewTask) { f.Net.Kind = "deep" }),
		`no pretraining is`:   with(func(f *fewTask) { f.Before.Name = "dreams" }),
		"0 layers":            with(func(f *fewTask) { f.Net.Units = nil }),
	} {
		if _, err := f.measure(t.Context(), &input{digits: digits}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestFewTasksTable: intervals, targets that are missed, and gains over the same draws.
func TestFewTasksTable(t *testing.T) {
	if got := FewTasksTable(nil); !strings.HasPrefix(got, "Not measured") {
		t.Errorf("of nothing: %s", got)
	}
	all := map[string]Result{}
	put := func(name string, errors ...float64) {
		r := Result{Name: fewTasks + "/" + name, Machine: "here", Date: "now", Also: map[string]float64{"pretraining s": 10, "100 s": 5}}
		for i, e := range errors {
			r.Also[fmt.Sprintf("100 draw %d", i)] = e
		}
		r.Also["100 error"], r.Also["100 half"] = spread(errors)
		all[r.Name] = r
	}
	put("scratch", 20, 22, 24)
	put("scratch-augmented", 15, 17, 19)
	put("views", 14, 15, 17)
	got := FewTasksTable(all)
	for _, want := range []string{"| from scratch | 22.00 ± 4.97 | 25.81 |", "| pretrained on moved views, augmented | 15.33 ± 3.79, above 13.5 | 13.47 |", "CAE | 15 |", "from scratch, over the same draws:\n\n- from scratch, augmented: 5.00 ± 0.00 from 100 labels\n- pretrained on moved views, augmented: 6.67 ± 1.43 from 100 labels",
		"from scratch, augmented, over the same draws:\n\n- pretrained on moved views, augmented: 1.67 ± 1.43 from 100 labels\n", "here, now"} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
}
