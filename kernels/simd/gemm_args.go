//go:build (amd64 || arm64) && !noasm

package simd

// gemmArgs is what a micro-kernel reads. It computes tiles tiles of rows rows, going down A, C and the mask, whose pointers
// it moves as far as the last tile. Strides are in bytes. The generator has the offsets.
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
	mask     *float32 // what is added or the mask, nil for neither
	ldMask   uintptr
	stepA    uintptr // from tile to tile
	stepC    uintptr
	stepMask uintptr // 0 without a mask
	far      uintptr // tile t of the first farLines fetches the t-th cache line of each row into the cache
	ldFar    uintptr
	farLines int
	// AVX-512: bytes from step to step at which A is fetched ahead, 0 for not at all, and from the tile's A to where that begins.
	fetchA, fetchFrom uintptr
}

// gemmArgs.flags
const (
	gemmAccumulate = 1 << iota
	gemmRelu
	gemmFetchC // fetch C before the chains
	gemmPlus   // mask is added
	gemmMask   // mask is one
)

// beside is what the epilogue reads beside C, the elements from row to row of it, and the flag that says what it is.
func (e *Epilogue) beside() (x []float32, ld int, flag uint64) {
	switch {
	case e.Plus != nil:
		return e.Plus, e.LDPlus, gemmPlus
	case e.Mask != nil:
		return e.Mask, e.LDMask, gemmMask
	}
	return nil, 0, 0
}
