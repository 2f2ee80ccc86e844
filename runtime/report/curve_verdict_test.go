package report

import (
	"math"
	"strings"
	"testing"
)

// given is a curve of two arms that was not measured.
func given(counts []int, kinds []string, names []string, means [][]float64, gains [][]Estimate) *Curve {
	c := &Curve{Metric: plainError, Counts: counts, Draws: 10, Drawn: stratified, Classes: []string{"no", "yes"}}
	for i, name := range names {
		a := ArmCurve{Name: name, Kind: kinds[i]}
		for k, n := range counts {
			m := means[i][k]
			a.Points = append(a.Points, CurvePoint{Labels: n, Values: []float64{m, m}, Estimate: Estimate{m, m - 0.01, m + 0.01}})
		}
		c.Arms = append(c.Arms, a)
	}
	c.compare(0)
	for i := range gains {
		for k := range gains[i] {
			c.Arms[i+1].Points[k].Gain = &gains[i][k]
		}
	}
	c.Best = c.best(func(a *ArmCurve) bool { return a.Kind != "seen" })
	c.Verdict = c.verdict()
	return c
}

// reserved is a curve of few draws whose pretraining was done before it.
func reserved(c *Curve) *Curve {
	c.Draws, c.Arms[1].Before = 2, true
	return c
}

// scattered is a curve whose last error is another in each draw.
func scattered(c *Curve) *Curve {
	c.Arms[1].Points[2].Values = []float64{0.04, 0.06}
	c.compare(0)
	return c
}

// TestCurveVerdict: what the page says first follows from the numbers.
func TestCurveVerdict(t *testing.T) {
	counts := []int{10, 100, 1000}
	net, control := []string{"scratch", "pretrained"}, []string{"scratch", "control"}
	names := []string{scratch, "denoising"}
	sure := func(x float64) Estimate { return Estimate{x, x - 0.01, x + 0.01} }
	unsure := func(x float64) Estimate { return Estimate{x, x - 0.2, x + 0.2} }
	for _, c := range []struct {
		name  string
		curve *Curve
		price float64
		want  [3][]string
	}{
		{"it helps", given(counts, net, names, [][]float64{{0.4, 0.2, 0.1}, {0.2, 0.1, 0.05}}, [][]Estimate{{sure(0.2), sure(0.1), sure(0.05)}}), 0, [3][]string{
			{"Pretraining helps on these data:", "with every number of labels", "with 10 labels by 20.0 points of error (95 % interval 19.0 to 21.0)", "with 1,000 labels by 5.0"},
			{`The best, "denoising", errs on 5.0 % with 1,000 labels`, "it takes about 100 labels to be as good", "saves 90 labels"},
			{"Label more rows", "fell by 5.0 points"}}},
		{"it helps, for money", given(counts, net, names, [][]float64{{0.4, 0.2, 0.1}, {0.2, 0.1, 0.05}}, [][]Estimate{{sure(0.2), sure(0.1), sure(0.05)}}), 0.5, [3][]string{
			{"helps"}, {"1,000 labels (500.00 EUR)", "saves 90 labels (45.00 EUR)"}, {"Label more"}}},
		{"it helps with few labels", given(counts, net, names, [][]float64{{0.4, 0.2, 0.1}, {0.2, 0.19, 0.1}}, [][]Estimate{{sure(0.2), unsure(0.01), unsure(0)}}), 0, [3][]string{
			{"with 1 of 3 numbers of labels", "most with 10 labels by 20.0 points"}, {"best"}, {"Label more rows"}}},
		{"it does not help", given(counts, net, names, [][]float64{{0.4, 0.2, 0.1}, {0.45, 0.25, 0.14}}, [][]Estimate{{unsure(-0.05), sure(-0.05), sure(-0.04)}}), 0, [3][]string{
			{"Pretraining does not help on these data", `"denoising" is certainly worse than the same net from scratch with 100 labels by 5.0 points of error (95 % interval 4.0 to 6.0)`}, {`The best, "from scratch", errs on 10.0 %`}, {"Label more rows"}}},
		{"uncertain", given(counts, net, names, [][]float64{{0.4, 0.2, 0.198}, {0.38, 0.2, 0.199}}, [][]Estimate{{unsure(0.02), unsure(0), unsure(-0.001)}}), 0, [3][]string{
			{"It is not certain that pretraining helps on these data", "has 0 in it with every number of labels", "with 10 labels by 2.0 points"}, {"is within a point of that with 100"}, {`Use "from scratch": more labels are hardly worth their price, since from 100 to 1,000 labels`}}},
		{"uncertain, and worse", given(counts, net, names, [][]float64{{0.4, 0.2, 0.1}, {0.45, 0.25, 0.12}}, [][]Estimate{{unsure(-0.05), unsure(-0.05), unsure(-0.02)}}), 0, [3][]string{
			{"its mean is better with none of them: it is nearest, and worse, with 1,000 labels by 2.0 points of error (95 % interval −18.0 to 22.0)."}, {"best"}, {"Label more"}}},
		{"uncertain, and as good", given(counts, net, names, [][]float64{{0.4, 0.2, 0.1}, {0.45, 0.25, 0.1}}, [][]Estimate{{unsure(-0.05), unsure(-0.05), unsure(0)}}), 0, [3][]string{
			{"its mean is at best as good: it differs with 1,000 labels by 0.0 points of error (95 % interval −20.0 to 20.0)."}, {"best"}, {"Label more"}}},
		{"a single number of labels", given(counts[:1], net, names, [][]float64{{0.4}, {0.2}}, [][]Estimate{{sure(0.2)}}), 0, [3][]string{
			{"with 10 labels by 20.0 points"}, {"errs on 20.0 % with 10 labels, the only number that was measured"}, {`Use "denoising"; whether more labels`, "takes a second number of labels to say"}}},
		{"mixed", given(counts, net, names, [][]float64{{0.4, 0.2, 0.1}, {0.2, 0.2, 0.15}}, [][]Estimate{{sure(0.2), unsure(0), sure(-0.05)}}), 0, [3][]string{
			{"with some numbers of labels only", "beats the same net from scratch with 10 labels", "and is worse with 1,000 labels by 5.0"}, {"best"}, {"Label more"}}},
		{"pseudo-labels help, pretraining does not", given(counts, []string{"scratch", "pretrained", "extended"}, append(names, "denoising + pseudo-labels"), [][]float64{{0.4, 0.2, 0.1}, {0.4, 0.2, 0.1}, {0.2, 0.1, 0.05}},
			[][]Estimate{{unsure(0), unsure(0), unsure(0)}, {sure(0.2), sure(0.1), sure(0.05)}}), 0, [3][]string{
			{`It is not certain that pretraining helps on these data: the interval of the difference between "denoising" and`}, {`The best, "denoising + pseudo-labels"`}, {"Label more"}}},
		{"uncertain whether more labels help", scattered(given(counts, net, names, [][]float64{{0.4, 0.2, 0.1}, {0.2, 0.1, 0.05}}, [][]Estimate{{sure(0.2), sure(0.1), sure(0.05)}})), 0, [3][]string{
			{"helps"}, {"and these draws are too few to tell whether it has levelled off"}, {`Use "denoising"; whether more labels help is not certain: from 100 to 1,000 labels it fell by 5.0 points of error (95 % interval −7.7 to 17.7).`}}},
		{"a control wins", given(counts, control, []string{scratch, "logistic regression"}, [][]float64{{0.4, 0.2, 0.1}, {0.2, 0.1, 0.05}}, nil), 0, [3][]string{
			{"Nothing was pretrained"}, {`The best, "logistic regression"`}, {`Use "logistic regression" rather than a net`}}},
		{"nothing learned", given(counts, control, []string{scratch, "majority class"}, [][]float64{{0.4, 0.4, 0.4}, {0.3, 0.3, 0.3}}, nil), 0, [3][]string{
			{"Nothing was pretrained"}, {"best"}, {"Do not use any of these models"}}},
		{"too few draws of a bundle", reserved(given(counts, net, names, [][]float64{{0.4, 0.2, 0.1}, {0.2, 0.1, 0.05}}, [][]Estimate{{sure(0.2), sure(0.1), sure(0.05)}})), 0, [3][]string{
			{"with 1,000 labels by 5.0 points", "; whether that pretraining had seen rows that are measured on is not known; 2 draws are too few to decide by, take 10 or more."}, {"best"}, {"Label more"}}},
	} {
		c.curve.Price, c.curve.Currency = c.price, "EUR"
		got := c.curve.verdict()
		if len(got) != 3 {
			t.Fatalf("%s: %d sentences", c.name, len(got))
		}
		for i, wants := range c.want {
			for _, want := range wants {
				if !strings.Contains(got[i], want) {
					t.Errorf("%s: sentence %d is\n%s\nwant %q in it", c.name, i+1, got[i], want)
				}
			}
		}
	}
}

// TestEstimate: intervals are those of Student's t, and of the corrected one with folds.
func TestEstimate(t *testing.T) {
	// R: t.test(c(1, 2, 3, 4)) has 0.4457397 to 4.5542603.
	e := estimate([]float64{1, 2, 3, 4}, 0)
	if e.Mean != 2.5 || math.Abs(e.Low-0.4457397) > 1e-6 || math.Abs(e.High-4.5542603) > 1e-6 {
		t.Errorf("the interval is %+v", e)
	}
	// With n2/n1 = 1/4 the variance of the mean is (1/4 + 1/4) of the sample's in place of 1/4 of it.
	wide := estimate([]float64{1, 2, 3, 4}, 0.25)
	if got, want := (wide.High-wide.Low)/(e.High-e.Low), math.Sqrt2; math.Abs(got-want) > 1e-12 {
		t.Errorf("folds of 5 widen it by %v, want %v", got, want)
	}
}

// TestMetric: the errors are those of the counts.
func TestMetric(t *testing.T) {
	counts := [][]int{{90, 0}, {5, 5}}
	if got := metric(plainError, counts); got != 0.05 {
		t.Errorf("error %v", got)
	}
	if got := metric(balancedError, counts); got != 0.25 {
		t.Errorf("balanced error %v", got)
	}
}

// TestCrossing: labels are interpolated in their logarithm.
func TestCrossing(t *testing.T) {
	counts := []int{10, 100, 1000}
	for _, c := range []struct {
		curve []float64
		to    float64
		want  Labels
	}{
		{[]float64{0.4, 0.2, 0.1}, 0.2, Labels{100, "yes"}},
		{[]float64{0.4, 0.2, 0.1}, 0.3, Labels{math.Sqrt(1000), "yes"}},
		{[]float64{0.4, 0.2, 0.1}, 0.5, Labels{10, "fewer"}},
		{[]float64{0.4, 0.2, 0.1}, 0.05, Labels{1000, "no"}},
		{[]float64{0.4, 0.45, 0.1}, 0.4, Labels{10, "fewer"}},
	} {
		got := crossing(counts, c.curve, c.to)
		if s := got.short(); strings.Contains(s, "≤") != (got.Reached == "fewer") || strings.Contains(s, ">") != (got.Reached == "no") {
			t.Errorf("%+v is %q", got, s)
		}
		if got.Reached != c.want.Reached || math.Abs(got.Number-c.want.Number) > 1e-9 {
			t.Errorf("%v to %v: %+v, want %+v", c.curve, c.to, got, c.want)
		}
	}
	for _, c := range []struct {
		gain []float64
		want Labels
	}{
		{[]float64{0.1, 0.05, -0.05}, Labels{math.Sqrt(1e5), "yes"}},
		{[]float64{0.1, 0.05, 0.01}, Labels{1000, "no"}},
		{[]float64{-0.1, 0, -0.01}, Labels{10, "fewer"}},
	} {
		got := breakEven(counts, c.gain)
		if got.Reached != c.want.Reached || math.Abs(got.Number-c.want.Number) > 1e-9 {
			t.Errorf("%v: %+v, want %+v", c.gain, got, c.want)
		}
	}
}

// TestLadder: counts go up to all labels, and are multiples where draws are balanced.
func TestLadder(t *testing.T) {
	for _, c := range []struct {
		classes, most int
		multiple      bool
		want          []int
	}{
		{2, 3, false, []int{3}},
		{2, 40, false, []int{4, 8, 16, 40}},
		{10, 60000, true, []int{20, 90, 490, 2400, 12000, 60000}},
	} {
		got := ladder(c.classes, c.most, c.multiple)
		if len(got) == 0 || got[len(got)-1] != c.most {
			t.Fatalf("%+v: %v", c, got)
		}
		for i, n := range got {
			if i > 0 && n <= got[i-1] || c.multiple && n%c.classes != 0 || n < min(c.classes, c.most) {
				t.Errorf("%+v: %v", c, got)
			}
		}
	}
}
