package optim

import (
	"fmt"
	"slices"
	"strings"
)

// Precision says in what a training computes its products. The zero value is [FP32].
//
// With [BF16] the operands of products, convolutions among them, are rounded to bfloat16, the upper half of a float32, and
// added up in float32.
// Everything else stays in float32: parameters and the state of the optimizer, losses, reductions and normalisations, and
// products that would gain little. The gradient is that of the model in float32, with the operands of its products rounded
// like any others, so a product and its gradients see the same rounded parameter.
type Precision struct {
	bf16 bool
	keep []string
}

// The precisions. BF16 is fast where the CPU multiplies bfloat16 itself, and gives the same bits where it does not.
var (
	FP32 = Precision{}
	BF16 = Precision{bf16: true}
)

// Except keeps the products of the layers that the patterns name, and of their gradients, in float32: see [Match]. It adds
// to what was kept before.
func (p Precision) Except(patterns ...string) Precision {
	p.keep = append(slices.Clone(p.keep), patterns...)
	return p
}

// Narrow reports whether products are in bfloat16.
func (p Precision) Narrow() bool { return p.bf16 }

// Kept returns the patterns of Except.
func (p Precision) Kept() []string { return slices.Clone(p.keep) }

// Keeps reports whether the products of a layer are in float32.
func (p Precision) Keeps(layer string) bool {
	return !p.bf16 || slices.ContainsFunc(p.keep, func(s string) bool { return Match(s, layer) })
}

// String returns FP32, BF16, or BF16 and the patterns of what it does not hold for.
func (p Precision) String() string {
	if len(p.keep) == 0 {
		return p.name()
	}
	return fmt.Sprintf("%s except %s", p.name(), strings.Join(p.keep, ", "))
}

func (p Precision) name() string {
	if p.bf16 {
		return "BF16"
	}
	return "FP32"
}

// ParsePrecision returns the precision of that name, as String gives it for one without patterns; "" is FP32.
//
// Errors: another name.
func ParsePrecision(name string) (Precision, error) {
	switch strings.ToUpper(name) {
	case "", "FP32":
		return FP32, nil
	case "BF16":
		return BF16, nil
	}
	return Precision{}, fmt.Errorf("optim: no precision is named %q; there are FP32 and BF16", name)
}
