//go:build amd64 && !purego

package kernel

func (v *vecISA) roundSteps(a *roundArgs) {
	if v.lanes == 16 {
		roundStepsAVX512(a)
	} else {
		roundStepsAVX2(a)
	}
}

func (v *vecISA) roundGrad(a *roundArgs) {
	if v.lanes == 16 {
		roundGradAVX512(a)
	} else {
		roundGradAVX2(a)
	}
}

// extremeLanes is the number of results of either kind.
func (v *vecISA) extremeLanes() int { return v.lanes }

func (v *vecISA) extremes(a *roundArgs) {
	if v.lanes == 16 {
		extremesAVX512(a)
	} else {
		extremesAVX2(a)
	}
}
