package main

// Integers on NEON: the instructions, as words with their GNU spelling beside
// them, and what all routines on bytes share, the way from sums to bytes.

// intNEON are the routines on bytes declared for Go.
func intNEON() []function {
	var all []function
	for _, k := range dwKinds {
		for _, dot := range []bool{true, false} {
			n := intDW{k, dot}.name()
			all = append(all, function{n, intDWBlock.name, n + " computes tiles of an output row of bytes."})
		}
	}
	for _, f := range intElemNames {
		all = append(all, function{f[0], intElemBlock.name, f[0] + " " + f[1]})
	}
	return append(all, []function{
		{"intGemmDotNEON", intGemmBlock.name, "intGemmDotNEON computes a panel of 8 or 16 outputs for some rows by dot products of four bytes."},
		{"intGemmMulNEON", intGemmBlock.name, "intGemmMulNEON computes a panel of 8 outputs for some rows by products of bytes in 16 bits."},
		{"intRowsNEON", intRowsBlock.name, "intRowsNEON makes rows of bytes signed and sums them up."},
	}...)
}

// arrangement is how a register is divided: GNU's name, the instruction's size
// field and whether all of the register takes part.
type arrangement struct {
	name string
	size uint32
	full bool
}

var (
	b8, b16 = arrangement{"8b", 0, false}, arrangement{"16b", 0, true}
	h4, h8  = arrangement{"4h", 1, false}, arrangement{"8h", 1, true}
	s2, s4  = arrangement{"2s", 2, false}, arrangement{"4s", 2, true}
	d2      = arrangement{"2d", 3, true}
)

// bits are the fields of the instruction.
func (t arrangement) bits() uint32 {
	if t.full {
		return t.size<<22 | 1<<30
	}
	return t.size << 22
}

// wide is the arrangement of the results of twice the size, second the letter
// that follows the names of instructions for the upper half of a register.
func (t arrangement) wide() arrangement { return [...]arrangement{h8, s4, d2}[t.size] }
func (t arrangement) second() string {
	if t.full {
		return "2"
	}
	return ""
}

// same are operations on two registers with a result of the same arrangement.
var same = map[string]uint32{
	"add": 0x0e208400, "sub": 0x2e208400, "sqadd": 0x0e200c00, "addp": 0x0e20bc00, "mls": 0x2e209400, "mul": 0x0e209c00,
	"sqrdmulh": 0x2e20b400, // upper half of the doubled product, rounded, ties upward
	"sshl":     0x0e204400, // by lanes, to the right where negative
	"srshl":    0x0e205400, // the same, rounded, ties upward
	"umax":     0x2e206400, "umin": 0x2e206c00,
	"zip1": 0x0e003800, "zip2": 0x0e007800, "uzp1": 0x0e001800,
}

func (a *asm) same(name string, t arrangement, d, n, m int) {
	a.word(same[name]|t.bits()|uint32(m<<16|n<<5|d), "%s v%d.%s, v%d.%s, v%d.%s", name, d, t.name, n, t.name, m, t.name)
}

// bitwise is d = n & m or the like.
func (a *asm) bitwise(name string, d, n, m int) {
	w := map[string]uint32{"and": 0x4e201c00, "eor": 0x6e201c00}[name]
	a.word(w|uint32(m<<16|n<<5|d), "%s v%d.16b, v%d.16b, v%d.16b", name, d, n, m)
}

// long are operations whose results have twice the size of their operands;
// with a full arrangement they read the upper halves.
var long = map[string]uint32{
	"smull": 0x0e20c000, "smlal": 0x0e208000, "usubl": 0x2e202000,
}

func (a *asm) long(name string, t arrangement, d, n, m int) {
	a.word(long[name]|t.bits()|uint32(m<<16|n<<5|d), "%s%s v%d.%s, v%d.%s, v%d.%s", name, t.second(), d, t.wide().name, n, t.name, m, t.name)
}

// addWide is d += m, of half the size.
func (a *asm) addWide(name string, t arrangement, d, m int) {
	w := map[string]uint32{"uaddw": 0x2e201000, "saddw": 0x0e201000}[name]
	a.word(w|t.bits()|uint32(m<<16|d<<5|d), "%s%s v%d.%s, v%d.%s, v%d.%s", name, t.second(), d, t.wide().name, d, t.wide().name, m, t.name)
}

// pairs adds pairs of neighbours of n to the elements of d.
func (a *asm) pairs(name string, t arrangement, d, n int) {
	w := map[string]uint32{"sadalp": 0x0e206800, "uadalp": 0x2e206800}[name]
	to := [...]arrangement{h8, s4, d2}[t.size]
	a.word(w|t.bits()|uint32(n<<5|d), "%s v%d.%s, v%d.%s", name, d, to.name, n, t.name)
}

// narrowNEON writes half as large elements to d, to its upper half with a full
// arrangement t.
func (a *asm) narrowNEON(name string, t arrangement, d, n int) {
	w := map[string]uint32{"sqxtn": 0x0e214800, "sqxtun": 0x2e212800, "xtn": 0x0e212800}[name]
	a.word(w|t.bits()|uint32(n<<5|d), "%s%s v%d.%s, v%d.%s", name, t.second(), d, t.name, n, t.wide().name)
}

// shiftLeft is d = n << by, shiftAdd d += n >> by.
func (a *asm) shiftLeft(t arrangement, d, n, by int) {
	a.shift("shl", 0x0f005400, t, d, n, by, 8<<t.size+by)
}
func (a *asm) shiftAdd(t arrangement, d, n, by int) {
	a.shift("ssra", 0x0f001400, t, d, n, by, 16<<t.size-by)
}

// shift encodes a shift by a number: to the left as size + by, to the right as
// twice the size less by.
func (a *asm) shift(name string, w uint32, t arrangement, d, n, by, code int) {
	a.word(w|t.bits()&(1<<30)|uint32(code<<16|n<<5|d), "%s v%d.%s, v%d.%s, #%d", name, d, t.name, n, t.name, by)
}

// widenLeft is d = n << by in twice the size.
func (a *asm) widenLeft(name string, t arrangement, d, n, by int) {
	w := map[string]uint32{"sshll": 0x0f00a400, "ushll": 0x2f00a400}[name]
	a.word(w|t.bits()&(1<<30)|uint32(8<<t.size+by)<<16|uint32(n<<5|d), "%s%s v%d.%s, v%d.%s, #%d", name, t.second(), d, t.wide().name, n, t.name, by)
}

// dotLane adds to each of the four sums of d the product of four bytes of n
// and those of m's lane.
func (a *asm) dotLane(d, n, m, lane int) {
	w := uint32(0x4f80e000 | lane&1<<21 | m<<16 | lane>>1<<11 | n<<5 | d)
	a.word(w, "sdot v%d.4s, v%d.16b, v%d.4b[%d]", d, n, m, lane)
}

// dot is the same, lane by lane.
func (a *asm) dot(d, n, m int) {
	a.word(uint32(0x4e809400|m<<16|n<<5|d), "sdot v%d.4s, v%d.16b, v%d.16b", d, n, m)
}

// mulSubLane is d -= n * m[lane].
func (a *asm) mulSubLane(d, n, m, lane int) {
	w := uint32(0x6f804000 | lane&1<<21 | m<<16 | lane>>1<<11 | n<<5 | d)
	a.word(w, "mls v%d.4s, v%d.4s, v%d.s[%d]", d, n, m, lane)
}

// splatInt loads a number of 32 bits of the block into every lane, splatByte
// its lowest byte into every byte.
func (a *asm) splatInt(b *block, name string, v int) { a.splat(b, name, v) }
func (a *asm) splatByte(b *block, name string, v int) {
	a.p("MOVWU %d(R0), R26", b.off(name))
	a.p("VDUP R26, V%d.B16", v)
}

// The ways to rescale, as the argument blocks name them.
const (
	roundTwice  = iota // ties upward, or nothing negative is seen
	roundTwiceE        // ties away from zero
	roundOnce
	roundUp    // twice, ties upward, in 64 bits: where a shift is to the left
	roundFloat // in float32, ties to even; the multiplier is one
)

// rescale multiplies the sums in the registers by mult * 2^shift, which are
// registers, in one of the ways. t and u are free. In 64 bits, two registers
// from shift on hold the shifts; two after u what roundUp adds to a product.
func (a *asm) rescale(way int, accs []int, mult, shift, t, u int) {
	for _, v := range accs {
		if way == roundFloat {
			a.op2("scvtf", v, v)
			a.op("fmul", v, v, mult)
			a.op2("fcvtns", v, v)
			continue
		}
		if way >= roundOnce {
			if way == roundUp {
				a.move(t, u+1)
				a.move(u, u+2)
				a.long("smlal", s2, t, v, mult)
				a.long("smlal", s4, u, v, mult)
			} else {
				a.long("smull", s2, t, v, mult)
				a.long("smull", s4, u, v, mult)
			}
			a.same("srshl", d2, t, t, shift)
			a.same("srshl", d2, u, u, shift+1)
			a.same("uzp1", s4, v, t, u)
			continue
		}
		a.same("sqrdmulh", s4, v, v, mult)
		if way == roundTwiceE {
			// SRSHL rounds ties upward. One less makes that downward for
			// negative numbers, but where nothing is shifted, that is where the
			// shift is not negative.
			a.bitwise("and", t, v, shift)
			a.shiftAdd(s4, v, t, 31)
		}
		a.same("srshl", s4, v, v, shift)
	}
}

// lookUp replaces bytes by those of the table in registers V16 to V31. sixtyFour
// holds 64s; as many registers as there are of them from temp on are free.
func (a *asm) lookUp(regs []int, temp, sixtyFour int) {
	for i, v := range regs {
		a.p("VTBL V%d.B16, [V16.B16, V17.B16, V18.B16, V19.B16], V%d.B16", v, temp+i)
	}
	for q := 20; q < 32; q += 4 {
		for i, v := range regs {
			a.same("sub", b16, v, v, sixtyFour)
			a.p("VTBX V%d.B16, [V%d.B16, V%d.B16, V%d.B16, V%d.B16], V%d.B16", v, q, q+1, q+2, q+3, temp+i)
		}
	}
	for i, v := range regs {
		a.move(v, temp+i)
	}
}

// loadTable fills V16 to V31 from the address in a register.
func (a *asm) loadTable(reg string) {
	for i := 0; i < 16; i += 2 {
		a.p("FLDPQ %d(%s), (F%d, F%d)", 16*i, reg, 16+i, 17+i)
	}
}
