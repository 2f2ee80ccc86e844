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
	done := 0
	for j := 0; j < n; {
		if n-j < 4 {
			last := Epilogue{Bias: rest(e.Bias, j), Relu: e.Relu, Mask: rest(e.Mask, j), LDMask: e.LDMask}
			gemmGo(m, n-j, k, a, rsa, csa, rest(b, j), ldb, c[j:], ldc, accumulate, last)
			if e.Done != nil {
				e.tell(m, done, n, n)
			}
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
		if e.Done != nil {
			done = e.tell(m, done, j, n)
		}
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

// callTranspose does whole blocks of 4 by 4 in the kernel, down one strip of columns after another, and the edges in Go.
func callTranspose(set isa, rows, cols int, src []float32, lds int, dst []float32, ldd int) {
	r, c := rows&^3, cols&^3
	if set == isaGo || r == 0 {
		r, c = rows, 0
	}
	for j := 0; j < c; j += 4 {
		f32transpose_neon(&dst[j*ldd], &src[j], 4*ldd, 4*lds, r/4)
	}
	if c < cols {
		transposeGo(r, cols-c, src[c:], lds, dst[c*ldd:], ldd)
	}
	if r < rows {
		transposeGo(rows-r, cols, src[r*lds:], lds, dst[r:], ldd)
	}
}
