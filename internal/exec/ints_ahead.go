package exec

import "github.com/mobilenet-go/mobilenet/internal/kernel"

// Constants of integer convolutions lie each on their own in memory, so each
// convolution is given one piece of one that comes after it, see planAhead.

const (
	// intAheadWork is the multiply-adds of a convolution for each byte fetched:
	// four cache lines in the time of sixteen inputs of the largest product
	// tile.
	intAheadWork = 28
	// intAheadWindow is how far ahead of a convolution's own constants it
	// fetches, in bytes: half of a second-level cache.
	intAheadWindow = 512 << 10
	// intAheadLeast is the bytes of constants that are worth a piece.
	intAheadLeast = 4 << 10
)

// intConv is what matters of an integer convolution here.
type intConv struct {
	packed []byte
	most   int // bytes that it can fetch
}

func newIntConv(s *kernel.QConvShape, packed []byte) intConv {
	c := intConv{packed: packed}
	if pixels := s.N * s.OH * s.OW; pixels > 1 && s.Groups == 1 {
		c.most = pixels * s.O * s.KH * s.KW * s.C / intAheadWork
	}
	return c
}

// planIntAhead gives for each convolution, in the order in which they run, the
// constants it fetches.
func planIntAhead(convs []intConv) [][]byte {
	out := make([][]byte, len(convs))
	next, off := 0, 0 // what is to be fetched: convolution and byte
	for i, c := range convs {
		if next <= i {
			next, off = i+1, 0
		}
		for next < len(convs) && len(convs[next].packed) < intAheadLeast {
			next, off = next+1, 0
		}
		if next == len(convs) {
			break
		}
		room := intAheadWindow - off
		for _, between := range convs[i+1 : next] {
			room -= len(between.packed)
		}
		n := min(c.most, room, len(convs[next].packed)-off)
		if n <= 0 {
			continue
		}
		out[i] = convs[next].packed[off : off+n]
		if off += n; off == len(convs[next].packed) {
			next, off = next+1, 0
		}
	}
	return out
}
