package kernel

import "unsafe"

// Memory of one type seen as another.

func int32sOf(b []byte) []int32 {
	if len(b) < 4 {
		return nil
	}
	return unsafe.Slice((*int32)(unsafe.Pointer(&b[0])), len(b)/4)
}

func int16sOf(b []byte) []int16 {
	if len(b) < 2 {
		return nil
	}
	return unsafe.Slice((*int16)(unsafe.Pointer(&b[0])), len(b)/2)
}

// lookUpBytes writes what the table has for every byte of x to y, which may be
// x.
func lookUpBytes(table *[256]uint8, x, y []uint8) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = table[v]
	}
}
