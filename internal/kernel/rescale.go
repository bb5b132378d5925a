package kernel

import "encoding/binary"

// The constants of requantization as the generated routines read them: for
// sixteen channels a block of vectors of 64 bytes. See the generator's quant.go.
const (
	quantBias  = 64 * iota // int32
	quantLeft              // int32
	quantMult              // int32
	quantOdd               // int32 in 64 bits
	quantHalf              // int32 or int64
	quantShift             // int32 or int64
	quantEven              // int64
	quantOdds              // int64
	quantZero              // int32
	quantWZero             // int32: negative
	quantBlock             // bytes of a block
)

// quantLanes is the channels of a block.
const quantLanes = 16

// packQuant writes the block of constants of the channels from o on, those
// beyond the last like a multiplier of 0. bias is what a sum starts from.
// Multipliers are not negative, shifts within [-31,30]; with Float multipliers
// are float32s, in their place alone.
func packQuant(a *QConv, o int, bias []int32, dst []byte) {
	put32 := func(field, i int, v int32) { binary.NativeEndian.PutUint32(dst[field+4*i:], uint32(v)) }
	put64 := func(field, i int, v uint64) { binary.NativeEndian.PutUint64(dst[field+8*i:], v) }
	clear(dst[:quantBlock])
	for i := range quantLanes {
		var b, m, shift int32
		if o+i < a.O {
			b, m, shift = bias[o+i], a.Mult[o+i], a.Shift[o+i]
		}
		left, right := max(shift, 0), max(-shift, 0)
		zero := int32(a.YZero)
		put32(quantBias, i, b)
		if a.HasWZero && o+i < a.O {
			put32(quantWZero, i, -a.WZero[o+i])
		}
		put32(quantMult, i, m)
		if a.Float {
			put32(quantZero, i, zero)
			continue
		}
		if i%2 == 1 {
			put32(quantOdd, i-1, m)
		}
		if a.Twice() {
			put32(quantLeft, i, left)
			put32(quantHalf, i, int32(uint32(1)<<right>>1))
			put32(quantShift, i, right)
			put32(quantZero, i, zero)
			continue
		}
		// 2^63 makes the product not negative; shifted like it, it is taken
		// off again with the zero point.
		total := uint(31 - shift)
		term, field, count := uint64(1)<<63+uint64(1)<<(total-1), quantHalf, quantEven
		if a.Up && shift < 0 {
			term += 1 << 30
		}
		if i%2 == 1 {
			field, count = quantShift, quantOdds
		}
		put64(field, i/2, term)
		put64(count, i/2, uint64(total))
		put32(quantZero, i, zero-int32(uint32(uint64(1)<<63>>total)))
	}
}

// roundOnceOrFloat is what routines are told of a rounding that is not of two
// steps.
func roundOnceOrFloat(s *QConvShape) int {
	if s.Float {
		return 2
	}
	return 1
}

// shiftsLeft reports a channel whose sums are shifted to the left.
func shiftsLeft(a *QConv) bool {
	for _, s := range a.Shift {
		if s > 0 && a.Twice() {
			return true
		}
	}
	return false
}
