package main

import (
	"strings"
	"testing"
)

// TestAims: a factor is aimed at, and a share of the peak where the factor would ask
// for more than that.
func TestAims(t *testing.T) {
	at := func(work string, threads int, precision, name, beside string, rate, share float64) record {
		return record{Part: partTrain, Round: 1, Name: name, Beside: beside,
			measured: measured{Work: work, Threads: threads, Precision: precision, SamplesPerS: rate, OfPeak: share, FirstStepS: 0.06, PeakRSSMB: 50}}
	}
	list := []record{
		at("tied-ae", 1, fp32, ours, "JAX", 100, 0.8), at("tied-ae", 1, fp32, "JAX", "", 60, 0.5),
		at("tied-ae", 2, fp32, ours, "JAX", 180, 0.72), at("tied-ae", 2, fp32, "JAX", "", 85, 0.33),
		at("deep-ae", 2, fp32, ours, "JAX", 120, 0.75), at("deep-ae", 2, fp32, "JAX", "", 100, 0.6),
		at("rbm", 2, fp32, ours, "JAX", 10, 0.5), at("rbm", 2, fp32, "JAX", "", 9, 0.45),
		at("tied-ae", 1, bf16, ours, oursInFloat, 79, 0.7), at("tied-ae", 1, bf16, oursInFloat, "", 100, 0.8),
	}
	check := func(m machine, want ...string) {
		t.Helper()
		var b strings.Builder
		judge(&b, list, &m)
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("no %q in\n%s", w, b.String())
			}
		}
	}
	check(machine{Kernels: "avx512"}, "| tied-ae, factor to the best peer in float32 | 2.12 JAX | ≥ 2.00 | reached |",
		"| tied-ae, share of peak, 1 thread | 80 % | ≥ 78 % | reached |", "| tied-ae, 2 threads over 1 | 1.80 | ≥ 1.85 | **missed** |",
		"1.30 times JAX would be 78 % | 75 %, 1.20 times JAX | ≥ 72 % | reached |", "| rbm, factor to the best peer in float32 | 1.11 JAX | ≥ 1.40 | **missed** |",
		"| tied-ae, start to first step | 60 ms | ≤ 50 ms | **missed** |", "| tied-ae, peak memory | 50 MB | ≤ 55 MB | reached |",
		"| tied-ae in bf16 over float32, 1 thread, without AMX | 0.79 | ≥ 0.80 | **missed** |")
	check(machine{Kernels: "avx2"}, "| deep-ae, factor to the best peer in float32 | 1.20 JAX | ≥ 1.30 | **missed** |")
	check(machine{Kernels: "avx512", BF16: "by AMX tiles"}, "| tied-ae in bf16 over float32, 1 thread | 0.79 | ≥ 3.50 | **missed** |")
}
