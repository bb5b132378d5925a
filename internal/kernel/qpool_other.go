//go:build !amd64 || purego

package kernel

// vecQPoolKernels: windows of bytes in assembly are for amd64.
func vecQPoolKernels() []Kernel[QPool] { return nil }
