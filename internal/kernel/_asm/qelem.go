package main

import "fmt"

// qelemBlock is what the elementwise routines of bytes take; distances are in
// bytes.
var qelemBlock = block{"qelemArgs", "qelemArgs are the arguments of the elementwise routines of bytes.", []field{
	{"x", "*uint8", "first operand, or the bytes of float32s"},
	{"b", "*uint8", "second operand, or a table of 256"},
	{"y", "*uint8", "result, or the bytes of float32s or int32s"},
	{"n", "int", "elements of a row; AVX2 wants a multiple of sixteen"},
	{"rows", "int", "counted down"},
	{"xRow", "int", "between rows"},
	{"bRow", "int", "between rows"},
	{"yRow", "int", "between rows"},
	{"m1", "int", "multiplier of the second operand"},
	{"k1", "int", "its term"},
	{"m2", "int", "multiplier of the result"},
	{"k2", "int", "its term"},
	{"n1", "uint32", "right shift of the second operand"},
	{"tie1", "uint32", "what negative ones are added"},
	{"n2", "uint32", "right shift of the result"},
	{"tie2", "uint32", "what negative ones are added"},
	{"xTerm", "uint32", "added to the first operand"},
	{"bTerm", "uint32", "added to the second operand"},
	{"lo", "uint32", "least result"},
	{"hi", "uint32", "greatest result"},
	{"scale", "float32", ""},
	{"even", "uint32", "1: ties go to even numbers"},
	{"most", "float32", "greatest multiple of the scale"},
	{"l2", "uint32", "left shift of what becomes the result"},
}}

var qelemKinds = []struct{ name, doc string }{
	{"addBytes", "adds rows of bytes"},
	{"mulBytes", "multiplies rows of bytes"},
	{"quantizeBytes", "rounds float32s to bytes"},
	{"dequantizeBytes", "makes float32s of bytes"},
	{"lookUp", "looks bytes up in a table"},
	{"sumBytes", "adds bytes of rows, at most 256, to int32s"},
}

func qelemFunctions() (functions []function) {
	for _, s := range isas {
		for _, k := range qelemKinds {
			n := k.name + s.name
			functions = append(functions, function{n, qelemBlock.name, n + " " + k.doc + "."})
		}
	}
	return functions
}

func qelemFile(a *asm) {
	quantTables(a)
	a.numbers([]uint32{qelemHalf, qelemSign})
	a.raw("")
	for i := range 8 {
		a.raw("DATA steps<>+%d(SB)/4, $%#x", 4*i, map[bool]uint32{true: 0x10101010, false: 0x70707070}[i < 4])
	}
	a.raw("GLOBL steps<>(SB), RODATA|NOPTR, $32")
	for _, s := range isas {
		e := qelem{a, s}
		e.binary("addBytes", e.add)
		e.binary("mulBytes", e.mul)
		e.quantize()
		e.dequantize()
		if s.regs == 32 {
			e.lookUpVBMI()
		} else {
			e.lookUpShuffles()
		}
		e.sums()
	}
}

// The constants of rounding: what is just below a half, and a sign.
const (
	qelemHalf = 0x3effffff
	qelemSign = 0x80000000
)

type qelem struct {
	*asm
	s isa
}

func (e qelem) wide() bool { return e.s.regs == 32 }

// fields are the constants that AVX-512 keeps in registers.
var qelemFields = []string{"m1", "k1", "m2", "k2", "n1", "tie1", "n2", "tie2", "xTerm", "bTerm", "lo", "hi", "l2"}

// constant names a register that holds a field in every place. AVX2 has none
// to spare and fetches it into the last one.
func (e qelem) constant(field string) string {
	op := "VPBROADCASTD"
	switch field {
	case "m1", "k1", "m2", "k2":
		op = "VPBROADCASTQ"
	case "lo", "hi":
		op = "VPBROADCASTB"
	}
	r := e.s.v(15)
	if e.wide() {
		for i, f := range qelemFields {
			if f == field {
				return e.s.v(16 + i)
			}
		}
	}
	e.p("%s %s, %s", op, qelemBlock.at(field), r)
	return r
}

// fetch loads the constants of AVX-512.
func (e qelem) fetch() {
	if !e.wide() {
		return
	}
	for i, f := range qelemFields {
		op := "VPBROADCASTD"
		switch {
		case i < 4:
			op = "VPBROADCASTQ"
		case f == "lo" || f == "hi":
			op = "VPBROADCASTB"
		}
		e.p("%s %s, %s", op, qelemBlock.at(f), e.s.v(16+i))
	}
}

// rest sets K3 to the first CX places.
func (e qelem) rest() {
	e.p("MOVQ $-1, AX")
	e.p("BZHIQ CX, AX, AX")
	e.p("KMOVQ AX, K3")
}

// binary is the loop over rows of an operation: op computes the sums of 64
// bytes (sixteen in AVX2) in registers 0 and on, those of x from 0 and those
// of b from 4.
func (e qelem) binary(name string, op func(x, b, t int)) {
	b := &qelemBlock
	width, regs := 64, 4
	if !e.wide() {
		width, regs = 16, 2
	}
	e.begin(name+e.s.name, b)
	if e.wide() {
		e.p("MOVL $0x5555, AX")
		e.p("KMOVW AX, K4")
	}
	e.fetch()
	e.zero(e.s, 14)
	for i, f := range []string{"x", "b", "y"} {
		e.p("MOVQ %s, %s", b.at(f), []string{"SI", "BX", "DX"}[i])
	}
	rows, loop, full, next := e.fresh("row"), e.fresh("bytes"), e.fresh("full"), e.fresh("next")
	e.label(rows)
	e.p("MOVQ %s, CX", b.at("n"))
	e.p("XORL R8, R8")
	if e.wide() {
		e.p("KXNORQ K3, K3, K3")
	}
	e.label(loop)
	e.p("CMPQ CX, $%d", width)
	if e.wide() {
		e.p("JGE %s", full)
		e.p("TESTQ CX, CX")
		e.p("JLE %s", next)
		e.rest()
		e.label(full)
	} else {
		e.p("JLT %s", next)
	}
	for i, m := range []string{"(SI)(R8*1)", "(BX)(R8*1)"} {
		r := func(j int) string { return e.s.v(4*i + j) }
		if !e.wide() {
			e.p("VPMOVZXBW %s, %s", m, r(1))
			e.p("VPUNPCKLWD Y14, %s, %s", r(1), r(0))
			e.p("VPUNPCKHWD Y14, %s, %s", r(1), r(1))
			continue
		}
		e.p("VMOVDQU8.Z %s, K3, Z8", m)
		e.p("VPUNPCKLBW Z14, Z8, Z9")
		e.p("VPUNPCKHBW Z14, Z8, Z10")
		e.p("VPUNPCKLWD Z14, Z9, %s", r(0))
		e.p("VPUNPCKHWD Z14, Z9, %s", r(1))
		e.p("VPUNPCKLWD Z14, Z10, %s", r(2))
		e.p("VPUNPCKHWD Z14, Z10, %s", r(3))
	}
	for i := range regs {
		op(i, 4+i, 8+i%2*2)
	}
	if e.wide() {
		e.p("VPACKSSDW Z1, Z0, Z0")
		e.p("VPACKSSDW Z3, Z2, Z2")
		e.p("VPACKUSWB Z2, Z0, Z0")
		e.p("VPMAXUB %s, Z0, Z0", e.constant("lo"))
		e.p("VPMINUB %s, Z0, Z0", e.constant("hi"))
		e.p("VMOVDQU8 Z0, K3, (DX)(R8*1)")
	} else {
		e.p("VPACKSSDW Y1, Y0, Y0")
		e.p("VEXTRACTI128 $1, Y0, X1")
		e.p("VPACKUSWB X1, X0, X0")
		e.constant("lo")
		e.p("VPMAXUB X15, X0, X0")
		e.constant("hi")
		e.p("VPMINUB X15, X0, X0")
		e.p("VMOVDQU X0, (DX)(R8*1)")
	}
	e.p("ADDQ $%d, R8", width)
	e.p("SUBQ $%d, CX", width)
	e.p("JMP %s", loop)
	e.label(next)
	for i, f := range []string{"xRow", "bRow", "yRow"} {
		e.p("ADDQ %s, %s", b.at(f), []string{"SI", "BX", "DX"}[i])
	}
	e.p("DECQ %s", b.at("rows"))
	e.p("JNE %s", rows)
	e.end()
}

// add is s = x<<19 + rescaled b, rescaled: TFLite's addition where the scale of
// x is the greater one, so that its multiplier is a half.
func (e qelem) add(x, b, t int) {
	e.p("VPSLLD $21, %s, %s", e.s.v(b), e.s.v(b))
	e.p("VPADDD %s, %s, %s", e.constant("bTerm"), e.s.v(b), e.s.v(b))
	e.short(b, t, "1")
	e.p("VPSLLD $19, %s, %s", e.s.v(x), e.s.v(x))
	e.p("VPADDD %s, %s, %s", e.s.v(b), e.s.v(x), e.s.v(x))
	e.p("VPADDD %s, %s, %s", e.constant("xTerm"), e.s.v(x), e.s.v(x))
	e.p("VPSLLVD %s, %s, %s", e.constant("l2"), e.s.v(x), e.s.v(x))
	e.short(x, t, "2")
}

func (e qelem) mul(x, b, t int) {
	e.p("VPADDD %s, %s, %s", e.constant("xTerm"), e.s.v(x), e.s.v(x))
	e.p("VPADDD %s, %s, %s", e.constant("bTerm"), e.s.v(b), e.s.v(b))
	e.p("VPMULLD %s, %s, %s", e.s.v(b), e.s.v(x), e.s.v(x))
	e.p("VPSLLVD %s, %s, %s", e.constant("l2"), e.s.v(x), e.s.v(x))
	e.short(x, t, "2")
}

// short rescales a register of numbers that are doubled already (and shifted to
// the left, where the multiplier is great), with the constants of a number; see shortBias.
func (e qelem) short(r, temp int, number string) {
	x, t, u := e.s.v(r), e.s.v(temp), e.s.v(temp+1)
	if e.wide() {
		e.p("VPMOVD2M %s, K2", x)
	} else {
		e.p("VPSRAD $31, %s, %s", x, u)
		e.p("VPAND %s, %s, %s", e.constant("tie"+number), u, u)
	}
	e.p("VPSRLQ $32, %s, %s", x, t)
	m := e.constant("m" + number)
	e.p("VPMULDQ %s, %s, %s", m, x, x)
	e.p("VPMULDQ %s, %s, %s", m, t, t)
	k := e.constant("k" + number)
	e.p("VPADDQ %s, %s, %s", k, x, x)
	e.p("VPADDQ %s, %s, %s", k, t, t)
	if e.wide() {
		e.p("VMOVSHDUP %s, K4, %s", x, t)
		e.p("VPADDD %s, %s, K2, %s", e.constant("tie"+number), t, t)
	} else {
		e.p("VMOVSHDUP %s, %s", x, x)
		e.p("VPBLENDD $0xaa, %s, %s, %s", t, x, t)
		e.p("VPADDD %s, %s, %s", u, t, t)
	}
	e.p("VPSRAVD %s, %s, %s", e.constant("n"+number), t, x)
}

// quantize divides by the scale, clamps, and rounds; what is not a number
// counts as the least. Registers 8 to 15 hold the scale, the least result, the
// greatest multiple, the zero point, what is just below a half, a sign, the
// order of narrowing and 0. The sign that decides which way to round is that
// from before the upper bound, hence a second one in bytes.
func (e qelem) quantize() {
	b := &qelemBlock
	e.begin("quantizeBytes"+e.s.name, b)
	e.p("MOVQ %s, SI", b.at("x"))
	e.p("MOVQ %s, DX", b.at("y"))
	e.p("MOVQ %s, CX", b.at("n"))
	for i, f := range []string{"scale", "most"} {
		e.p("VBROADCASTSS %s, %s", b.at(f), e.s.v(8+2*i))
	}
	e.p("VPBROADCASTD %s, %s", b.at("xTerm"), e.s.v(11))
	e.p("VBROADCASTSS float%08x<>(SB), %s", qelemHalf, e.s.v(12))
	e.p("VBROADCASTSS float%08x<>(SB), %s", uint32(qelemSign), e.s.v(13))
	if e.wide() {
		e.p("VMOVDQU32 narrowOrder<>(SB), Z14")
	}
	e.zero(e.s, 15)
	hi := 14
	if e.wide() {
		hi = 21
	}
	e.p("VPBROADCASTB %s, %s", b.at("lo"), e.s.v(9))
	e.p("VPBROADCASTB %s, %s", b.at("hi"), e.s.v(hi))
	if e.wide() {
		e.p("VPTERNLOGD $255, Z20, Z20, Z20")
	}
	even, done := e.fresh("even"), e.fresh("done")
	e.p("CMPL %s, $0", b.at("even"))
	e.p("JNE %s", even)
	for _, ties := range []bool{false, true} {
		if ties {
			e.label(even)
		}
		// one is a register of numbers, rounded.
		one := func(i int) {
			v := e.s.v(i)
			if ties {
				e.p("VDIVPS %s, %s, %s", e.s.v(8), v, v)
			} else {
				e.quotient(i)
			}
			// The second one where it is not a number, which becomes the least
			// int32 as what is too small does.
			e.p("VMINPS %s, %s, %s", v, e.s.v(10), v)
			if ties {
				e.p("VCVTPS2DQ %s, %s", v, v)
			} else {
				e.p("VADDPS %s, %s, %s", e.s.v(4+i%4), v, v)
				e.p("VCVTTPS2DQ %s, %s", v, v)
			}
			e.p("VPADDD %s, %s, %s", e.s.v(11), v, v)
		}
		loop, rest := e.fresh("floats"), e.fresh("rest")
		e.label(loop)
		if !e.wide() {
			e.p("SUBQ $16, CX")
			e.p("JLT %s", done)
			for i := range 2 {
				e.p("VMOVUPS %d(SI), Y%d", 32*i, i)
				one(i)
			}
			e.p("VPACKSSDW Y1, Y0, Y0")
			e.p("VPERMQ $0xd8, Y0, Y0")
			e.p("VEXTRACTI128 $1, Y0, X1")
			e.p("VPACKUSWB X1, X0, X0")
			e.p("VPMAXUB X9, X0, X0")
			e.p("VPMINUB X14, X0, X0")
			e.p("VMOVDQU X0, (DX)")
			e.p("ADDQ $64, SI")
			e.p("ADDQ $16, DX")
			e.p("JMP %s", loop)
			continue
		}
		e.p("SUBQ $64, CX")
		e.p("JLT %s", rest)
		for i := range 4 {
			e.p("VMOVUPS %d(SI), Z%d", 64*i, i)
			one(i)
		}
		narrow4(e.asm, [4]int{0, 1, 2, 3}, 14)
		e.p("VPMAXUB Z9, Z0, Z0")
		e.p("VPMINUB Z21, Z0, Z0")
		e.p("VMOVDQU8 Z0, (DX)")
		e.p("ADDQ $256, SI")
		e.p("ADDQ $64, DX")
		e.p("JMP %s", loop)
		e.label(rest)
		e.p("ADDQ $64, CX")
		last := e.fresh("last")
		e.label(last)
		e.p("TESTQ CX, CX")
		e.p("JLE %s", done)
		e.rest()
		e.p("VMOVUPS.Z (SI), K3, Z0")
		one(0)
		narrow1(e.asm, e.s, 0, 15)
		e.p("VPMAXUB X9, X0, X0")
		e.p("VPMINUB X21, X0, X0")
		e.p("KMOVW K3, K5")
		e.p("VMOVDQU8 X0, K5, (DX)")
		e.p("ADDQ $64, SI")
		e.p("ADDQ $16, DX")
		e.p("SUBQ $16, CX")
		e.p("JMP %s", last)
	}
	e.label(done)
	e.end()
}

// quotient divides register i by the scale as if with more digits: a quotient
// that was rounded up in magnitude is lowered by the least there is, so that it
// does not reach a tie unless the exact one does. That rounding never passes a
// tie is why no more is needed. What rounds ties away from zero goes to
// register 4 and on: less than a half, with the quotient's sign.
func (e qelem) quotient(i int) {
	x, t, q := e.s.v(i), e.s.v(4+i%4), e.s.v(16+i%4)
	if !e.wide() {
		t, q = e.s.v(4+i), e.s.v(6+i)
	}
	scale, sign, zero := e.s.v(8), e.s.v(13), e.s.v(15)
	e.p("VDIVPS %s, %s, %s", scale, x, q)
	e.p("VFNMADD231PS %s, %s, %s", scale, q, x) // what is left of x
	e.p("VANDPS %s, %s, %s", sign, q, t)
	e.p("VXORPS %s, %s, %s", t, x, x)
	if e.wide() {
		e.p("VCMPPS $1, %s, %s, K2", zero, x)
		e.p("VMOVAPS %s, %s", q, x)
		e.p("VPADDD Z20, %s, K2, %s", x, x)
	} else {
		e.p("VCMPPS $1, %s, %s, %s", zero, x, x)
		e.p("VPADDD %s, %s, %s", q, x, x)
	}
	e.p("VORPS %s, %s, %s", e.s.v(12), t, t)
}

func (e qelem) dequantize() {
	b := &qelemBlock
	e.begin("dequantizeBytes"+e.s.name, b)
	e.p("MOVQ %s, SI", b.at("x"))
	e.p("MOVQ %s, DX", b.at("y"))
	e.p("MOVQ %s, CX", b.at("n"))
	e.p("VPBROADCASTD %s, %s", b.at("xTerm"), e.s.v(4))
	e.p("VBROADCASTSS %s, %s", b.at("scale"), e.s.v(5))
	one := func() {
		e.p("VPADDD %s, %s, %s", e.s.v(4), e.s.v(0), e.s.v(0))
		e.p("VCVTDQ2PS %s, %s", e.s.v(0), e.s.v(0))
		e.p("VMULPS %s, %s, %s", e.s.v(5), e.s.v(0), e.s.v(0))
	}
	loop, rest, done := e.fresh("bytes"), e.fresh("rest"), e.fresh("done")
	e.label(loop)
	e.p("SUBQ $16, CX")
	e.p("JLT %s", rest)
	for i := range 16 / e.s.lanes {
		e.p("VPMOVZXBD %d(SI), %s", 8*i, e.s.v(0))
		one()
		e.p("VMOVUPS %s, %d(DX)", e.s.v(0), 32*i)
	}
	e.p("ADDQ $16, SI")
	e.p("ADDQ $64, DX")
	e.p("JMP %s", loop)
	e.label(rest)
	if e.wide() {
		e.p("ADDQ $16, CX")
		e.p("JLE %s", done)
		e.rest()
		e.p("VPMOVZXBD.Z (SI), K3, Z0")
		one()
		e.p("VMOVUPS Z0, K3, (DX)")
		e.label(done)
	}
	e.end()
}

// lookUpVBMI looks up halves of the table by all bits but the highest, which
// then says which half it was.
func (e qelem) lookUpVBMI() {
	b := &qelemBlock
	e.begin("lookUp"+e.s.name, b)
	e.p("MOVQ %s, SI", b.at("x"))
	e.p("MOVQ %s, BX", b.at("b"))
	e.p("MOVQ %s, DX", b.at("y"))
	e.p("MOVQ %s, CX", b.at("n"))
	for i := range 4 {
		e.p("VMOVDQU8 %d(BX), Z%d", 64*i, i)
	}
	e.p("KXNORQ K3, K3, K3")
	loop, full, done := e.fresh("bytes"), e.fresh("full"), e.fresh("done")
	e.label(loop)
	e.p("CMPQ CX, $64")
	e.p("JGE %s", full)
	e.p("TESTQ CX, CX")
	e.p("JLE %s", done)
	e.rest()
	e.label(full)
	e.p("VMOVDQU8.Z (SI), K3, Z4")
	e.p("VPMOVB2M Z4, K2")
	e.p("VMOVDQA64 Z4, Z5")
	e.p("VPERMI2B Z1, Z0, Z4")
	e.p("VPERMI2B Z3, Z2, Z5")
	e.p("VMOVDQU8 Z5, K2, Z4")
	e.p("VMOVDQU8 Z4, K3, (DX)")
	e.p("ADDQ $64, SI")
	e.p("ADDQ $64, DX")
	e.p("SUBQ $64, CX")
	e.p("JMP %s", loop)
	e.label(done)
	e.end()
}

// lookUpShuffles looks up sixteenths of the table, one after another: a byte
// that is not in one has its highest bit set by the addition, and gives 0.
func (e qelem) lookUpShuffles() {
	b := &qelemBlock
	e.begin("lookUp"+e.s.name, b)
	e.p("MOVQ %s, SI", b.at("x"))
	e.p("MOVQ %s, BX", b.at("b"))
	e.p("MOVQ %s, DX", b.at("y"))
	e.p("MOVQ %s, CX", b.at("n"))
	e.p("VBROADCASTI128 steps<>+0(SB), Y14")
	e.p("VBROADCASTI128 steps<>+16(SB), Y15")
	loop, rest, done := e.fresh("bytes"), e.fresh("rest"), e.fresh("done")
	sixteenths := func(regs []int) {
		for i := range 16 {
			e.p("VBROADCASTI128 %d(BX), Y13", 16*i)
			for _, r := range regs {
				e.p("VPADDUSB Y15, Y%d, Y%d", r, r+1)
				e.p("VPSHUFB Y%d, Y13, Y%d", r+1, r+1)
				if i == 0 {
					e.p("VMOVDQA Y%d, Y%d", r+1, r+2)
				} else {
					e.p("VPOR Y%d, Y%d, Y%d", r+1, r+2, r+2)
				}
				if i < 15 {
					e.p("VPSUBB Y14, Y%d, Y%d", r, r)
				}
			}
		}
	}
	e.label(loop)
	e.p("SUBQ $64, CX")
	e.p("JLT %s", rest)
	e.p("VMOVDQU (SI), Y0")
	e.p("VMOVDQU 32(SI), Y4")
	sixteenths([]int{0, 4})
	e.p("VMOVDQU Y2, (DX)")
	e.p("VMOVDQU Y6, 32(DX)")
	e.p("ADDQ $64, SI")
	e.p("ADDQ $64, DX")
	e.p("JMP %s", loop)
	e.label(rest)
	e.p("ADDQ $64, CX")
	last := e.fresh("last")
	e.label(last)
	e.p("SUBQ $16, CX")
	e.p("JLT %s", done)
	e.p("VMOVDQU (SI), X0")
	sixteenths([]int{0})
	e.p("VMOVDQU X2, (DX)")
	e.p("ADDQ $16, SI")
	e.p("ADDQ $16, DX")
	e.p("JMP %s", last)
	e.label(done)
	e.end()
}

// sums adds rows, at most 256 lest words overflow, to the int32s at y.
func (e qelem) sums() {
	b := &qelemBlock
	e.begin("sumBytes"+e.s.name, b)
	e.p("MOVQ %s, SI", b.at("x"))
	e.p("MOVQ %s, DX", b.at("y"))
	e.p("MOVQ %s, CX", b.at("n"))
	e.p("MOVQ %s, R8", b.at("xRow"))
	loop, full, row, done := e.fresh("channels"), e.fresh("full"), e.fresh("row"), e.fresh("done")
	if e.wide() {
		for i := 3; i < 7; i++ {
			e.p("KXNORQ K%d, K%d, K%d", i, i, i)
		}
	}
	regs, width := 1, 16
	if e.wide() {
		regs, width = 2, 64
	}
	e.label(loop)
	e.p("CMPQ CX, $%d", width)
	if e.wide() {
		e.p("JGE %s", full)
		e.p("TESTQ CX, CX")
		e.p("JLE %s", done)
		e.rest()
		for i := 4; i < 7; i++ {
			e.p("KSHIFTRQ $16, K%d, K%d", i-1, i)
		}
		e.label(full)
		// All of 32 words at a time: K1 has those of the second half.
		e.p("KSHIFTRQ $32, K3, K1")
	} else {
		e.p("JLT %s", done)
	}
	for i := range regs {
		e.zero(e.s, i)
	}
	e.p("MOVQ SI, BX")
	e.p("MOVQ %s, AX", b.at("rows"))
	e.label(row)
	if e.wide() {
		e.p("VPMOVZXBW.Z (BX), K3, Z2")
		e.p("VPMOVZXBW.Z 32(BX), K1, Z3")
	} else {
		e.p("VPMOVZXBW (BX), Y2")
	}
	for i := range regs {
		e.p("VPADDW %s, %s, %s", e.s.v(2+i), e.s.v(i), e.s.v(i))
	}
	e.p("ADDQ R8, BX")
	e.p("DECQ AX")
	e.p("JNE %s", row)
	for i := range 2 * regs {
		low, high := e.s.v(i/2), fmt.Sprintf("Y%d", i/2)
		if !e.wide() {
			high = fmt.Sprintf("X%d", i/2)
		}
		if i%2 == 1 {
			if e.wide() {
				e.p("VEXTRACTI64X4 $1, %s, %s", low, high)
			} else {
				e.p("VEXTRACTI128 $1, %s, %s", low, high)
			}
		}
		e.p("VPMOVZXWD %s, %s", high, e.s.v(2))
		if e.wide() {
			e.p("VPADDD.Z %d(DX), Z2, K%d, Z2", 64*i, 3+i)
			e.p("VMOVDQU32 Z2, K%d, %d(DX)", 3+i, 64*i)
		} else {
			e.p("VPADDD %d(DX), Y2, Y2", 32*i)
			e.p("VMOVDQU Y2, %d(DX)", 32*i)
		}
	}
	e.p("ADDQ $%d, SI", width)
	e.p("ADDQ $%d, DX", 4*width)
	e.p("SUBQ $%d, CX", width)
	e.p("JMP %s", loop)
	e.label(done)
	e.end()
}
