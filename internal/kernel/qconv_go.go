package kernel

import (
	"encoding/binary"
)

// The portable convolution of bytes: any shape, as rows of inputs times panels
// of four outputs. Two weights share a number of 64 bits, so that one
// multiplication forms two products; their sums part at the end, exact as long
// as the lower one fits 32 bits.

// qgoPanel is the outputs of a panel: two numbers of two.
const qgoPanel = 4

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
	p.px = max(2, min(p.pixels, 32, (1<<15)/max(p.k, 1)))
	p.ch = min(p.panels, max(4, taskWork/(work*p.px)))
	if p.gather {
		p.ch = min(p.panels, max(16, p.ch))
	}
	if p.ch == p.panels && !p.gather {
		p.px = max(p.px, min(p.pixels, taskWork/(work*p.panels)))
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

// qgoMost bounds the products of an output: sums of them, each of two numbers
// below 256, must fit 32 bits.
const qgoMost = 1 << 15

var convU8Go = QConvKernel{
	Name: "convU8T2x4Go", Impl: "go", Available: always,
	Accepts:   func(s *QConvShape) bool { return s.O > 0 && s.C > 0 && s.KH*s.KW*s.C/s.Groups <= qgoMost },
	PackedLen: func(s *QConvShape) int { p := planQGo(s); return p.packed(s) },
	Pack:      packQGo,
	Tasks:     func(s *QConvShape) int { p := planQGo(s); return s.Groups * p.npx * p.nc },
	ScratchLen: func(s *QConvShape) int {
		p := planQGo(s)
		if p.gather {
			return ceilDiv(p.px*p.k, 4)
		}
		return 0
	},
	Run: runQGo,
}

// packed is the bytes of packed constants: panels of pairs of weights with
// four folded biases, then multipliers and shifts.
func (p *qgoPlan) packed(s *QConvShape) int { return s.Groups*p.panels*p.panelLen() + 8*s.O }

// panelLen is the bytes of a panel.
func (p *qgoPlan) panelLen() int { return 16*p.k + 16 }

// packQGo lays constants out as panels [group][panel][kh][kw][c][2] of pairs of
// weights, each less its zero point.
func packQGo(a *QConv, dst []byte) {
	p, taps := planQGo(&a.QConvShape), a.KH*a.KW
	at := dst
	for g := range a.Groups {
		for panel := range p.panels {
			var bias [qgoPanel]int32
			for t := range taps {
				for c := range p.cg {
					var w [qgoPanel]int64
					for j := range qgoPanel {
						o := panel*qgoPanel + j
						if o >= p.og {
							continue
						}
						o += g * p.og
						w[j] = int64(a.Weight[(o*p.cg+c)*taps+t])
						if a.HasWZero {
							w[j] -= int64(a.WZero[o])
						}
						bias[j] -= int32(a.XZero) * int32(w[j])
					}
					binary.NativeEndian.PutUint64(at, uint64(w[0]+w[1]<<32))
					binary.NativeEndian.PutUint64(at[8:], uint64(w[2]+w[3]<<32))
					at = at[16:]
				}
			}
			for j := range qgoPanel {
				if o := panel*qgoPanel + j; o < p.og {
					bias[j] += a.Bias[g*p.og+o]
				}
				binary.NativeEndian.PutUint32(at[4*j:], uint32(bias[j]))
			}
			at = at[16:]
		}
	}
	for o := range a.O {
		binary.NativeEndian.PutUint32(at[8*o:], uint32(a.Mult[o]))
		binary.NativeEndian.PutUint32(at[8*o+4:], uint32(a.Shift[o]))
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
	rows, stride := a.X, a.XPixel
	if p.gather {
		rows, stride = Bytes(scratch)[:n*p.k], p.k
		for i := range n {
			gatherBytes(a, g, p0+i, rows[i*p.k:][:p.k], p.k/a.KH)
		}
	} else {
		rows = rows[p0*stride+g*p.k:]
	}
	rescale := a.Packed[a.Groups*p.panels*p.panelLen():]
	for c := c0; c < end; c++ {
		panel := a.Packed[(g*p.panels+c)*p.panelLen():][:p.panelLen()]
		w, bias := int64s(panel[:16*p.k]), panel[16*p.k:]
		o := c * qgoPanel
		valid := min(qgoPanel, p.og-o)
		o += g * p.og
		for i := 0; i < n; i += 2 {
			second := min(i+1, n-1)
			sums := productQGo(rows[i*stride:][:p.k], rows[second*stride:][:p.k], w)
			for r := range second - i + 1 {
				y := a.Y[(p0+i+r)*a.YPixel+o:][:valid]
				for j := range y {
					sum := sums[2*r+j/2]
					acc := int32(sum)
					if j%2 == 1 {
						acc = int32((sum - int64(acc)) >> 32)
					}
					acc += int32(binary.NativeEndian.Uint32(bias[4*j:]))
					m, shift := binary.NativeEndian.Uint32(rescale[8*(o+j):]), binary.NativeEndian.Uint32(rescale[8*(o+j)+4:])
					v := int32(a.YZero) + a.Rescale(acc, int32(m), int32(shift))
					y[j] = uint8(min(max(v, int32(a.Lo)), int32(a.Hi)))
					if a.HasTable {
						y[j] = a.Table[y[j]]
					}
				}
			}
		}
	}
}

// productQGo is the pairs of sums of two rows with a panel.
func productQGo(x0, x1 []uint8, w []int64) (sums [4]int64) {
	var a, b, c, d int64
	x1 = x1[:len(x0)]
	for i, v := range x0 {
		pair := (*[2]int64)(w[2*i:])
		x, y := int64(v), int64(x1[i])
		a += x * pair[0]
		b += x * pair[1]
		c += y * pair[0]
		d += y * pair[1]
	}
	return [4]int64{a, b, c, d}
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
