package main

import "fmt"

// gemmBlock is what a product routine takes. A panel has up to four vectors'
// halves of outputs: width counts eights. The row of inputs of output row i
// begins at x + i*xStride and consists of segs runs of run inputs, segStride
// apart; so the same loop walks the channels of a pixel, the kernel rows of a
// direct convolution, and channel blocks. Strides are in bytes.
//
// Every output is one chain of fused multiply-adds from the bias over the
// inputs in order, whichever tile computes it.
var gemmBlock = block{"gemmArgs", "gemmArgs are the arguments of a product routine; strides are in bytes.", []field{
	{"x", "*float32", "first input of the first row"},
	{"w", "*float32", "panel [segs*run][8*width]"},
	{"bias", "*float32", "8*width"},
	{"res", "*float32", "residual of the first row or nil; its rows are yStride apart"},
	{"y", "*float32", "first output"},
	{"xStride", "int", "between rows of inputs"},
	{"yStride", "int", "between rows of outputs"},
	{"segs", "int", "runs of a row"},
	{"run", "int", "inputs of a run"},
	{"segStride", "int", "between runs"},
	{"rows", "int", ""},
	{"ahead", "uintptr", "address in memory of later steps, fetched by the way; moved on"},
	{"aheadStep", "int", "bytes of it for four inputs of a tile"},
	{"width", "int", "eights of outputs"},
	{"mode", "int", "of the epilogue"},
	{"lo", "float32", "least result (clip)"},
	{"hi", "float32", "greatest result (clip)"},
	{"scale", "float32", "factor (hard swish)"},
	{"pad", "float32", ""},
}}

// The epilogues.
const (
	modeLinear = iota
	modeReLU
	modeClip
	modeHSwish
	modeHSigmoid
)

func gemmFile(a *asm) {
	constants(a)
	for _, s := range isas {
		gemm(a, s)
	}
}

// tile is a block of outputs held in registers: rows by vectors. The last
// vector may be half a register wide.
type tile struct {
	s    isa
	rows int
	vecs int
	half bool
}

// reg is register i seen as vector j of the tile.
func (t tile) reg(i, j int) string {
	if t.half && j == t.vecs-1 {
		return fmt.Sprintf("Y%d", i)
	}
	return t.s.v(i)
}
func (t tile) acc(r, j int) string { return t.reg(r*t.vecs+j, j) }

// temp is the i-th register that holds no sum.
func (t tile) temp(i int) int { return t.rows*t.vecs + i }

// row is the operand for an input of row r: three bases and two index
// registers reach fourteen rows.
func row(r, disp int) string {
	base, rest := "AX", r
	switch r {
	case 5, 7, 9, 11, 13:
		base, rest = "BX", r-5
	case 10:
		base, rest = "DX", 0
	}
	index := map[int]string{0: "", 1: "(R8*1)", 2: "(R8*2)", 3: "(R9*1)", 4: "(R8*4)", 6: "(R9*2)", 8: "(R8*8)", 12: "(R9*4)"}[rest]
	return fmt.Sprintf("%d(%s)%s", disp, base, index)
}

func gemm(a *asm, s isa) {
	b := &gemmBlock
	a.begin("gemm"+s.name, b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, R8", b.at("xStride"))
	a.p("LEAQ (R8)(R8*2), R9")
	a.p("MOVQ %s, R13", b.at("y"))
	a.p("MOVQ %s, R15", b.at("res"))
	a.p("MOVQ %s, CX", b.at("rows"))
	a.p("MOVQ %s, R14", b.at("ahead"))
	widths := s.lanes / 8 * 2
	name := func(w int) string { return fmt.Sprintf("width%d%s", w, s.name) }
	done := "done" + s.name
	a.p("MOVQ %s, AX", b.at("width"))
	a.p("CMPQ AX, $%d", 4*widths)
	a.p("JEQ quad%s", s.name)
	for w := 1; w < widths; w++ {
		a.p("CMPQ AX, $%d", w)
		a.p("JEQ %s", name(w))
	}
	for w := widths; w >= 1; w-- {
		a.label(name(w))
		vecs := (8*w + s.lanes - 1) / s.lanes
		sizes := []int{14, 7, 4, 2, 1}
		if s.regs == 16 {
			sizes = []int{6, 3, 2, 1}
		}
		regs := s
		if s.lanes == 16 && w == 3 {
			// Whole and half registers together were measured to run at
			// seven eighths of the pace of halves alone.
			regs, vecs, sizes = isa{s.name, "Y", 8, 32}, 3, []int{8, 4, 2, 1}
		}
		for _, rows := range sizes {
			t := tile{regs, rows, vecs, 8*w%regs.lanes != 0}
			next := a.fresh("next")
			loop := a.fresh("tile")
			a.label(loop)
			a.p("CMPQ CX, $%d", rows)
			a.p("JLT %s", next)
			t.emit(a, 32*w)
			a.p("SUBQ $%d, CX", rows)
			a.p("JMP %s", loop)
			a.label(next)
		}
		a.p("JMP %s", done)
	}
	a.label("quad" + s.name)
	quad(a, s)
	a.label(done)
	a.p("MOVQ R14, %s", b.at("ahead"))
	a.end()
}

// quad is one row times four full panels at once, for the matrix-vector
// products: eight chains instead of two keep up with the caches.
func quad(a *asm, s isa) {
	b := &gemmBlock
	t := tile{s: s, rows: 1, vecs: 8}
	a.p("MOVQ %s, R10", b.at("bias"))
	for j := range t.vecs {
		a.p("VMOVUPS %d(R10), %s", j*s.bytes(), t.acc(0, j))
	}
	a.p("MOVQ %s, R10", b.at("w"))
	a.p("MOVQ %s, R11", b.at("run"))
	// R8 and R9 are one and three panels.
	a.p("MOVQ R11, R8")
	a.p("SHLQ $%d, R8", map[int]int{16: 7, 8: 6}[s.lanes])
	a.p("LEAQ (R8)(R8*2), R9")
	loop := a.fresh("quad")
	a.label(loop)
	a.p("VBROADCASTSS (SI), %s", s.v(8))
	for j := range t.vecs {
		mem := fmt.Sprintf("%d(R10)%s", j%2*s.bytes(), []string{"", "(R8*1)", "(R8*2)", "(R9*1)"}[j/2])
		a.p("VFMADD231PS %s, %s, %s", mem, s.v(8), t.acc(0, j))
	}
	for p := range 4 {
		a.p("PREFETCHT0 512(R10)%s", []string{"", "(R8*1)", "(R8*2)", "(R9*1)"}[p])
		if s.lanes == 16 {
			a.p("PREFETCHT0 576(R10)%s", []string{"", "(R8*1)", "(R8*2)", "(R9*1)"}[p])
		}
	}
	a.p("ADDQ $4, SI")
	a.p("ADDQ $%d, R10", 2*s.bytes())
	a.p("DECQ R11")
	a.p("JNE %s", loop)
	t.epilogue(a)
}

// emit computes one tile and moves on by its rows. width is the panel's in
// bytes.
func (t tile) emit(a *asm, width int) {
	b, s := &gemmBlock, t.s
	a.p("MOVQ %s, R10", b.at("bias"))
	for j := range t.vecs {
		a.p("VMOVUPS %d(R10), %s", j*s.bytes(), t.acc(0, j))
	}
	for r := 1; r < t.rows; r++ {
		for j := range t.vecs {
			a.p("VMOVAPS %s, %s", t.acc(0, j), t.acc(r, j))
		}
	}
	a.p("MOVQ %s, R10", b.at("w"))
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
	seg, four, rest, one, segEnd := a.fresh("seg"), a.fresh("four"), a.fresh("rest"), a.fresh("one"), a.fresh("segend")
	a.label(seg)
	a.p("MOVQ %s, R11", b.at("run"))
	a.p("SUBQ $4, R11")
	a.p("JLT %s", rest)
	a.label(four)
	if t.rows == 1 {
		// One row is bound by the weights' way from memory.
		for i := 0; i < 4*width; i += 64 {
			a.p("PREFETCHT0 %d(R10)", i+8192)
		}
	}
	for u := range 4 {
		t.step(a, 4*u, u*width)
		// Four lines at most, in between the products.
		if t.rows > 1 {
			a.p("PREFETCHT1 %d(R14)", 64*u)
		}
	}
	if t.rows > 1 {
		a.p("ADDQ %s, R14", b.at("aheadStep"))
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
	last := a.fresh("sums")
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
	t.epilogue(a)
	for range t.rows / 4 {
		a.p("LEAQ (SI)(R8*4), SI")
	}
	for range t.rows % 4 {
		a.p("ADDQ R8, SI")
	}
}

// step is one input of every row times one row of the panel.
func (t tile) step(a *asm, disp, at int) {
	s := t.s
	for j := range t.vecs {
		a.p("VMOVUPS %d(R10), %s", at+j*s.bytes(), t.reg(t.temp(j), j))
	}
	for r := range t.rows {
		if t.vecs == 1 && s.regs == 32 {
			a.p("VFMADD231PS.BCST %s, %s, %s", row(r, disp), t.reg(t.temp(0), 0), t.acc(r, 0))
			continue
		}
		x := t.temp(t.vecs + r%2)
		a.p("VBROADCASTSS %s, %s", row(r, disp), s.v(x))
		for j := range t.vecs {
			a.p("VFMADD231PS %s, %s, %s", t.reg(t.temp(j), j), t.reg(x, j), t.acc(r, j))
		}
	}
}

// epilogue applies the activation, adds the residual and stores. R13 and R15
// end at the next tile's outputs and residuals.
func (t tile) epilogue(a *asm) {
	var accs []sum
	for r := range t.rows {
		for j := range t.vecs {
			accs = append(accs, sum{t.acc(r, j), j})
		}
	}
	epilogue(a, t.s, &gemmBlock, accs, t.temp(0), t.half)
	store := a.fresh("store")
	a.p("MOVQ %s, R12", gemmBlock.at("yStride"))
	a.p("TESTQ R15, R15")
	a.p("JEQ %s", store)
	for r := range t.rows {
		for j := range t.vecs {
			a.p("VADDPS %d(R15), %s, %s", j*t.s.bytes(), t.acc(r, j), t.acc(r, j))
		}
		a.p("ADDQ R12, R15")
	}
	a.label(store)
	for r := range t.rows {
		for j := range t.vecs {
			a.p("VMOVUPS %s, %d(R13)", t.acc(r, j), j*t.s.bytes())
		}
		a.p("ADDQ R12, R13")
	}
}

// sum is a register with sums.
type sum struct {
	reg string
	vec int
}

// epilogue applies the block's activation to registers; four from temp on are
// free. The value under test is always the second source, which the minimum
// and the maximum give back if one of the two is a NaN.
func epilogue(a *asm, s isa, b *block, accs []sum, temp int, half bool) {
	end, hswish, clip := a.fresh("epilogue"), a.fresh("hswish"), a.fresh("clip")
	t := func(i int, like string) string {
		return fmt.Sprintf("%c%d", like[0], temp+i)
	}
	a.p("MOVQ %s, R12", b.at("mode"))
	a.p("CMPQ R12, $%d", modeReLU)
	a.p("JLT %s", end)
	a.p("JNE %s", clip)
	a.zero(s, temp)
	for _, v := range accs {
		a.p("VMAXPS %s, %s, %s", v.reg, t(0, v.reg), v.reg)
	}
	a.p("JMP %s", end)
	a.label(clip)
	a.p("CMPQ R12, $%d", modeHSwish)
	a.p("JGE %s", hswish)
	a.p("VBROADCASTSS %s, %s", b.at("lo"), s.v(temp))
	a.p("VBROADCASTSS %s, %s", b.at("hi"), s.v(temp+1))
	for _, v := range accs {
		a.p("VMAXPS %s, %s, %s", v.reg, t(0, v.reg), v.reg)
	}
	for _, v := range accs {
		a.p("VMINPS %s, %s, %s", v.reg, t(1, v.reg), v.reg)
	}
	a.p("JMP %s", end)
	a.label(hswish)
	a.zero(s, temp)
	a.p("VBROADCASTSS six<>(SB), %s", s.v(temp+1))
	a.p("VBROADCASTSS three<>(SB), %s", s.v(temp+2))
	sigmoid, factor := a.fresh("hsigmoid"), a.fresh("factor")
	a.p("JGT %s", sigmoid)
	for _, v := range accs {
		a.p("VADDPS %s, %s, %s", t(2, v.reg), v.reg, t(3, v.reg))
		a.p("VMAXPS %s, %s, %s", t(3, v.reg), t(0, v.reg), t(3, v.reg))
		a.p("VMINPS %s, %s, %s", t(3, v.reg), t(1, v.reg), t(3, v.reg))
		a.p("VMULPS %s, %s, %s", t(3, v.reg), v.reg, v.reg)
	}
	a.p("JMP %s", factor)
	a.label(sigmoid)
	for _, v := range accs {
		a.p("VADDPS %s, %s, %s", t(2, v.reg), v.reg, v.reg)
		a.p("VMAXPS %s, %s, %s", v.reg, t(0, v.reg), v.reg)
		a.p("VMINPS %s, %s, %s", v.reg, t(1, v.reg), v.reg)
	}
	a.label(factor)
	a.p("VBROADCASTSS %s, %s", b.at("scale"), s.v(temp+2))
	for _, v := range accs {
		a.p("VMULPS %s, %s, %s", t(2, v.reg), v.reg, v.reg)
	}
	a.label(end)
}
