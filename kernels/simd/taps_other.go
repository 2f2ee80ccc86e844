//go:build !amd64 || noasm

package simd

func tapsPanels(s *selection, p *Taps, a, b, c []float32, accumulate bool, e Epilogue, _, _ []float32) {
	tapsLoop(s, p, a, b, c, accumulate, e)
}

// tapsUnbroken says whether there is one product for each line.
func tapsUnbroken(_ *selection, p *Taps) bool { return len(p.At) == 1 }
