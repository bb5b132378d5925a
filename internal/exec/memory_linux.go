package exec

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// adviseHuge asks for huge pages under the whole ones of x. Whether it gets
// them is the system's choice.
func adviseHuge(x []float32) {
	n := 4 * len(x) / hugePage * hugePage
	if n > 0 {
		unix.Madvise(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), n), unix.MADV_HUGEPAGE)
	}
}
