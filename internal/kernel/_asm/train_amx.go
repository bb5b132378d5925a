package main

import "fmt"

// turnBlock is what the routine that turns pairs takes: sixteen rows of pairs
// become columns, so that a tile of the left factor finds its pairs along a
// row.
var turnBlock = block{"turnArgs", "turnArgs are the arguments of the routine that turns pairs; strides are in bytes.", []field{
	{"x", "*float32", "the first of sixteen rows of pairs"},
	{"y", "*float32", "the first of sixteen times count rows of sixteen pairs"},
	{"xStride", "int", "between rows"},
	{"yStride", "int", "between rows of the result"},
	{"count", "int", "sixteens of pairs in a row, at least one"},
}}

// pairTileBlock is what an outer product of pairs by tiles takes.
var pairTileBlock = block{"pairTileArgs", "pairTileArgs are the arguments of an outer product of pairs by tiles; strides are in bytes.", []field{
	{"u", "*float32", "[us][pairs], turned"},
	{"v", "*float32", "[pairs][vs]"},
	{"sums", "*float32", "[us][vs]"},
	{"uStride", "int", "between rows of u"},
	{"vStride", "int", "between rows of v"},
	{"sumStride", "int", "between rows of sums"},
	{"steps", "int", "sixteens of pairs"},
	{"us", "int", "a multiple of 32, or fewer than that"},
	{"vs", "int", "32 at most"},
	{"config", "[64]byte", "shapes of the tiles"},
}}

var pairTileFunctions = []function{
	{"turnPairsAVX512", turnBlock.name, "turnPairsAVX512 makes columns of sixteen rows of pairs."},
	{"outerBF16AMX", pairTileBlock.name, "outerBF16AMX adds the outer products of rows of pairs to sums."},
}

// turnPairs transposes 16 by 16 words: by single words, by twos, then by
// quarters of registers.
func turnPairs(a *asm) {
	b := &turnBlock
	a.begin("turnPairsAVX512", b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, DX", b.at("y"))
	a.p("MOVQ %s, R8", b.at("xStride"))
	a.p("MOVQ %s, R9", b.at("yStride"))
	a.p("MOVQ %s, CX", b.at("count"))
	loop := a.fresh("turn")
	z := func(i int) string { return fmt.Sprintf("Z%d", i) }
	a.label(loop)
	a.p("MOVQ SI, AX")
	for i := range 16 {
		a.p("VMOVUPS (AX), %s", z(i))
		if i < 15 {
			a.p("ADDQ R8, AX")
		}
	}
	for i := 0; i < 16; i += 2 {
		a.p("VUNPCKLPS %s, %s, %s", z(i+1), z(i), z(16+i))
		a.p("VUNPCKHPS %s, %s, %s", z(i+1), z(i), z(17+i))
	}
	// Of rows 4q to 4q+3: column 4l+c of each quarter l in register 4q+c.
	for q := 0; q < 16; q += 4 {
		a.p("VUNPCKLPD %s, %s, %s", z(18+q), z(16+q), z(q))
		a.p("VUNPCKHPD %s, %s, %s", z(18+q), z(16+q), z(q+1))
		a.p("VUNPCKLPD %s, %s, %s", z(19+q), z(17+q), z(q+2))
		a.p("VUNPCKHPD %s, %s, %s", z(19+q), z(17+q), z(q+3))
	}
	for c := range 4 {
		a.p("VSHUFF32X4 $0x88, %s, %s, %s", z(4+c), z(c), z(16+c))
		a.p("VSHUFF32X4 $0xdd, %s, %s, %s", z(4+c), z(c), z(20+c))
		a.p("VSHUFF32X4 $0x88, %s, %s, %s", z(12+c), z(8+c), z(24+c))
		a.p("VSHUFF32X4 $0xdd, %s, %s, %s", z(12+c), z(8+c), z(28+c))
	}
	for c := range 4 {
		a.p("VSHUFF32X4 $0x88, %s, %s, %s", z(24+c), z(16+c), z(c))
		a.p("VSHUFF32X4 $0x88, %s, %s, %s", z(28+c), z(20+c), z(4+c))
		a.p("VSHUFF32X4 $0xdd, %s, %s, %s", z(24+c), z(16+c), z(8+c))
		a.p("VSHUFF32X4 $0xdd, %s, %s, %s", z(28+c), z(20+c), z(12+c))
	}
	for i := range 16 {
		a.p("VMOVUPS %s, (DX)", z(i))
		a.p("ADDQ R9, DX")
	}
	a.p("ADDQ $64, SI")
	a.p("DECQ CX")
	a.p("JNE %s", loop)
	a.end()
}

// pairTiles is the outer product by tiles: 0 to 3 hold the sums of 32 by 32,
// 4 and 5 rows of u, 6 and 7 of v. As in the forward product no tile state
// outlives the routine.
func pairTiles(a *asm) {
	b := &pairTileBlock
	a.begin("outerBF16AMX", b)
	a.p("MOVQ %s, SI", b.at("u"))
	a.p("MOVQ %s, R13", b.at("sums"))
	a.p("MOVQ %s, R8", b.at("uStride"))
	a.p("MOVQ %s, R9", b.at("vStride"))
	a.p("MOVQ %s, R10", b.at("sumStride"))
	a.p("MOVQ %s, CX", b.at("us"))
	a.tileConfig("DI", b.off("config"))
	block, end := a.fresh("block"), a.fresh("end")
	a.label(block)
	one, narrow, thin := a.fresh("one"), a.fresh("narrow"), a.fresh("thin")
	next := a.fresh("next")
	a.p("CMPQ CX, $16")
	a.p("JLE %s", one)
	a.p("CMPQ %s, $16", b.at("vs"))
	a.p("JLE %s", narrow)
	pairTileBlocks(a, true, true)
	a.p("JMP %s", next)
	a.label(narrow)
	pairTileBlocks(a, true, false)
	a.p("JMP %s", next)
	a.label(one)
	a.p("CMPQ %s, $16", b.at("vs"))
	a.p("JLE %s", thin)
	pairTileBlocks(a, false, true)
	a.p("JMP %s", next)
	a.label(thin)
	pairTileBlocks(a, false, false)
	a.label(next)
	a.p("SUBQ $32, CX")
	a.p("JLE %s", end)
	for _, r := range [][2]string{{"R8", "SI"}, {"R10", "R13"}} {
		a.p("MOVQ %s, AX", r[0])
		a.p("SHLQ $5, AX")
		a.p("ADDQ AX, %s", r[1])
	}
	a.p("JMP %s", block)
	a.label(end)
	a.tileRelease()
	a.end()
}

// pairTileBlocks is the sums of one or two tiles of u by one or two of v.
func pairTileBlocks(a *asm, tall, wide bool) {
	b := &pairTileBlock
	sums := []int{0}
	if wide {
		sums = append(sums, 1)
	}
	if tall {
		sums = append(sums, 2)
		if wide {
			sums = append(sums, 3)
		}
		a.p("MOVQ R10, DX")
		a.p("SHLQ $4, DX")
		a.p("ADDQ R13, DX")
		a.p("MOVQ R8, BX")
		a.p("SHLQ $4, BX")
		a.p("ADDQ SI, BX")
	}
	base := func(t int) (string, int) { return []string{"R13", "DX"}[t/2], t % 2 * 64 }
	for _, t := range sums {
		r, off := base(t)
		a.tileLoad(off, r, "R10", t)
	}
	a.p("MOVQ SI, AX")
	a.p("MOVQ %s, R14", b.at("v"))
	a.p("MOVQ %s, R11", b.at("steps"))
	a.p("MOVQ R9, R15")
	a.p("SHLQ $4, R15")
	loop := a.fresh("step")
	a.label(loop)
	a.tileLoad(0, "R14", "R9", 6)
	a.tileLoad(0, "AX", "R8", 4)
	a.tileProduct(4, 6, 0)
	if wide {
		a.tileLoad(64, "R14", "R9", 7)
		a.tileProduct(4, 7, 1)
	}
	if tall {
		a.tileLoad(0, "BX", "R8", 5)
		a.tileProduct(5, 6, 2)
		if wide {
			a.tileProduct(5, 7, 3)
		}
		a.p("ADDQ $64, BX")
	}
	a.p("ADDQ $64, AX")
	a.p("ADDQ R15, R14")
	a.p("DECQ R11")
	a.p("JNE %s", loop)
	for _, t := range sums {
		r, off := base(t)
		a.tileStore(t, off, r, "R10")
	}
}
