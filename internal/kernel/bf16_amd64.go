//go:build amd64 && !purego

package kernel

import "github.com/mobilenet-go/mobilenet/internal/cpu"

// halfISA is an instruction set with products of bfloat16.
type halfISA struct {
	suffix, impl string
	available    func() bool
	tiles        bool
	unit         int // rows of the largest product tile
	work         int // multiply-adds aimed at in a task: about 10 microseconds
}

var (
	halfAMX    = halfISA{"AMX", "amx", cpu.AMX, true, 32, 1 << 23}
	halfAVX512 = halfISA{"AVX512BF16", "avx512", cpu.BF16, false, 14, 1 << 20}
)

// vecBF16ConvKernels lists them, best first.
func vecBF16ConvKernels() []ConvKernel {
	out := []ConvKernel{halfVecKernel()}
	for _, v := range []*halfISA{&halfAMX, &halfAVX512} {
		out = append(out, v.gemmKernel("pwconvBF16", pointwise, 1), v.gemmKernel("convBF16", nil, 1), v.gemmKernel("pwconvBF16x3", pointwise, 2))
	}
	for _, k := range []int{3, 5} {
		out = append(out, halfDWKernel(k, 1), halfDWKernel(k, 2))
	}
	return append(out, halfStem())
}

func (v *halfISA) gemm(a *halfArgs, n int) {
	if !v.tiles {
		a.rows = n
		gemmBF16AVX512(a)
		return
	}
	// Whole blocks of 32 rows, then what is left with smaller tiles. Pointers
	// move only to rows that exist: one past the end of its memory would point
	// into another object, which the garbage collector does not forgive.
	blocks, rest := n&^31, n&31
	if blocks > 0 {
		a.rows = blocks
		a.config = tileConfig(16, 16)
		gemmBF16AMX(a)
	}
	if rest > 0 {
		if blocks > 0 {
			a.x, a.y, a.res = moved(a.x, blocks*a.xStride), moved(a.y, blocks*a.yStride), moved(a.res, blocks*a.yStride)
		}
		a.rows = rest
		a.config = tileConfig(min(rest, 16), max(rest-16, 0))
		gemmBF16AMX(a)
	}
}

// tileConfig is the memory of LDTILECFG for sums of first and second rows.
// Tiles without rows are left out: they may not be named.
func tileConfig(first, second int) (c [64]byte) {
	c[0] = 1
	for t, rows := range [8]int{first, first, second, second, first, second, 16, 16} {
		if rows > 0 {
			c[16+2*t] = 64
			c[48+t] = byte(rows)
		}
	}
	return c
}
