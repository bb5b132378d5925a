//go:build arm64 && !purego

package kernel

func (v *vecISA) roundSteps(a *roundArgs) { roundStepsNEON(a) }
func (v *vecISA) roundGrad(a *roundArgs)  { roundGradNEON(a) }

// extremeLanes is the number of results of either kind.
func (v *vecISA) extremeLanes() int { return 4 }

func (v *vecISA) extremes(a *roundArgs) { extremesNEON(a) }
