//go:build amd64 && !purego

package kernel

import "unsafe"

// Weights in training are packed at each step, so it has to be fast.

// packHalfRows packs a pointwise convolution's weights, [O][C], rounded:
// sixteen outputs at a time become rows of pairs, which are then turned. It is
// packHalf where that is slow.
func packHalfRows(s *ConvShape, p *halfGemm, oihw, dst []float32) {
	const block = 64 // inputs that are turned at a time
	var rows [16 * block / 2]uint32
	out := words(dst)
	args := rowsArgs{y: (*float32)(unsafe.Pointer(&rows[0])), xStride: 4 * s.C, yStride: 2 * block}
	for o := 0; o < p.panels*halfPanel; o += 16 {
		to := out[o*p.kp/2:][:16*p.kp/2]
		valid := max(0, min(16, s.O-o))
		if valid < 16 {
			clear(to)
		}
		for c := 0; c < s.C && valid > 0; c += block {
			args.channels, args.rows = min(block, s.C-c), valid
			args.x = &oihw[o*s.C+c]
			rowsF32AVX512(&args)
			n := ceilDiv(args.channels, 32) * 16 // pairs, zeros beyond the last input
			at := to[c/2*16:][:n*16]
			for i := range valid {
				from := rows[i*block/2:][:n]
				for k, v := range from {
					at[k*16+i] = v
				}
			}
		}
	}
}

// words is the memory of float32s as their bits.
func words(x []float32) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(x))), len(x))
}

// packHalfTurned packs the transposed matrix of a pointwise convolution, whose
// pairs of rows are those of the matrix as it is.
func (v *halfISA) packHalfTurned(forward *ConvShape, oihw, dst []float32) bool {
	g, ok := GradInputConv(forward)
	g.BF16 = BF16{Parts: 1}
	if !ok || !pointwise(&g) || g.Groups != 1 {
		return false
	}
	p := v.plan(&g)
	block := 16 * p.kp / 2 // float32s of sixteen outputs
	valid := ceilDiv(g.O, 16)
	for b := range 2 * p.panels {
		from := ceilDiv(g.C, 2) * 16
		if b >= valid {
			from = 0
		}
		clear(dst[b*block+from : (b+1)*block])
	}
	pairRowsAVX512(&pairArgs{x: &oihw[0], y: &dst[0], xStride: 4 * forward.C, yStride: 64, yBlock: 4 * block, rows: forward.O, channels: forward.C})
	return true
}
