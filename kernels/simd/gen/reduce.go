package main

import "fmt"

// reductions fold whole blocks of 16 elements into the 16 lanes in memory.
func (a *asm) reductions() {
	const args = "lanes, x, y *float32, n int"
	sw := fmt.Sprintf("\nfunc vectorReduce_%s(o op, %s) {\n\tswitch o {\n", a.name, args)
	for _, op := range []string{"sum", "dot"} {
		a.text(op, args, 32)
		a.args("lanes", "DI", "x", "SI", "y", "DX", "n", "CX")
		vecs := 16 / a.lanes
		at := func(ptr string, v int) string { return fmt.Sprintf("%d(%s)", v*a.bytes(), ptr) }
		for v := range vecs {
			a.p("VMOVUPS %s, %s", at("DI", v), a.r(v))
		}
		loop := a.fresh("loop")
		a.at(loop)
		for v := range vecs {
			x, acc := a.r(4+v), a.r(v)
			switch op {
			case "sum":
				a.p("VADDPS %s, %s, %s", at("SI", v), acc, acc)
			case "dot":
				a.p("VMOVUPS %s, %s", at("SI", v), x)
				a.p("VFMADD231PS %s, %s, %s", at("DX", v), x, acc)
			}
		}
		a.p("ADDQ $64, SI")
		a.p("ADDQ $64, DX")
		a.p("SUBQ $16, CX")
		a.p("JGT %s", loop)
		for v := range vecs {
			a.p("VMOVUPS %s, %s", a.r(v), at("DI", v))
		}
		a.ret()
		sw += fmt.Sprintf("\tcase %s:\n\t\tf32%s_%s(lanes, x, y, n)\n", goOp[op], op, a.name)
	}
	a.switches += sw + "\t}\n}\n"
}

// colSums adds rows to dst in strips of four vectors, then one, then under a mask; ldx is in bytes. With grad an element of
// x counts as 0 where that of y is at most 0.
func (a *asm) colSums(op string, grad bool) {
	if grad {
		a.text(op, "dst, x, y *float32, ldx, rows, cols int", 48)
		a.args("dst", "DI", "x", "SI", "y", "R10", "ldx", "BX", "rows", "R8", "cols", "CX")
		a.load("zero")
	} else {
		a.text(op, "dst, x *float32, ldx, rows, cols int", 40)
		a.args("dst", "DI", "x", "SI", "ldx", "BX", "rows", "R8", "cols", "CX")
	}
	done := a.fresh("done")
	rows := func(vecs int, masked bool) {
		load := func(ptr string, v, n int) {
			if masked {
				a.ld(ptr, n, true)
			} else {
				a.p("VMOVUPS %d(%s), %s", v*a.bytes(), ptr, a.r(n))
			}
		}
		for v := range vecs {
			load("DI", v, v)
		}
		row := a.fresh("row")
		a.p("MOVQ SI, DX")
		if grad {
			a.p("MOVQ R10, R11")
		}
		a.p("MOVQ R8, R9")
		a.at(row)
		for v := range vecs {
			if !masked && !grad {
				a.p("VADDPS %d(DX), %s, %s", v*a.bytes(), a.r(v), a.r(v))
				continue
			}
			x, y := a.r(4+v), a.r(8+v)
			load("DX", v, 4+v)
			switch {
			case grad && a.wide():
				load("R11", v, 8+v)
				a.p("VCMPPS $18, %s, %s, K2", a.c("zero"), y)
				a.p("VMOVAPS %s, K2, %s", a.c("zero"), x)
			case grad:
				load("R11", v, 8+v)
				a.p("VCMPPS $18, %s, %s, %s", a.c("zero"), y, y)
				a.p("VANDNPS %s, %s, %s", x, y, x)
			}
			a.p("VADDPS %s, %s, %s", x, a.r(v), a.r(v))
		}
		a.p("ADDQ BX, DX")
		if grad {
			a.p("ADDQ BX, R11")
		}
		a.p("DECQ R9")
		a.p("JNZ %s", row)
		for v := range vecs {
			if masked {
				a.st(0, "DI", true)
			} else {
				a.p("VMOVUPS %s, %d(DI)", a.r(v), v*a.bytes())
			}
		}
	}
	for _, vecs := range []int{4, 1} {
		strip, next := a.fresh("strip"), a.fresh("next")
		a.at(strip)
		a.p("CMPQ CX, $%d", vecs*a.lanes)
		a.p("JLT %s", next)
		rows(vecs, false)
		a.p("ADDQ $%d, DI", vecs*a.bytes())
		a.p("ADDQ $%d, SI", vecs*a.bytes())
		if grad {
			a.p("ADDQ $%d, R10", vecs*a.bytes())
		}
		a.p("SUBQ $%d, CX", vecs*a.lanes)
		a.p("JMP %s", strip)
		a.at(next)
	}
	a.p("TESTQ CX, CX")
	a.p("JZ %s", done)
	a.mask()
	rows(1, true)
	a.at(done)
	a.ret()
}

// peak runs n rounds of 12 independent fused multiply-adds in registers.
func (a *asm) peak() {
	a.text("peak", "n int", 8)
	a.args("n", "CX")
	for i := range 14 {
		a.zero(i)
	}
	loop := a.fresh("loop")
	a.p("PCALIGN $32")
	a.at(loop)
	for i := range 12 {
		a.p("VFMADD231PS %s, %s, %s", a.r(12), a.r(13), a.r(i))
	}
	a.p("DECQ CX")
	a.p("JNZ %s", loop)
	a.ret()
}
