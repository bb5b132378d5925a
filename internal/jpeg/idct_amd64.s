//go:build !purego

#include "textflag.h"

// Coefficients come in pairs of 16-bit words, rows (0,4), (2,6), (7,1), (3,5), each pair for columns 0,
// 4, 2, 6 in the lower and 7, 1, 3, 5 in the upper half of a register: one multiplication of pairs
// with addition (VPMADDWD) is a rotation, and the pairs for the second pass fall out of packing.

#define PAIR(name, lo, hi) \
	DATA name<>+0(SB)/2, $lo  \
	DATA name<>+2(SB)/2, $hi  \
	DATA name<>+4(SB)/2, $lo  \
	DATA name<>+6(SB)/2, $hi  \
	DATA name<>+8(SB)/2, $lo  \
	DATA name<>+10(SB)/2, $hi \
	DATA name<>+12(SB)/2, $lo \
	DATA name<>+14(SB)/2, $hi \
	DATA name<>+16(SB)/2, $lo \
	DATA name<>+18(SB)/2, $hi \
	DATA name<>+20(SB)/2, $lo \
	DATA name<>+22(SB)/2, $hi \
	DATA name<>+24(SB)/2, $lo \
	DATA name<>+26(SB)/2, $hi \
	DATA name<>+28(SB)/2, $lo \
	DATA name<>+30(SB)/2, $hi \
	GLOBL name<>(SB), RODATA|NOPTR, $32

#define DWORDS(name, v) \
	DATA name<>+0(SB)/4, $v  \
	DATA name<>+4(SB)/4, $v  \
	DATA name<>+8(SB)/4, $v  \
	DATA name<>+12(SB)/4, $v \
	DATA name<>+16(SB)/4, $v \
	DATA name<>+20(SB)/4, $v \
	DATA name<>+24(SB)/4, $v \
	DATA name<>+28(SB)/4, $v \
	GLOBL name<>(SB), RODATA|NOPTR, $32

// Rows 0 and 4, 2 and 6.
PAIR(c04p, 8192, 8192)
PAIR(c04m, 8192, -8192)
PAIR(c26a, 10703, 4433)
PAIR(c26b, 4433, -10704)
// Rows 7 and 1, 3 and 5, and their sums 7+3 and 1+5.
PAIR(c71t0, -4927, -7373)
PAIR(c71t3, -7373, 4926)
PAIR(c35t1, -20995, -4176)
PAIR(c35t2, 4177, -20995)
PAIR(cz3, -6436, 9633)
PAIR(cz4, 9633, 6437)
DWORDS(round11, 1024)
DWORDS(round18, 33685504) // 1<<17 + 128<<18

// Reduced to four.
PAIR(d0, 16384, 0)
PAIR(d26, 15137, -6270)
PAIR(d71t0, -1730, 8697)
PAIR(d35t0, -17799, 11893)
PAIR(d71t2, -4176, 20995)
PAIR(d35t2, 7373, -4926)
DWORDS(round12, 2048)
DWORDS(round19, 67371008) // 1<<18 + 128<<19

// Reduced to two.
PAIR(e71, -5906, 29692)
PAIR(e35, -10426, 6967)
DWORDS(round13, 4096)
DWORDS(round20, 134742016) // 1<<19 + 128<<20

// Transposes 4x4 bytes.
DATA bytes4<>+0(SB)/8, $0x0d0905010c080400
DATA bytes4<>+8(SB)/8, $0x0f0b07030e0a0602
DATA bytes4<>+16(SB)/8, $0x0d0905010c080400
DATA bytes4<>+24(SB)/8, $0x0f0b07030e0a0602
GLOBL bytes4<>(SB), RODATA|NOPTR, $32

// PASS transforms the pairs Y0 (0,4), Y1 (2,6), Y2 (7,1), Y3 (3,5) to Y12, Y13, Y14, Y15, Y9, Y11, Y10, Y8.
#define PASS(round, bits) \
	VPMADDWD c04p<>(SB), Y0, Y4  \
	VPMADDWD c04m<>(SB), Y0, Y5  \
	VPMADDWD c26a<>(SB), Y1, Y6  \
	VPMADDWD c26b<>(SB), Y1, Y7  \
	VPSLLD   $3, Y4, Y4          \
	VPSLLD   $3, Y5, Y5          \
	VPSRAD   $3, Y4, Y4          \
	VPSRAD   $3, Y5, Y5          \
	VPADDD   round<>(SB), Y4, Y4 \
	VPADDD   round<>(SB), Y5, Y5 \
	VPADDD   Y6, Y4, Y8          \
	VPSUBD   Y6, Y4, Y9          \
	VPADDD   Y7, Y5, Y10         \
	VPSUBD   Y7, Y5, Y11         \
	VPADDW   Y3, Y2, Y4          \
	VPMADDWD cz3<>(SB), Y4, Y0   \
	VPMADDWD cz4<>(SB), Y4, Y1   \
	VPMADDWD c71t3<>(SB), Y2, Y4 \
	VPMADDWD c35t2<>(SB), Y3, Y5 \
	VPMADDWD c35t1<>(SB), Y3, Y6 \
	VPMADDWD c71t0<>(SB), Y2, Y7 \
	VPADDD   Y1, Y4, Y4          \
	VPADDD   Y0, Y5, Y5          \
	VPADDD   Y1, Y6, Y6          \
	VPADDD   Y0, Y7, Y7          \
	VPADDD   Y4, Y8, Y12         \
	VPSUBD   Y4, Y8, Y8          \
	VPADDD   Y5, Y10, Y13        \
	VPSUBD   Y5, Y10, Y10        \
	VPADDD   Y6, Y11, Y14        \
	VPSUBD   Y6, Y11, Y11        \
	VPADDD   Y7, Y9, Y15         \
	VPSUBD   Y7, Y9, Y9          \
	VPSRAD   $bits, Y12, Y12     \
	VPSRAD   $bits, Y13, Y13     \
	VPSRAD   $bits, Y14, Y14     \
	VPSRAD   $bits, Y15, Y15     \
	VPSRAD   $bits, Y9, Y9       \
	VPSRAD   $bits, Y11, Y11     \
	VPSRAD   $bits, Y10, Y10     \
	VPSRAD   $bits, Y8, Y8       \
	VPACKSSDW Y13, Y12, Y4       \
	VPACKSSDW Y15, Y14, Y5       \
	VPACKSSDW Y11, Y9, Y6        \
	VPACKSSDW Y8, Y10, Y7

// LOAD dequantizes a block to pairs, clears it and gathers in Y4 what is not zero in rows 1, 2, 3, 5, 6, 7.
#define LOAD \
	VMOVDQU 0(DX), Y0         \
	VMOVDQU 32(DX), Y1        \
	VMOVDQU 64(DX), Y2        \
	VMOVDQU 96(DX), Y3        \
	VPXOR   Y15, Y15, Y15     \
	VPOR    Y1, Y2, Y4        \
	VPSRLD  $16, Y0, Y5       \
	VPOR    Y3, Y4, Y4        \
	VPMULLW 0(BX), Y0, Y0     \
	VPMULLW 32(BX), Y1, Y1    \
	VPMULLW 64(BX), Y2, Y2    \
	VPMULLW 96(BX), Y3, Y3    \
	VMOVDQU Y15, 0(DX)        \
	VMOVDQU Y15, 32(DX)       \
	VMOVDQU Y15, 64(DX)       \
	VMOVDQU Y15, 96(DX)

// FLAT does the first pass of a block whose columns are all flat: only here values wrap, not saturate.
#define FLAT \
	VPSLLD    $18, Y0, Y0     \
	VPSRAD    $16, Y0, Y0     \
	VPACKSSDW Y0, Y0, Y4      \
	VMOVDQA   Y4, Y5          \
	VMOVDQA   Y4, Y6          \
	VMOVDQA   Y4, Y7

// func idct8AVX2(dst *byte, pitch int, blk, q *[64]int16)
TEXT ·idct8AVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ pitch+8(FP), SI
	MOVQ blk+16(FP), DX
	MOVQ q+24(FP), BX
	LOAD
	VPOR  Y5, Y4, Y4 // and row 4
	VPTEST Y4, Y4
	JZ    flat8
	PASS(round11, 11)

second8:
	VSHUFPS    $0x88, Y5, Y4, Y8
	VSHUFPS    $0xdd, Y5, Y4, Y9
	VSHUFPS    $0x88, Y7, Y6, Y10
	VSHUFPS    $0xdd, Y7, Y6, Y11
	VPERM2I128 $0x20, Y10, Y8, Y0
	VPERM2I128 $0x31, Y10, Y8, Y2
	VPERM2I128 $0x20, Y11, Y9, Y1
	VPERM2I128 $0x31, Y11, Y9, Y3
	PASS(round18, 18)
	VPACKUSWB  Y5, Y4, Y4
	VPACKUSWB  Y7, Y6, Y6
	VMOVDQU    bytes4<>(SB), Y0
	VPSHUFB    Y0, Y4, Y4
	VPSHUFB    Y0, Y6, Y6
	VPUNPCKLDQ Y6, Y4, Y0 // rows 0, 1 and 4, 5
	VPUNPCKHDQ Y6, Y4, Y1 // rows 2, 3 and 6, 7
	LEAQ       (SI)(SI*2), CX
	LEAQ       (DI)(SI*4), AX
	VMOVQ      X0, (DI)
	VMOVHPS    X0, (DI)(SI*1)
	VMOVQ      X1, (DI)(SI*2)
	VMOVHPS    X1, (DI)(CX*1)
	VEXTRACTI128 $1, Y0, X0
	VEXTRACTI128 $1, Y1, X1
	VMOVQ      X0, (AX)
	VMOVHPS    X0, (AX)(SI*1)
	VMOVQ      X1, (AX)(SI*2)
	VMOVHPS    X1, (AX)(CX*1)
	VZEROUPPER
	RET

flat8:
	FLAT
	JMP second8

// func idct4AVX2(dst *byte, pitch int, blk, q *[64]int16)
TEXT ·idct4AVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ pitch+8(FP), SI
	MOVQ blk+16(FP), DX
	MOVQ q+24(FP), BX
	LOAD
	VPTEST   Y4, Y4
	JZ       flat4
	VPMADDWD d0<>(SB), Y0, Y4
	VPMADDWD d26<>(SB), Y1, Y5
	VPADDD   round12<>(SB), Y4, Y4
	VPADDD   Y5, Y4, Y6
	VPSUBD   Y5, Y4, Y7
	VPMADDWD d71t0<>(SB), Y2, Y8
	VPMADDWD d35t0<>(SB), Y3, Y9
	VPMADDWD d71t2<>(SB), Y2, Y10
	VPMADDWD d35t2<>(SB), Y3, Y11
	VPADDD   Y9, Y8, Y8
	VPADDD   Y11, Y10, Y10
	VPADDD   Y10, Y6, Y12
	VPSUBD   Y10, Y6, Y15
	VPADDD   Y8, Y7, Y13
	VPSUBD   Y8, Y7, Y14
	VPSRAD   $12, Y12, Y12
	VPSRAD   $12, Y13, Y13
	VPSRAD   $12, Y14, Y14
	VPSRAD   $12, Y15, Y15
	VPACKSSDW Y13, Y12, Y4
	VPACKSSDW Y15, Y14, Y5

second4:
	VSHUFPS  $0x88, Y5, Y4, Y0
	VSHUFPS  $0xdd, Y5, Y4, Y1
	VEXTRACTI128 $1, Y0, X2
	VEXTRACTI128 $1, Y1, X3
	VPMADDWD d0<>(SB), X0, X4
	VPMADDWD d26<>(SB), X1, X5
	VPADDD   round19<>(SB), X4, X4
	VPADDD   X5, X4, X6
	VPSUBD   X5, X4, X7
	VPMADDWD d71t0<>(SB), X2, X8
	VPMADDWD d35t0<>(SB), X3, X9
	VPMADDWD d71t2<>(SB), X2, X10
	VPMADDWD d35t2<>(SB), X3, X11
	VPADDD   X9, X8, X8
	VPADDD   X11, X10, X10
	VPADDD   X10, X6, X12
	VPSUBD   X10, X6, X15
	VPADDD   X8, X7, X13
	VPSUBD   X8, X7, X14
	VPSRAD   $19, X12, X12
	VPSRAD   $19, X13, X13
	VPSRAD   $19, X14, X14
	VPSRAD   $19, X15, X15
	VPACKSSDW X13, X12, X4
	VPACKSSDW X15, X14, X5
	VPACKUSWB X5, X4, X4
	VPSHUFB  bytes4<>(SB), X4, X4
	LEAQ     (SI)(SI*2), CX
	VMOVD    X4, (DI)
	VPEXTRD  $1, X4, (DI)(SI*1)
	VPEXTRD  $2, X4, (DI)(SI*2)
	VPEXTRD  $3, X4, (DI)(CX*1)
	VZEROUPPER
	RET

flat4:
	FLAT
	JMP second4

// func idct2AVX2(dst *byte, pitch int, blk, q *[64]int16)
TEXT ·idct2AVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ pitch+8(FP), SI
	MOVQ blk+16(FP), DX
	MOVQ q+24(FP), BX
	LOAD
	VPMADDWD d0<>(SB), Y0, Y4
	VPADDD   Y4, Y4, Y4
	VPADDD   round13<>(SB), Y4, Y4
	VPMADDWD e71<>(SB), Y2, Y5
	VPMADDWD e35<>(SB), Y3, Y6
	VPADDD   Y6, Y5, Y5
	VPADDD   Y5, Y4, Y6
	VPSUBD   Y5, Y4, Y7
	VPSRAD   $13, Y6, Y6
	VPSRAD   $13, Y7, Y7
	VPACKSSDW Y7, Y6, Y0         // row 0: (0,4) (2,6), row 1: the same; above: (7,1) (3,5)
	VEXTRACTI128 $1, Y0, X1
	VPSHUFD  $0xd8, X0, X0       // (0,4) of both rows first
	VPSHUFD  $0xd8, X1, X1       // (7,1) of both rows, then (3,5)
	VPSHUFD  $0xee, X1, X2
	VPMADDWD d0<>(SB), X0, X4
	VPADDD   X4, X4, X4
	VPADDD   round20<>(SB), X4, X4
	VPMADDWD e71<>(SB), X1, X5
	VPMADDWD e35<>(SB), X2, X6
	VPADDD   X6, X5, X5
	VPADDD   X5, X4, X6
	VPSUBD   X5, X4, X7
	VPSRAD   $20, X6, X6
	VPSRAD   $20, X7, X7
	VPUNPCKLDQ X7, X6, X6        // row 0: two, row 1: two
	VPACKSSDW X6, X6, X6
	VPACKUSWB X6, X6, X6
	VMOVD    X6, AX
	MOVW     AX, (DI)
	SHRL     $16, AX
	MOVW     AX, (DI)(SI*1)
	VZEROUPPER
	RET
