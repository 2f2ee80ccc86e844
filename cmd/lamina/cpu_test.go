package main

import (
	"testing"

	"github.com/lamina-ml/lamina/kernels/simd"
)

// TestDescribeCPU: what a machine has is said in a few lines, and what it does not say about itself is said too.
func TestDescribeCPU(t *testing.T) {
	for _, c := range []struct {
		f       simd.Features
		kernels string
		want    string
	}{
		{simd.Features{Vendor: "GenuineIntel", Arch: "amd64", Cores: 2, AVX2: true, MaxLanes: 8}, "avx2", `cpu       GenuineIntel, amd64; this process may use 2 CPUs
vectors   AVX2 and FMA
caches    not described by the CPU; products are cut for 32 KiB and 512 KiB
kernels   avx2; 3 kernels can run here, and lamina cpu --json lists them
peak      118.2 GFLOP/s on one core, float32 multiply-add, measured now
`},
		{simd.Features{Identity: simd.Identity{Name: "AMD EPYC", Family: 25, Model: 17}, Vendor: "AuthenticAMD", Arch: "amd64", Cores: 16, AVX2: true, AVX512: true, MaxLanes: 16,
			L1D: simd.Cache{Size: 32 << 10, Ways: 8, Cores: 1}, L2: simd.Cache{Size: 1 << 20, Ways: 8, Cores: 1}, L3: simd.Cache{Size: 32 << 20, Ways: 16, Cores: 8}}, "avx512", `cpu       AMD EPYC (family 25, model 17), amd64; this process may use 16 CPUs
vectors   AVX-512, AVX2 and FMA
caches    L1 data 32 KiB, L2 1 MiB, L3 32 MiB for 8 cores
kernels   avx512; 3 kernels can run here, and lamina cpu --json lists them
peak      118.2 GFLOP/s on one core, float32 multiply-add, measured now
`},
		{simd.Features{Arch: "riscv64", Cores: 1, MaxLanes: 1}, "go", `cpu       vendor not known, riscv64; this process may use 1 CPU
vectors   none that kernels are written for; they run as portable Go, which is slow
caches    not described by the CPU; products are cut for 32 KiB and 512 KiB
kernels   go; 3 kernels can run here, and lamina cpu --json lists them
peak      118.2 GFLOP/s on one core, float32 multiply-add, measured now
`},
	} {
		if got := describeCPU(c.f, c.kernels, 3, 118.2); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}
