//go:build amd64 && !purego

package kernel

// Convolution of bytes as rows of inputs times panels of 32 outputs. The rows
// of a pointwise convolution are the picture's own pixels; those of a dense
// kernel are runs within the picture, one for every row of the kernel, where
// all of it lies inside; other rows are made in scratch. Every row, in place or
// made, is KH runs of as many bytes, rounded up to four: what is read beyond a
// run meets weights of zero.

// qPanel is the outputs of a panel.
const qPanel = 2 * quantLanes

// qgemmPlan is how a shape is divided: chunks of pixels and chunks of panels.
type qgemmPlan struct {
	rows    int // rowsPixels and so on
	run     int // bytes of a run, rounded up to four
	k       int // bytes of a row
	stride  int // bytes between rows that are made
	panels  int
	pixels  int
	px, ch  int // pixels and panels of a chunk
	npx, nc int // chunks
}

const (
	// qTaskWork is the multiply-adds aimed at in a task: about 15 microseconds.
	qTaskWork = 1 << 21
	// qMade bounds the bytes of rows made at once, which stay in the
	// second-level cache while the panels pass.
	qMade = 1 << 17
)

// planQGemm divides a shape for tiles of unit rows.
func planQGemm(s *QConvShape, unit int) (p qgemmPlan) {
	p.run = ceilDiv(s.KW*s.C, 4) * 4
	p.k = s.KH * p.run
	p.stride = ceilDiv(p.k, 64) * 64
	if p.stride%1024 == 0 {
		p.stride += 64 // or the rows of a tile share a line of the cache
	}
	p.panels, p.pixels = ceilDiv(s.O, qPanel), s.N*s.OH*s.OW
	switch {
	case pointwiseBytes(s) && s.C%4 == 0:
		p.rows = rowsPixels
	case s.OH*s.OW > 1 && (s.KW == 1 || s.DilationW == 1 && s.XPixel == s.C):
		p.rows, unit = rowsDirect, s.OW
	default:
		p.rows = rowsGathered
	}
	p.px, p.ch = max(p.pixels, 1), p.panels
	panel := p.k * qPanel // work of a panel and a pixel
	if p.rows != rowsPixels {
		most := max(1, qMade/p.stride/unit) * unit
		if p.rows == rowsDirect {
			most = max(1, min(64, s.OH)) * unit
		}
		p.px = min(p.px, most)
	}
	if s.OH*s.OW == 1 {
		// The weights are the work, four panels at a time.
		p.ch = min(p.panels, max(4, qTaskWork/8/(panel*min(p.pixels, 8))&^3))
	} else {
		for p.px > 4*unit && p.px*panel*p.ch > qTaskWork {
			p.px = ceilDiv(p.px, 2)
		}
		if p.rows == rowsPixels && p.px*panel*p.ch > 2*qTaskWork {
			p.ch = max(1, qTaskWork/(p.px*panel))
		}
	}
	// Even chunks of whole tiles or rows.
	p.npx = ceilDiv(max(p.pixels, 1), p.px)
	p.px = ceilDiv(ceilDiv(max(p.pixels, 1), p.npx), unit) * unit
	p.npx = max(1, ceilDiv(p.pixels, p.px))
	p.nc = ceilDiv(p.panels, p.ch)
	p.ch = ceilDiv(p.panels, p.nc)
	if s.OH*s.OW == 1 && p.nc > 1 { // whole fours
		p.ch = ceilDiv(p.ch, 4) * 4
	}
	p.nc = ceilDiv(p.panels, p.ch)
	return p
}

// qHeader is the bytes before the constants: the first is 1 if a channel shifts
// left.
const qHeader = 64

// blocks is the bytes of the header and the constants of all panels.
func (p *qgemmPlan) blocks() int { return qHeader + p.panels*2*quantBlock }

// packQBlocks writes the constants of all panels. The zero points of the
// inputs are folded into the bias: of all the taps, since padding is the zero
// point itself.
func (p *qgemmPlan) packQBlocks(a *QConv, dst []byte) {
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
	for i := range 2 * p.panels {
		packQuant(a, quantLanes*i, bias, dst[qHeader+quantBlock*i:])
	}
	clear(dst[:qHeader])
	if shiftsLeft(a) {
		dst[0] = 1
	}
}
