// Package simd holds the float32 kernels of the engine: matrix product, elementwise functions, reductions, optimizers.
//
// Four sets of kernels compute the same bits: go, which is portable and compiled everywhere, avx2 (AVX2 and FMA), avx512
// (F, DQ, BW and VL), and neon on arm64. CPUID and XGETBV choose the widest once at start; the environment variable
// LAMINA_KERNEL, or Select, forces a set by its short name or one row of the table (Variants) by its full name. The build
// tag noasm leaves only go. No function allocates; all are safe to call at once on outputs that do not overlap.
//
// # The GEMM contract
//
//	            columns of C: panels of up to NR
//	            ┌──────────── n ────────────┐
//	       B  k │ p: one row, NR contiguous │   row p starts ldb elements after row p-1
//	            └─────────┼─────────────────┘
//	   A                  ▼
//	  ┌─ k ─┐   ┌─────────┬─────────┬───────┐
//	m │ MR ─┼─▶ │ MR x NR │         │  ░░░  │   ░ dead columns of the last vector: masked
//	  │     │   ├─────────┤    C    │  ░░░  │     (AVX-512), or it begins earlier
//	  └─────┘   └─────────┴─────────┴───────┘   rows of C are ldc elements apart
//
// Element (i, p) of A lies at i·rsa + p·csa: (lda, 1) is a row-major A and (1, lda) its transpose, so NN and TN are one
// kernel; NT transposes B beforehand, once per update for a weight.
//
// Operands are read where they lie. Long chains and large A are cut into blocks that the caches hold, a block of k
// continuing the chains of the one before through C; operands whose rows lie a multiple of 2 KiB apart, which share few
// sets of a cache, are copied block by block to the stack when the product is large. A call allocates nothing.
//
//   - Chain. c[i][j] is one ascending chain acc = fma(a[i][p], b[p][j], acc) over p = 0 … k-1, each step rounded once to
//     float32. acc starts at +0, or at the stored c[i][j] when accumulating. Stopping at some p and continuing later by
//     accumulating gives the same bits. They do not depend on m, n, tile, strides or kernel set.
//   - Epilogue. After the whole chain: plus bias[j], then max(·, 0), then 0 where the mask is at most 0, then one store.
//   - k = 0. The chain is its start: 0 or the stored C, then the epilogue. A and B are not read.
//   - Read: exactly the elements of A, B, the bias and the mask; of C, when accumulating, what was there, else only what an
//     earlier block of the call wrote. Written: exactly the m·n elements of C, some more than once; gaps between its rows
//     keep their bits.
//   - NaN and Inf follow IEEE 754; which NaN results from several is not promised. Rectifiers keep NaN and -0.
//     Subnormals are computed, never flushed.
//   - Short slices and negative strides panic before anything is written.
//
// # Elementwise functions, reductions and optimizers
//
// Every element is computed by the same operations in the same order in every set, with division and square root exact,
// so a range may be split anywhere. A reduction adds element i into lane i mod 16 in ascending order, then the lanes by
// halves (i with i+8, +4, +2, +1). ColumnSums adds rows in ascending order.
//
// Subnormals are computed here too, but for the moments that optimizers store: these are 0 where they would be subnormal
// (package optim says why).
//
// Exp reduces x to n·ln2 + r with a two-part ln2 and fused operations, evaluates expm1(r) = r + r²·P(r) with P of degree
// 5, and scales by two powers of two, so that subnormal results round once more and overflow gives Inf. Sigmoid and Tanh
// build on it without overflow: e/(1+e) with e = exp(-|x|), and -m/(2+m) with m = expm1(-2|x|). Softplus adds e·P(e) to
// max(x, 0), with P of degree 10 for log1p(e)/e. Log splits x = m·2^e with m in [2/3, 4/3), subnormal x after a scaling
// by 2^23. Erf is a polynomial in x² times x up to 15/16 and -expm1 of a polynomial beyond. Error bounds are stated at
// each function; the greatest errors found are in README.md.
//
// # Draws
//
// What is drawn comes from the counter-based streams of package random: element i is a pure function of the key and of
// the number of its draw, so draws may be cut anywhere. A kernel computes Philox4x32-10 on several blocks of four
// draws at a time (a block to a 64-bit lane; in NEON a word of four blocks to a register) and applies the draws before they leave the registers: masks, bits with given probabilities, replaced
// elements, normal noise. Uniform draws are those of random.Key.Float32 exactly. Where a bit of Sample differs from
// that of an unrounded probability the draw lies within the rounding of the probability. Normal draws are random.Key.Normal32's
// within 2e-6: Box and Muller's with the logarithm above, an exact square root, and sine and cosine of a quadrant
// by polynomials of degree 7 and 8.
//
// # Adding a kernel
//
// Only inner kernels are assembly, written by the templates in gen; loops over panels and rows and the edges are Go
// (driver.go). A row is named <dtype><op>_<MR>x<NR>_<isa>, or <dtype><op>_<isa> without a tile. Tests run every row
// against the portable kernels bit for bit and those against float64; a row this CPU lacks has its text run by an
// emulator of its instructions. With LAMINA_REQUIRE_KERNELS=avx2,avx512 a set the CPU lacks is a failure, not a skip.
package simd

//go:generate go run ./gen
