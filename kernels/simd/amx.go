package simd

import (
	"fmt"
	"sync"
)

// amxRow is the name of AMX in the table.
const amxRow = "bf16gemm_32x32_amx"

// amxUse says which bf16 products AMX may take.
type amxUse uint8

const (
	amxOff  amxUse = iota // none: a whole set is chosen, and AMX is no part of one
	amxOn                 // those that it is faster for
	amxOnly               // all, its row being chosen
)

// Products that AMX takes: each call of a kernel configures and releases the tiles, which costs about 0.1 µs, and tiles
// that are mostly empty take the time of full ones.
const (
	amxLeast = 16      // rows, columns and steps
	amxWork  = 1 << 16 // multiplications
)

// amxMissing is what this machine lacks for AMX, or nothing. CPUID, which traps in a virtual machine, is asked once.
var amxMissing = sync.OnceValue(amxFound)

// amxRefusal asks for AMX the first time, because the permission makes the frames of signals larger for the whole process,
// and returns what is in the way, or nothing.
var amxRefusal = sync.OnceValue(func() string {
	if why := amxMissing(); why != "" {
		return why
	}
	return amxPermission()
})

// amxTakes says whether a bf16 product of these lengths is one for AMX.
func (s *selection) amxTakes(m, n, k int) bool {
	if s.amx == amxOff || s.amx == amxOn && (min(m, n, k) < amxLeast || m*n < (amxWork+k-1)/k) {
		return false
	}
	return amxRefusal() == ""
}

// BF16Speed says how the products of GemmBF16 are computed by the choice in use, and what keeps AMX from it where AMX does
// not take them.
func BF16Speed() string {
	s := selected.Load()
	why := amxRefusal()
	if why == "" && s.amx == amxOff {
		why = "the choice of kernels leaves AMX out"
	}
	if why == "" {
		return "by AMX tiles"
	}
	if s.name == isaGo.String() {
		return "computed by portable Go, slowly: " + why
	}
	return fmt.Sprintf("reproduced on %s at about float32 speed: %s", s.name, why)
}
