package main

import (
	"fmt"
	"math"
	"slices"
)

// unitX86 is the arithmetic on registers of s; with evex by AVX-512's means.
type unitX86 struct {
	a    *asm
	s    isa
	evex bool
	pool *[]uint32
}

func (u unitX86) number(d int, v float64) {
	bits := math.Float32bits(float32(v))
	if !slices.Contains(*u.pool, bits) {
		*u.pool = append(*u.pool, bits)
	}
	u.a.p("VBROADCASTSS float%08x<>(SB), %s", bits, u.s.v(d))
}

func (u unitX86) param(d int, field string) {
	u.a.p("VBROADCASTSS %s, %s", elemBlock.at(field), u.s.v(d))
}

func (u unitX86) copy(d, x int) { u.a.p("VMOVAPS %s, %s", u.s.v(x), u.s.v(d)) }

func (u unitX86) calc(op string, d, x, y int) {
	name := map[string]string{"add": "VADDPS", "sub": "VSUBPS", "mul": "VMULPS", "div": "VDIVPS", "max": "VMAXPS", "min": "VMINPS"}[op]
	if op == "max" || op == "min" {
		x, y = y, x // of two numbers of which one is a NaN it takes the second
	}
	u.a.p("%s %s, %s, %s", name, u.s.v(y), u.s.v(x), u.s.v(d))
}

func (u unitX86) horner(minus bool, p, spare, x, c int) (int, int) {
	name := "VFMADD213PS"
	if minus {
		name = "VFNMADD213PS"
	}
	u.a.p("%s %s, %s, %s", name, u.s.v(c), u.s.v(x), u.s.v(p))
	return p, spare
}

func (u unitX86) reduce(d, x, y int) {
	u.a.p("VFNMADD231PS %s, %s, %s", u.s.v(y), u.s.v(x), u.s.v(d))
}

func (u unitX86) nearest(n, k, x int) {
	if u.evex {
		u.a.p("VRNDSCALEPS $0, %s, %s", u.s.v(x), u.s.v(n))
		return
	}
	u.a.p("VCVTPS2DQ %s, %s", u.s.v(x), u.s.v(k))
	u.a.p("VCVTDQ2PS %s, %s", u.s.v(k), u.s.v(n))
}

func (u unitX86) exponent(p, n, k int) {
	if u.evex {
		u.a.p("VSCALEFPS %s, %s, %s", u.s.v(n), u.s.v(p), u.s.v(p))
		return
	}
	u.a.p("VPSLLD $23, %s, %s", u.s.v(k), u.s.v(k))
	u.a.p("VPADDD %s, %s, %s", u.s.v(k), u.s.v(p), u.s.v(p))
}

// exponents of AVX-512 go beyond what a float32 holds, and the scaling does
// the rest. Otherwise the exponent and its sum with that of the polynomial
// must be those of normal numbers.
func (u unitX86) exponents() (low, high float64) {
	if u.evex {
		return -104, 89
	}
	return leastPower, greatestPower
}

func (u unitX86) beyond(zero bool, e, x, low, k int) {
	if u.evex {
		return
	}
	const lessOrdered = 0x11
	u.a.p("VCMPPS $%d, %s, %s, %s", lessOrdered, u.s.v(low), u.s.v(x), u.s.v(k))
	if zero {
		u.a.p("VANDNPS %s, %s, %s", u.s.v(e), u.s.v(k), u.s.v(e))
		return
	}
	// Ones moved to the exponent and the sign are minus infinity.
	u.a.p("VPSLLD $23, %s, %s", u.s.v(k), u.s.v(k))
	u.a.p("VSUBPS %s, %s, %s", u.s.v(k), u.s.v(e), u.s.v(e))
}

func (u unitX86) leaky(x, a, t int) {
	if u.evex {
		k := 1 + x/5 // one of its own for each set of registers
		u.a.p("VPMOVD2M %s, K%d", u.s.v(x), k)
		u.a.p("VMULPS %s, %s, K%d, %s", u.s.v(a), u.s.v(x), k, u.s.v(x))
		return
	}
	u.a.p("VMULPS %s, %s, %s", u.s.v(a), u.s.v(x), u.s.v(t))
	u.a.p("VBLENDVPS %s, %s, %s, %s", u.s.v(x), u.s.v(t), u.s.v(x), u.s.v(x))
}

// mapCurves is the rest of mapAct, for the modes from the first curve's on: AX
// is the mode, SI and DX are x and y.
func mapCurves(a *asm, s isa) (pool []uint32) {
	// AVX2 has registers for one at a time, and reorders by itself.
	c, sets := 5, 1
	if s.regs == 32 {
		c, sets = 16, 2
	}
	b := &elemBlock
	a.p("MOVQ SI, R8")
	a.p("MOVQ DX, R9")
	a.p("MOVQ %s, R10", b.at("m"))
	next := ""
	for i, curve := range curves {
		if i > 0 {
			a.label(next)
		}
		if i < len(curves)-1 {
			next = a.fresh("curve")
			a.p("CMPQ AX, $%d", curve.mode)
			a.p("JNE %s", next)
		}
		u := unitX86{a, s, s.regs == 32, &pool}
		curve.constants(u, c)
		row := a.fresh("row")
		a.label(row)
		a.p("MOVQ R8, SI")
		a.p("MOVQ R9, DX")
		a.p("MOVQ %s, CX", b.at("n"))
		groups := []struct {
			s    isa
			sets int
		}{{s, sets}, {isa{s.name, "Y", 8, s.regs}, 1}}
		if s.lanes == 8 {
			groups = groups[:1]
		}
		for _, g := range groups {
			loop, rest := a.fresh("loop"), a.fresh("rest")
			a.label(loop)
			a.p("SUBQ $%d, CX", g.sets*g.s.lanes)
			a.p("JLT %s", rest)
			var bodies []func(a *asm)
			for set := range g.sets {
				bodies = append(bodies, func(a *asm) {
					u := unitX86{a, g.s, u.evex, &pool}
					r := [5]int{5 * set, 5*set + 1, 5*set + 2, 5*set + 3, 5*set + 4}
					at := set * g.s.bytes()
					a.p("VMOVUPS %d(SI), %s", at, g.s.v(r[0]))
					curve.body(u, r, c)
					a.p("VMOVUPS %s, %d(DX)", g.s.v(r[0]), at)
				})
			}
			a.together(bodies...)
			a.p("ADDQ $%d, SI", g.sets*g.s.bytes())
			a.p("ADDQ $%d, DX", g.sets*g.s.bytes())
			a.p("JMP %s", loop)
			a.label(rest)
			a.p("ADDQ $%d, CX", g.sets*g.s.lanes)
		}
		a.p("ADDQ %s, R8", b.at("stride"))
		a.p("ADDQ %s, R9", b.at("yStride"))
		a.p("DECQ R10")
		a.p("JNE %s", row)
		a.end()
	}
	return pool
}

// numbers writes the constants that units named.
func (a *asm) numbers(pool []uint32) {
	slices.Sort(pool)
	for _, bits := range slices.Compact(pool) {
		name := fmt.Sprintf("float%08x<>", bits)
		a.raw("\nDATA %s+0(SB)/4, $%#x // %v\nGLOBL %s(SB), RODATA|NOPTR, $4", name, bits, math.Float32frombits(bits), name)
	}
}
