package main

import "fmt"

// qdwBlock is what a depthwise routine of bytes takes: some rows of outputs of
// some blocks of neighbouring channels, a block's rows before the next block.
// Kernel rows and columns outside of the picture are the zero point; no input
// is copied. Columns count by the phase, one of the sets of columns a dilation
// apart.
var qdwBlock = block{"qdwArgs", "qdwArgs are the arguments of a depthwise routine of bytes; strides are in bytes.", []field{
	{"x", "*uint8", "first channel of the first column of the phase in row 0"},
	{"zero", "*uint8", "64 bytes of the input's zero point"},
	{"w", "*byte", "packed constants of the first block"},
	{"y", "*uint8", "first output"},
	{"table", "*uint8", "256 bytes to look results up in, or nil (AVX-512 with VBMI alone)"},
	{"height", "int", "rows of the picture"},
	{"width", "int", "columns of the phase"},
	{"rowStride", "int", "between rows of inputs"},
	{"colStride", "int", "between columns of inputs"},
	{"top", "int", "input row of the first kernel row of the first output"},
	{"down", "int", "input rows from an output row to the next"},
	{"dilation", "int", "input rows from a kernel row to the next"},
	{"left", "int", "column of the first tap of the first output of a row"},
	{"rows", "int", "rows of outputs"},
	{"outs", "int", "outputs of a row"},
	{"yRow", "int", "between rows of outputs"},
	{"yCol", "int", "between outputs"},
	{"blocks", "int", "counted down"},
	{"wBlock", "int", "bytes of packed constants of a block"},
	{"consts", "int", "from them to those of requantization"},
	{"mask", "int", "channels that are there, as a mask; AVX2 wants all"},
	{"full", "int", "1: all are"},
	{"single", "int", "1: round once; 2: in float32"},
	{"lo", "uint32", "least result"},
	{"hi", "uint32", "greatest result"},
	{"tie", "uint32", "what negative sums are added: -1, or 0 where rounding is single"},
	{"pad", "uint32", ""},
	{"row", "int", "the routine's own"},
	{"rowsLeft", "int", "the routine's own"},
	{"xAt", "uintptr", "the routine's own"},
	{"wAt", "uintptr", "the routine's own"},
	{"yAt", "uintptr", "the routine's own"},
	{"out", "uintptr", "the routine's own"},
	{"step0", "int", "the routine's own"},
	{"step1", "int", "the routine's own"},
	{"step2", "int", "the routine's own"},
	{"step3", "int", "the routine's own"},
	{"step4", "int", "the routine's own"},
}}

// qdw is one routine. The bytes of up to four kernel rows of a column (two of
// AVX2, as words) are interleaved, so that one product by dots of four serves
// them all, and every column serves all the outputs it belongs to: as many of
// them are under way at a time. Interleaving by quarters of a register leaves
// the sums of four neighbouring channels together, every fourth of them in a
// register, and narrowing to bytes puts them back in order.
type qdw struct {
	name      string
	s         isa
	channels  int // of a block
	dots      int // kernel rows a product takes
	accs      int // registers of sums of an output
	k, stride int
}

// The registers of AVX-512 in its narrower widths.
var (
	vnni64 = isa{"VNNI64", "Z", 16, 32}
	vnni32 = isa{"VNNI32", "Y", 8, 32}
	vnni16 = isa{"VNNI16", "X", 4, 32}
)

func qdwKinds() (kinds []qdw) {
	for _, d := range dwKinds {
		for _, s := range []isa{vnni64, vnni32, vnni16} {
			kinds = append(kinds, qdw{fmt.Sprintf("qdw%dS%d%s", d.k, d.stride, s.name), s, 4 * s.lanes, 4, 4, d.k, d.stride})
		}
		kinds = append(kinds, qdw{fmt.Sprintf("qdw%dS%dAVX2", d.k, d.stride), avx2, 16, 2, 2, d.k, d.stride})
	}
	return kinds
}

func qdwFunctions() (functions []function) {
	for _, d := range qdwKinds() {
		functions = append(functions, function{d.name, qdwBlock.name, d.name + " computes rows of outputs of blocks of channels."})
	}
	return functions
}

func qdwFile(a *asm) {
	quantTables(a)
	for _, d := range qdwKinds() {
		d.emit(a)
	}
}

func (d qdw) wide() bool { return d.s.regs == 32 }

// flight is the outputs under way at a time.
func (d qdw) flight() int { return (d.k + d.stride - 1) / d.stride }

// sets is the products it takes to go over the kernel rows of a column.
func (d qdw) sets() int { return (d.k + d.dots - 1) / d.dots }

func (d qdw) acc(q, i int) int { return q*d.accs + i }
func (d qdw) col(i int) int    { return d.flight()*d.accs + i }

// temp names the registers after those of a column.
func (d qdw) temp(i int) int { return d.col(d.accs) + i }

// weight is the offset of the weights of a kernel column from those of a
// group: [kernel column][set][register].
func (d qdw) weight(kw, set, i int) int {
	return ((kw*d.sets()+set)*d.accs + i) * d.s.bytes()
}

// groupBytes is the size of one group of weights: those that do not fit into
// signed bytes are sums of such, one a group.
func (d qdw) groupBytes() int { return d.weight(d.k, 0, 0) }

// qdwHead is the bytes before the weights: the number of groups beyond the
// first, whether sums are too great for the short way of requantization, and
// whether some are shifted to the left.
const qdwHead = 64

// The short way of requantization, for sums below 2^30 and shifts to the right
// alone. With n the right shift, both roundings, the second one's ties apart,
// and the zero point are one addition to the product by twice the sum:
//
//	u = (2*x*m + 1<<31 + half<<32 + zero<<(n+32)) >> 32
//	y = (u + (x < 0 ? -1 : 0)) >> n
//
// as rounding down twice is rounding down once. Where rounding is single the
// first term and the condition fall away; where it is upward, the condition
// alone.
const (
	shortBias  = 64 * iota // int32
	shortMult              // int32
	shortOdd               // int32 in 64 bits: multipliers of odd channels
	shortEven              // int64: terms of even channels
	shortOdds              // int64: terms of odd channels
	shortShift             // int32
	shortBlock             // bytes for a register of sums
)

// held are registers that hold the first weights of the first group.
func (d qdw) held(index int) (int, bool) {
	if !d.wide() {
		return 0, false
	}
	r := d.temp(4) + index
	return r, r < 29
}

func (d qdw) move() string {
	if d.wide() {
		return "VMOVDQU32"
	}
	return "VMOVDQU"
}

func (d qdw) emit(a *asm) {
	b := &qdwBlock
	a.begin(d.name, b)
	requantMask(a, d.s)
	if d.wide() {
		a.p("MOVQ %s, AX", b.at("mask"))
		a.p("KMOVQ AX, K3")
		a.p("MOVL $0x5555, AX")
		a.p("KMOVW AX, K4")
		a.p("VPBROADCASTD %s, %s", b.at("tie"), d.s.v(29))
		a.p("VPBROADCASTB %s, %s", b.at("lo"), d.s.v(30))
		a.p("VPBROADCASTB %s, %s", b.at("hi"), d.s.v(31))
	}
	a.p("MOVQ %s, SI", b.at("width"))
	blocks, rows, out, loop, skip := a.fresh("block"), a.fresh("row"), a.fresh("out"), a.fresh("next"), a.fresh("skip")
	for _, f := range []string{"x", "w", "y"} {
		a.p("MOVQ %s, AX", b.at(f))
		a.p("MOVQ AX, %s", b.at(f+"At"))
	}
	a.label(blocks)
	a.p("MOVQ %s, R13", b.at("wAt"))
	for n := range d.k * d.sets() * d.accs {
		if r, ok := d.held(n); ok {
			a.p("VMOVDQU32 %d(R13), %s", qdwHead+n*d.s.bytes(), d.s.v(r))
		}
	}
	for _, f := range [][2]string{{"rows", "rowsLeft"}, {"top", "row"}, {"yAt", "out"}} {
		a.p("MOVQ %s, AX", b.at(f[0]))
		a.p("MOVQ AX, %s", b.at(f[1]))
	}
	a.label(rows)
	d.pointers(a)
	a.p("MOVQ %s, DX", b.at("out"))
	a.p("MOVQ %s, CX", b.at("left"))
	a.p("MOVQ $%d, BX", 1-d.flight())
	var borders []func()
	a.label(out)
	a.p("MOVQ %s, AX", b.at("consts"))
	for q := d.flight() - 1; q >= 0; q-- {
		for i := range d.accs {
			switch {
			case q == 0:
				a.p("%s %d(R13)(AX*1), %s", d.move(), i*shortBlock+shortBias, d.s.v(d.acc(0, i)))
			case d.wide():
				a.p("VMOVDQA64 %s, %s", d.s.v(d.acc(q-1, i)), d.s.v(d.acc(q, i)))
			default:
				a.p("VMOVDQA %s, %s", d.s.v(d.acc(q-1, i)), d.s.v(d.acc(q, i)))
			}
		}
	}
	for c := range d.stride {
		for set := range d.sets() {
			borders = append(borders, d.column(a, c, set))
		}
		for i := range d.k {
			a.p("ADDQ %s, R%d", b.at(fmt.Sprintf("step%d", i)), 8+i)
		}
		a.p("INCQ CX")
	}
	a.p("TESTQ BX, BX")
	a.p("JLT %s", skip)
	d.finish(a)
	a.p("ADDQ %s, DX", b.at("yCol"))
	a.label(skip)
	a.p("INCQ BX")
	a.p("CMPQ BX, %s", b.at("outs"))
	a.p("JLT %s", out)

	a.p("MOVQ %s, AX", b.at("yRow"))
	a.p("ADDQ AX, %s", b.at("out"))
	a.p("MOVQ %s, AX", b.at("down"))
	a.p("ADDQ AX, %s", b.at("row"))
	a.p("DECQ %s", b.at("rowsLeft"))
	a.p("JNE %s", rows)
	a.p("MOVQ %s, AX", b.at("wBlock"))
	a.p("ADDQ AX, %s", b.at("wAt"))
	a.p("ADDQ $%d, %s", d.channels, b.at("xAt"))
	a.p("ADDQ $%d, %s", d.channels, b.at("yAt"))
	a.p("DECQ %s", b.at("blocks"))
	a.p("JEQ %s", loop)
	a.p("JMP %s", blocks)
	a.label(loop)
	a.end()
	for _, f := range borders {
		f()
	}
}

// pointers sets R8 and on to the first column of the kernel rows of an output
// row, or to the zero point that does not move.
func (d qdw) pointers(a *asm) {
	b := &qdwBlock
	a.p("MOVQ %s, AX", b.at("row"))
	a.p("MOVQ %s, BX", b.at("left"))
	a.p("IMULQ %s, BX", b.at("colStride"))
	a.p("ADDQ %s, BX", b.at("xAt"))
	for i := range d.k {
		r, step := fmt.Sprintf("R%d", 8+i), b.at(fmt.Sprintf("step%d", i))
		outside, done := a.fresh("outside"), a.fresh("inside")
		a.p("CMPQ AX, %s", b.at("height"))
		a.p("JCC %s", outside) // negative ones count as great
		a.p("MOVQ AX, %s", r)
		a.p("IMULQ %s, %s", b.at("rowStride"), r)
		a.p("ADDQ BX, %s", r)
		a.p("MOVQ %s, CX", b.at("colStride"))
		a.p("JMP %s", done)
		a.label(outside)
		a.p("MOVQ %s, %s", b.at("zero"), r)
		a.p("XORL CX, CX")
		a.label(done)
		a.p("MOVQ CX, %s", step)
		if i < d.k-1 {
			a.p("ADDQ %s, AX", b.at("dilation"))
		}
	}
}

// column takes kernel rows of a column into the outputs it belongs to; it
// gives what emits the case of a column outside of the picture.
func (d qdw) column(a *asm, c, set int) func() {
	border, joined := a.fresh("border"), a.fresh("column")
	a.p("CMPQ CX, SI")
	a.p("JCC %s", border)
	first, n := set*d.dots, min(d.dots, d.k-set*d.dots)
	if d.wide() {
		d.interleave4(a, first, n)
	} else {
		d.interleave2(a, first, n)
	}
	a.label(joined)
	products := func(base string, off int, held bool) {
		for i := range d.accs {
			for q := range d.flight() {
				kw := q*d.stride + c
				if kw >= d.k {
					continue
				}
				acc, x := d.s.v(d.acc(q, i)), d.s.v(d.col(i))
				w := fmt.Sprintf("%d(%s)", off+d.weight(kw, set, i), base)
				if r, ok := d.held(d.weight(kw, set, i) / d.s.bytes()); ok && held {
					w = d.s.v(r)
				}
				if d.wide() {
					a.p("VPDPBUSD %s, %s, %s", w, x, acc)
					continue
				}
				t := d.s.v(d.temp(q % 2))
				a.p("VPMADDWD %s, %s, %s", w, x, t)
				a.p("VPADDD %s, %s, %s", t, acc, acc)
			}
		}
	}
	products("R13", qdwHead, true)
	if d.wide() {
		more, done := a.fresh("group"), a.fresh("groups")
		a.p("MOVQ (R13), AX")
		a.p("TESTQ AX, AX")
		a.p("JEQ %s", done)
		a.p("LEAQ %d(R13), R15", qdwHead+d.groupBytes())
		a.label(more)
		products("R15", 0, false)
		a.p("ADDQ $%d, R15", d.groupBytes())
		a.p("DECQ AX")
		a.p("JNE %s", more)
		a.label(done)
	}
	return func() {
		a.label(border)
		a.p("MOVQ %s, AX", qdwBlock.at("zero"))
		for i := range d.accs {
			switch {
			case !d.wide():
				a.p("VPMOVZXBW (AX), %s", d.s.v(d.col(i)))
			default:
				a.p("VMOVDQU8 (AX), %s", d.s.v(d.col(i)))
			}
		}
		a.p("JMP %s", joined)
	}
}

// interleave4 makes the bytes of up to four kernel rows dots of four. Where
// there are fewer, the last one fills its half.
func (d qdw) interleave4(a *asm, first, n int) {
	col, temp := func(i int) string { return d.s.v(d.col(i)) }, func(i int) string { return d.s.v(d.temp(i)) }
	for i := range n {
		a.p("VMOVDQU8.Z (R%d), K3, %s", 8+first+i, col(i))
	}
	pair := func(i int) (string, string) { return col(min(i, n-1)), col(min(i+1, n-1)) }
	for half := range (n + 1) / 2 {
		x, y := pair(2 * half)
		a.p("VPUNPCKLBW %s, %s, %s", y, x, temp(2*half))
		a.p("VPUNPCKHBW %s, %s, %s", y, x, temp(2*half+1))
	}
	for i := range 2 {
		x, y := temp(i), temp(i)
		if n > 2 {
			y = temp(2 + i)
		}
		a.p("VPUNPCKLWD %s, %s, %s", y, x, col(2*i))
		a.p("VPUNPCKHWD %s, %s, %s", y, x, col(2*i+1))
	}
}

// interleave2 makes the bytes of one or two kernel rows pairs of words.
func (d qdw) interleave2(a *asm, first, n int) {
	for i := range n {
		a.p("VPMOVZXBW (R%d), %s", 8+first+i, d.s.v(d.temp(i)))
	}
	x, y := d.s.v(d.temp(0)), d.s.v(d.temp(n-1))
	a.p("VPUNPCKLWD %s, %s, %s", y, x, d.s.v(d.col(0)))
	a.p("VPUNPCKHWD %s, %s, %s", y, x, d.s.v(d.col(1)))
}

// finish requantizes and stores the oldest output under way.
func (d qdw) finish(a *asm) {
	b := &qdwBlock
	accs := make([]int, d.accs)
	for i := range accs {
		accs[i] = d.acc(d.flight()-1, i)
	}
	// The registers of a column are free here.
	temps := []int{d.col(0), d.col(1), d.temp(0), d.temp(1)}
	others := temps
	if d.wide() {
		others = []int{d.col(2), d.col(3), d.temp(2), d.temp(3)}
	}
	float := a.fresh("float")
	long, single, noLeft, narrow := a.fresh("long"), a.fresh("single"), a.fresh("noleft"), a.fresh("narrow")
	a.p("MOVQ %s, R15", b.at("consts"))
	a.p("ADDQ R13, R15")
	a.p("CMPB 8(R13), $0")
	a.p("JNE %s", long)
	for i, r := range accs {
		d.short(a, "R15", i*shortBlock, r, [][]int{temps, others}[i%2])
	}
	a.p("JMP %s", narrow)
	a.label(long)
	a.p("ADDQ $%d, R15", d.accs*shortBlock)
	a.p("CMPQ %s, $1", b.at("single"))
	a.p("JEQ %s", single)
	a.p("JGT %s", float)
	a.p("CMPB 9(R13), $0")
	a.p("JEQ %s", noLeft)
	for i, r := range accs {
		requantLeft(a, d.s, "R15", i*quantBlock, []int{r})
	}
	a.label(noLeft)
	for _, once := range []bool{false, true} {
		if once {
			a.p("JMP %s", narrow)
			a.label(single)
		}
		for i, r := range accs {
			requant(a, d.s, once, "R15", i*quantBlock, []int{r}, [][]int{temps, others}[i%2])
		}
	}
	a.p("JMP %s", narrow)
	a.label(float)
	for i, r := range accs {
		requantFloat(a, d.s, "R15", i*quantBlock, []int{r}, [][]int{temps, others}[i%2])
	}
	a.label(narrow)
	y, x := d.s.v(accs[0]), fmt.Sprintf("X%d", accs[0])
	if !d.wide() {
		t := fmt.Sprintf("X%d", temps[0])
		a.p("VPACKSSDW %s, %s, %s", d.s.v(accs[1]), y, y)
		a.p("VEXTRACTI128 $1, %s, %s", y, t)
		a.p("VPACKUSWB %s, %s, %s", t, x, x)
		for _, f := range [][2]string{{"lo", "VPMAXUB"}, {"hi", "VPMINUB"}} {
			a.p("VPBROADCASTB %s, %s", b.at(f[0]), t)
			a.p("%s %s, %s, %s", f[1], t, x, x)
		}
		a.p("VMOVDQU %s, (DX)", x)
		return
	}
	a.p("VPACKSSDW %s, %s, %s", d.s.v(accs[1]), y, y)
	a.p("VPACKSSDW %s, %s, %s", d.s.v(accs[3]), d.s.v(accs[2]), d.s.v(accs[2]))
	a.p("VPACKUSWB %s, %s, %s", d.s.v(accs[2]), y, y)
	a.p("VPMAXUB %s, %s, %s", d.s.v(30), y, y)
	a.p("VPMINUB %s, %s, %s", d.s.v(31), y, y)
	plain, part, stored := a.fresh("plain"), a.fresh("part"), a.fresh("stored")
	a.p("MOVQ %s, AX", b.at("table"))
	a.p("TESTQ AX, AX")
	a.p("JEQ %s", plain)
	lookUp(a, accs[0], "AX", temps[0], temps[1])
	a.label(plain)
	a.p("CMPQ %s, $0", b.at("full"))
	a.p("JEQ %s", part)
	a.p("VMOVDQU8 %s, (DX)", y)
	a.p("JMP %s", stored)
	a.label(part)
	a.p("VMOVDQU8 %s, K3, (DX)", y)
	a.label(stored)
}

// short requantizes the sums of a register, see shortBias.
func (d qdw) short(a *asm, base string, off, acc int, temps []int) {
	at := func(field int) string { return fmt.Sprintf("%d(%s)", off+field, base) }
	x, t, u := d.s.v(acc), d.s.v(temps[0]), d.s.v(temps[1])
	if d.wide() {
		a.p("VPMOVD2M %s, K2", x)
	} else {
		a.p("VPSRAD $31, %s, %s", x, u)
		a.p("VPBROADCASTD %s, %s", qdwBlock.at("tie"), t)
		a.p("VPAND %s, %s, %s", t, u, u)
	}
	a.p("VPADDD %s, %s, %s", x, x, x)
	a.p("VPSRLQ $32, %s, %s", x, t)
	a.p("VPMULDQ %s, %s, %s", at(shortMult), x, x)
	a.p("VPMULDQ %s, %s, %s", at(shortOdd), t, t)
	a.p("VPADDQ %s, %s, %s", at(shortEven), x, x)
	a.p("VPADDQ %s, %s, %s", at(shortOdds), t, t)
	if d.wide() {
		a.p("VMOVSHDUP %s, K4, %s", x, t)
		a.p("VPADDD %s, %s, K2, %s", d.s.v(29), t, t)
	} else {
		a.p("VMOVSHDUP %s, %s", x, x)
		a.p("VPBLENDD $0xaa, %s, %s, %s", t, x, t)
		a.p("VPADDD %s, %s, %s", u, t, t)
	}
	a.p("VPSRAVD %s, %s, %s", at(shortShift), t, x)
}
