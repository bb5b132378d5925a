//go:build (amd64 || arm64) && !purego

package kernel

import "github.com/mobilenet-go/mobilenet/internal/kernel/ref"

// vecISA is an instruction set the generator has written kernels for.
type vecISA struct {
	suffix, impl string
	available    func() bool
	lanes        int // float32s of a block of depthwise weights
	wide         int // eights of outputs of a full weight panel
	rows         int // rows of the largest product tile
}

// The modes of the routines' epilogues.
const (
	modeLinear = iota
	modeReLU
	modeClip
	modeHSwish
	modeHSigmoid
	// What follows only the elementwise routine knows.
	modeLeaky
	modeHardSigmoid
	modeSigmoid
	modeSwish
	modeExp // e^(x - lo) of x <= lo
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

// mapArgs are the arguments of the elementwise routine for an activation; ok is
// false for those it does not know either.
func mapArgs(act Act) (e elemArgs, ok bool) {
	if e.mode, e.lo, e.hi, e.scale, ok = vecAct(act); ok {
		return e, true
	}
	switch act.Kind {
	case ref.LeakyReLU:
		return elemArgs{mode: modeLeaky, scale: act.A}, true
	case ref.HardSigmoid:
		return elemArgs{mode: modeHardSigmoid, scale: act.A, lo: act.B}, true
	case ref.Sigmoid:
		return elemArgs{mode: modeSigmoid}, true
	case ref.Swish:
		return elemArgs{mode: modeSwish}, true
	}
	return e, false
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
