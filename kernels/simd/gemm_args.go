//go:build (amd64 || arm64) && !noasm

package simd

// gemmArgs is what a micro-kernel reads. It computes tiles tiles of rows rows, going down A, C and what the epilogue reads
// beside C, whose pointers it moves as far as the last tile. Strides are in bytes. The generator has the offsets.
type gemmArgs struct {
	a        *float32
	rsa, csa uintptr
	b        *float32
	ldb      uintptr
	c        *float32
	ldc      uintptr
	bias     *float32 // nil for none
	k        int
	rows     int
	vecs     int // of a row, in kernels that do not know
	tiles    int
	live     uint64  // columns of the last vector: AVX-512's mask of them, or the number of AVX2's fewer than four
	last     uintptr // where the last vector begins, in bytes
	flags    uint64
	mask     *float32 // nil for none
	ldMask   uintptr
	stepA    uintptr // from tile to tile
	stepC    uintptr
	stepMask uintptr // 0 without a mask
	far      uintptr // tile t of the first farLines fetches the t-th cache line of each row into the cache
	ldFar    uintptr
	farLines int
	// AVX-512: bytes from step to step at which A is fetched ahead, 0 for not at all, and from the tile's A to where that begins.
	fetchA, fetchFrom uintptr
	plus              *float32 // what is added, nil for nothing
	ldPlus, stepPlus  uintptr
}

// gemmArgs.flags
const (
	gemmAccumulate = 1 << iota
	gemmRelu
	gemmFetchC // fetch C before the chains
	gemmPlus
	gemmMask
)

// beside sets the strides of what the epilogue reads beside C, from those in elements, and the flags. Its pointers are set
// where the struct is a variable: through a pointer to it they would escape.
func (p *gemmArgs) beside(e *Epilogue, ldPlus, ldMask int) {
	p.flags = 0
	if e.Plus != nil {
		p.ldPlus, p.flags = 4*uintptr(ldPlus), gemmPlus
	}
	if e.Mask != nil {
		p.ldMask = 4 * uintptr(ldMask)
		p.flags |= gemmMask
	}
}
