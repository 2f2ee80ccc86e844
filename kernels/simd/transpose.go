package simd

// Transpose copies src [rows cols] into dst [cols rows]; rows of src and dst are lds and ldd elements apart.
//
// It panics when a slice is shorter than its shape and stride say. dst must not overlap src.
func Transpose(rows, cols int, src []float32, lds int, dst []float32, ldd int) {
	if rows <= 0 || cols <= 0 {
		return
	}
	needStrides("src", rows, cols, lds, 1, len(src))
	needStrides("dst", cols, rows, ldd, 1, len(dst))
	set := selected.Load().isa[opTranspose]
	size := transposeSize(set, min(rows, cols))
	if size == 0 {
		transposeGo(rows, cols, src, lds, dst, ldd)
		return
	}
	for i := 0; i < rows; i += turnHeight {
		n := min(turnHeight, rows-i)
		if n < size {
			i, n = rows-size, size
		}
		transposeBand(set, size, n, cols, src[i*lds:], lds, dst[i:], ldd)
	}
}

// turnHeight is how many rows are turned before the next ones: so few that all columns of many a matrix stay in the first
// cache, because a line of src holds those of two strips.
const turnHeight = 128

// transposeBand turns blocks of size by size. The last ones of rows and of columns begin early enough to be whole.
func transposeBand(set isa, size, rows, cols int, src []float32, lds int, dst []float32, ldd int) {
	blocks, strips, i, j := rows/size, cols/size, rows-size, cols-size
	transposeBlocks(set, size, &dst[0], &src[0], 4*ldd, 4*lds, blocks, strips)
	if blocks*size < rows {
		transposeBlocks(set, size, &dst[i], &src[i*lds], 4*ldd, 4*lds, 1, strips)
	}
	if strips*size == cols {
		return
	}
	transposeBlocks(set, size, &dst[j*ldd], &src[j], 4*ldd, 4*lds, blocks, 1)
	if blocks*size < rows {
		transposeBlocks(set, size, &dst[j*ldd+i], &src[i*lds+j], 4*ldd, 4*lds, 1, 1)
	}
}

func transposeGo(rows, cols int, src []float32, lds int, dst []float32, ldd int) {
	const block = 16 // 16 by 16 floats: one cache line a row on either side
	for i0 := 0; i0 < rows; i0 += block {
		i1 := min(i0+block, rows)
		for j0 := 0; j0 < cols; j0 += block {
			w := min(block, cols-j0)
			for i := i0; i < i1; i++ {
				d := dst[j0*ldd+i:]
				for j, v := range src[i*lds+j0:][:w] {
					d[j*ldd] = v
				}
			}
		}
	}
}
