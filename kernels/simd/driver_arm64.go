//go:build arm64 && !noasm

package simd

// gemmArgs is what a micro-kernel reads. It computes tiles tiles of MR by NR, going down A and C. Strides are in bytes.
type gemmArgs struct {
	a        *float32
	rsa, csa uintptr
	b        *float32
	ldb      uintptr
	c        *float32
	ldc      uintptr
	bias     *float32 // nil for none
	k        int
	tiles    int
	live     uint64   // where the last vector begins, in bytes
	flags    uint64   // gemmAccumulate, gemmRelu
	mask     *float32 // nil for none
	ldMask   uintptr
}

const (
	gemmAccumulate = 1 << iota
	gemmRelu
)

func gemmPanels(s *selection, m, n, k int, a []float32, rsa, csa int, b []float32, ldb int, c []float32, ldc int, accumulate bool, e Epilogue) {
	if s.isa[opGemm] == isaGo {
		gemmGo(m, n, k, a, rsa, csa, b, ldb, c, ldc, accumulate, e)
		return
	}
	p := gemmArgs{rsa: 4 * uintptr(rsa), csa: 4 * uintptr(csa), ldb: 4 * uintptr(ldb), ldc: 4 * uintptr(ldc), k: k, ldMask: 4 * uintptr(e.LDMask)}
	if accumulate {
		p.flags |= gemmAccumulate
	}
	if e.Relu {
		p.flags |= gemmRelu
	}
	mr, limit := s.mr, s.nr
	if m == 1 && !s.forced {
		mr, limit = 1, 32
	}
	for j := 0; j < n; {
		if n-j < 4 {
			e.Bias, e.Mask = rest(e.Bias, j), rest(e.Mask, j)
			gemmGo(m, n-j, k, a, rsa, csa, rest(b, j), ldb, c[j:], ldc, accumulate, e)
			return
		}
		width := evenPanel(n-j, limit)
		p.live = 4 * uint64(width-4)
		if e.Bias != nil {
			p.bias = &e.Bias[j]
		}
		for i := 0; i < m; {
			rows, tiles := rowTiles(m-i, mr)
			if k > 0 {
				p.a, p.b = &a[i*rsa], &b[j]
			}
			p.c, p.tiles = &c[i*ldc+j], tiles
			if e.Mask != nil {
				p.mask = &e.Mask[i*e.LDMask+j]
			}
			gemmTile_neon(rows, (width+3)&^3, &p)
			i += rows * tiles
		}
		j += width
	}
}

// rest is x without its first n elements, nil if it has none.
func rest(x []float32, n int) []float32 {
	if len(x) == 0 {
		return nil
	}
	return x[n:]
}

// evenPanel cuts n columns, at least four, into panels of nearly equal width. A wide one leaves none or at least four.
func evenPanel(n, limit int) int {
	panels := (n + limit - 1) / limit
	width := min(((n+panels-1)/panels+3)&^3, n)
	if left := n - width; left > 0 && left < 4 && limit > 4 {
		width -= 4 - left
	}
	return width
}
