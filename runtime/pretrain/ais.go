package pretrain

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/lamina-ml/lamina/compiler/random"
	"github.com/lamina-ml/lamina/kernels/simd"
)

// AISOptions says how to estimate a partition function. The zero value of a field is
// the default named beside it.
type AISOptions struct {
	Chains  int       // independent runs; 100
	Steps   int       // distributions between the base and the machine; 1000
	Seed    uint64    // of the draws
	Means   []float32 // of the visible units in the data, for a base closer to them; all 1/2
	Workers int       // goroutines; GOMAXPROCS. No result depends on it
}

// AIS is an estimate of the logarithm of a partition function.
type AIS struct {
	LogZ      float64
	Low, High float64 // the logarithms of the mean weight minus and plus three of its standard deviations; Low is -Inf if the former is not positive
}

// Greatest numbers of chains and steps.
const (
	maxChains = 1 << 16
	maxSteps  = 1 << 20
)

// aisBlock is the chains that one goroutine runs at a time.
const aisBlock = 20

// AIS estimates the logarithm of the partition function of a machine of bits by
// annealed importance sampling (Neal 2001; Salakhutdinov and Murray 2008): chains go
// from a machine without weights, whose partition function is known, through
// intermediate distributions to this one. The mean of the weights has no bias; its
// logarithm tends to be too small if the chains do not mix.
//
// Errors: some units are real numbers; options out of range; ctx ended.
func (m *Machine) AIS(ctx context.Context, o AISOptions) (AIS, error) {
	if o.Chains == 0 {
		o.Chains = 100
	}
	if o.Steps == 0 {
		o.Steps = 1000
	}
	switch {
	case m.Gaussian || m.Linear:
		return AIS{}, errors.New("pretrain: AIS is for machines of bits; some of these units are real numbers")
	case o.Chains < 2 || o.Chains > maxChains:
		return AIS{}, fmt.Errorf("pretrain: AISOptions.Chains must be from 2 to %d, got %d", maxChains, o.Chains)
	case o.Steps < 1 || o.Steps > maxSteps:
		return AIS{}, fmt.Errorf("pretrain: AISOptions.Steps must be from 1 to %d, got %d", maxSteps, o.Steps)
	case o.Means != nil && len(o.Means) != m.Visible:
		return AIS{}, fmt.Errorf("pretrain: AISOptions.Means has %d values for %d visible units", len(o.Means), m.Visible)
	case o.Workers < 0:
		return AIS{}, fmt.Errorf("pretrain: AISOptions.Workers must be 0 or more, got %d", o.Workers)
	}
	base := make([]float32, m.Visible)
	logZ := float64(m.Hidden) * math.Ln2
	for i := range base {
		if o.Means != nil {
			p := min(max(float64(o.Means[i]), 0.005), 0.995) // no bit is certain
			if p != p {
				return AIS{}, fmt.Errorf("pretrain: AISOptions.Means: the mean of unit %d is NaN", i)
			}
			base[i] = float32(math.Log(p / (1 - p)))
		}
		logZ += softplus(float64(base[i]))
	}
	weights := make([]float64, o.Chains)
	workers := o.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	blocks := make(chan int)
	var wg sync.WaitGroup
	for range min(workers, (o.Chains+aisBlock-1)/aisBlock) {
		wg.Go(func() {
			for first := range blocks {
				m.anneal(ctx, o, base, first, weights[first:min(first+aisBlock, o.Chains)])
			}
		})
	}
	for first := 0; first < o.Chains; first += aisBlock {
		blocks <- first
	}
	close(blocks)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return AIS{}, err
	}
	return estimate(logZ, weights), nil
}

// estimate turns the logarithms of weights into that of their mean.
func estimate(logZ float64, weights []float64) AIS {
	top := math.Inf(-1)
	for _, w := range weights {
		top = max(top, w)
	}
	n, mean, square := float64(len(weights)), 0.0, 0.0
	for _, w := range weights {
		mean += math.Exp(w-top) / n
	}
	for _, w := range weights {
		d := math.Exp(w-top) - mean
		square += d * d / (n - 1)
	}
	sd := 3 * math.Sqrt(square/n)
	a := AIS{LogZ: logZ + top + math.Log(mean), Low: math.Inf(-1), High: logZ + top + math.Log(mean+sd)}
	if mean > sd {
		a.Low = logZ + top + math.Log(mean-sd)
	}
	return a
}

// anneal runs the chains from first on and sets the logarithms of their weights. The
// draws of a chain depend on its number alone.
func (m *Machine) anneal(ctx context.Context, o AISOptions, base []float32, first int, weights []float64) {
	n, nv, nh := len(weights), m.Visible, m.Hidden
	v, y := make([]float32, n*nv), make([]float32, n*nv)
	x, h, tmp := make([]float32, n*nh), make([]float32, n*nh), make([]float32, nh)
	key := random.New(o.Seed).DeriveString("ais")
	for r := range n {
		simd.Sigmoid(y[r*nv:][:nv], base)
	}
	draw := func(dst, p []float32, step, layer, width int) {
		simd.Sample(dst, p, key.Derive(uint64(step), uint64(layer)), uint64(first*width))
	}
	draw(v, y, 0, 0, nv)
	for k := 1; k <= o.Steps; k++ {
		if ctx.Err() != nil {
			return
		}
		before, beta := float64(k-1)/float64(o.Steps), float64(k)/float64(o.Steps)
		m.up(n, v, x)
		for r := range n {
			s := 0.0
			for i, on := range v[r*nv:][:nv] {
				s += float64(on) * (float64(m.b[i]) - float64(base[i]))
			}
			s *= beta - before
			z, p := x[r*nh:][:nh], h[r*nh:][:nh]
			simd.MulScalar(tmp, z, float32(before))
			s -= simd.SigmoidSoftplus(p, tmp)
			simd.MulScalar(tmp, z, float32(beta))
			s += simd.SigmoidSoftplus(p, tmp) // p is the probabilities at beta
			weights[r] += s
		}
		if k == o.Steps {
			return
		}
		draw(h, h, k, 1, nh)
		m.down(n, h, y)
		simd.MulScalar(y, y, float32(beta))
		for r := range n {
			simd.Axpy(y[r*nv:][:nv], float32(1-beta), base)
		}
		simd.Sigmoid(y, y)
		draw(v, y, k, 0, nv)
	}
}

// Samples returns rows of visible means, each at the end of a chain of Gibbs steps that
// starts from a row of start, or, if start is nil, from one of n rows of hidden bits that
// are 1 with probability 1/2. Chains are independent. If start is given, its number of
// rows is used and n is ignored.
// Errors: start is not a whole number of rows of visible units; n or steps is not positive.
func (m *Machine) Samples(n, steps int, start []float32, seed uint64) ([]float32, error) {
	if start != nil {
		var err error
		if n, err = rowsOf(start, m.Visible); err != nil {
			return nil, err
		}
	}
	if n < 1 || n > maxChains || steps < 1 || steps > maxSteps {
		return nil, fmt.Errorf("pretrain: Samples: rows must be from 1 to %d and steps from 1 to %d, got %d and %d", maxChains, maxSteps, n, steps)
	}
	key := random.New(seed).DeriveString("samples")
	x, h := make([]float32, n*m.Hidden), make([]float32, n*m.Hidden)
	v := append(make([]float32, 0, n*m.Visible), start...)[:n*m.Visible]
	draw := func(dst, mean []float32, real bool, step, layer int) {
		k := key.Derive(uint64(step), uint64(layer))
		if real {
			simd.AddNormal(dst, mean, k, 0, 1)
		} else {
			simd.Sample(dst, mean, k, 0)
		}
	}
	for s := range steps {
		if s == 0 && start == nil {
			for i := range x {
				x[i] = 0.5
			}
			simd.Sample(h, x, key, 0)
		} else {
			if s > 0 {
				draw(v, v, m.Gaussian, s, 0)
			}
			m.up(n, v, x)
			if !m.Linear {
				simd.Sigmoid(x, x)
			}
			draw(h, x, m.Linear, s, 1)
		}
		m.down(n, h, v)
		if !m.Gaussian {
			simd.Sigmoid(v, v)
		}
	}
	return v, nil
}

// Dream returns rows of visible means of a deep belief net, whose machines are given
// from the input on: samples of the topmost machine, passed down through the others by
// their means (Hinton, Osindero and Teh 2006).
// Errors: those of [Machine.Samples]; there is no machine; two do not fit.
func Dream(net []*Machine, n, steps int, seed uint64) ([]float32, error) {
	if len(net) == 0 {
		return nil, errors.New("pretrain: Dream: there is no machine")
	}
	for i := 1; i < len(net); i++ {
		if net[i].Visible != net[i-1].Hidden {
			return nil, fmt.Errorf("pretrain: Dream: machine %d has %d hidden units, the one above it %d visible ones", i, net[i-1].Hidden, net[i].Visible)
		}
	}
	v, err := net[len(net)-1].Samples(n, steps, nil, seed)
	for i := len(net) - 2; i >= 0 && err == nil; i-- {
		v, err = net[i].VisibleMeans(v)
	}
	return v, err
}

// Filters returns the weights of the first n hidden units, one row of visible units
// each, scaled so that 0 becomes 1/2 and the greatest magnitude of a row becomes 0 or 1,
// ready for package picture to draw.
func (m *Machine) Filters(n int) [][]float32 {
	n = min(max(n, 0), m.Hidden)
	out := make([][]float32, n)
	for j := range out {
		row := append([]float32{}, m.wt[j*m.Visible:][:m.Visible]...)
		top := float32(0)
		for _, w := range row {
			top = max(top, w, -w)
		}
		for i, w := range row {
			row[i] = 0.5
			if top > 0 {
				row[i] += w / (2 * top)
			}
		}
		out[j] = row
	}
	return out
}
