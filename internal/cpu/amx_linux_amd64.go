//go:build !amxemu

package cpu

import (
	"sync"
	"syscall"

	"golang.org/x/sys/cpu"
)

// tilesAllowed asks the kernel once to let this process use tile registers,
// whose state it does not save otherwise: the first tile instruction would be
// an illegal one. Whatever the reason of a refusal, there are no tiles then.
var tilesAllowed = sync.OnceValue(func() bool {
	const (
		requestPermission = 0x1023 // ARCH_REQ_XCOMP_PERM
		tileData          = 18     // XFEATURE_XTILEDATA
	)
	if !cpu.X86.HasAMXTile || !cpu.X86.HasAMXBF16 {
		return false
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, requestPermission, tileData, 0)
	return errno == 0
})

// tileBytes reports products of tiles of bytes, which came with those of
// bfloat16 so far.
func tileBytes() bool { return cpu.X86.HasAMXInt8 }
