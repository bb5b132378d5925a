package main

import "fmt"

// normBlock is what a routine of the batch norms takes: rows of channels, with
// parameters by channel. Strides are in bytes. The rows go by in groups, so
// that a channel's parameters and sums are loaded once a group.
var normBlock = block{"normArgs", "normArgs are the arguments of a batch norm's routine; strides are in bytes. The routines move x, dy and y.", []field{
	{"x", "*float32", "first row of inputs"},
	{"dy", "*float32", "first row of gradients"},
	{"y", "*float32", "first row of results"},
	{"a", "*float32", "factor of each channel"},
	{"b", "*float32", "addend of each channel"},
	{"p", "*float32", "mean of each channel"},
	{"q", "*float32", "see the routines"},
	{"r", "*float32", "see the routines"},
	{"s0", "*float32", "sums of each channel"},
	{"s1", "*float32", "second sums of each channel"},
	{"xStride", "int", "between rows of inputs"},
	{"dyStride", "int", "between rows of gradients"},
	{"yStride", "int", "between rows of results"},
	{"rows", "int", ""},
	{"channels", "int", ""},
	{"mode", "int", "of the activation"},
	{"lo", "float32", "least result (clip)"},
	{"hi", "float32", "greatest result (clip)"},
	{"scale", "float32", "factor (hard swish)"},
	{"pad", "float32", ""},
}}

// normKind is a routine; its group of rows leaves registers for the constants.
type normKind struct {
	name, doc string
	grad      bool // reads dy
	writes    bool // has results, else sums
}

var normKinds = []normKind{
	{"normStats", "adds x-a and its square to the sums.", false, false},
	{"normApply", "computes act((x-p)*a + b).", false, true},
	{"normGradSums", "adds g and g*(x-p) to the sums, with g = dy*act'((x-p)*a + b).", true, false},
	{"normGradInput", "computes a*g + (x-p)*q + r, with g = dy*act'((x-p)*a + b).", true, true},
}

func normFile(a *asm) {
	constants(a)
	a.raw("\nDATA minusThree<>+0(SB)/4, $0xc0400000\nGLOBL minusThree<>(SB), RODATA|NOPTR, $4")
	tailMask(a)
	for _, s := range isas {
		for _, k := range normKinds {
			k.emit(a, s)
		}
		linear(a, s)
		nesterov(a, s)
	}
	byStd(a)
}

// tailMask is the mask of a vector's first lanes, read backwards from its
// middle.
func tailMask(a *asm) {
	a.raw("")
	for i := range 16 {
		v := uint32(0)
		if i < 8 {
			v = 0xffffffff
		}
		a.raw("DATA tail<>+%d(SB)/4, $%#x", 4*i, v)
	}
	a.raw("GLOBL tail<>(SB), RODATA|NOPTR, $64")
}

// lanesMask makes the mask of the channels beyond the last whole vector, K1 or
// the last register.
func lanesMask(a *asm, s isa, channels string) {
	a.p("MOVQ %s, CX", channels)
	a.p("ANDQ $%d, CX", s.lanes-1)
	if s.regs == 32 {
		a.p("MOVL $1, AX")
		a.p("SHLL CX, AX")
		a.p("DECL AX")
		a.p("KMOVW AX, K1")
		return
	}
	a.p("NEGQ CX")
	a.p("LEAQ tail<>+32(SB), AX")
	a.p("VMOVUPS (AX)(CX*4), Y15")
}

// loadLanes and storeLanes move a vector, or its first lanes.
func (a *asm) loadLanes(s isa, masked bool, mem, reg string) {
	switch {
	case !masked:
		a.p("VMOVUPS %s, %s", mem, reg)
	case s.regs == 32:
		a.p("VMOVUPS.Z %s, K1, %s", mem, reg)
	default:
		a.p("VMASKMOVPS %s, Y15, %s", mem, reg)
	}
}

func (a *asm) storeLanes(s isa, masked bool, reg, mem string) {
	switch {
	case !masked:
		a.p("VMOVUPS %s, %s", reg, mem)
	case s.regs == 32:
		a.p("VMOVUPS %s, K1, %s", reg, mem)
	default:
		a.p("VMASKMOVPS %s, Y15, %s", reg, mem)
	}
}

// fourRows is the memory of row r of a stream: its base, a stride, and three
// strides.
func fourRows(base, one, three string, r int) string {
	return []string{"(" + base + ")", "(" + base + ")(" + one + "*1)", "(" + base + ")(" + one + "*2)", "(" + base + ")(" + three + "*1)"}[r]
}

func (k normKind) emit(a *asm, s isa) {
	b := &normBlock
	a.begin(k.name+s.name, b)
	lanesMask(a, s, b.at("channels"))
	group := 4
	if s.regs == 16 {
		group = 2
	}
	if !k.grad {
		k.loops(a, s, group, -1)
		a.end()
		return
	}
	// One loop for each slope.
	clip, hswish := a.fresh("clip"), a.fresh("hswish")
	a.p("MOVQ %s, AX", b.at("mode"))
	a.p("CMPQ AX, $%d", modeClip)
	a.p("JEQ %s", clip)
	a.p("CMPQ AX, $%d", modeHSwish)
	a.p("JEQ %s", hswish)
	k.loops(a, s, group, modeLinear)
	a.p("VZEROUPPER")
	a.p("RET")
	a.label(clip)
	k.loops(a, s, group, modeClip)
	a.p("VZEROUPPER")
	a.p("RET")
	a.label(hswish)
	k.loops(a, s, group, modeHSwish)
	a.end()
}

// Registers from the top: the mask of AVX2 in 15, the constants of the slopes
// below it; parameters from 0 on, then those of the rows.
const normParams = 4

func constReg(s isa, i int) int {
	if s.regs == 32 {
		return 31 - i
	}
	return 14 - i
}

func (k normKind) loops(a *asm, s isa, group, mode int) {
	b := &normBlock
	switch mode {
	case modeClip:
		a.p("VBROADCASTSS %s, %s", b.at("lo"), s.v(constReg(s, 0)))
		a.p("VBROADCASTSS %s, %s", b.at("hi"), s.v(constReg(s, 1)))
	case modeHSwish:
		// 2*scale and 3*scale make the slope, 6*scale is its end.
		two, three, six := s.v(constReg(s, 0)), s.v(constReg(s, 1)), s.v(constReg(s, 2))
		a.p("VBROADCASTSS %s, %s", b.at("scale"), s.v(0))
		a.p("VADDPS %s, %s, %s", s.v(0), s.v(0), two)
		a.p("VADDPS %s, %s, %s", s.v(0), two, three)
		a.p("VADDPS %s, %s, %s", three, three, six)
		a.p("VBROADCASTSS three<>(SB), %s", s.v(constReg(s, 3)))
		a.p("VBROADCASTSS minusThree<>(SB), %s", s.v(constReg(s, 4)))
	}
	a.p("MOVQ %s, R8", b.at("xStride"))
	a.p("LEAQ (R8)(R8*2), R9")
	if k.grad {
		a.p("MOVQ %s, R10", b.at("dyStride"))
		a.p("LEAQ (R10)(R10*2), R11")
	}
	if k.writes {
		a.p("MOVQ %s, R12", b.at("yStride"))
		a.p("LEAQ (R12)(R12*2), R13")
	}
	a.p("MOVQ %s, CX", b.at("rows"))
	done := a.fresh("done")
	if k.writes {
		// Rows from afar are best read one after the other: processors fetch
		// ahead what is read in order, and several long rows at a time are
		// not. Where no sums are kept they may be.
		groups := a.fresh("groups")
		a.p("CMPQ %s, $%d", b.at("channels"), group*s.lanes)
		a.p("JLT %s", groups)
		a.p("MOVQ %s, R9", b.at("a"))
		a.p("MOVQ %s, R11", b.at("b"))
		a.p("MOVQ %s, R13", b.at("p"))
		loop := a.fresh("row")
		a.label(loop)
		a.p("CMPQ CX, $1")
		a.p("JLT %s", done)
		k.pass(a, s, 1, group, mode)
		k.advance(a, 1)
		a.p("JMP %s", loop)
		a.label(groups)
	}
	for _, rows := range []int{group, 1} {
		loop, next := a.fresh("rows"), a.fresh("next")
		a.label(loop)
		a.p("CMPQ CX, $%d", rows)
		a.p("JLT %s", next)
		k.pass(a, s, rows, 1, mode)
		k.advance(a, rows)
		a.p("JMP %s", loop)
		a.label(next)
	}
	a.label(done)
}

// advance moves on by some rows.
func (k normKind) advance(a *asm, rows int) {
	b := &normBlock
	for _, f := range []struct {
		on           bool
		name, stride string
	}{{true, "x", "R8"}, {k.grad, "dy", "R10"}, {k.writes, "y", "R12"}} {
		if !f.on {
			continue
		}
		a.p("MOVQ %s, AX", b.at(f.name))
		if rows == 1 {
			a.p("ADDQ %s, AX", f.stride)
		} else {
			a.p("LEAQ (AX)(%s*%d), AX", f.stride, rows)
		}
		a.p("MOVQ AX, %s", b.at(f.name))
	}
	a.p("SUBQ $%d, CX", rows)
}

// pass is a group of rows, all channels; several vectors of a single row at a
// time where there are so many.
func (k normKind) pass(a *asm, s isa, rows, vecs, mode int) {
	b := &normBlock
	a.p("MOVQ %s, AX", b.at("x"))
	if k.grad {
		a.p("MOVQ %s, BX", b.at("dy"))
	}
	if k.writes {
		a.p("MOVQ %s, DX", b.at("y"))
	}
	a.p("XORL R14, R14")
	a.p("MOVQ %s, SI", b.at("channels"))
	a.p("SHLQ $2, SI")
	end := a.fresh("end")
	sizes := []int{vecs, 1}
	if vecs == 1 {
		sizes = sizes[1:]
	}
	for _, n := range sizes {
		full, rest := a.fresh("full"), a.fresh("rest")
		a.label(full)
		a.p("LEAQ %d(R14), R15", n*s.bytes())
		a.p("CMPQ R15, SI")
		a.p("JGT %s", rest)
		if n > 1 {
			k.vectors(a, s, n, mode)
		} else {
			k.vector(a, s, rows, mode, false)
		}
		a.p("ADDQ $%d, R14", n*s.bytes())
		a.p("ADDQ $%d, AX", n*s.bytes())
		if k.grad {
			a.p("ADDQ $%d, BX", n*s.bytes())
		}
		if k.writes {
			a.p("ADDQ $%d, DX", n*s.bytes())
		}
		a.p("JMP %s", full)
		a.label(rest)
	}
	a.p("CMPQ R14, SI")
	a.p("JGE %s", end)
	k.vector(a, s, rows, mode, true)
	a.label(end)
}

// vectors is some vectors of one row, with the parameters in R9, R11 and R13;
// each element is computed as vector does.
func (k normKind) vectors(a *asm, s isa, n, mode int) {
	b := &normBlock
	mem := func(base string, j int) string { return fmt.Sprintf("%d(%s)(R14*1)", j*s.bytes(), base) }
	x := func(j int) string { return s.v(normParams + j) }
	var accs []sum
	for j := range n {
		a.p("VMOVUPS %s, %s", fmtMem(j*s.bytes(), "AX"), x(j))
		a.p("VSUBPS %s, %s, %s", mem("R13", j), x(j), x(j))
		a.p("VMOVUPS %s, %s", mem("R9", j), s.v(j))
		accs = append(accs, sum{x(j), 0})
	}
	if k.name == "normApply" {
		for j := range n {
			a.p("VFMADD213PS %s, %s, %s", mem("R11", j), s.v(j), x(j))
		}
		a.p("MOVQ R12, R15")
		epilogue(a, s, b, accs, normParams+n, false)
		a.p("MOVQ R15, R12")
		for j := range n {
			a.p("VMOVUPS %s, %s", x(j), fmtMem(j*s.bytes(), "DX"))
		}
		return
	}
	k.slopes(a, s, n, mode, false, s.v, func(j int) string { return mem("R11", j) }, func(j int) string { return fmtMem(j*s.bytes(), "BX") })
	q := func(j int) string { return s.v(normParams + 2*n + j) }
	a.p("MOVQ %s, R15", b.at("q"))
	for j := range n {
		a.p("VMOVUPS %s, %s", mem("R15", j), q(j))
	}
	a.p("MOVQ %s, R15", b.at("r"))
	for j := range n {
		a.p("VFMADD213PS %s, %s, %s", mem("R15", j), q(j), x(j))
		a.p("VFMADD231PS %s, %s, %s", k.g(s, n, j), s.v(j), x(j))
		a.p("VMOVUPS %s, %s", x(j), fmtMem(j*s.bytes(), "DX"))
	}
}

// vector is one vector of channels of a group of rows.
func (k normKind) vector(a *asm, s isa, rows, mode int, masked bool) {
	b := &normBlock
	param := func(name string, i int) string {
		a.p("MOVQ %s, R15", b.at(name))
		a.loadLanes(s, masked, "(R15)(R14*1)", s.v(i))
		return s.v(i)
	}
	x := func(r int) string { return s.v(normParams + r) }
	switch k.name {
	case "normStats":
		shift, s0, s1 := param("a", 0), param("s0", 1), param("s1", 2)
		for r := range rows {
			a.loadLanes(s, masked, fourRows("AX", "R8", "R9", r), x(r))
		}
		for r := range rows {
			a.p("VSUBPS %s, %s, %s", shift, x(r), x(r))
		}
		// Pairs first: less rounding, shorter chains.
		for r := range rows {
			if r%2 == 0 && r+1 < rows {
				t := s.v(normParams + rows + r/2)
				a.p("VADDPS %s, %s, %s", x(r), x(r+1), t)
			}
			a.p("VFMADD231PS %s, %s, %s", x(r), x(r), s1)
		}
		if rows == 1 {
			a.p("VADDPS %s, %s, %s", x(0), s0, s0)
		}
		if rows == 4 {
			a.p("VADDPS %s, %s, %s", s.v(normParams+rows), s.v(normParams+rows+1), s.v(normParams+rows))
		}
		if rows > 1 {
			a.p("VADDPS %s, %s, %s", s.v(normParams+rows), s0, s0)
		}
		k.sums(a, s, masked, s0, s1)
	case "normApply":
		f, c, mean := param("a", 0), param("b", 1), param("p", 2)
		var accs []sum
		for r := range rows {
			a.loadLanes(s, masked, fourRows("AX", "R8", "R9", r), x(r))
			a.p("VSUBPS %s, %s, %s", mean, x(r), x(r))
			a.p("VFMADD213PS %s, %s, %s", c, f, x(r))
			accs = append(accs, sum{x(r), 0})
		}
		// R12 is the epilogue's and the stride's.
		a.p("MOVQ R12, R15")
		epilogue(a, s, b, accs, normParams+rows, false)
		a.p("MOVQ R15, R12")
		for r := range rows {
			a.storeLanes(s, masked, x(r), fourRows("DX", "R12", "R13", r))
		}
	case "normGradSums":
		f, c, mean := param("a", 0), param("b", 1), param("p", 2)
		for r := range rows {
			a.loadLanes(s, masked, fourRows("AX", "R8", "R9", r), x(r))
			a.p("VSUBPS %s, %s, %s", mean, x(r), x(r))
		}
		k.slopes(a, s, rows, mode, masked, func(int) string { return f }, func(int) string { return c }, func(r int) string { return fourRows("BX", "R10", "R11", r) })
		s0, s1 := param("s0", 0), param("s1", 1)
		for r := range rows {
			g := k.g(s, rows, r)
			a.p("VFMADD231PS %s, %s, %s", g, x(r), s1)
			if r%2 == 1 {
				a.p("VADDPS %s, %s, %s", k.g(s, rows, r-1), g, g)
			}
		}
		if rows == 4 {
			a.p("VADDPS %s, %s, %s", k.g(s, rows, 1), k.g(s, rows, 3), k.g(s, rows, 3))
		}
		a.p("VADDPS %s, %s, %s", k.g(s, rows, rows-1), s0, s0)
		k.sums(a, s, masked, s0, s1)
	case "normGradInput":
		f, c, mean := param("a", 0), param("b", 1), param("p", 2)
		for r := range rows {
			a.loadLanes(s, masked, fourRows("AX", "R8", "R9", r), x(r))
			a.p("VSUBPS %s, %s, %s", mean, x(r), x(r))
		}
		k.slopes(a, s, rows, mode, masked, func(int) string { return f }, func(int) string { return c }, func(r int) string { return fourRows("BX", "R10", "R11", r) })
		p, q := param("q", 2), param("r", 3)
		for r := range rows {
			a.p("VFMADD213PS %s, %s, %s", q, p, x(r))
			a.p("VFMADD231PS %s, %s, %s", k.g(s, rows, r), f, x(r))
			a.storeLanes(s, masked, x(r), fourRows("DX", "R12", "R13", r))
		}
	}
}

func (k normKind) sums(a *asm, s isa, masked bool, s0, s1 string) {
	b := &normBlock
	a.p("MOVQ %s, R15", b.at("s0"))
	a.storeLanes(s, masked, s0, "(R15)(R14*1)")
	a.p("MOVQ %s, R15", b.at("s1"))
	a.storeLanes(s, masked, s1, "(R15)(R14*1)")
}

// g is the register of row r's gradient behind the activation.
func (k normKind) g(s isa, rows, r int) string { return s.v(normParams + rows + r) }

// slopes makes g of all rows, or of some vectors of one: factor is a register,
// addend and dys may be memory. The tests are true for a NaN, which so stays.
func (k normKind) slopes(a *asm, s isa, rows, mode int, masked bool, factor, addend, dys func(i int) string) {
	for r := range rows {
		x, g := s.v(normParams+r), k.g(s, rows, r)
		f, c, dy := factor(r), addend(r), dys(r)
		if mode == modeLinear {
			a.loadLanes(s, masked, dy, g)
			continue
		}
		z, c0, c1 := s.v(normParams+2*rows), s.v(constReg(s, 0)), s.v(constReg(s, 1))
		if s.regs == 32 {
			z = s.v(normParams + 2*rows + r)
		}
		a.loadLanes(s, masked, dy, g)
		a.p("VMOVAPS %s, %s", x, z)
		a.p("VFMADD213PS %s, %s, %s", c, f, z)
		switch {
		case mode == modeClip && s.regs == 32:
			a.p("VCMPPS $6, %s, %s, K2", c0, z)
			a.p("VCMPPS $9, %s, %s, K2, K3", c1, z)
			a.p("VMOVAPS.Z %s, K3, %s", g, g)
		case mode == modeClip:
			// The result of the first test goes away with g.
			a.p("VCMPPS $6, %s, %s, %s", c0, z, s.v(constReg(s, 2)))
			a.p("VANDPS %s, %s, %s", s.v(constReg(s, 2)), g, g)
			a.p("VCMPPS $9, %s, %s, %s", c1, z, z)
			a.p("VANDPS %s, %s, %s", z, g, g)
		case s.regs == 32:
			a.p("VCMPPS $14, %s, %s, K2", s.v(constReg(s, 3)), z)
			a.p("VCMPPS $5, %s, %s, K3", s.v(constReg(s, 4)), z)
			a.p("VFMADD213PS %s, %s, %s", c1, c0, z)
			a.p("VMOVAPS %s, K2, %s", s.v(constReg(s, 2)), z)
			a.p("VMULPS.Z %s, %s, K3, %s", z, g, g)
		default:
			// g is masked first, then multiplied by the slope; the slope's
			// test goes where x*2 of no later use would: into a spare.
			t := s.v(normParams + 2*rows + 1)
			a.p("VCMPPS $5, %s, %s, %s", s.v(constReg(s, 4)), z, t)
			a.p("VANDPS %s, %s, %s", t, g, g)
			a.p("VCMPPS $14, %s, %s, %s", s.v(constReg(s, 3)), z, t)
			a.p("VFMADD213PS %s, %s, %s", c1, c0, z)
			a.p("VBLENDVPS %s, %s, %s, %s", t, s.v(constReg(s, 2)), z, z)
			a.p("VMULPS %s, %s, %s", z, g, g)
		}
	}
}

func init() {
	functions = append(functions, function{"byStdAVX2", byStdBlock.name, "byStdAVX2 computes x/sqrt(variance+epsilon) in float64."})
	for _, s := range isas {
		for _, k := range normKinds {
			functions = append(functions, function{k.name + s.name, normBlock.name, k.name + s.name + " " + k.doc})
		}
		functions = append(functions, function{"linear" + s.name, linearBlock.name, "linear" + s.name + " computes p*x + (q*b + r*c)."},
			function{"nesterov" + s.name, linearBlock.name, "nesterov" + s.name + " computes x - r*((b + p*x) + q*c)."})
	}
}
