package main

// linearBlock is what a routine for an optimizer's sums takes.
var linearBlock = block{"linearArgs", "linearArgs are the arguments of a sum of scaled arrays.", []field{
	{"x", "*float32", ""},
	{"b", "*float32", ""},
	{"c", "*float32", "nil for none"},
	{"y", "*float32", "may be one of the others"},
	{"n", "int", "elements, a multiple of a vector's"},
	{"p", "float32", "factor of x"},
	{"q", "float32", "factor of b"},
	{"r", "float32", "factor of c"},
	{"pad", "float32", ""},
}}

// linear computes p*x + (q*b + r*c).
func linear(a *asm, s isa) {
	b := &linearBlock
	a.begin("linear"+s.name, b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, BX", b.at("b"))
	a.p("MOVQ %s, R8", b.at("c"))
	a.p("MOVQ %s, DX", b.at("y"))
	a.p("MOVQ %s, CX", b.at("n"))
	for i, name := range []string{"p", "q", "r"} {
		a.p("VBROADCASTSS %s, %s", b.at(name), s.v(13+i))
	}
	a.p("XORL R9, R9")
	loop, two := a.fresh("loop"), a.fresh("two")
	a.label(loop)
	a.p("VMULPS (BX)(R9*4), %s, %s", s.v(14), s.v(0))
	a.p("TESTQ R8, R8")
	a.p("JEQ %s", two)
	a.p("VMOVUPS (R8)(R9*4), %s", s.v(1))
	a.p("VFMADD231PS %s, %s, %s", s.v(15), s.v(1), s.v(0))
	a.label(two)
	a.p("VFMADD231PS (SI)(R9*4), %s, %s", s.v(13), s.v(0))
	a.p("VMOVUPS %s, (DX)(R9*4)", s.v(0))
	a.p("ADDQ $%d, R9", s.lanes)
	a.p("CMPQ R9, CX")
	a.p("JLT %s", loop)
	a.end()
}

// nesterov computes x - r*((b + p*x) + q*c), each operation rounded as the
// portable kernel rounds it; without p*x where p is 0.
func nesterov(a *asm, s isa) {
	b := &linearBlock
	a.begin("nesterov"+s.name, b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, BX", b.at("b"))
	a.p("MOVQ %s, R8", b.at("c"))
	a.p("MOVQ %s, DX", b.at("y"))
	a.p("MOVQ %s, CX", b.at("n"))
	a.p("MOVL %s, AX", b.at("p"))
	for i, name := range []string{"p", "q", "r"} {
		a.p("VBROADCASTSS %s, %s", b.at(name), s.v(13+i))
	}
	a.p("XORL R9, R9")
	loop, plain := a.fresh("loop"), a.fresh("plain")
	a.label(loop)
	a.p("VMOVUPS (SI)(R9*4), %s", s.v(0))
	a.p("VMOVUPS (BX)(R9*4), %s", s.v(1))
	a.p("TESTL AX, AX")
	a.p("JEQ %s", plain)
	a.p("VMULPS %s, %s, %s", s.v(0), s.v(13), s.v(2))
	a.p("VADDPS %s, %s, %s", s.v(2), s.v(1), s.v(1))
	a.label(plain)
	a.p("VMULPS (R8)(R9*4), %s, %s", s.v(14), s.v(2))
	a.p("VADDPS %s, %s, %s", s.v(2), s.v(1), s.v(1))
	a.p("VMULPS %s, %s, %s", s.v(1), s.v(15), s.v(1))
	a.p("VSUBPS %s, %s, %s", s.v(1), s.v(0), s.v(0))
	a.p("VMOVUPS %s, (DX)(R9*4)", s.v(0))
	a.p("ADDQ $%d, R9", s.lanes)
	a.p("CMPQ R9, CX")
	a.p("JLT %s", loop)
	a.end()
}

// byStdBlock is what the division by standard deviations takes.
var byStdBlock = block{"byStdArgs", "byStdArgs are the arguments of a division by standard deviations.", []field{
	{"x", "*float32", ""},
	{"variance", "*float32", ""},
	{"y", "*float32", "may be x"},
	{"n", "int", "elements, a multiple of four"},
	{"epsilon", "int", "the bits of a float64"},
}}

// byStd computes x/sqrt(variance+epsilon) in float64, as Go does.
func byStd(a *asm) {
	b := &byStdBlock
	a.begin("byStdAVX2", b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, BX", b.at("variance"))
	a.p("MOVQ %s, DX", b.at("y"))
	a.p("MOVQ %s, CX", b.at("n"))
	a.p("VBROADCASTSD %s, Y2", b.at("epsilon"))
	a.p("XORL R9, R9")
	loop := a.fresh("loop")
	a.label(loop)
	a.p("VCVTPS2PD (BX)(R9*4), Y0")
	a.p("VADDPD Y2, Y0, Y0")
	a.p("VSQRTPD Y0, Y0")
	a.p("VCVTPS2PD (SI)(R9*4), Y1")
	a.p("VDIVPD Y0, Y1, Y1")
	a.p("VCVTPD2PSY Y1, X1")
	a.p("VMOVUPS X1, (DX)(R9*4)")
	a.p("ADDQ $4, R9")
	a.p("CMPQ R9, CX")
	a.p("JLT %s", loop)
	a.end()
}
