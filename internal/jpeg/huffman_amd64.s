//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// The loop over the codes of a block. Registers:
//	R8 the next bits, at the top    R9 how many count    SI next byte to count
//	DI table of AC codes            DX block             R10 places
//	R11 place in zigzag order       R12 mcu              R13 number of the block
//	R15 64-lookBits

// REFILL brings the bits to at least 56.
#define REFILL \
	MOVQ   (SI), AX     \
	BSWAPQ AX           \
	SHRXQ  R9, AX, AX   \
	MOVQ   R9, BX       \
	ORQ    AX, R8       \
	XORQ   $63, BX      \
	SHRQ   $3, BX       \
	ORQ    $56, R9      \
	ADDQ   BX, SI

// COEF takes one coefficient that a look at the table resolves whole; anything else goes to slow.
#define COEF(slow) \
	SHRXQ   R15, R8, AX         \
	MOVL    (DI)(AX*4), AX      \
	TESTB   $0xc0, AX           \
	JNZ     slow                \
	SHLXQ   AX, R8, R8          \
	MOVBLZX AX, BX              \
	SUBQ    BX, R9              \
	MOVBLZX AH, CX              \
	SHRL    $16, AX             \
	LEAQ    1(R11)(CX*1), R11   \
	MOVBLZX -1(R10)(R11*1), CX  \
	MOVW    AX, (DX)(CX*2)      \
	CMPQ    R11, $64            \
	JAE     done

// SYMBOL finishes in AX an entry that did not resolve everything; table is the table's register.
#define SYMBOL(table, far, loop, none, end) \
	TESTB   $0x80, AX           \
	JNZ     far                 \
	MOVL    AX, BX              \
	SHRL    $8, AX              \
	ANDL    $31, BX             \
	MOVBLZX AX, AX              \
	SHLXQ   BX, R8, R8          \
	SUBQ    BX, R9              \
	JMP     end                 \
far:                                \
	MOVQ    R8, BX              \
	SHRQ    $47, BX             \
	MOVL    $(const_lookBits+1), CX \
loop:                               \
	MOVL    $17, R14            \
	SUBL    CX, R14             \
	SHRXL   R14, BX, AX         \
	CMPL    AX, huffman_max(table)(CX*4) \
	JLE     none                \
	INCL    CX                  \
	JMP     loop                \
none:                               \
	SHLXQ   CX, R8, R8          \
	SUBQ    CX, R9              \
	ADDL    huffman_offset(table)(CX*4), AX \
	MOVBLZX AX, AX              \
	MOVBLZX huffman_symbol(table)(AX*1), AX \
	CMPL    CX, $16             \
	JLE     end                 \
	XORL    AX, AX              \
	INCQ    bad+16(FP)          \
end:

// VALUE makes of the BX next bits (1 to 15) a signed number in AX.
#define VALUE \
	MOVL  $64, CX       \
	SUBL  BX, CX        \
	SHRXQ CX, R8, AX    \
	SHLXQ BX, R8, R8    \
	SUBQ  BX, R9        \
	MOVL  $-1, CX       \
	SHLXL BX, CX, CX    \
	INCL  CX            \
	LEAL  (AX)(AX*1), R14 \
	SHRXL BX, R14, R14  \
	DECL  R14           \
	ANDL  R14, CX       \
	ADDL  CX, AX

// func mcuAVX2(b *bits, m *mcu) (bad int)
TEXT ·mcuAVX2(SB), NOSPLIT, $0-24
	MOVQ $0, bad+16(FP)
	MOVQ b+0(FP), AX
	MOVQ m+8(FP), R12
	MOVQ bits_acc(AX), R8
	MOVQ bits_n(AX), R9
	MOVQ bits_buf(AX), SI
	ADDQ bits_pos(AX), SI
	MOVQ mcu_order(R12), R10
	MOVQ $(64-const_lookBits), R15
	LEAQ mcu_blocks(R12), DX
	XORL R13, R13

next:
	CMPQ  R13, mcu_n(R12)
	JGE   finish
	MOVQ  mcu_dc(R12)(R13*8), DI
	REFILL
	SHRXQ R15, R8, AX
	MOVL  (DI)(AX*4), AX
	TESTB $0xc0, AX
	JNZ   slowDC
	SHLXQ AX, R8, R8
	MOVBLZX AX, BX
	SUBQ  BX, R9
	SARL  $16, AX

mean:
	MOVQ  mcu_pred(R12)(R13*8), BX
	ADDL  (BX), AX
	MOVL  AX, (BX)
	MOVW  AX, (DX)
	MOVQ  mcu_ac(R12)(R13*8), DI
	MOVL  $1, R11

head:
	REFILL
	COEF(slow)
	COEF(head)
	COEF(head)
	COEF(head)
	COEF(head)
	JMP head

slow:
	SYMBOL(DI, slowFar, slowLoop, slowNone, slowEnd)
	MOVL    AX, BX
	SHRL    $4, AX
	ANDL    $15, BX
	JZ      zeros
	ADDQ    AX, R11
	VALUE
	INCQ    R11
	MOVBLZX -1(R10)(R11*1), CX
	MOVW    AX, (DX)(CX*2)
	CMPQ    R11, $64
	JB      head
	JMP     done

zeros:
	CMPL AX, $15
	JNE  last
	ADDQ $16, R11
	CMPQ R11, $64
	JB   head
	JMP  done

last:
	ADDQ $(const_pastEnd+1), R11

done:
	MOVL    $64, AX
	SUBQ    $(const_pastEnd+1), R11
	CMOVQGE R11, AX
	MOVB    AX, mcu_end(R12)(R13*1)
	ADDQ    $256, DX
	INCQ    R13
	JMP     next

slowDC:
	SYMBOL(DI, dcFar, dcLoop, dcNone, dcEnd)
	MOVL AX, BX
	ANDL $15, BX
	JZ   flat
	VALUE
	JMP  mean

flat:
	XORL AX, AX
	JMP  mean

finish:
	MOVQ b+0(FP), AX
	MOVQ R8, bits_acc(AX)
	MOVQ R9, bits_n(AX)
	SUBQ bits_buf(AX), SI
	MOVQ SI, bits_pos(AX)
	RET
