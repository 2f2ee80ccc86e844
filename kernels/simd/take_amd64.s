//go:build amd64 && !noasm

#include "textflag.h"

// func takeLines(p *float32, rows, stride, size uintptr)
TEXT ·takeLines(SB), NOSPLIT, $0-32
	MOVQ p+0(FP), DI
	MOVQ rows+8(FP), CX
	MOVQ stride+16(FP), DX
	MOVQ size+24(FP), BX

row:
	MOVQ DI, SI
	LEAQ (DI)(BX*1), R8

line: // at the row's first element, then at the begin of each line
	MOVL (SI), AX
	MOVL AX, (SI)
	ADDQ $64, SI
	ANDQ $-64, SI
	CMPQ SI, R8
	JCS  line
	ADDQ DX, DI
	DECQ CX
	JNZ  row
	RET
