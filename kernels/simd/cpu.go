package simd

import (
	"runtime"
	"time"
)

// Features says what the package knows about the CPU it runs on.
type Features struct {
	Identity Identity

	Vendor   string // as CPUID gives it, such as AuthenticAMD; empty when not known
	Family   string // amd or intel: whose rules products follow by default; empty but on amd64
	Arch     string // GOARCH
	Cores    int    // logical CPUs this process may use
	AVX2     bool   // AVX2 and FMA, with the state saved by the operating system
	AVX512   bool   // AVX-512 F, DQ, BW and VL, with the state saved by the operating system
	NEON     bool   // always, on arm64
	MaxLanes int    // float32 lanes of the widest kernel set available
	L1D      Cache  // the first level's data cache
	L2, L3   Cache
}

// Cache is one cache as the CPU describes it; all is 0 for one that it does not describe, and on arm64.
type Cache struct {
	Size  int // bytes
	Ways  int // associativity
	Cores int // cores that share it
}

// Share is the part of a cache that is one core's, in bytes.
func (c Cache) Share() int { return c.Size / max(1, c.Cores) }

// features are those found at start.
var features = cpuid()

// CPU returns the features found at start.
func CPU() Features {
	f := features
	f.Identity = identify(cpuidOrNil())
	f.Arch, f.Cores = runtime.GOARCH, runtime.NumCPU()
	f.MaxLanes = [...]int{1, 8, 16, 4}[best()]
	return f
}

// PeakFMA measures for about d how many float32 operations one core does with fused multiply-adds in registers alone,
// in GFLOP/s (an FMA is two), with the set in use: the ceiling to hold a GEMM's rate against. For the generic set it is
// the rate of the portable FMA. The value is the best of several samples.
func PeakFMA(d time.Duration) float64 {
	i := selected.Load().isa[opGemm]
	var top float64
	n := 1 << 8
	for end := time.Now().Add(d); ; {
		t := time.Now()
		ops := peakLoop(i, n)
		if ops == 0 {
			ops = peakGo(n)
		}
		took := time.Since(t)
		if took < 50*time.Microsecond && n < 1<<24 {
			n *= 2
		} else {
			top = max(top, float64(ops)/float64(took.Nanoseconds()))
		}
		if time.Now().After(end) && top > 0 {
			return top
		}
	}
}

func peakGo(n int) int {
	var acc [16]float32
	x := float32(n&1) + 0.5
	for range n {
		for j := range acc {
			acc[j] = fma(acc[j], x, 1)
		}
	}
	if acc[0] < 0 { // never: keeps the loop from being removed
		return 1
	}
	return n * len(acc) * 2
}
