package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
	"github.com/lamina-ml/lamina/kernels/simd"
)

func cpuCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "cpu",
		Short: "Print what the machine has, which kernels are used, and its peak measured now",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cpu, peak := simd.CPU(), simd.PeakFMA(100*time.Millisecond)
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{
					"cpu": cpu, "kernels": simd.Active(), "variants": simd.Variants(), "peak_gflops": peak, "bf16": simd.BF16Speed()})
			}
			fmt.Fprint(c.OutOrStdout(), describeCPU(cpu, simd.Active(), runnable(), peak))
			fmt.Fprintf(c.OutOrStdout(), "bf16      products %s\n", simd.BF16Speed())
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// runnable counts the rows of the table that this CPU runs.
func runnable() (n int) {
	for _, v := range simd.Variants() {
		if v.Available {
			n++
		}
	}
	return n
}

// describeCPU says in a few lines what the machine has and what is made of it.
func describeCPU(f simd.Features, kernels string, rows int, peak float64) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s "+format+"\n", append([]any{name}, args...)...)
	}
	name := f.Identity.String()
	if f.Identity.Name == "" {
		name = cmp.Or(f.Vendor, "vendor not known")
	}
	line("cpu", "%s, %s; this process may use %s", name, f.Arch, counted(f.Cores, "CPU"))
	var sets []string
	for _, s := range []struct {
		has  bool
		name string
	}{{f.AVX512, "AVX-512"}, {f.AVX2, "AVX2 and FMA"}, {f.NEON, "NEON"}} {
		if s.has {
			sets = append(sets, s.name)
		}
	}
	if sets == nil {
		sets = []string{"none that kernels are written for; they run as portable Go, which is slow"}
	}
	line("vectors", "%s", strings.Join(sets, ", "))
	var caches []string
	for _, c := range []struct {
		name  string
		cache simd.Cache
	}{{"L1 data", f.L1D}, {"L2", f.L2}, {"L3", f.L3}} {
		switch {
		case c.cache.Size == 0:
		case c.cache.Cores > 1:
			caches = append(caches, fmt.Sprintf("%s %s for %d cores", c.name, binarySize(c.cache.Size), c.cache.Cores))
		default:
			caches = append(caches, fmt.Sprintf("%s %s", c.name, binarySize(c.cache.Size)))
		}
	}
	if caches == nil {
		caches = []string{"not described by the CPU; products are cut for 32 KiB and 512 KiB"}
	}
	line("caches", "%s", strings.Join(caches, ", "))
	line("kernels", "%s; %s can run here, and lamina cpu --json lists them", kernels, counted(rows, "kernel"))
	line("peak", "%.1f GFLOP/s on one core, float32 multiply-add, measured now", peak)
	return b.String()
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	return fmt.Sprintf("%d %s%s", n, noun, plural(n))
}

// binarySize prints bytes in KiB, or in MiB from one on where it is a whole number.
func binarySize(n int) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

func opsCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "ops",
		Short: "List the ops, their gradients and their ONNX counterparts",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			type row struct {
				Op       string `json:"op"`
				ONNX     string `json:"onnx,omitempty"`
				Since    int    `json:"since,omitempty"`
				Gradient bool   `json:"gradient"`
			}
			var rows []row
			for _, op := range ops.All() {
				r := row{Op: op.Name()}
				_, vjp := op.(ir.Differentiable)
				_, none := op.(ir.NotDifferentiable)
				_, parts := op.(ir.Decomposer)
				r.Gradient = vjp || parts && !none
				if x, ok := op.(ir.Exportable); ok {
					r.ONNX, r.Since = x.ONNX().Type, x.ONNX().Since
				}
				rows = append(rows, r)
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(rows)
			}
			fmt.Fprintf(c.OutOrStdout(), "%-14s %-9s %s\n", "op", "gradient", "ONNX")
			for _, r := range rows {
				gradient, onnx := "-", "-"
				if r.Gradient {
					gradient = "yes"
				}
				if r.ONNX != "" {
					onnx = fmt.Sprintf("%s (since %d)", r.ONNX, r.Since)
				}
				fmt.Fprintf(c.OutOrStdout(), "%-14s %-9s %s\n", r.Op, gradient, onnx)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
