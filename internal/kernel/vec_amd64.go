//go:build amd64 && !purego

package kernel

import (
	"math"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
)

//go:generate go run -C _asm . -o ..

var (
	isaAVX512 = vecISA{"AVX512", "avx512", cpu.AVX512, 16, 4, 14}
	isaAVX2   = vecISA{"AVX2", "avx2", cpu.AVX2, 8, 2, 6}
)

// vecISAs lists them, best first.
var vecISAs = [...]*vecISA{&isaAVX512, &isaAVX2}

// The routines are called by name, never through a variable, which would send
// their arguments to the heap.

func (v *vecISA) gemm(a *gemmArgs) {
	if v.lanes == 16 {
		gemmAVX512(a)
	} else {
		gemmAVX2(a)
	}
}

func (v *vecISA) depthwise(k, stride int, a *dwArgs) {
	switch {
	case v.lanes == 16 && k == 3 && stride == 1:
		dw3S1AVX512(a)
	case v.lanes == 16 && k == 3:
		dw3S2AVX512(a)
	case v.lanes == 16 && stride == 1:
		dw5S1AVX512(a)
	case v.lanes == 16:
		dw5S2AVX512(a)
	case k == 3 && stride == 1:
		dw3S1AVX2(a)
	case k == 3:
		dw3S2AVX2(a)
	case stride == 1:
		dw5S1AVX2(a)
	default:
		dw5S2AVX2(a)
	}
}

func (v *vecISA) scalePanel(a *elemArgs) {
	if v.lanes == 16 {
		scalePanelAVX512(a)
	} else {
		scalePanelAVX2(a)
	}
}

func (v *vecISA) scaleRows(a *elemArgs) {
	if v.lanes == 16 {
		scaleRowsAVX512(a)
	} else {
		scaleRowsAVX2(a)
	}
}

func (v *vecISA) mapMul(a *elemArgs) {
	if v.lanes == 16 {
		mapMulAVX512(a)
	} else {
		mapMulAVX2(a)
	}
}

func (v *vecISA) mapAdd(a *elemArgs) {
	if v.lanes == 16 {
		mapAddAVX512(a)
	} else {
		mapAddAVX2(a)
	}
}

func (v *vecISA) mapSub(a *elemArgs) {
	if v.lanes == 16 {
		mapSubAVX512(a)
	} else {
		mapSubAVX2(a)
	}
}

func (v *vecISA) mapAct(a *elemArgs) {
	if v.lanes == 16 {
		mapActAVX512(a)
	} else {
		mapActAVX2(a)
	}
}

func (v *vecISA) sumPixels(a *elemArgs) {
	if v.lanes == 16 {
		sumPixelsAVX512(a)
	} else {
		sumPixelsAVX2(a)
	}
}

func (v *vecISA) outer(a *outerArgs) {
	if v.lanes == 16 {
		outerAVX512(a)
	} else {
		outerAVX2(a)
	}
}

func (v *vecISA) normStats(a *normArgs) {
	if v.lanes == 16 {
		normStatsAVX512(a)
	} else {
		normStatsAVX2(a)
	}
}

func (v *vecISA) normApply(a *normArgs) {
	if v.lanes == 16 {
		normApplyAVX512(a)
	} else {
		normApplyAVX2(a)
	}
}

func (v *vecISA) normGradSums(a *normArgs) {
	if v.lanes == 16 {
		normGradSumsAVX512(a)
	} else {
		normGradSumsAVX2(a)
	}
}

func (v *vecISA) normGradInput(a *normArgs) {
	if v.lanes == 16 {
		normGradInputAVX512(a)
	} else {
		normGradInputAVX2(a)
	}
}

func (v *vecISA) dwTaps(a *tapsArgs) {
	if v.lanes == 16 {
		dwTapsAVX512(a)
	} else {
		dwTapsAVX2(a)
	}
}

func (v *vecISA) dwGradTaps(a *gradTapsArgs) {
	if v.lanes == 16 {
		dwGradTapsAVX512(a)
	} else {
		dwGradTapsAVX2(a)
	}
}

// transposeEight writes the first n columns, a multiple of eight, of eight rows
// as parts of rows of y. It is false where there is no routine.
func transposeEight(x []float32, xStride, n int, y []float32, yStride int) bool {
	_, _ = x[7*xStride+n-1], y[(n-1)*yStride+7]
	transposeAVX2(&transposeArgs{x: &x[0], y: &y[0], xStride: 4 * xStride, yStride: 4 * yStride, n: n})
	return true
}

// byStdVectors divides as many as whole vectors hold by the standard deviations,
// and tells how many those are.
func byStdVectors(x, variance []float32, epsilon float64, y []float32) int {
	n := len(y) &^ 3
	if n > 0 {
		byStdAVX2(&byStdArgs{x: &x[0], variance: &variance[0], y: &y[0], n: n, epsilon: int(math.Float64bits(epsilon))})
	}
	return n
}

func (v *vecISA) nesterov(a *linearArgs) {
	if v.lanes == 16 {
		nesterovAVX512(a)
	} else {
		nesterovAVX2(a)
	}
}

func (v *vecISA) linear(a *linearArgs) {
	if v.lanes == 16 {
		linearAVX512(a)
	} else {
		linearAVX2(a)
	}
}
