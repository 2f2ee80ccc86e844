package synthetic

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/runtime/dataset"
)

// TableOptions say what the columns of a table are and what depends on what. What is left out has the default.
type TableOptions struct {
	Normal  int     // numbers that are normal with mean 0 and variance 1, the first of x1, x2, …: 4; up to 64
	Uniform int     // numbers that are uniform in [-1, 1), behind them; up to 64
	Shared  float64 // share of the variance of the normal ones that is one hidden factor's, from 0 to 1

	Categories []int // number of values of each category c1, c2, …, which are as frequent as each other; up to 64 of 2 to 1000

	// Target is what is to be predicted, a formula of the columns as they are without noise and holes: by default the sum of
	// x1, x2 and so on. It has numbers, + - *, x1^2, sin, cos and abs of (…), and conditions, which are 1 or 0: [x1>0.5],
	// [x1<0.5] and [c1=2]. Values of a category begin with 0.
	Target string
	Noise  float64   // standard deviation of what is added to it, from 0 to 1e6
	Cuts   []float64 // the class of a row is how many of them its target reaches: [0]; up to 64, ascending

	Missing float64 // share of the numbers that are missing at random, from 0 to 0.9
	// Holes says which numbers are missing by a rule, such as "x2:[x1>1]": x2 where the formula is not 0. Several are joined by ";".
	Holes string
}

// Tables returns rows of a table in which it is known what depends on what. The columns are those that a [dataset.Schema] reads:
// numeric f32[…], which may be missing; categorical i64[…] if there are categories, their values counted from 2 on; target f32[1];
// y i64[], the class. factors f32[…] are the hidden factor, the target without noise, and the numbers without holes.
//
// Errors (of Err): rows or options that are out of range; a formula that cannot be read, or with a value that is not finite.
func Tables(rows int, seed uint64, o TableOptions) *Rows {
	return newRows("table", rows, seed, &table{TableOptions: o})
}

type table struct {
	TableOptions
	target *formula
	holes  []hole
}

type hole struct {
	column int
	where  *formula
}

func (t *table) visit(f *form) {
	f.int("normal", &t.Normal)
	f.int("uniform", &t.Uniform)
	f.float("shared", &t.Shared)
	f.list("categories", &t.Categories)
	f.text("target", &t.Target)
	f.float("noise", &t.Noise)
	f.cuts("cuts", &t.Cuts)
	f.float("missing", &t.Missing)
	f.text("holes", &t.Holes)
}

// most is how many columns of one sort there may be.
const most = 64

func (t *table) check() error {
	if t.Normal == 0 && t.Uniform == 0 {
		t.Normal = 4
	}
	if t.Normal < 0 || t.Normal > most || t.Uniform < 0 || t.Uniform > most {
		return fmt.Errorf("Normal and Uniform must be from 0 to %d, got %d and %d", most, t.Normal, t.Uniform)
	}
	if len(t.Categories) > most || len(t.Cuts) > most {
		return fmt.Errorf("Categories and Cuts have at most %d numbers, got %d and %d", most, len(t.Categories), len(t.Cuts))
	}
	for i, n := range t.Categories {
		if n < 2 || n > 1000 {
			return fmt.Errorf("Categories: c%d must have 2 to 1000 values, got %d", i+1, n)
		}
	}
	if len(t.Cuts) == 0 {
		t.Cuts = []float64{0}
	}
	for i, v := range t.Cuts {
		if math.IsNaN(v) || math.IsInf(v, 0) || i > 0 && v <= t.Cuts[i-1] {
			return fmt.Errorf("Cuts must ascend, got %v", t.Cuts)
		}
	}
	for _, err := range []error{amount("Shared", t.Shared, 1), amount("Noise", t.Noise, 1e6), amount("Missing", t.Missing, 0.9)} {
		if err != nil {
			return err
		}
	}
	if t.Target == "" {
		for i := range t.Normal + t.Uniform {
			t.Target += fmt.Sprintf("+x%d", i+1)
		}
		t.Target = t.Target[1:]
	}
	var err error
	if t.target, err = parseFormula(t.Target, t.Normal+t.Uniform, len(t.Categories)); err != nil {
		return fmt.Errorf("Target: %w", err)
	}
	if !(t.target.root.bound() < 1e30) {
		return fmt.Errorf("Target: %s may be larger than 1e30, which float32 hardly holds", t.Target)
	}
	t.Target = t.target.text
	t.Holes = strings.Join(strings.Fields(t.Holes), "")
	if t.Holes == "" {
		return nil
	}
	for rule := range strings.SplitSeq(t.Holes, ";") {
		name, where, ok := strings.Cut(rule, ":")
		column, err := strconv.Atoi(strings.TrimPrefix(name, "x"))
		if !ok || err != nil || !strings.HasPrefix(name, "x") || column < 1 || column > t.Normal+t.Uniform || len(t.holes) == most {
			return fmt.Errorf("Holes: %.60q must be such as %q, of a column x1 to x%d, at most %d of them", rule, "x2:[x1>1]", t.Normal+t.Uniform, most)
		}
		h := hole{column: column - 1}
		if h.where, err = parseFormula(where, t.Normal+t.Uniform, len(t.Categories)); err != nil {
			return fmt.Errorf("Holes: %w", err)
		}
		t.holes = append(t.holes, h)
	}
	return nil
}

// bound is more than the magnitude of what a formula can be: draws of the normal distribution are below 9.
func (n *node) bound() float64 {
	b := 0.0
	for i, a := range n.args {
		switch v := a.bound(); {
		case n.op == '*' && i > 0:
			b *= v
		case n.op == '^':
			b = math.Pow(v, float64(n.n))
		default:
			b += v
		}
	}
	switch n.op {
	case '#':
		return n.v
	case 'x':
		return 20
	case 's', 'c', '>', '<', '=':
		return 1
	}
	return b
}

func (t *table) columns() []dataset.Column {
	cols := []dataset.Column{{Name: "numeric", DType: dataset.F32, Shape: []int{t.Normal + t.Uniform}, Missing: true}}
	if n := len(t.Categories); n > 0 {
		cols = append(cols, dataset.Column{Name: "categorical", DType: dataset.I64, Shape: []int{n}})
	}
	return append(cols, dataset.Column{Name: "target", DType: dataset.F32, Shape: []int{1}}, dataset.Column{Name: "y", DType: dataset.I64}, factorColumn(t.names()))
}

func (t *table) names() []string {
	names := []string{"hidden", "target without noise"}
	for i := range t.Normal + t.Uniform {
		names = append(names, "x"+strconv.Itoa(i+1))
	}
	return names
}

// firstCategory is the number of the first value of a category: 0 is a value never seen and 1 is missing.
const firstCategory = 2

func (t *table) fill(_, key random.Key, c cells) {
	numeric, target, factors := c.f32[0], c.f32[1], c.f32[2]
	categorical, y := c.i64[0], c.i64[1]
	if len(t.Categories) == 0 {
		categorical, y = nil, c.i64[0]
	}
	var x [2 * most]float64
	draws, uniform := key.DeriveString("normal"), key.DeriveString("uniform")
	hidden := normal(draws, 0)
	common, own := math.Sqrt(t.Shared), math.Sqrt(1-t.Shared)
	for i := range t.Normal {
		x[i] = dot(common, hidden, own, normal(draws, uint64(i+2)))
	}
	for i := range t.Uniform {
		x[t.Normal+i] = between(-1, 1, uniform.Float64(uint64(i)))
	}
	var values [most]int64
	category := key.DeriveString("category")
	for i, n := range t.Categories {
		values[i] = int64(category.Uint64N(uint64(i), uint64(n)))
		categorical[i] = values[i] + firstCategory
	}
	clean := t.target.root.of(x[:], values[:])
	noisy := clean
	if t.Noise > 0 {
		noisy = math.FMA(t.Noise, normal(key.DeriveString("noise"), 0), clean)
	}
	target[0], y[0] = float32(noisy), 0
	for _, cut := range t.Cuts {
		if noisy >= cut {
			y[0]++
		}
	}
	factors[0], factors[1] = float32(hidden), float32(clean)
	holes, nan := key.DeriveString("holes"), float32(math.NaN())
	for i := range numeric {
		numeric[i] = float32(x[i])
		factors[2+i] = numeric[i]
		if holes.Float64(uint64(i)) < t.Missing {
			numeric[i] = nan
		}
	}
	for i := range t.holes {
		if h := &t.holes[i]; h.where.root.of(x[:], values[:]) != 0 {
			numeric[h.column] = nan
		}
	}
}
