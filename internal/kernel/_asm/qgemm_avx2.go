package main

// The product of bytes in AVX2, whose one instruction for it would saturate:
// inputs are made words beforehand, and weights, less their zero points, are
// words as well, so that pairs of products are exact. A panel has sixteen
// outputs.
func qgemmAVX2(a *asm) {
	b := &qgemmBlock
	a.begin("qgemmAVX2", b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, R8", b.at("xStride"))
	a.p("LEAQ (R8)(R8*2), R9")
	a.p("MOVQ %s, R13", b.at("y"))
	a.p("MOVQ %s, R15", b.at("q"))
	a.p("MOVQ %s, CX", b.at("rows"))
	for _, rows := range []int{6, 3, 1} {
		next, loop := a.fresh("next"), a.fresh("tile")
		a.label(loop)
		a.p("CMPQ CX, $%d", rows)
		a.p("JLT %s", next)
		wordTile{tile{s: avx2, rows: rows, vecs: 2}}.emit(a)
		a.p("SUBQ $%d, CX", rows)
		a.p("JMP %s", loop)
		a.label(next)
	}
	a.end()
}

// wordTile is a block of sums of products of words.
type wordTile struct{ tile }

func (t wordTile) emit(a *asm) {
	b := &qgemmBlock
	for j := range t.vecs {
		a.p("VMOVDQU %d(R15), %s", quantBias+32*j, t.acc(0, j))
	}
	for r := 1; r < t.rows; r++ {
		for j := range t.vecs {
			a.p("VMOVDQA %s, %s", t.acc(0, j), t.acc(r, j))
		}
	}
	a.p("MOVQ %s, R10", b.at("w"))
	a.p("MOVQ SI, AX")
	bases := []string{"AX"}
	if t.rows > 5 {
		a.p("LEAQ (AX)(R8*4), BX")
		a.p("ADDQ R8, BX")
		bases = append(bases, "BX")
	}
	four, rest, one, end := a.fresh("four"), a.fresh("rest"), a.fresh("one"), a.fresh("sums")
	a.p("MOVQ %s, R11", b.at("run"))
	a.p("SUBQ $4, R11")
	a.p("JLT %s", rest)
	a.label(four)
	if t.rows == 1 {
		// One row is bound by the weights' way from memory.
		for i := range 4 {
			a.p("PREFETCHT0 %d(R10)", 64*i+4096)
		}
	}
	for u := range 4 {
		t.step(a, u)
	}
	t.move(a, bases, 4)
	a.p("SUBQ $4, R11")
	a.p("JGE %s", four)
	a.label(rest)
	a.p("ADDQ $4, R11")
	a.p("JEQ %s", end)
	a.label(one)
	t.step(a, 0)
	t.move(a, bases, 1)
	a.p("DECQ R11")
	a.p("JNE %s", one)
	a.label(end)
	t.finish(a)
	for range t.rows / 4 {
		a.p("LEAQ (SI)(R8*4), SI")
	}
	for range t.rows % 4 {
		a.p("ADDQ R8, SI")
	}
}

func (t wordTile) move(a *asm, bases []string, steps int) {
	a.p("ADDQ $%d, R10", 64*steps)
	for _, r := range bases {
		a.p("ADDQ $%d, %s", 4*steps, r)
	}
}

// step is two inputs of every row times as many weights of every output.
func (t wordTile) step(a *asm, u int) {
	w := func(j int) string { return t.s.v(t.temp(j)) }
	for j := range t.vecs {
		a.p("VMOVDQU %d(R10), %s", 64*u+32*j, w(j))
	}
	x, y := t.s.v(t.temp(2)), t.s.v(t.temp(3))
	for r := range t.rows {
		a.p("VPBROADCASTD %s, %s", row(r, 4*u), x)
		a.p("VPMADDWD %s, %s, %s", w(0), x, y)
		a.p("VPMADDWD %s, %s, %s", w(1), x, x)
		a.p("VPADDD %s, %s, %s", y, t.acc(r, 0), t.acc(r, 0))
		a.p("VPADDD %s, %s, %s", x, t.acc(r, 1), t.acc(r, 1))
	}
}

// finish requantizes the sums, narrows, clamps and stores sixteen bytes of
// every row, or eight.
func (t wordTile) finish(a *asm) {
	b := &qgemmBlock
	temps := []int{t.temp(0), t.temp(1), t.temp(2), t.temp(3)}
	column := func(j int) (accs []int) {
		for r := range t.rows {
			accs = append(accs, r*t.vecs+j)
		}
		return accs
	}
	requantVecs(a, t.s, b, 32, t.vecs, column, temps)
	a.p("VPBROADCASTB %s, X%d", b.at("lo"), temps[0])
	a.p("VPBROADCASTB %s, X%d", b.at("hi"), temps[1])
	a.p("MOVQ %s, R12", b.at("yStride"))
	half, done := a.fresh("half"), a.fresh("stored")
	for r := range t.rows {
		x, y := t.acc(r, 0), t.acc(r, 1)
		a.p("VPACKSSDW %s, %s, %s", y, x, x)
		a.p("VPERMQ $0xd8, %s, %s", x, x)
		a.p("VEXTRACTI128 $1, %s, X%s", x, y[1:])
		a.p("VPACKUSWB X%s, X%s, X%s", y[1:], x[1:], x[1:])
		a.p("VPMAXUB X%d, X%s, X%s", temps[0], x[1:], x[1:])
		a.p("VPMINUB X%d, X%s, X%s", temps[1], x[1:], x[1:])
	}
	a.p("CMPL %s, $0xffff", b.at("mask"))
	a.p("JNE %s", half)
	for r := range t.rows {
		a.p("VMOVDQU X%s, (R13)", t.acc(r, 0)[1:])
		a.p("ADDQ R12, R13")
	}
	a.p("JMP %s", done)
	a.label(half)
	for r := range t.rows {
		a.p("VMOVQ X%s, (R13)", t.acc(r, 0)[1:])
		a.p("ADDQ R12, R13")
	}
	a.label(done)
}

// wordsBlock is what the routine takes that makes bytes words.
var wordsBlock = block{"wordsArgs", "wordsArgs are the arguments of widening rows of bytes to words; strides are in bytes.", []field{
	{"x", "*uint8", "first row"},
	{"y", "*uint16", "first row of the result"},
	{"xStride", "int", "between rows"},
	{"yStride", "int", "between rows of the result"},
	{"n", "int", "bytes of a row"},
	{"rows", "int", ""},
}}

// words widens rows, sixteen bytes at a time; an odd number of words is
// followed by a zero.
func words(a *asm) {
	b := &wordsBlock
	a.begin("wordsAVX2", b)
	for _, f := range []struct{ name, reg string }{{"x", "R8"}, {"y", "R9"}, {"rows", "CX"}} {
		a.p("MOVQ %s, %s", b.at(f.name), f.reg)
	}
	row, full, tail, one, next, even := a.fresh("row"), a.fresh("full"), a.fresh("tail"), a.fresh("one"), a.fresh("next"), a.fresh("even")
	a.label(row)
	a.p("MOVQ R8, SI")
	a.p("MOVQ R9, DX")
	a.p("MOVQ %s, R11", b.at("n"))
	a.label(full)
	a.p("SUBQ $16, R11")
	a.p("JLT %s", tail)
	a.p("VPMOVZXBW (SI), Y0")
	a.p("VMOVDQU Y0, (DX)")
	a.p("ADDQ $16, SI")
	a.p("ADDQ $32, DX")
	a.p("JMP %s", full)
	a.label(tail)
	a.p("ADDQ $8, R11")
	short := a.fresh("short")
	a.p("JLT %s", short)
	a.p("VPMOVZXBW (SI), X0")
	a.p("VMOVDQU X0, (DX)")
	a.p("ADDQ $8, SI")
	a.p("ADDQ $16, DX")
	a.p("SUBQ $8, R11")
	a.label(short)
	a.p("ADDQ $8, R11")
	a.p("JEQ %s", next)
	a.label(one)
	a.p("MOVBLZX (SI), AX")
	a.p("MOVW AX, (DX)")
	a.p("INCQ SI")
	a.p("ADDQ $2, DX")
	a.p("DECQ R11")
	a.p("JNE %s", one)
	a.p("TESTQ $1, %s", b.at("n"))
	a.p("JEQ %s", even)
	a.p("MOVW R11, (DX)")
	a.label(even)
	a.label(next)
	a.p("ADDQ %s, R8", b.at("xStride"))
	a.p("ADDQ %s, R9", b.at("yStride"))
	a.p("DECQ CX")
	a.p("JNE %s", row)
	a.end()
}

func init() {
	quantFunctions = append(quantFunctions,
		function{"qgemmAVX2", qgemmBlock.name, "qgemmAVX2 computes a panel of sixteen outputs for some rows of words."},
		function{"wordsAVX2", wordsBlock.name, "wordsAVX2 widens rows of bytes."})
}
