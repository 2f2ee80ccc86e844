package main

import (
	"bytes"
	"fmt"
	"go/format"
	"log"
	"slices"
	"strings"
)

// Offsets of amxArgs and amxPackArgs; a test of package simd holds them against the Go structs.
const (
	amxA = 64 + 8*iota // after the configuration
	amxLDA
	amxStepA
	amxDownA
	amxNextA
	amxTail
	amxB
	amxNextB
	amxK
	amxC
	amxLDC
	amxBlocks
	amxBias
	amxMask
	amxLDMask
	amxFlags
	amxRows
	amxLive
	amxLive2
	amxAtA
	amxAtTail
	amxAtC
	amxAtMask
)

const (
	amxDst = 8 * iota
	amxSrc
	amxLD
	amxCount
	amxWords
	amxTiles
	amxStepSrc
	amxStepDst
)

// tileBytes is the size of a tile in memory: 16 rows of 64 bytes.
const tileBytes = 1024

// gprs are the general registers by their numbers.
var gprs = []string{"AX", "CX", "DX", "BX", "SP", "BP", "SI", "DI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"}

// vex is one instruction of AMX, which Go's assembler does not know: VEX in three bytes, opcode map 0F38, W0, 128 bits
// (Intel SDM vol. 2, 2.3.5 and 3.3 to 5.1). Registers are tiles unless said.
type vex struct {
	prefix      byte // pp: 0 for none, 2 for F3, 3 for F2
	opcode      byte
	reg         int    // ModRM.reg
	rm          int    // ModRM.rm, when no memory is addressed
	second      int    // VEX.vvvv, 0 if not used: which is stored inverted
	base, index string // general registers; the scale is 1
	disp        int
}

// encode returns the bytes of an instruction.
func (v vex) encode() []byte {
	inverted := byte(0xe0) // R, X and B: the fourth bits of the registers
	modrm := byte(v.reg<<3 | v.rm)
	var tail []byte
	if v.base == "" {
		modrm |= 3 << 6
	} else {
		base := slices.Index(gprs, v.base)
		inverted ^= byte(base>>3) << 5
		modrm = byte(v.reg << 3)
		if v.index == "" {
			if base&7 == 4 {
				panic("this base needs a SIB byte")
			}
			modrm |= byte(base & 7)
		} else {
			index := slices.Index(gprs, v.index)
			inverted ^= byte(index>>3) << 6
			modrm |= 4
			tail = append(tail, byte(index&7<<3|base&7))
		}
		switch {
		case v.disp == 0 && base&7 != 5: // 5 would mean no base
		case v.disp >= -128 && v.disp < 128:
			modrm |= 1 << 6
			tail = append(tail, byte(v.disp))
		default:
			modrm |= 2 << 6
			tail = append(tail, byte(v.disp), byte(v.disp>>8), byte(v.disp>>16), byte(v.disp>>24))
		}
	}
	return append([]byte{0xc4, inverted | 2, byte(15-v.second)<<3 | v.prefix, v.opcode, modrm}, tail...)
}

// amx writes one instruction of AMX as bytes, and beside it what it is.
func (a *asm) amx(v vex, format string, args ...any) {
	var b []string
	for _, x := range v.encode() {
		b = append(b, fmt.Sprintf("BYTE $0x%02x", x))
	}
	a.p("%s // "+format, append([]any{strings.Join(b, "; ")}, args...)...)
}

func (a *asm) tileConfigure(base string) {
	a.amx(vex{opcode: 0x49, base: base}, "LDTILECFG (%s)", base)
}
func (a *asm) tileRelease() { a.amx(vex{opcode: 0x49}, "TILERELEASE") }
func (a *asm) tileZero(t int) {
	a.amx(vex{prefix: 3, opcode: 0x49, reg: t}, "TILEZERO T%d", t)
}

func address(disp int, base, index string) string {
	if disp == 0 {
		return fmt.Sprintf("(%s)(%s*1)", base, index)
	}
	return fmt.Sprintf("%d(%s)(%s*1)", disp, base, index)
}

// tileLoad and tileStore address row i at base + disp + i·stride.
func (a *asm) tileLoad(disp int, base, stride string, t int) {
	a.amx(vex{prefix: 3, opcode: 0x4b, reg: t, base: base, index: stride, disp: disp}, "TILELOADD %s, T%d", address(disp, base, stride), t)
}

func (a *asm) tileStore(t, disp int, base, stride string) {
	a.amx(vex{prefix: 2, opcode: 0x4b, reg: t, base: base, index: stride, disp: disp}, "TILESTORED T%d, %s", t, address(disp, base, stride))
}

// tileDot adds the product of tiles x and y to c.
func (a *asm) tileDot(x, y, c int) {
	a.amx(vex{prefix: 2, opcode: 0x5c, reg: c, rm: x, second: y}, "TDPBF16PS T%d, T%d, T%d", y, x, c)
}

// amxFiles writes the kernels of AMX, which all CPUs with it run beside AVX-512, and their declarations.
func amxFiles(out map[string][]byte) {
	a := newAsm(&isa{name: "amx", arch: "amd64", lanes: 16, reg: "Z"})
	stubs := bytes.NewBufferString(warning(a.arch) + "package simd\n")
	for rows := 1; rows <= 2; rows++ {
		for cols := 1; cols <= 2; cols++ {
			a.amxGemm(rows, cols)
		}
	}
	a.amxRowTiles()
	a.amxPairTiles()
	a.amxTurn()
	out["amx_amd64.s"] = a.file()
	a.stub(stubs)
	text, err := format.Source(stubs.Bytes())
	if err != nil {
		log.Fatalf("generated Go does not parse: %v\n%s", err, stubs.Bytes())
	}
	out["stubs_amx_amd64.go"] = text
}

// amxText opens a function of one pointer to arguments, which DI holds.
func (a *asm) amxText(name, args string) {
	a.stubs = append(a.stubs, fmt.Sprintf("func %s(p *%s)", name, args))
	fmt.Fprintf(&a.body, "\n// func %s(p *%s)\nTEXT ·%s(SB), NOSPLIT, $0-8\n", name, args, name)
	a.p("MOVQ p+0(FP), DI")
}

// Tiles 0 to 3 are the blocks of C by rows, 4 and 5 those of A, 6 and 7 those of B.
const tileA, tileB = 4, 6

// amxGemm writes the kernel that computes blocks of rows by cols tiles of C, going down A and C. The configuration is
// loaded first and released last, because the goroutine may run on another thread afterwards.
func (a *asm) amxGemm(rows, cols int) {
	a.amxText(fmt.Sprintf("bf16gemm_%dx%d_amx", 16*rows, 16*cols), "amxArgs")
	block, zero, ready := a.fresh("block"), a.fresh("zero"), a.fresh("ready")
	loop, tail, done, end := a.fresh("k"), a.fresh("tail"), a.fresh("done"), a.fresh("end")
	c := func(f func(t, disp int, base string)) { // of every tile of C, the second row of tiles at DX
		for i := range rows {
			for j := range cols {
				f(2*i+j, 64*j, []string{"R12", "DX"}[i])
			}
		}
	}
	second := func() {
		if rows == 2 {
			a.p("MOVQ R11, DX")
			a.p("SHLQ $4, DX")
			a.p("ADDQ R12, DX")
		}
	}
	a.tileConfigure("DI")
	for _, arg := range [][2]int{{amxA, amxAtA}, {amxTail, amxAtTail}, {amxC, amxAtC}, {amxMask, amxAtMask}} {
		a.p("MOVQ %d(DI), DX", arg[0])
		a.p("MOVQ DX, %d(DI)", arg[1])
	}
	a.p("MOVQ $64, BX")
	a.p("MOVQ %d(DI), R11", amxLDC)
	a.p("KMOVW %d(DI), K1", amxLive)
	if cols == 2 {
		a.p("KMOVW %d(DI), K2", amxLive2)
	}
	a.at(block)
	a.p("TESTQ $1, %d(DI)", amxFlags)
	a.p("JZ %s", zero)
	a.p("MOVQ %d(DI), R12", amxAtC)
	second()
	c(func(t, disp int, base string) { a.tileLoad(disp, base, "R11", t) })
	a.p("JMP %s", ready)
	a.at(zero)
	c(func(t, _ int, _ string) { a.tileZero(t) })
	a.at(ready)
	a.p("MOVQ %d(DI), R8", amxAtA)
	a.p("MOVQ %d(DI), AX", amxLDA)
	a.p("MOVQ %d(DI), R13", amxStepA)
	if rows == 2 {
		a.p("MOVQ %d(DI), R9", amxDownA)
		a.p("ADDQ R8, R9")
	}
	a.p("MOVQ %d(DI), SI", amxB)
	if cols == 2 {
		a.p("MOVQ %d(DI), R10", amxNextB)
		a.p("ADDQ SI, R10")
	}
	a.p("MOVQ %d(DI), CX", amxK)
	a.p("TESTQ CX, CX")
	a.p("JZ %s", tail)
	a.at(loop)
	a.amxStep(rows, cols, "AX")
	a.p("ADDQ R13, R8")
	if rows == 2 {
		a.p("ADDQ R13, R9")
	}
	a.p("ADDQ $%d, SI", tileBytes)
	if cols == 2 {
		a.p("ADDQ $%d, R10", tileBytes)
	}
	a.p("DECQ CX")
	a.p("JNZ %s", loop)
	a.at(tail) // the last steps of k, for which rows of A were filled up with zeros
	a.p("MOVQ %d(DI), R8", amxAtTail)
	a.p("TESTQ R8, R8")
	a.p("JZ %s", done)
	if rows == 2 {
		a.p("LEAQ %d(R8), R9", tileBytes)
	}
	a.amxStep(rows, cols, "BX")
	a.p("ADDQ $%d, %d(DI)", rows*tileBytes, amxAtTail)
	a.at(done)
	a.p("MOVQ %d(DI), R12", amxAtC)
	second()
	c(func(t, disp int, base string) { a.tileStore(t, disp, base, "R11") })
	a.amxEpilogue(cols, end)
	a.at(end)
	a.p("MOVQ %d(DI), DX", amxNextA)
	a.p("ADDQ DX, %d(DI)", amxAtA)
	a.p("MOVQ R11, DX")
	a.p("SHLQ $%d, DX", 3+rows) // 16 rows of C, or 32
	a.p("ADDQ DX, %d(DI)", amxAtC)
	a.p("DECQ %d(DI)", amxBlocks)
	a.p("JNZ %s", block)
	a.tileRelease()
	a.ret()
}

// amxStep writes one step of 32 k: rows of A are stride apart.
func (a *asm) amxStep(rows, cols int, stride string) {
	for i := range rows {
		a.tileLoad(0, []string{"R8", "R9"}[i], stride, tileA+i)
		for j := range cols {
			if i == 0 {
				a.tileLoad(0, []string{"SI", "R10"}[j], "BX", tileB+j)
			}
			a.tileDot(tileA+i, tileB+j, 2*i+j)
		}
	}
}

// amxEpilogue writes bias, rectifier and mask for the rows of the block at R12, just stored; it leaves for end if there
// is nothing to do.
func (a *asm) amxEpilogue(cols int, end string) {
	noBias, loop, noAdd, noRelu, noMask := a.fresh("nobias"), a.fresh("row"), a.fresh("noadd"), a.fresh("norelu"), a.fresh("nomask")
	each := func(f func(j int, k string)) {
		for j := range cols {
			f(j, fmt.Sprintf("K%d", j+1))
		}
	}
	a.p("TESTQ $4, %d(DI)", amxFlags)
	a.p("JZ %s", end)
	a.p("MOVQ %d(DI), DX", amxBias)
	a.p("TESTQ DX, DX")
	a.p("JZ %s", noBias)
	each(func(j int, k string) { a.p("VMOVUPS.Z %d(DX), %s, Z%d", 64*j, k, j) })
	a.at(noBias)
	a.p("VPXORD Z2, Z2, Z2")
	a.p("MOVQ %d(DI), SI", amxAtMask)
	a.p("MOVQ %d(DI), R9", amxLDMask)
	a.p("MOVQ %d(DI), CX", amxRows)
	a.at(loop)
	each(func(j int, k string) { a.p("VMOVUPS.Z %d(R12), %s, Z%d", 64*j, k, 4+j) })
	a.p("TESTQ DX, DX")
	a.p("JZ %s", noAdd)
	each(func(j int, _ string) { a.p("VADDPS Z%d, Z%d, Z%d", j, 4+j, 4+j) })
	a.at(noAdd)
	a.p("TESTQ $2, %d(DI)", amxFlags)
	a.p("JZ %s", noRelu)
	each(func(j int, _ string) { a.p("VMAXPS Z%d, Z2, Z%d", 4+j, 4+j) })
	a.at(noRelu)
	a.p("TESTQ SI, SI")
	a.p("JZ %s", noMask)
	each(func(j int, k string) {
		a.p("VMOVUPS.Z %d(SI), %s, Z6", 64*j, k)
		a.p("VCMPPS $18, Z2, Z6, K3")
		a.p("VMOVAPS Z2, K3, Z%d", 4+j)
	})
	a.p("ADDQ R9, SI")
	a.at(noMask)
	each(func(j int, k string) { a.p("VMOVUPS Z%d, %s, %d(R12)", 4+j, k, 64*j) })
	a.p("ADDQ R11, R12")
	a.p("DECQ CX")
	a.p("JNZ %s", loop)
	a.p("MOVQ SI, %d(DI)", amxAtMask)
}

// amxPackHead loads the arguments of a kernel that packs tiles: R8 the target, SI the source, R9 from row to row of it,
// AX the tiles, K1 what is read of a row.
func (a *asm) amxPackHead(mask string) {
	a.p("MOVQ %d(DI), R8", amxDst)
	a.p("MOVQ %d(DI), SI", amxSrc)
	a.p("MOVQ %d(DI), R9", amxLD)
	a.p("MOVQ %d(DI), AX", amxTiles)
	a.p("%s %d(DI), K1", mask, amxWords)
	a.p("VPXORD Z2, Z2, Z2")
}

// amxPackEnd fills the tile at DX with as many rows of zeros as R10 says, and goes on to the next one.
func (a *asm) amxPackEnd(tile string) {
	fill, full := a.fresh("fill"), a.fresh("full")
	a.p("TESTQ R10, R10")
	a.p("JZ %s", full)
	a.at(fill)
	a.p("VMOVUPS Z2, (DX)")
	a.p("ADDQ $64, DX")
	a.p("DECQ R10")
	a.p("JNZ %s", fill)
	a.at(full)
	a.p("ADDQ %d(DI), SI", amxStepSrc)
	a.p("ADDQ %d(DI), R8", amxStepDst)
	a.p("DECQ AX")
	a.p("JNZ %s", tile)
	a.ret()
}

// amxRowTiles writes the kernel that copies rows of up to 32 numbers into tiles.
func (a *asm) amxRowTiles() {
	a.amxText("bf16rows_amx", "amxPackArgs")
	tile, row := a.fresh("tile"), a.fresh("row")
	a.amxPackHead("KMOVD")
	a.at(tile)
	a.p("MOVQ R8, DX")
	a.p("MOVQ SI, R11")
	a.p("MOVQ %d(DI), CX", amxCount)
	a.p("MOVQ $16, R10")
	a.p("SUBQ CX, R10")
	a.at(row)
	a.p("VMOVDQU16.Z (R11), K1, Z0")
	a.p("VMOVUPS Z0, (DX)")
	a.p("ADDQ R9, R11")
	a.p("ADDQ $64, DX")
	a.p("DECQ CX")
	a.p("JNZ %s", row)
	a.amxPackEnd(tile)
}

// amxPairTiles writes the kernel that interleaves rows of up to 16 numbers by pairs: a row of a tile is x0 y0 x1 y1 …
func (a *asm) amxPairTiles() {
	a.amxText("bf16pairs_amx", "amxPackArgs")
	tile, pair, odd, even := a.fresh("tile"), a.fresh("pair"), a.fresh("odd"), a.fresh("even")
	a.amxPackHead("KMOVW")
	a.at(tile)
	a.p("MOVQ R8, DX")
	a.p("MOVQ SI, R11")
	a.p("MOVQ $16, R10")
	a.p("MOVQ %d(DI), CX", amxCount)
	a.p("SUBQ $2, CX")
	a.p("JLT %s", odd)
	a.at(pair)
	a.p("VPMOVZXWD.Z (R11), K1, Z0")
	a.p("VPMOVZXWD.Z (R11)(R9*1), K1, Z1")
	a.p("VPSLLD $16, Z1, Z1")
	a.p("VPORD Z0, Z1, Z0")
	a.p("VMOVUPS Z0, (DX)")
	a.p("LEAQ (R11)(R9*2), R11")
	a.p("ADDQ $64, DX")
	a.p("DECQ R10")
	a.p("SUBQ $2, CX")
	a.p("JGE %s", pair)
	a.at(odd)
	a.p("ADDQ $2, CX")
	a.p("JZ %s", even)
	a.p("VPMOVZXWD.Z (R11), K1, Z0")
	a.p("VMOVUPS Z0, (DX)")
	a.p("ADDQ $64, DX")
	a.p("DECQ R10")
	a.at(even)
	a.amxPackEnd(tile)
}

// amxTurn writes the kernel that transposes tiles of 16 by 16 pairs in place. Vector 4g+i takes columns 4g to 4g+3 of rows
// i, i+4, i+8 and i+12; a transposition of 4 by 4 within each 128 bits does the rest.
func (a *asm) amxTurn() {
	a.amxText("bf16turn_amx", "amxPackArgs")
	tile := a.fresh("tile")
	a.p("MOVQ %d(DI), SI", amxDst)
	a.p("MOVQ %d(DI), R9", amxStepDst)
	a.p("MOVQ %d(DI), CX", amxTiles)
	a.at(tile)
	for g := range 4 {
		for i := range 4 {
			z := 4*g + i
			a.p("VMOVUPS %d(SI), X%d", 64*i+16*g, z)
			for l := 1; l < 4; l++ {
				a.p("VINSERTF32X4 $%d, %d(SI), Z%d, Z%d", l, 64*(i+4*l)+16*g, z, z)
			}
		}
	}
	for g := range 4 {
		z, t := 4*g, 16+8*(g%2)
		a.p("VUNPCKLPS Z%d, Z%d, Z%d", z+1, z, t)     // a0 b0 a1 b1
		a.p("VUNPCKHPS Z%d, Z%d, Z%d", z+1, z, t+1)   // a2 b2 a3 b3
		a.p("VUNPCKLPS Z%d, Z%d, Z%d", z+3, z+2, t+2) // c0 d0 c1 d1
		a.p("VUNPCKHPS Z%d, Z%d, Z%d", z+3, z+2, t+3)
		a.p("VUNPCKLPD Z%d, Z%d, Z%d", t+2, t, t+4)
		a.p("VUNPCKHPD Z%d, Z%d, Z%d", t+2, t, t+5)
		a.p("VUNPCKLPD Z%d, Z%d, Z%d", t+3, t+1, t+6)
		a.p("VUNPCKHPD Z%d, Z%d, Z%d", t+3, t+1, t+7)
		for c := range 4 {
			a.p("VMOVUPS Z%d, %d(SI)", t+4+c, 64*(4*g+c))
		}
	}
	a.p("ADDQ R9, SI")
	a.p("DECQ CX")
	a.p("JNZ %s", tile)
	a.ret()
}
