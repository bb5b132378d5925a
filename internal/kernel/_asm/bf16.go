package main

import "fmt"

// halfBlock is what a product routine of bfloat16 takes: rows of inputs times
// a panel of 32 outputs, as two halves of 16, each laid out as [k/2][16][2].
// Both instruction sets read the same panels.
//
// With three segments the rows hold a low and a high part behind each other
// and so do the halves, the high part first: low times high, high times high,
// high times low are added up, in that order.
//
// By vectors, an output is a chain of VDPBF16PS from the bias over the pairs
// of inputs; by tiles, what TDPBF16PS makes of them, and then the bias.
var halfBlock = block{"halfArgs", "halfArgs are the arguments of a bfloat16 product routine; strides are in bytes.", []field{
	{"x", "*float32", "first input of the first row, bfloat16"},
	{"w", "*float32", "panel, bfloat16"},
	{"bias", "*float32", "of the panel's outputs"},
	{"res", "*float32", "residual of the first row or nil; laid out and stored as the outputs"},
	{"y", "*float32", "first output"},
	{"xStride", "int", "between rows of inputs"},
	{"yStride", "int", "between rows of outputs"},
	{"wHalf", "int", "between the halves of a panel"},
	{"k", "int", "pairs of inputs (vectors) or 32 inputs (tiles) of a segment"},
	{"part", "int", "bytes of a part of a row, with three segments"},
	{"segs", "int", "1 or 3"},
	{"rows", "int", ""},
	{"width", "int", "eights of outputs that are computed, 4 at most"},
	{"low", "int", "outputs of the first half, as a mask"},
	{"high", "int", "outputs of the second half, as a mask"},
	{"half", "int", "1: outputs are bfloat16, all 32 are written"},
	{"sums", "*float32", "32 rows of 32 sums (tiles)"},
	{"config", "[64]byte", "shapes of the tiles"},
	{"mode", "int", "of the epilogue"},
	{"lo", "float32", "least result (clip)"},
	{"hi", "float32", "greatest result (clip)"},
	{"scale", "float32", "factor (hard swish)"},
	{"pad", "float32", ""},
}}

func halfFunctions() []function {
	out := []function{
		{"gemmBF16AVX512", halfBlock.name, "gemmBF16AVX512 computes a panel of outputs for some rows."},
		{"gemvBF16AVX512", halfBlock.name, "gemvBF16AVX512 computes 128 outputs of one row."},
		{"gemmBF16AMX", halfBlock.name, "gemmBF16AMX computes a panel of outputs for some rows: a multiple of 32, or fewer than that."},
	}
	for _, r := range rowsKinds {
		out = append(out, function{r.name(), rowsBlock.name, r.name() + " " + r.doc})
	}
	for _, k := range dwKinds {
		out = append(out, function{halfDWName(k), halfDWBlock.name, halfDWName(k) + " computes tiles of an output row."})
	}
	return append(out, function{"sumPixelsBF16AVX512", rowsBlock.name, "sumPixelsBF16AVX512 adds up pixels: see the generator."})
}

func halfFile(a *asm) {
	constants(a)
	a.raw("")
	mergeTables(a)
	halfGemm(a)
	halfVector(a)
	for _, r := range rowsKinds {
		r.emit(a)
	}
	sumPixelsHalf(a)
}

func halfGemm(a *asm) {
	b := &halfBlock
	a.begin("gemmBF16AVX512", b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, R8", b.at("xStride"))
	a.p("LEAQ (R8)(R8*2), R9")
	a.p("MOVQ %s, R13", b.at("y"))
	a.p("MOVQ %s, R15", b.at("res"))
	a.p("MOVQ %s, CX", b.at("rows"))
	a.halfMasks()
	a.p("MOVQ %s, AX", b.at("width"))
	for w := 1; w < 4; w++ {
		a.p("CMPQ AX, $%d", w)
		a.p("JEQ width%dBF16", w)
	}
	for w := 4; w >= 1; w-- {
		a.label(fmt.Sprintf("width%dBF16", w))
		for _, rows := range []int{14, 7, 4, 2, 1} {
			next, loop := a.fresh("next"), a.fresh("tile")
			a.label(loop)
			a.p("CMPQ CX, $%d", rows)
			a.p("JLT %s", next)
			halfTile{tile{s: avx512, rows: rows, vecs: (w + 1) / 2, half: w%2 == 1}}.emit(a)
			a.p("SUBQ $%d, CX", rows)
			a.p("JMP %s", loop)
			a.label(next)
		}
		a.p("JMP doneBF16")
	}
	a.label("doneBF16")
	a.end()
}

// halfVector is one row times 128 outputs, with weights laid out as
// [k/2][128][2], to float32: for matrix-vector products, whose time is the
// weights' way from memory. Eight chains keep up with it, and a single stream
// is what the processor fetches ahead best.
func halfVector(a *asm) {
	b := &halfBlock
	a.begin("gemvBF16AVX512", b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, R13", b.at("y"))
	a.p("MOVQ %s, R10", b.at("bias"))
	for j := range 8 {
		a.p("VMOVUPS %d(R10), Z%d", 64*j, j)
	}
	a.p("MOVQ %s, R10", b.at("w"))
	a.p("MOVQ %s, R11", b.at("k"))
	loop := a.fresh("pair")
	a.label(loop)
	a.p("VBROADCASTSS (SI), Z8")
	for j := range 8 {
		a.p("VMOVUPS %d(R10), Z%d", 64*j, 9+j)
		a.p("PREFETCHT0 %d(R10)", 64*j+vectorAhead)
		a.dpbf16("Z8", fmt.Sprintf("Z%d", 9+j), fmt.Sprintf("Z%d", j))
	}
	a.p("ADDQ $4, SI")
	a.p("ADDQ $512, R10")
	a.p("DECQ R11")
	a.p("JNE %s", loop)
	var accs []sum
	for j := range 8 {
		accs = append(accs, sum{fmt.Sprintf("Z%d", j), j})
	}
	epilogue(a, avx512, b, accs, 9, false)
	for j := range 8 {
		a.p("VMOVUPS Z%d, %d(R13)", j, 64*j)
	}
	a.end()
}

// vectorAhead is how far the weights are fetched ahead, in bytes.
const vectorAhead = 8192

// halfMasks sets K1 and K2 to the valid outputs of the halves; AX is the
// second.
func (a *asm) halfMasks() {
	a.p("MOVQ %s, AX", halfBlock.at("low"))
	a.p("KMOVW AX, K1")
	a.p("MOVQ %s, AX", halfBlock.at("high"))
	a.p("KMOVW AX, K2")
}

// halfTile is a tile of bfloat16 products by vectors. A last vector of half a
// register is one in the products alone, which clear the other half.
type halfTile struct{ tile }

func (t halfTile) acc(r, j int) string { return t.s.v(r*t.vecs + j) }

func (t halfTile) emit(a *asm) {
	b := &halfBlock
	a.p("MOVQ %s, R10", b.at("bias"))
	for j := range t.vecs {
		a.p("VMOVUPS.Z %d(R10), K%d, %s", 64*j, j+1, t.acc(0, j))
	}
	for r := 1; r < t.rows; r++ {
		for j := range t.vecs {
			a.p("VMOVAPS %s, %s", t.acc(0, j), t.acc(r, j))
		}
	}
	if t.rows == 14 {
		t.fetch(a)
	}
	a.p("MOVQ %s, R10", b.at("w"))
	a.p("MOVQ R10, R14")
	a.p("ADDQ %s, R14", b.at("wHalf"))
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
	a.p("MOVQ %s, R12", b.at("segs"))
	seg, four, rest, one, end, last, again := a.fresh("seg"), a.fresh("four"), a.fresh("rest"), a.fresh("one"), a.fresh("segend"), a.fresh("sums"), a.fresh("again")
	a.label(seg)
	a.p("MOVQ %s, R11", b.at("k"))
	a.p("SUBQ $4, R11")
	a.p("JLT %s", rest)
	a.label(four)
	if t.rows == 1 {
		// One row is bound by the weights' way from memory.
		for i := range 4 {
			a.p("PREFETCHT0 %d(R10)", 64*i+4096)
			if t.vecs == 2 {
				a.p("PREFETCHT0 %d(R14)", 64*i+4096)
			}
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
	a.p("DECQ R12")
	a.p("JEQ %s", last)
	// The second segment takes the weights of the first again, the third its
	// inputs. Steps of k may be fewer than a part has room for.
	a.p("MOVQ %s, R11", b.at("k"))
	a.p("SHLQ $2, R11")
	a.p("CMPQ R12, $1")
	a.p("JEQ %s", again)
	for _, r := range bases {
		a.p("SUBQ R11, %s", r)
		a.p("ADDQ %s, %s", b.at("part"), r)
	}
	a.p("SHLQ $4, R11")
	a.p("SUBQ R11, R10")
	a.p("SUBQ R11, R14")
	a.p("JMP %s", seg)
	a.label(again)
	for _, r := range bases {
		a.p("SUBQ R11, %s", r)
	}
	a.p("SHLQ $4, R11")
	a.p("SUBQ R11, R10")
	a.p("SUBQ R11, R14")
	a.p("MOVQ %s, R11", b.at("part"))
	a.p("SHLQ $4, R11")
	a.p("ADDQ R11, R10")
	a.p("ADDQ R11, R14")
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

// step is one pair of inputs of every row times one row of the halves.
func (t halfTile) step(a *asm, u int) {
	for j := range t.vecs {
		a.p("VMOVUPS %d(%s), %s", 64*u, []string{"R10", "R14"}[j], t.reg(t.temp(j), j))
	}
	for r := range t.rows {
		x := t.s.v(t.temp(t.vecs + r%2))
		a.p("VBROADCASTSS %s, %s", row(r, 4*u), x)
		for j := range t.vecs {
			if t.half && j == t.vecs-1 {
				a.dpbf16("Y"+x[1:], fmt.Sprintf("Y%d", t.temp(j)), "Y"+t.acc(r, j)[1:])
				continue
			}
			a.dpbf16(x, t.s.v(t.temp(j)), t.acc(r, j))
		}
	}
}

func (t halfTile) move(a *asm, bases []string, steps int) {
	a.p("ADDQ $%d, R10", 64*steps)
	a.p("ADDQ $%d, R14", 64*steps)
	for _, r := range bases {
		a.p("ADDQ $%d, %s", 4*steps, r)
	}
}

// fetch has the memory of outputs in float32 on its way while the products are
// formed: in training it is far.
func (t halfTile) fetch(a *asm) {
	skip := a.fresh("near")
	a.p("CMPQ %s, $0", halfBlock.at("half"))
	a.p("JNE %s", skip)
	a.p("MOVQ %s, R12", halfBlock.at("yStride"))
	a.p("MOVQ R13, AX")
	for r := range t.rows {
		for j := range t.vecs {
			a.p("PREFETCHT0 %d(AX)", 64*j)
		}
		if r+1 < t.rows {
			a.p("ADDQ R12, AX")
		}
	}
	a.label(skip)
}

// finish applies the activation, adds the residual and stores. R13 and R15
// end at the next tile's outputs and residuals.
func (t halfTile) finish(a *asm) {
	var accs []sum
	for r := range t.rows {
		for j := range t.vecs {
			accs = append(accs, sum{t.acc(r, j), j})
		}
	}
	epilogue(a, t.s, &halfBlock, accs, t.temp(0), false)
	full, store, done := a.fresh("full"), a.fresh("store"), a.fresh("stored")
	a.p("MOVQ %s, R12", halfBlock.at("yStride"))
	a.p("CMPQ %s, $0", halfBlock.at("half"))
	a.p("JEQ %s", full)
	a.p("TESTQ R15, R15")
	a.p("JEQ %s", store)
	for r := range t.rows {
		for j := range t.vecs {
			a.widen(fmt.Sprintf("%d(R15)", 32*j), t.s.v(t.temp(0)))
			a.p("VADDPS %s, %s, %s", t.s.v(t.temp(0)), t.acc(r, j), t.acc(r, j))
		}
		a.p("ADDQ R12, R15")
	}
	a.label(store)
	for r := range t.rows {
		if t.vecs == 2 {
			a.narrow2(t.acc(r, 0), t.acc(r, 1), t.s.v(t.temp(0)))
		} else {
			a.narrow(t.acc(r, 0), t.s.v(t.temp(0)))
		}
		a.p("VMOVUPS %s, (R13)", t.s.v(t.temp(0)))
		a.p("ADDQ R12, R13")
	}
	a.p("JMP %s", done)
	a.label(full)
	plain := a.fresh("plain")
	a.p("TESTQ R15, R15")
	a.p("JEQ %s", plain)
	for r := range t.rows {
		for j := range t.vecs {
			a.p("VMOVUPS.Z %d(R15), K%d, %s", 64*j, j+1, t.s.v(t.temp(0)))
			a.p("VADDPS %s, %s, %s", t.s.v(t.temp(0)), t.acc(r, j), t.acc(r, j))
		}
		a.p("ADDQ R12, R15")
	}
	a.label(plain)
	for r := range t.rows {
		for j := range t.vecs {
			a.p("VMOVUPS %s, K%d, %d(R13)", t.acc(r, j), j+1, 64*j)
		}
		a.p("ADDQ R12, R13")
	}
	a.label(done)
}

// widen loads sixteen bfloat16s as float32s.
func (a *asm) widen(mem, reg string) {
	a.p("VPMOVZXWD %s, %s", mem, reg)
	a.p("VPSLLD $16, %s, %s", reg, reg)
}
