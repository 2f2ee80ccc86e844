package pretrain

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// toy returns a machine with random weights.
func toy(t *testing.T, visible, hidden int, scale float64, gaussian, linear bool) *Machine {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(visible), uint64(hidden)))
	draw := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(scale * r.NormFloat64())
		}
		return x
	}
	m, err := newMachine(visible, hidden, gaussian, linear, draw(visible*hidden), draw(visible), draw(hidden))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// bitsOf returns every row of n bits.
func bitsOf(n int) []float32 {
	var v []float32
	for s := range 1 << n {
		for i := range n {
			v = append(v, float32(s>>i&1))
		}
	}
	return v
}

func logSum(x []float64) float64 {
	top := slices.Max(x)
	s := 0.0
	for _, v := range x {
		s += math.Exp(v - top)
	}
	return top + math.Log(s)
}

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// TestLogZ compares the exact partition function with the sum of exp(-F), and with
// the energies of all joint states.
func TestLogZ(t *testing.T) {
	for _, size := range [][2]int{{5, 7}, {7, 5}, {6, 6}, {1, 1}} {
		m := toy(t, size[0], size[1], 1, false, false)
		f, err := m.FreeEnergy(bitsOf(m.Visible))
		if err != nil {
			t.Fatal(err)
		}
		for i := range f {
			f[i] = -f[i]
		}
		got, err := m.LogZ(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		near(t, "log Z by visible states", got, logSum(f), 1e-4)
		var joint []float64
		vs, hs := bitsOf(m.Visible), bitsOf(m.Hidden)
		for a := 0; a < len(vs); a += m.Visible {
			for b := 0; b < len(hs); b += m.Hidden {
				e := 0.0
				for i, v := range vs[a : a+m.Visible] {
					e += float64(v * m.b[i])
					for j, h := range hs[b : b+m.Hidden] {
						e += float64(v) * float64(h) * float64(m.w[i*m.Hidden+j])
					}
				}
				for j, h := range hs[b : b+m.Hidden] {
					e += float64(h * m.c[j])
				}
				joint = append(joint, e)
			}
		}
		near(t, "log Z by joint states", got, logSum(joint), 1e-5)
	}
	// Real visible units: the integral over the only one.
	m := toy(t, 1, 3, 1, true, false)
	const step = 1e-3
	var logs []float64
	for x := -20.0; x < 20; x += step {
		f, err := m.FreeEnergy([]float32{float32(x)})
		if err != nil {
			t.Fatal(err)
		}
		logs = append(logs, -f[0])
	}
	got, err := m.LogZ(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	near(t, "log Z of a real unit", got, logSum(logs)+math.Log(step), 1e-4)
	// Linear hidden units.
	m = toy(t, 4, 3, 0.5, false, true)
	f, err := m.FreeEnergy(bitsOf(4))
	if err != nil {
		t.Fatal(err)
	}
	for i := range f {
		f[i] = -f[i]
	}
	if got, err = m.LogZ(context.Background()); err != nil {
		t.Fatal(err)
	}
	near(t, "log Z with linear hidden units", got, logSum(f), 1e-4)
	ended, end := context.WithCancel(context.Background())
	end()
	if _, err := toy(t, 24, 24, 1, false, false).LogZ(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := toy(t, 25, 25, 1, false, false).LogZ(context.Background()); err == nil || !strings.Contains(err.Error(), "here are 25 visible and 25 hidden units: use AIS") {
		t.Errorf("got %v", err)
	}
	if _, err := toy(t, 25, 25, 1, true, false).LogZ(context.Background()); err == nil || !strings.Contains(err.Error(), "there is no estimate for machines with real numbers") {
		t.Errorf("got %v", err)
	}
	// A layer of more units than are multiplied before a logarithm is taken, against
	// the sum as it stands.
	m = toy(t, 700, 3, 1, false, false)
	var sums []float64
	for hs := bitsOf(3); len(hs) > 0; hs = hs[3:] {
		s := 0.0
		for j, h := range hs[:3] {
			s += float64(h * m.c[j])
		}
		for i, b := range m.b {
			y := float64(b)
			for j, h := range hs[:3] {
				y += float64(h * m.w[i*3+j])
			}
			s += softplus(y)
		}
		sums = append(sums, s)
	}
	if got, err = m.LogZ(context.Background()); err != nil {
		t.Fatal(err)
	}
	near(t, "log Z of a wide layer", got, logSum(sums), 1e-10)
}

// TestAIS holds the estimate against the exact partition function, and its bits
// against the number of workers.
func TestAIS(t *testing.T) {
	m := toy(t, 12, 10, 0.7, false, false)
	want, err := m.LogZ(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	means := make([]float32, 12)
	for i := range means {
		means[i] = float32(i) / 11 // with bits that are certain
	}
	for _, o := range []AISOptions{{}, {Means: means}, {Steps: 300, Chains: 60, Seed: 4}} {
		a, err := m.AIS(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "log Z by AIS", a.LogZ, want, 0.15)
		if !(a.Low < a.LogZ && a.LogZ < a.High) || a.Low > want || a.High < want {
			t.Errorf("the bounds of %+v do not hold %v", a, want)
		}
		o.Workers = 3
		b, err := m.AIS(context.Background(), o)
		if err != nil || a != b {
			t.Errorf("three workers give %+v, %v, not %+v", b, err, a)
		}
	}
	// With one step it is plain importance sampling, which knows of its own doubt.
	rough, err := m.AIS(context.Background(), AISOptions{Steps: 1, Chains: 50})
	if err != nil || rough.High-rough.LogZ < 0.2 {
		t.Errorf("one step gives %+v, %v", rough, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.AIS(ctx, AISOptions{}); err != context.Canceled {
		t.Errorf("got %v", err)
	}
	for _, c := range []struct {
		m    *Machine
		o    AISOptions
		want string
	}{
		{toy(t, 3, 3, 1, true, false), AISOptions{}, "some of these units are real numbers"},
		{m, AISOptions{Chains: 1}, "Chains must be from 2"},
		{m, AISOptions{Steps: -1}, "Steps must be from 1"},
		{m, AISOptions{Workers: -1}, "Workers must be 0 or more"},
		{m, AISOptions{Means: means[:3]}, "Means has 3 values for 12 visible units"},
		{m, AISOptions{Means: append([]float32{float32(math.NaN())}, means[1:]...)}, "the mean of unit 0 is NaN"},
	} {
		if _, err := c.m.AIS(context.Background(), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// TestPseudoLikelihood averages the estimate over seeds and compares it with the sum
// over all bits.
func TestPseudoLikelihood(t *testing.T) {
	m := toy(t, 6, 4, 1, false, false)
	v := bitsOf(6)[6*9 : 6*14]
	f, err := m.FreeEnergy(v)
	if err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for r := range f {
		for i := range 6 {
			w := slices.Clone(v[r*6:][:6])
			w[i] = 1 - w[i]
			g, err := m.FreeEnergy(w)
			if err != nil {
				t.Fatal(err)
			}
			want += math.Log(1/(1+math.Exp(f[r]-g[0]))) / float64(len(f))
		}
	}
	got := 0.0
	const seeds = 4000
	for s := range uint64(seeds) {
		p, err := m.PseudoLikelihood(v, s)
		if err != nil {
			t.Fatal(err)
		}
		got += p / seeds
	}
	near(t, "the pseudo-likelihood", got, want, 0.02*math.Abs(want))
	if _, err := toy(t, 2, 2, 1, true, false).PseudoLikelihood([]float32{1, 2}, 0); err == nil || !strings.Contains(err.Error(), "these units are real numbers") {
		t.Errorf("got %v", err)
	}
}

// TestSamples draws from a small machine and compares the means of the bits with
// those of its distribution.
func TestSamples(t *testing.T) {
	m := toy(t, 4, 3, 0.8, false, false)
	v := bitsOf(4)
	f, err := m.FreeEnergy(v)
	if err != nil {
		t.Fatal(err)
	}
	logZ, err := m.LogZ(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float64, 4)
	for r := range f {
		for i := range want {
			want[i] += float64(v[r*4+i]) * math.Exp(-f[r]-logZ)
		}
	}
	const n = 4000
	x, err := m.Samples(n, 20, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		s := 0.0
		for r := range n {
			s += float64(x[r*4+i]) / n
		}
		near(t, "the mean of a bit", s, want[i], 0.03)
	}
	y, err := m.Samples(0, 1, []float32{0, 1, 0, 1, 1, 1, 1, 1}, 1)
	if err != nil || len(y) != 8 {
		t.Errorf("two rows to start from give %v, %v", y, err)
	}
	for _, err := range []error{
		second(m.Samples(0, 5, nil, 1)), second(m.Samples(5, 0, nil, 1)), second(m.Samples(1, 1, make([]float32, 5), 1)), second(Dream(nil, 1, 1, 1)),
		second(Dream([]*Machine{m, m}, 1, 1, 1)), second(m.FreeEnergy(nil)), second(m.HiddenMeans(make([]float32, 3))), second(m.VisibleMeans(make([]float32, 5))),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "pretrain: ") {
			t.Errorf("got %v", err)
		}
	}
	top := toy(t, 3, 5, 0.8, false, false)
	a, err := Dream([]*Machine{m, top}, 7, 10, 3)
	if err != nil {
		t.Fatal(err)
	}
	h, err := top.Samples(7, 10, nil, 3)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := m.VisibleMeans(h); err != nil || !slices.Equal(a, b) {
		t.Errorf("a dream is not the samples passed down: %v", err)
	}
	fs := m.Filters(99)
	if len(fs) != 3 || len(fs[0]) != 4 || slices.Max(fs[1]) > 1 || slices.Min(fs[1]) < 0 || slices.Max(fs[1]) != 1 && slices.Min(fs[1]) != 0 {
		t.Errorf("the filters are %v", fs)
	}
	near(t, "a filter's scale", float64((fs[2][0]-0.5)/(fs[2][1]-0.5)), float64(m.w[0*3+2]/m.w[1*3+2]), 1e-4)
}

// TestMeasures works the measures of a machine out in float64, for every kind of
// units.
func TestMeasures(t *testing.T) {
	for _, c := range []struct{ gaussian, linear bool }{{false, false}, {true, false}, {false, true}} {
		m := toy(t, 5, 3, 0.8, c.gaussian, c.linear)
		v := []float32{0, 1, 0.5, 1, 0, 1, 1, 0.25, 0, 1, 0, 0, 1, 0.75, 1} // three rows
		if c.gaussian {
			for i := range v {
				v[i] = 3*v[i] - 1
			}
		}
		energies, errors := make([]float64, 3), 0.0
		for r := range 3 {
			row, h := v[r*5:][:5], make([]float64, 3)
			for j := range h {
				x := float64(m.c[j])
				for i, a := range row {
					x += float64(a) * float64(m.w[i*3+j])
				}
				if h[j] = x; c.linear {
					energies[r] -= x * x / 2
				} else {
					h[j] = 1 / (1 + math.Exp(-x))
					energies[r] -= math.Log(1 + math.Exp(x))
				}
			}
			for i, a := range row {
				b := float64(m.b[i])
				y := b
				for j := range h {
					y += h[j] * float64(m.w[i*3+j])
				}
				if c.gaussian {
					energies[r] += math.Pow(float64(a)-b, 2) / 2
				} else {
					y = 1 / (1 + math.Exp(-y))
					energies[r] -= float64(a) * b
				}
				errors += math.Pow(y-float64(a), 2) / 3
			}
		}
		f, err := m.FreeEnergy(v)
		if err != nil {
			t.Fatal(err)
		}
		for r, want := range energies {
			near(t, "the free energy", f[r], want, 1e-5)
		}
		got, err := m.ReconstructionError(v)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "the reconstruction error", got, errors, 1e-5*(1+errors))
		if got, err = m.FreeEnergyGap(v[:10], v[10:]); err != nil {
			t.Fatal(err)
		}
		near(t, "the gap", got, energies[2]-(energies[0]+energies[1])/2, 1e-5)
		if got, err = m.LogLikelihood(v, 7); err != nil {
			t.Fatal(err)
		}
		near(t, "the likelihood", got, -(energies[0]+energies[1]+energies[2])/3-7, 1e-5)
	}
	m := toy(t, 5, 3, 0.8, false, false)
	for _, err := range []error{
		second(m.FreeEnergyGap(nil, make([]float32, 5))), second(m.FreeEnergyGap(make([]float32, 5), make([]float32, 4))),
		second(m.ReconstructionError(make([]float32, 4))), second(m.LogLikelihood(nil, 0)), second(m.PseudoLikelihood(nil, 0)),
	} {
		if err == nil || !strings.Contains(err.Error(), "rows of 5 units are needed") {
			t.Errorf("got %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
