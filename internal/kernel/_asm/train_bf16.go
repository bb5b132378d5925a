package main

import "fmt"

// pairBlock is what the routine that makes pairs takes: two rows of float32
// become one of pairs of bfloat16, the first row's number in the lower half.
// A product of bfloat16 sums pairs, and what a weight's gradient sums is
// pixels.
var pairBlock = block{"pairArgs", "pairArgs are the arguments of the routine that makes pairs of rows; strides are in bytes.", []field{
	{"x", "*float32", "first row"},
	{"y", "*float32", "first row of pairs, in blocks of sixteen; beyond the last channel they are zeros"},
	{"xStride", "int", "between rows"},
	{"yStride", "int", "between rows of pairs"},
	{"yBlock", "int", "between blocks of a row of pairs"},
	{"rows", "int", "at least one; after an odd last one comes a row of zeros"},
	{"channels", "int", "at least one"},
}}

// pairOuterBlock is what an outer product of pairs takes.
var pairOuterBlock = block{"pairOuterArgs", "pairOuterArgs are the arguments of an outer product of pairs of bfloat16; strides are in bytes.", []field{
	{"u", "*float32", "first pair that is broadcast, of the first row of pairs"},
	{"v", "*float32", "first pair of the vectors, of the first row; whole vectors can be read"},
	{"sums", "*float32", "[us][vs]"},
	{"uStride", "int", "between rows of u"},
	{"vStride", "int", "between rows of v"},
	{"sumStride", "int", "between rows of sums"},
	{"pairs", "int", "rows of pairs, at least one"},
	{"us", "int", "pairs of a row of u"},
	{"vs", "int", "pairs of a row of v, at most 32"},
}}

var pairFunctions = []function{
	{"pairRowsAVX512", pairBlock.name, "pairRowsAVX512 makes pairs of bfloat16 of rows of float32."},
	{"outerBF16AVX512", pairOuterBlock.name, "outerBF16AVX512 adds the outer products of rows of pairs to sums."},
}

func pairFile(a *asm) {
	for i := range 16 {
		a.raw("DATA interleave<>+%d(SB)/4, $%d", 4*i, i|(16+i)<<16)
	}
	a.raw("GLOBL interleave<>(SB), RODATA|NOPTR, $64")
	pairRows(a)
	turnPairs(a)
	storeRows(a)
	pairOuter(a)
}

func pairRows(a *asm) {
	b := &pairBlock
	a.begin("pairRowsAVX512", b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, DX", b.at("y"))
	a.p("MOVQ %s, R8", b.at("xStride"))
	a.p("MOVQ %s, R9", b.at("yStride"))
	a.p("MOVQ %s, R10", b.at("yBlock"))
	a.p("MOVQ %s, R12", b.at("rows"))
	a.p("MOVQ %s, R13", b.at("channels"))
	a.p("VMOVUPS interleave<>(SB), Z31")
	a.p("MOVQ R13, CX")
	a.p("ANDL $15, CX")
	a.p("MOVL $1, AX")
	a.p("SHLL CX, AX")
	a.p("DECL AX")
	a.p("KMOVW AX, K1")
	// block is sixteen channels of two rows, or of one and zeros.
	block := func(at int, mask string, two bool) {
		z := ""
		if mask != "" {
			mask, z = " "+mask+",", ".Z"
		}
		r := at / 64 * 3
		a.p("VMOVUPS%s %d(AX),%s Z%d", z, at, mask, r)
		if two {
			a.p("VMOVUPS%s %d(AX)(R8*1),%s Z%d", z, at, mask, r+1)
		} else {
			a.p("VPXORD Z%d, Z%d, Z%d", r+1, r+1, r+1)
		}
		a.narrow2(fmt.Sprintf("Z%d", r), fmt.Sprintf("Z%d", r+1), fmt.Sprintf("Z%d", r+2))
		a.p("VPERMW Z%d, Z31, Z%d", r+2, r+2)
		a.p("VMOVUPS Z%d, (BX)", r+2)
		a.p("ADDQ R10, BX")
	}
	row, last, end := a.fresh("row"), a.fresh("last"), a.fresh("end")
	for _, two := range []bool{true, false} {
		four, one, rest, next := a.fresh("four"), a.fresh("one"), a.fresh("rest"), a.fresh("next")
		if two {
			a.label(row)
			a.p("CMPQ R12, $2")
			a.p("JLT %s", last)
		} else {
			a.label(last)
			a.p("TESTQ R12, R12")
			a.p("JEQ %s", end)
		}
		a.p("MOVQ SI, AX")
		a.p("MOVQ DX, BX")
		a.p("MOVQ R13, R11")
		a.label(four)
		a.p("SUBQ $64, R11")
		a.p("JLT %s", rest)
		for i := range 4 {
			block(64*i, "", two)
		}
		a.p("ADDQ $256, AX")
		a.p("JMP %s", four)
		a.label(rest)
		a.p("ADDQ $64, R11")
		a.label(one)
		a.p("CMPQ R11, $16")
		tail := a.fresh("tail")
		a.p("JLT %s", tail)
		block(0, "", two)
		a.p("ADDQ $64, AX")
		a.p("SUBQ $16, R11")
		a.p("JMP %s", one)
		a.label(tail)
		a.p("TESTQ R11, R11")
		a.p("JEQ %s", next)
		block(0, "K1", two)
		a.label(next)
		if two {
			a.p("LEAQ (SI)(R8*2), SI")
			a.p("ADDQ R9, DX")
			a.p("SUBQ $2, R12")
			a.p("JMP %s", row)
		}
	}
	a.label(end)
	a.end()
}

// pairOuter is the outer product of pairs. A tile of sums stays in registers
// while all rows of pairs pass.
func pairOuter(a *asm) {
	b := &pairOuterBlock
	a.begin("outerBF16AVX512", b)
	a.p("MOVQ %s, R8", b.at("uStride"))
	a.p("MOVQ %s, R9", b.at("vStride"))
	a.p("MOVQ %s, R10", b.at("sumStride"))
	a.p("MOVQ %s, SI", b.at("u"))
	a.p("MOVQ %s, R13", b.at("sums"))
	a.p("MOVQ %s, R11", b.at("us"))
	a.pairMasks(b)
	one, end := a.fresh("one"), a.fresh("end")
	a.p("CMPQ AX, $16")
	a.p("JLE %s", one)
	for vecs := 2; vecs >= 1; vecs-- {
		for _, rows := range []int{14, 7, 4, 2, 1} {
			loop, next := a.fresh("tile"), a.fresh("next")
			a.label(loop)
			a.p("CMPQ R11, $%d", rows)
			a.p("JLT %s", next)
			pairTile(a, rows, vecs)
			a.p("ADDQ $%d, SI", 4*rows)
			a.p("SUBQ $%d, R11", rows)
			a.p("JMP %s", loop)
			a.label(next)
		}
		if vecs == 2 {
			a.p("JMP %s", end)
			a.label(one)
		}
	}
	a.label(end)
	a.end()
}

// pairMasks sets K1 and K2 to the lanes of the two vectors of sums; AX is
// their number.
func (a *asm) pairMasks(b *block) {
	a.p("MOVQ %s, AX", b.at("vs"))
	a.p("MOVQ AX, CX")
	a.p("MOVL $1, BX")
	a.p("SHLQ CX, BX")
	a.p("DECQ BX")
	a.p("KMOVW BX, K1")
	a.p("SHRQ $16, BX")
	a.p("KMOVW BX, K2")
}

func pairTile(a *asm, rows, vecs int) {
	b := &pairOuterBlock
	z := func(i int) string { return fmt.Sprintf("Z%d", i) }
	n := rows * vecs
	for i := range n {
		a.zero(avx512, i)
	}
	// The sums come from afar: they are on their way while the pixels pass.
	a.p("MOVQ R13, DX")
	for r := range rows {
		for j := range vecs {
			a.p("PREFETCHT0 %d(DX)", 64*j)
		}
		if r+1 < rows {
			a.p("ADDQ R10, DX")
		}
	}
	a.p("MOVQ SI, AX")
	a.p("MOVQ %s, BX", b.at("v"))
	a.p("MOVQ %s, CX", b.at("pairs"))
	loop := a.fresh("pair")
	a.label(loop)
	for j := range vecs {
		a.p("VMOVUPS %d(BX), %s", 64*j, z(n+j))
	}
	for r := range rows {
		t := z(n + vecs + r%2)
		a.p("VBROADCASTSS %d(AX), %s", 4*r, t)
		for j := range vecs {
			a.dpbf16(z(n+j), t, z(r*vecs+j))
		}
	}
	a.p("ADDQ R8, AX")
	a.p("ADDQ R9, BX")
	a.p("DECQ CX")
	a.p("JNE %s", loop)
	for r := range rows {
		for j := range vecs {
			a.p("VMOVUPS.Z %d(R13), K%d, %s", 64*j, j+1, z(n))
			a.p("VADDPS %s, %s, %s", z(n), z(r*vecs+j), z(r*vecs+j))
			a.p("VMOVUPS %s, K%d, %d(R13)", z(r*vecs+j), j+1, 64*j)
		}
		a.p("ADDQ R10, R13")
	}
}
