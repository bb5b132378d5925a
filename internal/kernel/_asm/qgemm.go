package main

import "fmt"

// qgemmBlock is what a product routine of bytes takes. A panel has one or two
// vectors of outputs. The row of inputs of an output begins at x + i*xStride
// and consists of segs runs of run groups of four bytes, segStride apart: the
// channels of a pixel, the rows of a kernel in place, or a row made in
// scratch.
var qgemmBlock = block{"qgemmArgs", "qgemmArgs are the arguments of a product routine of bytes; strides are in bytes.", []field{
	{"x", "*uint8", "first input of the first row"},
	{"w", "*byte", "panel [segs*run][outputs][4]"},
	{"q", "*byte", "constants of its outputs, a block for sixteen"},
	{"sums", "*int32", "sum of the inputs of each row, or nil without zero points of weights"},
	{"y", "*uint8", "first output"},
	{"table", "*uint8", "256 bytes to look results up in, or nil"},
	{"xStride", "int", "between rows of inputs"},
	{"yStride", "int", "between rows of outputs"},
	{"segs", "int", "runs of a row"},
	{"run", "int", "groups of four inputs of a run"},
	{"segStride", "int", "between runs"},
	{"rows", "int", ""},
	{"vecs", "int", "vectors of outputs: 1, 2, or 8 for four panels of one row"},
	{"panel", "int", "between panels, with four of them"},
	{"mask", "int", "outputs of the panel that are stored, as a mask"},
	{"single", "int", "1: round once; 2: in float32"},
	{"left", "int", "1: some channel shifts left"},
	{"ahead", "uintptr", "address in memory of later steps, fetched by the way; moved on"},
	{"aheadStep", "int", "bytes of it for sixteen inputs of a tile"},
	{"uniform", "int", "1: sums are multiplied by the one zero point of all weights already"},
	{"lo", "uint32", "least result"},
	{"hi", "uint32", "greatest result"},
	{"acc", "*int32", "32 rows of 32 sums (tiles)"},
	{"config", "[64]byte", "shapes of the tiles"},
}}

// qtile is a block of sums of bytes held in registers.
type qtile struct {
	tile
	quad bool // the vectors are of four panels
}

func qgemm(a *asm) {
	b := &qgemmBlock
	a.begin("qgemmVNNI", b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, R8", b.at("xStride"))
	a.p("LEAQ (R8)(R8*2), R9")
	a.p("MOVQ %s, R13", b.at("y"))
	a.p("MOVQ %s, R14", b.at("sums"))
	a.p("MOVQ %s, R15", b.at("q"))
	a.p("MOVQ %s, CX", b.at("ahead"))
	requantMask(a, avx512)
	a.p("MOVQ %s, AX", b.at("mask"))
	a.p("KMOVD AX, K3")
	a.p("MOVQ %s, AX", b.at("vecs"))
	a.p("CMPQ AX, $8")
	a.p("JEQ quadVNNI")
	a.p("CMPQ AX, $1")
	a.p("JEQ vecs1VNNI")
	for _, vecs := range []int{2, 1} {
		a.label(fmt.Sprintf("vecs%dVNNI", vecs))
		for _, rows := range []int{14, 7, 4, 2, 1} {
			next, loop := a.fresh("next"), a.fresh("tile")
			a.label(loop)
			a.p("CMPQ %s, $%d", b.at("rows"), rows)
			a.p("JLT %s", next)
			qtile{tile: tile{s: avx512, rows: rows, vecs: vecs}}.emit(a)
			a.p("SUBQ $%d, %s", rows, b.at("rows"))
			a.p("JMP %s", loop)
			a.label(next)
		}
		a.p("JMP doneVNNI")
	}
	a.label("quadVNNI")
	qtile{tile{s: avx512, rows: 1, vecs: 8}, true}.emit(a)
	a.label("doneVNNI")
	a.p("MOVQ CX, %s", b.at("ahead"))
	a.end()
}

// emit computes one tile and moves on by its rows.
func (t qtile) emit(a *asm) {
	b := &qgemmBlock
	t.start(a)
	a.p("MOVQ %s, R10", b.at("w"))
	if t.quad {
		a.p("MOVQ %s, BX", b.at("panel"))
		a.p("LEAQ (BX)(BX*2), DX")
	}
	a.p("MOVQ SI, AX")
	if t.rows > 5 {
		a.p("LEAQ (AX)(R8*4), BX")
		a.p("ADDQ R8, BX")
	}
	if t.rows > 10 {
		a.p("LEAQ (BX)(R8*4), DX")
		a.p("ADDQ R8, DX")
	}
	bases := []string{"AX", "BX", "DX"}[:1+(min(t.rows, 11)-1)/5]
	width := 64 * min(t.vecs, 2)
	a.p("MOVQ %s, R12", b.at("segs"))
	seg, four, rest, one, segEnd, last := a.fresh("seg"), a.fresh("four"), a.fresh("rest"), a.fresh("one"), a.fresh("segend"), a.fresh("sums")
	a.label(seg)
	a.p("MOVQ %s, R11", b.at("run"))
	a.p("SUBQ $4, R11")
	a.p("JLT %s", rest)
	a.label(four)
	for u := range 4 {
		t.step(a, 4*u, u*width)
		if t.rows > 1 {
			// Four lines at most, in between the products.
			a.p("PREFETCHT1 %d(CX)", 64*u)
		}
	}
	if t.rows > 1 {
		a.p("ADDQ %s, CX", b.at("aheadStep"))
	}
	a.p("ADDQ $%d, R10", 4*width)
	for _, r := range bases {
		a.p("ADDQ $16, %s", r)
	}
	a.p("SUBQ $4, R11")
	a.p("JGE %s", four)
	a.label(rest)
	a.p("ADDQ $4, R11")
	a.p("JEQ %s", segEnd)
	a.label(one)
	t.step(a, 0, 0)
	a.p("ADDQ $%d, R10", width)
	for _, r := range bases {
		a.p("ADDQ $4, %s", r)
	}
	a.p("DECQ R11")
	a.p("JNE %s", one)
	a.label(segEnd)
	a.p("DECQ R12")
	a.p("JEQ %s", last)
	// To the next run: back over this one, then ahead.
	a.p("MOVQ %s, R11", b.at("run"))
	a.p("SHLQ $2, R11")
	a.p("SUBQ %s, R11", b.at("segStride"))
	for _, r := range bases {
		a.p("SUBQ R11, %s", r)
	}
	a.p("JMP %s", seg)
	a.label(last)
	t.finish(a)
	for range t.rows / 4 {
		a.p("LEAQ (SI)(R8*4), SI")
	}
	for range t.rows % 4 {
		a.p("ADDQ R8, SI")
	}
}

// start sets the sums to the bias, less the zero point of the weights times
// the sum of the inputs.
func (t qtile) start(a *asm) {
	bias := func(j int, to string) { a.p("VMOVDQU32 %d(R15), %s", quantBlock*j+quantBias, to) }
	plain, each, done := a.fresh("plain"), a.fresh("each"), a.fresh("started")
	a.p("TESTQ R14, R14")
	a.p("JEQ %s", plain)
	a.p("CMPQ %s, $0", qgemmBlock.at("uniform"))
	a.p("JEQ %s", each)
	if t.quad {
		for j := range t.vecs {
			bias(j, t.acc(0, j))
			a.p("VPADDD.BCST (R14), %s, %s", t.acc(0, j), t.acc(0, j))
		}
	} else {
		for j := range t.vecs {
			bias(j, t.s.v(t.temp(j)))
		}
		x := t.s.v(t.temp(2))
		for r := range t.rows {
			a.p("VPBROADCASTD %d(R14), %s", 4*r, x)
			for j := range t.vecs {
				a.p("VPADDD %s, %s, %s", t.s.v(t.temp(j)), x, t.acc(r, j))
			}
		}
	}
	a.p("ADDQ $%d, R14", 4*t.rows)
	a.p("JMP %s", done)
	a.label(each)
	x, y := t.s.v(t.temp(0)), t.s.v(t.temp(1))
	for r := range t.rows {
		a.p("VPBROADCASTD %d(R14), %s", 4*r, x)
		for j := range t.vecs {
			a.p("VPMULLD %d(R15), %s, %s", quantBlock*j+quantWZero, x, y)
			a.p("VPADDD %d(R15), %s, %s", quantBlock*j+quantBias, y, t.acc(r, j))
		}
	}
	a.p("ADDQ $%d, R14", 4*t.rows)
	a.p("JMP %s", done)
	a.label(plain)
	for j := range t.vecs {
		bias(j, t.acc(0, j))
	}
	for r := 1; r < t.rows; r++ {
		for j := range t.vecs {
			a.p("VMOVDQA32 %s, %s", t.acc(0, j), t.acc(r, j))
		}
	}
	a.label(done)
}

// step is four inputs of every row times as many weights of every output.
func (t qtile) step(a *asm, disp, at int) {
	if t.quad {
		x := t.s.v(t.temp(0))
		a.p("VPBROADCASTD %d(AX), %s", disp, x)
		for j := range t.vecs {
			mem := []string{"(R10)", "(R10)(BX*1)", "(R10)(BX*2)", "(R10)(DX*1)"}[j/2]
			if j%2 == 0 {
				// The weights' way from memory is the work.
				a.p("PREFETCHT0 %d%s", at+quadAhead, mem)
				a.p("PREFETCHT0 %d%s", at+quadAhead+64, mem)
			}
			a.p("VPDPBUSD %d%s, %s, %s", at+j%2*64, mem, x, t.acc(0, j))
		}
		return
	}
	for j := range t.vecs {
		a.p("VMOVDQU32 %d(R10), %s", at+64*j, t.s.v(t.temp(j)))
	}
	for r := range t.rows {
		x := t.s.v(t.temp(t.vecs + r%2))
		a.p("VPBROADCASTD %s, %s", row(r, disp), x)
		for j := range t.vecs {
			a.p("VPDPBUSD %s, %s, %s", t.s.v(t.temp(j)), x, t.acc(r, j))
		}
	}
}

// quadAhead is how far weights of matrix-vector products are fetched ahead, in
// bytes of each of four panels.
const quadAhead = 1024

// finish requantizes the sums, narrows, clamps, looks up and stores.
func (t qtile) finish(a *asm) {
	b := &qgemmBlock
	temps := []int{t.temp(0), t.temp(1), t.temp(2), t.temp(3)}
	column := func(j int) (accs []int) {
		for r := range t.rows {
			accs = append(accs, r*t.vecs+j)
		}
		return accs
	}
	requantVecs(a, t.s, b, quantBlock, t.vecs, column, temps)
	a.p("VPBROADCASTB %s, Z%d", b.at("lo"), temps[0])
	a.p("VPBROADCASTB %s, Z%d", b.at("hi"), temps[1])
	a.p("VMOVDQU32 narrowOrder<>(SB), Z%d", temps[2])
	a.p("MOVQ %s, R12", b.at("yStride"))
	a.p("MOVQ %s, R11", b.at("table"))
	looked, done := a.fresh("looked"), a.fresh("stored")
	a.p("TESTQ R11, R11")
	a.p("JNE %s", looked)
	t.store(a, temps, false)
	a.p("JMP %s", done)
	a.label(looked)
	t.store(a, temps, true)
	a.label(done)
}

// store narrows registers by fours and stores rows of bytes.
func (t qtile) store(a *asm, temps []int, look bool) {
	masked := a.fresh("masked")
	if !t.quad {
		full := map[int]int{2: -1, 1: 0xffff}[t.vecs]
		a.p("CMPL %s, $%d", qgemmBlock.at("mask"), full)
		a.p("JNE %s", masked)
	}
	done := a.fresh("rows")
	for _, mask := range []bool{false, true} {
		if t.quad && mask {
			break
		}
		if mask {
			a.label(masked)
		}
		n := t.rows * t.vecs
		for i := 0; i < n; i += 4 {
			count := min(4, n-i)
			t.narrow(a, i, count, temps, look)
			t.storeRows(a, i, count, mask)
		}
		if !mask {
			a.p("JMP %s", done)
		}
	}
	a.label(done)
}

// narrow makes the bytes of up to four registers from i on, in register i.
func (t qtile) narrow(a *asm, i, count int, temps []int, look bool) {
	switch count {
	case 1:
		narrowPair(a, i, i, temps[2])
	case 2:
		narrowPair(a, i, i+1, temps[2])
	case 3:
		narrow4(a, [4]int{i, i + 1, i + 2, i + 2}, temps[2])
	default:
		narrow4(a, [4]int{i, i + 1, i + 2, i + 3}, temps[2])
	}
	a.p("VPMAXUB Z%d, Z%d, Z%d", temps[0], i, i)
	a.p("VPMINUB Z%d, Z%d, Z%d", temps[1], i, i)
	if look {
		t0, t1 := i+1, i+2
		if count < 3 {
			t0, t1 = t.temp(4), t.temp(5)
		}
		lookUp(a, i, "R11", t0, t1)
	}
}

// storeRows stores the bytes of count registers, which lie in register i, and
// moves on by their rows.
func (t qtile) storeRows(a *asm, i, count int, mask bool) {
	switch {
	case t.quad:
		a.p("VMOVDQU8 Z%d, %d(R13)", i, 16*i)
		if i+4 == t.vecs {
			a.p("ADDQ R12, R13")
		}
	case t.vecs == 2:
		for r := range count / 2 {
			switch {
			case r == 1 && mask:
				a.p("VEXTRACTI64X4 $1, Z%d, Y%d", i, i)
				a.p("VMOVDQU8 Y%d, K3, (R13)", i)
			case r == 1:
				a.p("VEXTRACTI64X4 $1, Z%d, (R13)", i)
			case mask:
				a.p("VMOVDQU8 Y%d, K3, (R13)", i)
			default:
				a.p("VMOVDQU8 Y%d, (R13)", i)
			}
			a.p("ADDQ R12, R13")
		}
	default:
		for r := range count {
			x := fmt.Sprintf("X%d", i)
			if r > 0 {
				x = fmt.Sprintf("X%d", t.temp(3))
				a.p("VEXTRACTI32X4 $%d, Z%d, %s", r, i, x)
			}
			if mask {
				a.p("VMOVDQU8 %s, K3, (R13)", x)
			} else {
				a.p("VMOVDQU8 %s, (R13)", x)
			}
			a.p("ADDQ R12, R13")
		}
	}
}

// sumsBlock is what the routine takes that adds up the bytes of rows.
var sumsBlock = block{"sumsArgs", "sumsArgs are the arguments of the sums of rows of bytes; strides are in bytes.", []field{
	{"x", "*uint8", "first row"},
	{"y", "*int32", "a sum for every row"},
	{"xStride", "int", "between rows"},
	{"segs", "int", "runs of a row"},
	{"run", "int", "bytes of a run"},
	{"segStride", "int", "between runs"},
	{"rows", "int", ""},
	{"factor", "int", "what sums are multiplied by"},
}}

func rowSums(a *asm) {
	b := &sumsBlock
	a.begin("rowSumsAVX512", b)
	a.p("MOVQ %s, R8", b.at("x"))
	a.p("MOVQ %s, R13", b.at("y"))
	a.p("MOVQ %s, CX", b.at("rows"))
	a.p("MOVQ %s, R9", b.at("xStride"))
	a.p("LEAQ (R9)(R9*2), BX")
	a.p("MOVQ %s, R10", b.at("segStride"))
	a.p("MOVQ %s, R14", b.at("segs"))
	a.p("MOVQ %s, R15", b.at("run"))
	a.p("MOVQ R15, AX")
	a.p("ANDL $63, AX")
	a.p("MOVQ $-1, DX")
	a.p("SHLXQ AX, DX, DX")
	a.p("NOTQ DX")
	a.p("KMOVQ DX, K3")
	a.p("VPXORD Z8, Z8, Z8")
	a.p("VPBROADCASTD %s, X9", b.at("factor"))
	// Runs below sixteen bytes, the three colours of a first convolution, want
	// no more than a small register.
	short := a.fresh("short")
	a.p("CMPQ R15, $16")
	a.p("JLT %s", short)
	rowSumLoops(a, "Z")
	a.label(short)
	rowSumLoops(a, "X")
}

// rowSumLoops adds up rows by fours, then one by one.
func rowSumLoops(a *asm, v string) {
	at := []string{"(DX)", "(DX)(R9*1)", "(DX)(R9*2)", "(DX)(BX*1)"}
	for _, rows := range []int{4, 1} {
		row, seg, full, tail, next, done := a.fresh("row"), a.fresh("seg"), a.fresh("full"), a.fresh("tail"), a.fresh("next"), a.fresh("done")
		a.label(row)
		a.p("CMPQ CX, $%d", rows)
		a.p("JLT %s", done)
		for r := range rows {
			a.p("VPXORD Z%d, Z%d, Z%d", r, r, r)
		}
		a.p("MOVQ R8, SI")
		a.p("MOVQ R14, R12")
		a.label(seg)
		a.p("MOVQ SI, DX")
		if v == "Z" {
			a.p("MOVQ R15, R11")
			a.label(full)
			a.p("SUBQ $64, R11")
			a.p("JLT %s", tail)
			for r := range rows {
				a.p("VPSADBW %s, Z8, Z%d", at[r], 4+r)
			}
			for r := range rows {
				a.p("VPADDQ Z%d, Z%d, Z%d", 4+r, r, r)
			}
			a.p("ADDQ $64, DX")
			a.p("JMP %s", full)
			a.label(tail)
			a.p("CMPQ R11, $-64")
			a.p("JEQ %s", next)
		}
		for r := range rows {
			a.p("VMOVDQU8.Z %s, K3, %s%d", at[r], v, 4+r)
		}
		for r := range rows {
			a.p("VPSADBW %s%d, %s8, %s%d", v, 4+r, v, v, 4+r)
			a.p("VPADDQ %s%d, %s%d, %s%d", v, 4+r, v, r, v, r)
		}
		a.label(next)
		a.p("ADDQ R10, SI")
		a.p("DECQ R12")
		a.p("JNE %s", seg)
		if rows == 4 {
			// Two rows to a register, in turns of 64 bits, then all four.
			for _, r := range []int{0, 2} {
				a.p("VPUNPCKLQDQ %s%d, %s%d, %s4", v, r+1, v, r, v)
				a.p("VPUNPCKHQDQ %s%d, %s%d, %s5", v, r+1, v, r, v)
				a.p("VPADDQ %s5, %s4, %s%d", v, v, v, r)
				if v == "Z" {
					a.p("VEXTRACTI64X4 $1, Z%d, Y4", r)
					a.p("VPADDQ Y4, Y%d, Y%d", r, r)
				}
			}
			if v == "Z" {
				a.p("VPERM2I128 $0x20, Y2, Y0, Y4")
				a.p("VPERM2I128 $0x31, Y2, Y0, Y5")
				a.p("VPADDQ Y5, Y4, Y0")
				a.p("VPMOVQD Y0, X0")
			} else {
				a.p("VSHUFPS $0x88, X2, X0, X0")
			}
			a.p("VPMULLD X9, X0, X0")
			a.p("VMOVDQU X0, (R13)")
			a.p("LEAQ (R8)(R9*4), R8")
		} else {
			if v == "Z" {
				a.p("VEXTRACTI64X4 $1, Z0, Y1")
				a.p("VPADDQ Y1, Y0, Y0")
				a.p("VEXTRACTI128 $1, Y0, X1")
				a.p("VPADDQ X1, X0, X0")
			}
			a.p("VPSRLDQ $8, X0, X1")
			a.p("VPADDQ X1, X0, X0")
			a.p("VPMULLD X9, X0, X0")
			a.p("VMOVD X0, (R13)")
			a.p("ADDQ R9, R8")
		}
		a.p("ADDQ $%d, R13", 4*rows)
		a.p("SUBQ $%d, CX", rows)
		a.p("JMP %s", row)
		a.label(done)
	}
	a.end()
}

func qgemmFile(a *asm) {
	quantTables(a)
	qgemm(a)
	rowSums(a)
	qamx(a)
	qgemmAVX2(a)
	words(a)
}

func init() {
	quantFunctions = append(quantFunctions,
		function{"qgemmVNNI", qgemmBlock.name, "qgemmVNNI computes a panel of outputs for some rows."},
		function{"qgemmAMX", qgemmBlock.name, "qgemmAMX computes a panel of outputs for some rows by tiles."},
		function{"rowSumsAVX512", sumsBlock.name, "rowSumsAVX512 adds up the bytes of rows."})
}
