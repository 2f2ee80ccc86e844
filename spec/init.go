package spec

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/random"
)

// Init fills a new parameter. The fans of a shape are in and out for [in out];
// for a shape of more axes, [out in k…], they are in and out times the product
// of k; for one axis both are its length.
type Init interface {
	// Name returns the initializer's name and numbers: Constant(0.1).
	Name() string
	// Fill sets the elements of a parameter of that shape, row by row: a pure
	// function of key and shape.
	Fill(key random.Key, shape []int, dst []float32)
}

// checkInit returns the rule that an initializer breaks, or "".
func checkInit(i Init) string {
	if isNil(i) {
		return "the initializer is nil"
	}
	if c, ok := i.(constant); ok {
		if rule := finite("the constant", float64(c)); rule != "" {
			return rule
		}
		if float64(c) > math.MaxFloat32 || float64(c) < -math.MaxFloat32 {
			return fmt.Sprintf("the constant %v is beyond f32", float64(c))
		}
	}
	return ""
}

func fans(shape []int) (in, out int) {
	switch len(shape) {
	case 0:
		return 1, 1
	case 1:
		return shape[0], shape[0]
	case 2:
		return shape[0], shape[1]
	}
	k := ir.Elems(shape[2:])
	return shape[1] * k, shape[0] * k
}

// scaled draws with mean 0 and variance gain/in, or gain/(in+out) if both.
type scaled struct {
	name    string
	gain    float64
	both    bool
	uniform bool
}

func (s scaled) Name() string { return s.name }

func (s scaled) Fill(key random.Key, shape []int, dst []float32) {
	in, out := fans(shape)
	if s.both {
		in += out
	}
	std := math.Sqrt(s.gain / float64(in))
	for i := range dst {
		if s.uniform {
			dst[i] = float32((2*key.Float64(uint64(i)) - 1) * math.Sqrt(3) * std)
		} else {
			dst[i] = float32(key.Normal(uint64(i)) * std)
		}
	}
}

// Glorot draws uniformly from ±√(6/(in+out)): Glorot and Bengio, "Understanding
// the difficulty of training deep feedforward neural networks", 2010. It is the
// default of dense layers.
func Glorot() Init { return scaled{name: "Glorot", gain: 2, both: true, uniform: true} }

// GlorotNormal draws normally with variance 2/(in+out): Glorot and Bengio,
// "Understanding the difficulty of training deep feedforward neural networks",
// 2010.
func GlorotNormal() Init { return scaled{name: "GlorotNormal", gain: 2, both: true} }

// He draws normally with variance 2/in, for ReLU: He, Zhang, Ren and Sun,
// "Delving deep into rectifiers", 2015.
func He() Init { return scaled{name: "He", gain: 2} }

// LeCun draws normally with variance 1/in, for tanh and SELU: LeCun, Bottou, Orr
// and Müller, "Efficient BackProp", 1998.
func LeCun() Init { return scaled{name: "LeCun", gain: 1} }

type orthogonal struct{}

// Orthogonal makes the rows or the columns of a matrix, whichever are fewer,
// orthonormal, at random with the uniform (Haar) measure: Saxe, McClelland and
// Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear
// neural networks", 2014. A parameter of more axes counts as a matrix with axis
// 0 as its rows.
func Orthogonal() Init { return orthogonal{} }

func (orthogonal) Name() string { return "Orthogonal" }

func (orthogonal) Fill(key random.Key, shape []int, dst []float32) {
	if len(dst) == 0 {
		return
	}
	rows := 1
	if len(shape) > 0 {
		rows = shape[0]
	}
	cols := len(dst) / rows
	tall, wide := max(rows, cols), min(rows, cols)
	a := blas64.General{Rows: tall, Cols: wide, Stride: wide, Data: make([]float64, tall*wide)}
	for i := range a.Data {
		a.Data[i] = key.Normal(uint64(i))
	}
	tau, work := make([]float64, wide), make([]float64, 32*wide)
	lapack64.Geqrf(a, tau, work, len(work))
	sign := make([]float64, wide) // that of R's diagonal makes the factorization unique
	for j := range sign {
		sign[j] = math.Copysign(1, a.Data[j*wide+j])
	}
	lapack64.Orgqr(a, tau, work, len(work))
	for i := range tall {
		for j := range wide {
			at := i*cols + j
			if rows < cols {
				at = j*cols + i
			}
			dst[at] = float32(sign[j] * a.Data[i*wide+j])
		}
	}
}

type constant float64

// Constant sets every element to x, which must be finite.
func Constant(x float64) Init { return constant(x) }

// Zeros sets every element to 0.
func Zeros() Init { return constant(0) }

func (c constant) Name() string {
	if c == 0 {
		return "Zeros"
	}
	return fmt.Sprintf("Constant(%v)", float64(c))
}

func (c constant) Fill(_ random.Key, _ []int, dst []float32) {
	for i := range dst {
		dst[i] = float32(c)
	}
}
