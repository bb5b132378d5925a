//go:build !purego

package jpeg

import (
	xcpu "golang.org/x/sys/cpu"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
)

//go:noescape
func mcuAVX2(b *bits, m *mcu) (bad int)

//go:noescape
func idct8AVX2(dst *byte, pitch int, blk, q *[64]int16)

//go:noescape
func idct4AVX2(dst *byte, pitch int, blk, q *[64]int16)

//go:noescape
func idct2AVX2(dst *byte, pitch int, blk, q *[64]int16)

//go:noescape
func h2v1AVX2(dst, in *byte, n int)

//go:noescape
func h2v2AVX2(dst, near, far *byte, n int)

//go:noescape
func yccAVX2(dst, y, cb, cr *byte, n int)

// bestKernels picks the fastest implementation that the processor and the user allow.
func bestKernels(generic bool) kernels {
	limit, _ := cpu.Limit()
	if generic || !cpu.AVX2() || !xcpu.X86.HasBMI2 || cpu.Rung(limit) < cpu.Rung("avx2") {
		return genericKernels()
	}
	k := genericKernels()
	k.place, k.mcu = pairs, mcuAVX2
	k.idct8 = func(dst []byte, pitch int, blk, q *[64]int16) {
		_ = dst[7*pitch+7]
		idct8AVX2(&dst[0], pitch, blk, q)
	}
	k.idct4 = func(dst []byte, pitch int, blk, q *[64]int16) {
		_ = dst[3*pitch+3]
		idct4AVX2(&dst[0], pitch, blk, q)
	}
	k.idct2 = func(dst []byte, pitch int, blk, q *[64]int16) {
		_ = dst[pitch+1]
		idct2AVX2(&dst[0], pitch, blk, q)
	}
	k.h2v1, k.h2v2, k.ycc = h2v1, h2v2, ycc
	return k
}

func h2v1(dst, in []byte) {
	n := len(in)
	if n < 18 {
		triangleH2(dst, in)
		return
	}
	dst = dst[:2*n]
	h2v1AVX2(&dst[0], &in[0], n)
	dst[0], dst[2*n-1] = in[0], in[n-1]
	dst[1] = byte((3*uint32(in[0]) + uint32(in[1]) + 2) >> 2)
	dst[2*n-2] = byte((3*uint32(in[n-1]) + uint32(in[n-2]) + 1) >> 2)
}

func h2v2(dst, near, far []byte) {
	n := len(near)
	if n < 18 {
		triangleH2V2(dst, near, far)
		return
	}
	dst, far = dst[:2*n], far[:n]
	h2v2AVX2(&dst[0], &near[0], &far[0], n)
	sum := func(i int) uint32 { return 3*uint32(near[i]) + uint32(far[i]) }
	dst[0], dst[1] = byte((4*sum(0)+8)>>4), byte((3*sum(0)+sum(1)+7)>>4)
	dst[2*n-2], dst[2*n-1] = byte((3*sum(n-1)+sum(n-2)+8)>>4), byte((4*sum(n-1)+7)>>4)
}

func ycc(dst, y, cb, cr []byte) {
	n := len(y)
	if n < 32 {
		yccRow(dst, y, cb, cr)
		return
	}
	dst, cb, cr = dst[:3*n], cb[:n], cr[:n]
	yccAVX2(&dst[0], &y[0], &cb[0], &cr[0], n)
}

// pairs is where the vector transforms expect a coefficient: see idct_amd64.s.
func pairs(row, col int) int {
	rows := [8]int{0, 33, 16, 48, 1, 49, 17, 32}
	cols := [8]int{0, 5, 2, 6, 1, 7, 3, 4}
	return rows[row] + 2*cols[col]
}
