//go:build amd64 && !noasm

package simd

// poolArgs is what a kernel of windows reads; the generator has the offsets.
type poolArgs struct {
	x, y, dx        *float32 // y is dy where there is dx
	at              *int32
	taps, places, n int
	relu            int
}

// args are those of kernels; there is at least one place.
func (w *Windows) args(x, y []float32) poolArgs {
	return poolArgs{x: &x[0], y: &y[0], at: &w.at[0], taps: w.taps, places: w.places, n: w.n}
}

func callMaxPool(i isa, w *Windows, y, x []float32) {
	if i == isaGo {
		maxPoolGo(w, y, x)
		return
	}
	p := w.args(x, y)
	if i == isaAVX512 {
		f32maxpool_avx512(&p)
	} else {
		f32maxpool_avx2(&p)
	}
}

func callMaxPoolGrad(i isa, w *Windows, dx, x, dy []float32, relu bool) {
	if i == isaGo {
		maxPoolGradGo(w, dx, x, dy, relu)
		return
	}
	p := w.args(x, dy)
	p.dx = &dx[0]
	if relu {
		p.relu = 1
	}
	switch {
	case i == isaAVX512 && w.once:
		f32maxpoolset_avx512(&p)
	case i == isaAVX512:
		f32maxpoolgrad_avx512(&p)
	case w.once:
		f32maxpoolset_avx2(&p)
	default:
		f32maxpoolgrad_avx2(&p)
	}
}
