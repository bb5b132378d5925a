//go:build arm64 && !purego

package kernel

// The routines of training, called by name as those of vec_arm64.go.

func (v *vecISA) normStats(a *normArgs)      { normStatsNEON(a) }
func (v *vecISA) normApply(a *normArgs)      { normApplyNEON(a) }
func (v *vecISA) normGradSums(a *normArgs)   { normGradSumsNEON(a) }
func (v *vecISA) normGradInput(a *normArgs)  { normGradInputNEON(a) }
func (v *vecISA) outer(a *outerArgs)         { outerNEON(a) }
func (v *vecISA) dwTaps(a *tapsArgs)         { dwTapsNEON(a) }
func (v *vecISA) dwGradTaps(a *gradTapsArgs) { dwGradTapsNEON(a) }
func (v *vecISA) linear(a *linearArgs)       { linearNEON(a) }
func (v *vecISA) mapSlope(a *elemArgs)       { mapSlopeNEON(a) }
func (v *vecISA) nesterov(a *linearArgs)     { nesterovNEON(a) }
func (v *vecISA) meanSquare(a *updateArgs)   { meanSquareNEON(a) }
func (v *vecISA) rmsMomentum(a *updateArgs)  { rmsMomentumNEON(a) }
func (v *vecISA) adamStep(a *updateArgs)     { adamStepNEON(a) }
