package faults

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-ml/lamina/internal/onnxpb"
)

func (f Fault) with(was, is int64) Fault {
	f.What += fmt.Sprintf(" %d", is)
	if was > 0 {
		f.What += fmt.Sprintf(", was %d", was)
	}
	return f
}

func at(t *onnxpb.TensorProto, i int) float64 {
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(t.RawData[4*i:])))
}

func set(t *onnxpb.TensorProto, i int, x float64) {
	binary.LittleEndian.PutUint32(t.RawData[4*i:], math.Float32bits(float32(x)))
}

func weights(t *onnxpb.TensorProto) bool { return len(t.Dims) > 0 && len(t.RawData) > 4 }

func (f *file) shiftBias() (Fault, bool) {
	list := f.floats(func(t *onnxpb.TensorProto) bool { return len(t.Dims) == 1 && t.Dims[0] > 1 })
	if len(list) == 0 {
		return Fault{}, false
	}
	t := one(f, list)
	t.RawData = append(slices.Clone(t.RawData[4:]), t.RawData[:4]...)
	return f.of(t, "begins one later")
}

func (f *file) scaleConstant() (Fault, bool) {
	factor := one(f, []float64{0, 0.5, 1 + 1e-6, 1.0001, 1.01, 10, 1000, 1e6, -1})
	alphas := f.nodes(func(n *onnxpb.NodeProto) bool {
		return attribute(n, "alpha") != nil || n.OpType == "LeakyRelu" || n.OpType == "Elu" || n.OpType == "Selu" || n.OpType == "Gemm"
	})
	scalars := f.floats(func(t *onnxpb.TensorProto) bool { return len(t.RawData) == 4 })
	if k := len(alphas) + len(scalars); k == 0 {
		return Fault{}, false
	} else if i := f.below(k); i >= len(alphas) {
		t := scalars[i-len(alphas)]
		was := at(t, 0)
		set(t, 0, was*factor)
		return f.of(t, "%g, was %g", at(t, 0), was)
	} else {
		n := alphas[i]
		name := "alpha"
		if (n.OpType == "Gemm" || n.OpType == "Selu") && f.below(2) == 0 {
			name = map[string]string{"Gemm": "beta", "Selu": "gamma"}[n.OpType]
		}
		was := map[string]float32{"LeakyRelualpha": 0.01, "Selualpha": 1.6732632, "Selugamma": 1.050701}[n.OpType+name]
		if was == 0 {
			was = 1
		}
		a := attribute(n, name)
		if a == nil {
			a = &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_FLOAT, F: was}
			n.Attribute = append(n.Attribute, a)
		}
		was, a.F = a.F, float32(float64(a.F)*factor)
		return in(n, "%s %g, was %g", name, a.F, was)
	}
}

func (f *file) perturbWeight() (Fault, bool) {
	list := f.floats(weights)
	if len(list) == 0 {
		return Fault{}, false
	}
	t := one(f, list)
	i := f.below(len(t.RawData) / 4)
	was := at(t, i)
	set(t, i, was*(1+one(f, []float64{0x1p-23, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, -2, 100})))
	return f.of(t, "element %d %g, was %g", i, at(t, i), was)
}

// staleWeights are those of some steps before.
func (f *file) staleWeights() (Fault, bool) {
	list := f.floats(weights)
	if len(list) == 0 {
		return Fault{}, false
	}
	if f.below(2) == 0 {
		i := f.below(len(list))
		list = list[i : i+1]
	}
	scale := one(f, []float64{0.3, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6})
	for _, t := range list {
		n := len(t.RawData) / 4
		size := 0.0
		for i := range n {
			size += at(t, i) * at(t, i)
		}
		size = math.Sqrt(size / float64(n))
		key := f.key.DeriveString(t.Name)
		for i := range n {
			set(t, i, at(t, i)+scale*size*key.Normal(uint64(i)))
		}
	}
	return f.of(list[0], "and %d others, off by %g", len(list)-1, scale)
}

func (f *file) permuteRows() (Fault, bool) {
	list := f.floats(func(t *onnxpb.TensorProto) bool { return len(t.Dims) > 1 && t.Dims[0] > 1 })
	if len(list) == 0 {
		return Fault{}, false
	}
	t := one(f, list)
	n := int(t.Dims[0])
	row := len(t.RawData) / n
	i := f.below(n)
	j := (i + 1 + f.below(n-1)) % n
	if f.below(3) == 0 { // as a whole, by one
		t.RawData = append(slices.Clone(t.RawData[row:]), t.RawData[:row]...)
		return f.of(t, "begins one row later")
	}
	for k := range row {
		t.RawData[i*row+k], t.RawData[j*row+k] = t.RawData[j*row+k], t.RawData[i*row+k]
	}
	return f.of(t, "rows %d and %d exchanged", i, j)
}
