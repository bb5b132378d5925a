//go:build amd64 && !purego

package kernel

func (v *vecISA) mapSlope(a *elemArgs) {
	if v.lanes == 16 {
		mapSlopeAVX512(a)
	} else {
		mapSlopeAVX2(a)
	}
}

func (v *vecISA) meanSquare(a *updateArgs) {
	if v.lanes == 16 {
		meanSquareAVX512(a)
	} else {
		meanSquareAVX2(a)
	}
}

func (v *vecISA) rmsMomentum(a *updateArgs) {
	if v.lanes == 16 {
		rmsMomentumAVX512(a)
	} else {
		rmsMomentumAVX2(a)
	}
}

func (v *vecISA) adamStep(a *updateArgs) {
	if v.lanes == 16 {
		adamStepAVX512(a)
	} else {
		adamStepAVX2(a)
	}
}
