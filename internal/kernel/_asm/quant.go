package main

import "fmt"

// Requantization: from the int32 sums of sixteen channels to bytes, with the
// bits of ref.Rescale for any sum. What depends on the channel alone lies in
// blocks of constants that Go packs (quantConstants), a vector of sixteen
// each; AVX2 reads the halves of a vector. Where rounding is double they hold
// the left shift, the multiplier, that of the odd channels in even places,
// half of a unit of the right shift, the right shift, and the output's zero
// point. Where it is single, 64-bit rounding terms and shifts of the even and
// of the odd channels take the places of half and shift.
const (
	quantBias  = 64 * iota // added by whoever forms the sums
	quantLeft              // int32: left shift, double rounding alone
	quantMult              // int32
	quantOdd               // int32 in 64 bits: multipliers of odd channels
	quantHalf              // double: int32; single: int64 terms of even channels
	quantShift             // double: int32; single: int64 terms of odd channels
	quantEven              // single: int64 shifts of even channels
	quantOdds              // single: int64 shifts of odd channels
	quantZero              // int32: what is added at last
	quantWZero             // int32: zero points of weights, negative
	quantBlock             // bytes of a block
)

// requant turns sums into values that only want narrowing. All accs are sums
// of the same channels, whose constants are at off(base); temps are four free
// registers. In AVX-512 K1 must be set by requantMask; K2 is overwritten. s.v
// names registers of both. The left shift is apart: see requantLeft.
func requant(a *asm, s isa, single bool, base string, off int, accs []int, temps []int) {
	at := func(field int) string { return fmt.Sprintf("%d(%s)", off+field, base) }
	t, mult, odd, zero := s.v(temps[0]), s.v(temps[1]), s.v(temps[2]), s.v(temps[3])
	move := map[int]string{32: "VMOVDQU32", 16: "VMOVDQU"}[s.regs]
	a.p("%s %s, %s", move, at(quantMult), mult)
	a.p("%s %s, %s", move, at(quantOdd), odd)
	a.p("%s %s, %s", move, at(quantZero), zero)
	for _, i := range accs {
		x := s.v(i)
		a.p("VPSRLQ $32, %s, %s", x, t)
		a.p("VPMULDQ %s, %s, %s", mult, x, x)
		a.p("VPMULDQ %s, %s, %s", odd, t, t)
		if single {
			// The term carries 2^63, so that a logical shift does; its
			// remains are taken off by what is added at last.
			a.p("VPADDQ %s, %s, %s", at(quantHalf), x, x)
			a.p("VPADDQ %s, %s, %s", at(quantShift), t, t)
			a.p("VPSRLVQ %s, %s, %s", at(quantEven), x, x)
			a.p("VPSRLVQ %s, %s, %s", at(quantOdds), t, t)
			a.p("VPSLLQ $32, %s, %s", t, t)
			a.oddLanes(s, t, x)
			a.p("VPADDD %s, %s, %s", zero, x, x)
			continue
		}
		for _, r := range []string{x, t} {
			if s.regs == 32 {
				a.p("VPADDQ.BCST roundHigh<>(SB), %s, %s", r, r)
			} else {
				a.p("VPADDQ roundHigh<>(SB), %s, %s", r, r)
			}
		}
		a.p("VPSRLQ $31, %s, %s", x, x)
		a.p("VPADDQ %s, %s, %s", t, t, t)
		a.oddLanes(s, t, x)
		// Ties away from zero: magnitudes round up at half, and 2^31 is one
		// without a sign.
		if s.regs == 32 {
			a.p("VPMOVD2M %s, K2", x)
		}
		a.p("VPABSD %s, %s", x, t)
		a.p("VPADDD %s, %s, %s", at(quantHalf), t, t)
		a.p("VPSRLVD %s, %s, %s", at(quantShift), t, t)
		if s.regs == 32 {
			a.p("VPADDD %s, %s, %s", zero, t, x)
			a.p("VPSUBD %s, %s, K2, %s", t, zero, x)
		} else {
			a.p("VPSIGND %s, %s, %s", x, t, x)
			a.p("VPADDD %s, %s, %s", zero, x, x)
		}
	}
}

// requantFloat is requant with float32 multipliers, in the place of the others,
// and ties to even: ref.RescaleFloat. Sums too small for an int32 become the
// least one, which narrows as they do.
func requantFloat(a *asm, s isa, base string, off int, accs []int, temps []int) {
	mult, zero, most := s.v(temps[0]), s.v(temps[1]), s.v(temps[2])
	move := map[int]string{32: "VMOVDQU32", 16: "VMOVDQU"}[s.regs]
	a.p("%s %d(%s), %s", move, off+quantMult, base, mult)
	a.p("%s %d(%s), %s", move, off+quantZero, base, zero)
	a.p("VBROADCASTSS floatMost<>(SB), %s", most)
	for _, i := range accs {
		x := s.v(i)
		a.p("VCVTDQ2PS %s, %s", x, x)
		a.p("VMULPS %s, %s, %s", mult, x, x)
		a.p("VMINPS %s, %s, %s", most, x, x)
		a.p("VCVTPS2DQ %s, %s", x, x)
		a.p("VPADDD %s, %s, %s", zero, x, x)
	}
}

// requantVecs requantizes the sums of vectors of channels, whose constants are
// step bytes apart from R15 on, as the arguments b ask for; column lists the
// sums of a vector.
func requantVecs(a *asm, s isa, b *block, step, vecs int, column func(j int) []int, temps []int) {
	single, float, right, done := a.fresh("single"), a.fresh("float"), a.fresh("right"), a.fresh("rescaled")
	a.p("CMPQ %s, $1", b.at("single"))
	a.p("JEQ %s", single)
	a.p("JGT %s", float)
	a.p("CMPQ %s, $0", b.at("left"))
	a.p("JEQ %s", right)
	for j := range vecs {
		requantLeft(a, s, "R15", step*j, column(j))
	}
	a.label(right)
	for j := range vecs {
		requant(a, s, false, "R15", step*j, column(j), temps)
	}
	a.p("JMP %s", done)
	a.label(float)
	for j := range vecs {
		requantFloat(a, s, "R15", step*j, column(j), temps)
	}
	a.p("JMP %s", done)
	a.label(single)
	for j := range vecs {
		requant(a, s, true, "R15", step*j, column(j), temps)
	}
	a.label(done)
}

// requantLeft shifts sums to the left: first of all, and only where rounding is
// double and a channel of the panel asks for it.
func requantLeft(a *asm, s isa, base string, off int, accs []int) {
	for _, i := range accs {
		a.p("VPSLLVD %d(%s), %s, %s", off+quantLeft, base, s.v(i), s.v(i))
	}
}

// requantMask sets K1 as requant wants it. It overwrites AX.
func requantMask(a *asm, s isa) {
	if s.regs == 32 {
		a.p("MOVL $0xaaaa, AX")
		a.p("KMOVW AX, K1")
	}
}

// oddLanes merges the odd numbers of 32 bits of x into y.
func (a *asm) oddLanes(s isa, x, y string) {
	if s.regs == 32 {
		a.p("VMOVDQA32 %s, K1, %s", x, y)
	} else {
		a.p("VPBLENDD $0xaa, %s, %s, %s", x, y, y)
	}
}

// narrow4 narrows four registers of AVX-512, with saturation, to the 64 bytes
// of the first, in order; order holds the permutation of narrowOrder.
func narrow4(a *asm, regs [4]int, order int) {
	z := func(i int) string { return fmt.Sprintf("Z%d", regs[i]) }
	a.p("VPACKSSDW %s, %s, %s", z(1), z(0), z(0))
	a.p("VPACKSSDW %s, %s, %s", z(3), z(2), z(2))
	a.p("VPACKUSWB %s, %s, %s", z(2), z(0), z(0))
	a.p("VPERMD %s, Z%d, %s", z(0), order, z(0))
}

// narrowPair narrows two, to 32 bytes in the lower half of the first: of the
// four registers in the order of narrowOrder these are the first two.
func narrowPair(a *asm, r0, r1, order int) {
	a.p("VPACKSSDW Z%d, Z%d, Z%d", r1, r0, r0)
	a.p("VPACKUSWB Z%d, Z%d, Z%d", r0, r0, r0)
	a.p("VPERMD Z%d, Z%d, Z%d", r0, order, r0)
}

// narrow1 narrows one register, to sixteen bytes of AVX-512 (zero is a
// register of zeros) or eight of AVX2 in the lower part of X.
func narrow1(a *asm, s isa, r, zero int) {
	if s.regs == 32 {
		a.p("VPMAXSD Z%d, Z%d, Z%d", zero, r, r)
		a.p("VPMOVUSDB Z%d, X%d", r, r)
		return
	}
	a.p("VEXTRACTI128 $1, Y%d, X%d", r, zero)
	a.p("VPACKSSDW X%d, X%d, X%d", zero, r, r)
	a.p("VPACKUSWB X%d, X%d, X%d", r, r, r)
}

// lookUp replaces the bytes of a register of AVX-512 by those of the table of
// 256 that base points to. It wants VBMI, two free registers, and overwrites
// K2.
func lookUp(a *asm, r int, base string, t0, t1 int) {
	a.p("VPMOVB2M Z%d, K2", r)
	a.p("VMOVDQU8 (%s), Z%d", base, t0)
	a.p("VMOVDQU8 128(%s), Z%d", base, t1)
	a.p("VPERMT2B 64(%s), Z%d, Z%d", base, r, t0)
	a.p("VPERMT2B 192(%s), Z%d, Z%d", base, r, t1)
	a.p("VMOVDQU8 Z%d, K2, Z%d", t1, t0)
	a.p("VMOVDQA64 Z%d, Z%d", t0, r)
}

// quantTables are the constants of the emitters above.
func quantTables(a *asm) {
	a.raw("")
	for i := range 4 {
		a.raw("DATA roundHigh<>+%d(SB)/8, $0x40000000", 8*i)
	}
	a.raw("GLOBL roundHigh<>(SB), RODATA|NOPTR, $32")
	a.raw("DATA floatMost<>+0(SB)/4, $0x47800000") // 2^16
	a.raw("GLOBL floatMost<>(SB), RODATA|NOPTR, $4")
	// Packing goes by quarters of a register: quarter q of number i of four
	// lands at dword 4*q+i.
	for i := range 4 {
		for q := range 4 {
			a.raw("DATA narrowOrder<>+%d(SB)/4, $%d", 4*(4*i+q), 4*q+i)
		}
	}
	a.raw("GLOBL narrowOrder<>(SB), RODATA|NOPTR, $64")
}

// rescaleBlock is what the routines take that requantize sums in memory.
var rescaleBlock = block{"rescaleArgs", "rescaleArgs are the arguments of requantization from memory; strides are in bytes.", []field{
	{"x", "*int32", "sums of sixteen channels (AVX2: eight) of the first row, bias included"},
	{"q", "*byte", "constants of the channels"},
	{"y", "*uint8", "first result"},
	{"table", "*uint8", "256 bytes to look results up in, or nil (AVX-512 with VBMI alone)"},
	{"xStride", "int", "between rows of sums"},
	{"yStride", "int", "between rows of results"},
	{"rows", "int", ""},
	{"mask", "int", "channels that are stored, as a mask; AVX2 stores all eight"},
	{"single", "int", "1: round once; 2: in float32"},
	{"left", "int", "1: some channel shifts left"},
	{"lo", "uint32", "least result"},
	{"hi", "uint32", "greatest result"},
}}

func rescale(a *asm, s isa) {
	b := &rescaleBlock
	a.begin("rescale"+s.name, b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, R10", b.at("q"))
	a.p("MOVQ %s, R13", b.at("y"))
	a.p("MOVQ %s, R11", b.at("table"))
	a.p("MOVQ %s, R8", b.at("xStride"))
	a.p("MOVQ %s, R9", b.at("yStride"))
	a.p("MOVQ %s, CX", b.at("rows"))
	a.p("MOVQ %s, R14", b.at("single"))
	a.p("MOVQ %s, R15", b.at("left"))
	requantMask(a, s)
	if s.regs == 32 {
		a.p("MOVQ %s, AX", b.at("mask"))
		a.p("KMOVW AX, K3")
		a.p("VPXORD Z8, Z8, Z8")
	}
	a.p("VPBROADCASTB %s, X9", b.at("lo"))
	a.p("VPBROADCASTB %s, X10", b.at("hi"))
	float := a.fresh("float")
	loop, noLeft, single, narrow, store, done := a.fresh("row"), a.fresh("noleft"), a.fresh("single"), a.fresh("narrow"), a.fresh("store"), a.fresh("done")
	a.p("TESTQ CX, CX")
	a.p("JLE %s", done)
	a.label(loop)
	a.p("%s (SI), %s", map[int]string{32: "VMOVDQU32", 16: "VMOVDQU"}[s.regs], s.v(0))
	a.p("CMPQ R14, $1")
	a.p("JEQ %s", single)
	a.p("JGT %s", float)
	a.p("TESTQ R15, R15")
	a.p("JEQ %s", noLeft)
	requantLeft(a, s, "R10", 0, []int{0})
	a.label(noLeft)
	requant(a, s, false, "R10", 0, []int{0}, []int{1, 2, 3, 4})
	a.p("JMP %s", narrow)
	a.label(float)
	requantFloat(a, s, "R10", 0, []int{0}, []int{1, 2, 3})
	a.p("JMP %s", narrow)
	a.label(single)
	requant(a, s, true, "R10", 0, []int{0}, []int{1, 2, 3, 4})
	a.label(narrow)
	narrow1(a, s, 0, 8)
	a.p("VPMAXUB X9, X0, X0")
	a.p("VPMINUB X10, X0, X0")
	if s.regs == 32 {
		a.p("TESTQ R11, R11")
		a.p("JEQ %s", store)
		lookUp(a, 0, "R11", 5, 6)
		a.label(store)
		a.p("VMOVDQU8 X0, K3, (R13)")
	} else {
		a.p("VMOVQ X0, (R13)")
	}
	a.p("ADDQ R8, SI")
	a.p("ADDQ R9, R13")
	a.p("DECQ CX")
	a.p("JNE %s", loop)
	a.label(done)
	a.end()
}

func quantFile(a *asm) {
	quantTables(a)
	for _, s := range isas {
		rescale(a, s)
	}
}

var quantFunctions []function

func init() {
	for _, s := range isas {
		n := "rescale" + s.name
		quantFunctions = append(quantFunctions, function{n, rescaleBlock.name, n + " requantizes sums in memory."})
	}
}
