package main

import (
	"fmt"
	"math"
)

// The arm64 side. Go's assembler knows NEON's loads, stores and moves but
// neither products by an element nor most arithmetic on vectors of floats:
// those are words, each with its GNU spelling beside it, which a test holds to
// the GNU assembler where there is one.
//
// Routines keep to R0-R15, R19-R26 and all vector registers: R18 is the
// platform's, R27 the assembler's, R28 to R30 the runtime's.

// functionsNEON are the routines declared for Go.
func functionsNEON() []function {
	all := []function{{"gemmNEON", gemmBlock.name, "gemmNEON computes a panel of outputs for some rows."}}
	for _, k := range dwKinds {
		all = append(all, function{k.nameNEON(), dwBlock.name, k.nameNEON() + " computes tiles of an output row."})
	}
	for _, k := range elemKinds {
		all = append(all, function{k + "NEON", elemBlock.name, k + "NEON: see the elementwise routines of the generator."})
	}
	return all
}

// beginNEON opens a routine that takes a block, whose address R0 then holds.
func (a *asm) beginNEON(name string, b *block) {
	a.raw("\n// func %s(a *%s)\nTEXT ·%s(SB), NOSPLIT, $0-8", name, b.name, name)
	a.p("MOVD a+0(FP), R0")
}

// fetch loads a field of the block that R0 points to.
func (a *asm) fetch(b *block, name, reg string) { a.p("MOVD %d(R0), %s", b.off(name), reg) }

// splat loads a float32 of the block into every lane.
func (a *asm) splat(b *block, name string, v int) {
	a.p("FMOVS %d(R0), F%d", b.off(name), v)
	a.p("VDUP V%d.S[0], V%d.S4", v, v)
}

func (a *asm) zeroNEON(v int) { a.p("VEOR V%d.B16, V%d.B16, V%d.B16", v, v, v) }

// move copies a register.
func (a *asm) move(d, n int) { a.p("VMOV V%d.B16, V%d.B16", n, d) }

func (a *asm) word(w uint32, format string, args ...any) {
	a.p("WORD $%#08x // %s", w, fmt.Sprintf(format, args...))
}

// mulAdd is d += n*m, lane by lane.
func (a *asm) mulAdd(d, n, m int) { a.p("VFMLA V%d.S4, V%d.S4, V%d.S4", m, n, d) }

// mulAddLane is d += n*m[lane].
func (a *asm) mulAddLane(d, n, m, lane int) {
	w := uint32(0x4f801000 | lane&1<<21 | m<<16 | lane>>1<<11 | n<<5 | d)
	a.word(w, "fmla v%d.4s, v%d.4s, v%d.s[%d]", d, n, m, lane)
}

// mulLane is d = n*m[lane].
func (a *asm) mulLane(d, n, m, lane int) {
	w := uint32(0x4f809000 | lane&1<<21 | m<<16 | lane>>1<<11 | n<<5 | d)
	a.word(w, "fmul v%d.4s, v%d.4s, v%d.s[%d]", d, n, m, lane)
}

// neonOps are the three-register operations on four float32s.
var neonOps = map[string]uint32{
	"fadd": 0x4e20d400,
	"fsub": 0x4ea0d400,
	"fmul": 0x6e20dc00,
	"fdiv": 0x6e20fc00,
	// Minimum and maximum of a NaN and a number are NaNs.
	"fmax": 0x4e20f400,
	"fmin": 0x4ea0f400,
	// The number, of a NaN and a number.
	"fmaxnm": 0x4e20c400,
	// All ones where n > m, n >= m.
	"fcmgt": 0x6ea0e400,
	"fcmge": 0x6e20e400,
}

// op is d = n op m.
func (a *asm) op(name string, d, n, m int) {
	a.word(neonOps[name]|uint32(m<<16|n<<5|d), "%s v%d.4s, v%d.4s, v%d.4s", name, d, n, m)
}

// neonOps2 are the operations on one register of four numbers.
var neonOps2 = map[string]uint32{
	"fcvtns": 0x4e21a800, // to the nearest integer, of two to the even one
	"fcvtas": 0x4e21c800, // the same, away from zero
	"scvtf":  0x4e21d800, // from an integer
	"fsqrt":  0x6ea1f800,
}

// op2 is d = op n.
func (a *asm) op2(name string, d, n int) {
	a.word(neonOps2[name]|uint32(n<<5|d), "%s v%d.4s, v%d.4s", name, d, n)
}

// negative is d = all ones where n < 0.
func (a *asm) negative(d, n int) {
	a.word(uint32(0x4ea0e800|n<<5|d), "fcmlt v%d.4s, v%d.4s, #0.0", d, n)
}

// constant is d = v in every lane, of the numbers with four bits of mantissa
// and three of exponent that an instruction holds: n/16 * 2^e with n in 16..31
// and e in -3..4.
func (a *asm) constant(d int, v float64) {
	fraction, exponent := math.Frexp(v)
	n, e := int(fraction*32), exponent-1
	if v <= 0 || float64(n) != fraction*32 || e < -3 || e > 4 {
		panic(fmt.Sprintf("no instruction holds %v", v))
	}
	imm := n&15 | (e+3)&3<<4 | ^((e+3)>>2)&1<<6
	a.word(uint32(0x4f00f400|imm>>5<<16|imm&31<<5|d), "fmov v%d.4s, #%g", d, v)
}

// epilogueNEON applies the block's activation to registers; four from temp on
// are free.
func epilogueNEON(a *asm, b *block, accs []int, temp int) {
	end, hswish, clip := a.fresh("epilogue"), a.fresh("hswish"), a.fresh("clip")
	sigmoid, factor := a.fresh("hsigmoid"), a.fresh("factor")
	each := func(name string, m int) {
		for _, v := range accs {
			a.op(name, v, v, m)
		}
	}
	a.fetch(b, "mode", "R26")
	a.p("CMP $%d, R26", modeReLU)
	a.p("BLT %s", end)
	a.p("BNE %s", clip)
	a.zeroNEON(temp)
	each("fmax", temp)
	a.p("B %s", end)
	a.label(clip)
	a.p("CMP $%d, R26", modeHSwish)
	a.p("BGE %s", hswish)
	a.splat(b, "lo", temp)
	a.splat(b, "hi", temp+1)
	each("fmax", temp)
	each("fmin", temp+1)
	a.p("B %s", end)
	a.label(hswish)
	a.zeroNEON(temp)
	a.constant(temp+1, 6)
	a.constant(temp+2, 3)
	a.p("BGT %s", sigmoid)
	for _, v := range accs {
		a.op("fadd", temp+3, v, temp+2)
		a.op("fmax", temp+3, temp+3, temp)
		a.op("fmin", temp+3, temp+3, temp+1)
		a.op("fmul", v, v, temp+3)
	}
	a.p("B %s", factor)
	a.label(sigmoid)
	each("fadd", temp+2)
	each("fmax", temp)
	each("fmin", temp+1)
	a.label(factor)
	a.splat(b, "scale", temp+2)
	each("fmul", temp+2)
	a.label(end)
}
