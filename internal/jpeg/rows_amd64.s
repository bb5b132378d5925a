//go:build !purego

#include "textflag.h"

// Constants are repeated in both halves of a register. The order of bytes of the rgb ones is that of
// red, green, blue, red, ...: three stores of which each picks from all three planes.
DATA rgb0R<>+0(SB)/8, $0x8002808001808000
DATA rgb0R<>+8(SB)/8, $0x0580800480800380
DATA rgb0R<>+16(SB)/8, $0x8002808001808000
DATA rgb0R<>+24(SB)/8, $0x0580800480800380
GLOBL rgb0R<>(SB), RODATA|NOPTR, $32
DATA rgb0G<>+0(SB)/8, $0x0280800180800080
DATA rgb0G<>+8(SB)/8, $0x8080048080038080
DATA rgb0G<>+16(SB)/8, $0x0280800180800080
DATA rgb0G<>+24(SB)/8, $0x8080048080038080
GLOBL rgb0G<>(SB), RODATA|NOPTR, $32
DATA rgb0B<>+0(SB)/8, $0x8080018080008080
DATA rgb0B<>+8(SB)/8, $0x8004808003808002
DATA rgb0B<>+16(SB)/8, $0x8080018080008080
DATA rgb0B<>+24(SB)/8, $0x8004808003808002
GLOBL rgb0B<>(SB), RODATA|NOPTR, $32
DATA rgb1R<>+0(SB)/8, $0x8080078080068080
DATA rgb1R<>+8(SB)/8, $0x800a808009808008
DATA rgb1R<>+16(SB)/8, $0x8080078080068080
DATA rgb1R<>+24(SB)/8, $0x800a808009808008
GLOBL rgb1R<>(SB), RODATA|NOPTR, $32
DATA rgb1G<>+0(SB)/8, $0x8007808006808005
DATA rgb1G<>+8(SB)/8, $0x0a80800980800880
DATA rgb1G<>+16(SB)/8, $0x8007808006808005
DATA rgb1G<>+24(SB)/8, $0x0a80800980800880
GLOBL rgb1G<>(SB), RODATA|NOPTR, $32
DATA rgb1B<>+0(SB)/8, $0x0780800680800580
DATA rgb1B<>+8(SB)/8, $0x8080098080088080
DATA rgb1B<>+16(SB)/8, $0x0780800680800580
DATA rgb1B<>+24(SB)/8, $0x8080098080088080
GLOBL rgb1B<>(SB), RODATA|NOPTR, $32
DATA rgb2R<>+0(SB)/8, $0x0d80800c80800b80
DATA rgb2R<>+8(SB)/8, $0x80800f80800e8080
DATA rgb2R<>+16(SB)/8, $0x0d80800c80800b80
DATA rgb2R<>+24(SB)/8, $0x80800f80800e8080
GLOBL rgb2R<>(SB), RODATA|NOPTR, $32
DATA rgb2G<>+0(SB)/8, $0x80800c80800b8080
DATA rgb2G<>+8(SB)/8, $0x800f80800e80800d
DATA rgb2G<>+16(SB)/8, $0x80800c80800b8080
DATA rgb2G<>+24(SB)/8, $0x800f80800e80800d
GLOBL rgb2G<>(SB), RODATA|NOPTR, $32
DATA rgb2B<>+0(SB)/8, $0x800c80800b80800a
DATA rgb2B<>+8(SB)/8, $0x0f80800e80800d80
DATA rgb2B<>+16(SB)/8, $0x800c80800b80800a
DATA rgb2B<>+24(SB)/8, $0x0f80800e80800d80
GLOBL rgb2B<>(SB), RODATA|NOPTR, $32
DATA w1<>+0(SB)/8, $0x0001000100010001
DATA w1<>+8(SB)/8, $0x0001000100010001
DATA w1<>+16(SB)/8, $0x0001000100010001
DATA w1<>+24(SB)/8, $0x0001000100010001
GLOBL w1<>(SB), RODATA|NOPTR, $32
DATA w2<>+0(SB)/8, $0x0002000200020002
DATA w2<>+8(SB)/8, $0x0002000200020002
DATA w2<>+16(SB)/8, $0x0002000200020002
DATA w2<>+24(SB)/8, $0x0002000200020002
GLOBL w2<>(SB), RODATA|NOPTR, $32
DATA w7<>+0(SB)/8, $0x0007000700070007
DATA w7<>+8(SB)/8, $0x0007000700070007
DATA w7<>+16(SB)/8, $0x0007000700070007
DATA w7<>+24(SB)/8, $0x0007000700070007
GLOBL w7<>(SB), RODATA|NOPTR, $32
DATA w8<>+0(SB)/8, $0x0008000800080008
DATA w8<>+8(SB)/8, $0x0008000800080008
DATA w8<>+16(SB)/8, $0x0008000800080008
DATA w8<>+24(SB)/8, $0x0008000800080008
GLOBL w8<>(SB), RODATA|NOPTR, $32
DATA w128<>+0(SB)/8, $0x0080008000800080
DATA w128<>+8(SB)/8, $0x0080008000800080
DATA w128<>+16(SB)/8, $0x0080008000800080
DATA w128<>+24(SB)/8, $0x0080008000800080
GLOBL w128<>(SB), RODATA|NOPTR, $32
DATA fromCr<>+0(SB)/8, $0x3374337433743374
DATA fromCr<>+8(SB)/8, $0x3374337433743374
DATA fromCr<>+16(SB)/8, $0x3374337433743374
DATA fromCr<>+24(SB)/8, $0x3374337433743374
GLOBL fromCr<>(SB), RODATA|NOPTR, $32
DATA fromCb<>+0(SB)/8, $0xe2d1e2d1e2d1e2d1
DATA fromCb<>+8(SB)/8, $0xe2d1e2d1e2d1e2d1
DATA fromCb<>+16(SB)/8, $0xe2d1e2d1e2d1e2d1
DATA fromCb<>+24(SB)/8, $0xe2d1e2d1e2d1e2d1
GLOBL fromCb<>(SB), RODATA|NOPTR, $32
DATA greenPart<>+0(SB)/8, $0x492ea7e6492ea7e6
DATA greenPart<>+8(SB)/8, $0x492ea7e6492ea7e6
DATA greenPart<>+16(SB)/8, $0x492ea7e6492ea7e6
DATA greenPart<>+24(SB)/8, $0x492ea7e6492ea7e6
GLOBL greenPart<>(SB), RODATA|NOPTR, $32
DATA half<>+0(SB)/8, $0x0000800000008000
DATA half<>+8(SB)/8, $0x0000800000008000
DATA half<>+16(SB)/8, $0x0000800000008000
DATA half<>+24(SB)/8, $0x0000800000008000
GLOBL half<>(SB), RODATA|NOPTR, $32

// func h2v2AVX2(dst, near, far *byte, n int)
// Samples 1 to n-2 of a row of n >= 18.
TEXT ·h2v2AVX2(SB), NOSPLIT, $0-32
	MOVQ    dst+0(FP), DI
	MOVQ    near+8(FP), SI
	MOVQ    far+16(FP), DX
	MOVQ    n+24(FP), CX
	SUBQ    $17, CX
	MOVL    $1, AX
	VMOVDQU w7<>(SB), Y14
	VMOVDQU w8<>(SB), Y15

h2v2loop:
	VPMOVZXBW -1(SI)(AX*1), Y0
	VPMOVZXBW (SI)(AX*1), Y1
	VPMOVZXBW 1(SI)(AX*1), Y2
	VPMOVZXBW -1(DX)(AX*1), Y3
	VPMOVZXBW (DX)(AX*1), Y4
	VPMOVZXBW 1(DX)(AX*1), Y5
	VPADDW    Y0, Y3, Y3
	VPADDW    Y0, Y0, Y0
	VPADDW    Y1, Y4, Y4
	VPADDW    Y1, Y1, Y1
	VPADDW    Y2, Y5, Y5
	VPADDW    Y2, Y2, Y2
	VPADDW    Y0, Y3, Y3            // column sums: before, at, after
	VPADDW    Y1, Y4, Y4
	VPADDW    Y2, Y5, Y5
	VPADDW    Y4, Y4, Y0
	VPADDW    Y0, Y4, Y4
	VPADDW    Y15, Y3, Y3
	VPADDW    Y14, Y5, Y5
	VPADDW    Y4, Y3, Y3
	VPADDW    Y4, Y5, Y5
	VPSRLW    $4, Y3, Y3
	VPSRLW    $4, Y5, Y5
	VPSLLW    $8, Y5, Y5
	VPOR      Y3, Y5, Y5
	VMOVDQU   Y5, (DI)(AX*2)
	ADDQ      $16, AX
	CMPQ      AX, CX
	JLE       h2v2loop
	SUBQ      $16, AX
	CMPQ      AX, CX
	JGE       h2v2done
	MOVQ      CX, AX                // the last step overlaps the one before
	JMP       h2v2loop

h2v2done:
	VZEROUPPER
	RET

// func h2v1AVX2(dst, in *byte, n int)
// Samples 1 to n-2 of a row of n >= 18.
TEXT ·h2v1AVX2(SB), NOSPLIT, $0-24
	MOVQ    dst+0(FP), DI
	MOVQ    in+8(FP), SI
	MOVQ    n+16(FP), CX
	SUBQ    $17, CX
	MOVL    $1, AX
	VMOVDQU w1<>(SB), Y14
	VMOVDQU w2<>(SB), Y15

h2v1loop:
	VPMOVZXBW -1(SI)(AX*1), Y0
	VPMOVZXBW (SI)(AX*1), Y1
	VPMOVZXBW 1(SI)(AX*1), Y2
	VPADDW    Y1, Y1, Y3
	VPADDW    Y3, Y1, Y1
	VPADDW    Y14, Y0, Y0
	VPADDW    Y15, Y2, Y2
	VPADDW    Y1, Y0, Y0
	VPADDW    Y1, Y2, Y2
	VPSRLW    $2, Y0, Y0
	VPSRLW    $2, Y2, Y2
	VPSLLW    $8, Y2, Y2
	VPOR      Y0, Y2, Y2
	VMOVDQU   Y2, (DI)(AX*2)
	ADDQ      $16, AX
	CMPQ      AX, CX
	JLE       h2v1loop
	SUBQ      $16, AX
	CMPQ      AX, CX
	JGE       h2v1done
	MOVQ      CX, AX                // the last step overlaps the one before
	JMP       h2v1loop

h2v1done:
	VZEROUPPER
	RET

// HALF makes of y, cb, cr bytes the words red, green, blue of 16 of 32 pixels; unpack chooses which.
#define HALF(unpack, red, green, blue) \
	unpack     Y15, Y0, Y3          \
	unpack     Y15, Y1, Y4          \
	unpack     Y15, Y2, Y5          \
	VPSUBW     Y14, Y4, Y4          \
	VPSUBW     Y14, Y5, Y5          \
	VPUNPCKLWD Y5, Y4, Y6           \
	VPUNPCKHWD Y5, Y4, Y7           \
	VPMADDWD   greenPart<>(SB), Y6, Y6  \
	VPMADDWD   greenPart<>(SB), Y7, Y7  \
	VPADDD     Y13, Y6, Y6          \
	VPADDD     Y13, Y7, Y7          \
	VPSRAD     $16, Y6, Y6          \
	VPSRAD     $16, Y7, Y7          \
	VPACKSSDW  Y7, Y6, Y6           \
	VPMULHRSW  fromCr<>(SB), Y5, red \
	VPMULHRSW  fromCb<>(SB), Y4, blue \
	VPSUBW     Y5, Y3, Y7           \
	VPADDW     Y5, Y3, Y5           \
	VPADDW     Y4, Y4, Y4           \
	VPADDW     Y5, red, red         \
	VPADDW     Y4, Y3, Y4           \
	VPADDW     Y7, Y6, green        \
	VPADDW     Y4, blue, blue

// func yccAVX2(dst, y, cb, cr *byte, n int)
// n >= 32 pixels.
TEXT ·yccAVX2(SB), NOSPLIT, $0-40
	MOVQ    dst+0(FP), DI
	MOVQ    y+8(FP), SI
	MOVQ    cb+16(FP), DX
	MOVQ    cr+24(FP), BX
	MOVQ    n+32(FP), CX
	SUBQ    $32, CX
	XORL    AX, AX
	VPXOR   Y15, Y15, Y15
	VMOVDQU w128<>(SB), Y14
	VMOVDQU half<>(SB), Y13

yccloop:
	VMOVDQU (SI)(AX*1), Y0
	VMOVDQU (DX)(AX*1), Y1
	VMOVDQU (BX)(AX*1), Y2
	HALF(VPUNPCKLBW, Y8, Y9, Y10)
	HALF(VPUNPCKHBW, Y11, Y12, Y0)
	VPACKUSWB Y0, Y10, Y2          // blue, green, red of 32 pixels
	VPACKUSWB Y12, Y9, Y1
	VPACKUSWB Y11, Y8, Y0
	LEAQ      (AX)(AX*2), R8
	ADDQ      DI, R8
	VPSHUFB   rgb0R<>(SB), Y0, Y3
	VPSHUFB   rgb0G<>(SB), Y1, Y4
	VPSHUFB   rgb0B<>(SB), Y2, Y5
	VPOR      Y4, Y3, Y3
	VPOR      Y5, Y3, Y3
	VPSHUFB   rgb1R<>(SB), Y0, Y6
	VPSHUFB   rgb1G<>(SB), Y1, Y7
	VPSHUFB   rgb1B<>(SB), Y2, Y8
	VPOR      Y7, Y6, Y6
	VPOR      Y8, Y6, Y6
	VPSHUFB   rgb2R<>(SB), Y0, Y9
	VPSHUFB   rgb2G<>(SB), Y1, Y10
	VPSHUFB   rgb2B<>(SB), Y2, Y11
	VPOR      Y10, Y9, Y9
	VPOR      Y11, Y9, Y9
	VMOVDQU   X3, (R8)
	VMOVDQU   X6, 16(R8)
	VMOVDQU   X9, 32(R8)
	VEXTRACTI128 $1, Y3, 48(R8)
	VEXTRACTI128 $1, Y6, 64(R8)
	VEXTRACTI128 $1, Y9, 80(R8)
	ADDQ      $32, AX
	CMPQ      AX, CX
	JLE       yccloop
	SUBQ      $32, AX
	CMPQ      AX, CX
	JGE       yccdone
	MOVQ      CX, AX                // the last step overlaps the one before
	JMP       yccloop

yccdone:
	VZEROUPPER
	RET
