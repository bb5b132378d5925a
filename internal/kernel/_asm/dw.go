package main

import "fmt"

// dwBlock is what a depthwise routine takes: some tiles of seven neighbouring
// outputs of one row, all channels of a tile before the next. The kernel rows
// that lie outside of the picture are left out by the caller; the columns
// outside, and the outputs beyond the row, by masks, so that no input is
// copied. Offsets and strides are in bytes.
//
// Every output is one chain of fused multiply-adds from the bias over its
// taps inside the picture, in the order of rows and columns.
var dwBlock = block{"dwArgs", "dwArgs are the arguments of a depthwise routine; offsets and strides are in bytes.", []field{
	{"x", "*float32", "first element of the picture"},
	{"w", "*float32", "weights [C/lanes][KH][KW][lanes], from the first kernel row used"},
	{"bias", "*float32", "C"},
	{"res", "*float32", "residual of the first output or nil, laid out as the outputs"},
	{"y", "*float32", "first output of the first tile"},
	{"xOff", "int", "from x to the first column of the first tile in the first kernel row used"},
	{"rowStride", "int", "between kernel rows"},
	{"colStride", "int", "between columns"},
	{"yStride", "int", "between outputs"},
	{"rows", "int", "kernel rows used"},
	{"wSkip", "int", "kernel rows not used, of one block of channels"},
	{"tiles", "int", "counted down"},
	{"xTile", "int", "between tiles of inputs"},
	{"yTile", "int", "between tiles of outputs"},
	{"cols", "int", "mask of columns inside the picture"},
	{"outs", "int", "mask of outputs inside the row"},
	{"channels", "int", ""},
	{"mode", "int", "of the epilogue"},
	{"lo", "float32", "least result (clip)"},
	{"hi", "float32", "greatest result (clip)"},
	{"scale", "float32", "factor (hard swish)"},
	{"pad", "float32", ""},
	{"ahead", "uintptr", "address in memory of later steps, fetched by the way on amd64; moved on"},
	{"aheadStep", "int", "bytes of it for a vector of a tile; 0 for nothing"},
}}

// dwTile is the outputs of a tile: MobileNets' rows are multiples of seven.
const dwTile = 7

type dwKind struct{ k, stride int }

func (d dwKind) name(s isa) string { return fmt.Sprintf("dw%dS%d%s", d.k, d.stride, s.name) }

var dwKinds = []dwKind{{3, 1}, {3, 2}, {5, 1}, {5, 2}}

func dwFile(a *asm) {
	constants(a)
	a.raw("")
	for i := range 16 {
		v := uint32(0)
		if i < 8 {
			v = 0xffffffff
		}
		a.raw("DATA tail<>+%d(SB)/4, $%#x", 4*i, v)
	}
	a.raw("GLOBL tail<>(SB), RODATA|NOPTR, $64")
	for _, s := range isas {
		for _, k := range dwKinds {
			k.emit(a, s)
		}
	}
}

func (d dwKind) emit(a *asm, s isa) {
	b := &dwBlock
	a.begin(d.name(s), b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("ADDQ %s, SI", b.at("xOff"))
	a.p("MOVQ %s, R8", b.at("colStride"))
	a.p("LEAQ (R8)(R8*2), R9")
	a.p("MOVQ %s, R13", b.at("y"))
	a.p("MOVQ %s, R15", b.at("res"))
	// The tail of channels: how many, as a mask.
	a.p("MOVQ %s, CX", b.at("channels"))
	a.p("ANDQ $%d, CX", s.lanes-1)
	if s.regs == 32 {
		a.p("MOVL $1, AX")
		a.p("SHLL CX, AX")
		a.p("DECL AX")
		a.p("KMOVW AX, K1")
	} else {
		a.p("NEGQ CX")
		a.p("LEAQ tail<>+32(SB), AX")
		a.p("VMOVUPS (AX)(CX*4), Y15")
	}
	loop := a.fresh("tile")
	full, rest, next, done := a.fresh("full"), a.fresh("rest"), a.fresh("next"), a.fresh("done")
	a.label(loop)
	a.p("XORL R14, R14")
	a.p("MOVQ %s, R10", b.at("w"))
	a.label(full)
	a.p("MOVQ %s, CX", b.at("channels"))
	a.p("LEAQ %d(R14), AX", s.bytes())
	a.p("SHLQ $2, CX")
	a.p("CMPQ AX, CX")
	a.p("JGT %s", rest)
	d.chunk(a, s, false)
	a.p("JMP %s", full)
	a.label(rest)
	a.p("CMPQ R14, CX")
	a.p("JGE %s", next)
	d.chunk(a, s, true)
	a.label(next)
	a.p("ADDQ %s, SI", b.at("xTile"))
	a.p("ADDQ %s, R13", b.at("yTile"))
	a.p("TESTQ R15, R15")
	a.p("JEQ %s", done)
	a.p("ADDQ %s, R15", b.at("yTile"))
	a.label(done)
	a.p("DECQ %s", b.at("tiles"))
	a.p("JNE %s", loop)
	a.end()
}

// chunk is one register of channels at byte R14 of a tile.
func (d dwKind) chunk(a *asm, s isa, masked bool) {
	b := &dwBlock
	load := func(mem, reg string) {
		switch {
		case !masked:
			a.p("VMOVUPS %s, %s", mem, reg)
		case s.regs == 32:
			a.p("VMOVUPS.Z %s, K1, %s", mem, reg)
		default:
			a.p("VMASKMOVPS %s, Y15, %s", mem, reg)
		}
	}
	a.p("MOVQ %s, AX", b.at("bias"))
	load("(AX)(R14*1)", s.v(0))
	for t := 1; t < dwTile; t++ {
		a.p("VMOVAPS %s, %s", s.v(0), s.v(t))
	}
	a.p("MOVQ %s, AX", b.at("cols"))
	a.p("LEAQ (SI)(R14*1), BX")
	cols := (dwTile-1)*d.stride + d.k
	bases := []string{"BX", "DX", "R12", "CX"}[:(cols-1)/5+1]
	for i := 1; i < len(bases); i++ {
		a.p("LEAQ (%s)(R8*4), %s", bases[i-1], bases[i])
		a.p("ADDQ R8, %s", bases[i])
	}
	a.p("MOVQ %s, R11", b.at("rows"))
	rows := a.fresh("row")
	a.label(rows)
	for k := range d.k {
		a.p("VMOVUPS %d(R10), %s", k*s.bytes(), s.v(dwTile+k))
	}
	for j := range cols {
		skip := a.fresh("col")
		x := s.v(dwTile + d.k + j%min(2, s.regs-1-dwTile-d.k))
		a.p("TESTL $%d, AX", 1<<j)
		a.p("JEQ %s", skip)
		index := []string{"", "(R8*1)", "(R8*2)", "(R9*1)", "(R8*4)"}[j%5]
		load(fmt.Sprintf("(%s)%s", bases[j/5], index), x)
		for t := range dwTile {
			if k := j - t*d.stride; k >= 0 && k < d.k {
				a.p("VFMADD231PS %s, %s, %s", s.v(dwTile+k), x, s.v(t))
			}
		}
		a.label(skip)
	}
	a.p("ADDQ $%d, R10", d.k*s.bytes())
	for _, r := range bases {
		a.p("ADDQ %s, %s", b.at("rowStride"), r)
	}
	a.p("DECQ R11")
	a.p("JNE %s", rows)
	a.p("ADDQ %s, R10", b.at("wSkip"))

	var accs []sum
	for t := range dwTile {
		accs = append(accs, sum{s.v(t), 0})
	}
	epilogue(a, s, b, accs, dwTile, false)

	a.p("MOVQ %s, AX", b.at("outs"))
	a.p("MOVQ %s, R12", b.at("yStride"))
	store := a.fresh("store")
	a.p("TESTQ R15, R15")
	a.p("JEQ %s", store)
	a.p("LEAQ (R15)(R14*1), BX")
	for t := range dwTile {
		skip := a.fresh("out")
		a.p("TESTL $%d, AX", 1<<t)
		a.p("JEQ %s", skip)
		load("(BX)", s.v(dwTile))
		a.p("VADDPS %s, %s, %s", s.v(dwTile), s.v(t), s.v(t))
		a.label(skip)
		a.p("ADDQ R12, BX")
	}
	a.label(store)
	kept := a.fresh("kept")
	a.p("MOVQ %s, CX", b.at("aheadStep"))
	a.p("TESTQ CX, CX")
	a.p("JEQ %s", kept)
	a.p("MOVQ %s, DX", b.at("ahead"))
	for i := range dwTile * s.bytes() * 2 / 64 {
		a.p("PREFETCHT1 %d(DX)", 64*i)
	}
	a.p("ADDQ CX, DX")
	a.p("MOVQ DX, %s", b.at("ahead"))
	a.label(kept)
	a.p("LEAQ (R13)(R14*1), BX")
	for t := range dwTile {
		skip := a.fresh("out")
		a.p("TESTL $%d, AX", 1<<t)
		a.p("JEQ %s", skip)
		switch {
		case !masked:
			a.p("VMOVUPS %s, (BX)", s.v(t))
		case s.regs == 32:
			a.p("VMOVUPS %s, K1, (BX)", s.v(t))
		default:
			a.p("VMASKMOVPS %s, Y15, (BX)", s.v(t))
		}
		a.label(skip)
		a.p("ADDQ R12, BX")
	}
	a.p("ADDQ $%d, R14", s.bytes())
}
