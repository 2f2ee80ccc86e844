//go:build !noasm

package simd

import "unsafe"

// amxFound reads whether the CPU has AMX for bf16 and the operating system saves its state (Intel SDM vol. 1, 18), and
// returns what is missing, or nothing.
func amxFound() string {
	const bf16Bit, tileBit = 1 << 22, 1 << 24 // leaf 7, EDX
	const tileState = 1<<17 | 1<<18           // XCR0: configuration and data
	if top, _, _, _ := cpuidLeaf(0, 0); top < 7 {
		return "this CPU has no AMX"
	}
	if _, _, _, d := cpuidLeaf(7, 0); d&bf16Bit == 0 || d&tileBit == 0 {
		return "this CPU has no AMX"
	}
	switch {
	case !features.AVX512:
		return "AMX is used beside AVX-512, which is missing"
	case xgetbv()&tileState != tileState:
		return "the operating system does not save the tiles of AMX"
	}
	return ""
}

// amxArgs is what a product's kernel reads. It computes blocks of 16 or 32 rows and columns, going down A and C, where the
// tiles may have fewer. Strides are in bytes.
type amxArgs struct {
	config  [64]byte // of the tiles, as LDTILECFG reads it
	a       *uint16
	lda     uintptr // from row to row of a tile of A
	stepA   uintptr // from a tile to that of the next 32 steps
	downA   uintptr // from a tile to that of the next 16 rows
	nextA   uintptr // from block to block
	tail    *uint16 // tiles of A, 1 KiB apart, for the last steps; nil for none
	b       *uint16 // tiles of B, 1 KiB apart
	nextB   uintptr // to those of the next 16 columns
	k       int     // tiles along k, but for the tail
	c       *float32
	ldc     uintptr
	blocks  int // counted down by the kernel
	bias    *float32
	mask    *float32
	ldMask  uintptr
	flags   uint64 // gemmAccumulate, gemmRelu, amxEpilogue
	rows    int    // of a block
	live    [2]uint64
	current [4]uintptr // the kernel's: where it is in A, the tail, C and the mask
}

// amxEpilogue says that there is a bias, a rectifier or a mask.
const amxEpilogue = 1 << 2

// amxPackArgs is what the kernels read that make tiles. Strides are in bytes.
type amxPackArgs struct {
	dst     *uint16
	src     *uint16
	ld      uintptr // from row to row of src
	count   int     // rows, at least one
	words   uint64  // a bit for each number that is read of a row
	tiles   int
	stepSrc uintptr // from tile to tile
	stepDst uintptr
}

const (
	amxTile  = 512     // numbers of a tile
	amxMostK = 32      // tiles of a block along k: 32 columns of B, 64 KiB, stay in L2 and mostly in L1
	amxMostA = 512     // tiles of a block of A, 512 KiB, which stays in L2 while the columns of B pass
	amxMostB = 512     // tiles of B that are packed at a time, as much
	amxAlias = 1 << 10 // rows of A so many bytes apart share few sets of a cache: they are packed,
	amxReuse = 2 * 32  // if there are more columns
)

type amxKernel uint8

const (
	amxGemm16x16 amxKernel = iota
	amxGemm16x32
	amxGemm32x16
	amxGemm32x32
	amxRows
	amxPairs
	amxTurn
)

// amxEmulator runs the kernels in the place of a CPU; tests set it.
var amxEmulator func(kernel amxKernel, args unsafe.Pointer, size uintptr)

// hidden keeps arguments on the stack though amxEmulator, which does not keep them, gets them.
func hidden(p unsafe.Pointer) unsafe.Pointer {
	x := uintptr(p)
	return *(*unsafe.Pointer)(unsafe.Pointer(&x))
}

func (p *amxArgs) call(kernel amxKernel) {
	switch {
	case amxEmulator != nil:
		amxEmulator(kernel, hidden(unsafe.Pointer(p)), unsafe.Sizeof(*p))
	case kernel == amxGemm16x16:
		bf16gemm_16x16_amx(p)
	case kernel == amxGemm16x32:
		bf16gemm_16x32_amx(p)
	case kernel == amxGemm32x16:
		bf16gemm_32x16_amx(p)
	default:
		bf16gemm_32x32_amx(p)
	}
}

func (p *amxPackArgs) call(kernel amxKernel) {
	switch {
	case amxEmulator != nil:
		amxEmulator(kernel, hidden(unsafe.Pointer(p)), unsafe.Sizeof(*p))
	case kernel == amxRows:
		bf16rows_amx(p)
	case kernel == amxPairs:
		bf16pairs_amx(p)
	default:
		bf16turn_amx(p)
	}
}

// over is how many pieces of a size hold n.
func over(n, size int) int { return (n + size - 1) / size }

// amxBlocks cuts a product: k in tiles, m and n in rows and columns.
func amxBlocks(m, n, k int) (mb, nb, kb int) {
	m, n = max(m, 1), max(n, 1)
	kb = even(max(over(k, BF16Block), 1), amxMostK, 1)
	return even(m, amxMostA/kb*16, 32), even(n, amxMostB/kb*16, 32), kb
}

// amxScratch returns how many elements of scratch gemmBF16AMX takes, at most.
func amxScratch(m, n, k int) int {
	_, nb, kb := amxBlocks(m, n, k)
	return amxTilesScratch(m, n, k) + over(nb, 16)*kb*amxTile/2
}

// amxTilesScratch returns how many elements of scratch gemmBF16TilesAMX takes, at most.
func amxTilesScratch(m, n, k int) int {
	mb, _, kb := amxBlocks(m, n, k)
	return 16 + over(mb, 16)*kb*amxTile/2
}

// tilesIn is tmp as room for tiles that begin with a line of the cache.
func tilesIn(tmp []float32) []uint16 {
	tmp = tmp[-uintptr(unsafe.Pointer(&tmp[0]))/4%16:]
	return unsafe.Slice((*uint16)(unsafe.Pointer(&tmp[0])), 2*len(tmp))
}

// gemmBF16AMX is GemmBF16 by AMX. tmp has amxScratch(m, n, k) elements at least.
func gemmBF16AMX(m, n, k int, a []uint16, rsa, csa int, b []uint16, rsb, csb int, c []float32, ldc int, accumulate bool, e Epilogue, tmp []float32) {
	if k == 0 {
		Gemm(m, n, 0, nil, 0, 0, nil, 0, c, ldc, accumulate, e)
		return
	}
	mb, nb, kb := amxBlocks(m, n, k)
	tiles := tilesIn(tmp)
	right := over(nb, 16) * kb * amxTile
	for p := 0; p < k; p += kb * BF16Block {
		steps := min(k-p, kb*BF16Block)
		for j := 0; j < n; j += nb {
			cols := min(nb, n-j)
			amxPack(tiles, cols, steps, b[p*rsb+j*csb:], csb, rsb, true)
			g := amxProduct{m: m, mb: mb, n: cols, k: steps, b: tiles, strip: over(steps, BF16Block) * amxTile, c: c[j:], ldc: ldc, accumulate: accumulate || p > 0}
			if p+steps == k {
				g.e = e.from(j)
			}
			g.run(a[p*csa:], rsa, csa, tiles[right:])
		}
	}
}

// gemmBF16TilesAMX is GemmBF16Tiles by AMX. tmp has amxTilesScratch(m, n, k) elements at least.
func gemmBF16TilesAMX(m, n, k int, a []uint16, rsa, csa int, tiles []uint16, c []float32, ldc int, accumulate bool, e Epilogue, tmp []float32) {
	if k == 0 {
		Gemm(m, n, 0, nil, 0, 0, nil, 0, c, ldc, accumulate, e)
		return
	}
	mb, _, kb := amxBlocks(m, n, k)
	scratch := tilesIn(tmp)
	strip := over(k, BF16Block) * amxTile
	for p := 0; p < k; p += kb * BF16Block {
		steps := min(k-p, kb*BF16Block)
		g := amxProduct{m: m, mb: mb, n: n, k: steps, b: tiles[p/BF16Block*amxTile:], strip: strip, c: c, ldc: ldc, accumulate: accumulate || p > 0}
		if p+steps == k {
			g.e = e
		}
		g.run(a[p*csa:], rsa, csa, scratch)
	}
}

// amxProduct is a stretch of k of a product, B being tiles.
type amxProduct struct {
	m, n, k    int
	mb         int // rows of a block
	b          []uint16
	strip      int // numbers from 16 columns of B to the next
	c          []float32
	ldc        int
	accumulate bool
	e          Epilogue
}

// from is the epilogue of columns from j on.
func (e Epilogue) from(j int) Epilogue {
	if e.Bias != nil {
		e.Bias = e.Bias[j:]
	}
	if e.Mask != nil {
		e.Mask = e.Mask[j:]
	}
	return e
}

// run cuts the rows into blocks. A is read where it is, but for the last steps of k, if its rows are contiguous and not so
// far apart that they share few sets of a cache; else it is packed.
func (g *amxProduct) run(a []uint16, rsa, csa int, scratch []uint16) {
	kt := over(g.k, BF16Block)
	packed := csa != 1 || g.n > amxReuse && 2*rsa%amxAlias == 0
	for i := 0; i < g.m; i += g.mb {
		rows := min(g.mb, g.m-i)
		src := a[i*rsa:]
		p := amxArgs{k: kt, lda: 64, stepA: 2 * amxTile, downA: 2 * uintptr(kt) * amxTile}
		if packed {
			amxPack(scratch, rows, g.k, src, rsa, csa, false)
			g.panels(p, i, rows, scratch, kt*amxTile, nil)
			continue
		}
		p.k = g.k / BF16Block
		p.lda, p.stepA, p.downA = 2*uintptr(rsa), 2*BF16Block, 32*uintptr(rsa)
		var tail []uint16
		if p.k < kt {
			tail = scratch
			amxPack(tail, rows, g.k%BF16Block, src[p.k*BF16Block:], rsa, 1, false)
		}
		g.panels(p, i, rows, src, 16*rsa, tail)
	}
}

// panels computes rows of C from row i on, 32 columns at a time; a has the same rows, down numbers from 16 to the next.
func (g *amxProduct) panels(p amxArgs, i, rows int, a []uint16, down int, tail []uint16) {
	p.nextA, p.nextB = 2*p.downA, 2*uintptr(g.strip)
	p.ldc, p.ldMask = 4*uintptr(g.ldc), 4*uintptr(g.e.LDMask)
	if g.accumulate {
		p.flags |= gemmAccumulate
	}
	if g.e.Relu {
		p.flags |= gemmRelu
	}
	if g.e.Bias != nil || g.e.Relu || g.e.Mask != nil {
		p.flags |= amxEpilogue
	}
	for j := 0; j < g.n; j += 32 {
		cols := min(32, g.n-j)
		p.b = &g.b[j/16*g.strip]
		if g.e.Bias != nil {
			p.bias = &g.e.Bias[j]
		}
		p.live = [2]uint64{1<<min(cols, 16) - 1, 1<<max(0, cols-16) - 1}
		for r := 0; r < rows; {
			p.rows, p.blocks = min(32, rows-r), max(1, (rows-r)/32)
			p.a = &a[r/16*down]
			if tail != nil {
				p.tail = &tail[r/16*amxTile]
			}
			p.c = &g.c[(i+r)*g.ldc+j]
			if g.e.Mask != nil {
				p.mask = &g.e.Mask[(i+r)*g.e.LDMask+j]
			}
			r += p.rows * p.blocks
			p.configure(cols)
			kernel := amxGemm16x16
			if p.rows > 16 {
				kernel += amxGemm32x16
			}
			if cols > 16 {
				kernel += amxGemm16x32
			}
			p.call(kernel)
		}
	}
}

// configure describes the tiles of p.rows rows and so many columns: 0 to 3 are C, 4 and 5 A, 6 and 7 B (SDM vol. 1, 18.2).
func (p *amxArgs) configure(cols int) {
	p.config = [64]byte{0: 1} // the palette
	shape := func(t, rows, bytes int) {
		if rows > 0 && bytes > 0 {
			p.config[16+2*t], p.config[48+t] = byte(bytes), byte(rows)
		}
	}
	for i := range 2 {
		rows := min(16, p.rows-16*i)
		shape(4+i, rows, 64)
		for j := range 2 {
			width := 4 * min(16, cols-16*j)
			shape(2*i+j, rows, width)
			shape(6+j, 16, width)
		}
	}
}

// amxPack copies a matrix to tiles of 16 by 32, one strip of 16 after the other, zeros after its end. so is the stride of
// what the strips divide, sk that of k. The tiles of a left operand have rows of 32 steps, those of a right one have rows of
// 16 pairs.
func amxPack(dst []uint16, outer, k int, src []uint16, so, sk int, right bool) {
	strips, kt := over(outer, 16), over(k, BF16Block)
	switch {
	case sk == 1:
		p := amxPackArgs{ld: 2 * uintptr(so), stepSrc: 2 * BF16Block, stepDst: 2 * amxTile}
		for s := range strips {
			p.count = min(16, outer-16*s)
			if p.tiles = k / BF16Block; p.tiles > 0 {
				p.dst, p.src, p.words = &dst[s*kt*amxTile], &src[16*s*so], 1<<32-1
				p.call(amxRows)
			}
			if rest := k % BF16Block; rest > 0 {
				p.dst, p.src, p.words, p.tiles = &dst[((s+1)*kt-1)*amxTile], &src[16*s*so+k-rest], 1<<rest-1, 1
				p.call(amxRows)
			}
		}
	case so == 1 || outer == 1:
		p := amxPackArgs{ld: 2 * uintptr(sk), stepSrc: 2 * 16, stepDst: 2 * uintptr(kt) * amxTile}
		for t := range kt {
			row := BF16Block * t * sk
			p.count = min(BF16Block, k-BF16Block*t)
			if p.tiles = outer / 16; p.tiles > 0 {
				p.dst, p.src, p.words = &dst[t*amxTile], &src[row], 1<<16-1
				p.call(amxPairs)
			}
			if rest := outer % 16; rest > 0 {
				p.dst, p.src, p.words, p.tiles = &dst[((strips-1)*kt+t)*amxTile], &src[row+outer-rest], 1<<rest-1, 1
				p.call(amxPairs)
			}
		}
	default:
		clear(dst[:strips*kt*amxTile])
		for i := range outer {
			for q := range k {
				dst[(i/16*kt+q/BF16Block)*amxTile+i%16*BF16Block+q%BF16Block] = src[i*so+q*sk]
			}
		}
		sk = 1 // so far
	}
	if (sk == 1) == right {
		p := amxPackArgs{dst: &dst[0], tiles: strips * kt, stepDst: 2 * amxTile}
		p.call(amxTurn)
	}
}
