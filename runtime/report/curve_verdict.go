package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// verdict says in three sentences whether pretraining helps, how many labels are worth
// buying, and what to do next.
func (c *Curve) verdict() []string {
	return []string{c.helps(), c.worth(), c.next()}
}

// pretrained returns the arm that does no more than pretrain with the greatest mean gain over
// all numbers of labels, and nil if there is none.
func (c *Curve) pretrained() *ArmCurve {
	var best *ArmCurve
	most := math.Inf(-1)
	for i := range c.Arms {
		a := &c.Arms[i]
		if a.Kind != "pretrained" {
			continue
		}
		gain := 0.0
		for _, p := range a.Points {
			gain += p.Gain.Mean
		}
		if gain > most {
			best, most = a, gain
		}
	}
	return best
}

// inPoints is a difference of shares in points of a percentage.
func inPoints(x float64) string {
	return fmt.Sprintf("%.1f points", 100*x)
}

// gain is an interval of a gain, or of a loss: by how much the one is better or worse.
func (e Estimate) gain() string {
	if e.Mean < 0 {
		e = Estimate{-e.Mean, -e.High, -e.Low}
	}
	return fmt.Sprintf("%s points of error (95 %% interval %s to %s)", percent(e.Mean), percent(e.Low), percent(e.High))
}

// falls reports whether more labels than before certainly helped.
func (p *CurvePoint) falls() bool { return p.Fall != nil && p.Fall.Low > 0 }

// decideBy is the number of draws to decide by.
const decideBy = 10

// helps says whether pretraining helps, by how much and how certainly, and what stands against that.
func (c *Curve) helps() string {
	a := c.pretrained()
	if a == nil {
		return "Nothing was pretrained, so this does not say whether it would help."
	}
	s := c.helpsBy(a)
	if a.Before {
		s += "; whether that pretraining had seen rows that are measured on is not known"
	}
	if c.Draws < decideBy {
		s += fmt.Sprintf("; %d draws are too few to decide by, take %d or more", c.Draws, decideBy)
	}
	return s + "."
}

// helpsBy is helps without reservations.
func (c *Curve) helpsBy(a *ArmCurve) string {
	var better, worse []int // numbers of labels at which the interval is on one side of 0
	for i, p := range a.Points {
		switch {
		case p.Gain.Low > 0:
			better = append(better, i)
		case p.Gain.High < 0:
			worse = append(worse, i)
		}
	}
	at := func(i int) string {
		return fmt.Sprintf("with %s labels by %s", grouped(c.Counts[i]), a.Points[i].Gain.gain())
	}
	switch {
	case len(better) == 0 && len(worse) == 0:
		most := 0
		for i, p := range a.Points {
			if p.Gain.Mean > a.Points[most].Gain.Mean {
				most = i
			}
		}
		best := "at best it is better"
		switch mean := a.Points[most].Gain.Mean; {
		case math.Abs(mean) < 0.0005:
			best = "its mean is at best as good: it differs"
		case mean < 0:
			best = "its mean is better with none of them: it is nearest, and worse,"
		}
		return fmt.Sprintf("It is not certain that pretraining helps on these data: the interval of the difference between %q and the same net from scratch has 0 in it with every number of labels, and %s %s", a.Name, best, at(most))
	case len(better) == 0:
		return fmt.Sprintf("Pretraining does not help on these data: %q is certainly worse than the same net from scratch %s", a.Name, at(worst(a, worse)))
	case len(worse) > 0:
		return fmt.Sprintf("Pretraining helps on these data with some numbers of labels only: %q beats the same net from scratch %s, and is worse %s", a.Name, at(better[0]), at(worst(a, worse)))
	case len(a.Points) == 1:
		return fmt.Sprintf("Pretraining helps on these data: %q beats the same net from scratch %s", a.Name, at(0))
	case len(better) == len(a.Points):
		return fmt.Sprintf("Pretraining helps on these data: %q beats the same net from scratch with every number of labels, %s and %s", a.Name, at(0), at(len(a.Points)-1))
	}
	return fmt.Sprintf("Pretraining helps on these data where labels are few or many enough: %q certainly beats the same net from scratch with %s of %d numbers of labels, most %s", a.Name, grouped(len(better)), len(a.Points), at(greatest(a, better)))
}

func worst(a *ArmCurve, among []int) int {
	return slices.MinFunc(among, func(i, j int) int { return compare(a.Points[i].Gain.Mean, a.Points[j].Gain.Mean) })
}

func greatest(a *ArmCurve, among []int) int {
	return slices.MaxFunc(among, func(i, j int) int { return compare(a.Points[i].Gain.Mean, a.Points[j].Gain.Mean) })
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// money is the price of labels.
func (c *Curve) money(labels float64) string {
	s := strings.Replace(fmt.Sprintf("%.2f", c.Price*labels), "-", "−", 1)
	if c.Currency != "" {
		s += " " + c.Currency
	}
	return s
}

// paid is the price of labels in parentheses, if there is one.
func (c *Curve) paid(labels float64) string {
	if c.Price == 0 {
		return ""
	}
	return " (" + c.money(labels) + ")"
}

// worth says how many labels are worth having, or are saved.
func (c *Curve) worth() string {
	best := c.Arm(c.Best)
	if best == nil {
		return "No curve can be compared."
	}
	// The fewest labels with which the best curve is within a point of what it becomes.
	enough := len(c.Counts) - 1
	for i, p := range best.Points {
		if p.Mean <= best.Last().Mean+0.01 {
			enough = i
			break
		}
	}
	s := fmt.Sprintf("The best, %q, errs on %.1f %% with %s labels%s", c.Best, 100*best.Last().Mean, grouped(c.Counts[len(c.Counts)-1]), c.paid(float64(c.Counts[len(c.Counts)-1])))
	if len(c.Counts) == 1 {
		s += ", the only number that was measured"
	} else if enough < len(c.Counts)-1 {
		s += fmt.Sprintf(", and is within a point of that with %s%s", grouped(c.Counts[enough]), c.paid(float64(c.Counts[enough])))
	} else if best.Last().falls() {
		s += ", and has not levelled off"
	} else {
		s += ", and these draws are too few to tell whether it has levelled off"
	}
	if a := c.pretrained(); a != nil {
		i := savedAt(a)
		if e := a.Points[i].Equal; i >= 0 && a.Points[i].Gain.Low > 0 {
			switch e.Reached {
			case "yes":
				saved := e.Number - float64(c.Counts[i])
				s += fmt.Sprintf("; from scratch it takes about %s labels to be as good as %q is with %s, so pretraining saves %s labels%s", e, a.Name, grouped(c.Counts[i]), grouped(int(math.Round(saved))), c.paid(saved))
			case "no":
				s += fmt.Sprintf("; from scratch not even %s labels are as good as %s labels with %q", grouped(c.Counts[len(c.Counts)-1]), grouped(c.Counts[i]), a.Name)
			}
		}
	}
	return s + "."
}

// savedAt is where a curve saves the most labels for certain, by their ratio; else 0.
func savedAt(a *ArmCurve) int {
	best, most := 0, 0.0
	for i, p := range a.Points {
		if p.Gain.Low <= 0 {
			continue
		}
		if ratio := p.Equal.Number / float64(p.Labels); ratio > most {
			best, most = i, ratio
		}
	}
	return best
}

// next says what to do.
func (c *Curve) next() string {
	best := c.Arm(c.Best)
	if best == nil {
		return "Measure again."
	}
	control := best.Kind == "control"
	switch n := len(best.Points); {
	case best.Kind == "joined":
		return fmt.Sprintf("Use %q, another tool, on these data, or look for what it knows that the nets do not.", c.Best)
	case control && c.Best == "majority class":
		return "Do not use any of these models: none is better than always saying the most common class, so look at the columns and the labels first."
	case control:
		return fmt.Sprintf("Use %q rather than a net on these data, unless more labels or better columns come.", c.Best)
	case n == 1:
		return fmt.Sprintf("Use %q; whether more labels are worth their price takes a second number of labels to say.", c.Best)
	case best.Last().Fall.Mean > 0.01 && !best.Last().falls():
		return fmt.Sprintf("Use %q; whether more labels help is not certain: from %s to %s labels it fell by %s.", c.Best, grouped(c.Counts[n-2]), grouped(c.Counts[n-1]), best.Last().Fall.gain())
	case best.Last().Fall.Mean > 0.01:
		return fmt.Sprintf("Label more rows: from %s to %s labels the error still fell by %s, and use %q until then.", grouped(c.Counts[n-2]), grouped(c.Counts[n-1]), inPoints(best.Points[n-2].Mean-best.Points[n-1].Mean), c.Best)
	}
	return fmt.Sprintf("Use %q: more labels are hardly worth their price, since from %s to %s labels the error fell by less than a point.", c.Best, grouped(c.Counts[len(c.Counts)-2]), grouped(c.Counts[len(c.Counts)-1]))
}
