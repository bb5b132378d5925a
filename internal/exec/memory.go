package exec

import "unsafe"

const (
	line     = 64
	hugePage = 2 << 20
)

// aligned is a zeroed slice that starts on a cache line. A large one starts on
// a huge page and asks for such pages: weights are read once a run, front to
// back, and with small pages a good part of that time goes into looking up
// addresses.
func aligned(n int) []float32 {
	unit := line
	if 4*n >= hugePage {
		unit = hugePage
	}
	buf := make([]float32, n+unit/4)
	skip := 0
	if rest := int(uintptr(unsafe.Pointer(unsafe.SliceData(buf))) & uintptr(unit-1)); rest != 0 {
		skip = (unit - rest) / 4
	}
	out := buf[skip : skip+n : skip+n]
	if unit == hugePage {
		adviseHuge(out)
	}
	return out
}
