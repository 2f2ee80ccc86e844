//go:build amd64 && !noasm

package simd

// poolArgs is what a kernel of windows reads; the generator has the offsets.
type poolArgs struct {
	x, y, dx        *float32 // y is dy where there is dx
	at              *int32
	taps, places, n int
	relu            int
	won             *uint8
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

func callMaxPoolWinners(i isa, w *Windows, y []float32, won []uint8, x []float32, relu bool) {
	if i == isaGo {
		maxPoolWinnersGo(w, y, won, x, relu)
		return
	}
	p := w.args(x, y)
	p.won = &won[0]
	if relu {
		p.relu = 1
	}
	if i == isaAVX512 {
		f32maxpoolwinners_avx512(&p)
	} else {
		f32maxpoolwinners_avx2(&p)
	}
}

func callMaxPoolWinnersGrad(i isa, w *Windows, dx []float32, won []uint8, dy []float32) {
	if i == isaGo {
		maxPoolWinnersGradGo(w, dx, won, dy)
		return
	}
	p := w.args(dx, dy) // there is no x
	p.x, p.dx, p.won = nil, &dx[0], &won[0]
	switch {
	case i == isaAVX512 && w.once:
		f32maxpoolwinnersset_avx512(&p)
	case i == isaAVX512:
		f32maxpoolwinnersgrad_avx512(&p)
	case w.once:
		f32maxpoolwinnersset_avx2(&p)
	default:
		f32maxpoolwinnersgrad_avx2(&p)
	}
}
