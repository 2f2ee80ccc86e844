package rates

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/runtime/train"
)

// Tried is one way to set the rates, with what it gave.
type Tried struct {
	Name      string    `json:"name"`
	Factors   []float64 `json:"factors,omitempty"` // by block, 0 for a frozen one; none for rates that fall from layer to layer
	Scores    []float64 `json:"scores,omitempty"`  // by fold of the search
	Confirmed []float64 `json:"confirmed,omitempty"`
	Diverged  string    `json:"diverged,omitempty"` // why there are no scores

	found *Found
}

// Found is what a search found. It encodes to JSON.
type Found struct {
	Blocks  []Block  `json:"blocks"`
	By      train.By `json:"-"`
	Folds   int      `json:"folds"`
	DecayBy float64  `json:"decay_by"`
	Uniform *Tried   `json:"uniform"` // the rates as they are
	Decay   *Tried   `json:"decay"`   // rates that fall from layer to layer
	Best    *Tried   `json:"best"`    // of all candidates by the folds of the search
	Tried   []*Tried `json:"tried"`   // all candidates, the best first
}

// Score is the mean over the folds of the search, NaN if it went out of bounds.
func (t *Tried) Score() float64 { return orNaN(t.Scores) }

// Again is the mean over the folds of other divisions, which only the best candidate and the two fixed ways have.
func (t *Tried) Again() float64 { return orNaN(t.Confirmed) }

func orNaN(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	return mean(x)
}

// cost is the mean score with the sign that makes less better.
func (t *Tried) cost() float64 {
	if len(t.Scores) == 0 {
		return math.Inf(1)
	}
	return t.found.signed(mean(t.Scores))
}

// signed is a number with the sign that makes less better; twice it is the number again.
func (f *Found) signed(x float64) float64 {
	if strings.HasPrefix(f.By.String(), "greatest") {
		return -x
	}
	return x
}

// far is how far factors are from 1: of candidates with the same score the nearest is the best.
func (t *Tried) far() (sum float64) {
	for _, f := range t.Factors {
		if f == 0 {
			f = math.Exp2(lowest)
		}
		sum += math.Abs(math.Log2(f))
	}
	return sum
}

// Apply returns options like o with these rates. o stays as it is.
//
// Errors: the optimizer is not one of package optim.
func (t *Tried) Apply(o train.Options) (train.Options, error) {
	if t.Factors != nil {
		return t.Table().Apply(o)
	}
	with, err := optim.WithLayerDecay(o.Optimizer, t.found.DecayBy)
	if err != nil {
		return o, fmt.Errorf("rates: %w", err)
	}
	o.Optimizer = with
	return o, nil
}

// Table returns the factor of each parameter, nil for rates that fall from layer to layer.
func (t *Tried) Table() *Table {
	if t.Factors == nil {
		return nil
	}
	return table(t.Name, t.found.Blocks, t.Factors)
}

// Gain returns by how much the best candidate is better than the rates as they are on the folds that the search did not
// see, and half the width of the 95 % interval of that: Student's t of the differences, fold by fold, with the variance that
// Nadeau and Bengio 2003 correct for trainings that share rows. Positive is better, whatever the score is. The search saw
// all of the labels, if in other folds, so rows that no part of it has seen have the last word.
func (f *Found) Gain() (gain, half float64) { return f.gain(f.Best, f.Uniform) }

// gain is that of one way over another.
func (f *Found) gain(a, b *Tried) (gain, half float64) {
	n := min(len(a.Confirmed), len(b.Confirmed))
	if n < 2 || a.Diverged != "" || b.Diverged != "" {
		return math.NaN(), math.NaN()
	}
	d := make([]float64, n)
	for i := range d {
		d[i] = f.signed(b.Confirmed[i]) - f.signed(a.Confirmed[i])
	}
	gain = mean(d)
	sum := 0.0
	for _, x := range d {
		sum += (x - gain) * (x - gain) / float64(n-1)
	}
	share := 1 / float64(f.Folds-1) // of test rows to training rows
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 1)}.Quantile(0.975)
	return gain, t * math.Sqrt((1/float64(n)+share)*sum)
}

// Helped reports whether the search helped: whether the interval of Gain is above 0.
func (f *Found) Helped() bool {
	gain, half := f.Gain()
	return gain-half > 0
}

// String returns the best candidate beside the rates as they are and those that fall from layer to layer, and whether the
// search helped.
func (f *Found) String() string {
	by := f.By.String()
	if by == "" {
		by = "least loss"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "learning rates of %d blocks, %d candidates, by %s over %d folds\n", len(f.Blocks), len(f.Tried), by, f.Folds)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "rates\tfolds of the search\tother folds\tbetter than uniform")
	for _, x := range f.Blocks {
		fmt.Fprintf(w, "\t%s", x.Name)
	}
	fmt.Fprintln(w)
	for _, t := range []*Tried{f.Uniform, f.Decay, f.Best} {
		better := ""
		if t != f.Uniform {
			gain, half := f.gain(t, f.Uniform)
			better = fmt.Sprintf("%+.4g ± %.2g", gain, half)
		}
		fmt.Fprintf(w, "%s\t%.4g\t%.4g\t%s", t.Name, t.Score(), t.Again(), better)
		for i := range f.Blocks {
			switch {
			case t.Factors == nil:
				fmt.Fprint(w, "\tby depth")
			case t.Factors[i] == 0:
				fmt.Fprint(w, "\tfrozen")
			default:
				fmt.Fprint(w, "\t×"+strconv.FormatFloat(t.Factors[i], 'g', digits, 64))
			}
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // a Builder takes everything
	gain, half := f.Gain()
	if f.Helped() {
		fmt.Fprintf(&b, "The search helped: better by %.4g ± %.2g on other folds.\n", gain, half)
	} else {
		fmt.Fprintf(&b, "The search did not help beyond chance: %+.4g ± %.2g on other folds (more is better). Prefer the rates as they are.\n", gain, half)
	}
	return b.String()
}
