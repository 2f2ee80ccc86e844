package train

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-ml/lamina/compiler"
	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/kernels/simd"
	"github.com/lamina-ml/lamina/runtime/optim"
	"github.com/lamina-ml/lamina/spec"
)

// checkPrecision refuses parts of an update that would add up to other sums than the whole does.
func (o *Options) checkPrecision(bad func(format string, a ...any)) {
	p := o.Precision
	if !p.Narrow() {
		if len(p.Kept()) > 0 {
			bad("Options.Precision: Except says what is not in BF16, but the precision is FP32, in which everything is: take optim.BF16.Except(…)")
		}
		return
	}
	if o.Accumulate > 1 && o.Shards == 1 && o.Batch%simd.BF16Block != 0 {
		bad("Options.Batch is %d and Accumulate %d, but in BF16 the rows of an update are added in blocks of %d, which its parts must not cut: take a Batch that is a multiple of it, such as %d",
			o.Batch, o.Accumulate, simd.BF16Block, (o.Batch+simd.BF16Block-1)/simd.BF16Block*simd.BF16Block)
	}
}

// checkKept refuses patterns that keep nothing in FP32.
func (o *Options) checkKept(m *spec.Model) error {
	if !o.Precision.Narrow() || len(o.Precision.Kept()) == 0 {
		return nil
	}
	g, err := m.Graph()
	if err == nil {
		g, err = compiler.Plain(g, false) // a gradient that is a value has layers of its own
	}
	if err != nil {
		return err
	}
	var layers []string
	for _, n := range g.Nodes {
		if multiplies(n.Op) && !slices.Contains(layers, n.Layer) {
			layers = append(layers, n.Layer)
		}
	}
	var errs []error
	for _, pattern := range o.Precision.Kept() {
		if err := optim.CheckPattern(pattern); err != nil {
			errs = append(errs, fmt.Errorf("train: Options.Precision: %q: %w", pattern, err))
		} else if !slices.ContainsFunc(layers, func(l string) bool { return optim.Match(pattern, l) }) {
			errs = append(errs, fmt.Errorf("train: Options.Precision: %q matches no layer with a product; those are %s", pattern, strings.Join(layers, ", ")))
		}
	}
	return errors.Join(errs...)
}

// multiplies reports whether an op is a product, or has one as a part.
func multiplies(op ir.Op) bool {
	_, narrow := op.(ir.Narrower)
	_, product := op.(ir.Multiplier)
	return narrow || product
}

// bf16 returns what the compiler is to make of the products of a run, nil for FP32.
func (o *Options) bf16() *compiler.BF16 {
	if !o.Precision.Narrow() {
		return nil
	}
	return &compiler.BF16{Keep: o.Precision.Keeps}
}
