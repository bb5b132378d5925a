package main

// outerBlock is what an outer product's routine takes: for each pixel, some
// numbers of u times some of v are added to the sums. Strides are in bytes.
var outerBlock = block{"outerArgs", "outerArgs are the arguments of an outer product's routine; strides are in bytes.", []field{
	{"u", "*float32", "first number that is broadcast, of the first pixel"},
	{"v", "*float32", "first number of the vectors, of the first pixel"},
	{"sums", "*float32", "[us][vs]"},
	{"uStride", "int", "between pixels of u"},
	{"vStride", "int", "between pixels of v"},
	{"sumStride", "int", "between rows of sums"},
	{"pixels", "int", "at least one"},
	{"us", "int", "numbers of u"},
	{"vs", "int", "numbers of v, at most two vectors; whole vectors without AVX-512"},
	{"ahead", "uintptr", "address in memory of later steps, fetched by the way; moved on"},
	{"aheadStep", "int", "bytes of it for a pixel of a tile, at most a line"},
}}

// outerFile writes the routines. A tile of sums stays in registers while all
// pixels pass: rows that are broadcast from memory, times one or two vectors.
func outerFile(a *asm) {
	for _, s := range isas {
		outer(a, s)
	}
	transpose(a)
}

// transposeBlock is what the transposition takes. Strides are in bytes.
var transposeBlock = block{"transposeArgs", "transposeArgs are the arguments of a transposition; strides are in bytes.", []field{
	{"x", "*float32", "first of eight rows"},
	{"y", "*float32", "first column, eight numbers of every row of results"},
	{"xStride", "int", "between rows"},
	{"yStride", "int", "between rows of results"},
	{"n", "int", "columns, a multiple of eight"},
}}

// transpose writes the columns of eight rows, by squares: pairs of rows are
// interleaved, pairs of pairs, then halves of registers.
func transpose(a *asm) {
	b := &transposeBlock
	a.begin("transposeAVX2", b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, DX", b.at("y"))
	a.p("MOVQ %s, R8", b.at("xStride"))
	a.p("MOVQ %s, R10", b.at("yStride"))
	a.p("MOVQ %s, CX", b.at("n"))
	a.p("LEAQ (R8)(R8*2), R9")
	a.p("LEAQ (R10)(R10*2), R11")
	loop := a.fresh("square")
	a.label(loop)
	a.p("LEAQ (SI)(R8*4), AX")
	a.p("LEAQ (DX)(R10*4), BX")
	for r := range 8 {
		a.p("VMOVUPS %s, Y%d", fourRows([]string{"SI", "AX"}[r/4], "R8", "R9", r%4), r)
	}
	for r := 0; r < 8; r += 2 {
		a.p("VUNPCKLPS Y%d, Y%d, Y%d", r+1, r, 8+r)
		a.p("VUNPCKHPS Y%d, Y%d, Y%d", r+1, r, 9+r)
	}
	for half := range 2 {
		for i := range 2 {
			from, to := 8+4*half+i, 4*half+2*i
			a.p("VSHUFPS $0x44, Y%d, Y%d, Y%d", from+2, from, to)
			a.p("VSHUFPS $0xEE, Y%d, Y%d, Y%d", from+2, from, to+1)
		}
	}
	for c := range 8 {
		a.p("VPERM2F128 $%#x, Y%d, Y%d, Y8", 0x20+c/4*0x11, 4+c%4, c%4)
		a.p("VMOVUPS Y8, %s", fourRows([]string{"DX", "BX"}[c/4], "R10", "R11", c%4))
	}
	a.p("ADDQ $32, SI")
	a.p("LEAQ (DX)(R10*8), DX")
	a.p("SUBQ $8, CX")
	a.p("JNE %s", loop)
	a.end()
}

func outer(a *asm, s isa) {
	b := &outerBlock
	a.begin("outer"+s.name, b)
	a.p("MOVQ %s, R8", b.at("uStride"))
	a.p("MOVQ %s, R9", b.at("vStride"))
	a.p("MOVQ %s, R10", b.at("sumStride"))
	a.p("MOVQ %s, SI", b.at("u"))
	a.p("MOVQ %s, R13", b.at("sums"))
	a.p("MOVQ %s, R11", b.at("us"))
	a.p("MOVQ %s, AX", b.at("vs"))
	a.p("MOVQ %s, R14", b.at("ahead"))
	a.p("MOVQ %s, R15", b.at("aheadStep"))
	if s.regs == 32 {
		// K1 and K2 are the lanes of the two vectors.
		a.p("MOVQ AX, CX")
		a.p("MOVL $1, BX")
		a.p("SHLQ CX, BX")
		a.p("DECQ BX")
		a.p("KMOVW BX, K1")
		a.p("SHRQ $16, BX")
		a.p("KMOVW BX, K2")
	}
	one, end := a.fresh("one"), a.fresh("end")
	a.p("CMPQ AX, $%d", s.lanes)
	a.p("JLE %s", one)
	sizes := []int{14, 7, 4, 2, 1}
	if s.regs == 16 {
		sizes = []int{6, 3, 2, 1}
	}
	for vecs := 2; vecs >= 1; vecs-- {
		for _, rows := range sizes {
			loop, next := a.fresh("tile"), a.fresh("next")
			a.label(loop)
			a.p("CMPQ R11, $%d", rows)
			a.p("JLT %s", next)
			outerTile(a, s, rows, vecs)
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
	a.p("MOVQ R14, %s", b.at("ahead"))
	a.end()
}

func outerTile(a *asm, s isa, rows, vecs int) {
	b := &outerBlock
	acc := func(r, j int) string { return s.v(r*vecs + j) }
	x := func(j int) string { return s.v(rows*vecs + j) }
	move := func(load bool, mem, reg string, j int) {
		switch {
		case s.regs == 16 && load:
			a.p("VMOVUPS %s, %s", mem, reg)
		case s.regs == 16:
			a.p("VMOVUPS %s, %s", reg, mem)
		case load:
			a.p("VMOVUPS.Z %s, K%d, %s", mem, j+1, reg)
		default:
			a.p("VMOVUPS %s, K%d, %s", reg, j+1, mem)
		}
	}
	for i := range rows * vecs {
		a.zero(s, i)
	}
	// The sums come from afar: they are on their way while the pixels pass.
	a.p("MOVQ R13, DX")
	for r := range rows {
		for j := 0; j < vecs*s.bytes(); j += 64 {
			a.p("PREFETCHT0 %d(DX)", j)
		}
		if r+1 < rows {
			a.p("ADDQ R10, DX")
		}
	}
	a.p("MOVQ SI, AX")
	a.p("MOVQ %s, BX", b.at("v"))
	a.p("MOVQ %s, CX", b.at("pixels"))
	loop := a.fresh("pixel")
	a.label(loop)
	for j := range vecs {
		move(true, fmtMem(j*s.bytes(), "BX"), x(j), j)
	}
	for r := range rows {
		switch {
		case vecs == 1 && s.regs == 32:
			a.p("VFMADD231PS.BCST %d(AX), %s, %s", 4*r, x(0), acc(r, 0))
		default:
			t := s.v(rows*vecs + vecs + r%2)
			a.p("VBROADCASTSS %d(AX), %s", 4*r, t)
			for j := range vecs {
				a.p("VFMADD231PS %s, %s, %s", x(j), t, acc(r, j))
			}
		}
	}
	a.p("PREFETCHT1 (R14)")
	a.p("ADDQ R15, R14")
	a.p("ADDQ R8, AX")
	a.p("ADDQ R9, BX")
	a.p("DECQ CX")
	a.p("JNE %s", loop)
	for r := range rows {
		for j := range vecs {
			move(true, fmtMem(j*s.bytes(), "R13"), x(0), j)
			a.p("VADDPS %s, %s, %s", x(0), acc(r, j), acc(r, j))
			move(false, fmtMem(j*s.bytes(), "R13"), acc(r, j), j)
		}
		a.p("ADDQ R10, R13")
	}
}

func init() {
	functions = append(functions, function{"transposeAVX2", transposeBlock.name, "transposeAVX2 writes the columns of eight rows as rows."})
	for _, s := range isas {
		functions = append(functions, function{"outer" + s.name, outerBlock.name, "outer" + s.name + " adds the outer products of some pixels to sums."})
	}
}
