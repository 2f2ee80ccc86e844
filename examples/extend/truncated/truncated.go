// Package truncated is an initializer of one's own.
package truncated

import (
	"fmt"

	"github.com/lamina-ml/lamina/compiler/random"
)

// Normal draws from the normal distribution with mean 0 and that standard
// deviation, and draws again what lies more than two of it from 0.
type Normal struct{ SD float64 }

// Name returns the initializer's name and number.
func (n Normal) Name() string { return fmt.Sprintf("TruncatedNormal(%v)", n.SD) }

// Fill sets the elements. Each has a stream of its own, so that one drawn again
// moves no other.
func (n Normal) Fill(key random.Key, _ []int, dst []float32) {
	for i := range dst {
		own := key.Derive(uint64(i))
		x := own.Normal(0)
		for try := uint64(1); x < -2 || x > 2; try++ {
			x = own.Normal(try)
		}
		dst[i] = float32(n.SD * x)
	}
}
