package ops

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/ir"
)

// LastOperands says where the operands of a ConvLast or a ConvTransposeLast behind the filters
// stand, -1 for one that is not given.
type LastOperands struct{ Bias, Plus, Mask int }

// Operands returns where operands of these types stand. A bias has one axis, the others more.
func (op ConvLast) Operands(in []ir.Type) LastOperands { return lastOperands(in, op.Mask) }

// Operands returns where operands of these types stand. A bias has one axis, the others more.
func (op ConvTransposeLast) Operands(in []ir.Type) LastOperands { return lastOperands(in, op.Mask) }

// LastStores is what the stores of a convolution do besides adding what its operands give.
type LastStores struct{ Relu, Mask bool }

// LastStorer is a ConvLast or a ConvTransposeLast, for passes that put more into its stores.
type LastStorer interface {
	ir.Op
	Operands(in []ir.Type) LastOperands
	Stores() LastStores
	Storing(s LastStores) ir.Op // the same convolution with other stores
}

// Stores returns what the stores do.
func (op ConvLast) Stores() LastStores { return LastStores{op.Relu, op.Mask} }

// Stores returns what the stores do.
func (op ConvTransposeLast) Stores() LastStores { return LastStores{op.Relu, op.Mask} }

// Storing returns the convolution with these stores.
func (op ConvLast) Storing(s LastStores) ir.Op {
	op.Relu, op.Mask = s.Relu, s.Mask
	return op
}

// Storing returns the convolution with these stores.
func (op ConvTransposeLast) Storing(s LastStores) ir.Op {
	op.Relu, op.Mask = s.Relu, s.Mask
	return op
}

func lastOperands(in []ir.Type, masked bool) LastOperands {
	at, end := LastOperands{-1, -1, -1}, len(in)
	next := min(2, end)
	if next < end && in[next].Rank() == 1 {
		at.Bias, next = next, next+1
	}
	if masked && end > next {
		end--
		at.Mask = end
	}
	if next < end {
		at.Plus = next
	}
	return at
}

// product returns how many operands the convolution itself has.
func (at LastOperands) product(in int) int {
	switch {
	case at.Plus >= 0:
		return at.Plus
	case at.Mask >= 0:
		return at.Mask
	}
	return in
}

// lastEndsInfer is lastInfer of a convolution with what its stores add and its mask.
func lastEndsInfer(op ir.Op, in []ir.Type, masked bool, forms []form) ([]ir.Type, error) {
	at := lastOperands(in, masked)
	product := at.product(len(in))
	most := product + 1
	if masked {
		most++
	}
	if masked && at.Mask < 0 {
		return nil, fmt.Errorf("the mask is missing, the last operand")
	}
	if len(in) > most {
		return nil, fmt.Errorf("takes at most %d operands, got %d", most, len(in))
	}
	out, err := lastInfer(op, in[:product], forms, ChannelsLast)
	if err != nil {
		return nil, err
	}
	for _, beside := range []struct {
		what string
		at   int
	}{{"what is added", at.Plus}, {"the mask", at.Mask}} {
		if i := beside.at; i >= 0 && !in[i].Equal(out[0]) {
			return nil, fmt.Errorf("%s must have the result's type, %v, got %v", beside.what, out[0], in[i])
		}
	}
	return out, nil
}

// Bare returns for each axis between the rows and the channels which remainders of a pixel's
// number by the stride no element of the filters reaches, nil if there are none or if operands
// of these types are not known to fit. A pixel is bare if it is so along any axis.
func (op ConvTransposeLast) Bare(in []ir.Type) [][]bool {
	s, ok := LastShapeOf(op, in)
	if !ok {
		return nil
	}
	bare, some := make([][]bool, len(s.In)), false
	for a := range bare {
		bare[a] = make([]bool, s.Stride[a])
		for r := range bare[a] {
			bare[a][r] = true
			for k := range s.Kernel[a] {
				if (r+s.Before[a]-k*s.Dilation[a])%s.Stride[a] == 0 {
					bare[a][r] = false
				}
			}
			some = some || bare[a][r] && r < s.In[a]
		}
	}
	if !some {
		return nil
	}
	return bare
}

// ends adds to the sums of a convolution, whose bias they have, and rectifies and masks them.
func (at LastOperands) ends(y *ir.Tensor, in []*ir.Tensor, relu bool, bare [][]bool) *ir.Tensor {
	isBare := func(i int) bool {
		i /= y.Shape[len(y.Shape)-1]
		for a := len(bare) - 1; a >= 0; a-- {
			p := i % y.Shape[1+a]
			if i /= y.Shape[1+a]; bare[a][p%len(bare[a])] {
				return true
			}
		}
		return false
	}
	for i, v := range y.F64 {
		if at.Plus >= 0 {
			v += in[at.Plus].F64[i]
		}
		if relu && v < 0 {
			v = 0
		}
		if at.Mask >= 0 && in[at.Mask].F64[i] <= 0 && !isBare(i) {
			v = 0
		}
		y.F64[i] = v
	}
	return y
}

func splitEnds(in []ir.Type, at LastOperands) ([]ir.Access, bool) {
	access, ok := splitLast(in, 1)
	for _, i := range []int{at.Plus, at.Mask} {
		if i >= 0 {
			access[i] = ir.Axis0
		}
	}
	return access, ok
}
