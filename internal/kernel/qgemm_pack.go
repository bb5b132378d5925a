//go:build amd64 && !purego

package kernel

import (
	"encoding/binary"
	"slices"
)

// qHeader is the bytes before the constants: the first is 1 if a channel shifts
// left, the second if all weights have one zero point, whose negative is the
// number at four; else that is 1.
const qHeader = 64

// blocks is the bytes of the header and the constants of all panels.
func (p *qPlan) blocks() int { return qHeader + p.panels*2*quantBlock }

// panelLen is the bytes of a panel's weights.
func (p *qPlan) panelLen(v *qISA) int {
	if v.kind == qWords {
		return 2 * p.k * v.panel
	}
	return p.k * v.panel
}

// width is the outputs of a panel: the last has half of them if that is enough.
func (v *qISA) width(o, panel int) int {
	if o-panel*v.panel <= quantLanes {
		return quantLanes
	}
	return v.panel
}

// pack lays out the constants of requantization, then weights as panels
// [panel][k/4][outputs][4], or of words less their zero points as
// [panel][k/2][16][2]. Inputs are in the order kh, kw, c, with every run of a
// kernel row rounded up.
func (v *qISA) pack(a *QConv, dst []byte) {
	p := v.plan(&a.QConvShape)
	p.packBlocks(v, a, dst)
	dst = dst[p.blocks():]
	clear(dst)
	taps := a.KH * a.KW
	for o := range a.O {
		width, i := v.width(a.O, o/v.panel), o%v.panel
		panel := dst[o/v.panel*p.panelLen(v):][:p.panelLen(v)]
		zero := int16(0)
		if a.HasWZero {
			zero = int16(a.WZero[o])
		}
		weights := a.Weight[o*a.C*taps:][:a.C*taps]
		for t := range taps {
			k := t/a.KW*p.run + t%a.KW*a.C
			if v.kind == qWords {
				for c := range a.C {
					at := (k+c)/2*4*width + i*4 + (k+c)%2*2
					binary.NativeEndian.PutUint16(panel[at:], uint16(int16(weights[c*taps+t])-zero))
				}
				continue
			}
			for c := range a.C {
				panel[(k+c)/4*4*width+i*4+(k+c)%4] = byte(weights[c*taps+t])
			}
		}
	}
}

// packBlocks writes the constants of all panels. The zero points of the inputs
// are folded into the bias: of all the taps, since padding is the zero point
// itself.
func (p *qPlan) packBlocks(v *qISA, a *QConv, dst []byte) {
	bias, n := make([]int32, a.O), a.C*a.KH*a.KW
	for o := range bias {
		sum := int32(0)
		for _, w := range a.Weight[o*n:][:n] {
			sum += int32(w)
		}
		if a.HasWZero {
			sum -= int32(n) * a.WZero[o]
		}
		bias[o] = a.Bias[o] - int32(a.XZero)*sum
	}
	clear(dst[:p.blocks()])
	if shiftsLeft(a) {
		dst[0] = 1
	}
	factor := int32(1)
	if a.HasWZero && !slices.ContainsFunc(a.WZero, func(z int32) bool { return z != a.WZero[0] }) {
		dst[1], factor = 1, -a.WZero[0]
	}
	binary.NativeEndian.PutUint32(dst[4:], uint32(factor))
	for i := 0; i*quantLanes < a.O; i++ {
		packQuant(a, quantLanes*i, bias, dst[qHeader+quantBlock*i:])
	}
}
