package main

import (
	"encoding/json"
	"fmt"
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
			w := c.OutOrStdout()
			fmt.Fprintf(w, "cpu       %+v\nkernels   %s\npeak      %.1f GFLOP/s on one core, float32 multiply-add, measured now\n", cpu, simd.Active(), peak)
			fmt.Fprintf(w, "bf16      products %s\n", simd.BF16Speed())
			for _, v := range simd.Variants() {
				if !v.Available {
					continue
				}
				fmt.Fprintf(w, "          %s\n", v.Name)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
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
