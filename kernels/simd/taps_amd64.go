//go:build amd64 && !noasm

package simd

import "unsafe"

// tapsArgs is what a micro-kernel of taps reads. It computes the tiles of a line, then those of the next one; it moves the
// pointers as far as the last tile. Strides are in bytes. The generator has the offsets.
type tapsArgs struct {
	gemmArgs
	at        *int // of the first tap, in elements from a
	taps      int
	lines     int
	lineTiles int
	nextA     uintptr // from the last tile of a line to the first of the next
	nextC     uintptr
	nextPlus  uintptr
	nextMask  uintptr

	// What is fetched ahead, in pieces of 256 bytes: from where, how many, how many with each tap, and what then.
	fetch               uintptr
	fetchLeft, fetchTap int
	fetchSecond         uintptr
	leftSecond          int

	skipB uintptr // from behind the rows of B of one tap to those of the next
}

// tapsPanels cuts the chains into blocks of taps, of steps where a tap is long, and lines into blocks that a call computes.
func tapsPanels(s *selection, p *Taps, a, b, c []float32, accumulate bool, e Epilogue, first, second []float32) {
	if s.isa[opTaps] == isaGo {
		tapsLoop(s, p, a, b, c, accumulate, e)
		return
	}
	if p.K <= 0 {
		tapsBlock(s, p, 0, 0, 0, 0, a, b, c, accumulate, e, nil, nil)
		return
	}
	if tapsNarrow(s, p, a, b, c, accumulate, e) {
		return
	}
	switch most := s.taps.steps; {
	case p.K*len(p.At) <= most:
		tapsBlock(s, p, 0, len(p.At), 0, p.K, a, b, c, accumulate, e, first, second)
	case p.K > most:
		steps := even(p.K, most, 1)
		for t := range p.At {
			for q := 0; q < p.K; q += steps {
				var last Epilogue
				if t == len(p.At)-1 && q+steps >= p.K {
					last = e
				}
				tapsBlock(s, p, t, t+1, q, min(steps, p.K-q), a, b, c, accumulate || t > 0 || q > 0, last, first, second)
				first, second = nil, nil
			}
		}
	default:
		taps := even(len(p.At), most/p.K, 1)
		for t := 0; t < len(p.At); t += taps {
			var last Epilogue
			end := min(t+taps, len(p.At))
			if end == len(p.At) {
				last = e
			}
			tapsBlock(s, p, t, end, 0, p.K, a, b, c, accumulate || t > 0, last, first, second)
			first, second = nil, nil
		}
	}
}

// tapsUnbroken says whether tapsPanels makes one block of all steps.
func tapsUnbroken(s *selection, p *Taps) bool {
	if s.isa[opTaps] == isaGo {
		return len(p.At) == 1
	}
	return p.K <= 0 || p.K*len(p.At) <= s.taps.steps
}

// tapsBlock computes the steps q to q+k of the taps from t to end, by blocks of lines and rows: all of a panel of columns
// before the next panel.
func tapsBlock(s *selection, p *Taps, t, end, q, k int, a, b, c []float32, accumulate bool, e Epilogue, first, second []float32) {
	var g tapsArgs // field by field: see gemmBlock
	g.rsa, g.csa, g.ldb, g.ldc = 4*uintptr(p.RowA), 4*uintptr(p.ColA), 4*uintptr(p.LDB), 4*uintptr(p.LDC)
	g.k = k
	g.skipB = 4 * uintptr(p.tapB()-k*p.LDB)
	if g.taps = end - t; g.taps > 0 {
		g.at = &p.At[t]
	}
	g.beside(&e, p.LDC, p.LDC)
	if accumulate {
		g.flags |= gemmAccumulate
	}
	if e.Relu {
		g.flags |= gemmRelu
	}
	if g.taps > 0 && len(first)+len(second) > 0 {
		g.ahead(p, first, second)
	}
	lines, rows := s.tapBlock(p, g.taps*k)
	limit := s.tapsCols
	stacked := s.stacks(p) && g.taps > 0
	if stacked {
		lines, rows, limit = 3, 3, s.lanes()
	}
	for l := 0; l < p.Lines; l += lines {
		for i := 0; i < p.M; i += rows {
			m := min(rows, p.M-i)
			for j := 0; j < p.N; {
				n := s.tapPanel(p.N-j, limit)
				g.live, g.last = n.live, n.last
				if e.Bias != nil {
					g.bias = &e.Bias[j]
				}
				if g.taps > 0 {
					g.b = &b[t*p.tapB()+q*p.LDB+j]
				}
				if stacked && n.nr == limit {
					g.rows, g.tiles, g.lines = 9, 1, 1
					g.walk(s, p, stackedLines, 0, 0, q, j, a, c, &e)
					j += n.width
					continue
				}
				// Tiles of nearly equal height: higher ones of one row more, then the others.
				tiles, height, higher := 1, m, 0
				if high := s.tapRows(n.nr); m > high {
					tiles = (m + high - 1) / high
					height, higher = m/tiles, m%tiles
				}
				if higher > 0 {
					g.rows, g.tiles, g.lines = height+1, higher, min(lines, p.Lines-l)
					g.walk(s, p, n.nr, l, i, q, j, a, c, &e)
				}
				g.rows, g.tiles, g.lines = height, tiles-higher, min(lines, p.Lines-l)
				g.walk(s, p, n.nr, l, i+higher*(height+1), q, j, a, c, &e)
				j += n.width
			}
		}
	}
}

// fetchPiece is how many elements a kernel fetches ahead at a time.
const fetchPiece = 64

// ahead says what is fetched ahead, spread over the taps of all tiles. The addresses are no pointers: they may come to lie
// behind what they are of.
func (g *tapsArgs) ahead(p *Taps, first, second []float32) {
	if len(first) < fetchPiece {
		first, second = second, nil
	}
	g.fetch, g.fetchLeft = uintptr(unsafe.Pointer(unsafe.SliceData(first))), len(first)/fetchPiece
	g.fetchSecond, g.leftSecond = uintptr(unsafe.Pointer(unsafe.SliceData(second))), len(second)/fetchPiece
	tiles := p.Lines * ((p.M + 11) / 12) * ((p.N + 31) / 32)
	g.fetchTap = 1 + (g.fetchLeft+g.leftSecond)/(tiles*g.taps)
}

// walk computes tiles of g.rows rows by nr columns, so many in each of so many lines, from row i of line l and column j on.
func (g *tapsArgs) walk(s *selection, p *Taps, nr, l, i, q, j int, a, c []float32, e *Epilogue) {
	g.lineTiles = g.tiles
	down := uintptr(g.tiles-1) * uintptr(g.rows)
	if g.taps > 0 {
		g.a = &a[l*p.LineA+i*p.RowA+q*p.ColA]
		g.stepA = uintptr(g.rows) * g.rsa
		g.nextA = 4*uintptr(p.LineA) - down*g.rsa
	}
	at := l*p.LineC + i*p.LDC + j
	g.c = &c[at]
	g.stepC = uintptr(g.rows) * g.ldc
	g.nextC = 4*uintptr(p.LineC) - down*g.ldc
	if e.Plus != nil {
		g.plus, g.stepPlus, g.nextPlus = &e.Plus[at], g.stepC, g.nextC
	}
	if e.Mask != nil {
		g.mask, g.stepMask, g.nextMask = &e.Mask[at], g.stepC, g.nextC
	}
	switch set := s.isa[opTaps]; {
	case nr == stackedLines:
		g.nextA = 4 * uintptr(p.LineA)
		if set == isaAVX512 {
			f32taps_stacked_avx512(g)
		} else {
			f32taps_stacked_avx2(g)
		}
	case set == isaAVX512:
		tapsTile_avx512(nr, g)
	default:
		tapsTile_avx2(nr, g)
	}
}

// stackedLines stands for the columns of a tile of three lines of three rows, one vector wide: the gradient of filters of
// 3 by 3 pixels of one channel, whose lines would be too few chains each.
const stackedLines = -1

// stacks says whether lines are computed three at once.
func (s *selection) stacks(p *Taps) bool {
	return p.M == 3 && p.Lines == 3 && p.LineC == 3*p.LDC && !s.tapsForced && (s.isa[opTaps] == isaAVX512 && p.N > 8 || p.N%8 == 0)
}

// lanes is how many elements a vector of the set has.
func (s *selection) lanes() int {
	if s.isa[opTaps] == isaAVX512 {
		return 16
	}
	return 8
}

// tapBlock is how many lines, and of these how many rows, a call computes at most, of chains of k steps.
func (s *selection) tapBlock(p *Taps, k int) (lines, rows int) {
	if k*p.Lines*p.M <= s.taps.call && p.Lines*p.LineA <= s.blocks.a { // no need of divisions
		return p.Lines, p.M
	}
	most := max(12, s.taps.call/max(k, 1)) // rows of all lines
	if rows = even(p.M, most, 12); rows < p.M {
		return 1, rows
	}
	lines = max(1, most/p.M)
	if p.LineA > 0 { // lines that stay in the second cache while panels of B pass
		lines = max(1, min(lines, s.blocks.a/p.LineA))
	}
	return min(lines, p.Lines), rows
}

// tapRows is the height of the highest tile of nr columns.
func (s *selection) tapRows(nr int) int {
	high := 12
	if s.isa[opTaps] == isaAVX2 && nr != 4 && nr != 8 {
		high = 6
	}
	if s.tapsForced {
		high = min(high, s.tapsRows)
	}
	return high
}

// tapPanel says how to begin on n columns with panels of at most limit.
func (s *selection) tapPanel(n, limit int) columns {
	if s.isa[opTaps] == isaAVX2 {
		return panel(isaAVX2, false, n, limit)
	}
	width := min(n, limit)
	t := columns{width: width, nr: 8}
	for t.nr < width {
		t.nr *= 2
	}
	t.live = 1<<(width-(t.nr-1)&^15) - 1
	return t
}
