//go:build arm64 && !purego

package kernel

import "github.com/mobilenet-go/mobilenet/internal/cpu"

// isaNEON has registers of four float32s; its depthwise routines take them in
// pairs.
var isaNEON = vecISA{"NEON", "neon", cpu.NEON, 8, 2, 6}

// vecISAs lists them, best first.
var vecISAs = [...]*vecISA{&isaNEON}

// The routines are called by name, never through a variable, which would send
// their arguments to the heap.

func (v *vecISA) gemm(a *gemmArgs) { gemmNEON(a) }

func (v *vecISA) depthwise(k, stride int, a *dwArgs) {
	switch {
	case k == 3 && stride == 1:
		dw3S1NEON(a)
	case k == 3:
		dw3S2NEON(a)
	case stride == 1:
		dw5S1NEON(a)
	default:
		dw5S2NEON(a)
	}
}

func (v *vecISA) scalePanel(a *elemArgs) { scalePanelNEON(a) }
func (v *vecISA) scaleRows(a *elemArgs)  { scaleRowsNEON(a) }
func (v *vecISA) mapMul(a *elemArgs)     { mapMulNEON(a) }
func (v *vecISA) mapAdd(a *elemArgs)     { mapAddNEON(a) }
func (v *vecISA) mapSub(a *elemArgs)     { mapSubNEON(a) }
func (v *vecISA) mapAct(a *elemArgs)     { mapActNEON(a) }
func (v *vecISA) sumPixels(a *elemArgs)  { sumPixelsNEON(a) }

// byStdVectors is for processors that have a routine.
func byStdVectors(x, variance []float32, epsilon float64, y []float32) int { return 0 }

// transposeEight is for processors that have a routine.
func transposeEight(x []float32, xStride, n int, y []float32, yStride int) bool { return false }
