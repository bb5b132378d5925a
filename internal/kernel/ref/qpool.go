package ref

// QPoolArgs is a mean or maximum of bytes over windows; padding does not
// count. The mean is rounded to the nearest, ties away from zero of the stored
// integers: Signed says that they are int8s.
type QPoolArgs struct {
	N, H, W, C           int
	OH, OW               int
	KH, KW               int
	StrideH, StrideW     int
	DilationH, DilationW int
	PadTop, PadLeft      int
	Max, Signed          bool
	Lo, Hi               uint8
	X, Y                 []uint8
}

// QPool computes it by its definition.
func QPool(a *QPoolArgs) {
	for p := range a.N * a.OH * a.OW {
		n, oh, ow := p/(a.OH*a.OW), p/a.OW%a.OH, p%a.OW
		for c := range a.C {
			var sum, count, most int32
			for kh := range a.KH {
				for kw := range a.KW {
					h, w := oh*a.StrideH-a.PadTop+kh*a.DilationH, ow*a.StrideW-a.PadLeft+kw*a.DilationW
					if h < 0 || h >= a.H || w < 0 || w >= a.W {
						continue
					}
					x := int32(a.X[((n*a.H+h)*a.W+w)*a.C+c])
					most = max(most, x)
					if a.Signed {
						x -= 128
					}
					sum += x
					count++
				}
			}
			v := most
			if !a.Max {
				v = roundedMean(sum, count)
				if a.Signed {
					v += 128
				}
			}
			a.Y[p*a.C+c] = clampByte(v, a.Lo, a.Hi)
		}
	}
}

// roundedMean is sum/count to the nearest integer, ties away from zero.
func roundedMean(sum, count int32) int32 {
	if count == 0 {
		return 0
	}
	if sum < 0 {
		return (sum - count/2) / count
	}
	return (sum + count/2) / count
}

// QSoftmaxArgs is the softmax of rows of bytes: with Exp[d] the exponential of
// -d steps of the input,
//
//	y = clamp(YZero + round(Exp[max-x] / sum(Exp[max-x]) / YScale))
//
// in float32, as TFLite's table-driven kernel does.
type QSoftmaxArgs struct {
	Rows, Cols int
	Exp        *[256]float32
	YScale     float32
	YZero      uint8
	Lo, Hi     uint8
	X, Y       []uint8
}

// QSoftmax computes it by its definition.
func QSoftmax(a *QSoftmaxArgs) {
	for r := range a.Rows {
		x, y := a.X[r*a.Cols:(r+1)*a.Cols], a.Y[r*a.Cols:(r+1)*a.Cols]
		var most uint8
		for _, v := range x {
			most = max(most, v)
		}
		var sum float32
		for _, v := range x {
			sum += a.Exp[most-v]
		}
		inv := 1 / (sum * a.YScale)
		for i, v := range x {
			y[i] = clampByte(int32(a.YZero)+int32(float32(a.Exp[most-v]*inv)+0.5), a.Lo, a.Hi)
		}
	}
}

// ArgMaxArgs is the index of the greatest byte of each row, the lowest of
// equals.
type ArgMaxArgs struct {
	Rows, Cols int
	X          []uint8
	Y          []int32
}

// ArgMax computes it by its definition.
func ArgMax(a *ArgMaxArgs) {
	for r := range a.Rows {
		at := 0
		row := a.X[r*a.Cols : (r+1)*a.Cols]
		for i, v := range row {
			if v > row[at] {
				at = i
			}
		}
		a.Y[r] = int32(at)
	}
}
