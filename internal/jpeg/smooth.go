package jpeg

// A progressive file that lacks scans knows of most blocks little more than their means. libjpeg then
// estimates the first coefficients of a block from the means of the 5x5 blocks around it, so that
// blocks flow into one another. Files that are complete are not touched.

// smoothed is how many coefficients, in zigzag order, are looked after: the mean and nine more.
const smoothed = 10

// precision follows what scans have told of the first coefficients of a component: how many low bits
// are still unknown, -1 where nothing is known. Before is the state ahead of the last scan, for rows
// which that scan did not reach.
type precision struct{ now, before [smoothed]int8 }

// tell notes the scan that begins.
func (d *decoder) tell(c *component) {
	for k := min(d.ss, 1); k < smoothed; k++ {
		c.known.before[k] = 0
		if d.scans > 1 {
			c.known.before[k] = c.known.now[k]
		}
	}
	for k := d.ss; k <= min(d.se, smoothed-1); k++ {
		c.known.now[k] = int8(d.al)
	}
}

// smoothing tells whether to smooth, and prepares it.
func (d *decoder) smoothing() bool {
	if !d.progressive {
		return false
	}
	useful := false
	for i := range d.comps {
		c := &d.comps[i]
		if !c.hasQuant || c.known.now[0] < 0 {
			return false
		}
		for k := range smoothed {
			if c.quant[d.mcu.order[k]&63] == 0 {
				return false
			}
			if k > 0 && c.known.now[k] != 0 {
				useful = true
			}
		}
		if d.scans < 2 {
			for k := range smoothed {
				c.known.before[k] = -1
			}
		}
	}
	return useful
}

// window holds weights for the means of 5x5 blocks, the estimated one in the middle.
type window [25]int32

// withMean are the weights where only means are known; the mean itself is smoothed as well.
var withMean = [smoothed]window{
	{-2, -6, -8, -6, -2, -6, 6, 42, 6, -6, -8, 42, 152, 42, -8, -6, 6, 42, 6, -6, -2, -6, -8, -6, -2},
	{-1, -1, 0, 1, 1, -3, 13, 0, -13, 3, -3, 38, 0, -38, 3, -3, 13, 0, -13, 3, -1, -1, 0, 1, 1},
	{-1, -3, -3, -3, -1, -1, 13, 38, 13, -1, 0, 0, 0, 0, 0, 1, -13, -38, -13, 1, 1, 3, 3, 3, 1},
	{2: 1, 6: 2, 7: 7, 8: 2, 11: -5, 12: -14, 13: -5, 16: 2, 17: 7, 18: 2, 22: 1},
	{0: -1, 4: 1, 6: 9, 8: -9, 16: -9, 18: 9, 20: 1, 24: -1},
	{6: 2, 7: -5, 8: 2, 10: 1, 11: 7, 12: -14, 13: 7, 14: 1, 16: 2, 17: -5, 18: 2},
	{6: 1, 8: -1, 11: 2, 13: -2, 16: 1, 18: -1},
	{6: 1, 7: -3, 8: 1, 16: -1, 17: 3, 18: -1},
	{6: 1, 8: -1, 11: -3, 13: 3, 16: 1, 18: -1},
	{6: 1, 7: 2, 8: 1, 16: -1, 17: -2, 18: -1},
}

// besideMean are the weights where some coefficients are known already.
var besideMean = [smoothed]window{
	1: {10: -7, 11: 50, 13: -50, 14: 7},
	2: {2: -7, 7: 50, 17: -50, 22: 7},
	3: {2: -1, 7: 13, 12: -24, 17: 13, 22: -1},
	4: {1: -1, 3: 1, 5: -1, 6: 10, 8: -10, 9: 1, 15: 1, 16: -10, 18: 10, 19: -1, 21: 1, 23: -1},
	5: {10: -1, 11: 13, 12: -24, 13: 13, 14: -1},
}

// smoother estimates blocks of one row of blocks.
type smoother struct {
	d       *decoder
	c       *component
	bits    [smoothed]int8
	onlyDC  bool
	weights *[smoothed]window
	rows    [5]int // rows of blocks around
	work    [64]int16
}

// startRow prepares block row by of MCU row my, which has n rows of blocks that count.
func (s *smoother) startRow(d *decoder, c *component, my, by, n int) {
	s.d, s.c = d, c
	s.bits = c.known.now
	if my > d.lastGood {
		s.bits = c.known.before
	}
	s.onlyDC, s.weights = true, &withMean
	for _, b := range s.bits[1:] {
		if b != -1 {
			s.onlyDC, s.weights = false, &besideMean
		}
	}
	row := my*c.v + by
	last := d.mcuY - 1
	// Rows count as beyond the edge by rows of MCUs, in libjpeg-turbo 2.1.
	s.rows = [5]int{row, row, row, row, row}
	if by > 0 || my > 0 {
		s.rows[0], s.rows[1] = row-1, row-1
	}
	if by > 1 || my > 1 {
		s.rows[0] = row - 2
	}
	if by < n-1 || my < last {
		s.rows[3], s.rows[4] = row+1, row+1
	}
	if by < n-2 || my+1 < last {
		s.rows[4] = row + 2
	}
}

// block returns the block of column bx with estimates in place of zeros.
func (s *smoother) block(bx int) *[64]int16 {
	c, order := s.c, s.d.mcu.order
	copy(s.work[:], c.coef[64*(s.rows[2]*c.stride+bx):])
	var means [25]int32
	for i, row := range s.rows {
		for j := range 5 {
			x := min(max(bx+j-2, 0), c.cols-1)
			if c.cols == 2 && bx+j-2 > 1 {
				x = 0 // likewise
			}
			means[5*i+j] = int32(c.coef[64*(row*c.stride+x)])
		}
	}
	q0 := int64(uint16(c.quant[0]))
	estimate := func(k int) int64 {
		sum := int64(0)
		for i, w := range s.weights[k] {
			sum += int64(w * means[i])
		}
		q := int64(uint16(c.quant[order[k]&63]))
		num := q0 * sum
		limit := int64(1) << 40
		if b := s.bits[k]; b > 0 && k > 0 {
			limit = 1<<b - 1
		}
		if num >= 0 {
			return min((q<<7+num)/(q<<8), limit)
		}
		return -min((q<<7-num)/(q<<8), limit)
	}
	n := 6
	if s.onlyDC {
		n = smoothed
	}
	for k := 1; k < n; k++ {
		if p := &s.work[order[k]&63]; s.bits[k] != 0 && *p == 0 {
			*p = int16(estimate(k))
		}
	}
	if s.onlyDC {
		s.work[0] = int16(estimate(0))
	}
	return &s.work
}
