package main

import "fmt"

// rowsBlock is what the routines that take rows to bfloat16 take.
var rowsBlock = block{"rowsArgs", "rowsArgs are the arguments of the routines that convert rows; strides are in bytes.", []field{
	{"x", "*float32", "first row"},
	{"scale", "*float32", "a factor for every channel"},
	{"y", "*float32", "first row of the result, padded to 32 channels with zeros"},
	{"xStride", "int", "between rows"},
	{"yStride", "int", "between rows of the result"},
	{"rows", "int", ""},
	{"channels", "int", ""},
	{"part", "int", "from the result to its high part, where it is split (in bytes); or pixels of a row"},
	{"count", "float32", "what a sum is divided by"},
	{"pad", "float32", ""},
}}

// rowsKind is a routine: what it reads and whether it multiplies by scale and
// splits in two.
type rowsKind struct {
	half, scaled, split bool
	doc                 string
}

var rowsKinds = []rowsKind{
	{false, false, false, "rounds rows of float32 to bfloat16."},
	{false, true, false, "scales rows of float32 and rounds them to bfloat16."},
	{true, true, false, "scales rows of bfloat16."},
	{false, false, true, "splits rows of float32 in a low and a high bfloat16."},
	{false, true, true, "scales rows of float32 and splits them in a low and a high bfloat16."},
}

func (r rowsKind) name() string {
	n := "rows"
	if r.split {
		n = "split"
	}
	if r.scaled {
		n += "Scaled"
	}
	if r.half {
		return n + "BF16AVX512"
	}
	return n + "F32AVX512"
}

func (r rowsKind) emit(a *asm) {
	b := &rowsBlock
	a.begin(r.name(), b)
	a.p("MOVQ %s, R8", b.at("x"))
	a.p("MOVQ %s, R9", b.at("y"))
	a.p("MOVQ %s, CX", b.at("rows"))
	if r.split {
		a.p("MOVQ %s, R10", b.at("part"))
	}
	a.channelMasks(b)
	row, full, tail, next := a.fresh("row"), a.fresh("full"), a.fresh("tail"), a.fresh("next")
	a.label(row)
	a.p("MOVQ R8, SI")
	a.p("MOVQ R9, DX")
	a.p("MOVQ %s, BX", b.at("scale"))
	a.p("MOVQ %s, R11", b.at("channels"))
	a.label(full)
	a.p("SUBQ $32, R11")
	a.p("JLT %s", tail)
	r.chunk(a, false)
	a.p("JMP %s", full)
	a.label(tail)
	a.p("CMPQ R11, $-32")
	a.p("JEQ %s", next)
	r.chunk(a, true)
	a.label(next)
	a.p("ADDQ %s, R8", b.at("xStride"))
	a.p("ADDQ %s, R9", b.at("yStride"))
	a.p("DECQ CX")
	a.p("JNE %s", row)
	a.end()
}

// channelMasks sets K1 and K2 to the channels beyond the last 32, by sixteens.
func (a *asm) channelMasks(b *block) {
	a.p("MOVQ %s, AX", b.at("channels"))
	a.p("ANDL $31, AX")
	a.p("MOVL $-1, BX")
	a.p("SHLXL AX, BX, BX")
	a.p("NOTL BX")
	a.p("KMOVW BX, K1")
	a.p("SHRL $16, BX")
	a.p("KMOVW BX, K2")
}

// chunk is 32 channels of a row.
func (r rowsKind) chunk(a *asm, masked bool) {
	load := func(op, mem string, j int, reg string) {
		if masked {
			a.p("%s.Z %s, K%d, %s", op, mem, j+1, reg)
		} else {
			a.p("%s %s, %s", op, mem, reg)
		}
	}
	for j := range 2 {
		reg := fmt.Sprintf("Z%d", j)
		if r.half {
			load("VPMOVZXWD", fmt.Sprintf("%d(SI)", 32*j), j, reg)
			a.p("VPSLLD $16, %s, %s", reg, reg)
		} else {
			load("VMOVUPS", fmt.Sprintf("%d(SI)", 64*j), j, reg)
		}
		if r.scaled {
			load("VMOVUPS", fmt.Sprintf("%d(BX)", 64*j), j, "Z8")
			a.p("VMULPS Z8, %s, %s", reg, reg)
		}
	}
	a.narrow2("Z0", "Z1", "Z2")
	if r.split {
		a.p("VMOVUPS Z2, (DX)(R10*1)")
		// What the high part leaves.
		a.p("VPMOVZXWD Y2, Z3")
		a.p("VPSLLD $16, Z3, Z3")
		a.p("VSUBPS Z3, Z0, Z0")
		a.p("VEXTRACTI64X4 $1, Z2, Y2")
		a.p("VPMOVZXWD Y2, Z3")
		a.p("VPSLLD $16, Z3, Z3")
		a.p("VSUBPS Z3, Z1, Z1")
		a.narrow2("Z0", "Z1", "Z2")
	}
	a.p("VMOVUPS Z2, (DX)")
	if r.half {
		a.p("ADDQ $64, SI")
	} else {
		a.p("ADDQ $128, SI")
	}
	if r.scaled {
		a.p("ADDQ $128, BX")
	}
	a.p("ADDQ $64, DX")
}

// sumPixelsHalf adds up channels of bfloat16 over rows of part pixels, each
// row on its own first, and divides by count: float32s, 32 channels at a time.
func sumPixelsHalf(a *asm) {
	b := &rowsBlock
	a.begin("sumPixelsBF16AVX512", b)
	a.p("MOVQ %s, R8", b.at("x"))
	a.p("MOVQ %s, DX", b.at("y"))
	a.p("MOVQ %s, R9", b.at("xStride"))
	a.p("MOVQ %s, R10", b.at("channels"))
	a.channelMasks(b)
	a.p("VBROADCASTSS %s, Z8", b.at("count"))
	a.p("MOVL $0xffff0000, AX")
	a.p("VPBROADCASTD AX, Z9")
	a.halfIndices()
	block, row, pixel, whole, done := a.fresh("channels"), a.fresh("row"), a.fresh("pixel"), a.fresh("whole"), a.fresh("done")
	a.label(block)
	a.p("MOVQ R8, SI")
	a.p("MOVQ %s, CX", b.at("rows"))
	a.p("VPXORD Z0, Z0, Z0")
	a.p("VPXORD Z1, Z1, Z1")
	a.label(row)
	a.p("VPXORD Z2, Z2, Z2")
	a.p("VPXORD Z3, Z3, Z3")
	a.p("MOVQ %s, R11", b.at("part"))
	a.label(pixel)
	a.p("VMOVUPS (SI), Z4")
	a.p("VPSLLD $16, Z4, Z5")
	a.p("VPANDD Z9, Z4, Z4")
	a.p("VADDPS Z5, Z2, Z2")
	a.p("VADDPS Z4, Z3, Z3")
	a.p("ADDQ R9, SI")
	a.p("DECQ R11")
	a.p("JNE %s", pixel)
	a.p("VADDPS Z2, Z0, Z0")
	a.p("VADDPS Z3, Z1, Z1")
	a.p("DECQ CX")
	a.p("JNE %s", row)
	a.p("VDIVPS Z8, Z0, Z0")
	a.p("VDIVPS Z8, Z1, Z1")
	// Even and odd channels back in order.
	a.p("VMOVAPS Z0, Z2")
	a.p("VPERMT2PS Z1, Z28, Z2")
	a.p("VPERMT2PS Z1, Z29, Z0")
	a.p("CMPQ R10, $32")
	a.p("JGE %s", whole)
	a.p("VMOVUPS Z2, K1, (DX)")
	a.p("VMOVUPS Z0, K2, 64(DX)")
	a.p("JMP %s", done)
	a.label(whole)
	a.p("VMOVUPS Z2, (DX)")
	a.p("VMOVUPS Z0, 64(DX)")
	a.p("ADDQ $64, R8")
	a.p("ADDQ $128, DX")
	a.p("SUBQ $32, R10")
	a.p("JNE %s", block)
	a.label(done)
	a.end()
}

// halfIndices loads the permutations that put even and odd elements of two
// registers in order: the first sixteen and the last.
func (a *asm) halfIndices() {
	a.p("VMOVUPS merge<>+0(SB), Z28")
	a.p("VMOVUPS merge<>+64(SB), Z29")
}

// mergeTables are the permutations: of words, and of the float32s of two
// registers into one.
func mergeTables(a *asm) {
	for i := range 32 {
		v := i / 2
		if i%2 == 1 {
			v += 16
		}
		a.raw("DATA merge<>+%d(SB)/4, $%d", 4*i, v)
	}
	a.raw("GLOBL merge<>(SB), RODATA|NOPTR, $128")
}
