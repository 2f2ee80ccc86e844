// Package simd holds the engine's kernels, of float32 but for products in bf16: matrix product, elementwise functions,
// reductions and optimizers.
//
// Four sets of kernels compute the same bits: go, which is portable and compiled everywhere, avx2 (AVX2 and FMA), avx512
// (F, DQ, BW and VL), and neon on arm64. CPUID and XGETBV select the widest set once at start. The environment variable
// LAMINA_KERNEL, or Select, forces a set by its short name or one row of the table (Variants) by its full name. A set's name
// may go on with -amd or -intel: its products are then cut by the rules for that family's CPUs. The build tag noasm leaves
// only go. No function allocates. All may be called concurrently on outputs that do not overlap.
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
// Element (i, p) of A is at i·rsa + p·csa. Strides (lda, 1) are a row-major A and (1, lda) its transpose, so one kernel
// serves NN and TN. NT transposes B beforehand; for a weight that happens once per update.
//
// Operands are read in place. Long chains and large A are cut into blocks that fit the caches, whose sizes CPUID tells; a
// block of k continues the chains of the previous one through C. Operands whose rows lie half a way of the first cache (2 KiB)
// or a multiple of it apart share few of its sets, so they are copied block by block when the product is large. The buffers,
// 192 KiB for each call that packs at the same time as others, are made once and kept. A call allocates nothing.
//
//   - Chain. c[i][j] is one ascending chain acc = fma(a[i][p], b[p][j], acc) over p = 0 … k-1, each step rounded once to
//     float32. acc starts at +0, or at the stored c[i][j] when accumulating. Stopping at some p and continuing later by
//     accumulating gives the same bits. The bits do not depend on m, n, tile, strides or kernel set.
//   - Epilogue. After the whole chain: add bias[j], then plus[i][j], then max(·, 0), then 0 where the mask is at most 0,
//     then one store.
//   - k = 0. The chain is only its start, 0 or the stored C, followed by the epilogue. A and B are not read.
//   - Read: exactly the elements of A, B and the epilogue's operands. C's old contents are read only when accumulating;
//     otherwise only what an earlier block of the call wrote. Written: exactly the m·n elements of C, some more than once.
//     Gaps between its rows keep their bits.
//   - NaN and Inf follow IEEE 754. Which of several NaNs results is not promised. Rectifiers keep NaN and -0.
//     Subnormals are computed, never flushed.
//   - Short slices and negative strides panic before anything is written.
//
// # Products by taps
//
// GemmTaps is the product of a convolution, or of one of its gradients, read where the image lies: rows of A come in lines,
// steps in taps, and a table says where each tap begins. Its chains are those of Gemm, ascending over the taps in order.
// On amd64 one call walks all lines of a panel of columns with the accumulators in registers over all taps; what the epilogue
// of a tile reads is fetched ahead of its chains. Where there are one to four columns it may compute C turned, with rows in
// the lanes. The other sets loop over products.
//
// # Products in bf16
//
// GemmBF16 multiplies bf16 operands and accumulates in float32, by the arithmetic of AMX: its comment is the definition, down to
// the order of sums and what becomes of tiny numbers, and every set has its bits. Blocks of A and of B are widened, which is
// exact, into scratch that the caller brings, and so are transposed as they need to be: either operand may lie either way
// round. Kernels keep the two chains of a block in registers and set FTZ and DAZ for the length of a call; the epilogue follows
// without them. NEON flushes before it rounds, so a tile of which FPSR says that something was flushed is computed again by
// the portable kernel, which is exact.
//
//	A strips        [⌈m/L⌉][k][L]    L: lanes of a vector      tile: R rows × V vectors of C, 2·R·V chains
//	B strips        [⌈n/L⌉][k][L]    k: 128 steps at most      L, R, V: 16, 4, 3 (AVX-512); 8, 2, 3 (AVX2); 4, 4, 3 (NEON)
//
// PackBF16Tiles rounds a float32 matrix into the layout of AMX's own tiles, the same on every CPU, which GemmBF16Tiles takes as
// its right operand. VDPBF16PS is not used: it adds in another order.
//
// # Elementwise functions, reductions and optimizers
//
// Every set computes each element by the same operations in the same order, with correctly rounded division and square
// root, so a range may be split anywhere. A reduction adds element i into lane i mod 16 in ascending order, then the lanes by
// halves (i with i+8, +4, +2, +1). ColumnSums and ColumnSumsReluGrad add rows in ascending order.
//
// Subnormals are computed here too, but for the moments that optimizers store: these are 0 where they would be subnormal
// (package optim says why).
//
// Exp reduces x to n·ln2 + r with ln2 in two parts and fused operations, evaluates expm1(r) = r + r²·P(r) with P of degree
// 5, and scales by two powers of two, so that subnormal results round once more and overflow gives Inf. Sigmoid and Tanh
// build on it without overflow: e/(1+e) with e = exp(-|x|), and -m/(2+m) with m = expm1(-2|x|). Softplus adds e·P(e) to
// max(x, 0), with P of degree 10 for log1p(e)/e. Log splits x = m·2^e with m in [2/3, 4/3), subnormal x after a scaling
// by 2^23. Erf is a polynomial in x² times x up to 15/16 and -expm1 of a polynomial beyond. Each function
// states its error bound; the largest errors found are in README.md.
//
// # Draws
//
// Draws come from the counter-based streams of package random: element i is a pure function of the key and of the number
// of its draw, so draws may be cut anywhere. A kernel computes Philox4x32-10 on several blocks of four draws at a time (one
// block per 64-bit lane; in NEON one word of four blocks per register) and applies the draws before they leave the
// registers: masks, bits with given probabilities, replaced elements, normal noise. Uniform draws equal those of
// random.Key.Float32 exactly. Where a bit of Sample differs from that of an unrounded probability, the draw lies within the
// rounding of the probability. Normal draws agree with random.Key.Normal32 within 2e-6: the Box-Muller method with the
// logarithm above, a correctly rounded square root, and sine and cosine of a quadrant by polynomials of degree 7 and 8.
//
// # Adding a kernel
//
// Only inner kernels are assembly, generated by the templates in gen. Loops over panels and rows, and the edges, are Go
// (driver.go), and so is what the CPU decides (rules.go). A GEMM kernel serves tiles of every height, or of every width, which
// are rows of the table of their own. A row is named <dtype><op>_<MR>x<NR>_<isa>, or <dtype><op>_<isa> if it has no tile.
// Tests compare every row with the portable kernels bit for bit, and those with float64. If the CPU cannot run a row, an
// emulator of its instructions runs the assembly text. With LAMINA_REQUIRE_KERNELS=avx2,avx512 a set the CPU lacks is a
// failure, not a skip.
package simd

//go:generate go run ./gen
