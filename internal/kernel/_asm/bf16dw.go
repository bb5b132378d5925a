package main

import "fmt"

// halfDWBlock is what a depthwise routine of bfloat16 takes: as dwBlock, in
// blocks of 32 channels. A register of inputs is taken apart into the even
// channels, shifted into place, and the odd ones, masked; the sums are
// float32, each a chain of fused multiply-adds from the bias over the taps
// inside the picture, in the order of rows and columns.
var halfDWBlock = block{"halfDWArgs", "halfDWArgs are the arguments of a bfloat16 depthwise routine; offsets and strides are in bytes.", []field{
	{"x", "*float32", "first element of the picture, bfloat16"},
	{"w", "*float32", "weights [C/32][KH][KW][even, odd][16] in float32, from the first kernel row used"},
	{"bias", "*float32", "C, float32"},
	{"y", "*float32", "first output of the first tile, bfloat16"},
	{"xOff", "int", "from x to the first column of the first tile in the first kernel row used"},
	{"rowStride", "int", "between kernel rows"},
	{"colStride", "int", "between columns"},
	{"yStride", "int", "between outputs"},
	{"rows", "int", "kernel rows used"},
	{"wSkip", "int", "kernel rows not used, of one block of channels"},
	{"tiles", "int", "counted down"},
	{"xTile", "int", "between tiles of inputs"},
	{"yTile", "int", "between tiles of outputs"},
	{"cols", "int", "mask of columns inside the picture"},
	{"outs", "int", "mask of outputs inside the row"},
	{"channels", "int", ""},
	{"left", "int", "channels to do, for the routine's own use"},
	{"mode", "int", "of the epilogue"},
	{"lo", "float32", "least result (clip)"},
	{"hi", "float32", "greatest result (clip)"},
	{"scale", "float32", "factor (hard swish)"},
	{"pad", "float32", ""},
}}

func halfDWName(d dwKind) string { return fmt.Sprintf("dwBF16K%dS%dAVX512", d.k, d.stride) }

func halfDWFile(a *asm) {
	constants(a)
	words := func(name string, at func(i int) int) {
		for i := range 16 {
			a.raw("DATA %s<>+%d(SB)/4, $%#x", name, 4*i, uint32(at(i)))
		}
		a.raw("GLOBL %s<>(SB), RODATA|NOPTR, $64", name)
	}
	words("even", func(i int) int { return 2 * i })
	words("odd", func(i int) int { return 2*i + 1 })
	words("zip", func(i int) int { return i | (i+16)<<16 })
	for _, k := range dwKinds {
		halfDW(a, k)
	}
}

func halfDW(a *asm, d dwKind) {
	b := &halfDWBlock
	const weights, x, even = 2 * dwTile, 24, 25
	a.begin(halfDWName(d), b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("ADDQ %s, SI", b.at("xOff"))
	a.p("MOVQ %s, R8", b.at("colStride"))
	a.p("LEAQ (R8)(R8*2), R9")
	a.p("MOVQ %s, R13", b.at("y"))
	a.p("MOVL $0xffff0000, AX")
	a.p("VPBROADCASTD AX, Z27")
	a.p("VMOVUPS even<>(SB), Z28")
	a.p("VMOVUPS odd<>(SB), Z29")
	a.p("VMOVUPS zip<>(SB), Z30")
	tiles, chunk, whole := a.fresh("tile"), a.fresh("chunk"), a.fresh("whole")
	a.label(tiles)
	a.p("XORL R14, R14")
	a.p("MOVQ %s, R10", b.at("w"))
	a.p("MOVQ %s, AX", b.at("channels"))
	a.p("MOVQ AX, %s", b.at("left"))
	a.p("MOVQ %s, R15", b.at("bias"))
	a.label(chunk)
	a.p("MOVL $-1, BX")
	a.p("MOVQ %s, AX", b.at("left"))
	a.p("CMPQ AX, $32")
	a.p("JGE %s", whole)
	a.p("SHLXL AX, BX, BX")
	a.p("NOTL BX")
	a.label(whole)
	a.p("KMOVW BX, K1")
	a.p("SHRL $16, BX")
	a.p("KMOVW BX, K2")
	a.p("VMOVUPS.Z (R15), K1, Z0")
	a.p("VMOVUPS.Z 64(R15), K2, Z2")
	a.p("VMOVAPS Z0, Z1")
	a.p("VPERMT2PS Z2, Z28, Z0")
	a.p("VPERMT2PS Z2, Z29, Z1")
	for t := 1; t < dwTile; t++ {
		a.p("VMOVAPS Z0, Z%d", 2*t)
		a.p("VMOVAPS Z1, Z%d", 2*t+1)
	}
	a.p("MOVQ %s, AX", b.at("cols"))
	a.p("LEAQ (SI)(R14*1), BX")
	cols := (dwTile-1)*d.stride + d.k
	bases := []string{"BX", "DX", "R12", "CX"}[:(cols-1)/5+1]
	for i := 1; i < len(bases); i++ {
		a.p("LEAQ (%s)(R8*4), %s", bases[i-1], bases[i])
		a.p("ADDQ R8, %s", bases[i])
	}
	a.p("MOVQ %s, R11", b.at("rows"))
	rows := a.fresh("row")
	a.label(rows)
	for k := range 2 * d.k {
		a.p("VMOVUPS %d(R10), Z%d", 64*k, weights+k)
	}
	for j := range cols {
		skip := a.fresh("col")
		a.p("TESTL $%d, AX", 1<<j)
		a.p("JEQ %s", skip)
		index := []string{"", "(R8*1)", "(R8*2)", "(R9*1)", "(R8*4)"}[j%5]
		a.p("VMOVUPS (%s)%s, Z%d", bases[j/5], index, x)
		a.p("VPSLLD $16, Z%d, Z%d", x, even)
		a.p("VPANDD Z27, Z%d, Z%d", x, x)
		for t := range dwTile {
			if k := j - t*d.stride; k >= 0 && k < d.k {
				a.p("VFMADD231PS Z%d, Z%d, Z%d", weights+2*k, even, 2*t)
				a.p("VFMADD231PS Z%d, Z%d, Z%d", weights+2*k+1, x, 2*t+1)
			}
		}
		a.label(skip)
	}
	a.p("ADDQ $%d, R10", 128*d.k)
	for _, r := range bases {
		a.p("ADDQ %s, %s", b.at("rowStride"), r)
	}
	a.p("DECQ R11")
	a.p("JNE %s", rows)
	a.p("ADDQ %s, R10", b.at("wSkip"))

	var accs []sum
	for t := range 2 * dwTile {
		accs = append(accs, sum{fmt.Sprintf("Z%d", t), 0})
	}
	epilogue(a, avx512, b, accs, weights, false)

	a.p("MOVQ %s, AX", b.at("outs"))
	a.p("MOVQ %s, R12", b.at("yStride"))
	a.p("LEAQ (R13)(R14*1), BX")
	for t := range dwTile {
		skip := a.fresh("out")
		a.p("TESTL $%d, AX", 1<<t)
		a.p("JEQ %s", skip)
		a.narrow2(fmt.Sprintf("Z%d", 2*t), fmt.Sprintf("Z%d", 2*t+1), fmt.Sprintf("Z%d", weights))
		a.p("VPERMW Z%d, Z30, Z%d", weights, weights)
		a.p("VMOVUPS Z%d, (BX)", weights)
		a.label(skip)
		a.p("ADDQ R12, BX")
	}
	a.p("ADDQ $64, R14")
	a.p("ADDQ $128, R15")
	a.p("SUBQ $32, %s", b.at("left"))
	a.p("JGT %s", chunk)
	a.p("ADDQ %s, SI", b.at("xTile"))
	a.p("ADDQ %s, R13", b.at("yTile"))
	a.p("DECQ %s", b.at("tiles"))
	a.p("JNE %s", tiles)
	a.end()
}
