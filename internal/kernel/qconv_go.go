package kernel

import (
	"encoding/binary"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// The portable convolution of bytes: any shape, as rows of inputs times panels
// of eight outputs. Two weights share a float64, the second 2^26 times as
// large, so that one multiplication forms two products: processors multiply
// and add more float64s than integers at a time, and all of these are integers
// below 2^52, exact in any order. The two sums part every qgoBlock inputs,
// before the lower one leaves its 26 bits.

const (
	// qgoPanel is the outputs of a panel: four numbers of two.
	qgoPanel = 8
	// qgoBlock is the inputs after which sums part: 512*255*255 < 2^25.
	qgoBlock = 512
	// qgoMost bounds the products of an output: sums fit 32 bits.
	qgoMost = 1 << 15
)

// qgoPlan is how a shape is divided: groups, chunks of pixels, chunks of
// panels.
type qgoPlan struct {
	og, cg, k int // outputs and inputs of a group, products of an output
	panels    int // of a group
	pixels    int
	gather    bool
	px, ch    int // pixels and panels of a chunk
	npx, nc   int // chunks
}

func planQGo(s *QConvShape) (p qgoPlan) {
	p.og, p.cg = s.O/s.Groups, s.C/s.Groups
	p.k = s.KH * s.KW * p.cg
	p.panels, p.pixels = ceilDiv(p.og, qgoPanel), s.N*s.OH*s.OW
	p.gather = !pointwiseBytes(s)
	work := max(p.k, 1) * qgoPanel
	// Rows become float64s, which stay in the cache.
	p.px = max(2, min(p.pixels, (1<<15)/max(p.k, 1)))
	p.ch = p.panels
	for p.px > 8 && p.px*work*p.ch > taskWork {
		p.px = ceilDiv(p.px, 2)
	}
	if p.px*work*p.ch > taskWork {
		// Making rows is worth some panels.
		p.ch = min(p.panels, max(8, taskWork/(work*p.px)))
	}
	p.npx = max(1, ceilDiv(p.pixels, p.px))
	p.px = (ceilDiv(p.pixels, p.npx) + 1) &^ 1
	p.npx = max(1, ceilDiv(p.pixels, max(p.px, 1)))
	p.nc = ceilDiv(p.panels, p.ch)
	p.ch = ceilDiv(p.panels, p.nc)
	p.nc = ceilDiv(p.panels, p.ch)
	return p
}

// pointwiseBytes holds for a kernel of one tap on the pixel of its output.
func pointwiseBytes(s *QConvShape) bool {
	return s.KH*s.KW == 1 && s.StrideH*s.StrideW == 1 && s.PadTop|s.PadLeft == 0 && s.OH == s.H && s.OW == s.W
}

var convU8Go = QConvKernel{
	Name: "convU8T2x8Go", Impl: "go", Available: always,
	Accepts:    func(s *QConvShape) bool { return s.O > 0 && s.C > 0 && s.KH*s.KW*s.C/s.Groups <= qgoMost },
	PackedLen:  func(s *QConvShape) int { p := planQGo(s); return s.Groups*p.panels*p.panelLen() + 12*s.O },
	Pack:       packQGo,
	Tasks:      func(s *QConvShape) int { p := planQGo(s); return s.Groups * p.npx * p.nc },
	ScratchLen: func(s *QConvShape) int { p := planQGo(s); return 2*p.px*p.k + ceilDiv(p.k, 4) },
	Run:        runQGo,
}

// panelLen is the bytes of a panel.
func (p *qgoPlan) panelLen() int { return 8 * p.k * qgoPanel / 2 }

// packQGo lays constants out as panels [group][panel][kh][kw][c][4] of pairs of
// weights, each less its zero point; then folded biases, multipliers and
// shifts.
func packQGo(a *QConv, dst []byte) {
	p, taps := planQGo(&a.QConvShape), a.KH*a.KW
	rest := dst[a.Groups*p.panels*p.panelLen():]
	put := func(o int, field int, v int32) {
		binary.NativeEndian.PutUint32(rest[4*(field*a.O+o):], uint32(v))
	}
	for o := range a.O {
		bias := a.Bias[o]
		for _, w := range a.Weight[o*p.k:][:p.k] {
			v := int32(w)
			if a.HasWZero {
				v -= a.WZero[o]
			}
			bias -= int32(a.XZero) * v
		}
		put(o, 0, bias)
		put(o, 1, a.Mult[o])
		put(o, 2, a.Shift[o])
	}
	for g := range a.Groups {
		for panel := range p.panels {
			for t := range taps {
				for c := range p.cg {
					var w [qgoPanel]float64
					for j := range min(qgoPanel, p.og-panel*qgoPanel) {
						o := g*p.og + panel*qgoPanel + j
						w[j] = float64(a.Weight[(o*p.cg+c)*taps+t])
						if a.HasWZero {
							w[j] -= float64(a.WZero[o])
						}
					}
					for j := range qgoPanel / 2 {
						binary.NativeEndian.PutUint64(dst[8*j:], math.Float64bits(w[2*j]+w[2*j+1]*(1<<26)))
					}
					dst = dst[4*qgoPanel:]
				}
			}
		}
	}
}

func runQGo(a *QConv, task int, scratch []float32) {
	p := planQGo(&a.QConvShape)
	c0 := task % p.nc * p.ch
	p0 := task / p.nc % p.npx * p.px
	g := task / p.nc / p.npx
	n, end := min(p.px, p.pixels-p0), min(c0+p.ch, p.panels)
	if n <= 0 {
		return
	}
	made, line := float64s(Bytes(scratch[:2*p.px*p.k])), Bytes(scratch[2*p.px*p.k:])[:p.k]
	for i := range n {
		from := line
		if p.gather {
			gatherBytes(a, g, p0+i, line, p.k/a.KH)
		} else {
			from = a.X[(p0+i)*a.XPixel+g*p.k:][:p.k]
		}
		row := made[i*p.k:][:len(from)]
		for j, v := range from {
			row[j] = float64(v)
		}
	}
	panels, rest := float64s(a.Packed[:a.Groups*p.panels*p.panelLen()]), a.Packed[a.Groups*p.panels*p.panelLen():]
	for c := c0; c < end; c++ {
		w := panels[(g*p.panels+c)*p.k*qgoPanel/2:][:p.k*qgoPanel/2]
		o := c * qgoPanel
		valid := min(qgoPanel, p.og-o)
		o += g * p.og
		for i := 0; i < n; i += 2 {
			second := min(i+1, n-1)
			var acc [2][qgoPanel]int32
			for k := 0; k < p.k; k += qgoBlock {
				m := min(qgoBlock, p.k-k)
				sums := productQGo(made[i*p.k+k:][:m], made[second*p.k+k:][:m], w[k*qgoPanel/2:][:m*qgoPanel/2])
				for r := range acc {
					for j := range qgoPanel / 2 {
						sum := int64(sums[4*r+j])
						low := sum << 38 >> 38
						acc[r][2*j] += int32(low)
						acc[r][2*j+1] += int32((sum - low) >> 26)
					}
				}
			}
			for r := range second - i + 1 {
				finishQGo(a, rest, o, acc[r][:valid], a.Y[(p0+i+r)*a.YPixel+o:])
			}
		}
	}
}

// finishQGo requantizes the sums of outputs from o on as QConvShape.Rescale
// does; rest is the packed constants behind the weights.
func finishQGo(a *QConv, rest []byte, o int, acc []int32, y []uint8) {
	bias, mult, shifts := rest[4*o:], rest[4*(a.O+o):], rest[4*(2*a.O+o):]
	get := func(x []byte, j int) int32 { return int32(binary.NativeEndian.Uint32(x[4*j:])) }
	y = y[:len(acc)]
	twice, lo, hi := a.Twice(), int32(a.Lo), int32(a.Hi)
	for j, sum := range acc {
		sum += get(bias, j)
		m, shift := int64(get(mult, j)), get(shifts, j)
		var v int32
		if a.Float {
			v = ref.RescaleFloat(sum, int32(m))
		} else if twice {
			left, right := max(shift, 0), max(-shift, 0)
			x := int32((int64(sum<<left)*m + 1<<30) >> 31)
			// Ties away from zero: magnitudes round up.
			sign := x >> 31
			size := (uint32((x^sign)-sign) + uint32(1)<<(right&31)>>1) >> (right & 31)
			v = (int32(size) ^ sign) - sign
		} else {
			total := (31 - shift) & 63
			term := int64(1) << (total - 1)
			if a.Up && shift < 0 {
				term += 1 << 30
			}
			v = int32((int64(sum)*m + term) >> total)
		}
		y[j] = uint8(min(max(int32(a.YZero)+v, lo), hi))
		if a.HasTable {
			y[j] = a.Table[y[j]]
		}
	}
}

// productQGo is the pairs of sums of two rows with a panel; as to its form, see
// tile2x4.
func productQGo(x0, x1, w []float64) [8]float64 {
	var a0, a1, a2, a3, b0, b1, b2, b3 float64
	for len(w) >= 32 {
		p, q, v := (*[8]float64)(x0), (*[8]float64)(x1), (*[32]float64)(w)
		x, z := p[0], q[0]
		a0, b0, a1, b1 = a0+x*v[0], b0+z*v[0], a1+x*v[1], b1+z*v[1]
		a2, b2, a3, b3 = a2+x*v[2], b2+z*v[2], a3+x*v[3], b3+z*v[3]
		x, z = p[1], q[1]
		a0, b0, a1, b1 = a0+x*v[4], b0+z*v[4], a1+x*v[5], b1+z*v[5]
		a2, b2, a3, b3 = a2+x*v[6], b2+z*v[6], a3+x*v[7], b3+z*v[7]
		x, z = p[2], q[2]
		a0, b0, a1, b1 = a0+x*v[8], b0+z*v[8], a1+x*v[9], b1+z*v[9]
		a2, b2, a3, b3 = a2+x*v[10], b2+z*v[10], a3+x*v[11], b3+z*v[11]
		x, z = p[3], q[3]
		a0, b0, a1, b1 = a0+x*v[12], b0+z*v[12], a1+x*v[13], b1+z*v[13]
		a2, b2, a3, b3 = a2+x*v[14], b2+z*v[14], a3+x*v[15], b3+z*v[15]
		x, z = p[4], q[4]
		a0, b0, a1, b1 = a0+x*v[16], b0+z*v[16], a1+x*v[17], b1+z*v[17]
		a2, b2, a3, b3 = a2+x*v[18], b2+z*v[18], a3+x*v[19], b3+z*v[19]
		x, z = p[5], q[5]
		a0, b0, a1, b1 = a0+x*v[20], b0+z*v[20], a1+x*v[21], b1+z*v[21]
		a2, b2, a3, b3 = a2+x*v[22], b2+z*v[22], a3+x*v[23], b3+z*v[23]
		x, z = p[6], q[6]
		a0, b0, a1, b1 = a0+x*v[24], b0+z*v[24], a1+x*v[25], b1+z*v[25]
		a2, b2, a3, b3 = a2+x*v[26], b2+z*v[26], a3+x*v[27], b3+z*v[27]
		x, z = p[7], q[7]
		a0, b0, a1, b1 = a0+x*v[28], b0+z*v[28], a1+x*v[29], b1+z*v[29]
		a2, b2, a3, b3 = a2+x*v[30], b2+z*v[30], a3+x*v[31], b3+z*v[31]
		x0, x1, w = x0[8:], x1[8:], w[32:]
	}
	for i, x := range x0 {
		z, v := x1[i], (*[4]float64)(w[4*i:])
		a0, b0, a1, b1 = a0+x*v[0], b0+z*v[0], a1+x*v[1], b1+z*v[1]
		a2, b2, a3, b3 = a2+x*v[2], b2+z*v[2], a3+x*v[3], b3+z*v[3]
	}
	return [8]float64{a0, a1, a2, a3, b0, b1, b2, b3}
}

// gatherBytes collects the inputs of output pixel p and group g: for each row
// of the kernel a run of bytes, taps in order, then zeros. What lies outside of
// the picture is the input's zero point.
func gatherBytes(a *QConv, g, p int, dst []uint8, run int) {
	n, oh, ow := p/(a.OH*a.OW), p/a.OW%a.OH, p%a.OW
	cg := a.C / a.Groups
	h, w := oh*a.StrideH-a.PadTop, ow*a.StrideW-a.PadLeft
	joined := a.DilationW == 1 && a.XPixel == cg && w >= 0 && w+a.KW <= a.W
	for kh := range a.KH {
		line := dst[kh*run:][:run]
		clear(line[a.KW*cg:])
		line = line[:a.KW*cg]
		y := h + kh*a.DilationH
		if y < 0 || y >= a.H {
			fillBytes(line, a.XZero)
			continue
		}
		row := (n*a.H + y) * a.W
		if joined {
			copy(line, a.X[(row+w)*cg:])
			continue
		}
		for kw := range a.KW {
			tap := line[kw*cg:][:cg]
			if x := w + kw*a.DilationW; x < 0 || x >= a.W {
				fillBytes(tap, a.XZero)
			} else {
				copy(tap, a.X[(row+x)*a.XPixel+g*cg:])
			}
		}
	}
}

func fillBytes(x []uint8, v uint8) {
	for i := range x {
		x[i] = v
	}
}
