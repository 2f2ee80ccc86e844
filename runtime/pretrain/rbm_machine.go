package pretrain

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/train"
	"github.com/lamina-ml/lamina/spec"
)

// Machine is a trained restricted Boltzmann machine as plain numbers, for measuring it and
// drawing samples from it. Rows of units are given one after the other. Its methods may
// be called concurrently.
type Machine struct {
	Visible, Hidden  int  // numbers of units
	Gaussian, Linear bool // units that are real numbers, as of spec.Boltzmann

	w, wt []float32 // [Visible Hidden], and transposed
	b, c  []float32 // visible and hidden biases
}

// Machines returns the machine of each stage, from the input on, with the weights that
// the stage left, even if later phases of the result's program trained them further.
// Errors: the program had no such phase.
func (s *RBMPhase) Machines(r *train.Result) ([]*Machine, error) {
	if s == nil || s.stack == nil || r == nil {
		return nil, errors.New("pretrain: Machines: the phase, its stack and the result must not be nil")
	}
	list, err := s.machines()
	if err != nil {
		return nil, err
	}
	out := make([]*Machine, len(list))
	for i, m := range list {
		e, err := s.left(r, i)
		if err == nil {
			out[i], err = machineOf(e, m)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// left returns what stage k left.
func (s *RBMPhase) left(r *train.Result, k int) (train.Earlier, error) {
	own, err := r.Earlier()
	for _, e := range append(r.Before(), own) {
		if err == nil && e.Phase.Name == s.name(k) {
			return e, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("pretrain: Machines: the program has no phase %s", s.name(k))
	}
	return train.Earlier{}, err
}

// machineOf returns the machine with the weights that a phase left.
func machineOf(e train.Earlier, m *spec.Boltzmann) (*Machine, error) {
	w, c, b, err := m.Params()
	if err != nil {
		return nil, err
	}
	var x [3][]float32
	for i, p := range []spec.Param{w, b, c} {
		for _, q := range e.Params {
			if q.Same(p) {
				x[i] = e.Values[q.Name]
			}
		}
	}
	gaussian, linear := m.Units()
	return newMachine(w.Type.Shape[0].Length(), w.Type.Shape[1].Length(), gaussian, linear, x[0], x[1], x[2])
}

func newMachine(visible, hidden int, gaussian, linear bool, w, b, c []float32) (*Machine, error) {
	if len(w) != visible*hidden || len(b) != visible || len(c) != hidden || visible == 0 || hidden == 0 {
		return nil, fmt.Errorf("pretrain: a machine of %d and %d units has %d weights and %d and %d biases", visible, hidden, len(w), len(b), len(c))
	}
	m := &Machine{Visible: visible, Hidden: hidden, Gaussian: gaussian, Linear: linear, w: w, b: b, c: c, wt: make([]float32, len(w))}
	simd.Transpose(visible, hidden, w, hidden, m.wt, visible)
	return m, nil
}

// rowsOf returns how many rows of a width x holds.
func rowsOf(x []float32, width int) (int, error) {
	if len(x) == 0 || len(x)%width != 0 {
		return 0, fmt.Errorf("pretrain: rows of %d units are needed, got %d values", width, len(x))
	}
	return len(x) / width, nil
}

// up sets x to v·W + c for n rows.
func (m *Machine) up(n int, v, x []float32) {
	simd.Gemm(n, m.Hidden, m.Visible, v, m.Visible, 1, m.w, m.Hidden, x, m.Hidden, false, simd.Epilogue{Bias: m.c})
}

// down sets y to h·Wᵀ + b for n rows.
func (m *Machine) down(n int, h, y []float32) {
	simd.Gemm(n, m.Visible, m.Hidden, h, m.Hidden, 1, m.wt, m.Visible, y, m.Visible, false, simd.Epilogue{Bias: m.b})
}

// HiddenMeans returns the means of the hidden units for rows of visible ones.
// Errors: v is not a whole number of rows.
func (m *Machine) HiddenMeans(v []float32) ([]float32, error) {
	n, err := rowsOf(v, m.Visible)
	if err != nil {
		return nil, err
	}
	x := make([]float32, n*m.Hidden)
	m.up(n, v, x)
	if !m.Linear {
		simd.Sigmoid(x, x)
	}
	return x, nil
}

// VisibleMeans returns the means of the visible units for rows of hidden ones.
// Errors: h is not a whole number of rows.
func (m *Machine) VisibleMeans(h []float32) ([]float32, error) {
	n, err := rowsOf(h, m.Hidden)
	if err != nil {
		return nil, err
	}
	y := make([]float32, n*m.Visible)
	m.down(n, h, y)
	if !m.Gaussian {
		simd.Sigmoid(y, y)
	}
	return y, nil
}

// FreeEnergy returns F of each row, as spec.Boltzmann.FreeEnergy.
// Errors: v is not a whole number of rows.
func (m *Machine) FreeEnergy(v []float32) ([]float64, error) {
	n, err := rowsOf(v, m.Visible)
	if err != nil {
		return nil, err
	}
	x := make([]float32, n*m.Hidden)
	m.up(n, v, x)
	out := make([]float64, n)
	for i := range out {
		out[i] = m.visiblePart(v[i*m.Visible:][:m.Visible]) - m.hiddenPart(x[i*m.Hidden:][:m.Hidden])
	}
	return out, nil
}

func (m *Machine) visiblePart(v []float32) (s float64) {
	for i, x := range v {
		if m.Gaussian {
			d := float64(x) - float64(m.b[i])
			s += d * d / 2
		} else {
			s -= float64(x) * float64(m.b[i])
		}
	}
	return s
}

func (m *Machine) hiddenPart(x []float32) (s float64) {
	for _, v := range x {
		if m.Linear {
			s += float64(v) * float64(v) / 2
		} else {
			s += softplus(float64(v))
		}
	}
	return s
}

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

// ReconstructionError returns the squared error between rows and their
// reconstruction from the means of the hidden units: summed over the visible units and
// averaged over the rows (Hinton 2010, section 5, says what it is good for).
// Errors: v is not a whole number of rows.
func (m *Machine) ReconstructionError(v []float32) (float64, error) {
	h, err := m.HiddenMeans(v)
	if err != nil {
		return 0, err
	}
	y, err := m.VisibleMeans(h)
	if err != nil {
		return 0, err
	}
	s := 0.0
	for i := range v {
		d := float64(y[i]) - float64(v[i])
		s += d * d
	}
	return s / float64(len(v)/m.Visible), nil
}

// FreeEnergyGap returns the mean free energy of held-out rows minus that of training
// rows. Near 0 the machine has not begun to overfit; what counts is whether the gap grows
// from epoch to epoch (Hinton 2010, section 6).
// Errors: one of the two is not a whole number of rows.
func (m *Machine) FreeEnergyGap(training, held []float32) (float64, error) {
	var means [2]float64
	for i, v := range [][]float32{training, held} {
		f, err := m.FreeEnergy(v)
		if err != nil {
			return 0, err
		}
		for _, x := range f {
			means[i] += x / float64(len(f))
		}
	}
	return means[1] - means[0], nil
}

// PseudoLikelihood returns the mean over the rows of the logarithm of the
// pseudo-likelihood, the sum over the visible bits of log p(bit | the others) (Besag
// 1975), estimated without bias from one bit of each row, which seed draws. Rows are
// rounded to bits.
// Errors: v is not a whole number of rows; the visible units are not bits.
func (m *Machine) PseudoLikelihood(v []float32, seed uint64) (float64, error) {
	if m.Gaussian {
		return 0, errors.New("pretrain: PseudoLikelihood is of visible bits; these units are real numbers")
	}
	n, err := rowsOf(v, m.Visible)
	if err != nil {
		return 0, err
	}
	rounded := make([]float32, len(v))
	for i, x := range v {
		if x >= 0.5 {
			rounded[i] = 1
		}
	}
	flipped := append([]float32{}, rounded...)
	key := random.New(seed).DeriveString("pseudolikelihood")
	for r := range n {
		i := r*m.Visible + int(key.Uint64N(uint64(r), uint64(m.Visible)))
		flipped[i] = 1 - flipped[i]
	}
	f, err := m.FreeEnergy(rounded)
	if err != nil {
		return 0, err
	}
	g, err := m.FreeEnergy(flipped)
	if err != nil {
		return 0, err
	}
	s := 0.0
	for r := range f {
		s -= softplus(f[r] - g[r]) // log σ(F(flipped) - F)
	}
	return s * float64(m.Visible) / float64(n), nil
}

// LogLikelihood returns the mean of log p over rows for a logarithm of the
// partition function, as [Machine.LogZ] and [Machine.AIS] give it.
// Errors: v is not a whole number of rows.
func (m *Machine) LogLikelihood(v []float32, logZ float64) (float64, error) {
	f, err := m.FreeEnergy(v)
	if err != nil {
		return 0, err
	}
	s := 0.0
	for _, x := range f {
		s -= x / float64(len(f))
	}
	return s - logZ, nil
}

// maxExact is the number of bits whose states are all visited.
const maxExact = 24

// LogZ returns the logarithm of the partition function, the sum or integral of
// exp(-F) over the visible units, by visiting every state of one layer of bits. The time
// doubles with each bit and grows with the units of the other layer: seconds for 16 bits
// and 784 units, a quarter of an hour for 24 bits.
// Errors: neither layer has at most 24 units, all bits; that of the context.
func (m *Machine) LogZ(ctx context.Context) (float64, error) {
	hidden := !m.Linear && m.Hidden <= maxExact && (m.Hidden <= m.Visible || m.Gaussian || m.Visible > maxExact)
	switch {
	case hidden:
		z, err := states(ctx, m.wt, m.c, m.b, m.Gaussian)
		if m.Gaussian { // ∫exp(-½(v-b)² + v·y) = √2π·exp(½(y+b)² - ½b²)
			for _, b := range m.b {
				z += math.Log(2*math.Pi)/2 - float64(b)*float64(b)/2
			}
		}
		return z, err
	case !m.Gaussian && m.Visible <= maxExact:
		return states(ctx, m.w, m.b, m.c, m.Linear)
	}
	advice := "use AIS"
	if m.Gaussian || m.Linear {
		advice = "there is no estimate for machines with real numbers"
	}
	return 0, fmt.Errorf("pretrain: LogZ visits every state of one layer of at most %d bits; here are %d visible and %d hidden units: %s", maxExact, m.Visible, m.Hidden, advice)
}

// states returns the logarithm of the sum over all states of a layer of bits of
// exp(a·bits + Σ softplus(x)) or, the other layer being real, exp(a·bits + ½‖x‖²), for
// x = bits·w + b. From a state to the next one bit changes (Gray 1953).
func states(ctx context.Context, w, a, b []float32, real bool) (float64, error) {
	x, on := make([]float64, len(b)), make([]bool, len(a))
	bias := 0.0 // of the bits that are on
	for i, v := range b {
		x[i] = float64(v)
	}
	top, sum := math.Inf(-1), 0.0
	for s := uint(1); ; s++ {
		if s%1024 == 0 && ctx.Err() != nil {
			return 0, fmt.Errorf("pretrain: LogZ: %w", ctx.Err())
		}
		if v := bias + standing(x, real); v > top {
			sum = sum*math.Exp(top-v) + 1
			top = v
		} else {
			sum += math.Exp(v - top)
		}
		k := 0
		for s>>k&1 == 0 {
			k++
		}
		if k == len(a) {
			return top + math.Log(sum), nil
		}
		sign := 1.0
		if on[k] {
			sign = -1
		}
		on[k] = !on[k]
		bias += sign * float64(a[k])
		for i, v := range w[k*len(b):][:len(b)] {
			x[i] += sign * float64(v)
		}
	}
}

// standing is the part of the layer that stands for itself.
func standing(x []float64, real bool) float64 {
	s, product := 0.0, 1.0
	for i, v := range x {
		if real {
			s += v * v / 2
			continue
		}
		s += max(v, 0)
		if product *= 1 + math.Exp(-math.Abs(v)); i&255 == 255 { // one logarithm for many factors of at most 2
			s, product = s+math.Log(product), 1
		}
	}
	return s + math.Log(product)
}
