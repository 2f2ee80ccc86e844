package simd

// gemmRules is what a CPU's family decides about the GEMM of AVX-512. No rule changes a bit of a result.
type gemmRules struct {
	half       bool         // the last vector of a tile may be half of one
	columnsFar int          // of the widest panel where A is turned, or where rows of B begin within cache lines and are many
	fetchA     bool         // fetch A ahead, during the first pass over one that the second cache does not hold
	tail       bool         // compute the last four columns turned
	packTurned bool         // pack an A that is turned and whose columns are far apart
	fetchC     bool         // fetch C before the chains where A is turned, which a weight gradient does
	short      []shortChain // lower tiles, for chains so short that the stores of one tile should overlap the loads of the next
}

// shortChain has the rows of tiles of 1, 2, 3 and 4 vectors for chains of at most k steps.
type shortChain struct {
	k    int
	rows [4]int
}

// rulesOf has the rules of each family; README.md says what was measured. Intel's CPUs shut a port while 512-bit work is in
// flight, so that half a vector costs as much as a whole one; they read rows that begin within cache lines at a loss.
var rulesOf = map[string]gemmRules{
	"amd":   {half: true, columnsFar: 64, fetchA: true, tail: true, short: []shortChain{{64, [4]int{12, 8, 4, 4}}, {128, [4]int{12, 12, 6, 4}}}},
	"intel": {columnsFar: 48, tail: true, packTurned: true, fetchC: true},
}

// family names the rules for a vendor, as CPUID gives it.
func family(vendor string) string {
	if vendor == "AuthenticAMD" || vendor == "HygonGenuine" {
		return "amd"
	}
	return "intel"
}

// columns is the widest panel for m rows and chains of k steps. turned says that the rows of A are its columns.
func (s *selection) columns(m, n, k int, turned bool, ldb int) int {
	set := s.isa[opGemm]
	switch {
	case s.forced:
		return s.nr
	case set == isaAVX512 && m == 1:
		return wideRow
	case set == isaAVX512 && (turned || n > 128 && ldb%16 != 0):
		return s.rules.columnsFar
	case set == isaAVX2 && m < 4:
		return [...]int{104, 48, 32}[m-1]
	case set == isaNEON && m == 1:
		return 32
	}
	return s.nr
}

// panel says how to begin on n columns with panels of at most limit.
func (s *selection) panel(n, limit int) columns {
	return panel(s.isa[opGemm], s.rules.half || s.forced, n, limit)
}

// rows is the height of tiles of nr columns, for m rows and chains of k steps.
func (s *selection) rows(m, k, nr int) int {
	set := s.isa[opGemm]
	high := tallest(set, nr)
	switch {
	case s.forced:
		return min(s.mr, high)
	case set == isaAVX512 && nr <= 64:
		for _, short := range s.rules.short {
			if k <= short.k {
				return short.rows[(nr-1)/16]
			}
		}
	case set == isaAVX2 && m > 3 && m <= 32 && m%4 == 0 && k <= 128 && nr > 8: // eight tiles of four, in one call, beat four of six and two of four
		return 4
	}
	return high
}

// The tile of the last columns that are computed turned, and the columns up to which they are worth a pass over A of their own.
const (
	tailRows, tailColumns = 16, 4
	tailMost              = 256
)

// tail says whether the last four columns are computed turned.
func (s *selection) tail(m, n, k, rsa, csa int) bool {
	return s.isa[opGemm] == isaAVX512 && s.rules.tail && !s.forced && n%16 == tailColumns && n <= tailMost && (m >= 4*tailRows || m > 0 && m%tailRows == 0) && k > 0 &&
		(csa == 1 && k%4 == 0 || rsa == 1)
}

// farLines is how many cache lines of a row of a panel of nr columns are fetched ahead. A row that begins within a line
// touches one more, which AVX2 leaves alone: there a fetch in a step costs more than it gains.
func (s *selection) farLines(nr, ldb int) int {
	n := (nr + 15) / 16
	if ldb%16 != 0 && s.isa[opGemm] == isaAVX512 {
		n++
	}
	return n
}

// blockSizes are the sizes and thresholds, in elements, that come from the caches.
type blockSizes struct {
	k     int // steps of a block, which continues the chains of the one before through C: 16 columns of B fill the first cache
	a     int // elements of A in a block, which stays in the second cache while panels of B pass; a larger B is fetched ahead
	alias int // rows so far apart, or a multiple of it, share few sets of the first cache
}

// usual are the sizes where the caches are not known: those of 32 KiB in 8 ways and of 512 KiB.
var usual = blockSizes{k: 512, a: 64 << 10, alias: 512}

// sizesFor returns the sizes for the caches of f. A block of A takes half of a small second cache, and of a large one a
// quarter, beyond which nothing was gained.
func sizesFor(f Features) blockSizes {
	b := usual
	if size := f.L1D.Size; size >= 8<<10 && size <= 1<<20 {
		b.k = size / 64
		if way := size / max(1, f.L1D.Ways); way >= 1<<10 {
			b.alias = way / 2 / 4
		}
	}
	if share := f.L2.Share(); share >= 64<<10 && share <= 64<<20 {
		b.a = min(share/2, max(share/4, 256<<10)) / 4
	}
	return b
}

// Packing, in elements. The buffers are of one size on every CPU.
const (
	aliasK   = 64      // steps from which rows of B that share few sets are packed,
	packRows = 24      // when C has so many rows, for which one copy serves,
	packWork = 1 << 21 // and there are so many multiplications
	packK    = 256     // steps of a packed block
	packA    = 32 << 10

	turnedStride  = 200 // how far apart the columns of a turned A that is packed are
	turnedK       = 64  // and the least steps, rows and columns for which that pays
	turnedRows    = 16
	turnedColumns = 128
	fetchK        = 128 // the least steps and columns for which C is fetched
	fetchColumns  = 128
)

// tapLimits cut products by taps into blocks and calls.
type tapLimits struct {
	steps int // of a block, which continues the chains of the one before through C
	call  int // rows times steps of a call: assembly delays the garbage collector
}
