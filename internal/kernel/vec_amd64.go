//go:build amd64 && !purego

package kernel

import (
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

//go:generate go run -C _asm . -o ..

// vecISA is an instruction set the generator has written kernels for.
type vecISA struct {
	suffix, impl string
	available    func() bool
	lanes        int // float32s of a register
	wide         int // eights of outputs of a full weight panel
	rows         int // rows of the largest product tile
}

var (
	isaAVX512 = vecISA{"AVX512", "avx512", cpu.AVX512, 16, 4, 14}
	isaAVX2   = vecISA{"AVX2", "avx2", cpu.AVX2, 8, 2, 6}
)

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

// The modes of the routines' epilogues.
const (
	modeLinear = iota
	modeReLU
	modeClip
	modeHSwish
	modeHSigmoid
)

// vecAct is an activation as the routines take it. fused is false for those
// they leave to a pass of its own, with the mode linear.
func vecAct(act Act) (mode int, lo, hi, scale float32, fused bool) {
	switch act.Kind {
	case ref.Linear:
		return modeLinear, 0, 0, 0, true
	case ref.ReLU:
		return modeReLU, 0, 0, 0, true
	case ref.ReLU6:
		return modeClip, 0, 6, 0, true
	case ref.Clip:
		return modeClip, act.A, act.B, 0, true
	case ref.HSwish:
		return modeHSwish, 0, 0, act.A, true
	case ref.HSigmoid:
		return modeHSigmoid, 0, 0, act.A, true
	}
	return modeLinear, 0, 0, 0, false
}

// vecConvKernels lists the convolutions, best first.
func vecConvKernels() []ConvKernel {
	var out []ConvKernel
	for _, v := range vecISAs {
		out = append(out,
			v.dwKernel(3, 1), v.dwKernel(3, 2), v.dwKernel(5, 1), v.dwKernel(5, 2),
			v.gemmKernel("pwconvF32", acceptVecPointwise), v.gemmKernel("convF32", acceptGemm))
	}
	return out
}
