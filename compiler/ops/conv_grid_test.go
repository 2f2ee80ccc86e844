package ops_test

import (
	"math/rand/v2"
	"testing"

	"github.com/lamina-ml/lamina/compiler/ir"
	"github.com/lamina-ml/lamina/compiler/ops"
)

// geometry is one place of the grid over which gradients of images are checked, for
// windows over one to three axes.
type geometry struct {
	in, kernel, strides, dilations, pads []int
}

// grid is every combination of strides, dilations and pads that fits images of odd and even
// lengths, for so many axes.
func grid(axes int) []geometry {
	lengths := [][]int{{8}, {6, 5}, {5, 4, 3}}[axes-1]
	kernels := [][]int{{3}, {3, 2}, {2, 3, 1}}[axes-1]
	var all []geometry
	for _, stride := range [][]int{{1, 1, 1}, {2, 3, 1}, {3, 1, 2}} {
		for _, dilation := range [][]int{{1, 1, 1}, {2, 1, 3}} {
			for _, pads := range [][]int{{0, 0, 0, 0, 0, 0}, {1, 0, 2, 0, 1, 1}, {2, 1, 1, 2, 1, 1}} {
				g := geometry{lengths, kernels, stride[:axes], dilation[:axes], append(append([]int{}, pads[:axes]...), pads[3:3+axes]...)}
				fits := true
				for a := range axes {
					fits = fits && g.in[a]+g.pads[a]+g.pads[axes+a] > g.dilations[a]*(g.kernel[a]-1)
				}
				if fits {
					all = append(all, g)
				}
			}
		}
	}
	return all
}

func floats(lead []int, lengths ...int) ir.Type {
	return ir.T(ir.F32, ir.ShapeOf(append(append([]int{}, lead...), lengths...)...)...)
}

func rowsOf(channels int, lengths []int) ir.Type {
	return ir.T(ir.F32, append(ir.Shape{ir.Rows(), ir.Fixed(channels)}, ir.ShapeOf(lengths...)...)...)
}

// TestConvGrid holds the gradients of Conv, ConvTranspose, and those of their filters, to
// central differences on one to three axes, with groups and with every output padding.
func TestConvGrid(t *testing.T) {
	r := draw{rand.New(rand.NewPCG(41, 42))}
	done := map[string]int{}
	check := func(op ir.Op, in ...ir.Type) {
		t.Helper()
		if _, err := op.Infer(in); err != nil {
			return // pads that leave nothing of a transposed one
		}
		checkGradient(t, r, op, in, "", 2)
		done[op.Name()]++
	}
	for axes := 1; axes <= 3; axes++ {
		for _, g := range grid(axes) {
			for _, group := range []int{1, 2, 3} {
				c, o := 2*group, group
				if group == 3 { // one channel for each group, of which there are several filters
					c, o = 3, 6
				}
				w := floats([]int{o, c / group}, g.kernel...)
				conv := ops.Conv{Strides: ir.MakeAxes(g.strides...), Dilations: ir.MakeAxes(g.dilations...), Pads: ir.MakeAxes(g.pads...), Group: group}
				x := rowsOf(c, g.in)
				check(conv, x, w, floats([]int{o}))
				y, err := conv.Infer([]ir.Type{x, w})
				if err != nil {
					t.Fatal(err)
				}
				check(ops.ConvFilterGrad{Kernel: ir.MakeAxes(g.kernel...), Strides: conv.Strides, Dilations: conv.Dilations, Pads: conv.Pads, Group: group}, x, y[0])
				if axes == 3 && group == 2 {
					continue // the same, slowly
				}
				small := make([]int, axes)
				for a := range small {
					small[a] = max(1, g.in[a]-3)
				}
				for extra := range g.strides[0] {
					last := 0
					if axes > 1 {
						last = min(extra, g.strides[axes-1]-1)
					}
					pad := make([]int, axes)
					pad[axes-1], pad[0] = last, extra
					op := ops.ConvTranspose{Strides: conv.Strides, Dilations: conv.Dilations, Pads: conv.Pads, OutputPadding: ir.MakeAxes(pad...), Group: group}
					check(op, rowsOf(o, small), w, floats([]int{c}))
				}
			}
		}
	}
	for name, least := range map[string]int{"Conv": 120, "ConvFilterGrad": 120, "ConvTranspose": 120} {
		if done[name] < least {
			t.Errorf("%d nodes of %s were checked, want %d", done[name], name, least)
		}
	}
}

// TestPoolGrid does the same for pools, with pads that count and that do not.
func TestPoolGrid(t *testing.T) {
	r := draw{rand.New(rand.NewPCG(43, 44))}
	done := map[string]int{}
	check := func(op ir.Op, domain string, in ...ir.Type) bool {
		t.Helper()
		if _, err := op.Infer(in); err != nil {
			return false // a place of the window would see nothing
		}
		checkGradient(t, r, op, in, domain, 2)
		done[op.Name()]++
		return true
	}
	for axes := 1; axes <= 3; axes++ {
		for _, g := range grid(axes) {
			x := rowsOf(2, g.in)
			k, s, d, p := ir.MakeAxes(g.kernel...), ir.MakeAxes(g.strides...), ir.MakeAxes(g.dilations...), ir.MakeAxes(g.pads...)
			pool := ops.MaxPool{Kernel: k, Strides: s, Dilations: d, Pads: p}
			if check(pool, "apart", x) {
				y, _ := pool.Infer([]ir.Type{x})
				check(ops.MaxPoolOf(pool), "apart", x, x)
				check(ops.MaxPoolGrad(pool), "apart", x, y[0])
			}
			if g.dilations[0] > 1 {
				continue
			}
			for _, count := range []bool{false, true} {
				mean := ops.AveragePool{Kernel: k, Strides: s, Pads: p, CountPads: count}
				if check(mean, "", x) {
					y, _ := mean.Infer([]ir.Type{x})
					check(ops.AveragePoolGrad{Lengths: ir.MakeAxes(g.in...), Kernel: k, Strides: s, Pads: p, CountPads: count}, "", y[0])
				}
			}
		}
	}
	for name, least := range map[string]int{"MaxPool": 20, "MaxPoolOf": 20, "MaxPoolGrad": 20, "AveragePool": 20, "AveragePoolGrad": 20} {
		if done[name] < least {
			t.Errorf("%d nodes of %s were checked, want %d", done[name], name, least)
		}
	}
	t.Log(done)
}
