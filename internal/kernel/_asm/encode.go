package main

import (
	"fmt"
	"strconv"
	"strings"
)

// Instructions that Go's assembler does not know, as bytes. Manuals write
// their operands the other way around: here, as in Go, the result is last.

// bytes writes an instruction with its text.
func (a *asm) bytes(text string, code ...byte) {
	var parts []string
	for _, b := range code {
		parts = append(parts, fmt.Sprintf("BYTE $0x%02x", b))
	}
	a.p("%s // %s", strings.Join(parts, "; "), text)
}

// Mandatory prefixes as EVEX and VEX write them.
const (
	prefixNone = 0
	prefix66   = 1
	prefixF3   = 2
	prefixF2   = 3
)

// evex writes an instruction of the map 0F38 with registers alone, of 512 bits
// or, with length 1, of 256.
func (a *asm) evex(text string, length, prefix, op byte, dst, src, rm int) {
	not := func(v, bit int) byte { return byte(v>>bit&1 ^ 1) }
	a.bytes(text, 0x62,
		not(dst, 3)<<7|not(rm, 4)<<6|not(rm, 3)<<5|not(dst, 4)<<4|2,
		byte(^src&15)<<3|1<<2|prefix,
		length<<5|not(src, 4)<<3,
		op, 0xc0|byte(dst&7)<<3|byte(rm&7))
}

// number is the i of a register's name.
func number(reg string) int {
	i, err := strconv.Atoi(strings.TrimLeft(reg, "XYZ"))
	if err != nil {
		panic("no register: " + reg)
	}
	return i
}

// dpbf16 adds to dst the products of pairs: x0*w0 + x1*w1 in each lane.
func (a *asm) dpbf16(x, w, dst string) {
	length := byte(2)
	if dst[0] == 'Y' {
		length = 1
	}
	a.evex(fmt.Sprintf("VDPBF16PS %s, %s, %s", x, w, dst), length, prefixF3, 0x52, number(dst), number(w), number(x))
}

// narrow2 rounds the float32s of low and high to one register of bfloat16s.
func (a *asm) narrow2(low, high, dst string) {
	a.evex(fmt.Sprintf("VCVTNE2PS2BF16 %s, %s, %s", low, high, dst), 2, prefixF2, 0x72, number(dst), number(high), number(low))
}

// narrow rounds the float32s of src to the lower half of dst; the upper half
// becomes zero.
func (a *asm) narrow(src, dst string) {
	a.evex(fmt.Sprintf("VCVTNEPS2BF16 %s, Y%d", src, number(dst)), 2, prefixF3, 0x72, number(dst), 0, number(src))
}

// general are the numbers of the general registers.
var general = map[string]int{"AX": 0, "CX": 1, "DX": 2, "BX": 3, "SI": 6, "DI": 7,
	"R8": 8, "R9": 9, "R10": 10, "R11": 11, "R12": 12, "R13": 13, "R14": 14, "R15": 15}

// vex writes a 128-bit instruction of the map 0F38 with the bytes after its
// opcode. x and b are the fourth bits of the index and base registers.
func (a *asm) vex(text string, prefix, op byte, vvvv, x, b int, rest ...byte) {
	code := []byte{0xc4, 1<<7 | byte(x^1)<<6 | byte(b^1)<<5 | 2, byte(^vvvv&15)<<3 | prefix, op}
	a.bytes(text, append(code, rest...)...)
}

// tileConfig loads the tiles' shapes from 64 bytes at a register plus offset.
func (a *asm) tileConfig(base string, off int) {
	r := general[base]
	a.vex(fmt.Sprintf("LDTILECFG %d(%s)", off, base), prefixNone, 0x49, 0, 0, r>>3,
		0x80|byte(r&7), byte(off), byte(off>>8), 0, 0)
}

func (a *asm) tileRelease() { a.vex("TILERELEASE", prefixNone, 0x49, 0, 0, 0, 0xc0) }

func (a *asm) tileZero(t int) {
	a.vex(fmt.Sprintf("TILEZERO TMM%d", t), prefixF2, 0x49, 0, 0, 0, 0xc0|byte(t)<<3)
}

// tileMem is the operand of a tile in memory: base plus offset, its rows a
// register's value apart. R12 and SP cannot be told from others as base.
func tileMem(t, off int, base, stride string) (x, b int, rest []byte) {
	r, i := general[base], general[stride]
	return i >> 3, r >> 3, []byte{0x84 | byte(t)<<3, byte(i&7)<<3 | byte(r&7), byte(off), byte(off >> 8), byte(off >> 16), byte(off >> 24)}
}

func (a *asm) tileLoad(off int, base, stride string, t int) {
	x, b, rest := tileMem(t, off, base, stride)
	a.vex(fmt.Sprintf("TILELOADD %d(%s)(%s*1), TMM%d", off, base, stride, t), prefixF2, 0x4b, 0, x, b, rest...)
}

func (a *asm) tileStore(t, off int, base, stride string) {
	x, b, rest := tileMem(t, off, base, stride)
	a.vex(fmt.Sprintf("TILESTORED TMM%d, %d(%s)(%s*1)", t, off, base, stride), prefixF3, 0x4b, 0, x, b, rest...)
}

// tileProduct adds the product of tiles x and w to tile dst.
func (a *asm) tileProduct(x, w, dst int) {
	a.vex(fmt.Sprintf("TDPBF16PS TMM%d, TMM%d, TMM%d", w, x, dst), prefixF3, 0x5c, w, 0, 0, 0xc0|byte(dst)<<3|byte(x))
}

// tileBytes adds the product of a tile x of bytes and a tile w of signed ones
// to tile dst.
func (a *asm) tileBytes(x, w, dst int) {
	a.vex(fmt.Sprintf("TDPBUSD TMM%d, TMM%d, TMM%d", w, x, dst), prefix66, 0x5e, w, 0, 0, 0xc0|byte(dst)<<3|byte(x))
}
