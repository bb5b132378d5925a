package kernel

import "github.com/mobilenet-go/mobilenet/internal/kernel/ref"

func argMaxTasks(a *ArgMax) int { return ceilDiv(a.Rows, rowsPerTask(a.Cols)) }

// runArgMax finds the greatest byte first and then where it is, which are two
// simple loops in place of one that branches.
func runArgMax(a *ArgMax, task int, _ []float32) {
	lo, hi := chunk(task, rowsPerTask(a.Cols), a.Rows)
	for r := lo; r < hi; r++ {
		row := a.X[r*a.Cols:][:a.Cols]
		var most uint8
		for _, v := range row {
			most = max(most, v)
		}
		at := 0
		for i, v := range row {
			if v == most {
				at = i
				break
			}
		}
		a.Y[r] = int32(at)
	}
}

func byteResizeRows(a *ByteResize) int  { return rowsPerTask(4 * a.OW * a.C) }
func byteResizeTasks(a *ByteResize) int { return ceilDiv(a.N*a.OH, byteResizeRows(a)) }

func runByteResize(a *ByteResize, task int, _ []float32) {
	lo, hi := chunk(task, byteResizeRows(a), a.N*a.OH)
	for row := lo; row < hi; row++ {
		n, oh := row/a.OH, row%a.OH
		v := ref.ByteResizeSource(oh, a.H, a.OH, a)
		top, bottom := a.X[(n*a.H+v.Lo)*a.W*a.C:], a.X[(n*a.H+v.Hi)*a.W*a.C:]
		for ow := range a.OW {
			h := ref.ByteResizeSource(ow, a.W, a.OW, a)
			y := a.Y[(row*a.OW+ow)*a.C:][:a.C]
			if a.Nearest {
				copy(y, top[h.Lo*a.C:])
				continue
			}
			p, q := top[h.Lo*a.C:][:len(y)], top[h.Hi*a.C:][:len(y)]
			r, s := bottom[h.Lo*a.C:][:len(y)], bottom[h.Hi*a.C:][:len(y)]
			if a.Signed {
				mixFixed(p, r, q, s, y, v.Fixed, h.Fixed)
			} else {
				mixFloat(p, r, q, s, y, v.Frac, h.Frac)
			}
		}
	}
}

// mixFixed interpolates between four pixels of int8s: p and r are those of the
// left column, q and s those of the right one. The weights add up to 2^20, so
// int32s hold the sums, and 128 more of every byte is 128 more of the mean;
// only the rounding must see the sign of what the int8s make.
func mixFixed(p, r, q, s, y []uint8, v1, h1 int32) {
	v0, h0 := 1<<10-v1, 1<<10-h1
	a, b, c, d := v0*h0, v1*h0, v0*h1, v1*h1
	for i := range y {
		sum := int32(p[i])*a + int32(r[i])*b + int32(q[i])*c + int32(s[i])*d - 128<<20
		// Half away from zero: down from exactly half below zero.
		y[i] = uint8((sum+1<<19+sum>>31)>>20 + 128)
	}
}

// mixFloat interpolates in float32, in the order of the definition; the
// conversions keep products from being fused into sums.
func mixFloat(p, r, q, s, y []uint8, v1, h1 float32) {
	v0, h0 := 1-v1, 1-h1
	a, b, c, d := float32(v0*h0), float32(v0*h1), float32(v1*h0), float32(v1*h1)
	for i := range y {
		sum := float32(float32(p[i]) * a)
		sum += float32(float32(q[i]) * b)
		sum += float32(float32(r[i]) * c)
		sum += float32(float32(s[i]) * d)
		y[i] = uint8(sum + 0.5)
	}
}
